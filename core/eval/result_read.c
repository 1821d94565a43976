/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/size.h"
#include "eval/result_json.h"

#define MAX_COUNT  ((int64_t)1 << 53) /* a double represents all smaller integers */
#define MAX_REAL   1e12
#define MAX_COV    1.0 /* a fraction */
#define MAX_ENERGY 1e30

enum { NOT_NULL, NULLABLE };

/* A nested object with its full path. */
struct object {
    cg_json o;
    char path[96];
};

/* A list of names, ended by NULL. */
#define NAMES(...)                                                                                 \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

/* Refuses members other than those in `names`. */
static cg_status refuse_other_members(const cg_json *o, const char *const *names, cg_error *err)
{
    char wanted[CG_ERROR_TEXT / 2] = "";
    size_t len = 0;
    const char *key;
    json_t *v;

    json_object_foreach((json_t *)(uintptr_t)o->node, key, v)
    {
        size_t i = 0;

        while (names[i] && strcmp(names[i], key) != 0)
            i++;
        if (names[i])
            continue;
        for (i = 0; names[i] && len < sizeof wanted; i++)
            len += (size_t)snprintf(wanted + len, sizeof wanted - len, " %s", names[i]);
        return cg_fail(err, CG_ERR_FORMAT, "%s: %s%sfound the member '%.60s', wanted one of%s",
                       o->file, o->path, *o->path ? ": " : "", key, wanted);
    }
    return CG_OK;
}

static cg_status open_object(const cg_json *o, const char *key, struct object *ret_object,
                             cg_error *err)
{
    const json_t *v = cg_json_member(o, key);

    if (!json_is_object(v))
        return cg_json_fail_wanted(o, key, "an object", err);
    snprintf(ret_object->path, sizeof ret_object->path, "%s%s%s", o->path, *o->path ? "." : "",
             key);
    ret_object->o = (cg_json) { o->file, ret_object->path, v };
    return CG_OK;
}

/* Reads counts: pairs of const char *key, uint64_t *ret_count, ended by NULL. An absent one that is
 * not required becomes 0. */
static cg_status read_counts(const cg_json *o, int required, cg_error *err, ...)
{
    va_list ap;
    const char *key;
    cg_status st = CG_OK;

    va_start(ap, err);
    while (st == CG_OK && (key = va_arg(ap, const char *)) != NULL) {
        uint64_t *ret_count = va_arg(ap, uint64_t *);
        int64_t v = 0;

        st = cg_json_int(o, key, required, 0, MAX_COUNT, &v, err);
        *ret_count = (uint64_t)v;
    }
    va_end(ap);
    return st;
}

/* Reads a required number from 0 to hi; null, if nullable, becomes NaN. */
static cg_status read_real(const cg_json *o, const char *key, int nullable, double hi,
                           double *ret_value, cg_error *err)
{
    *ret_value = NAN;
    if (nullable && json_is_null(json_object_get(o->node, key)))
        return CG_OK;
    return cg_json_real(o, key, CG_JSON_REQUIRED, 0, hi, ret_value, err);
}

/* Reads one of two words: *ret_index is 0 for `zero`, 1 for `one`. */
static cg_status read_word(const cg_json *o, const char *key, const char *zero, const char *one,
                           int *ret_index, cg_error *err)
{
    const char *text = "";
    char wanted[64];

    CG_TRY(cg_json_string(o, key, CG_JSON_REQUIRED, &text, err));
    *ret_index = !strcmp(text, one);
    if (*ret_index || !strcmp(text, zero))
        return CG_OK;
    snprintf(wanted, sizeof wanted, "\"%s\" or \"%s\"", zero, one);
    return cg_json_fail_wanted(o, key, wanted, err);
}

static cg_status read_text(const cg_json *o, const char *key, char **ret_text, cg_error *err)
{
    const char *text = NULL;

    CG_TRY(cg_json_string(o, key, CG_JSON_REQUIRED, &text, err));
    *ret_text = strdup(text);
    return *ret_text ? CG_OK : cg_fail_nomem(err, o->file);
}

static cg_status read_settings(const cg_json *top, cg_eval_settings *s, cg_error *err)
{
    struct object p;
    int missing = 0, rmsd = 0, symmetry = 0, drop = 0;
    uint64_t max_maps = 0;

    CG_TRY(open_object(top, "settings", &p, err));
    CG_TRY(refuse_other_members(&p.o,
                                NAMES("delta", "missing", "on_mismatch", "rmsd", "symmetry",
                                      "max_maps", "seconds", "bioactive", "relaxation", "checks"),
                                err));
    CG_TRY(read_real(&p.o, "delta", NOT_NULL, MAX_REAL, &s->delta, err));
    CG_TRY(read_word(&p.o, "missing", "zero", "drop", &missing, err));
    if (cg_json_member(&p.o, "on_mismatch")) /* added later */
        CG_TRY(read_word(&p.o, "on_mismatch", "error", "drop", &drop, err));
    CG_TRY(read_word(&p.o, "rmsd", "best", "plain", &rmsd, err));
    CG_TRY(read_word(&p.o, "symmetry", "plain", "conjugated", &symmetry, err));
    CG_TRY(read_counts(&p.o, CG_JSON_REQUIRED, err, "max_maps", &max_maps, NULL));
    CG_TRY(read_real(&p.o, "seconds", NOT_NULL, MAX_REAL, &s->seconds, err));
    CG_TRY(cg_json_bool(&p.o, "bioactive", CG_JSON_OPTIONAL, &s->bioactive, err)); /* added later */
    CG_TRY(cg_json_bool(&p.o, "relaxation", CG_JSON_OPTIONAL, &s->relaxation, err)); /* likewise */
    CG_TRY(cg_json_bool(&p.o, "checks", CG_JSON_REQUIRED, &s->checks, err));
    s->missing = missing ? CG_MISSING_DROP : CG_MISSING_ZERO;
    s->on_mismatch = drop ? CG_MISMATCH_DROP : CG_MISMATCH_ERROR;
    s->rmsd = rmsd ? CG_RMSD_PLAIN : CG_RMSD_BEST;
    s->symmetry = symmetry ? CG_SYMMETRY_CONJUGATED : CG_SYMMETRY_PLAIN;
    s->max_maps = (size_t)max_maps;
    return CG_OK;
}

/* Reads the counts of checks. The member must exist exactly if the settings enable checks. */
static cg_status read_checks(const cg_json *o, int wanted, uint64_t *checked, uint64_t *passed,
                             uint64_t *unchecked, uint64_t *done, uint64_t *failed,
                             uint64_t *not_done, cg_error *err)
{
    struct object p, tests;
    const char *names[CG_CHECK_COUNT + 1] = { NULL };

    if (!wanted)
        return json_object_get(o->node, "checks")
                   ? cg_json_fail_wanted(o, "checks", "no member, as settings.checks is false", err)
                   : CG_OK;
    CG_TRY(open_object(o, "checks", &p, err));
    CG_TRY(refuse_other_members(&p.o, NAMES("checked", "passed_all", "unchecked", "tests"), err));
    CG_TRY(
        read_counts(&p.o, CG_JSON_REQUIRED, err, "checked", checked, "passed_all", passed, NULL));
    CG_TRY(
        read_counts(&p.o, CG_JSON_OPTIONAL, err, "unchecked", unchecked, NULL)); /* added later */
    CG_TRY(open_object(&p.o, "tests", &tests, err));
    for (int k = 0; k < CG_CHECK_COUNT; k++) {
        const char *name = cg_check_name((cg_check_id)k);
        struct object test;

        names[k] = name;
        if (k == CG_CHECK_RING_FLAT && !json_object_get(tests.o.node, name))
            continue; /* added later */
        CG_TRY(open_object(&tests.o, name, &test, err));
        CG_TRY(refuse_other_members(&test.o, NAMES("done", "failed", "unchecked"), err));
        CG_TRY(read_counts(&test.o, CG_JSON_REQUIRED, err, "done", &done[k], "failed", &failed[k],
                           NULL));
        CG_TRY(read_counts(&test.o, CG_JSON_OPTIONAL, err, "unchecked", &not_done[k], NULL));
        if (failed[k] > done[k] || done[k] > *checked || not_done[k] > *checked - done[k])
            return cg_json_fail_wanted(&test.o, "failed",
                                       "at most as many as were done and checked", err);
    }
    if (*passed > *checked || *unchecked > *checked - *passed)
        return cg_json_fail_wanted(&p.o, "passed_all", "at most as many as were checked", err);
    return refuse_other_members(&tests.o, names, err);
}

static cg_status read_figure(const cg_json *o, const char *key, double hi,
                             cg_eval_figure *ret_figure, cg_error *err)
{
    struct object p;

    CG_TRY(open_object(o, key, &p, err));
    CG_TRY(refuse_other_members(&p.o, NAMES("mean", "median"), err));
    CG_TRY(read_real(&p.o, "mean", NULLABLE, hi, &ret_figure->mean, err));
    return read_real(&p.o, "median", NULLABLE, hi, &ret_figure->median, err);
}

/* A list of n numbers in [0, hi], into every `stride`-th double of ret_values; null, if
 * nullable, becomes NaN. */
static cg_status read_list(const cg_json *o, const char *key, size_t n, int nullable, double hi,
                           double *ret_values, size_t stride, cg_error *err)
{
    const json_t *list = cg_json_member(o, key);
    char wanted[64];

    snprintf(wanted, sizeof wanted, "a list of %zu numbers", n);
    if (!json_is_array(list) || json_array_size(list) != n)
        return cg_json_fail_wanted(o, key, wanted, err);
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(list, i);

        if (nullable && json_is_null(v))
            ret_values[i * stride] = NAN;
        else if (json_is_number(v) && json_number_value(v) >= 0 && json_number_value(v) <= hi)
            ret_values[i * stride] = json_number_value(v);
        else
            return cg_fail(err, CG_ERR_FORMAT, "%s: %s.%s[%zu]: wanted a number from 0 to %g%s",
                           o->file, o->path, key, i, hi, nullable ? " or null" : "");
    }
    return CG_OK;
}

/* Reads the COV curve; its deltas must be those of this version. */
static cg_status read_curve(const cg_json *summary, cg_eval_summary *s, cg_error *err)
{
    double delta[CG_EVAL_DELTAS];
    struct object p;

    CG_TRY(open_object(summary, "curve", &p, err));
    CG_TRY(refuse_other_members(
        &p.o, NAMES("delta", "cov_r_mean", "cov_r_median", "cov_p_mean", "cov_p_median"), err));
    CG_TRY(read_list(&p.o, "delta", CG_EVAL_DELTAS, NOT_NULL, MAX_REAL, delta, 1, err));
    CG_TRY(read_list(&p.o, "cov_r_mean", CG_EVAL_DELTAS, NULLABLE, MAX_COV, &s->curve_r[0].mean, 2,
                     err));
    CG_TRY(read_list(&p.o, "cov_r_median", CG_EVAL_DELTAS, NULLABLE, MAX_COV, &s->curve_r[0].median,
                     2, err));
    CG_TRY(read_list(&p.o, "cov_p_mean", CG_EVAL_DELTAS, NULLABLE, MAX_COV, &s->curve_p[0].mean, 2,
                     err));
    CG_TRY(read_list(&p.o, "cov_p_median", CG_EVAL_DELTAS, NULLABLE, MAX_COV, &s->curve_p[0].median,
                     2, err));
    for (int i = 0; i < CG_EVAL_DELTAS; i++)
        if (fabs(delta[i] - cg_eval_delta(i)) > 1e-9)
            return cg_fail(err, CG_ERR_FORMAT, "%s: summary.curve.delta[%d]: found %g, wanted %.2f",
                           p.o.file, i, delta[i], cg_eval_delta(i));
    return CG_OK;
}

/* Refuses figures that the settings do not enable. */
static cg_status refuse_figures(const cg_json *o, const char *key, cg_error *err)
{
    char wanted[64];

    snprintf(wanted, sizeof wanted, "no member, as settings.%s is false", key);
    return json_object_get(o->node, key) ? cg_json_fail_wanted(o, key, wanted, err) : CG_OK;
}

/* Opens figures that exist exactly if the settings enable them. */
static cg_status open_figures(const cg_json *o, const char *key, int wanted,
                              struct object *ret_object, cg_error *err)
{
    return wanted ? open_object(o, key, ret_object, err) : refuse_figures(o, key, err);
}

static cg_status read_summary(const cg_json *top, cg_eval_result *r, cg_error *err)
{
    cg_eval_summary *s = &r->summary;
    struct object p, figures;

    CG_TRY(open_object(top, "summary", &p, err));
    CG_TRY(refuse_other_members(
        &p.o,
        NAMES("molecules", "missing", "extra", "references", "generated", "wrong", "state",
              "broken", "stereo", "references_dropped", "references_broken", "references_stereo",
              "stereo_untested", "maps_limited", "time_limited", "pairs", "cov_r", "mat_r", "cov_p",
              "mat_p", "curve", "bioactive", "relaxation", "checks", "seconds"),
        err));
    CG_TRY(read_counts(&p.o, CG_JSON_REQUIRED, err, "molecules", &s->n_molecules, "missing",
                       &s->n_missing, "extra", &s->n_extra, "references", &s->n_ref, "generated",
                       &s->n_gen, "wrong", &s->n_wrong, "broken", &s->n_broken, "references_broken",
                       &s->n_ref_broken, "maps_limited", &s->n_maps_limited, "time_limited",
                       &s->n_time_limited, "pairs", &s->pairs, NULL));
    CG_TRY(read_counts(&p.o, CG_JSON_OPTIONAL, err, "state", &s->n_state, "stereo", &s->n_stereo,
                       "references_dropped", &s->n_ref_dropped, "references_stereo",
                       &s->n_ref_stereo, "stereo_untested", &s->n_stereo_untested, NULL));
    CG_TRY(read_figure(&p.o, "cov_r", MAX_COV, &s->cov_r, err));
    CG_TRY(read_figure(&p.o, "mat_r", MAX_REAL, &s->mat_r, err));
    CG_TRY(read_figure(&p.o, "cov_p", MAX_COV, &s->cov_p, err));
    CG_TRY(read_figure(&p.o, "mat_p", MAX_REAL, &s->mat_p, err));
    CG_TRY(read_curve(&p.o, s, err));
    CG_TRY(open_figures(&p.o, "bioactive", r->settings.bioactive, &figures, err));
    CG_TRY(open_figures(&p.o, "relaxation", r->settings.relaxation, &figures, err));
    if (r->settings.relaxation)
        CG_TRY(refuse_other_members(
            &figures.o,
            NAMES("conformers", "molecules", "no_parameters", "median", "mean", "p90", "largest"),
            err));
    CG_TRY(read_checks(&p.o, r->settings.checks, &s->checked, &s->passed_all, &s->unchecked,
                       s->check_done, s->check_failed, s->check_unchecked, err));
    return read_real(&p.o, "seconds", NOT_NULL, MAX_REAL, &s->seconds, err);
}

static cg_status read_bioactive(const cg_json *o, int wanted, int missing, cg_bioactive *b,
                                cg_error *err)
{
    const char *names[CG_BIOACTIVE_HITS + 1] = { NULL };
    char keys[CG_BIOACTIVE_HITS][16];
    struct object p, hit;

    CG_TRY(open_figures(o, "bioactive", wanted, &p, err));
    if (!wanted)
        return CG_OK;
    CG_TRY(refuse_other_members(&p.o, NAMES("best", "tfd", "hit", "clusters"), err));
    CG_TRY(read_list(&p.o, "best", CG_BIOACTIVE_COUNTS, missing, MAX_REAL, b->best, 1, err));
    CG_TRY(read_list(&p.o, "tfd", CG_BIOACTIVE_COUNTS, NULLABLE, MAX_REAL, b->tfd, 1, err));
    CG_TRY(read_list(&p.o, "clusters", CG_BIOACTIVE_RADII, missing, MAX_REAL, b->clusters, 1, err));
    CG_TRY(open_object(&p.o, "hit", &hit, err));
    for (int t = 0; t < CG_BIOACTIVE_HITS; t++) {
        snprintf(keys[t], sizeof keys[t], "%g", cg_bioactive_threshold(t));
        names[t] = keys[t];
        CG_TRY(read_list(&hit.o, keys[t], CG_BIOACTIVE_COUNTS, NOT_NULL, MAX_COV, &b->hit[0][t],
                         CG_BIOACTIVE_HITS, err));
    }
    return refuse_other_members(&hit.o, names, err);
}

/* Reads a list of n distances in Å; free(). An empty list is NULL. */
static cg_status read_distances(const cg_json *o, const char *key, uint64_t n,
                                float **ret_distances, cg_error *err)
{
    const json_t *list = cg_json_member(o, key);
    char wanted[64];
    float *d;

    snprintf(wanted, sizeof wanted, "a list of %llu numbers", (unsigned long long)n);
    if (!json_is_array(list) || json_array_size(list) != n)
        return cg_json_fail_wanted(o, key, wanted, err);
    if (!n)
        return CG_OK;
    *ret_distances = d = cg_alloc_array((size_t)n, sizeof *d);
    if (!d)
        return cg_fail_nomem(err, o->file);
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(list, i);
        double x = json_is_number(v) ? json_number_value(v) : -1;

        if (!(x >= 0 && x <= MAX_REAL))
            return cg_fail(err, CG_ERR_FORMAT, "%s: %s.%s[%zu]: wanted a distance", o->file,
                           o->path, key, i);
        d[i] = (float)x;
    }
    return CG_OK;
}

/* Reads the relaxation energies of a molecule's n conformers: null without parameters. */
static cg_status read_energies(const cg_json *o, int wanted, uint64_t n, float **ret_energies,
                               cg_error *err)
{
    double *values;
    cg_status st;

    if (!wanted)
        return refuse_figures(o, "relaxation", err);
    if (json_is_null(json_object_get(o->node, "relaxation")))
        return CG_OK;
    if (!n)
        return cg_json_fail_wanted(o, "relaxation", "null, as nothing was generated", err);
    if (json_array_size(cg_json_member(o, "relaxation")) != n)
        return cg_json_fail_wanted(o, "relaxation", "null or a number for each conformer", err);
    values = cg_alloc_array((size_t)n, sizeof *values);
    *ret_energies = cg_alloc_array((size_t)n, sizeof **ret_energies);
    if (!values || !*ret_energies) {
        st = cg_fail_nomem(err, o->file);
        goto out;
    }
    CG_TRY_GOTO(st, read_list(o, "relaxation", (size_t)n, NULLABLE, MAX_ENERGY, values, 1, err),
                out);
    for (uint64_t i = 0; i < n; i++)
        (*ret_energies)[i] = (float)values[i];
out:
    free(values);
    return st;
}

static cg_status read_molecule(const cg_json *o, const cg_eval_settings *settings,
                               cg_eval_molecule *m, cg_error *err)
{
    uint64_t n_heavy = 0, n_rotatable = 0;

    CG_TRY(refuse_other_members(
        o,
        NAMES("name", "smiles", "heavy_atoms", "rotatable_bonds", "references", "generated",
              "wrong", "state", "broken", "stereo", "references_dropped", "references_broken",
              "references_stereo", "stereo_untested", "maps", "maps_limited", "time_limited",
              "seconds", "cov_r", "mat_r", "cov_p", "mat_p", "bioactive", "checks", "ref_min",
              "gen_min", "relaxation"),
        err));
    CG_TRY(read_text(o, "name", &m->name, err));
    CG_TRY(read_text(o, "smiles", &m->smiles, err));
    CG_TRY(read_counts(o, CG_JSON_REQUIRED, err, "heavy_atoms", &n_heavy, "rotatable_bonds",
                       &n_rotatable, "references", &m->n_ref, "generated", &m->n_gen, "wrong",
                       &m->n_wrong, "broken", &m->n_broken, "maps", &m->n_maps, NULL));
    CG_TRY(read_counts(o, CG_JSON_OPTIONAL, err, "state", &m->n_state, "stereo", &m->n_stereo,
                       "references_dropped", &m->n_ref_dropped, "references_broken",
                       &m->n_ref_broken, "references_stereo", &m->n_ref_stereo, NULL));
    CG_TRY(cg_json_bool(o, "stereo_untested", CG_JSON_OPTIONAL, &m->stereo_untested, err));
    CG_TRY(cg_json_bool(o, "maps_limited", CG_JSON_REQUIRED, &m->maps_limited, err));
    CG_TRY(cg_json_bool(o, "time_limited", CG_JSON_REQUIRED, &m->time_limited, err));
    CG_TRY(read_real(o, "seconds", NOT_NULL, MAX_REAL, &m->seconds, err));
    CG_TRY(read_real(o, "cov_r", NOT_NULL, MAX_COV, &m->cov_r, err));
    CG_TRY(read_real(o, "mat_r", !m->n_gen, MAX_REAL, &m->mat_r, err));
    CG_TRY(read_real(o, "cov_p", NOT_NULL, MAX_COV, &m->cov_p, err));
    CG_TRY(read_real(o, "mat_p", !m->n_gen, MAX_REAL, &m->mat_p, err));
    CG_TRY(read_bioactive(o, settings->bioactive, !m->n_gen, &m->bioactive, err));
    CG_TRY(read_checks(o, settings->checks, &m->checked, &m->passed_all, &m->unchecked,
                       m->check_done, m->check_failed, m->check_unchecked, err));
    CG_TRY(read_distances(o, "ref_min", m->n_gen ? m->n_ref : 0, &m->ref_min, err));
    CG_TRY(read_distances(o, "gen_min", m->n_gen, &m->gen_min, err));
    CG_TRY(read_energies(o, settings->relaxation, m->n_gen, &m->relaxation_energy, err));
    if (n_heavy > UINT32_MAX || n_rotatable > UINT32_MAX)
        return cg_json_fail_wanted(o, "heavy_atoms", "the size of a molecule", err);
    m->n_heavy = (uint32_t)n_heavy;
    m->n_rotatable = (uint32_t)n_rotatable;
    return CG_OK;
}

/* Element i of list `key`, an object; its place in messages is written to path[cap]. */
static cg_status open_element(const cg_json *top, const char *key, const json_t *list, size_t i,
                              char *path, size_t cap, cg_json *ret, cg_error *err)
{
    snprintf(path, cap, "%s[%zu]", key, i);
    *ret = (cg_json) { top->file, path, json_array_get(list, i) };
    if (!json_is_object(ret->node))
        return cg_fail(err, CG_ERR_FORMAT, "%s: %s: wanted an object", top->file, path);
    return CG_OK;
}

static cg_status read_molecules(const cg_json *top, cg_eval_result *r, cg_error *err)
{
    const json_t *list = cg_json_member(top, "molecules");
    size_t n = json_array_size(list);
    char wanted[64];

    snprintf(wanted, sizeof wanted, "a list of %llu molecules, as the summary says",
             (unsigned long long)r->summary.n_molecules);
    if (!json_is_array(list) || n != r->summary.n_molecules)
        return cg_json_fail_wanted(top, "molecules", wanted, err);
    r->molecules = calloc(n ? n : 1, sizeof *r->molecules);
    if (!r->molecules)
        return cg_fail_nomem(err, top->file);
    r->n_molecules = n;
    for (size_t i = 0; i < n; i++) {
        char path[48];
        cg_json o;

        CG_TRY(open_element(top, "molecules", list, i, path, sizeof path, &o, err));
        CG_TRY(read_molecule(&o, &r->settings, &r->molecules[i], err));
    }
    return CG_OK;
}

static cg_status read_mismatch(const cg_json *o, cg_eval_mismatch *m, cg_error *err)
{
    const char *fault = "";

    CG_TRY(refuse_other_members(
        o, NAMES("file", "fault", "records", "first_record", "name", "found", "wanted"), err));
    CG_TRY(read_word(o, "file", "generated", "references", &m->is_reference, err));
    CG_TRY(cg_json_string(o, "fault", CG_JSON_REQUIRED, &fault, err));
    while (m->fault < CG_FAULT_COUNT && strcmp(cg_eval_fault_name(m->fault), fault) != 0)
        m->fault++;
    if (m->fault == CG_FAULT_COUNT)
        return cg_json_fail_wanted(o, "fault", "a fault of records", err);
    CG_TRY(read_counts(o, CG_JSON_REQUIRED, err, "records", &m->n, "first_record", &m->first_record,
                       NULL));
    CG_TRY(read_text(o, "name", &m->name, err));
    CG_TRY(read_text(o, "found", &m->found, err));
    return read_text(o, "wanted", &m->wanted, err);
}

/* Reads the list of mismatches, which was added later. */
static cg_status read_mismatches(const cg_json *top, cg_eval_result *r, cg_error *err)
{
    const json_t *list = cg_json_member(top, "mismatches");
    size_t n = json_array_size(list);

    if (!list)
        return CG_OK;
    if (!json_is_array(list))
        return cg_json_fail_wanted(top, "mismatches", "a list", err);
    r->mismatches = calloc(n ? n : 1, sizeof *r->mismatches);
    if (!r->mismatches)
        return cg_fail_nomem(err, top->file);
    r->n_mismatches = n;
    for (size_t i = 0; i < n; i++) {
        char path[48];
        cg_json o;

        CG_TRY(open_element(top, "mismatches", list, i, path, sizeof path, &o, err));
        CG_TRY(read_mismatch(&o, &r->mismatches[i], err));
    }
    return CG_OK;
}

static cg_status read_top(const cg_json *top, cg_eval_result *r, cg_error *err)
{
    const char *format = "", *version = NULL;
    const json_t *run = cg_json_member(top, "run");

    CG_TRY(cg_json_string(top, "format", CG_JSON_REQUIRED, &format, err));
    if (strcmp(format, "confgen-eval-1") != 0)
        return cg_json_fail_wanted(top, "format", "\"confgen-eval-1\"", err);
    CG_TRY(refuse_other_members(top,
                                NAMES("format", "confgen", "ref", "gen", "settings", "summary",
                                      "molecules", "mismatches", "run"),
                                err));
    CG_TRY(cg_json_string(top, "confgen", CG_JSON_REQUIRED, &version, err));
    CG_TRY(read_text(top, "ref", &r->ref_path, err));
    CG_TRY(read_text(top, "gen", &r->gen_path, err));
    CG_TRY(read_settings(top, &r->settings, err));
    CG_TRY(read_summary(top, r, err));
    CG_TRY(read_molecules(top, r, err));
    if (r->settings.bioactive)
        CG_TRY(cg_eval_summarize_bioactive(r, err));
    if (r->settings.relaxation)
        CG_TRY(cg_eval_summarize_relaxation(r, err));
    CG_TRY(read_mismatches(top, r, err));
    if (run && !json_is_object(run))
        return cg_json_fail_wanted(top, "run", "an object or null", err);
    if (run && !(r->run_json = json_dumps(run, JSON_COMPACT)))
        return cg_fail_nomem(err, top->file);
    return CG_OK;
}

cg_status cg_eval_read_json(const char *name, const void *bytes, size_t len,
                            cg_eval_result *ret_result, cg_error *err)
{
    cg_eval_result result = { 0 };
    json_t *root = NULL;
    cg_json top = { name, "", NULL };
    cg_status st;

    CG_TRY(cg_json_parse(name, bytes, len, &root, err));
    top.node = root;
    CG_TRY_GOTO(st, read_top(&top, &result, err), out);
    *ret_result = result;
    memset(&result, 0, sizeof result);
out:
    json_decref(root);
    cg_eval_result_finish(&result);
    return st;
}

cg_status cg_eval_read_json_file(const char *path, cg_eval_result *ret_result, cg_error *err)
{
    cg_bytes bytes = { 0 };
    cg_status st;

    CG_TRY(cg_file_read(path, CG_EVAL_MAX_JSON, &bytes, err));
    st = cg_eval_read_json(path, bytes.data, bytes.len, ret_result, err);
    cg_bytes_release(&bytes);
    return st;
}
