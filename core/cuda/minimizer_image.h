/* SPDX-License-Identifier: MIT */
/** @file minimizer_image.h  What the minimiser's kernel reads of a molecule, laid out and filled.
 */
#ifndef CG_CUDA_MINIMIZER_IMAGE_H
#define CG_CUDA_MINIMIZER_IMAGE_H

#include "forcefield/stiffness.h"
#include "minimize.h"

/** Zero first; cg_image_plan_finish() releases. */
typedef struct cg_image_plan {
    cg_stiffness stiffness;
    int32_t *levels; /* [n_atoms] of columns */
    cg_minimizer_image image;
} cg_image_plan;

/**
 * Places the arrays of a job's molecule.
 *
 * @param offset  of the first array in the memory of the launch, a multiple of 8
 * @param ret_end offset behind the last array, a multiple of 8
 * @return CG_OK; CG_ERR_NOMEM
 */
cg_status cg_image_plan_init(const cg_minimizer_job *job, size_t offset, cg_image_plan *ret_plan,
                             size_t *ret_end, cg_error *err);

/** Writes the arrays to the memory of the launch. */
void cg_image_plan_fill(const cg_image_plan *plan, const cg_minimizer_job *job, char *memory);

void cg_image_plan_finish(cg_image_plan *plan);

#endif
