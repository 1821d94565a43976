/* SPDX-License-Identifier: MIT */
/**
 * @file attention.h  The attention operation: ragged append attention over cached keys and values.
 *
 * A step appends tokens to some sequences: one token in plain decode, several forced tokens, or a
 * whole prompt. Query token t, row t of q, belongs to sequence i if q_start[i] <= t < q_start[i+1];
 * it is the token at position kv_len[i] - q_start[i+1] + t of its slot and attends to cached tokens
 * 0 to its own position (its own key was appended earlier in the step). With g = n_heads /
 * n_kv_heads, query head h reads key/value head h / g:
 *
 *   out[t, h, :] = sum_j softmax_j(scale * q[t, h, :] . K[slot, h/g, j, :]) V[slot, h/g, j, :]
 *
 * Lengths, slots and offsets are device data: one plan is valid for every step.
 */
#ifndef CONFGEN_ATTENTION_H
#define CONFGEN_ATTENTION_H

#include <confgen/status.h>
#include <confgen/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Properties that a problem requires (flags) and an implementation offers (caps). */
enum {
    CG_ATTENTION_DETERMINISTIC = 1 << 0, /* the same call gives the same bits */
    /* bits of a query token's result depend neither on the other query tokens of the call, nor on
     * how those of its sequence are divided into calls, nor on the plan's max_tokens and max_seqs
     */
    CG_ATTENTION_BATCH_INVARIANT = 1 << 1,
    CG_ATTENTION_GRAPH_SAFE = 1 << 2, /* run() may be captured into a CUDA graph */
};

/** The problem to plan: everything that is fixed for a run. Filled by the host. */
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
    int32_t max_tokens;   /* most query tokens of one call */
    int32_t max_seqs;     /* most sequences of one call */
    int32_t max_kv_len;   /* most cached tokens of one sequence */
    int32_t window;       /* newest tokens a query token attends to, itself included; 0: all */
    float scale;          /* usually 1/sqrt(head_dim) */
    uint32_t flags;       /* CG_ATTENTION_* that the host requires */
    int32_t kv_layout;    /* since 1.1: CG_KV_HND or CG_KV_NHD, order within a block */
} cg_attention_problem;

/**
 * One call. q, out, offsets, lengths, slots and workspace are memory of the problem's device,
 * borrowed until the stream's work is complete (CPU: until run() returns).
 */
typedef struct cg_attention_args {
    uint32_t struct_size;
    int32_t n_tokens; /* query tokens; CUDA: an upper bound of q_start[n_seqs] */
    int32_t n_seqs;   /* sequences; CUDA: an upper bound, unused ones have no query token */
    const void *q;    /* [n_tokens, n_heads, head_dim] */
    void *out;        /* [n_tokens, n_heads, head_dim] */
    int64_t q_stride; /* bytes between query tokens */
    int64_t out_stride;
    const int32_t *q_start; /* [n_seqs + 1], ascending from 0 */
    const int32_t *slot;    /* [n_seqs] */
    const int32_t *kv_len;  /* [n_seqs] cached tokens, this step's included; 1..max_kv_len */
    const cg_kv_view *kv;   /* view of this layer; the struct itself is host memory */
    void *workspace;        /* workspace_size() bytes, 256-byte aligned, contents undefined */
    void *stream;           /* CUDA: cudaStream_t; CPU: NULL */
} cg_attention_args;

/**
 * Returns the sequence i of a query token: q_start[i] <= token < q_start[i + 1]. Binary search.
 *
 * @param q_start  [n_seqs + 1] ascending; sequences without query tokens are allowed
 * @param token    0 <= token < q_start[n_seqs]
 */
static inline CG_HOST_DEVICE int32_t cg_attention_sequence_of_token(const int32_t *q_start,
                                                                    int32_t n_seqs, int32_t token)
{
    int32_t low = 0, high = n_seqs - 1;

    while (low < high) {
        int32_t middle = low + (high - low) / 2;

        if (q_start[middle + 1] > token)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

typedef struct cg_attention_ops {
    uint32_t struct_size;
    uint32_t caps; /* CG_ATTENTION_* that every plan has; informative, for listings */

    /**
     * Returns CG_OK if this problem can be planned on this machine, else CG_ERR_UNSUPPORTED with
     * the reason. Allocates nothing.
     */
    cg_status (*supports)(const cg_host *host, const cg_attention_problem *problem, cg_error *err);
    /** Prepares a plan; may compile and allocate. On success the caller owns *ret_plan. */
    cg_status (*plan)(const cg_host *host, const cg_attention_problem *problem, void **ret_plan,
                      cg_error *err);
    /** Returns the bytes of workspace that run() needs; 0: none. */
    size_t (*workspace_size)(const void *plan);
    /**
     * Computes (CPU) or enqueues (CUDA) one call. Does not allocate, synchronise or change device.
     * On failure `out` is unspecified. Thread: one call at a time per plan.
     */
    cg_status (*run)(void *plan, const cg_attention_args *args, cg_error *err);
    /** Accepts NULL. */
    void (*destroy)(void *plan);
} cg_attention_ops;

#ifdef __cplusplus
}
#endif

#endif
