/* SPDX-License-Identifier: MIT */
/**
 * @file attention.h  The one attention operation: ragged append attention over cached keys.
 *
 * A step appends tokens to some sequences: one token in plain decode, several in a forced span,
 * many in a prompt. Row t of q belongs to sequence i if q_start[i] <= t < q_start[i+1]; it is the
 * token at position kv_len[i] - q_start[i+1] + t of its slot and attends to the cached tokens
 * 0 .. its own position (its own key included: the step has appended it before). With
 * g = n_heads / n_kv_heads, query head h reads key/value head h / g:
 *
 *   out[t, h, :] = sum_j softmax_j(scale * q[t, h, :] . K[slot, h/g, j, :]) V[slot, h/g, j, :]
 *
 * Lengths, slots and offsets are device data, so one plan serves every step.
 */
#ifndef CONFGEN_ATTENTION_H
#define CONFGEN_ATTENTION_H

#include <confgen/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Properties asked of a plan (cg_attention_problem.flags) and declared (cg_attention_ops.caps). */
enum {
    CG_ATTENTION_DETERMINISTIC = 1 << 0, /* the same call gives the same bits */
    /* a row's bits do not depend on which other rows share the call, nor on how a sequence's rows
     * were cut into calls */
    CG_ATTENTION_BATCH_INVARIANT = 1 << 1,
    CG_ATTENTION_GRAPH_SAFE = 1 << 2, /* run() may be captured into a CUDA graph */
};

/** What is to be computed, as far as it is fixed for a run. Filled by the host. */
typedef struct cg_attention_problem {
    uint32_t struct_size;
    cg_device device;
    int32_t compute_capability; /* CUDA: 10 * major + minor, else 0 */
    cg_dtype dtype;             /* of q and out */
    cg_dtype kv_dtype;
    int32_t n_heads;
    int32_t n_kv_heads; /* divides n_heads: MHA, GQA, MQA */
    int32_t head_dim;
    int32_t paged;        /* nonzero: views have a page table */
    int32_t block_tokens; /* of the views; 0: may change between calls (a growing cache) */
    int32_t max_tokens;   /* rows of q in one call, at most */
    int32_t max_seqs;     /* sequences in one call, at most */
    int32_t max_kv_len;   /* cached tokens of one sequence, at most */
    int32_t window;       /* newest tokens a row attends to, itself included; 0: all */
    float scale;          /* usually 1/sqrt(head_dim) */
    uint32_t flags;       /* CG_ATTENTION_* that the host needs */
} cg_attention_problem;

/**
 * One call. q, out, offsets, lengths, slots and workspace are memory of the problem's device,
 * borrowed until the stream's work is complete (CPU: until run() returns).
 */
typedef struct cg_attention_args {
    uint32_t struct_size;
    int32_t n_tokens; /* rows of q; CUDA: an upper bound, q_start[n_seqs] is the truth */
    int32_t n_seqs;   /* sequences; CUDA: an upper bound, unused ones have no rows */
    const void *q;    /* [n_tokens, n_heads, head_dim], rows q_stride bytes apart */
    void *out;        /* [n_tokens, n_heads, head_dim], rows out_stride bytes apart */
    int64_t q_stride;
    int64_t out_stride;
    const int32_t *q_start; /* [n_seqs + 1], ascending from 0 */
    const int32_t *slot;    /* [n_seqs] */
    const int32_t *kv_len;  /* [n_seqs] cached tokens, this step's included; 1..max_kv_len */
    const cg_kv_view *kv;   /* host struct; of this layer */
    void *workspace;        /* workspace_size() bytes, 256-byte aligned, contents undefined */
    void *stream;           /* CUDA: cudaStream_t; CPU: NULL */
} cg_attention_args;

typedef struct cg_attention_ops {
    uint32_t struct_size;
    uint32_t caps; /* CG_ATTENTION_* kept by every plan; a hint for listings */

    /**
     * Can this problem be planned here? CG_OK, or CG_ERR_UNSUPPORTED with the reason as text.
     * Allocates nothing.
     */
    cg_status (*supports)(const cg_host *host, const cg_attention_problem *problem, cg_error *err);
    /** Prepare: may compile and allocate. On success *ret_plan is owned by the caller. */
    cg_status (*plan)(const cg_host *host, const cg_attention_problem *problem, void **ret_plan,
                      cg_error *err);
    /** Bytes of workspace that run() needs; 0: none. */
    size_t (*workspace_size)(const void *plan);
    /**
     * Compute (CPU) or enqueue (CUDA). Does not allocate, synchronise or change device. On failure
     * `out` is unspecified. Thread: one call at a time a plan.
     */
    cg_status (*run)(void *plan, const cg_attention_args *args, cg_error *err);
    /** Accepts NULL. */
    void (*destroy)(void *plan);
} cg_attention_ops;

#ifdef __cplusplus
}
#endif

#endif
