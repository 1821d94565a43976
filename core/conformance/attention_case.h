/* SPDX-License-Identifier: MIT */
/** @file attention_case.h  One attention problem with its data, its layouts and its truth. */
#ifndef CG_CONFORMANCE_ATTENTION_CASE_H
#define CG_CONFORMANCE_ATTENTION_CASE_H

#include "test_case.h"

enum {
    CASE_SEQS = 8,      /* of a case on the CPU */
    CASE_MAX_SEQS = 16, /* of any */
};

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

/** Say in the problem what the layout is: paged, block_tokens, kv_layout. */
void case_layout_apply(const case_layout *layout, cg_attention_problem *problem);
/** Tokens of a block. */
int32_t case_layout_block(const case_layout *layout, const cg_attention_problem *problem);

/**
 * A problem (max_seqs slots) and sequences with their queries, keys and values. Sequence i has
 * slot[i] (all different), kv_len[i] cached tokens and q_start[i+1] - q_start[i] rows. Data are
 * values of the problem's types.
 */
typedef struct attention_case {
    cg_attention_problem problem;
    int32_t n_seqs;
    int32_t q_start[CASE_MAX_SEQS + 1];
    int32_t slot[CASE_MAX_SEQS];
    int32_t kv_len[CASE_MAX_SEQS];
    int32_t poked[CASE_MAX_SEQS]; /* nonzero: a value of the sequence is not finite */
    float *q;                     /* [rows, n_heads, head_dim] */
    float *k, *v;                 /* [seq, max_kv_len, n_kv_heads, head_dim] */
    double *out;                  /* [rows, n_heads, head_dim] truth */
    double *bound;                /* [rows, n_heads, head_dim] error that is allowed */
} attention_case;

/** A length around the sizes that tiles and pages have, or any, or the largest: 1 .. max. */
int32_t case_random_len(checker *c, int32_t max);
/** Rows of a sequence of so many tokens: a prompt, a part of one, a forced span, one, none. */
int32_t case_random_rows(checker *c, int32_t len);

/** CASE_SEQS random sequences for a problem; max_tokens is set. 0 if there is no memory. */
int attention_case_create(checker *c, const cg_attention_problem *problem,
                          attention_case *ret_case);
/**
 * Draw slots and data for a case whose problem, n_seqs, q_start and kv_len are set. 0 if there is
 * no memory.
 */
int attention_case_draw(checker *c, attention_case *ac);
void attention_case_destroy(attention_case *ac);
/**
 * Compute out and bound in double precision, in loops of `host`; to be called again when data were
 * changed.
 */
void attention_case_solve(attention_case *ac, const cg_host *host);
/** Queries of a row: [n_heads, head_dim]. */
const float *attention_case_q(const attention_case *ac, int32_t row);
/** Keys (0) or values (1) of a token and head: [head_dim]. */
float *attention_case_kv(const attention_case *ac, int32_t values, int32_t seq, int32_t pos,
                         int32_t head);
/** A table of n_slots rows: what is needed is drawn from the first n_pages, the rest is `beyond`.
 */
void attention_case_table(checker *c, const attention_case *ac, int32_t block_tokens,
                          int32_t n_pages, int32_t beyond, int32_t table_stride,
                          int32_t *ret_table);

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

/** Result of a call: rows of n_heads * head_dim elements, `stride` bytes apart, NaN between them.
 */
typedef struct case_out {
    char *data;
    int64_t stride;
    int32_t n;
    cg_dtype dtype;
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
/** True if nothing was written between the first n rows. */
int case_out_gaps_intact(const case_out *o, int64_t row_bytes);

#endif
