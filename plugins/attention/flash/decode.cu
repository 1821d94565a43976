/* SPDX-License-Identifier: MIT */
/* The decode kernels: what their variants share, and the variants. decode_tile.cuh explains. */
#include "flash_cuda.h"
#include "mma.cuh"

/* A warp's pieces of keys and values: piece0, piece0 + 4 ..., n of them (there may be none). */
typedef struct stream {
    const char *k; /* of the key/value head; contiguous: of the slot's first piece of the warp */
    const char *v;
    int64_t token_stride;
    int32_t piece0;
    int32_t n;
    int32_t lo; /* tokens that are read: lo <= j < hi */
    int32_t hi;
    /* Pages. Lane l keeps the byte offset of piece 32 m + l, and of the 32 pieces that follow, so
     * that no copy waits for the table. */
    const int32_t *table; /* of the slot */
    int64_t block_stride;
    int32_t block_pieces;
    int32_t end; /* of the pieces that are read */
    int64_t place;
    int64_t next_place;
} stream;

/* Byte offset of the warp's piece i from k and v, 0 from piece n_pieces of the sequence. */
FLASH_INLINE int64_t paged_place(const stream *s, int i, int n_pieces)
{
    int piece = s->piece0 + i * FLASH_DECODE_WARPS;

    if (piece >= n_pieces)
        return 0;
    return __ldg(s->table + piece / s->block_pieces) * s->block_stride +
           piece % s->block_pieces * FLASH_CUDA_PIECE * s->token_stride;
}

/* Queue the copies of the tokens of a piece of K or of V, as one warp. */
FLASH_INLINE void copy_piece(const stream *s, uint32_t dst, const char *src, int token, int lane,
                             int dim)
{
    const int units = dim / 8, rows = 32 / units; /* rows of one pass of the warp */
    int row = lane / units, unit = lane % units;

    src += row * s->token_stride + unit * 16;
#pragma unroll
    for (int i = 0; i < FLASH_CUDA_PIECE / rows; i++) {
        int r = row + i * rows;

        copy_unit(dst + r * dim * 2 + ((unit ^ (r & 7)) << 4), src,
                  token + r >= s->lo && token + r < s->hi);
        src += rows * s->token_stride;
    }
}

/*
 * Queue the warp's piece i into shared memory: K, V behind it. Pieces are fetched in order, each
 * once. Every call is one group of copies, an empty one beyond the last piece.
 */
FLASH_INLINE void fetch(stream *s, int i, uint32_t dst, int lane, int dim, int paged)
{
    if (i < s->n) {
        int token = (s->piece0 + i * FLASH_DECODE_WARPS) * FLASH_CUDA_PIECE;
        int64_t at;

        if (paged) {
            if (i && i % 32 == 0) {
                s->place = s->next_place;
                s->next_place = paged_place(s, i + 32 + lane, s->end);
            }
            at = __shfl_sync(FULL_WARP, s->place, i % 32);
        } else {
            at = (int64_t)i * (FLASH_DECODE_WARPS * FLASH_CUDA_PIECE) * s->token_stride;
        }
        copy_piece(s, dst, s->k + at, token, lane, dim);
        copy_piece(s, dst + FLASH_CUDA_PIECE * dim * 2, s->v + at, token, lane, dim);
    }
    copies_commit();
}

/* Whether 16 tokens' values are all finite; the lanes look at a part each. */
FLASH_INLINE bool piece_is_finite(int f16, uint32_t v, int lane, int dim)
{
    bool finite = true;

#pragma unroll
    for (int i = 0; i < dim / 16; i++) {
        uint32_t x[4];

        load_unit(x, v + i * 512 + lane * 16);
        finite = finite && unit_is_finite(f16, x);
    }
    return __all_sync(FULL_WARP, finite);
}

/* Partial results of a row, merged: max is the largest of all before the first is added. */
typedef struct merged {
    float max;
    float sum;
    float x; /* two neighbouring elements of the accumulator */
    float y;
} merged;

/* ml: max and sum of a part, xy its two elements */
FLASH_INLINE void merge(merged *m, float2 ml, float2 xy, float scale)
{
    float factor = softmax_factor(ml.x, m->max, scale);

    m->sum = __fmaf_rn(factor, ml.y, m->sum);
    m->x = __fmaf_rn(factor, xy.x, m->x);
    m->y = __fmaf_rn(factor, xy.y, m->y);
}

/* Two elements of out. */
FLASH_INLINE void write_out(int f16, const merged *m, char *out)
{
    *(uint32_t *)out = pack_out(f16, m->x, m->y, __fdiv_rn(1.0f, m->sum));
}

#define DIM   64
#define F16   0
#define PAGED 0
#define NAME  flash_decode_64_bf16_kernel
#include "decode_tile.cuh"

#define DIM   64
#define F16   0
#define PAGED 1
#define NAME  flash_decode_64_bf16_paged_kernel
#include "decode_tile.cuh"

#define DIM   64
#define F16   1
#define PAGED 0
#define NAME  flash_decode_64_f16_kernel
#include "decode_tile.cuh"

#define DIM   64
#define F16   1
#define PAGED 1
#define NAME  flash_decode_64_f16_paged_kernel
#include "decode_tile.cuh"

#define DIM   128
#define F16   0
#define PAGED 0
#define NAME  flash_decode_128_bf16_kernel
#include "decode_tile.cuh"

#define DIM   128
#define F16   0
#define PAGED 1
#define NAME  flash_decode_128_bf16_paged_kernel
#include "decode_tile.cuh"

#define DIM   128
#define F16   1
#define PAGED 0
#define NAME  flash_decode_128_f16_kernel
#include "decode_tile.cuh"

#define DIM   128
#define F16   1
#define PAGED 1
#define NAME  flash_decode_128_f16_paged_kernel
#include "decode_tile.cuh"

extern "C" const void *flash_decode_kernel(int head_dim, int f16, int paged)
{
    static const void *const kernels[2][2][2] = {
        { { (const void *)flash_decode_64_bf16_kernel,
            (const void *)flash_decode_64_bf16_paged_kernel },
          { (const void *)flash_decode_64_f16_kernel,
            (const void *)flash_decode_64_f16_paged_kernel } },
        { { (const void *)flash_decode_128_bf16_kernel,
            (const void *)flash_decode_128_bf16_paged_kernel },
          { (const void *)flash_decode_128_f16_kernel,
            (const void *)flash_decode_128_f16_paged_kernel } },
    };

    return kernels[head_dim == 128][f16 != 0][paged != 0];
}
