/* SPDX-License-Identifier: MIT */
/* Writes a comparison as text and as JSON. */
#include "base/json_text.h"
#include "base/text.h"
#include "eval/compare.h"
#include "eval/html_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Display of a metric: shares in per cent. */
static const struct display {
    const char *name;
    double factor;
    int decimals;
} displays[CG_COMPARE_METRICS] = {
    [CG_COMPARE_COV_R] = { "COV-R, %", 100, 2 },      [CG_COMPARE_MAT_R] = { "MAT-R, Å", 1, 4 },
    [CG_COMPARE_COV_P] = { "COV-P, %", 100, 2 },      [CG_COMPARE_MAT_P] = { "MAT-P, Å", 1, 4 },
    [CG_COMPARE_PASS] = { "pass checks, %", 100, 2 }, [CG_COMPARE_WRONG] = { "wrong, %", 100, 3 },
    [CG_COMPARE_MISSING] = { "missing, %", 100, 2 },
};

static const char *verdict_text(cg_compare_verdict verdict)
{
    static const char *const texts[] = { "too few molecules", "no difference shown", "better",
                                         "within tolerance", "worse" };

    return texts[verdict];
}

/* Right-aligned; a dash if undefined. A value that rounds to 0 has no sign. */
static void put_cell(cg_buf *out, int width, const struct display *s, double value, int sign)
{
    double shown_value = value * s->factor;

    if (fabs(shown_value) < 0.5 * pow(10, -s->decimals))
        shown_value = sign = 0;
    if (isnan(value))
        cg_buf_printf(out, "%*s", width, "-");
    else
        cg_buf_printf(out, sign ? "%+*.*f" : "%*.*f", width, s->decimals, shown_value);
}

/* Labels are names of files and go to a terminal. */
static void put_label(cg_buf *out, const char *label)
{
    char shown[4096];

    cg_text_visible(label, shown, sizeof shown);
    cg_buf_puts(out, shown);
}

/* A figure after its name, which takes `width` bytes, without the verdict. */
static void put_line(cg_buf *out, const struct display *d, int width, const cg_compare_figure *f)
{
    cg_buf_printf(out, "%-*s", width, d->name);
    put_cell(out, 10, d, f->estimate.a, 0);
    put_cell(out, 10, d, f->estimate.b, 0);
    put_cell(out, 11, d, f->estimate.difference, 1);
    put_cell(out, 11, d, f->estimate.low, 1);
    cg_buf_puts(out, " to");
    put_cell(out, 8, d, f->estimate.high, 1);
}

static void put_table(cg_buf *out, const cg_eval_comparison *c, cg_compare_set set)
{
    char level[32];

    snprintf(level, sizeof level, "%g %% interval", 100 * c->settings.bootstrap.level);
    cg_buf_printf(out, "\n%-15s%10s%10s%11s%22s  verdict\n", "", "A", "B", "B - A", level);
    for (int k = 0; k < CG_COMPARE_METRICS; k++) {
        const cg_compare_figure *f = &c->figures[set][k];
        /* printf() counts bytes; Å has two. */
        int width = 15 + (strstr(displays[k].name, "Å") != NULL);

        if (isnan(f->estimate.a) && isnan(f->estimate.b))
            continue;
        put_line(out, &displays[k], width, f);
        cg_buf_printf(out, "  %s\n", verdict_text(f->verdict));
    }
}

/* "first 25", "all", "3 to 5 rot.", ... */
static void name_group(const cg_compare_row *row, char *name, size_t cap)
{
    cg_bioactive_stratum s;

    if (row->stratum < 0 && row->count == CG_BIOACTIVE_ALL)
        snprintf(name, cap, "all");
    else if (row->stratum < 0)
        snprintf(name, cap, "first %llu", (unsigned long long)cg_bioactive_count(row->count));
    if (row->stratum < 0)
        return;
    s = cg_bioactive_stratum_at(row->stratum);
    if (s.high == UINT32_MAX)
        snprintf(name, cap, "%u+ %s", s.low, s.by_heavy ? "atoms" : "rot.");
    else
        snprintf(name, cap, "%u-%u %s", s.low, s.high, s.by_heavy ? "atoms" : "rot.");
}

/* Experimental references: best RMSD at each point of the curve and in each stratum, hit rates and
 * clusters of all conformers. The JSON has all rows. */
static void put_bioactive(cg_buf *out, const cg_eval_comparison *c)
{
    static const char *const measures[] = { "best RMSD, Å", "best TFD", "hit rate, %", "clusters" };
    cg_compare_measure last = CG_COMPARE_CLUSTERS;
    char level[32];

    snprintf(level, sizeof level, "%g %% interval", 100 * c->settings.bootstrap.level);
    cg_buf_puts(out, "\nexperimental references (not part of the verdict below)\n");
    for (int k = 0; k < CG_COMPARE_ROWS; k++) {
        const cg_compare_figure *f = &c->bioactive[k];
        cg_compare_row row = cg_compare_row_at(k);
        struct display d = { NULL, 1, 4 };
        char name[32];
        int width = 15;

        if (!f->estimate.n ||
            (row.measure != CG_COMPARE_BEST && (row.count != CG_BIOACTIVE_ALL || row.stratum >= 0)))
            continue;
        if (row.count != CG_BIOACTIVE_ALL && cg_bioactive_count(row.count) > c->most_conformers)
            continue;
        name_group(&row, name, sizeof name);
        if (row.measure == CG_COMPARE_HIT) {
            snprintf(name, sizeof name, "all, < %g Å", cg_bioactive_threshold(row.threshold));
            d = (struct display) { NULL, 100, 2 };
        }
        if (row.measure == CG_COMPARE_CLUSTERS) {
            snprintf(name, sizeof name, "at %g Å", cg_bioactive_radius(row.threshold));
            d.decimals = 2;
        }
        if (k == 0 || row.measure != last)
            cg_buf_printf(out, "%-*s%10s%10s%11s%22s%s\n", row.measure == CG_COMPARE_BEST ? 16 : 15,
                          measures[row.measure], "A", "B", "B - A", level,
                          row.measure == CG_COMPARE_CLUSTERS ? "" : "  verdict");
        last = row.measure;
        d.name = name;
        put_line(out, &d, width + (strstr(name, "Å") != NULL), f);
        if (row.measure != CG_COMPARE_CLUSTERS)
            cg_buf_printf(out, "  %s", verdict_text(f->verdict));
        cg_buf_puts(out, "\n");
    }
}

/* A heading, then one line per figure. */
static void put_list(cg_buf *out, const cg_eval_comparison *c, const char *heading, int n,
                     const char *(*name)(int i), const struct display *display,
                     const cg_compare_figure *figures)
{
    enum { WIDTH = 22 };
    char level[32];

    snprintf(level, sizeof level, "%g %% interval", 100 * c->settings.bootstrap.level);
    cg_buf_printf(out, "\n%s (not part of the verdict below)\n%-*s%10s%10s%11s%22s  verdict\n",
                  heading, WIDTH, "", "A", "B", "B - A", level);
    for (int k = 0; k < n; k++) {
        struct display d = *display;

        if (!figures[k].estimate.n)
            continue;
        d.name = name(k);
        put_line(out, &d, WIDTH, &figures[k]);
        cg_buf_printf(out, "  %s\n", verdict_text(figures[k].verdict));
    }
}

static const char *check_name(int i)
{
    return cg_check_name((cg_check_id)i);
}

static int any(const cg_eval_comparison *c, cg_compare_verdict verdict)
{
    for (int set = 0; set < CG_COMPARE_SETS; set++)
        for (int k = 0; k < CG_COMPARE_METRICS; k++)
            if (c->figures[set][k].verdict == verdict)
                return 1;
    return 0;
}

/* "COV-R, MAT-R over all molecules": the metrics with a verdict. */
static void put_which(cg_buf *out, const cg_eval_comparison *c, cg_compare_verdict verdict)
{
    static const char *const over[] = { " where both have output", " over all molecules" };
    const char *between = "";

    for (int set = 0; set < CG_COMPARE_SETS; set++) {
        int n = 0;

        for (int k = 0; k < CG_COMPARE_METRICS; k++) {
            const char *name = displays[k].name;

            if (c->figures[set][k].verdict != verdict)
                continue;
            cg_buf_printf(out, "%s%.*s", n++ ? ", " : between, (int)strcspn(name, ","), name);
        }
        if (n) {
            cg_buf_puts(out, over[set]);
            between = "; ";
        }
    }
}

cg_status cg_eval_comparison_text(const cg_eval_comparison *c, cg_buf *out, cg_error *err)
{
    cg_buf_puts(out, "A  ");
    put_label(out, c->label_a);
    cg_buf_puts(out, "\nB  ");
    put_label(out, c->label_b);
    cg_buf_puts(out, "\n\n");
    cg_html_put_count(out, c->n_common);
    cg_buf_puts(out, c->n_common == 1 ? " molecule" : " molecules");
    cg_buf_puts(out, " in both files");
    if (c->n_only_a || c->n_only_b)
        cg_buf_printf(out, " (not compared: %zu only in A, %zu only in B)", c->n_only_a,
                      c->n_only_b);
    cg_buf_printf(out, "; without output: %zu in A, %zu in B\n", c->n_missing_a, c->n_missing_b);
    cg_buf_printf(out, "intervals by bootstrap over molecules: ");
    cg_html_put_count(out, c->settings.bootstrap.resamples);
    cg_buf_printf(out, " resamples, seed %llu; delta %g Å\n",
                  (unsigned long long)c->settings.bootstrap.seed, c->protocol.delta);
    if (c->settings.tolerance_share > 0 || c->settings.tolerance_rmsd > 0)
        cg_buf_printf(out, "tolerated loss: %g percentage points, %g Å\n",
                      100 * c->settings.tolerance_share, c->settings.tolerance_rmsd);
    cg_buf_puts(out, "\nwhere both have output: ");
    cg_html_put_count(out, c->n_both);
    cg_buf_puts(out, " molecules");
    put_table(out, c, CG_COMPARE_BOTH);
    cg_buf_puts(out, "\nall molecules, COV 0 without output: ");
    cg_html_put_count(out, c->n_common);
    cg_buf_puts(out, " molecules");
    put_table(out, c, CG_COMPARE_ALL);
    if (c->has_bioactive)
        put_bioactive(out, c);
    if (c->has_relaxation)
        put_list(out, c, "relaxation energy of a molecule's conformers, kcal/mol",
                 CG_COMPARE_RELAXATIONS, cg_compare_relaxation_name,
                 &(struct display) { NULL, 1, 2 }, c->relaxation);
    if (c->has_checks)
        put_list(out, c, "conformers of a molecule that pass each check, %", CG_CHECK_COUNT,
                 check_name, &(struct display) { NULL, 100, 2 }, c->checks);

    cg_buf_puts(out, "\nB against A: ");
    cg_buf_puts(out, verdict_text(c->verdict));
    if (c->verdict > CG_COMPARE_NO_DIFFERENCE) {
        cg_buf_puts(out, " (");
        put_which(out, c, c->verdict);
        cg_buf_puts(out, ")");
    }
    if (c->verdict > CG_COMPARE_BETTER && any(c, CG_COMPARE_BETTER)) {
        cg_buf_puts(out, "; better (");
        put_which(out, c, CG_COMPARE_BETTER);
        cg_buf_puts(out, ")");
    }
    cg_buf_puts(out, "\n");
    return cg_buf_check(out, "comparison", err);
}

/* ---- JSON ------------------------------------------------------------------------------ */

static void put_real(cg_buf *out, const char *key, double value)
{
    if (isfinite(value))
        cg_buf_printf(out, "\"%s\": %.9g, ", key, value);
    else
        cg_buf_printf(out, "\"%s\": null, ", key);
}

/* The members of a figure but the verdict. */
static void put_estimate(cg_buf *out, const cg_compare_figure *f)
{
    cg_buf_printf(out, "\"molecules\": %zu, ", f->estimate.n);
    put_real(out, "a", f->estimate.a);
    put_real(out, "b", f->estimate.b);
    put_real(out, "difference", f->estimate.difference);
    put_real(out, "low", f->estimate.low);
    put_real(out, "high", f->estimate.high);
    put_real(out, "median_a", f->median_a);
    put_real(out, "median_b", f->median_b);
}

/* Experimental references: "conformers" is absent for all of them, "property" for all molecules. */
static void put_rows(cg_buf *out, const cg_eval_comparison *c)
{
    static const char *const names[] = { "best_rmsd", "best_tfd", "hit_rate", "clusters" };

    cg_buf_puts(out, ",\n  \"bioactive\": [\n");
    for (int k = 0; k < CG_COMPARE_ROWS; k++) {
        const cg_compare_figure *f = &c->bioactive[k];
        cg_compare_row row = cg_compare_row_at(k);

        cg_buf_printf(out, "    {\"measure\": \"%s\", ", names[row.measure]);
        if (row.count != CG_BIOACTIVE_ALL)
            cg_buf_printf(out, "\"conformers\": %llu, ",
                          (unsigned long long)cg_bioactive_count(row.count));
        if (row.measure == CG_COMPARE_HIT)
            cg_buf_printf(out, "\"threshold\": %g, ", cg_bioactive_threshold(row.threshold));
        if (row.measure == CG_COMPARE_CLUSTERS)
            cg_buf_printf(out, "\"radius\": %g, ", cg_bioactive_radius(row.threshold));
        if (row.stratum >= 0) {
            cg_bioactive_stratum s = cg_bioactive_stratum_at(row.stratum);

            cg_buf_printf(out, "\"property\": \"%s\", \"from\": %u, ",
                          s.by_heavy ? "heavy_atoms" : "rotatable_bonds", s.low);
            if (s.high != UINT32_MAX)
                cg_buf_printf(out, "\"to\": %u, ", s.high);
        }
        put_estimate(out, f);
        if (row.measure == CG_COMPARE_CLUSTERS)
            cg_buf_puts(out, "\"verdict\": null}");
        else
            cg_buf_printf(out, "\"verdict\": \"%s\"}", cg_compare_verdict_name(f->verdict));
        cg_buf_puts(out, k + 1 < CG_COMPARE_ROWS ? ",\n" : "\n  ]");
    }
}

static void put_figure(cg_buf *out, const char *name, const cg_compare_figure *f)
{
    cg_buf_printf(out, "    \"%s\": {", name);
    put_estimate(out, f);
    cg_buf_printf(out, "\"verdict\": \"%s\"}", cg_compare_verdict_name(f->verdict));
}

/* A member of figures by name. */
static void put_named(cg_buf *out, const char *member, int n, const char *(*name)(int i),
                      const cg_compare_figure *figures)
{
    cg_buf_printf(out, ",\n  \"%s\": {\n", member);
    for (int k = 0; k < n; k++) {
        put_figure(out, name(k), &figures[k]);
        cg_buf_puts(out, k + 1 < n ? ",\n" : "\n  }");
    }
}

cg_status cg_eval_comparison_json(const cg_eval_comparison *c, cg_buf *out, cg_error *err)
{
    const cg_compare_settings *s = &c->settings;

    cg_buf_puts(out, "{\n  \"format\": \"confgen-comparison-1\",\n  \"a\": ");
    cg_json_put_string(out, c->label_a);
    cg_buf_puts(out, ",\n  \"b\": ");
    cg_json_put_string(out, c->label_b);
    cg_buf_printf(out, ",\n  \"verdict\": \"%s\",\n", cg_compare_verdict_name(c->verdict));
    cg_buf_printf(out,
                  "  \"settings\": {\"delta\": %.9g, \"tolerance_share\": %.9g, "
                  "\"tolerance_rmsd\": %.9g, \"resamples\": %u, \"seed\": %llu, \"level\": "
                  "%.9g},\n",
                  c->protocol.delta, s->tolerance_share, s->tolerance_rmsd, s->bootstrap.resamples,
                  (unsigned long long)s->bootstrap.seed, s->bootstrap.level);
    cg_buf_printf(out,
                  "  \"molecules\": {\"common\": %zu, \"only_a\": %zu, \"only_b\": %zu, \"both\": "
                  "%zu, \"missing_a\": %zu, \"missing_b\": %zu}",
                  c->n_common, c->n_only_a, c->n_only_b, c->n_both, c->n_missing_a, c->n_missing_b);
    for (int set = 0; set < CG_COMPARE_SETS; set++) {
        /* "missing" is not defined among molecules that both have. */
        int n = set == CG_COMPARE_BOTH ? CG_COMPARE_MISSING : CG_COMPARE_METRICS;

        cg_buf_printf(out, ",\n  \"%s\": {\n", cg_compare_set_name(set));
        for (int k = 0; k < n; k++) {
            put_figure(out, cg_compare_metric_name(k), &c->figures[set][k]);
            cg_buf_puts(out, k + 1 < n ? ",\n" : "\n  }");
        }
    }
    if (c->has_bioactive)
        put_rows(out, c);
    if (c->has_relaxation)
        put_named(out, "relaxation", CG_COMPARE_RELAXATIONS, cg_compare_relaxation_name,
                  c->relaxation);
    if (c->has_checks)
        put_named(out, "checks", CG_CHECK_COUNT, check_name, c->checks);
    cg_buf_puts(out, "\n}\n");
    return cg_buf_check(out, "comparison", err);
}
