/* SPDX-License-Identifier: MIT */
/** @file eval_made.h  Synthetic evaluations. Test code only. */
#ifndef CG_TEST_EVAL_MADE_H
#define CG_TEST_EVAL_MADE_H

#include "eval/result.h"
#include "scratch.h"

#include <math.h>

/** A result of n molecules "m000", "m001", ...: two references and three conformers each. */
static inline cg_eval_result made_result(size_t n)
{
    cg_eval_result r = { .ref_path = strdup("data/ref.sdf"), .gen_path = strdup("out/gen.sdf") };

    r.settings = (cg_eval_settings) { .delta = 0.75,
                                      .symmetry = CG_SYMMETRY_CONJUGATED,
                                      .max_maps = 1000,
                                      .seconds = 60,
                                      .checks = 1 };
    r.n_molecules = n;
    r.molecules = calloc(n ? n : 1, sizeof *r.molecules);
    ck_assert_ptr_nonnull(r.molecules);
    for (size_t i = 0; i < n; i++) {
        cg_eval_molecule *m = &r.molecules[i];
        char name[32];

        snprintf(name, sizeof name, "m%03zu", i);
        m->name = strdup(name);
        m->smiles = strdup("CCO");
        m->n_heavy = 3 + (uint32_t)(i % 30);
        m->n_rotatable = (uint32_t)(i % 7);
        m->n_ref = 2;
        m->n_gen = 3;
        m->n_maps = 1;
        m->ref_min = calloc(2, sizeof *m->ref_min);
        m->gen_min = calloc(3, sizeof *m->gen_min);
        for (int k = 0; k < 2; k++)
            m->ref_min[k] = 0.2f + 0.01f * (float)((i * 7 + (size_t)k * 13) % 150);
        for (int k = 0; k < 3; k++)
            m->gen_min[k] = 0.3f + 0.01f * (float)((i * 5 + (size_t)k * 11) % 150);
        m->cov_r = 0.5 + 0.01 * (double)(i % 40);
        m->cov_p = 0.4 + 0.01 * (double)(i % 40);
        m->mat_r = 0.8 + 0.01 * (double)(i % 40);
        m->mat_p = 0.9 + 0.01 * (double)(i % 40);
        m->checked = 3;
        m->passed_all = 1;
        m->unchecked = 1;
        for (int k = 0; k < CG_CHECK_COUNT; k++) {
            m->check_done[k] = k == CG_CHECK_STEREO ? 2 : 3;
            m->check_failed[k] = k == CG_CHECK_CLASH;
            m->check_unchecked[k] = k == CG_CHECK_STEREO;
        }
    }
    r.summary.n_molecules = n;
    r.summary.n_ref = 2 * n;
    r.summary.n_gen = 3 * n;
    r.summary.pairs = 6 * n;
    r.summary.cov_r = r.summary.cov_p = (cg_eval_figure) { n ? 0.5 : NAN, n ? 0.5 : NAN };
    r.summary.mat_r = r.summary.mat_p = (cg_eval_figure) { n ? 0.8 : NAN, n ? 0.8 : NAN };
    for (int i = 0; i < CG_EVAL_DELTAS; i++)
        r.summary.curve_r[i] = r.summary.curve_p[i] =
            (cg_eval_figure) { n ? (i + 1) / 60.0 : NAN, n ? (i + 1) / 60.0 : NAN };
    r.summary.checked = 3 * n;
    r.summary.passed_all = n;
    r.summary.unchecked = n;
    for (int k = 0; k < CG_CHECK_COUNT; k++) {
        r.summary.check_done[k] = k == CG_CHECK_STEREO ? 2 * n : 3 * n;
        r.summary.check_failed[k] = k == CG_CHECK_CLASH ? n : 0;
        r.summary.check_unchecked[k] = k == CG_CHECK_STEREO ? n : 0;
    }
    return r;
}

/** Adds relaxation energies, of which molecule 1 has no parameters; leaves the summary unchanged.
 */
static inline void made_relaxation(cg_eval_result *r)
{
    cg_error err = CG_ERROR_INIT;

    r->settings.relaxation = 1;
    for (size_t i = 0; i < r->n_molecules; i++) {
        cg_eval_molecule *m = &r->molecules[i];

        if (i == 1 || !m->n_gen)
            continue;
        m->relaxation_energy = calloc(m->n_gen, sizeof *m->relaxation_energy);
        ck_assert_ptr_nonnull(m->relaxation_energy);
        for (uint64_t k = 0; k < m->n_gen; k++)
            m->relaxation_energy[k] = k ? 10.1f * (float)k + (float)i : NAN;
    }
    ck_assert_int_eq(cg_eval_summarize_relaxation(r, &err), CG_OK);
}

/** Adds a mismatch of four records. */
static inline void made_mismatch(cg_eval_result *r, cg_eval_fault fault, int is_reference,
                                 const char *name, const char *found)
{
    r->mismatches = realloc(r->mismatches, (r->n_mismatches + 1) * sizeof *r->mismatches);
    ck_assert_ptr_nonnull(r->mismatches);
    r->mismatches[r->n_mismatches++] = (cg_eval_mismatch) { .fault = fault,
                                                            .is_reference = is_reference,
                                                            .n = 4,
                                                            .first_record = 1,
                                                            .name = strdup(name),
                                                            .found = strdup(found),
                                                            .wanted = strdup("CCO") };
}

/** Removes the output of molecule i; leaves the summary unchanged. */
static inline void made_missing(cg_eval_result *r, size_t i)
{
    cg_eval_molecule *m = &r->molecules[i];

    free(m->ref_min);
    free(m->gen_min);
    free(m->relaxation_energy);
    m->ref_min = m->gen_min = m->relaxation_energy = NULL;
    m->n_gen = 0;
    m->cov_r = m->cov_p = 0;
    m->mat_r = m->mat_p = NAN;
    m->checked = m->passed_all = m->unchecked = 0;
    memset(m->check_done, 0, sizeof m->check_done);
    memset(m->check_failed, 0, sizeof m->check_failed);
    memset(m->check_unchecked, 0, sizeof m->check_unchecked);
}

static inline void made_replace(char **text, const char *with)
{
    free(*text);
    *text = strdup(with);
    ck_assert_ptr_nonnull(*text);
}

#endif
