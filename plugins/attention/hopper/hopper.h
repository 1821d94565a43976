/* SPDX-License-Identifier: MIT */
/**
 * @file hopper.h  What the host code of hopper and its kernels share.
 *
 * Terms as in ../flash/flash_cuda.h: row r of a sequence and key/value head is query head
 * kv_head * group + r % group of the sequence's query token r / group. A *row tile* is what the
 * consumers of a thread block compute at once, a *key tile* the tokens they multiply it with.
 */
#ifndef HOPPER_H
#define HOPPER_H

#include <cuda.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    HOPPER_KEYS = 128, /* tokens of a key tile, from positions 0, 128, 256 ... */
    HOPPER_STAGES = 2, /* of keys, and of values */
    HOPPER_SECTION =
        8, /* key/value heads whose row tiles are taken longest first; 1: head by head */
    HOPPER_PANEL = 64, /* elements that one copy takes of a row: 128 bytes, one swizzle span */
};

/* Stages of keys and of values of f8_e4m3, before their conversion. */
#define HOPPER_F8_STAGES(head_dim) ((head_dim) == 64 ? 2 : 1)

/* Consumer warpgroups, 64 rows each. */
#define HOPPER_WARPGROUPS(head_dim) ((head_dim) == 64 ? 3 : 2)

/** One call; pointers are device memory, strides are bytes. */
typedef struct hopper_call {
    CUtensorMap q; /* [tokens][heads][elements], box [rows / group][group][64] */
    CUtensorMap k; /* [blocks][heads][tokens of a block][elements], box [1][1][box_tokens][64] */
    CUtensorMap v; /* the same */
    char *out;
    int64_t out_stride;
    const int32_t *q_start;    /* [n_seqs + 1] */
    const int32_t *slot;       /* [n_seqs] */
    const int32_t *kv_len;     /* [n_seqs] */
    const int32_t *page_table; /* [n_slots, table_stride]; contiguous views: NULL */
    uint32_t *next_tile;       /* the number of the next row tile; 0 between launches */
    int32_t table_stride;
    int32_t block_tokens;
    int32_t box_tokens; /* of one copy: divides the key tile, and block_tokens if paged */
    int32_t n_seqs;
    int32_t n_kv_heads;
    int32_t group;
    int32_t window;    /* 0: all */
    int32_t is_causal; /* 0: rows see later tokens too */
    int32_t n_tiles;   /* upper bound: (n_seqs + floor(n_tokens group / rows)) n_kv_heads */
    float scale;       /* scale log2(e) > 0, for exp2 */
    /* Of keys and values of 8 bits; those of cg_kv_view */
    const float *k_scale;
    const float *v_scale;
    int64_t scale_block_stride;
    int64_t scale_head_stride;
    int64_t scale_token_stride;
} hopper_call;

/** Returns the prefill kernel for a head size (64 or 128), an element type of q and out (f16, else
 * bf16) and caches of the same type or of f8_e4m3. Images for architectures other than sm_90a hold
 * a stub of at most 32 threads. */
const void *hopper_get_prefill_kernel(int head_dim, int f16, int f8);

static inline int hopper_rows(int head_dim)
{
    return 64 * HOPPER_WARPGROUPS(head_dim);
}

static inline int hopper_threads(int head_dim)
{
    return 128 * (HOPPER_WARPGROUPS(head_dim) + 1);
}

/** Bytes of dynamic shared memory: queries, results, stages of keys and of values; over f8 also
 * those before the conversion, with a scale per token; barriers. */
static inline int hopper_smem(int head_dim, int f8)
{
    const int copies = f8 ? HOPPER_F8_STAGES(head_dim) * 2 * HOPPER_KEYS * (head_dim + 4) : 0;

    return (2 * hopper_rows(head_dim) + HOPPER_STAGES * 2 * HOPPER_KEYS) * 2 * head_dim + copies +
           256;
}

#ifdef __cplusplus
}
#endif

#endif
