/* SPDX-License-Identifier: MIT */
/**
 * @file cpu_model.h  The forward pass of a model on the CPU, in f32.
 *
 * Rows of a batch are tokens of any sequences; the result of a row does not depend on the others.
 */
#ifndef CG_DECODE_CPU_MODEL_H
#define CG_DECODE_CPU_MODEL_H

#include <confgen/attention.h>
#include <confgen/cache.h>
#include <confgen/constraint.h>

#include "base/pool.h"
#include "model/model.h"

typedef struct cg_cpu_model cg_cpu_model;

/** The model packs the weights (about 4 bytes per parameter); all members are borrowed until
 * destroy.
 */
typedef struct cg_cpu_model_config {
    const cg_model *model;
    cg_team *team;
    const cg_host *host;
    const cg_attention_ops *attention;
    const cg_cache_ops *cache;
    const char *attention_name, *cache_name; /* for error texts; NULL: unknown */
    void *cache_self;
    int32_t max_tokens; /* rows of a batch */
    int32_t max_seqs;
    int32_t max_prompt_tokens; /* rows of a batch of prompts; 0: there are none */
    int32_t max_prompts;       /* sequences of it */
    int32_t max_out;           /* rows of logits of a batch */
    int32_t max_len;
    cg_dtype kv_dtype; /* of the cache */
} cg_cpu_model_config;

/** The tokens of one step, or of one prompt step. Sequence i has rows q_start[i] .. q_start[i+1].
 */
typedef struct cg_cpu_batch {
    int32_t n_tokens, n_seqs, n_out;
    int32_t is_prompts; /* of a prompt step; selects the attention plan */
    int64_t step;       /* its number, from 0, for error texts */
    int32_t *token;     /* [n_tokens] */
    int32_t *pos;       /* [n_tokens] position in its sequence */
    int32_t *slot;      /* [n_tokens] */
    int32_t *q_start;   /* [n_seqs + 1] */
    int32_t *seq_slot;  /* [n_seqs] */
    int32_t *kv_len;    /* [n_seqs] including this step's tokens */
    int32_t *out_row;   /* [n_out] rows to compute logits of */
} cg_cpu_batch;

cg_status cg_cpu_model_create(const cg_cpu_model_config *config, cg_cpu_model **ret_model,
                              cg_error *err);
void cg_cpu_model_destroy(cg_cpu_model *m); /* accepts NULL */

/** Restricts the LM head to these tokens [n]: column i of the logits is that of head_token[i]. */
cg_status cg_cpu_model_set_head_rows(cg_cpu_model *m, const int32_t *head_token, int32_t n,
                                     cg_error *err);

/**
 * Runs a batch: appends its keys and values to the cache, computes the logits of out_row.
 *
 * @param ret_logits  [n_out, *ret_stride], valid until the next call
 * @param ret_stride  in floats: the head rows and their padding
 */
cg_status cg_cpu_model_forward(cg_cpu_model *m, const cg_cpu_batch *batch, const float **ret_logits,
                               int64_t *ret_stride, cg_error *err);

/** Wall seconds since creation in the matrix library and in attention (cache append included). */
void cg_cpu_model_seconds(const cg_cpu_model *m, double *ret_matmul, double *ret_attention);

#endif
