/* SPDX-License-Identifier: MIT */
/** @file attention_case.h  An attention problem with data, memory layouts and a reference. */
#ifndef CG_CONFORMANCE_ATTENTION_CASE_H
#define CG_CONFORMANCE_ATTENTION_CASE_H

#include "test_case.h"

enum {
    CASE_SEQS = 8,       /* sequences of a CPU case */
    CASE_MAX_SEQS = 640, /* most sequences of any case, and of its problem */
};

/** A memory layout of keys and values. */
typedef struct case_layout {
    const char *name;
    int32_t page;      /* tokens per page; 0: contiguous */
    int32_t spare;     /* contiguous: capacity beyond the longest sequence */
    int32_t kv_layout; /* CG_KV_HND or CG_KV_NHD */
    int32_t growing;   /* block_tokens of the problem is 0 */
} case_layout;

extern const case_layout case_layouts[];
extern const int32_t n_case_layouts;

/** Sets paged, block_tokens and kv_layout of the problem. */
void case_layout_apply(const case_layout *layout, cg_attention_problem *problem);
/** Tokens per block. */
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
    int32_t non_finite[CASE_MAX_SEQS]; /* nonzero: the sequence has NaN or infinite data */
    float *q;                          /* [rows, n_heads, head_dim] */
    float *k, *v;                      /* [seq, max_kv_len, n_kv_heads, head_dim] */
    double *out;                       /* [rows, n_heads, head_dim] reference */
    double *bound;                     /* [rows, n_heads, head_dim] allowed error */
} attention_case;

/** A random length in [1, max]: near common tile and page sizes, uniform, or max. */
int32_t case_random_len(test_recorder *rec, int32_t max);
/** Random rows of a sequence of `len` tokens: a prompt, part of one, forced tokens, one, none. */
int32_t case_random_rows(test_recorder *rec, int32_t len);

/** Creates CASE_SEQS random sequences for a problem; sets max_tokens. 0 when out of memory. */
int attention_case_create(test_recorder *rec, const cg_attention_problem *problem,
                          attention_case *ret_case);
/**
 * Allocates random slots and data for a case whose problem, n_seqs, q_start and kv_len are set. 0
 * when out of memory.
 */
int attention_case_fill(test_recorder *rec, attention_case *ac);
void attention_case_destroy(attention_case *ac);
/**
 * Computes `out` and `bound` in double precision, in loops of `host`. Call again after data change.
 */
void attention_case_solve(attention_case *ac, const cg_host *host);
/** Queries of a row: [n_heads, head_dim]. */
const float *attention_case_q(const attention_case *ac, int32_t row);
/** Keys (0) or values (1) of a token and head: [head_dim]. */
float *attention_case_kv(const attention_case *ac, int32_t values, int32_t seq, int32_t pos,
                         int32_t head);
/** Fills a page table of max_seqs rows: random distinct pages of [0, n_pages), else `unused`. */
void attention_case_table(test_recorder *rec, const attention_case *ac, int32_t block_tokens,
                          int32_t n_pages, int32_t unused, int32_t table_stride,
                          int32_t *ret_table);

/** Keys and values of a case in a memory layout; memory without a valid token is NaN. */
typedef struct case_memory {
    cg_kv_view view;
    int32_t *table;
    size_t bytes; /* of k and of v */
    uint64_t sum; /* checksum of the bytes */
} case_memory;

/** Also applies the layout to the problem. 0 when out of memory. */
int case_memory_create(test_recorder *rec, attention_case *ac, const case_layout *layout,
                       case_memory *ret_memory);
void case_memory_destroy(case_memory *m);
/** Sets one element of a valid token to x, in the case and in memory. */
void case_memory_set(attention_case *ac, case_memory *m, int32_t values, int32_t seq, int32_t pos,
                     int32_t head, int32_t element, float x);
/** True if keys, values and page table are unchanged. */
int case_memory_intact(const case_memory *m);

/** Result of a call: n rows of n_heads * head_dim elements, `stride` bytes apart, NaN between. */
typedef struct case_out {
    char *data;
    int64_t stride;
    int32_t n;
    cg_dtype dtype;
} case_out;

/**
 * Runs rows first_row[i] <= t < end_row[i] of every sequence i, counted from its first row in the
 * case, with the cached tokens up to the last of them. Checks status and guards.
 *
 * @param first_row, end_row  NULL: all rows
 * @param pad       floats between rows of q and of out
 * @param ret_out   rows in order; data is NULL if the call failed
 */
void attention_case_run(test_recorder *rec, const cg_attention_ops *ops, void *plan,
                        const attention_case *ac, const case_memory *m, const int32_t *first_row,
                        const int32_t *end_row, int32_t pad, case_out *ret_out);
void case_out_destroy(case_out *o);
/** True if the bytes between the first n rows are unchanged. */
int case_out_padding_intact(const case_out *o, int64_t row_bytes);

#endif
