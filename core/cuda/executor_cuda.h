/* SPDX-License-Identifier: MIT */
/** @file executor_cuda.h  The executor on a GPU; see decode/executor.h. */
#ifndef CG_CUDA_EXECUTOR_CUDA_H
#define CG_CUDA_EXECUTOR_CUDA_H

#include "decode/executor.h"

/**
 * @return CG_OK; CG_ERR_UNSUPPORTED with the reason; CG_ERR_DEVICE_NOMEM, after which nothing is
 *         held and a smaller n_slots may be tried; CG_ERR_CUDA
 */
cg_status cg_cuda_executor_create(const cg_executor_config *config, cg_executor **ret_executor,
                                  cg_error *err);

/** See cg_cuda_module. */
cg_status cg_cuda_logits(const cg_executor_config *config, const int32_t *tokens, int32_t n_tokens,
                         const int32_t *positions, int32_t n_positions, float *ret_logits,
                         cg_error *err);

#endif
