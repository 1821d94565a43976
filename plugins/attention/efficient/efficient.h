/* SPDX-License-Identifier: MIT */
/**
 * @file efficient.h  One call of efficient, for the CPU and for CUDA: its arguments, row tiles and
 * the tokens that a row attends to.
 *
 * Row r of a sequence and key/value head is query head r % group, of the group that shares the
 * key/value head, of query token r / group of the sequence. Rows of a row tile are adjacent.
 */
#ifndef EFFICIENT_H
#define EFFICIENT_H

#include <confgen/attention.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    /* Tokens of a key tile: the bits of a mask, the lanes of a warp. Tiles begin at positions 0,
     * 32, 64 ..., so that a row's sums do not depend on the rest of the call. */
    EFFICIENT_TILE = 32,
    /* Largest size of a key or value: bounds the scratch memory of a worker or thread block. */
    EFFICIENT_MAX_DIM = 1024,
};

/** What a kernel needs of a problem and a call. Strides of arrays are in bytes. */
typedef struct efficient_call {
    cg_kv_view kv; /* strides of values are never left to those of keys */
    const void *q; /* [n_tokens, n_heads, head_dim] */
    void *out;     /* [n_tokens, n_heads, v_dim] */
    int64_t q_stride, out_stride;
    const int32_t *q_start, *slot, *kv_len;
    const int32_t *position;  /* NULL: the places of the rows */
    const float *alibi_slope; /* NULL: none, as below */
    const float *sink_logit;
    const void *bias;
    int64_t bias_row_stride, bias_head_stride;
    const uint32_t *tree_mask;
    int32_t tree_words;
    cg_dtype dtype, kv_dtype, bias_dtype;
    int32_t n_tokens, n_seqs; /* CUDA: upper bounds */
    int32_t n_kv_heads, group;
    int32_t head_dim, v_dim;
    int32_t is_causal;
    int32_t window; /* 0: all */
    int32_t sink_tokens;
    float scale;
    float softcap; /* 0: none */
} efficient_call;

/** Rows [first, first + n) of one sequence. */
typedef struct efficient_row_tile {
    int32_t seq;
    int32_t first;
    int32_t n; /* 0: the tile is empty */
} efficient_row_tile;

/**
 * Row tiles per key/value head of a call whose tiles have `rows` rows: enough for any division of
 * its query tokens into sequences.
 */
static inline CG_HOST_DEVICE int64_t efficient_row_tiles(const efficient_call *c, int32_t rows)
{
    return (int64_t)c->n_tokens * c->group / rows + c->n_seqs;
}

/**
 * Finds row tile x: sequence i owns the tiles from floor(q_start[i] * group / rows) + i on, as many
 * as it can need, so that no list of tiles is necessary.
 */
static inline CG_HOST_DEVICE efficient_row_tile efficient_find_row_tile(const efficient_call *c,
                                                                        int32_t rows, int64_t x)
{
    efficient_row_tile t;
    int32_t low = 0, high = c->n_seqs - 1;
    int64_t n;

    while (low < high) {
        int32_t middle = low + (high - low + 1) / 2;

        if ((int64_t)c->q_start[middle] * c->group / rows + middle <= x)
            low = middle;
        else
            high = middle - 1;
    }
    n = (int64_t)(c->q_start[low + 1] - c->q_start[low]) * c->group;
    x -= (int64_t)c->q_start[low] * c->group / rows + low;
    t.seq = low;
    t.first = 0;
    t.n = 0;
    if (x * rows < n) {
        t.first = (int32_t)(x * rows);
        t.n = n - t.first < rows ? (int32_t)(n - t.first) : rows;
    }
    return t;
}

/** The tokens that a row attends to: [0, sinks) and [first, end), replaced by a tree from
 * tree_begin on. */
typedef struct efficient_reach {
    int32_t sinks;
    int32_t first, end;
    int32_t tree_begin;   /* end of all without a tree */
    int32_t last;         /* end of all */
    int32_t position;     /* of the row */
    const uint32_t *tree; /* bits of tokens tree_begin on; NULL: none */
} efficient_reach;

/** Returns the reach of query token t of sequence `seq`, t counted over the whole call. */
static inline CG_HOST_DEVICE efficient_reach efficient_reach_of(const efficient_call *c,
                                                                int32_t seq, int32_t t)
{
    efficient_reach r;
    int32_t len = c->kv_len[seq], place = len - c->q_start[seq + 1] + t;

    r.position = c->position ? c->position[t] : place;
    r.end = c->is_causal && r.position < len ? r.position + 1 : len;
    r.first = c->window && r.position >= c->window ? r.position - c->window + 1 : 0;
    r.sinks = c->window ? c->sink_tokens : 0;
    r.sinks = r.sinks < r.end ? r.sinks : r.end;
    r.tree = NULL;
    r.tree_begin = r.last = r.end;
    if (c->tree_mask) {
        r.tree = c->tree_mask + (int64_t)t * c->tree_words;
        r.tree_begin = len - (c->q_start[seq + 1] - c->q_start[seq]);
        r.last = len;
    }
    return r;
}

/** Bits [low, high) of a word; any numbers. */
static inline CG_HOST_DEVICE uint32_t efficient_bits(int32_t low, int32_t high)
{
    uint32_t below_high = high >= 32 ? ~0u : high <= 0 ? 0u : (1u << high) - 1;
    uint32_t below_low = low >= 32 ? ~0u : low <= 0 ? 0u : (1u << low) - 1;

    return below_high & ~below_low;
}

/** Word of 32 bits from bit `at` of a row of a tree mask on; bits outside of the row are 0. */
static inline CG_HOST_DEVICE uint32_t efficient_tree_bits(const uint32_t *tree, int32_t words,
                                                          int32_t at)
{
    int32_t w = at >> 5, shift = at & 31; /* at may be negative */
    uint32_t low = w >= 0 && w < words ? tree[w] >> shift : 0;
    uint32_t high = shift && w + 1 >= 0 && w + 1 < words ? tree[w + 1] << (32 - shift) : 0;

    return low | high;
}

/** Bit i: the row attends to token begin + i. */
static inline CG_HOST_DEVICE uint32_t efficient_visible(const efficient_call *c,
                                                        const efficient_reach *r, int32_t begin)
{
    uint32_t bits =
        efficient_bits(r->first - begin, r->end - begin) | efficient_bits(0, r->sinks - begin);

    if (r->tree) {
        bits &= efficient_bits(0, r->tree_begin - begin);
        bits |= efficient_tree_bits(r->tree, c->tree_words, begin - r->tree_begin) &
                efficient_bits(0, r->last - begin);
    }
    return bits;
}

/** The key tiles of a row tile: those that begin in [0, sinks) and in [first, last). */
typedef struct efficient_key_tiles {
    int32_t sinks, first, last;
} efficient_key_tiles;

static inline CG_HOST_DEVICE efficient_key_tiles efficient_no_key_tiles(void)
{
    efficient_key_tiles k;

    k.sinks = k.last = 0;
    k.first = INT32_MAX;
    return k;
}

/** Adds the tiles of one row. */
static inline CG_HOST_DEVICE void efficient_add_reach(efficient_key_tiles *k,
                                                      const efficient_reach *r)
{
    int32_t first = r->tree && r->tree_begin < r->first ? r->tree_begin : r->first;

    first = first > 0 ? first / EFFICIENT_TILE * EFFICIENT_TILE : 0;
    k->sinks = r->sinks > k->sinks ? r->sinks : k->sinks;
    k->first = first < k->first ? first : k->first;
    k->last = r->last > k->last ? r->last : k->last;
}

/** The first tile at or behind `begin`, a multiple of EFFICIENT_TILE; there is none from k->last
 * on. */
static inline CG_HOST_DEVICE int32_t efficient_next_key_tile(const efficient_key_tiles *k,
                                                             int32_t begin)
{
    return begin >= k->sinks && begin < k->first ? k->first : begin;
}

#ifdef __cplusplus
}
#endif

#endif
