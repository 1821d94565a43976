/* SPDX-License-Identifier: MIT */
/* Charts of the evaluation page. CSS class r is recall, p precision. */
#include "base/error.h"
#include "base/size.h"
#include "eval/chart.h"
#include "eval/html.h"
#include "eval/html_parts.h"
#include "eval/html_text.h"
#include "eval/quantile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Hover text of a molecule, escaped. */
static void put_molecule_tip(cg_buf *out, const cg_eval_molecule *m)
{
    cg_html_put_text(out, *m->name ? m->name : m->smiles);
    cg_buf_puts(out, "\nCOV-R ");
    cg_html_put_percent(out, m->cov_r);
    cg_buf_puts(out, ", MAT-R ");
    cg_html_put_angstrom(out, m->mat_r);
    cg_buf_puts(out, "\nCOV-P ");
    cg_html_put_percent(out, m->cov_p);
    cg_buf_puts(out, ", MAT-P ");
    cg_html_put_angstrom(out, m->mat_p);
    cg_buf_printf(out, "\n%u heavy atoms, %u rotatable bonds\n", m->n_heavy, m->n_rotatable);
    cg_html_put_count(out, m->n_ref);
    cg_buf_puts(out, " references, ");
    cg_html_put_count(out, m->n_gen);
    cg_buf_puts(out, " generated");
}

static const char key_lines[] =
    "<p class=\"key\"><span class=\"r solid\">recall mean</span><span class=\"r dashed\">recall "
    "median</span><span class=\"p solid\">precision mean</span><span class=\"p dashed\">precision"
    " median</span></p>\n";

/* Wide invisible bars with the figures of each delta on hover. */
static void put_curve_tips(cg_chart *c, const cg_eval_summary *s, cg_buf *tip)
{
    double half = (cg_eval_delta(1) - cg_eval_delta(0)) / 2;

    for (int i = 0; i < CG_EVAL_DELTAS; i++) {
        double delta = cg_eval_delta(i);

        cg_buf_clear(tip);
        cg_buf_printf(tip, "δ = %.2f Å\nCOV-R ", delta);
        cg_html_put_percent(tip, s->curve_r[i].mean);
        cg_buf_puts(tip, ", median ");
        cg_html_put_percent(tip, s->curve_r[i].median);
        cg_buf_puts(tip, "\nCOV-P ");
        cg_html_put_percent(tip, s->curve_p[i].mean);
        cg_buf_puts(tip, ", median ");
        cg_html_put_percent(tip, s->curve_p[i].median);
        cg_chart_bar(c, delta - half, delta + half, c->y.high, "hover", cg_buf_text(tip));
    }
}

/* A dot on a curve at delta, labelled with its share. */
static void put_mark(cg_chart *c, double delta, double share, const char *cls, int above)
{
    cg_buf text = { 0 };
    char dot[24], label[24];

    snprintf(dot, sizeof dot, "%s dot", cls);
    snprintf(label, sizeof label, "%s label", cls);
    cg_html_put_percent(&text, share);
    cg_chart_point(c, delta, share, 4.5, dot, NULL);
    cg_chart_text(c, delta, share, above ? -9 : 10, above ? -6 : 16, above ? "end" : "start", label,
                  cg_buf_text(&text));
    c->out->failed |= text.failed;
    cg_buf_finish(&text);
}

void cg_html_put_curve(const cg_eval_result *result, cg_buf *out)
{
    const cg_eval_summary *s = &result->summary;
    cg_chart_axis x = { 0, 3, 0.5, 1, "δ, Å" };
    cg_chart_axis y = { 0, 1, 0.2, 100, "COV, %" };
    double delta[CG_EVAL_DELTAS], share[CG_EVAL_DELTAS];
    double at = result->settings.delta;
    const struct {
        const cg_eval_figure *curve;
        int median;
        const char *cls;
    } lines[] = { { s->curve_r, 1, "r line dash" },
                  { s->curve_p, 1, "p line dash" },
                  { s->curve_r, 0, "r line" },
                  { s->curve_p, 0, "p line" } };
    cg_buf text = { 0 };
    cg_chart c;

    cg_html_open_card(out, "Coverage against δ", "Share within a distance δ, as δ grows.");
    cg_buf_puts(out, key_lines);
    cg_chart_begin(&c, out, &x, &y, "COV-R and COV-P against delta, mean and median");
    cg_buf_printf(&text, "δ = %.4g Å", at);
    cg_chart_rule(&c, at, "rule", 0, cg_buf_text(&text));
    for (size_t k = 0; k < sizeof lines / sizeof lines[0]; k++) {
        for (int i = 0; i < CG_EVAL_DELTAS; i++) {
            delta[i] = cg_eval_delta(i);
            share[i] = lines[k].median ? lines[k].curve[i].median : lines[k].curve[i].mean;
        }
        cg_chart_line(&c, delta, share, CG_EVAL_DELTAS, lines[k].cls);
    }
    if (at <= x.high) {
        int r_above = !(s->cov_r.mean < s->cov_p.mean);

        put_mark(&c, at, s->cov_r.mean, "r", r_above);
        put_mark(&c, at, s->cov_p.mean, "p", !r_above);
    }
    put_curve_tips(&c, s, &text);
    cg_chart_end(&c);
    cg_html_close_card(out);
    out->failed |= text.failed;
    cg_buf_finish(&text);
}

/* ---- histograms of the best RMSD ------------------------------------------------------- */

/* An array of n doubles. */
struct values {
    double *v;
    size_t n;
};

/* Collects the finite values of gen_min (with `precision`) or ref_min of all molecules, sorted;
 * free(ret_values->v). */
static cg_status collect(const cg_eval_result *result, int precision, struct values *ret_values,
                         cg_error *err)
{
    size_t cap = 0;
    double *v;

    for (size_t i = 0; i < result->n_molecules; i++) {
        const cg_eval_molecule *m = &result->molecules[i];

        if (cg_add(cap, m->ref_min && m->gen_min ? precision ? m->n_gen : m->n_ref : 0, &cap))
            return cg_fail_nomem(err, "report");
    }
    v = cg_alloc_array(cap, sizeof *v);
    if (!v)
        return cg_fail_nomem(err, "report");
    ret_values->v = v;
    ret_values->n = 0;
    for (size_t i = 0; i < result->n_molecules; i++) {
        const cg_eval_molecule *m = &result->molecules[i];
        const float *from = precision ? m->gen_min : m->ref_min;

        for (uint64_t k = 0; m->ref_min && m->gen_min && k < (precision ? m->n_gen : m->n_ref); k++)
            if (isfinite(from[k]))
                v[ret_values->n++] = (double)from[k];
    }
    cg_sort_doubles(v, ret_values->n);
    return CG_OK;
}

/* Quantile of sorted values; NaN if there are none. */
static double quantile(const struct values *s, double q)
{
    return s->n ? cg_quantile(s->v, s->n, q) : NAN;
}

enum { MAX_BINS = 80 };

/* Bins of both histograms. Delta is a bin edge, so the colour of a bin says whether it counts for
 * COV. */
struct bins {
    double width;
    int n;
    uint64_t count[2][MAX_BINS];
    uint64_t beyond[2]; /* values above the last bin */
};

static void fill_bins(struct bins *b, const struct values s[2], double delta)
{
    /* A few distant outliers would compress the rest: they are only counted. */
    double high = 1.2 * fmax(quantile(&s[0], 0.98), quantile(&s[1], 0.98));

    memset(b, 0, sizeof *b);
    high = fmin(fmax(high, 2 * delta), 1e6); /* fmax: quantiles without values are NaN */
    b->width = delta / fmax(1, round(delta / (high / 32)));
    if (b->width * MAX_BINS < high)
        b->width = high / 32;
    b->n = (int)fmin(ceil(high / b->width - 1e-9), MAX_BINS);
    for (int side = 0; side < 2; side++)
        for (size_t i = 0; i < s[side].n; i++) {
            double bin = floor(s[side].v[i] / b->width);

            if (bin >= 0 && bin < b->n)
                b->count[side][(int)bin]++;
            else
                b->beyond[side]++;
        }
}

static void put_histogram(const struct bins *b, int precision, const struct values *s, double delta,
                          double highest, cg_buf *out)
{
    static const char *const names[] = { "references", "generated conformers" };
    cg_chart_axis x = cg_chart_axis_over(0, b->n * b->width, 9, "best RMSD, Å");
    cg_chart_axis y =
        cg_chart_axis_over(0, highest, 5, precision ? "generated conformers, %" : "references, %");
    double median = quantile(s, 0.5);
    cg_buf text = { 0 };
    cg_chart c;

    y.factor = 100;
    if (precision)
        cg_html_open_card(out, "Precision: generated conformer to nearest reference", NULL);
    else
        cg_html_open_card(out, "Recall: reference to nearest generated conformer", NULL);
    cg_chart_begin(&c, out, &x, &y,
                   precision ? "Histogram of the RMSD of generated conformers to the nearest "
                               "reference"
                             : "Histogram of the RMSD of references to the nearest generated "
                               "conformer");
    for (int i = 0; i < b->n && s->n; i++) {
        double share = (double)b->count[precision][i] / (double)s->n;
        int near = (i + 0.5) * b->width < delta;

        cg_buf_clear(&text);
        cg_buf_printf(&text, "%.3g to %.3g Å\n", i * b->width, (i + 1) * b->width);
        cg_html_put_count(&text, b->count[precision][i]);
        cg_buf_printf(&text, " %s, ", names[precision]);
        cg_html_put_percent(&text, share);
        if (b->count[precision][i])
            cg_chart_bar(&c, i * b->width, (i + 1) * b->width, share,
                         precision ? near ? "p bar" : "p bar far"
                         : near    ? "r bar"
                                   : "r bar far",
                         cg_buf_text(&text));
    }
    cg_buf_clear(&text);
    cg_buf_printf(&text, "δ = %.4g Å", delta);
    cg_chart_rule(&c, delta, "rule", delta <= median, cg_buf_text(&text));
    cg_buf_clear(&text);
    cg_buf_puts(&text, "median ");
    cg_html_put_angstrom(&text, median);
    cg_chart_rule(&c, median, "rule dash", delta > median, cg_buf_text(&text));
    cg_chart_end(&c);
    cg_buf_puts(out, "<p class=\"note\">");
    cg_html_put_count(out, s->n);
    cg_buf_printf(out, " %s of all molecules together; full colour is closer than δ.",
                  names[precision]);
    if (b->beyond[precision]) {
        cg_buf_puts(out, " Not shown: ");
        cg_html_put_count(out, b->beyond[precision]);
        cg_buf_printf(out, " beyond %.3g Å.", b->n * b->width);
    }
    cg_buf_puts(out, "</p>\n");
    cg_html_close_card(out);
    out->failed |= text.failed;
    cg_buf_finish(&text);
}

cg_status cg_html_put_histograms(const cg_eval_result *result, cg_buf *out, cg_error *err)
{
    struct values s[2] = { { 0 } };
    struct bins bins;
    double highest = 0;
    cg_status st;

    CG_TRY_GOTO(st, collect(result, 0, &s[0], err), out);
    CG_TRY_GOTO(st, collect(result, 1, &s[1], err), out);
    fill_bins(&bins, s, result->settings.delta);
    for (int side = 0; side < 2; side++)
        for (int i = 0; i < bins.n && s[side].n; i++)
            highest = fmax(highest, (double)bins.count[side][i] / (double)s[side].n);
    for (int side = 0; side < 2; side++)
        put_histogram(&bins, side, &s[side], result->settings.delta, highest, out);
out:
    free(s[0].v);
    free(s[1].v);
    return st;
}

/* ---- scatter plots --------------------------------------------------------------------- */

/* Every stride-th molecule is drawn. */
static size_t stride(const cg_eval_result *result)
{
    return (result->n_molecules + CG_EVAL_HTML_POINTS - 1) / CG_EVAL_HTML_POINTS;
}

static void put_drawn_note(const cg_eval_result *result, cg_buf *out)
{
    size_t step = stride(result);

    if (step < 2)
        return;
    cg_buf_puts(out, "<p class=\"note\">One molecule in ");
    cg_html_put_count(out, step);
    cg_buf_puts(out, " is drawn.</p>\n");
}

/* The largest finite mat_r and, with `precision`, mat_p. */
static double largest_mat(const cg_eval_result *result, int precision)
{
    double high = 0;

    for (size_t i = 0; i < result->n_molecules; i++) {
        const cg_eval_molecule *m = &result->molecules[i];

        if (isfinite(m->mat_r))
            high = fmax(high, m->mat_r);
        if (precision && isfinite(m->mat_p))
            high = fmax(high, m->mat_p);
    }
    return high;
}

void cg_html_put_scatters(const cg_eval_result *result, cg_buf *out)
{
    cg_chart_axis r = cg_chart_axis_over(0, largest_mat(result, 1), 8, "MAT-R, Å");
    cg_chart_axis p = r, cov = { 0, 1, 0.2, 100, "COV-R, %" };
    cg_buf tip = { 0 };
    cg_chart c;

    p.name = "MAT-P, Å";
    cg_html_open_card(out, "MAT-P against MAT-R",
                      "Above the diagonal: generated conformers far from every reference. Below: "
                      "references far from every generated conformer.");
    cg_chart_begin(&c, out, &r, &p, "MAT-P against MAT-R, one point per molecule");
    cg_chart_segment(&c, r.low, r.low, r.high, r.high, "rule dash");
    for (size_t i = 0; i < result->n_molecules; i += stride(result)) {
        const cg_eval_molecule *m = &result->molecules[i];

        cg_buf_clear(&tip);
        put_molecule_tip(&tip, m);
        cg_chart_point(&c, m->mat_r, m->mat_p, 4, "m point", cg_buf_text(&tip));
    }
    cg_chart_end(&c);
    put_drawn_note(result, out);
    cg_html_close_card(out);

    cg_html_open_card(out, "COV-R against MAT-R",
                      "Bottom left: near misses, within reach of a slightly larger δ"
                      ". Bottom "
                      "right: references that were not reproduced at all.");
    r = cg_chart_axis_over(0, largest_mat(result, 0), 8, "MAT-R, Å");
    cg_chart_begin(&c, out, &r, &cov, "COV-R against MAT-R, one point per molecule");
    for (size_t i = 0; i < result->n_molecules; i += stride(result)) {
        const cg_eval_molecule *m = &result->molecules[i];

        cg_buf_clear(&tip);
        put_molecule_tip(&tip, m);
        cg_chart_point(&c, m->mat_r, m->cov_r, 4, "r point", cg_buf_text(&tip));
    }
    cg_chart_end(&c);
    put_drawn_note(result, out);
    cg_html_close_card(out);
    out->failed |= tip.failed;
    cg_buf_finish(&tip);
}

/* ---- against size ---------------------------------------------------------------------- */

/* A molecule: its heavy atoms or rotatable bonds, and its figures. */
struct size_point {
    double size, mat_r, mat_p;
};

static int compare_sizes(const void *a, const void *b)
{
    const struct size_point *x = a, *y = b;

    if (x->size != y->size)
        return x->size < y->size ? -1 : 1;
    if (x->mat_r != y->mat_r)
        return x->mat_r < y->mat_r ? -1 : 1;
    return (x->mat_p > y->mat_p) - (x->mat_p < y->mat_p);
}

enum { MAX_GROUPS = 10, LEAST_IN_GROUP = 3 };

/* Means over groups of molecules of similar size. p[n] is sorted by size; groups are consecutive
 * and about equally large, and molecules of one size share a group. Returns the number of groups.
 */
static size_t group(const struct size_point *p, size_t n, double *size, double *mat_r,
                    double *mat_p, size_t *members)
{
    size_t want = (n + MAX_GROUPS - 1) / MAX_GROUPS, groups = 0;

    want = want > LEAST_IN_GROUP ? want : LEAST_IN_GROUP;

    for (size_t i = 0; i < n;) {
        double sum[3] = { 0 };
        size_t k = i;

        while (k < n && (k - i < want || n - k < want || p[k].size == p[k - 1].size)) {
            sum[0] += p[k].size;
            sum[1] += p[k].mat_r;
            sum[2] += p[k].mat_p;
            k++;
        }
        size[groups] = sum[0] / (double)(k - i);
        mat_r[groups] = sum[1] / (double)(k - i);
        mat_p[groups] = sum[2] / (double)(k - i);
        members[groups++] = k - i;
        i = k;
    }
    return groups;
}

/* Labels at the right ends of the lines, above the upper one and below the lower one. */
static void put_line_names(cg_chart *c, double x, double r, double p)
{
    int r_above = r > p;

    cg_chart_text(c, x, r, 4, r_above ? -12 : 23, "middle", "r label", "MAT-R");
    cg_chart_text(c, x, p, 4, r_above ? 23 : -12, "middle", "p label", "MAT-P");
}

/* RMSD axis from 0 to 1.2 times the larger 95th percentile, never beyond the largest value. Sorts
 * mats[0] (recall) and mats[1] (precision) in place. */
static cg_chart_axis rmsd_axis(const cg_eval_result *result, struct values mats[2])
{
    double high = 0;

    for (int side = 0; side < 2; side++) {
        cg_sort_doubles(mats[side].v, mats[side].n);
        high = fmax(high, 1.2 * quantile(&mats[side], 0.95));
    }
    return cg_chart_axis_over(0, fmin(high, largest_mat(result, 1)), 6, "RMSD, Å");
}

static void put_size(const struct size_point *p, size_t n, const char *title, const char *axis,
                     const cg_chart_axis *y, size_t step, cg_buf *out)
{
    double size[MAX_GROUPS], mat_r[MAX_GROUPS], mat_p[MAX_GROUPS];
    size_t members[MAX_GROUPS], groups = group(p, n, size, mat_r, mat_p, members), beyond = 0;
    cg_chart_axis x = cg_chart_axis_over(n ? p[0].size : NAN, n ? p[n - 1].size : NAN, 9, axis);
    cg_buf text = { 0 };
    cg_chart c;

    cg_html_open_card(out, title, NULL);
    cg_chart_begin(&c, out, &x, y, title);
    for (size_t i = 0; i < n; i += step) {
        int out_p = p[i].mat_p > y->high, out_r = p[i].mat_r > y->high;

        cg_chart_point(&c, p[i].size, p[i].mat_p, 3, out_p ? "p ring" : "p faint", NULL);
        cg_chart_point(&c, p[i].size, p[i].mat_r, 3, out_r ? "r ring" : "r faint", NULL);
        beyond += (size_t)(out_p | out_r);
    }
    if (groups > 1) {
        cg_chart_line(&c, size, mat_p, groups, "p line");
        cg_chart_line(&c, size, mat_r, groups, "r line");
    }
    for (size_t g = 0; g < groups; g++) {
        cg_buf_clear(&text);
        cg_buf_printf(&text, "%zu molecules, mean size %.1f\nMAT-R %.3f Å, MAT-P %.3f Å",
                      members[g], size[g], mat_r[g], mat_p[g]);
        cg_chart_point(&c, size[g], mat_p[g], 4.5, "p dot", cg_buf_text(&text));
        cg_chart_point(&c, size[g], mat_r[g], 4.5, "r dot", cg_buf_text(&text));
    }
    if (groups)
        put_line_names(&c, size[groups - 1], mat_r[groups - 1], mat_p[groups - 1]);
    cg_chart_end(&c);
    cg_buf_puts(out, "<p class=\"note\">Faint: molecules. Lines: means over groups of molecules of "
                     "similar size.");
    if (beyond)
        cg_buf_printf(out, " Rings at the upper edge: %zu molecules beyond it.", beyond);
    cg_buf_puts(out, "</p>\n");
    cg_html_close_card(out);
    out->failed |= text.failed;
    cg_buf_finish(&text);
}

cg_status cg_html_put_sizes(const cg_eval_result *result, cg_buf *out, cg_error *err)
{
    size_t all = result->n_molecules, step = stride(result), n = 0;
    struct size_point *points = cg_alloc_array(all, sizeof *points);
    struct values mats[2] = { { cg_alloc_array(all, sizeof(double)), 0 },
                              { cg_alloc_array(all, sizeof(double)), 0 } };
    cg_status st = CG_OK;
    cg_chart_axis y;

    if (!points || !mats[0].v || !mats[1].v) {
        st = cg_fail_nomem(err, "report");
        goto out;
    }
    for (size_t i = 0; i < all; i++) {
        const cg_eval_molecule *m = &result->molecules[i];

        if (isfinite(m->mat_r) && isfinite(m->mat_p)) {
            mats[0].v[mats[0].n++] = m->mat_r;
            mats[1].v[mats[1].n++] = m->mat_p;
        }
    }
    y = rmsd_axis(result, mats);
    for (int rotatable = 0; rotatable < 2; rotatable++, n = 0) {
        for (size_t i = 0; i < all; i++) {
            const cg_eval_molecule *m = &result->molecules[i];

            if (isfinite(m->mat_r) && isfinite(m->mat_p))
                points[n++] = (struct size_point) { rotatable ? m->n_rotatable : m->n_heavy,
                                                    m->mat_r, m->mat_p };
        }
        qsort(points, n, sizeof *points, compare_sizes);
        put_size(points, n, rotatable ? "RMSD against rotatable bonds" : "RMSD against heavy atoms",
                 rotatable ? "rotatable bonds" : "heavy atoms", &y, step, out);
    }
out:
    free(points);
    free(mats[0].v);
    free(mats[1].v);
    return st;
}
