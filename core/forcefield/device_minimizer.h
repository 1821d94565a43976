/* SPDX-License-Identifier: MIT */
/**
 * @file device_minimizer.h  The minimiser on a GPU: its interface.
 *
 * Conformers of any number of molecules are minimised in one call. The result of a conformer
 * depends neither on the others nor on the GPU: its bits are those of cg_mmff_minimize_job().
 * (Where positions are no numbers, both end without convergence, and bits may differ.)
 *
 * A minimiser has a stream of its own, so that a call overlaps with other work on the same GPU.
 * The tables of a molecule are copied to the GPU once a job.
 *
 * Thread: one call at a time per minimiser.
 */
#ifndef CG_FORCEFIELD_DEVICE_MINIMIZER_H
#define CG_FORCEFIELD_DEVICE_MINIMIZER_H

#include "forcefield/mmff_minimizer.h"

typedef struct cg_device_minimizer_config {
    int32_t gpu;     /* index */
    int32_t threads; /* of the block of a conformer: 32 to 256 in whole warps; 0: 64 */
    int32_t blocks;  /* conformers at once, at most; 0: four for each multiprocessor */
} cg_device_minimizer_config;

typedef struct cg_device_minimizer cg_device_minimizer;

struct cg_device_minimizer_ops {
    void (*destroy)(cg_device_minimizer *m); /* does not accept NULL */
    /**
     * Minimises the conformers of `n` jobs, and waits for them.
     *
     * @return CG_OK; CG_ERR_NOMEM, CG_ERR_DEVICE_NOMEM, CG_ERR_CUDA, CG_ERR_LIMIT. On failure no
     *         conformer of a job is changed
     */
    cg_status (*run)(cg_device_minimizer *m, const cg_minimizer_job *jobs, size_t n, cg_error *err);
};

struct cg_device_minimizer {
    const struct cg_device_minimizer_ops *ops;
};

#endif
