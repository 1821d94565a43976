/* SPDX-License-Identifier: MIT */
/** @file executor_cuda.h  The executor on a GPU; see decode/executor.h. */
#ifndef CG_CUDA_EXECUTOR_CUDA_H
#define CG_CUDA_EXECUTOR_CUDA_H

#include "decode/executor.h"
#include "forward.h"
#include "step.h"

/**
 * Creates an executor on GPU config->gpu.
 *
 * @return CG_OK; CG_ERR_UNSUPPORTED with the reason; CG_ERR_DEVICE_NOMEM, after which nothing is
 *         held and a smaller n_slots may be tried; CG_ERR_CUDA
 */
cg_status cg_cuda_executor_create(const cg_executor_config *config, cg_executor **ret_executor,
                                  cg_error *err);

/** The parts of an executor that run a forward pass; borrowed. For logits.c. */
typedef struct cg_cuda_executor_parts {
    const cg_step_state *state;
    cg_forward *forward;
    cudaStream_t stream;
} cg_cuda_executor_parts;

/** Returns the parts; makes the executor's GPU current in the calling thread. */
cg_cuda_executor_parts cg_cuda_executor_get_parts(cg_executor *ex);

/** Reserves cache memory for `len` tokens in a KV slot, and flushes the cache. */
cg_status cg_cuda_executor_reserve(cg_executor *ex, int32_t kv_slot, int32_t len, cg_error *err);

#endif
