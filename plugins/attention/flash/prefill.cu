/* SPDX-License-Identifier: MIT */
/* The prefill kernels: what their variants share, and the variants. prefill_tile.cuh explains. */
#include "prefill.cuh"

/* A block's tiles of keys and values, as one thread copies them: a unit of every 16th or 8th row.
 */
typedef struct tile_stream {
    /* byte offset from k and v of the thread's first unit of piece 0; paged: of a page */
    int64_t unit;
    int32_t lo; /* tokens that are read: lo <= j < hi */
    int32_t hi;
    int32_t row; /* the thread's first row of a tile */
    /* pages */
    const int32_t *table; /* of the slot */
    int64_t place;        /* lane l: byte offset of piece l % 4 of the tile that is fetched next */
} tile_stream;

/* Byte offset of piece lane % 4 of tile j, 0 where no token of it is read. */
FLASH_INLINE int64_t tile_place(const flash_cuda_call *c, const tile_stream *s, int j, int lane)
{
    int piece = j * (FLASH_PREFILL_KEYS / FLASH_CUDA_PIECE) +
                lane % (FLASH_PREFILL_KEYS / FLASH_CUDA_PIECE);

    if (piece * FLASH_CUDA_PIECE >= s->hi || (piece + 1) * FLASH_CUDA_PIECE <= s->lo)
        return 0;
    return __ldg(s->table + piece / c->block_pieces) * c->block_stride +
           piece % c->block_pieces * FLASH_CUDA_PIECE * c->token_stride;
}

/* Queue the copies of piece `piece` of a tile that begins at token0; dst: of the tile's keys. */
FLASH_INLINE void fetch_piece(const flash_cuda_call *c, const tile_stream *s, int token0, int piece,
                              uint32_t dst, int dim, int paged)
{
    const int rows = FLASH_PREFILL_WARPS * 32 / (dim / 8); /* of one pass of the block: 16 or 8 */
    const int token = token0 + piece * FLASH_CUDA_PIECE;
    int64_t at =
        s->unit + (paged ? __shfl_sync(FULL_WARP, s->place, piece) : token * c->token_stride);

    dst += piece * (FLASH_CUDA_PIECE * dim * 2);
#pragma unroll
    for (int i = 0; i < FLASH_CUDA_PIECE / rows; i++) {
        const int t = token + i * rows + s->row;
        const bool valid = t >= s->lo && t < s->hi;

        copy_unit(dst + i * rows * dim * 2, c->k + at, valid);
        copy_unit(dst + (FLASH_PREFILL_KEYS + i * rows) * dim * 2, c->v + at, valid);
        at += rows * c->token_stride;
    }
}

/*
 * Queue the copies of tile j, tiles in order: K, V behind it; dst: of the thread's first unit.
 * rolled: a loop that runs, for kernels that would spill the addresses of a whole tile.
 */
FLASH_INLINE void fetch_tile(const flash_cuda_call *c, tile_stream *s, int j, uint32_t dst,
                             int lane, int dim, int paged, int rolled)
{
    const int pieces = FLASH_PREFILL_KEYS / FLASH_CUDA_PIECE;

    if (rolled) {
#pragma unroll 1
        for (int i = 0; i < pieces; i++)
            fetch_piece(c, s, j * FLASH_PREFILL_KEYS, i, dst, dim, paged);
    } else {
#pragma unroll
        for (int i = 0; i < pieces; i++)
            fetch_piece(c, s, j * FLASH_PREFILL_KEYS, i, dst, dim, paged);
    }
    if (paged)
        s->place = tile_place(c, s, j + 1, lane);
    copies_commit();
}

#define DIM   64
#define ROWS  128
#define F16   0
#define PAGED 0
#define NAME  flash_prefill_64x128_bf16_kernel
#include "prefill_tile.cuh"

#define DIM   64
#define ROWS  128
#define F16   0
#define PAGED 1
#define NAME  flash_prefill_64x128_bf16_paged_kernel
#include "prefill_tile.cuh"

#define DIM   64
#define ROWS  128
#define F16   1
#define PAGED 0
#define NAME  flash_prefill_64x128_f16_kernel
#include "prefill_tile.cuh"

#define DIM   64
#define ROWS  128
#define F16   1
#define PAGED 1
#define NAME  flash_prefill_64x128_f16_paged_kernel
#include "prefill_tile.cuh"

#define DIM   128
#define ROWS  128
#define F16   0
#define PAGED 0
#define NAME  flash_prefill_128x128_bf16_kernel
#include "prefill_tile.cuh"

#define DIM   128
#define ROWS  128
#define F16   0
#define PAGED 1
#define NAME  flash_prefill_128x128_bf16_paged_kernel
#include "prefill_tile.cuh"

#define DIM   128
#define ROWS  128
#define F16   1
#define PAGED 0
#define NAME  flash_prefill_128x128_f16_kernel
#include "prefill_tile.cuh"

#define DIM   128
#define ROWS  128
#define F16   1
#define PAGED 1
#define NAME  flash_prefill_128x128_f16_paged_kernel
#include "prefill_tile.cuh"

#define DIM   64
#define ROWS  64
#define F16   0
#define PAGED 0
#define NAME  flash_prefill_64x64_bf16_kernel
#include "prefill_tile.cuh"

#define DIM   64
#define ROWS  64
#define F16   0
#define PAGED 1
#define NAME  flash_prefill_64x64_bf16_paged_kernel
#include "prefill_tile.cuh"

#define DIM   64
#define ROWS  64
#define F16   1
#define PAGED 0
#define NAME  flash_prefill_64x64_f16_kernel
#include "prefill_tile.cuh"

#define DIM   64
#define ROWS  64
#define F16   1
#define PAGED 1
#define NAME  flash_prefill_64x64_f16_paged_kernel
#include "prefill_tile.cuh"

#define DIM   128
#define ROWS  64
#define F16   0
#define PAGED 0
#define NAME  flash_prefill_128x64_bf16_kernel
#include "prefill_tile.cuh"

#define DIM   128
#define ROWS  64
#define F16   0
#define PAGED 1
#define NAME  flash_prefill_128x64_bf16_paged_kernel
#include "prefill_tile.cuh"

#define DIM   128
#define ROWS  64
#define F16   1
#define PAGED 0
#define NAME  flash_prefill_128x64_f16_kernel
#include "prefill_tile.cuh"

#define DIM   128
#define ROWS  64
#define F16   1
#define PAGED 1
#define NAME  flash_prefill_128x64_f16_paged_kernel
#include "prefill_tile.cuh"

extern "C" const void *flash_prefill_kernel(int head_dim, int rows, int f16, int paged)
{
    static const void *const kernels[2][2][2][2] = {
        {
            {
                { (const void *)flash_prefill_64x64_bf16_kernel,
                  (const void *)flash_prefill_64x64_bf16_paged_kernel },
                { (const void *)flash_prefill_64x64_f16_kernel,
                  (const void *)flash_prefill_64x64_f16_paged_kernel },
            },
            {
                { (const void *)flash_prefill_128x64_bf16_kernel,
                  (const void *)flash_prefill_128x64_bf16_paged_kernel },
                { (const void *)flash_prefill_128x64_f16_kernel,
                  (const void *)flash_prefill_128x64_f16_paged_kernel },
            },
        },
        {
            {
                { (const void *)flash_prefill_64x128_bf16_kernel,
                  (const void *)flash_prefill_64x128_bf16_paged_kernel },
                { (const void *)flash_prefill_64x128_f16_kernel,
                  (const void *)flash_prefill_64x128_f16_paged_kernel },
            },
            {
                { (const void *)flash_prefill_128x128_bf16_kernel,
                  (const void *)flash_prefill_128x128_bf16_paged_kernel },
                { (const void *)flash_prefill_128x128_f16_kernel,
                  (const void *)flash_prefill_128x128_f16_paged_kernel },
            },
        },
    };

    return kernels[rows == 128][head_dim == 128][f16 != 0][paged != 0];
}
