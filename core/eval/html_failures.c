/* SPDX-License-Identifier: MIT */
/* Failures: missing molecules, bad records, failures of the run, failed checks. */
#include "eval/html_parts.h"
#include "eval/html_text.h"

#include <math.h>

/* A count; 0 if absent or not a positive integer. */
static uint64_t count_at(const json_t *run, const char *path)
{
    const json_t *v = cg_html_json_at(run, path);

    return json_is_integer(v) && json_integer_value(v) > 0 ? (uint64_t)json_integer_value(v) : 0;
}

struct failure {
    const char *label;
    uint64_t n, of;
};

/* Share that a full bar represents: the least of 1, 2, 5, 10, 20, 50, 100 % that no row exceeds. */
static double scale_of(const struct failure *f, size_t n)
{
    static const double steps[] = { 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1 };
    double most = 0;
    size_t i = 0;

    for (size_t k = 0; k < n; k++)
        if (f[k].of)
            most = fmax(most, (double)f[k].n / (double)f[k].of);
    while (i + 1 < sizeof steps / sizeof steps[0] && steps[i] < most)
        i++;
    return steps[i];
}

/* Opens a table of bars; `first` and `last` head its outer columns. */
static void open_bars(cg_buf *out, const char *first, double scale, const char *last)
{
    cg_buf_printf(out,
                  "<table class=\"bars\"><thead><tr><th>%s</th><th>0 to %g" CG_NBSP "%%</th>"
                  "<th class=\"n\">failed</th><th class=\"n wider\">of</th><th class=\"n\">%s"
                  "</th></tr></thead><tbody>\n",
                  first, 100 * scale, last);
}

/* Meaning of the last column of a table of bars. */
enum last_column { FAILED_SHARE, PASSED_SHARE };

/* The cells after a row heading: bar, counts and the share of the last column. */
static void put_bar(cg_buf *out, const struct failure *f, double scale, enum last_column last)
{
    double share = f->of ? (double)f->n / (double)f->of : NAN;

    cg_buf_printf(out, "<td class=\"track\"><i><b style=\"width:%.1f%%\"></b></i></td>",
                  isfinite(share) ? 100 * fmin(share / scale, 1) : 0.0);
    cg_buf_puts(out, "<td class=\"n\">");
    cg_html_put_count(out, f->n);
    cg_buf_puts(out, "</td><td class=\"n wider\">");
    cg_html_put_count(out, f->of);
    cg_buf_puts(out, "</td><td class=\"n\">");
    cg_html_put_percent(out, last == PASSED_SHARE ? 1 - share : share);
    cg_buf_puts(out, "</td></tr>\n");
}

static void put_rows(cg_buf *out, const struct failure *f, size_t n, double scale)
{
    for (size_t i = 0; i < n; i++) {
        cg_buf_puts(out, "<tr><th>");
        cg_html_put_text(out, f[i].label);
        cg_buf_puts(out, "</th>");
        put_bar(out, &f[i], scale, FAILED_SHARE);
    }
}

static void put_group(cg_buf *out, const char *title, const struct failure *f, size_t n,
                      double scale)
{
    cg_buf_printf(out, "<tr><th colspan=\"5\">%s</th></tr>\n", title);
    put_rows(out, f, n, scale);
}

static void put_counts(const cg_eval_summary *s, const json_t *run, cg_buf *out)
{
    uint64_t records = s->n_gen + s->n_wrong + s->n_broken;
    uint64_t references = s->n_ref + s->n_ref_dropped + s->n_ref_broken;
    uint64_t requested = count_at(run, "counts.requested");
    uint64_t input = count_at(run, "counts.molecules");
    const struct failure f[] = {
        { "missing: nothing generated", s->n_missing, s->n_molecules },
        { "dropped: another molecule", s->n_ref_dropped, references },
        { "broken: cannot be read", s->n_ref_broken, references },
        { "another stereoisomer; scored", s->n_ref_stereo, s->n_ref },
        { "wrong: another molecule", s->n_wrong, records },
        { "of these, another protonation state or tautomer", s->n_state, records },
        { "broken: cannot be read", s->n_broken, records },
        { "another stereoisomer; scored", s->n_stereo, s->n_gen },
        { "wrong molecule", count_at(run, "counts.failures.wrong_molecule"), requested },
        { "parse failure", count_at(run, "counts.failures.parse_failure"), requested },
        { "unfinished", count_at(run, "counts.failures.unfinished"), requested },
        { "invalid geometry", count_at(run, "counts.failures.invalid_geometry"), requested },
        { "bad input", count_at(run, "counts.failures.whole_molecules.bad_input"), input },
        { "too large", count_at(run, "counts.failures.whole_molecules.too_large"), input },
        { "unsupported", count_at(run, "counts.failures.whole_molecules.unsupported"), input },
    };
    size_t n = run ? sizeof f / sizeof f[0] : 8;
    double scale = scale_of(f, n);

    cg_html_open_card(out, "Missing and unusable output",
                      run ? "From the files and from the counts of the run." : "From the files.");
    open_bars(out, "kind", scale, "share");
    put_group(out, "Reference molecules", f, 1, scale);
    put_group(out, "Reference records", f + 1, 3, scale);
    put_group(out, "Generated records", f + 4, 4, scale);
    if (run) {
        put_group(out, "Run: requested conformers", f + 8, 4, scale);
        put_group(out, "Run: whole molecules", f + 12, 3, scale);
    }
    cg_buf_puts(out, "</tbody></table>\n");
    cg_html_close_card(out);
}

static void put_checks(const cg_eval_result *result, cg_buf *out)
{
    const cg_eval_summary *s = &result->summary;
    struct failure f[CG_CHECK_COUNT + 1];
    double scale;

    for (int k = 0; k < CG_CHECK_COUNT; k++)
        f[k] = (struct failure) { cg_check_name(k), s->check_failed[k], s->check_done[k] };
    f[CG_CHECK_COUNT] = (struct failure) { s->unchecked ? "any check, or unchecked" : "any check",
                                           s->checked - s->passed_all, s->checked };
    scale = scale_of(f, CG_CHECK_COUNT + 1);
    cg_html_open_card(out, "Checks of single conformers",
                      "Counts conformers. Each check counts only those that it applies to.");
    if (!s->checked) {
        cg_buf_puts(out, result->settings.checks ? "<p class=\"note\">No conformer was checked."
                                                   "</p>\n"
                                                 : "<p class=\"note\">The checks were switched "
                                                   "off.</p>\n");
        cg_html_close_card(out);
        return;
    }
    open_bars(out, "check", scale, "passed");
    for (int k = 0; k <= CG_CHECK_COUNT; k++) {
        cg_buf_puts(out, k == CG_CHECK_COUNT ? "<tr class=\"all\"><th>" : "<tr><th>");
        cg_html_put_check_name(out, f[k].label);
        cg_buf_puts(out, "</th>");
        put_bar(out, &f[k], scale, PASSED_SHARE);
    }
    cg_buf_puts(out, "</tbody></table>\n");
    if (s->unchecked) {
        cg_buf_puts(out, "<p class=\"note\">");
        cg_html_put_count(out, s->unchecked);
        cg_buf_puts(out, " unchecked: nothing failed, but a check that applies could not be done."
                         "</p>\n");
    }
    cg_html_close_card(out);
}

/* Atoms that failed a geometry test during generation, by fault cause. */
static void put_geometry(const json_t *run, cg_buf *out)
{
    enum { MAX_CAUSES = 32 };
    json_t *causes = (json_t *)cg_html_json_at(run, "geometry.faults"), *v;
    uint64_t atoms = count_at(run, "geometry.atoms");
    struct failure f[MAX_CAUSES];
    size_t n = 0;
    const char *name;
    double scale;

    if (!atoms || !json_is_object(causes))
        return;
    json_object_foreach(causes, name, v)
    {
        if (n < MAX_CAUSES && json_is_integer(v) && json_integer_value(v) >= 0)
            f[n++] = (struct failure) { name, (uint64_t)json_integer_value(v), atoms };
    }
    scale = scale_of(f, n);
    cg_html_open_card(
        out, "Geometry of atoms during generation",
        "Atoms that failed a geometry test, by the first cause. Repaired atoms are no "
        "longer in the files.");
    open_bars(out, "cause", scale, "share");
    put_rows(out, f, n, scale);
    cg_buf_puts(out, "</tbody></table>\n");
    cg_html_close_card(out);
}

void cg_html_put_failures(const cg_eval_result *result, const json_t *run, cg_buf *out)
{
    cg_html_open_section(out, "Failures",
                         "Missing output, wrong molecules, failed checks. A bar shows the failed "
                         "share of all that could have failed.");
    put_counts(&result->summary, run, out);
    put_checks(result, out);
    put_geometry(run, out);
    cg_html_close_section(out);
}
