/* SPDX-License-Identifier: MIT */
/**
 * @file flash_cuda.h  What the host code of flash on CUDA and its kernels share.
 *
 * Terms. A *query token* is a row of q; a *query row*, in short row, is one query head of a query
 * token. A *KV block* is 16 tokens at positions 16 b .. 16 b + 15; a page of the cache holds a
 * whole number of them, so tokens of a KV block are evenly spaced in memory. A *row tile* is the
 * query rows of one key/value head that a thread block computes, a *key tile* the tokens it
 * multiplies them with at once (in decode a KV block, in decode8 one or two), a *stage* the shared
 * memory of one key tile in a ring, and a *split* the part of a sequence's keys that one thread
 * block of decode processes.
 */
#ifndef FLASH_CUDA_H
#define FLASH_CUDA_H

#include <stdint.h>

#include <confgen/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    FLASH_KV_BLOCK = 16, /* tokens */

    FLASH_DECODE_ROWS = 16, /* of a row tile: of one mma */
    /* Of a thread block, a power of two W; KV block b is that of warp b % W. */
    FLASH_DECODE_WARPS = 2,

    FLASH_PREFILL_ROWS = 128,      /* of a row tile: four warps of 32 */
    FLASH_PREFILL_SHORT_ROWS = 64, /* the same for short prompts: four warps of 16 */
    FLASH_PREFILL_KEYS = 64,       /* tokens of a key tile, from positions 0, 64, 128 ... */
    FLASH_PREFILL_WARPS = 4,
    FLASH_PREFILL_STAGES = 2,

    FLASH_PREFILL90_KEYS = 128, /* the same for prefill90 */
    FLASH_PREFILL90_STAGES = 2,
};

/* Consumer warpgroups of prefill90, 64 rows each; one more copies keys and values. */
#define FLASH_PREFILL90_WARPGROUPS(head_dim) ((head_dim) == 64 ? 3 : 2)

/* Stages of a warp's ring, and thread blocks that share a multiprocessor of compute capability 9.0
 * and hide each other's start and end. */
#define FLASH_DECODE_STAGES(head_dim) ((head_dim) <= 64 ? 3 : 2)
#define FLASH_DECODE_BLOCKS(head_dim)                                                              \
    ((head_dim) <= 96 ? 8 : (head_dim) == 128 ? 6 : (head_dim) == 192 ? 4 : 2)

/** Division of 0 <= n < 2^31 by a divisor d > 0: floor(n / d) = n multiplier >> shift, of 64 bits.
 */
typedef struct flash_divisor {
    uint32_t multiplier; /* floor(2^shift / d) + 1 */
    uint32_t shift;      /* 31 + ceil(log2(d)) */
} flash_divisor;

/**
 * One call, as the kernels get it: pointers are device memory, strides are bytes.
 *
 * Rows. With g = n_heads / n_kv_heads, row r of a sequence and key/value head is query head
 * kv_head * g + r % g of the sequence's query token r / g. A thread block computes one row tile of
 * one key/value head (decode: against one split of its keys).
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
    int64_t page_stride; /* contiguous views: of a slot */
    int64_t head_stride;
    int64_t token_stride;
    int32_t table_stride;
    int32_t page_kv_blocks; /* KV blocks of a page */
    int32_t n_seqs;
    int32_t n_kv_heads;
    int32_t group;      /* g */
    int32_t window;     /* 0: all */
    float scale;        /* |scale| log2(e), for exp2 */
    uint32_t sign_flip; /* 0x80008000 where the scale is negative: xor of pairs of q's elements */

    /* decode only */
    flash_divisor by_heads; /* n_kv_heads */
    flash_divisor by_group;
    flash_divisor by_page;   /* page_kv_blocks */
    int32_t split_kv_blocks; /* KV blocks of a split; splits begin at absolute multiples of it */
    int32_t max_rows;        /* rows of the partial results, per key/value head and split */
    float *partial_acc;     /* [n_splits, n_kv_heads, max_rows, head_dim] sum of weights x values */
    float *partial_max_sum; /* [n_splits, n_kv_heads, max_rows, 2] maximum score, sum of weights */
    uint32_t *finished;     /* [row tiles, n_kv_heads] splits that are done; 0 between launches */

    /* caches of 8 bits only */
    const float *k_scale; /* NULL: not scaled */
    const float *v_scale;
    int64_t scale_page_stride; /* contiguous views: of a slot */
    int64_t scale_head_stride;
    int64_t scale_token_stride;
    int32_t q_is_f16; /* type of q and out: f16, else bf16 */
} flash_cuda_call;

/**
 * Returns the kernel for a head size (prefill: 64 or 128; decode: 32, 56, 64, 80, 96, 128, 192 or
 * 256, else NULL), an element type (f16, else bf16) and a layout (paged, else contiguous). Its only
 * parameter is a flash_cuda_call.
 *
 * Decode: grid (tiles * n_kv_heads, splits), tiles = n_seqs + floor(n_tokens g / 16).
 * Prefill, row tiles of 128 or 64 rows: grid tiles * n_kv_heads, tiles = n_seqs +
 * floor(n_tokens g / rows). Prefill90: the same, row tiles of flash_prefill90_rows(); images for
 * architectures other than sm_90a hold a stub whose thread blocks have at most 32 threads.
 */
const void *flash_get_decode_kernel(int head_dim, int f16, int paged);
const void *flash_get_prefill_kernel(int head_dim, int rows, int f16, int paged);
const void *flash_get_prefill90_kernel(int head_dim, int f16, int paged);

/** A kernel for caches of 8 bits. Its only parameter is a flash_cuda_call. */
typedef struct flash_decode8_variant {
    const void *kernel;
    int32_t tile_rows; /* of a row tile */
    int32_t warps;     /* of a thread block */
    int32_t kv_blocks; /* of a key tile: splits begin at multiples of it */
    int32_t smem;      /* bytes of dynamic shared memory of a thread block */
} flash_decode8_variant;

/**
 * Returns the kernel for a head size that flash_get_decode_kernel() knows, a cache of f8_e4m3,
 * f8_e5m2 or i8, and a number of rows per sequence and key/value head: the typical one, kernels
 * serve any. q is bf16 or f16, the cache contiguous or paged.
 *
 * Grid (tiles * n_kv_heads, splits), tiles = n_seqs + floor(n_tokens g / tile_rows).
 *
 * @param fills_gpu  thread blocks of one warp, which serve one split, fill the GPU: such a kernel,
 *                   for up to 8 rows and head sizes 64 and 128
 */
flash_decode8_variant flash_select_decode8(int head_dim, cg_dtype kv_dtype, int64_t rows,
                                           int fills_gpu);

/** Granlund and Montgomery 1994, "Division by invariant integers using multiplication". */
static inline flash_divisor flash_divisor_of(int32_t d)
{
    flash_divisor by = { 0, 31 };

    while ((int64_t)1 << (by.shift - 31) < d)
        by.shift++;
    by.multiplier = (uint32_t)(((uint64_t)1 << by.shift) / (uint32_t)d + 1);
    return by;
}

/** Returns the bytes of dynamic shared memory of a thread block. */
static inline int flash_decode_smem(int head_dim)
{
    int dim = (head_dim + 15) / 16 * 16; /* rows: decode.cu */
    int stride = dim % 64 ? (dim / 8 | 1) * 16 : dim * 2;

    return FLASH_DECODE_WARPS * FLASH_DECODE_STAGES(head_dim) * 2 * FLASH_KV_BLOCK * stride;
}

/* Queries of 64 rows of 128 elements are loaded into a stage of keys, others take memory of their
 * own. */
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

/* Queries, stages of keys and of values, and the stages' barriers. */
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
