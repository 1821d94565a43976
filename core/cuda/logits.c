/* SPDX-License-Identifier: MIT */
#include "logits.h"

#include <confgen/limits.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/size.h"
#include "executor_cuda.h"

enum { MAX_POSITIONS = 64 };

static cg_status copy_to_device(int32_t *dst, const int32_t *src, size_t n, cg_error *err)
{
    return CG_CUDA(cudaMemcpy(dst, src, n * sizeof *src, cudaMemcpyHostToDevice), err);
}

/*
 * Makes rows [from, from + n) of the text the batch of a step: one sequence in KV slot 0.
 * `out_row`: [n_out] rows of the batch whose logits are computed.
 */
static cg_status set_batch(const cg_step_state *s, const int32_t *tokens, int32_t from, int32_t n,
                           const int32_t *out_row, int32_t n_out, cg_error *err)
{
    size_t rows = (size_t)s->batch.rows, seqs = (size_t)s->batch.max_seqs;
    int32_t *token = cg_alloc_array(3 * rows + 3 * seqs + 1, sizeof *token);
    int32_t *pos = token + rows, *slot = pos + rows;
    int32_t *q_start = slot + rows, *seq_slot = q_start + seqs + 1, *kv_len = seq_slot + seqs;
    cg_status st;

    if (!token)
        return cg_fail_nomem(err, "logits");
    for (int32_t t = 0; t < s->batch.rows; t++) {
        token[t] = t < n ? tokens[from + t] : -1;
        pos[t] = t < n ? from + t : 0;
        slot[t] = t < n ? 0 : -1;
    }
    for (int32_t i = 0; i <= s->batch.max_seqs; i++)
        q_start[i] = i ? n : 0;
    for (int32_t i = 0; i < s->batch.max_seqs; i++) {
        seq_slot[i] = 0;
        kv_len[i] = from + n;
    }
    CG_TRY_GOTO(st, copy_to_device(s->batch.token, token, rows, err), out);
    CG_TRY_GOTO(st, copy_to_device(s->batch.pos, pos, rows, err), out);
    CG_TRY_GOTO(st, copy_to_device(s->batch.slot, slot, rows, err), out);
    CG_TRY_GOTO(st, copy_to_device(s->batch.q_start, q_start, seqs + 1, err), out);
    CG_TRY_GOTO(st, copy_to_device(s->batch.seq_slot, seq_slot, seqs, err), out);
    CG_TRY_GOTO(st, copy_to_device(s->batch.kv_len, kv_len, seqs, err), out);
    CG_TRY_GOTO(st, copy_to_device(s->out_row, out_row, (size_t)n_out, err), out);
    st = copy_to_device(s->n_out, &n_out, 1, err);
out:
    free(token);
    return st;
}

/* Makes every token of the vocabulary a head row: the logits are indexed by token id. */
static cg_status set_all_head_rows(const cg_cuda_executor_parts *parts, int32_t vocab,
                                   cg_error *err)
{
    int32_t *ids = cg_alloc_array((size_t)vocab, sizeof *ids), *device = NULL;
    cg_status st;

    if (!ids)
        return cg_fail_nomem(err, "logits");
    for (int32_t i = 0; i < vocab; i++)
        ids[i] = i;
    CG_TRY_GOTO(st, CG_CUDA(cudaMalloc((void **)&device, (size_t)vocab * sizeof *device), err),
                out);
    CG_TRY_GOTO(st, copy_to_device(device, ids, (size_t)vocab, err), out);
    CG_TRY_GOTO(st, cg_forward_set_head_rows(parts->forward, device, vocab, err), out);
    st = CG_CUDA(cudaStreamSynchronize(parts->stream), err);
out:
    cudaFree(device);
    free(ids);
    return st;
}

/* Runs the whole text, one step after the other, and copies the logits of each step. */
static cg_status run_text(const cg_cuda_executor_parts *parts, const int32_t *tokens,
                          int32_t n_tokens, const int32_t *positions, int32_t n_positions,
                          size_t vocab, float *ret_logits, cg_error *err)
{
    int32_t next = 0; /* of positions */
    int64_t step = 0;

    for (int32_t from = 0, n; from < n_tokens; from += n) {
        int32_t out_row[MAX_POSITIONS], n_out = 0, n_head_rows;
        const float *logits;
        int64_t stride;

        n = n_tokens - from;
        if (n > parts->state->batch.rows)
            n = parts->state->batch.rows;
        while (next + n_out < n_positions && positions[next + n_out] < from + n) {
            out_row[n_out] = positions[next + n_out] - from;
            n_out++;
        }
        CG_TRY(set_batch(parts->state, tokens, from, n, out_row, n_out, err));
        CG_TRY(cg_forward_run(parts->forward, step++, err));
        CG_TRY(CG_CUDA(cudaStreamSynchronize(parts->stream), err));
        logits = cg_forward_logits(parts->forward, &stride, &n_head_rows);
        for (int32_t i = 0; i < n_out; i++, next++)
            CG_TRY(CG_CUDA(cudaMemcpy(ret_logits + (size_t)next * vocab, logits + i * stride,
                                      vocab * sizeof *ret_logits, cudaMemcpyDeviceToHost),
                           err));
    }
    return CG_OK;
}

cg_status cg_cuda_logits(const cg_executor_config *config, const int32_t *tokens, int32_t n_tokens,
                         const int32_t *positions, int32_t n_positions, float *ret_logits,
                         cg_error *err)
{
    cg_executor_config without_prompts = *config; /* whose steps are not run */
    int32_t vocab = config->model->config.vocab;
    cg_executor *ex = NULL;
    cg_cuda_executor_parts parts;
    cg_status st;

    without_prompts.prompt_step_tokens = CG_PROMPT_STEPS_OFF;
    if (n_positions > config->n_slots || n_positions > MAX_POSITIONS)
        return cg_fail(err, CG_ERR_USAGE, "logits of %d positions with %d slots, wanted at most %d",
                       n_positions, config->n_slots,
                       config->n_slots < MAX_POSITIONS ? config->n_slots : MAX_POSITIONS);
    CG_TRY(cg_cuda_executor_create(&without_prompts, &ex, err));
    parts = cg_cuda_executor_get_parts(ex);
    CG_TRY_GOTO(st, set_all_head_rows(&parts, vocab, err), out);
    CG_TRY_GOTO(st, cg_cuda_executor_reserve(ex, 0, n_tokens, err), out);
    st = run_text(&parts, tokens, n_tokens, positions, n_positions, (size_t)vocab, ret_logits, err);
out:
    ex->ops->destroy(ex);
    return st;
}
