/* SPDX-License-Identifier: MIT */
/* The section of the evaluation page for experimental references. */
#include "eval/html_parts.h"
#include "eval/html_text.h"

#include <math.h>
#include <stdio.h>

#include "eval/chart.h"

/* The group's cells after its name; n: molecules. */
static void put_group(cg_buf *out, const cg_bioactive_group *g, uint64_t n)
{
    cg_buf_puts(out, "<td class=\"n\">");
    cg_html_put_count(out, n);
    cg_buf_puts(out, "</td><td class=\"n\">");
    cg_html_put_angstrom(out, g->best.mean);
    cg_buf_puts(out, "</td><td class=\"n\">");
    cg_html_put_angstrom(out, g->best.median);
    cg_buf_puts(out, "</td><td class=\"n\">");
    if (isfinite(g->tfd.mean))
        cg_buf_printf(out, "%.3f", g->tfd.mean);
    else
        cg_buf_puts(out, "–");
    cg_buf_puts(out, "</td>");
    for (int t = 0; t < CG_BIOACTIVE_HITS; t++) {
        cg_buf_puts(out, "<td class=\"n\">");
        cg_html_put_percent(out, g->hit[t]);
        cg_buf_puts(out, "</td>");
    }
    cg_buf_puts(out, "</tr>\n");
}

static void open_table(cg_buf *out, const char *first)
{
    cg_buf_printf(out,
                  "<table><thead><tr><th>%s</th><th class=\"n\">molecules</th>"
                  "<th class=\"n\">best, mean</th><th class=\"n\">median</th>"
                  "<th class=\"n\">TFD, mean</th>",
                  first);
    for (int t = 0; t < CG_BIOACTIVE_HITS; t++)
        cg_buf_printf(out, "<th class=\"n\">&lt;" CG_NBSP "%g" CG_NBSP "Å</th>",
                      cg_bioactive_threshold(t));
    cg_buf_puts(out, "</tr></thead><tbody>\n");
}

static void put_curve_table(const cg_bioactive_summary *s, cg_buf *out)
{
    cg_buf_puts(
        out,
        "<div class=\"card wide\"><h3>The first K conformers</h3>\n"
        "<p class=\"sentence\">Molecules that have K conformers; best RMSD; best TFD; hit rates."
        "</p>\n");
    open_table(out, "K");
    for (int k = 0; k < CG_BIOACTIVE_COUNTS; k++) {
        if (k < CG_BIOACTIVE_ALL && !s->full[k])
            continue;
        cg_buf_puts(out, "<tr><th>");
        if (k == CG_BIOACTIVE_ALL)
            cg_buf_puts(out, "all");
        else
            cg_html_put_count(out, cg_bioactive_count(k));
        cg_buf_puts(out, "</th>");
        put_group(out, &s->curve[k], s->full[k]);
    }
    cg_buf_puts(out, "</tbody></table>\n<p class=\"note\">A molecule of fewer conformers enters "
                     "with all it has. Clusters of a molecule, mean: ");
    for (int r = 0; r < CG_BIOACTIVE_RADII; r++) {
        cg_buf_puts(out, r ? ", " : "");
        if (isfinite(s->clusters[r].mean))
            cg_html_put_number(out, s->clusters[r].mean);
        else
            cg_buf_puts(out, "–");
        cg_buf_printf(out, " at %g" CG_NBSP "Å", cg_bioactive_radius(r));
    }
    cg_buf_puts(out, ".</p>\n");
    cg_html_close_card(out);
}

static void put_strata_table(const cg_bioactive_summary *s, int by_heavy, cg_buf *out)
{
    cg_buf_printf(out, "<div class=\"card wide\"><h3>%s</h3>\n",
                  by_heavy ? "By heavy atoms" : "By rotatable bonds");
    open_table(out, by_heavy ? "heavy atoms" : "rotatable bonds");
    for (int i = 0; i < CG_BIOACTIVE_STRATA; i++) {
        cg_bioactive_stratum stratum = cg_bioactive_stratum_at(i);

        if (stratum.by_heavy != by_heavy || !s->strata[i].n_molecules)
            continue;
        if (stratum.high == UINT32_MAX)
            cg_buf_printf(out, "<tr><th>%u or more</th>", stratum.low);
        else
            cg_buf_printf(out, "<tr><th>%u to %u</th>", stratum.low, stratum.high);
        put_group(out, &s->strata[i], s->strata[i].n_molecules);
    }
    cg_buf_puts(out, "</tbody></table>\n");
    cg_html_close_card(out);
}

/* A line over the points of the curve that some molecule reaches, with dots. */
static void put_line(cg_chart *c, const cg_bioactive_summary *s, const double *y, const char *cls)
{
    double x[CG_BIOACTIVE_COUNTS];
    char dot[24], tip[80];
    size_t n = 0;

    while (n < CG_BIOACTIVE_ALL && s->full[n]) {
        x[n] = log10((double)cg_bioactive_count((int)n));
        n++;
    }
    cg_chart_line(c, x, y, n, cls);
    snprintf(dot, sizeof dot, "%c dot", cls[0]);
    for (size_t k = 0; k < n; k++) {
        snprintf(tip, sizeof tip, "first %llu: %.3f",
                 (unsigned long long)cg_bioactive_count((int)k), y[k]);
        cg_chart_point(c, x[k], y[k], 4.5, dot, tip);
    }
}

static void put_best(const cg_bioactive_summary *s, cg_buf *out)
{
    cg_chart_axis x = { 0, 3, 1, 1, "log₁₀ K" }, y;
    double mean[CG_BIOACTIVE_COUNTS], median[CG_BIOACTIVE_COUNTS], high = 0;
    cg_chart c;

    for (int k = 0; k < CG_BIOACTIVE_COUNTS; k++) {
        mean[k] = s->curve[k].best.mean;
        median[k] = s->curve[k].best.median;
        high = mean[k] > high ? mean[k] : high;
        high = median[k] > high ? median[k] : high;
    }
    y = cg_chart_axis_over(0, high, 5, "best RMSD, Å");
    cg_html_open_card(out, "Best RMSD against K", "Over the molecules with output.");
    cg_buf_puts(out, "<p class=\"key\"><span class=\"r\">mean</span>"
                     "<span class=\"r dashed\">median</span></p>\n");
    cg_chart_begin(&c, out, &x, &y, "best RMSD of the first K conformers, mean and median");
    put_line(&c, s, median, "r line dash");
    put_line(&c, s, mean, "r line");
    cg_chart_end(&c);
    cg_html_close_card(out);
}

static void put_hits(const cg_bioactive_summary *s, cg_buf *out)
{
    cg_chart_axis x = { 0, 3, 1, 1, "log₁₀ K" }, y = { 0, 1, 0.2, 100, "hit rate, %" };
    cg_chart c;

    cg_html_open_card(out, "Hit rates against K", "From below: 0.5, 0.75, 1, 1.5 and 2 Å.");
    cg_chart_begin(&c, out, &x, &y, "hit rates of the first K conformers at five thresholds");
    for (int t = 0; t < CG_BIOACTIVE_HITS; t++) {
        double hit[CG_BIOACTIVE_COUNTS];

        for (int k = 0; k < CG_BIOACTIVE_COUNTS; k++)
            hit[k] = s->curve[k].hit[t];
        put_line(&c, s, hit, t % 2 ? "r line dash" : "r line");
    }
    cg_chart_end(&c);
    cg_html_close_card(out);
}

void cg_html_put_bioactive(const cg_eval_result *result, cg_buf *out)
{
    const cg_bioactive_summary *s = &result->summary.bioactive;

    if (!result->settings.bioactive)
        return;
    cg_html_open_section(
        out, "Experimental references",
        "Best RMSD: from a reference to the nearest of a molecule’s first K "
        "conformers, in the order of the file. Hit rate: share of the references "
        "for which it is below a threshold. TFD: deviation of the torsions, 0 to 1, "
        "from a reference to the most similar conformer.");
    put_best(s, out);
    put_hits(s, out);
    put_curve_table(s, out);
    put_strata_table(s, 0, out);
    put_strata_table(s, 1, out);
    cg_html_close_section(out);
}
