/* SPDX-License-Identifier: MIT */
/** @file attention_case.h  An attention problem with data and a reference, and memory layouts. */
#ifndef CG_CONFORMANCE_ATTENTION_CASE_H
#define CG_CONFORMANCE_ATTENTION_CASE_H

#include "test_case.h"

enum {
    CASE_MAX_SEQS = 1100,  /* most sequences of a case */
    CASE_MAX_SLOTS = 1700, /* most slots of its memory */
    /* latent attention: elements of a key, the first of which are the value */
    CASE_LATENT_DIM = 576,
    CASE_LATENT_VALUES = 512,
};

/** A memory layout of keys and values. */
typedef struct case_layout {
    const char *name;
    int32_t page;      /* tokens per page; 0: contiguous */
    int32_t spare;     /* contiguous: capacity beyond the longest sequence */
    int32_t kv_layout; /* CG_KV_HND or CG_KV_NHD */
    int32_t growing;   /* block_tokens of the problem is 0 */
    int32_t pad;       /* CPU: elements between tokens, between heads and between blocks */
    int32_t shared;    /* CPU, paged: sequences share pages of a prefix */
    int64_t block_pad; /* CPU: bytes between blocks */
} case_layout;

extern const case_layout case_layouts[];
extern const int32_t n_case_layouts;

/** Sets paged, block_tokens and kv_layout of the problem. */
void case_layout_apply(const case_layout *layout, cg_attention_problem *problem);
/** Tokens per block. */
int32_t case_layout_block(const case_layout *layout, const cg_attention_problem *problem);

/** Axes along which scales of keys and values differ: bits of attention_case.scale_axes. */
enum { CASE_SCALE_BLOCK = 1, CASE_SCALE_HEAD = 2, CASE_SCALE_TOKEN = 4 };

/**
 * A problem and sequences with their queries, keys and values. Sequence i has slot[i] (all
 * different), kv_len[i] cached tokens and q_start[i+1] - q_start[i] rows. Data are values of the
 * problem's types. With v_dim = case_v_dim().
 */
typedef struct attention_case {
    cg_attention_problem problem;
    int32_t n_slots; /* of the memory; 0: max_seqs */
    int32_t n_seqs;
    int32_t q_start[CASE_MAX_SEQS + 1];
    int32_t slot[CASE_MAX_SEQS];
    int32_t kv_len[CASE_MAX_SEQS];
    int32_t non_finite[CASE_MAX_SEQS]; /* nonzero: the sequence has NaN or infinite data */
    float *q;                          /* [rows, n_heads, head_dim] */
    float *k;                          /* [seq, max_kv_len, n_kv_heads, head_dim], before scales */
    float *v;                          /* [seq, max_kv_len, n_kv_heads, v_dim], before scales */
    double *out;                       /* [rows, n_heads, v_dim] reference */
    double *bound;                     /* [rows, n_heads, v_dim] allowed error; 0: `out` is 0, but
                                          may be NaN: the row has no weight */
    double *spread;                    /* [rows, n_heads] allowed norm of the error of a head,
                                          besides that of 16 bits */
    /* Of the problem's features; NULL without */
    float *alibi_slope;   /* [n_heads] */
    float *sink_logit;    /* [n_heads] */
    float *bias;          /* [bias_rows, bias_heads, max_kv_len] */
    int32_t bias_rows;    /* 1: all rows share one */
    int32_t bias_heads;   /* 1: all heads share one */
    int32_t *position;    /* [rows] */
    int32_t is_divisible; /* rows attend to the same tokens however they are divided into calls */
    uint32_t *tree;       /* [rows, tree_words] */
    int32_t tree_words;
    int32_t values_in_keys;  /* values are the first elements of keys, in the same memory */
    int32_t is_scaled[2];    /* keys, values */
    int32_t scale_axes;      /* CASE_SCALE_* */
    int32_t has_wide_scales; /* some are 0, all others of any size */
    int32_t nan_scale[CASE_MAX_SEQS]; /* 1 + token whose scales are NaN; 0: none */
    int32_t block_tokens;             /* of the memory */
    uint64_t scale_seed;
    /* Of shared prefixes, by sequence: the group's first sequence, which has the data of the first
     * prefix_len tokens; 0: none */
    int32_t prefix_owner[CASE_MAX_SEQS], prefix_len[CASE_MAX_SEQS], has_prefixes;
} attention_case;

/** Elements of a value and of a head of out. */
int32_t case_v_dim(const cg_attention_problem *problem);
/** True if the calls of a problem use a feature. */
int case_uses(const cg_attention_problem *problem, uint32_t feature);

/** True if products of a problem may be of 8 bits: q and weights are rounded to f8_e4m3. */
int case_may_round_to_f8(const cg_attention_problem *problem);

/** A random length in [1, max]: near common tile and page sizes, uniform, or max. */
int32_t case_random_len(test_recorder *rec, int32_t max);
/** Random rows of a sequence of `len` tokens: a prompt, part of one, forced tokens, one, none. */
int32_t case_random_rows(test_recorder *rec, int32_t len);

/**
 * Allocates random slots and data for a case whose problem, n_slots, n_seqs, q_start and kv_len are
 * set. 0 when out of memory.
 */
int attention_case_fill(test_recorder *rec, attention_case *ac);
/** Draws other keys and values. */
void attention_case_refill(test_recorder *rec, attention_case *ac);
/** Draws keys and values of all finite numbers of a type of 8 bits, and wide scales of all axes. */
void attention_case_fill_codes(test_recorder *rec, attention_case *ac);
void attention_case_destroy(attention_case *ac);
/** Lets neighbouring sequences share whole pages of tokens that precede their rows. */
void attention_case_share(test_recorder *rec, attention_case *ac, int32_t page);
/** Gives the sequences other slots. */
void attention_case_move(test_recorder *rec, attention_case *ac);
/**
 * Computes `out`, `bound` and `spread` in double precision, in loops of `host`. Call again after
 * data change.
 */
void attention_case_solve(attention_case *ac, const cg_host *host);
/** Sequence of a row. */
int32_t attention_case_sequence(const attention_case *ac, int32_t row);
/** Queries of a row: [n_heads, head_dim]. */
const float *attention_case_q(const attention_case *ac, int32_t row);
/** Keys (0) or values (1) of a token and head: [head_dim] or [v_dim], before scales. */
float *attention_case_kv(const attention_case *ac, int32_t values, int32_t seq, int32_t pos,
                         int32_t head);
/** Scale of the key (0) or value (1) of a token and head. */
float attention_case_scale(const attention_case *ac, int32_t values, int32_t seq, int32_t pos,
                           int32_t head);
/**
 * Fills a page table of n_slots rows: distinct pages of [0, n_pages), in random order or ascending,
 * else `unused`.
 */
void attention_case_table(test_recorder *rec, const attention_case *ac, int32_t block_tokens,
                          int32_t n_pages, int32_t unused, int32_t table_stride,
                          int32_t *ret_table);

/**
 * Sets the entries of pages whose tokens the window of all rows has passed to `unused`, as a cache
 * may that gives them back; not with sink tokens, positions, a tree or shared prefixes. Call it
 * when keys, values and scales are stored.
 */
void attention_case_give_back(const attention_case *ac, int32_t block_tokens, int32_t unused,
                              int32_t table_stride, int32_t *table);

/** Result of a call: n rows of n_heads * v_dim elements, `stride` bytes apart, NaN between. */
typedef struct case_out {
    char *data;
    int64_t stride;
    int32_t n;
    cg_dtype dtype;
} case_out;

void case_out_destroy(case_out *o);
/** True if the bytes between the first n rows are unchanged. */
int case_out_padding_intact(const case_out *o, int64_t row_bytes);

#endif
