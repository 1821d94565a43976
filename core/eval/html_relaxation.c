/* SPDX-License-Identifier: MIT */
/* The section of the evaluation page for relaxation energies. */
#include "eval/html_parts.h"
#include "eval/html_text.h"

#include <math.h>
#include <stdio.h>

#include "eval/chart.h"

enum { BINS = 40 };

/* Conformers by energy: BINS bins from 0 to `high`, and those beyond. */
struct histogram {
    double high;
    uint64_t count[BINS], beyond;
};

static void fill(const cg_eval_result *result, struct histogram *h)
{
    for (size_t i = 0; i < result->n_molecules; i++) {
        const cg_eval_molecule *m = &result->molecules[i];

        for (uint64_t k = 0; m->relaxation_energy && k < m->n_gen; k++) {
            double at = (double)m->relaxation_energy[k] / h->high * BINS;

            if (at < BINS) /* not NaN */
                h->count[(int)fmax(at, 0)]++;
            else
                h->beyond += !isnan(at);
        }
    }
}

/* The histogram up to twice the 90th percentile: few conformers of large energies would compress
 * the rest. */
static void put_histogram(const cg_eval_result *result, cg_buf *out)
{
    const cg_relaxation *r = &result->summary.relaxation;
    struct histogram h = { .high = fmax(fmin(r->largest, 2 * r->high), 1e-3) };
    cg_chart_axis x = cg_chart_axis_over(0, h.high, 8, "relaxation energy, kcal/mol"), y;
    double highest = 0, width = h.high / BINS;
    char tip[96];
    cg_chart c;

    fill(result, &h);
    for (int i = 0; i < BINS; i++)
        highest = fmax(highest, (double)h.count[i] / (double)r->n);
    y = cg_chart_axis_over(0, highest, 5, "conformers, %");
    y.factor = 100;
    cg_html_open_card(out, "Conformers by relaxation energy", NULL);
    cg_chart_begin(&c, out, &x, &y, "histogram of the relaxation energies of generated conformers");
    for (int i = 0; i < BINS; i++) {
        snprintf(tip, sizeof tip, "%.3g to %.3g kcal/mol\n%llu conformers", i * width,
                 (i + 1) * width, (unsigned long long)h.count[i]);
        if (h.count[i])
            cg_chart_bar(&c, i * width, (i + 1) * width, (double)h.count[i] / (double)r->n, "p bar",
                         tip);
    }
    snprintf(tip, sizeof tip, "median %.4g", r->median);
    cg_chart_rule(&c, r->median, "rule dash", 0, tip);
    cg_chart_end(&c);
    if (h.beyond) {
        cg_buf_puts(out, "<p class=\"note\">Not shown: ");
        cg_html_put_count(out, h.beyond);
        cg_buf_printf(out, " conformers beyond %.3g" CG_NBSP "kcal/mol.</p>\n", h.high);
    }
    cg_html_close_card(out);
}

static void put_energy(cg_buf *out, const char *name, double value)
{
    cg_buf_printf(out, "<tr><th>%s</th><td class=\"n\">", name);
    if (isfinite(value))
        cg_buf_printf(out, "%.2f" CG_NBSP "kcal/mol", value);
    else
        cg_buf_puts(out, "–");
    cg_buf_puts(out, "</td></tr>\n");
}

static void put_count(cg_buf *out, const char *name, uint64_t n)
{
    cg_buf_printf(out, "<tr><th>%s</th><td class=\"n\">", name);
    cg_html_put_count(out, n);
    cg_buf_puts(out, "</td></tr>\n");
}

void cg_html_put_relaxation(const cg_eval_result *result, cg_buf *out)
{
    const cg_eval_summary *s = &result->summary;

    if (!result->settings.relaxation)
        return;
    cg_html_open_section(out, "Relaxation energy",
                         "MMFF94 energy of a generated conformer minus that of its minimum, of the "
                         "isolated molecule. Hydrogens that a record lacks are added and moved to "
                         "their minimum first.");
    if (s->relaxation.n)
        put_histogram(result, out);
    cg_html_open_card(out, "Distribution over conformers", NULL);
    cg_buf_puts(out, "<table class=\"facts\"><tbody>\n");
    put_energy(out, "median", s->relaxation.median);
    put_energy(out, "mean", s->relaxation.mean);
    put_energy(out, "90th percentile", s->relaxation.high);
    put_energy(out, "largest", s->relaxation.largest);
    put_count(out, "conformers", s->relaxation.n);
    put_count(out, "molecules", s->n_relaxed);
    put_count(out, "molecules without MMFF94 parameters", s->n_no_parameters);
    cg_buf_puts(out, "</tbody></table>\n");
    cg_html_close_card(out);
    cg_html_close_section(out);
}
