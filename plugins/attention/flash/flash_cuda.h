/* SPDX-License-Identifier: MIT */
/** @file flash_cuda.h  What the host side of flash on CUDA and its kernels share. */
#ifndef FLASH_CUDA_H
#define FLASH_CUDA_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    /* Tokens that the kernels take to be evenly spaced in memory: blocks hold a multiple of it. */
    FLASH_CUDA_PIECE = 16,

    FLASH_DECODE_ROWS = 16, /* rows of a tile: of one mma */
    FLASH_DECODE_WARPS = 4, /* each with its own pieces and ring: piece p is warp p % 4's */

    FLASH_PREFILL_ROWS = 128,      /* rows of a tile: four warps of 32 */
    FLASH_PREFILL_SHORT_ROWS = 64, /* the same for short prompts: four warps of 16 */
    FLASH_PREFILL_KEYS = 64,       /* tokens of a tile, from absolute positions 0, 64, 128 ... */
    FLASH_PREFILL_WARPS = 4,
    FLASH_PREFILL_STAGES = 2,

    FLASH_PREFILL90_KEYS = 128, /* the same where warpgroups multiply */
    FLASH_PREFILL90_STAGES = 2,
};

/* Warpgroups of 64 rows: of a tile; one more copies. */
#define FLASH_PREFILL90_WARPGROUPS(head_dim) ((head_dim) == 64 ? 3 : 2)

/* Places of a warp's ring. Four (head size 64) or three blocks then share a multiprocessor of
 * compute capability 9.0, and hide each other's begin and end. */
#define FLASH_DECODE_STAGES(head_dim) ((head_dim) == 64 ? 3 : 2)

/**
 * One call, as the kernels get it: pointers are device memory, strides are bytes.
 *
 * Rows. With g = n_heads / n_kv_heads, row r of a sequence and key/value head is query head
 * kv_head * g + r % g of the sequence's token r / g. Rows that share a key/value head form tiles;
 * a block does one tile of one key/value head (decode: of one chunk of its keys).
 */
typedef struct flash_cuda_call {
    const char *q;
    char *out;
    const char *k;
    const char *v;
    const int32_t *q_start;    /* [n_seqs + 1] */
    const int32_t *slot;       /* [n_seqs] */
    const int32_t *kv_len;     /* [n_seqs] */
    const int32_t *page_table; /* [n_slots, table_stride]; contiguous views: not used */
    int64_t q_stride;
    int64_t out_stride;
    int64_t block_stride;
    int64_t head_stride;
    int64_t token_stride;
    int32_t table_stride;
    int32_t block_pieces; /* pieces of a page */
    int32_t n_seqs;
    int32_t n_kv_heads;
    int32_t group;      /* g */
    int32_t window;     /* 0: all */
    float scale;        /* |scale| log2(e), for exp2 */
    uint32_t sign_flip; /* 0x80008000 where the scale is negative: xor of pairs of q's elements */

    /* decode only */
    int32_t chunk_pieces; /* pieces of a chunk; chunks begin at absolute multiples of it */
    int32_t max_rows;     /* rows that the partial results have room for, a head and chunk */
    float *partial_acc;   /* [n_chunks, n_kv_heads, max_rows, head_dim] sum of weights x values */
    float *partial_ml;    /* [n_chunks, n_kv_heads, max_rows, 2] largest score, sum of weights */
    uint32_t *finished;   /* [tiles, n_kv_heads] blocks that are done; zero between launches */
} flash_cuda_call;

/**
 * The kernel for a head size (64 or 128), an element type (f16 or else bf16) and a layout (paged or
 * contiguous); its one parameter is a flash_cuda_call.
 *
 * Decode: grid (tiles * n_kv_heads, chunks), tiles = n_seqs + floor(n_tokens g / 16).
 * Prefill, of tiles of 128 or 64 rows: grid tiles * n_kv_heads, tiles = n_seqs +
 * floor(n_tokens g / rows). Prefill90: the same, of tiles of flash_prefill90_rows(); images for
 * other architectures than sm_90a have a stub in its place, whose blocks have at most 32 threads.
 */
const void *flash_decode_kernel(int head_dim, int f16, int paged);
const void *flash_prefill_kernel(int head_dim, int rows, int f16, int paged);
const void *flash_prefill90_kernel(int head_dim, int f16, int paged);

/** Bytes of dynamic shared memory of a block. */
static inline int flash_decode_smem(int head_dim)
{
    return FLASH_DECODE_WARPS * FLASH_DECODE_STAGES(head_dim) * 2 * FLASH_CUDA_PIECE * head_dim * 2;
}

/* 64 rows of 128 begin in a place of keys. */
static inline int flash_prefill_smem(int head_dim, int rows)
{
    return ((rows == FLASH_PREFILL_SHORT_ROWS && head_dim == 128 ? 0 : rows) +
            FLASH_PREFILL_STAGES * 2 * FLASH_PREFILL_KEYS) *
           head_dim * 2;
}

static inline int flash_prefill90_rows(int head_dim)
{
    return 64 * FLASH_PREFILL90_WARPGROUPS(head_dim);
}

static inline int flash_prefill90_threads(int head_dim)
{
    return 128 * (FLASH_PREFILL90_WARPGROUPS(head_dim) + 1);
}

/* Queries, places of keys and of values, and the places' barriers. */
static inline int flash_prefill90_smem(int head_dim)
{
    return (flash_prefill90_rows(head_dim) + FLASH_PREFILL90_STAGES * 2 * FLASH_PREFILL90_KEYS) *
               head_dim * 2 +
           FLASH_PREFILL90_STAGES * 4 * 8;
}

#ifdef __cplusplus
}
#endif

#endif
