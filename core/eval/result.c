/* SPDX-License-Identifier: MIT */
#include "eval/result.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "eval/overlay.h"

void cg_eval_result_finish(cg_eval_result *result)
{
    if (!result)
        return;
    for (size_t i = 0; i < result->n_molecules; i++) {
        cg_eval_molecule *m = &result->molecules[i];
        free(m->name);
        free(m->smiles);
        free(m->ref_min);
        free(m->gen_min);
        free(m->relaxation_energy);
    }
    for (size_t i = 0; i < result->n_mismatches; i++) {
        free(result->mismatches[i].name);
        free(result->mismatches[i].found);
        free(result->mismatches[i].wanted);
    }
    for (size_t i = 0; i < result->n_overlays; i++) {
        free(result->overlays[i].name);
        free(result->overlays[i].xyz);
        cg_sticks_finish(&result->overlays[i].sticks);
    }
    free(result->overlays);
    free(result->mismatches);
    free(result->molecules);
    free(result->ref_path);
    free(result->gen_path);
    free(result->run_json);
    memset(result, 0, sizeof *result);
}

static const struct {
    const char *name;
    int drops;
} faults[CG_FAULT_COUNT] = {
    [CG_FAULT_MOLECULE] = { "another_molecule", 1 }, [CG_FAULT_PROTONATION] = { "protonation", 1 },
    [CG_FAULT_TAUTOMER] = { "tautomer", 1 },         [CG_FAULT_BROKEN] = { "broken", 1 },
    [CG_FAULT_NO_REFERENCE] = { "no_reference", 1 }, [CG_FAULT_ENANTIOMER] = { "enantiomer", 0 },
    [CG_FAULT_STEREOISOMER] = { "stereoisomer", 0 }, [CG_FAULT_OPEN_STEREO] = { "open_stereo", 0 },
};

const char *cg_eval_fault_name(cg_eval_fault fault)
{
    return faults[fault].name;
}

int cg_eval_fault_drops(cg_eval_fault fault)
{
    return faults[fault].drops;
}

const char *cg_eval_on_mismatch_name(cg_eval_on_mismatch on_mismatch)
{
    return on_mismatch == CG_MISMATCH_DROP ? "drop" : "error";
}

cg_eval_settings cg_eval_default_settings(void)
{
    return (cg_eval_settings) { .delta = 0.75,
                                .symmetry = CG_SYMMETRY_CONJUGATED,
                                .max_maps = CG_SYMMETRY_MAX_MAPS };
}

/* Options of words; a word's place is its value. */
static const struct word_option {
    const char *option, *words[2];
} word_options[] = {
    { "--missing", { [CG_MISSING_ZERO] = "zero", [CG_MISSING_DROP] = "drop" } },
    { "--on-mismatch", { [CG_MISMATCH_ERROR] = "error", [CG_MISMATCH_DROP] = "drop" } },
    { "--rmsd", { [CG_RMSD_BEST] = "best", [CG_RMSD_PLAIN] = "plain" } },
    { "--symmetry", { [CG_SYMMETRY_PLAIN] = "plain", [CG_SYMMETRY_CONJUGATED] = "conjugated" } },
};

enum { MISSING, ON_MISMATCH, RMSD, SYMMETRY, N_WORD_OPTIONS };

cg_status cg_eval_set_word(cg_eval_settings *s, const char *option, const char *word, cg_error *err)
{
    const struct word_option *o = word_options;
    int value;

    while (o < word_options + N_WORD_OPTIONS && strcmp(o->option, option))
        o++;
    if (o == word_options + N_WORD_OPTIONS)
        return cg_fail(err, CG_ERR_INTERNAL, "%s: no option of words", option);
    value = !strcmp(word, o->words[1]);
    if (strcmp(word, o->words[value]))
        return cg_fail(err, CG_ERR_USAGE, "%s '%s': wanted %s or %s", option, word, o->words[0],
                       o->words[1]);
    switch ((int)(o - word_options)) {
    case MISSING:
        s->missing = (cg_eval_missing)value;
        break;
    case ON_MISMATCH:
        s->on_mismatch = (cg_eval_on_mismatch)value;
        break;
    case RMSD:
        s->rmsd = (cg_eval_rmsd)value;
        break;
    default:
        s->symmetry = (cg_symmetry_rule)value;
    }
    return CG_OK;
}

const char *cg_eval_missing_name(cg_eval_missing missing)
{
    return word_options[MISSING].words[missing];
}

const char *cg_eval_rmsd_name(cg_eval_rmsd rmsd)
{
    return word_options[RMSD].words[rmsd];
}

const char *cg_symmetry_rule_name(cg_symmetry_rule rule)
{
    return word_options[SYMMETRY].words[rule];
}

double cg_eval_coverage(const float *d, size_t n, double delta)
{
    size_t covered = 0;

    for (size_t i = 0; i < n; i++)
        covered += (double)d[i] < delta;
    return n ? (double)covered / (double)n : 0;
}

static double mean_of(const float *d, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)d[i];
    return n ? sum / (double)n : NAN;
}

void cg_eval_molecule_figures(cg_eval_molecule *m, double delta)
{
    size_t n_ref = m->n_gen ? m->n_ref : 0; /* without output there are no distances */

    m->cov_r = cg_eval_coverage(m->ref_min, n_ref, delta);
    m->cov_p = cg_eval_coverage(m->gen_min, m->n_gen, delta);
    m->mat_r = mean_of(m->ref_min, n_ref);
    m->mat_p = mean_of(m->gen_min, m->n_gen);
}

static void add_molecule(cg_eval_summary *s, const cg_eval_molecule *m)
{
    s->n_missing += !m->n_gen;
    s->n_ref += m->n_ref;
    s->n_gen += m->n_gen;
    s->n_wrong += m->n_wrong;
    s->n_state += m->n_state;
    s->n_stereo += m->n_stereo;
    s->n_ref_dropped += m->n_ref_dropped;
    s->n_ref_stereo += m->n_ref_stereo;
    s->n_stereo_untested += m->stereo_untested != 0;
    s->n_maps_limited += m->maps_limited != 0;
    s->n_time_limited += m->time_limited != 0;
    s->pairs += m->n_ref * m->n_gen;
    s->checked += m->checked;
    s->passed_all += m->passed_all;
    s->unchecked += m->unchecked;
    for (int k = 0; k < CG_CHECK_COUNT; k++) {
        s->check_done[k] += m->check_done[k];
        s->check_failed[k] += m->check_failed[k];
        s->check_unchecked[k] += m->check_unchecked[k];
    }
}

cg_status cg_eval_summarize_bioactive(cg_eval_result *r, cg_error *err)
{
    cg_bioactive_item *items = cg_alloc_array(r->n_molecules ? r->n_molecules : 1, sizeof *items);
    cg_status st;

    if (!items)
        return cg_fail_nomem(err, "summary");
    for (size_t i = 0; i < r->n_molecules; i++) {
        const cg_eval_molecule *m = &r->molecules[i];

        items[i] = (cg_bioactive_item) { &m->bioactive, m->n_gen, m->n_rotatable, m->n_heavy };
    }
    st = cg_bioactive_summarize(items, r->n_molecules, r->settings.missing == CG_MISSING_DROP,
                                &r->summary.bioactive, err);
    free(items);
    return st;
}

cg_status cg_eval_summarize_relaxation(cg_eval_result *r, cg_error *err)
{
    cg_eval_summary *s = &r->summary;
    double *all;
    size_t cap = 0, n = 0;

    for (size_t i = 0; i < r->n_molecules; i++)
        if (cg_add(cap, r->molecules[i].n_gen, &cap))
            return cg_fail_nomem(err, "summary");
    all = cg_alloc_array(cap, sizeof *all);
    if (!all)
        return cg_fail_nomem(err, "summary");
    s->n_relaxed = s->n_no_parameters = 0;
    for (size_t i = 0; i < r->n_molecules; i++) {
        cg_eval_molecule *m = &r->molecules[i];
        size_t first = n;

        for (size_t k = 0; m->relaxation_energy && k < m->n_gen; k++)
            if (isfinite(m->relaxation_energy[k]))
                all[n++] = (double)m->relaxation_energy[k];
        m->relaxation = cg_relaxation_of(all + first, n - first);
        s->n_relaxed += n > first;
        s->n_no_parameters += m->n_gen && !m->relaxation_energy;
    }
    s->relaxation = cg_relaxation_of(all, n);
    free(all);
    return CG_OK;
}

int cg_eval_is_missing(const cg_eval_molecule *m)
{
    return !isfinite(m->mat_r);
}

int cg_eval_compare_worst(const void *a, const void *b)
{
    const cg_eval_molecule *x = *(const cg_eval_molecule *const *)a;
    const cg_eval_molecule *y = *(const cg_eval_molecule *const *)b;

    if (cg_eval_is_missing(x) != cg_eval_is_missing(y))
        return cg_eval_is_missing(x) ? -1 : 1;
    if (!cg_eval_is_missing(x) && x->mat_r != y->mat_r)
        return x->mat_r > y->mat_r ? -1 : 1;
    return (x > y) - (x < y);
}

cg_status cg_eval_summarize(cg_eval_result *result, cg_error *err)
{
    cg_eval_summary *s = &result->summary;
    size_t n = result->n_molecules, n_cov = 0, n_mat = 0;
    double *values[4] = { NULL };
    cg_status st = CG_OK;

    *s = (cg_eval_summary) {
        .n_molecules = n,
        .n_extra = s->n_extra,
        .n_broken = s->n_broken,
        .n_ref_broken = s->n_ref_broken,
        .seconds = s->seconds,
    };
    for (int k = 0; k < 4; k++)
        if (!(values[k] = cg_alloc_array(n, sizeof **values))) {
            st = cg_fail(err, CG_ERR_NOMEM, "summary of %zu molecules: out of memory", n);
            goto out;
        }
    for (size_t i = 0; i < n; i++) {
        const cg_eval_molecule *m = &result->molecules[i];

        add_molecule(s, m);
        if (m->n_gen || result->settings.missing == CG_MISSING_ZERO) {
            values[0][n_cov] = m->cov_r;
            values[1][n_cov++] = m->cov_p;
        }
        if (m->n_gen) {
            values[2][n_mat] = m->mat_r;
            values[3][n_mat++] = m->mat_p;
        }
    }
    s->cov_r = cg_eval_figure_of(values[0], n_cov);
    s->cov_p = cg_eval_figure_of(values[1], n_cov);
    s->mat_r = cg_eval_figure_of(values[2], n_mat);
    s->mat_p = cg_eval_figure_of(values[3], n_mat);
    for (int d = 0; d < CG_EVAL_DELTAS; d++) {
        size_t k = 0;

        for (size_t i = 0; i < n; i++) {
            const cg_eval_molecule *m = &result->molecules[i];

            if (m->n_gen || result->settings.missing == CG_MISSING_ZERO) {
                size_t n_ref = m->n_gen ? m->n_ref : 0;

                values[0][k] = cg_eval_coverage(m->ref_min, n_ref, cg_eval_delta(d));
                values[1][k++] = cg_eval_coverage(m->gen_min, m->n_gen, cg_eval_delta(d));
            }
        }
        s->curve_r[d] = cg_eval_figure_of(values[0], k);
        s->curve_p[d] = cg_eval_figure_of(values[1], k);
    }
    if (result->settings.bioactive)
        CG_TRY_GOTO(st, cg_eval_summarize_bioactive(result, err), out);
    if (result->settings.relaxation)
        st = cg_eval_summarize_relaxation(result, err);
out:
    for (int k = 0; k < 4; k++)
        free(values[k]);
    return st;
}
