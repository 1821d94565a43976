/* SPDX-License-Identifier: MIT */
/**
 * @file forward.h  The forward pass of a Llama or Qwen model on a GPU.
 *
 * Weights lie in device memory in the type the pass computes with; the residual stream is f32, sums
 * of matrix products too. Shapes are fixed at creation, so that a pass can be captured.
 */
#ifndef CG_CUDA_FORWARD_H
#define CG_CUDA_FORWARD_H

#include <confgen/attention.h>
#include <confgen/cache.h>

#include "gpu_device.h"
#include "model/model.h"
#include "step.h"

typedef struct cg_forward cg_forward;

typedef struct cg_forward_config {
    const cg_model *model; /* read at creation only */
    const cg_host *host;
    const cg_attention_ops *attention;
    const cg_cache_ops *cache;
    void *cache_self;
    int32_t max_len;
    cg_dtype dtype; /* CG_BF16 or CG_F32 */
    int32_t deterministic;
    int32_t compute_capability;
    cudaStream_t stream;
} cg_forward_config;

/**
 * Upload the weights and allocate what a step of `state` needs.
 *
 * @param state  borrowed: its batch arrays are read by every pass
 */
cg_status cg_forward_create(const cg_forward_config *config, const cg_step_state *state,
                            cg_forward **ret_forward, cg_error *err);
void cg_forward_destroy(cg_forward *f); /* accepts NULL */

/**
 * Logits are computed for these tokens of the vocabulary: column i is head_token[i]. Waits for
 * the stream; passes captured before must not be run any more.
 *
 * @param head_token  [n] device memory, read on the stream
 */
cg_status cg_forward_set_head_rows(cg_forward *f, const int32_t *head_token, int32_t n,
                                   cg_error *err);

/** Queue the pass over the batch in `state`: cache appended, logits of its out rows computed. */
cg_status cg_forward_run(cg_forward *f, cg_error *err);

/** Logits of the last pass: [n_slots, *ret_stride] f32; the number of columns in use. */
const float *cg_forward_logits(const cg_forward *f, int64_t *ret_stride, int32_t *ret_n);

/** Device memory in weights and activations. */
int64_t cg_forward_bytes(const cg_forward *f);

#endif
