/* SPDX-License-Identifier: MIT */
/* The evaluation page: frame, headline figures, published figures, settings. */
#include "eval/html.h"

#include "base/error.h"
#include "base/json.h"
#include "eval/html_parts.h"
#include "eval/html_text.h"

#include <confgen/version.h>

#include <math.h>
#include <string.h>

#define DOT " \xc2\xb7 "

/* Last component of a path; the whole path if that is empty. */
static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash && slash[1] ? slash + 1 : path;
}

static const char *rmsd_text(const cg_eval_settings *s)
{
    if (s->rmsd == CG_RMSD_PLAIN)
        return "RMSD atom by atom";
    return s->symmetry == CG_SYMMETRY_CONJUGATED
               ? "best RMSD over automorphisms, conjugated terminal O and N equivalent"
               : "best RMSD over automorphisms of the graph";
}

static const char *missing_text(const cg_eval_settings *s)
{
    return s->missing == CG_MISSING_ZERO ? "molecules without output count as COV 0"
                                         : "molecules without output are left out";
}

static void put_head(const cg_eval_result *r, cg_buf *out)
{
    cg_buf_puts(out, "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n"
                     "<head>\n<meta charset=\"utf-8\"/>\n"
                     "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                     "style-src 'unsafe-inline'; img-src data:");
    if (r->n_overlays)
        cg_buf_puts(out, "; script-src 'sha256-" CG_HTML_SCRIPT_HASH "'");
    cg_buf_puts(out, "\"/>\n"
                     "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
                     "<title>Evaluation of ");
    cg_html_put_text(out, base_name(r->gen_path));
    cg_buf_puts(out, "</title>\n");
    cg_html_put_style(out);
    cg_buf_puts(out, "</head>\n<body>\n<main>\n<p class=\"kind\">confgen evaluation</p>\n<h1>");
    cg_html_put_text(out, base_name(r->gen_path));
    cg_buf_puts(out, "</h1>\n<p class=\"lead\">against ");
    cg_html_put_text(out, base_name(r->ref_path));
    cg_buf_printf(
        out, DOT "δ" CG_NBSP "=" CG_NBSP "%.4g" CG_NBSP "Å" DOT "heavy atoms, %s" DOT "%s</p>\n",
        r->settings.delta, rmsd_text(&r->settings), missing_text(&r->settings));
}

/* ---- headline figures ------------------------------------------------------------------ */

static void put_tile(cg_buf *out, const char *cls, const char *name, const char *side,
                     const cg_eval_figure *f, int coverage, const char *meaning)
{
    void (*put)(cg_buf *, double) = coverage ? cg_html_put_percent : cg_html_put_angstrom;

    cg_buf_printf(out,
                  "<div class=\"tile %s\"><h2>%s <span>%s, mean</span></h2>\n<p class=\"big\">",
                  cls, name, side);
    put(out, f->mean);
    cg_buf_puts(out, "</p>\n<p class=\"median\">median ");
    put(out, f->median);
    cg_buf_printf(out, "</p>\n<p class=\"of\">%s</p></div>\n", meaning);
}

static void put_tally(cg_buf *out, const char *name, uint64_t n, int bad)
{
    cg_buf_printf(out, "<div%s><dt>%s</dt><dd>", bad && n ? " class=\"bad\"" : "", name);
    cg_html_put_count(out, n);
    cg_buf_puts(out, "</dd></div>\n");
}

static void put_tiles(const cg_eval_result *r, cg_buf *out)
{
    const cg_eval_summary *s = &r->summary;
    char covered[160], precise[160];

    snprintf(covered, sizeof covered,
             "of a molecule’s references have a generated conformer closer than "
             "%.4g" CG_NBSP "Å",
             r->settings.delta);
    snprintf(precise, sizeof precise,
             "of the generated conformers are closer than %.4g" CG_NBSP "Å to a reference",
             r->settings.delta);
    cg_buf_puts(out, "<div class=\"tiles\">\n");
    put_tile(out, "r", "COV-R", "recall", &s->cov_r, 1, covered);
    put_tile(out, "r", "MAT-R", "recall", &s->mat_r, 0,
             "from a reference to the nearest generated conformer");
    put_tile(out, "p", "COV-P", "precision", &s->cov_p, 1, precise);
    put_tile(out, "p", "MAT-P", "precision", &s->mat_p, 0,
             "from a generated conformer to the nearest reference");
    cg_buf_puts(out, "</div>\n<dl class=\"counts\">\n");
    put_tally(out, "molecules", s->n_molecules, 0);
    put_tally(out, "references", s->n_ref, 0);
    put_tally(out, "generated", s->n_gen, 0);
    put_tally(out, "missing", s->n_missing, 1);
    put_tally(out, "wrong", s->n_wrong, 1);
    put_tally(out, "broken", s->n_broken, 1);
    put_tally(out, "other stereo", s->n_stereo, 1);
    put_tally(out, "RMSD pairs", s->pairs, 0);
    cg_buf_puts(out, "<div><dt>pass checks</dt><dd>");
    cg_html_put_percent(out, s->checked ? (double)s->passed_all / (double)s->checked : NAN);
    cg_buf_puts(out, "</dd></div>\n</dl>\n");
}

/* ---- published figures ----------------------------------------------------------------- */

static const struct published {
    const char *name;
    double cov_r, mat_r, cov_p, mat_p; /* COV in per cent */
} published[] = {
    { "RDKit ETKDG", 38.4, 1.058, 40.9, 0.995 },
    { "OMEGA", 53.4, 0.841, 40.5, 0.946 },
    { "GeoMol", 44.6, 0.875, 43.0, 0.928 },
    { "Torsional diffusion", 72.7, 0.582, 55.2, 0.778 },
    { "MCF-L", 84.7, 0.390, 66.8, 0.618 },
    { "ET-Flow", 79.5, 0.452, 74.4, 0.541 },
    { "Qwen3-0.6B", 68.3, 0.59, 52.4, 0.82 },
};

/* A figure without its unit, which the column heading names. */
static void put_bare(cg_buf *out, double value, int decimals)
{
    if (isfinite(value))
        cg_buf_printf(out, "<td class=\"n\">%.*f</td>", decimals, value);
    else
        cg_buf_puts(out, "<td class=\"n\">–</td>");
}

static void put_row(cg_buf *out, double cov_r, double mat_r, double cov_p, double mat_p)
{
    put_bare(out, cov_r, 1);
    put_bare(out, mat_r, 3);
    put_bare(out, cov_p, 1);
    put_bare(out, mat_p, 3);
    cg_buf_puts(out, "</tr>\n");
}

static void put_published(const cg_eval_result *r, cg_buf *out)
{
    const cg_eval_summary *s = &r->summary;

    cg_html_open_card(out, "Comparison with published GEOM-Drugs figures",
                      "Means over molecules, δ = 0.75" CG_NBSP "Å.");
    cg_buf_puts(out, "<table class=\"published\"><thead><tr><th>method</th><th class=\"n\"><span "
                     "class=\"nb\">COV-R,</span> %</th>"
                     "<th class=\"n\"><span class=\"nb\">MAT-R,</span> Å"
                     "</th><th class=\"n\"><span class=\"nb\">COV-P,</span> %</th>"
                     "<th class=\"n\"><span class=\"nb\">MAT-P,</span> Å"
                     "</th></tr></thead><tbody>\n"
                     "<tr class=\"self\"><th>this evaluation</th>");
    put_row(out, 100 * s->cov_r.mean, s->mat_r.mean, 100 * s->cov_p.mean, s->mat_p.mean);
    for (size_t i = 0; i < sizeof published / sizeof published[0]; i++) {
        const struct published *p = &published[i];

        cg_buf_printf(out, "<tr><th>%s</th>", p->name);
        put_row(out, p->cov_r, p->mat_r, p->cov_p, p->mat_p);
    }
    cg_buf_printf(
        out,
        "</tbody></table>\n<p class=\"note\">Comparable only under the same protocol: the "
        "same molecules with their CREST references, two conformers generated for each "
        "reference, δ = 0.75" CG_NBSP "Å"
        ", best RMSD of heavy atoms. Qwen3-0.6B, a language model, was measured under a different "
        "protocol.%s</p>\n",
        fabs(r->settings.delta - 0.75) > 1e-9 ? " This evaluation used another δ." : "");
    cg_html_close_card(out);
}

/* ---- settings -------------------------------------------------------------------------- */

static void put_setting(cg_buf *out, const char *name, const char *value)
{
    cg_buf_printf(out, "<tr><th>%s</th><td>", name);
    cg_html_put_text(out, value);
    cg_buf_puts(out, "</td></tr>\n");
}

static void put_limit(cg_buf *out, const char *name, uint64_t limit, uint64_t reached)
{
    cg_buf_printf(out, "<tr><th>%s</th><td>", name);
    cg_html_put_count(out, limit);
    cg_buf_puts(out, "<span class=\"why\">molecules that reached it: ");
    cg_html_put_count(out, reached);
    cg_buf_puts(out, "</span></td></tr>\n");
}

static void put_check_meanings(cg_buf *out)
{
    cg_buf_puts(out, "<div class=\"card wide\"><h3>Checks of single conformers</h3>\n"
                     "<table class=\"facts\"><tbody>\n");
    for (int k = 0; k < CG_CHECK_COUNT; k++) {
        cg_buf_puts(out, "<tr><th>");
        cg_html_put_check_name(out, cg_check_name(k));
        cg_buf_puts(out, "</th><td>");
        cg_html_put_text(out, cg_check_description(k));
        cg_buf_puts(out, "</td></tr>\n");
    }
    cg_buf_puts(out, "</tbody></table>\n");
    cg_html_close_card(out);
}

static void put_settings(const cg_eval_result *r, cg_buf *out)
{
    const cg_eval_settings *s = &r->settings;
    char text[64];

    cg_html_open_section(out, "Protocol",
                         "Settings of this evaluation and definitions of its figures.");
    cg_html_open_card(out, "Settings", NULL);
    cg_buf_puts(out, "<table class=\"facts\"><tbody>\n");
    put_setting(out, "references", r->ref_path);
    put_setting(out, "generated", r->gen_path);
    snprintf(text, sizeof text, "%.6g" CG_NBSP "Å", s->delta);
    put_setting(out, "δ", text);
    put_setting(out, "RMSD", rmsd_text(s));
    put_setting(out, "missing", missing_text(s));
    put_setting(out, "references of one name that are different molecules",
                s->on_mismatch == CG_MISMATCH_DROP ? "one of them is evaluated" : "refused");
    put_limit(out, "limit of automorphisms per molecule", s->max_maps, r->summary.n_maps_limited);
    cg_buf_puts(out, "<tr><th>time limit per molecule</th><td>");
    if (s->seconds > 0)
        cg_html_put_seconds(out, s->seconds);
    else
        cg_buf_puts(out, "no limit");
    cg_buf_puts(out, "<span class=\"why\">molecules that reached it: ");
    cg_html_put_count(out, r->summary.n_time_limited);
    cg_buf_puts(out, "</span></td></tr>\n");
    put_setting(out, "checks of single conformers", s->checks ? "on" : "off");
    cg_buf_puts(out, "<tr><th>generated molecules without references</th><td>");
    cg_html_put_count(out, r->summary.n_extra);
    cg_buf_puts(out,
                "<span class=\"why\">not evaluated</span></td></tr>\n<tr><th>evaluation time</th>"
                "<td>");
    cg_html_put_seconds(out, r->summary.seconds);
    cg_buf_puts(out, "</td></tr>\n</tbody></table>\n");
    cg_html_close_card(out);
    cg_html_open_card(out, "Definitions", NULL);
    cg_buf_puts(
        out,
        "<table class=\"facts\"><tbody>\n"
        "<tr><th>COV-R</th><td>share of a molecule’s references with a generated "
        "conformer strictly closer than δ</td></tr>\n"
        "<tr><th>MAT-R</th><td>mean over its references of the RMSD to the nearest generated "
        "conformer; also called AMR-R</td></tr>\n"
        "<tr><th>COV-P, MAT-P</th><td>the same with references and generated conformers "
        "exchanged</td></tr>\n"
        "<tr><th>mean, median</th><td>of the figures of single molecules; a molecule "
        "without output has no MAT</td></tr>\n"
        "<tr><th>RMSD</th><td>over heavy atoms after the best superposition by a proper "
        "rotation</td></tr>\n"
        "<tr><th>missing</th><td>molecules of the reference file for which nothing was generated"
        "</td></tr>\n"
        "<tr><th>wrong</th><td>generated records whose molecule is not the one that their name "
        "states</td></tr>\n"
        "<tr><th>broken</th><td>generated records that cannot be read</td></tr>\n"
        "</tbody></table>\n");
    cg_html_close_card(out);
    if (s->checks)
        put_check_meanings(out);
    cg_html_close_section(out);
}

static cg_status put_page(const cg_eval_result *r, const json_t *run, cg_buf *out, cg_error *err)
{
    put_head(r, out);
    put_tiles(r, out);
    cg_html_open_section(out, "Coverage",
                         "Share of the references that were reproduced, and of the "
                         "generated conformers that are close to a reference.");
    cg_html_put_curve(r, out);
    put_published(r, out);
    cg_html_close_section(out);
    cg_html_put_bioactive(r, out);
    cg_html_open_section(out, "Distance to the nearest conformer",
                         "The RMSD values that COV and MAT are computed from, over all molecules.");
    CG_TRY(cg_html_put_histograms(r, out, err));
    cg_html_close_section(out);
    cg_html_open_section(out, "By molecule",
                         "One point per molecule; hover over a point for its name and figures.");
    cg_html_put_scatters(r, out);
    CG_TRY(cg_html_put_sizes(r, out, err));
    cg_html_close_section(out);
    cg_html_put_relaxation(r, out);
    cg_html_put_failures(r, run, out);
    CG_TRY(cg_html_put_worst(r, out, err));
    CG_TRY(cg_html_put_overlays(r, out, err));
    cg_html_put_run(run, out);
    put_settings(r, out);
    cg_buf_printf(out, "<footer>Written by confgen %s.</footer>\n</main>\n</body>\n</html>\n",
                  CG_VERSION_STRING);
    return cg_buf_check(out, "report", err);
}

cg_status cg_eval_write_html(const cg_eval_result *r, cg_buf *out, cg_error *err)
{
    json_t *run = NULL;
    cg_status st;

    if (!(r->settings.delta > 0) || !isfinite(r->settings.delta))
        return cg_fail(err, CG_ERR_INPUT, "report: delta is %g, wanted a length above 0",
                       r->settings.delta);
    if (r->run_json)
        CG_TRY(cg_json_parse("report of the run", r->run_json, strlen(r->run_json), &run, err));
    st = put_page(r, run, out, err);
    json_decref(run);
    return st;
}
