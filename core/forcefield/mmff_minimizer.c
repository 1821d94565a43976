/* SPDX-License-Identifier: MIT */
#include "forcefield/mmff_minimizer.h"

#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/error.h"
#include "base/size.h"
#include "forcefield/minimizer_kernel.h"

const cg_minimizer_options cg_minimizer_defaults = { 2000, 0.01, NULL };
const cg_minimizer_options cg_minimizer_hydrogens_first = { 100, 30.0, NULL };

static const struct {
    const cg_minimizer_kernel *kernel;
    uint32_t required;
} variants[] = {
#ifdef CG_FORCEFIELD_X86
    { &cg_minimizer_avx512, CG_CPU_AVX512F | CG_CPU_AVX512VL | CG_CPU_AVX512DQ },
    { &cg_minimizer_avx2, CG_CPU_AVX2 },
#endif
    { &cg_minimizer_generic, 0 },
};

const cg_minimizer_kernel *cg_minimizer_kernel_get(int i)
{
    uint32_t flags = cg_cpu_flags();

    for (size_t k = 0; k < sizeof variants / sizeof variants[0]; k++)
        if ((variants[k].required & ~flags) == 0 && i-- == 0)
            return variants[k].kernel;
    return NULL;
}

/* A minimisation: conformers [0, next) have been put into lanes. */
struct minimization {
    const cg_minimizer_kernel *kernel;
    cg_minimizer_lanes lanes;
    size_t n, next;
    const double *from; /* [n][n_coords] */
    size_t n_coords;
    cg_stiffness stiffness;
    size_t conformer[CG_MINIMIZER_MAX_LANES]; /* in each lane; n: none */
};

enum { N_ARRAYS = 5 + 2 * CG_MINIMIZER_HISTORY, ALIGNMENT = 64 };

/* Allocates the arrays of the lanes as one block, owned by lanes.x. */
static cg_status make_lanes(struct minimization *w, cg_error *err)
{
    size_t bytes, each = w->n_coords * (size_t)w->kernel->lanes;
    size_t blocks = (size_t)w->stiffness.n_blocks * 9 * (size_t)w->kernel->lanes;
    double *block = NULL;

    if (cg_mul(each, N_ARRAYS, &bytes) == 0 && cg_add(bytes, blocks, &bytes) == 0 &&
        cg_mul(bytes, sizeof *block, &bytes) == 0)
        block = aligned_alloc(ALIGNMENT, (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    if (!block)
        return cg_fail_nomem(err, "minimisation");
    memset(block, 0, bytes);
    w->lanes.x = block;
    w->lanes.g = block + each;
    w->lanes.trial = block + 2 * each;
    w->lanes.g_trial = block + 3 * each;
    w->lanes.direction = block + 4 * each;
    w->lanes.s = block + 5 * each;
    w->lanes.y = w->lanes.s + CG_MINIMIZER_HISTORY * each;
    w->lanes.blocks = w->lanes.y + CG_MINIMIZER_HISTORY * each;
    return CG_OK;
}

/* Puts the next conformer into a lane. Without one, the lane repeats its last conformer, or the
 * first one of all, unobserved. */
static void fill_lane(struct minimization *w, int lane)
{
    const size_t width = (size_t)w->kernel->lanes;
    int has_next = w->next < w->n;
    size_t from = has_next ? w->next++ : 0;

    w->conformer[lane] = has_next ? from : w->n;
    for (size_t i = 0; i < w->n_coords; i++)
        w->lanes.trial[i * width + (size_t)lane] = w->from[from * w->n_coords + i];
    w->lanes.fresh[lane] = -1;
}

/* Takes the result of a lane. */
static void empty_lane(const struct minimization *w, int lane, double *to, cg_minimized *minimized)
{
    const size_t width = (size_t)w->kernel->lanes;

    for (size_t i = 0; i < w->n_coords; i++)
        to[i] = w->lanes.x[i * width + (size_t)lane];
    minimized->after = w->lanes.energy[lane];
    minimized->gradient = w->lanes.gradient[lane];
    minimized->converged = w->lanes.state[lane] == CG_LANE_CONVERGED;
}

/* A lane is filled only when the stiffness is renewed, so all of its conformers' renewals are in
 * the same rounds of theirs. */
static void run(struct minimization *w, int32_t max_rounds, double *to, cg_minimized *minimized)
{
    size_t n_done = 0;

    for (int lane = 0; lane < w->kernel->lanes; lane++)
        w->conformer[lane] = w->n;
    for (int64_t round = 0; n_done < w->n; round++) {
        const int renew = round % CG_MINIMIZER_PERIOD == 0;

        for (int lane = 0; renew && lane < w->kernel->lanes; lane++)
            if (w->conformer[lane] == w->n)
                fill_lane(w, lane);
        w->kernel->evaluate(&w->lanes);
        w->kernel->advance(&w->lanes, renew);
        for (int lane = 0; lane < w->kernel->lanes; lane++) {
            size_t k = w->conformer[lane];

            if (k == w->n)
                continue;
            if (minimized[k].rounds++ == 0)
                minimized[k].before = w->lanes.energy[lane];
            if (w->lanes.state[lane] == CG_LANE_RUNS && minimized[k].rounds < max_rounds)
                continue;
            empty_lane(w, lane, to + k * w->n_coords, &minimized[k]);
            w->conformer[lane] = w->n;
            n_done++;
        }
    }
}

cg_status cg_mmff_minimize(const cg_mmff_tables *tables, const cg_minimizer_options *options,
                           size_t n, double *xyz, cg_minimized *ret_minimized, cg_error *err)
{
    return cg_mmff_minimize_by(cg_minimizer_kernel_get(0), tables, options, n, xyz, ret_minimized,
                               err);
}

cg_status cg_mmff_minimize_by(const cg_minimizer_kernel *kernel, const cg_mmff_tables *tables,
                              const cg_minimizer_options *options, size_t n, double *xyz,
                              cg_minimized *ret_minimized, cg_error *err)
{
    const size_t n_atoms = (size_t)tables->n_atoms;
    struct minimization *w = aligned_alloc(ALIGNMENT, sizeof *w);
    double *moves = cg_alloc_array(n_atoms, sizeof *moves);
    cg_status st = CG_OK;

    if (w)
        memset(w, 0, sizeof *w);
    if (!w || !moves) {
        st = cg_fail_nomem(err, "minimisation");
        goto out;
    }
    for (size_t i = 0; i < n_atoms; i++)
        moves[i] = !options->fixed || !options->fixed[i];
    w->kernel = kernel;
    w->lanes.tables = tables;
    w->lanes.moves = moves;
    w->lanes.limit = options->gradient;
    w->n = n;
    w->from = xyz;
    w->n_coords = n_atoms * 3;
    CG_TRY_GOTO(st, cg_stiffness_init(tables, &w->stiffness, err), out);
    w->lanes.stiffness = &w->stiffness;
    CG_TRY_GOTO(st, make_lanes(w, err), out);
    memset(ret_minimized, 0, n * sizeof *ret_minimized);
    run(w, options->max_rounds, xyz, ret_minimized);
out:
    if (w) {
        cg_stiffness_finish(&w->stiffness);
        free(w->lanes.x);
    }
    free(w);
    free(moves);
    return st;
}

cg_status cg_mmff_minimize_job(const cg_minimizer_job *job, cg_error *err)
{
    double *before = cg_alloc_array(job->n, sizeof *before);
    cg_status st = before ? CG_OK : cg_fail_nomem(err, "minimisation");

    for (int32_t stage = 0; st == CG_OK && stage < job->n_stages; stage++) {
        st = cg_mmff_minimize(job->tables, &job->stages[stage], job->n, job->xyz, job->minimized,
                              err);
        for (size_t i = 0; st == CG_OK && i < job->n; i++) {
            if (stage == 0)
                before[i] = job->minimized[i].before;
            job->minimized[i].before = before[i];
        }
    }
    free(before);
    return st;
}
