/* SPDX-License-Identifier: MIT */
/** @file prefill90.cuh  What the variants of the prefill kernel for sm_90a share. */
#ifndef FLASH_PREFILL90_CUH
#define FLASH_PREFILL90_CUH

#include "prefill.cuh"
#include "wgmma.cuh"

#if FLASH_HAS_WGMMA

/* A block's tiles of keys and values, as one thread copies them: a unit of every PASS-th row. */
typedef struct tile_feed {
    /* byte offset from k and v of the thread's unit of token 0; paged: of a page's first */
    int64_t unit;
    int32_t lo; /* tokens that are read: lo <= j < hi */
    int32_t hi;
    int32_t row; /* the thread's first row of a tile */
    /* pages; lane l: byte offset of piece l % (pieces of a tile) */
    const int32_t *table; /* of the slot */
    int64_t place;        /* of the tile whose keys are fetched next */
    int64_t last_place;   /* of the one before it */
} tile_feed;

/* Byte offset of a piece of tile j of `keys` tokens, 0 where no token of it is read. */
FLASH_INLINE int64_t feed_place(const flash_cuda_call *c, const tile_feed *s, int j, int lane,
                                int keys)
{
    int piece = j * (keys / FLASH_CUDA_PIECE) + lane % (keys / FLASH_CUDA_PIECE);

    if (piece * FLASH_CUDA_PIECE >= s->hi || (piece + 1) * FLASH_CUDA_PIECE <= s->lo)
        return 0;
    return __ldg(s->table + piece / c->block_pieces) * c->block_stride +
           piece % c->block_pieces * FLASH_CUDA_PIECE * c->token_stride;
}

/* Keys of tile j have been queued: page-table entries of the next one, ahead of their use. */
FLASH_INLINE void feed_next(const flash_cuda_call *c, tile_feed *s, int j, int lane, int keys,
                            int paged)
{
    if (!paged)
        return;
    s->last_place = s->place;
    s->place = feed_place(c, s, j + 1, lane, keys);
}

/*
 * Queue copies of tile j of base (k or v); dst: of the thread's first unit; place: of the tile's
 * pieces, or where the views have no pages, unused.
 */
FLASH_INLINE void feed(const flash_cuda_call *c, const tile_feed *s, const char *base,
                       int64_t place, int j, uint32_t dst, int keys, int pass, int paged)
{
    const int token = j * keys + s->row;
    const uint32_t read = s->hi - s->lo;
    const char *at = base + s->unit + (paged ? s->row % FLASH_CUDA_PIECE : token) * c->token_stride;

#pragma unroll
    for (int i = 0; i < (keys + pass - 1) / pass; i++) {
        const int row = i * pass; /* and the thread's own; rows of a warp are of one piece */
        const char *from = at;

        if (paged)
            from +=
                __shfl_sync(FULL_WARP, place, (s->row + row) / FLASH_CUDA_PIECE) +
                ((s->row + row) % FLASH_CUDA_PIECE - s->row % FLASH_CUDA_PIECE) * c->token_stride;
        else
            from += row * c->token_stride;
        if (keys % pass == 0 || s->row + row < keys)
            copy_unit(dst + row * 128, from, (uint32_t)(token + row - s->lo) < read);
    }
}

/* Whether this thread's units of a tile are finite. */
FLASH_INLINE bool feed_is_finite(int f16, uint32_t address, int row, int keys, int pass)
{
    bool finite = true;

    for (; row < keys; row += pass, address += pass * 128) {
        uint32_t x[4];

        load_unit(x, address);
        finite = finite && unit_is_finite(f16, x);
    }
    return finite;
}

/* Zero in place of what is not. */
FLASH_INLINE void make_feed_finite(int f16, uint32_t address, int row, int keys, int pass)
{
    for (; row < keys; row += pass, address += pass * 128) {
        uint32_t x[4];

        load_unit(x, address);
        make_finite(f16, x);
        for (int e = 0; e < 4; e++)
            store_word(address + e * 4, x[e]);
    }
}

/*
 * Scores of what row half h of the lane does not see become minus infinity: tokens beyond `pos`, or
 * older than its window. token: that of p[0][2 h]; n C fragments.
 */
FLASH_INLINE void hide_unseen(float (*p)[4], int n, int h, int token, int pos, int window)
{
    const int last = pos - token, from = window ? last - window + 1 : INT32_MIN;

#pragma unroll
    for (int i = 0; i < n; i++)
#pragma unroll
        for (int e = 0; e < 2; e++)
            if (8 * i + e > last || 8 * i + e < from)
                p[i][2 * h + e] = -CUDART_INF_F;
}

/*
 * n C fragments of scores become weights. Whether some row's maximum of the warp has grown: then
 * older sums are to be multiplied by the factors, all of which are 1 otherwise.
 */
FLASH_INLINE bool soften(float (*p)[4], int n, softmax soft[2], float factor[2], float scale)
{
    float offset[2];
    bool grown = false;

#pragma unroll
    for (int h = 0; h < 2; h++) {
        float max = fmaxf(p[0][2 * h], p[0][2 * h + 1]);

#pragma unroll
        for (int i = 1; i < n; i++)
            max = fmaxf(max, fmaxf(p[i][2 * h], p[i][2 * h + 1]));
        max = fmaxf(soft[h].max, row_max(max));
        grown = grown || max != soft[h].max;
        factor[h] = softmax_factor(soft[h].max, max, scale);
        soft[h].max = max;
        soft[h].sum = __fmul_rn(soft[h].sum, factor[h]);
        offset[h] = softmax_offset(max, scale);
    }
#pragma unroll
    for (int i = 0; i < n; i += 2)
        weigh(p + i, soft, offset, scale);
    return __any_sync(FULL_WARP, grown);
}

#endif

#endif
