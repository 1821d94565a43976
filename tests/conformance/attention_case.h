/* SPDX-License-Identifier: MIT */
/** @file attention_case.h  One attention problem with its data, its layouts and its truth. */
#ifndef CG_CONFORMANCE_ATTENTION_CASE_H
#define CG_CONFORMANCE_ATTENTION_CASE_H

#include "checker.h"

enum { CASE_SEQS = 8 };

/** How keys and values lie in memory. */
typedef struct case_layout {
    const char *name;
    int32_t page;        /* tokens of a page; 0: contiguous */
    int32_t spare;       /* contiguous: capacity beyond the longest sequence */
    int32_t token_major; /* the heads of a token lie together, else the tokens of a head */
    int32_t growing;     /* the problem does not say how many tokens a block has */
} case_layout;

extern const case_layout case_layouts[];
extern const int32_t n_case_layouts;

/**
 * A problem (max_seqs = CASE_SEQS = slots) and sequences with their queries, keys and values.
 * Sequence i has slot[i] (all different), kv_len[i] cached tokens and q_start[i+1] - q_start[i]
 * rows.
 */
typedef struct attention_case {
    cg_attention_problem problem;
    int32_t n_seqs;
    int32_t q_start[CASE_SEQS + 1];
    int32_t slot[CASE_SEQS];
    int32_t kv_len[CASE_SEQS];
    float *q;      /* [rows, n_heads, head_dim] */
    float *k, *v;  /* [seq, max_kv_len, n_kv_heads, head_dim] */
    double *out;   /* [rows, n_heads, head_dim] truth */
    double *bound; /* [rows, n_heads] error that is allowed */
} attention_case;

/** Random sequences and data for a problem; max_tokens is set. 0 if there is no memory. */
int attention_case_create(checker *c, const cg_attention_problem *problem,
                          attention_case *ret_case);
void attention_case_destroy(attention_case *ac);
/** Compute out and bound in double precision; to be called again when data were changed. */
void attention_case_solve(attention_case *ac);

/** Keys and values of a case in memory, laid out; all that is no valid token is NaN. */
typedef struct case_memory {
    cg_kv_view view;
    int32_t *table;
    size_t bytes; /* of k and of v */
    uint64_t sum; /* of the bytes */
} case_memory;

/** Also sets paged and block_tokens of the problem. 0 if there is no memory. */
int case_memory_create(checker *c, attention_case *ac, const case_layout *layout,
                       case_memory *ret_memory);
void case_memory_destroy(case_memory *m);
/** Change one element of a valid token, in the case and in memory. */
void case_memory_poke(attention_case *ac, case_memory *m, int32_t values, int32_t seq, int32_t pos,
                      int32_t head, int32_t element, float x);
/** True if nobody wrote to keys, values or page table. */
int case_memory_intact(const case_memory *m);

/** Result of a call: rows of n_heads * head_dim floats, `stride` bytes apart, NaN between them. */
typedef struct case_out {
    char *data;
    int64_t stride;
    int32_t n;
} case_out;

/**
 * Run rows of some sequences: for sequence i those rows t (counted from its first row in the case)
 * with from[i] <= t < to[i], the cached tokens cut to match. Checks status and guards.
 *
 * @param from, to  NULL: all rows
 * @param pad       floats between rows of q and of out
 * @param ret_out   rows in order; data is NULL if the call failed
 */
void attention_case_run(checker *c, const cg_attention_ops *ops, void *plan,
                        const attention_case *ac, const case_memory *m, const int32_t *from,
                        const int32_t *to, int32_t pad, case_out *ret_out);
void case_out_destroy(case_out *o);

#endif
