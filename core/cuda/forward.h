/* SPDX-License-Identifier: MIT */
/**
 * @file forward.h  The forward pass of a model on a GPU.
 *
 * Weights are in device memory in the type of the activations; the residual stream and the sums of
 * matrix products are f32. Shapes are fixed at creation, so a pass can be captured.
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
    const cg_model *model; /* read only at creation */
    const cg_host *host;
    const cg_attention_ops *attention;
    const cg_cache_ops *cache;
    const char *attention_name, *cache_name; /* for error texts; NULL: unknown */
    void *cache_self;                        /* KV cache, borrowed until destroy */
    int32_t cache_has_window;                /* it may give up tokens that a window has passed */
    const cg_step_batch
        *prompts;             /* of prompt steps, borrowed until destroy; rows 0: there are none */
    int32_t prompts_optional; /* nonzero: without prompt steps if attention does not support them */
    int32_t max_len;
    cg_dtype dtype; /* of weights and activations: CG_BF16, CG_F16 or CG_F32 */
    /* nonzero: those of the products of q, k and v, and of gate and up are i8; dtype is CG_BF16 */
    int32_t has_i8_products;
    cg_dtype kv_dtype; /* of the cache */
    int32_t deterministic;
    int32_t compute_capability;
    cudaStream_t stream;
} cg_forward_config;

/**
 * Uploads the weights and allocates the activations of a step of `state` and of a prompt step.
 *
 * @param state  borrowed: every pass reads its batch arrays
 * @return CG_OK; CG_ERR_UNSUPPORTED for a shape or a plugin that refuses it; CG_ERR_NOMEM,
 *         CG_ERR_DEVICE_NOMEM, CG_ERR_CUDA
 */
cg_status cg_forward_create(const cg_forward_config *config, const cg_step_state *state,
                            cg_forward **ret_forward, cg_error *err);
void cg_forward_destroy(cg_forward *f); /* accepts NULL */

/**
 * Sets the head rows: the rows of the LM head, by token id, for which logits are computed. Waits
 * for the stream. Passes captured before must not run again.
 *
 * @param head_token  [n] device memory, read on the stream
 */
cg_status cg_forward_set_head_rows(cg_forward *f, const int32_t *head_token, int32_t n,
                                   cg_error *err);

/**
 * Queues the pass over the batch in `state`: appends keys and values to the cache and computes the
 * logits of the rows in out_row.
 */
cg_status cg_forward_run(cg_forward *f, int64_t step, cg_error *err);

/** Whether prompt steps can run: config.prompts has rows, and attention supports them. */
int cg_forward_has_prompt_steps(const cg_forward *f);

/**
 * Queues the pass over config.prompts: appends keys and values to the cache. Must not be captured.
 */
cg_status cg_forward_run_prompts(cg_forward *f, int64_t step, cg_error *err);

/** Logits of the last cg_forward_run(), [n_slots, *ret_stride] f32. *ret_n: head rows in use. */
const float *cg_forward_logits(const cg_forward *f, int64_t *ret_stride, int32_t *ret_n);

/** Bytes of device memory in weights and activations. */
int64_t cg_forward_bytes(const cg_forward *f);

#endif
