/* SPDX-License-Identifier: MIT */
/**
 * @file minimizer_pool.h  The minimisers of a run's GPUs, for jobs of any threads.
 *
 * Jobs wait in a queue. A thread that finds a minimiser free takes all waiting jobs to it in one
 * call, those of other threads, too; so calls are the larger, the more threads wait.
 *
 * The results of a job depend neither on the GPU nor on other jobs: they are those of
 * cg_mmff_minimize_job(), which takes the jobs where a GPU has no memory for them.
 */
#ifndef CG_ENGINE_MINIMIZER_POOL_H
#define CG_ENGINE_MINIMIZER_POOL_H

#include <confgen/plugin.h>

#include "forcefield/device_minimizer.h"

typedef struct cg_minimizer_pool cg_minimizer_pool;

/**
 * Creates CG_MINIMIZERS_PER_GPU minimisers on each GPU. A GPU without memory for them gets none,
 * and the host's log has a warning.
 *
 * @param gpus  [n] indices, at most CG_MAX_GPUS
 * @param host  borrowed until destroy
 * @return CG_OK; CG_ERR_NOMEM, CG_ERR_UNSUPPORTED, CG_ERR_CUDA
 */
cg_status cg_minimizer_pool_create(const int32_t *gpus, int32_t n, const cg_host *host,
                                   cg_minimizer_pool **ret_pool, cg_error *err);
void cg_minimizer_pool_destroy(cg_minimizer_pool *pool); /* accepts NULL; no job is waiting */

enum { CG_MINIMIZERS_PER_GPU = 2 };

/**
 * Minimises the conformers of a job, and waits for them.
 *
 * @param pool  NULL: on the calling thread
 * @return CG_OK; CG_ERR_NOMEM, CG_ERR_CUDA, CG_ERR_LIMIT
 * Thread: any number of threads at once.
 */
cg_status cg_minimizer_pool_run(cg_minimizer_pool *pool, const cg_minimizer_job *job,
                                cg_error *err);

#endif
