/* SPDX-License-Identifier: MIT */
/** @file logits.h  Logits of one text, for tests. */
#ifndef CG_CUDA_LOGITS_H
#define CG_CUDA_LOGITS_H

#include "decode/executor.h"

/** cg_cuda_module.logits: see cuda_loader/cuda_module.h. */
cg_status cg_cuda_logits(const cg_executor_config *config, const int32_t *tokens, int32_t n_tokens,
                         const int32_t *positions, int32_t n_positions, float *ret_logits,
                         cg_error *err);

#endif
