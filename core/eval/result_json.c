/* SPDX-License-Identifier: MIT */
#include "eval/result_json.h"

#include <confgen/version.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json_text.h"

/* Seventeen digits restore the same double. */
static void put_real(cg_buf *out, double v)
{
    if (isfinite(v))
        cg_buf_printf(out, "%.17g", v);
    else
        cg_buf_puts(out, "null");
}

static void put_count(cg_buf *out, const char *key, uint64_t v)
{
    cg_buf_printf(out, "\"%s\": %llu, ", key, (unsigned long long)v);
}

static void put_flag(cg_buf *out, const char *key, int v)
{
    cg_buf_printf(out, "\"%s\": %s, ", key, v ? "true" : "false");
}

static void put_text(cg_buf *out, const char *key, const char *text)
{
    cg_buf_printf(out, "\"%s\": ", key);
    cg_json_put_string(out, text);
    cg_buf_puts(out, ", ");
}

static void put_settings(cg_buf *out, const cg_eval_settings *s)
{
    cg_buf_puts(out, " \"settings\": {\"delta\": ");
    put_real(out, s->delta);
    cg_buf_puts(out, ", ");
    put_text(out, "missing", cg_eval_missing_name(s->missing));
    put_text(out, "on_mismatch", cg_eval_on_mismatch_name(s->on_mismatch));
    put_text(out, "rmsd", cg_eval_rmsd_name(s->rmsd));
    put_text(out, "symmetry", cg_symmetry_rule_name(s->symmetry));
    put_count(out, "max_maps", s->max_maps);
    cg_buf_puts(out, "\"seconds\": ");
    put_real(out, s->seconds);
    cg_buf_puts(out, ", ");
    put_flag(out, "bioactive", s->bioactive);
    put_flag(out, "relaxation", s->relaxation);
    cg_buf_printf(out, "\"checks\": %s},\n", s->checks ? "true" : "false");
}

static void put_checks(cg_buf *out, uint64_t checked, uint64_t passed, uint64_t unchecked,
                       const uint64_t *done, const uint64_t *failed, const uint64_t *not_done)
{
    cg_buf_puts(out, "\"checks\": {");
    put_count(out, "checked", checked);
    put_count(out, "passed_all", passed);
    put_count(out, "unchecked", unchecked);
    cg_buf_puts(out, "\"tests\": {");
    for (int k = 0; k < CG_CHECK_COUNT; k++)
        cg_buf_printf(out, "%s\"%s\": {\"done\": %llu, \"failed\": %llu, \"unchecked\": %llu}",
                      k ? ", " : "", cg_check_name((cg_check_id)k), (unsigned long long)done[k],
                      (unsigned long long)failed[k], (unsigned long long)not_done[k]);
    cg_buf_puts(out, "}}");
}

static void put_figure(cg_buf *out, const char *key, cg_eval_figure f)
{
    cg_buf_printf(out, "  \"%s\": {\"mean\": ", key);
    put_real(out, f.mean);
    cg_buf_puts(out, ", \"median\": ");
    put_real(out, f.median);
    cg_buf_puts(out, "},\n");
}

/* Means or medians of a curve. */
static void put_curve(cg_buf *out, const char *key, const cg_eval_figure *curve, int median)
{
    cg_buf_printf(out, ",\n   \"%s\": [", key);
    for (int i = 0; i < CG_EVAL_DELTAS; i++) {
        if (i)
            cg_buf_puts(out, ", ");
        put_real(out, median ? curve[i].median : curve[i].mean);
    }
    cg_buf_puts(out, "]");
}

/* ---- experimental references -------------------------------------------------------------- */

/* A list of n reals, every `stride`-th from v. */
static void put_reals(cg_buf *out, const char *key, const double *v, size_t n, size_t stride)
{
    cg_buf_printf(out, "\"%s\": [", key);
    for (size_t i = 0; i < n; i++) {
        if (i)
            cg_buf_puts(out, ", ");
        put_real(out, v[i * stride]);
    }
    cg_buf_puts(out, "]");
}

/* Hit rates by threshold: {"0.5": [...], ...}, each a list over n points `stride` doubles apart. */
static void put_hits(cg_buf *out, const double *v, size_t n, size_t stride)
{
    cg_buf_puts(out, "\"hit\": {");
    for (int t = 0; t < CG_BIOACTIVE_HITS; t++) {
        char key[32];

        snprintf(key, sizeof key, "%g", cg_bioactive_threshold(t));
        cg_buf_puts(out, t ? ", " : "");
        put_reals(out, key, v + t, n, stride);
    }
    cg_buf_puts(out, "}");
}

static void put_bioactive(cg_buf *out, const cg_bioactive *b)
{
    cg_buf_puts(out, "\"bioactive\": {");
    put_reals(out, "best", b->best, CG_BIOACTIVE_COUNTS, 1);
    cg_buf_puts(out, ", ");
    put_reals(out, "tfd", b->tfd, CG_BIOACTIVE_COUNTS, 1);
    cg_buf_puts(out, ", ");
    put_hits(out, b->hit[0], CG_BIOACTIVE_COUNTS, CG_BIOACTIVE_HITS);
    cg_buf_puts(out, ", ");
    put_reals(out, "clusters", b->clusters, CG_BIOACTIVE_RADII, 1);
    cg_buf_puts(out, "}");
}

static void put_group(cg_buf *out, const cg_bioactive_group *g)
{
    put_count(out, "molecules", g->n_molecules);
    cg_buf_puts(out, "\"best\": {\"mean\": ");
    put_real(out, g->best.mean);
    cg_buf_puts(out, ", \"median\": ");
    put_real(out, g->best.median);
    cg_buf_puts(out, "}, \"tfd\": {\"mean\": ");
    put_real(out, g->tfd.mean);
    cg_buf_puts(out, ", \"median\": ");
    put_real(out, g->tfd.median);
    cg_buf_puts(out, "}, \"hit\": {");
    for (int t = 0; t < CG_BIOACTIVE_HITS; t++) {
        cg_buf_printf(out, "%s\"%g\": ", t ? ", " : "", cg_bioactive_threshold(t));
        put_real(out, g->hit[t]);
    }
    cg_buf_puts(out, "}}");
}

static void put_bioactive_summary(cg_buf *out, const cg_bioactive_summary *s)
{
    cg_buf_puts(out, "  \"bioactive\": {\n   \"curve\": [\n");
    for (int k = 0; k < CG_BIOACTIVE_COUNTS; k++) {
        cg_buf_puts(out, "    {\"conformers\": ");
        if (k == CG_BIOACTIVE_ALL)
            cg_buf_puts(out, "null");
        else
            cg_buf_printf(out, "%llu", (unsigned long long)cg_bioactive_count(k));
        cg_buf_puts(out, ", ");
        put_count(out, "full", s->full[k]);
        put_group(out, &s->curve[k]);
        cg_buf_puts(out, k == CG_BIOACTIVE_ALL ? "],\n" : ",\n");
    }
    cg_buf_puts(out, "   \"strata\": [\n");
    for (int i = 0; i < CG_BIOACTIVE_STRATA; i++) {
        cg_bioactive_stratum stratum = cg_bioactive_stratum_at(i);

        cg_buf_printf(out, "    {\"property\": \"%s\", \"low\": %u, \"high\": ",
                      stratum.by_heavy ? "heavy_atoms" : "rotatable_bonds", stratum.low);
        if (stratum.high == UINT32_MAX)
            cg_buf_puts(out, "null, ");
        else
            cg_buf_printf(out, "%u, ", stratum.high);
        put_group(out, &s->strata[i]);
        cg_buf_puts(out, i + 1 < CG_BIOACTIVE_STRATA ? ",\n" : "],\n");
    }
    cg_buf_puts(out, "   \"clusters\": {");
    for (int r = 0; r < CG_BIOACTIVE_RADII; r++) {
        cg_buf_printf(out, "%s\"%g\": {\"mean\": ", r ? ", " : "", cg_bioactive_radius(r));
        put_real(out, s->clusters[r].mean);
        cg_buf_puts(out, ", \"median\": ");
        put_real(out, s->clusters[r].median);
        cg_buf_puts(out, "}");
    }
    cg_buf_puts(out, "}},\n");
}

/* ---- relaxation energies ------------------------------------------------------------------ */

static void put_relaxation_summary(cg_buf *out, const cg_eval_summary *s)
{
    const cg_relaxation *r = &s->relaxation;

    cg_buf_puts(out, "  \"relaxation\": {");
    put_count(out, "conformers", r->n);
    put_count(out, "molecules", s->n_relaxed);
    put_count(out, "no_parameters", s->n_no_parameters);
    cg_buf_puts(out, "\"median\": ");
    put_real(out, r->median);
    cg_buf_puts(out, ", \"mean\": ");
    put_real(out, r->mean);
    cg_buf_puts(out, ", \"p90\": ");
    put_real(out, r->high);
    cg_buf_puts(out, ", \"largest\": ");
    put_real(out, r->largest);
    cg_buf_puts(out, "},\n");
}

/* Nine digits restore the same float. */
static void put_energies(cg_buf *out, const float *energies, uint64_t n)
{
    cg_buf_puts(out, ",\n   \"relaxation\": ");
    if (!energies) {
        cg_buf_puts(out, "null");
        return;
    }
    for (uint64_t i = 0; i < n; i++)
        if (isfinite(energies[i]))
            cg_buf_printf(out, "%s%.9g", i ? "," : "[", (double)energies[i]);
        else
            cg_buf_puts(out, i ? ",null" : "[null");
    cg_buf_puts(out, "]");
}

/* ---- the result --------------------------------------------------------------------------- */

static void put_summary(cg_buf *out, const cg_eval_result *r)
{
    const cg_eval_summary *s = &r->summary;

    cg_buf_puts(out, " \"summary\": {\n  ");
    put_count(out, "molecules", s->n_molecules);
    put_count(out, "missing", s->n_missing);
    put_count(out, "extra", s->n_extra);
    put_count(out, "references", s->n_ref);
    put_count(out, "generated", s->n_gen);
    put_count(out, "wrong", s->n_wrong);
    put_count(out, "state", s->n_state);
    put_count(out, "broken", s->n_broken);
    put_count(out, "stereo", s->n_stereo);
    put_count(out, "references_dropped", s->n_ref_dropped);
    put_count(out, "references_broken", s->n_ref_broken);
    put_count(out, "references_stereo", s->n_ref_stereo);
    put_count(out, "stereo_untested", s->n_stereo_untested);
    put_count(out, "maps_limited", s->n_maps_limited);
    put_count(out, "time_limited", s->n_time_limited);
    put_count(out, "pairs", s->pairs);
    cg_buf_puts(out, "\n");
    put_figure(out, "cov_r", s->cov_r);
    put_figure(out, "mat_r", s->mat_r);
    put_figure(out, "cov_p", s->cov_p);
    put_figure(out, "mat_p", s->mat_p);
    cg_buf_puts(out, "  \"curve\": {\n   \"delta\": [");
    for (int i = 0; i < CG_EVAL_DELTAS; i++)
        cg_buf_printf(out, "%s%.2f", i ? ", " : "", cg_eval_delta(i));
    cg_buf_puts(out, "]");
    put_curve(out, "cov_r_mean", s->curve_r, 0);
    put_curve(out, "cov_r_median", s->curve_r, 1);
    put_curve(out, "cov_p_mean", s->curve_p, 0);
    put_curve(out, "cov_p_median", s->curve_p, 1);
    cg_buf_puts(out, "},\n");
    if (r->settings.bioactive)
        put_bioactive_summary(out, &s->bioactive);
    if (r->settings.relaxation)
        put_relaxation_summary(out, s);
    cg_buf_puts(out, "  ");
    if (r->settings.checks) {
        put_checks(out, s->checked, s->passed_all, s->unchecked, s->check_done, s->check_failed,
                   s->check_unchecked);
        cg_buf_puts(out, ",\n  ");
    }
    cg_buf_puts(out, "\"seconds\": ");
    put_real(out, s->seconds);
    cg_buf_puts(out, "},\n");
}

static void put_distances(cg_buf *out, const char *key, const float *d, uint64_t n)
{
    cg_buf_printf(out, ",\n   \"%s\": [", key);
    for (uint64_t i = 0; d && i < n; i++)
        cg_buf_printf(out, "%s%.4f", i ? "," : "", (double)d[i]);
    cg_buf_puts(out, "]");
}

static void put_molecule(cg_buf *out, const cg_eval_molecule *m, const cg_eval_settings *settings)
{
    cg_buf_puts(out, "  {");
    put_text(out, "name", m->name);
    put_text(out, "smiles", m->smiles);
    put_count(out, "heavy_atoms", m->n_heavy);
    put_count(out, "rotatable_bonds", m->n_rotatable);
    put_count(out, "references", m->n_ref);
    put_count(out, "generated", m->n_gen);
    put_count(out, "wrong", m->n_wrong);
    put_count(out, "state", m->n_state);
    put_count(out, "broken", m->n_broken);
    put_count(out, "stereo", m->n_stereo);
    put_count(out, "references_dropped", m->n_ref_dropped);
    put_count(out, "references_broken", m->n_ref_broken);
    put_count(out, "references_stereo", m->n_ref_stereo);
    put_flag(out, "stereo_untested", m->stereo_untested);
    put_count(out, "maps", m->n_maps);
    put_flag(out, "maps_limited", m->maps_limited);
    put_flag(out, "time_limited", m->time_limited);
    cg_buf_puts(out, "\"seconds\": ");
    put_real(out, m->seconds);
    cg_buf_puts(out, ",\n   \"cov_r\": ");
    put_real(out, m->cov_r);
    cg_buf_puts(out, ", \"mat_r\": ");
    put_real(out, m->mat_r);
    cg_buf_puts(out, ", \"cov_p\": ");
    put_real(out, m->cov_p);
    cg_buf_puts(out, ", \"mat_p\": ");
    put_real(out, m->mat_p);
    if (settings->bioactive) {
        cg_buf_puts(out, ",\n   ");
        put_bioactive(out, &m->bioactive);
    }
    if (settings->checks) {
        cg_buf_puts(out, ",\n   ");
        put_checks(out, m->checked, m->passed_all, m->unchecked, m->check_done, m->check_failed,
                   m->check_unchecked);
    }
    put_distances(out, "ref_min", m->n_gen ? m->ref_min : NULL, m->n_ref);
    put_distances(out, "gen_min", m->gen_min, m->n_gen);
    if (settings->relaxation)
        put_energies(out, m->relaxation_energy, m->n_gen);
    cg_buf_puts(out, "}");
}

static void put_mismatch(cg_buf *out, const cg_eval_mismatch *m)
{
    cg_buf_puts(out, "  {");
    put_text(out, "file", m->is_reference ? "references" : "generated");
    put_text(out, "fault", cg_eval_fault_name(m->fault));
    put_count(out, "records", m->n);
    put_count(out, "first_record", m->first_record);
    put_text(out, "name", m->name);
    put_text(out, "found", m->found);
    cg_buf_puts(out, "\"wanted\": ");
    cg_json_put_string(out, m->wanted);
    cg_buf_puts(out, "}");
}

cg_status cg_eval_write_json(const cg_eval_result *result, cg_buf *out, cg_error *err)
{
    cg_buf_puts(out, "{");
    put_text(out, "format", "confgen-eval-1");
    put_text(out, "confgen", CG_VERSION_STRING);
    cg_buf_puts(out, "\n ");
    put_text(out, "ref", result->ref_path);
    put_text(out, "gen", result->gen_path);
    cg_buf_puts(out, "\n");
    put_settings(out, &result->settings);
    put_summary(out, result);
    cg_buf_puts(out, " \"molecules\": [\n");
    for (size_t i = 0; i < result->n_molecules; i++) {
        put_molecule(out, &result->molecules[i], &result->settings);
        cg_buf_puts(out, i + 1 < result->n_molecules ? ",\n" : "\n");
    }
    cg_buf_puts(out, " ],\n \"mismatches\": [\n");
    for (size_t i = 0; i < result->n_mismatches; i++) {
        put_mismatch(out, &result->mismatches[i]);
        cg_buf_puts(out, i + 1 < result->n_mismatches ? ",\n" : "\n");
    }
    cg_buf_puts(out, " ],\n \"run\": ");
    cg_buf_puts(out, result->run_json ? result->run_json : "null");
    cg_buf_puts(out, "}\n");
    return cg_buf_check(out, "evaluation", err);
}
