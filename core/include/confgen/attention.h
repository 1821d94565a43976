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
 *
 * The features (since 1.2) extend the formula. The row of query token t has the position pos =
 * position[t], else that of its own key, kv_len[i] - q_start[i+1] + t, which may be negative in
 * cross attention. It attends to cached token j < kv_len[i] if
 *
 *   (mask is CG_MASK_NONE or j <= pos) and (window is 0 or j > pos - window or j < sink_tokens)
 *
 * or, for the keys of the call's own rows with a tree, if its bit of tree_mask is set. Over these
 * tokens, with s = scale * q . k:
 *
 *   score_j = (softcap ? softcap * tanh(s / softcap) : s) + alibi_slope[h] * (j - pos)
 *             + bias[t, h, j]
 *   out     = sum_j exp(score_j) V[j] / (sum_j exp(score_j) + exp(sink_logit[h]))
 *
 * A row that attends to no token, or to tokens of score -infinity only, is 0 with a sink logit,
 * else 0 or NaN.
 *
 * NaN and infinities. A query, key or value that is NaN or infinite may make every row of its own
 * sequence in the same call NaN, and must not reach another sequence. On the CPU it reaches exactly
 * the rows that attend to it.
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
     * how those of its sequence are divided into calls (if it attends to the same tokens then), nor
     * on the plan's max_tokens, max_seqs and max_kv_len, nor on cg_host.workers, nor on slots,
     * addresses and numbers of pages, nor on the groups of the arguments */
    CG_ATTENTION_BATCH_INVARIANT = 1 << 1,
    CG_ATTENTION_GRAPH_SAFE = 1 << 2, /* run() may be captured into a CUDA graph */
};

/**
 * Parts of the operation beyond the formula of 1.0: bits of cg_attention_ops.features, those that
 * plan() and supports() know, and of cg_attention_problem.features, those that the calls of a plan
 * use. A host sets only bits of the latter that the former have.
 */
enum {
    CG_ATTENTION_SOFTCAP = 1 << 0,     /* problem.softcap */
    CG_ATTENTION_ALIBI = 1 << 1,       /* args.alibi_slope */
    CG_ATTENTION_SINK_LOGITS = 1 << 2, /* args.sink_logit */
    CG_ATTENTION_SINK_TOKENS = 1 << 3, /* problem.sink_tokens */
    CG_ATTENTION_BIAS = 1 << 4,        /* args.bias */
    CG_ATTENTION_NO_MASK = 1 << 5,     /* problem.mask is CG_MASK_NONE */
    CG_ATTENTION_VALUE_SIZE = 1 << 6,  /* problem.v_head_dim, and strides of values in the view */
    CG_ATTENTION_KV_SCALES = 1 << 7,   /* k_scale and v_scale of the view, and types of 8 bits */
    CG_ATTENTION_POSITIONS = 1 << 8,   /* args.position */
    CG_ATTENTION_TREE = 1 << 9,        /* args.tree_mask */
};

/** Cached tokens that a query token attends to, before window and tree. Part of the ABI. */
enum {
    CG_MASK_CAUSAL = 0, /* 0 to its own position */
    CG_MASK_NONE = 1,   /* all kv_len: encoders, and cross attention, where a sequence may have
                           more query tokens than cached ones, unless there is a tree */
};

/** The problem to plan: everything that is fixed for a run. Filled by the host. */
typedef struct cg_attention_problem {
    uint32_t struct_size;
    cg_device device;           /* CG_DEVICE_*: of all tensors */
    int32_t compute_capability; /* CUDA: 10 * major + minor, else 0 */
    cg_dtype dtype;             /* of q and out */
    cg_dtype kv_dtype;          /* of keys and values */
    int32_t n_heads;            /* query heads */
    int32_t n_kv_heads;         /* divides n_heads: MHA, GQA, MQA */
    int32_t head_dim;           /* elements of a query and a key */
    int32_t paged;              /* nonzero: views have a page table */
    int32_t block_tokens;       /* of the views; 0: may change between calls (a growing cache) */
    int32_t max_tokens;         /* most query tokens of one call */
    int32_t max_seqs;           /* most sequences of one call */
    int32_t max_kv_len;         /* most cached tokens of one sequence */
    int32_t window;    /* newest tokens a query token attends to, itself included; 0: all */
    float scale;       /* usually 1/sqrt(head_dim) */
    uint32_t flags;    /* CG_ATTENTION_* that the host requires */
    int32_t kv_layout; /* since 1.1: CG_KV_HND or CG_KV_NHD, order within a block */
    /* Since 1.2 */
    uint32_t features;   /* CG_ATTENTION_SOFTCAP and following that the calls use; a member of a
                            feature that is not among them has no meaning */
    int32_t mask;        /* CG_MASK_* */
    int32_t v_head_dim;  /* elements of a value and of a head of out; 0: head_dim */
    float softcap;       /* finite and > 0 with CG_ATTENTION_SOFTCAP */
    int32_t sink_tokens; /* oldest tokens attended to although the window has passed them */
    cg_dtype bias_dtype; /* of args.bias: f32, bf16 or f16 */
} cg_attention_problem;

/**
 * One call. q, out, offsets, lengths, slots, workspace and the arrays of the features are memory of
 * the problem's device, borrowed until the stream's work is complete (CPU: until run() returns).
 * Base addresses of q and out are multiples of 64 bytes on the CPU, 256 on CUDA; their strides are
 * multiples of the element size, on CUDA of 16 bytes. No array overlaps another.
 */
typedef struct cg_attention_args {
    uint32_t struct_size;
    int32_t n_tokens;       /* query tokens; CUDA: an upper bound of q_start[n_seqs] */
    int32_t n_seqs;         /* sequences; CUDA: an upper bound, unused ones have no query token */
    const void *q;          /* [n_tokens, n_heads, head_dim] */
    void *out;              /* [n_tokens, n_heads, v_head_dim], which usually is head_dim */
    int64_t q_stride;       /* bytes between query tokens */
    int64_t out_stride;     /* bytes between rows of out */
    const int32_t *q_start; /* [n_seqs + 1], ascending from 0 */
    const int32_t *slot;    /* [n_seqs] */
    const int32_t *kv_len;  /* [n_seqs] cached tokens, this step's included; 1..max_kv_len */
    const cg_kv_view *kv;   /* view of this layer; the struct itself is host memory */
    void *workspace;        /* workspace_size() bytes, 256-byte aligned, contents undefined */
    void *stream;           /* CUDA: cudaStream_t; CPU: NULL */
    /* Since 1.2; NULL without the feature */
    const int32_t *position;  /* [n_tokens] pos of the rows for mask, window and ALiBi, 0 or more; a
                                 key is still in the place that the formula of 1.0 gives it */
    const float *alibi_slope; /* [n_heads] finite */
    const float *sink_logit;  /* [n_heads] finite, or -infinity for none */
    const void *bias;         /* element j of row t, head h at t * bias_row_stride
                                 + h * bias_head_stride + j * size of the problem's bias_dtype; read
                                 for j < kv_len, of any value where the row does not attend to j;
                                 -infinity gives the token the weight 0 */
    int64_t bias_row_stride;  /* bytes, multiple of that size; 0: all rows share one */
    int64_t bias_head_stride; /* bytes, multiple of that size; 0: all heads share one */
    /* [n_tokens, tree_words] bit b of row t, bit b % 32 of word b / 32: it attends to row
     * q_start[i] + b of its sequence i. Its own bit is 1, those of later rows and behind the last
     * row are 0. Among the rows of the call this replaces mask and window; tokens cached before the
     * call are attended to as without it. */
    const uint32_t *tree_mask;
    int32_t tree_words; /* enough for the rows of each sequence */
    /* A hint that needs no feature: sequences group_start[g] to group_start[g+1] - 1 hold the same
     * memory in their first group_len[g] tokens, which precede the call's. Not every sequence is in
     * a group. Host memory; 0 groups: unknown. */
    int32_t n_groups;
    const int32_t *group_start; /* [n_groups + 1] */
    const int32_t *group_len;   /* [n_groups] */
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

/** The operations of an attention plugin. */
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
     * Computes (CPU) or enqueues (CUDA) one call. Does not allocate, synchronise or change device,
     * and keeps nothing from one call to the next: addresses, tables and lengths may all change,
     * and an address may have other tokens, or a table other pages, than before. Writes only the
     * rows of `out`, the workspace and memory of the plan. On failure `out` is unspecified. Thread:
     * one call at a time per plan. CUDA: nor is the work of one call of a plan run beside that of
     * another.
     */
    cg_status (*run)(void *plan, const cg_attention_args *args, cg_error *err);
    /** Accepts NULL. */
    void (*destroy)(void *plan);
    /* Since 1.2 */
    uint32_t features; /* CG_ATTENTION_SOFTCAP and following that the plugin knows */
    uint32_t reserved; /* 0 */
    /**
     * May be NULL. A host that knows the lengths of a step on the host may call it once before the
     * step's run() calls, outside of a capture, with the arguments of run() except q, out and kv
     * (NULL), and host copies of q_start [n_seqs + 1] and kv_len [n_seqs]. It may write to the
     * workspace on the stream. run() must be correct without it, also after a step that had it.
     */
    cg_status (*prepare)(void *plan, const cg_attention_args *args, const int32_t *q_start,
                         const int32_t *kv_len, cg_error *err);
} cg_attention_ops;

#ifdef __cplusplus
}
#endif

#endif
