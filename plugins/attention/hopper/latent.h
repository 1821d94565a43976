/* SPDX-License-Identifier: MIT */
/**
 * @file latent.h  Sizes and arguments of the kernels of latent attention, for host code and
 * kernels.
 *
 * Latent attention (MLA, absorbed): one key/value head, keys of 576 elements whose first 512 are
 * the value.
 *
 * Terms. A *token group* is as many query tokens of a sequence as have at most 64 heads together,
 * at least one. A *row tile* is 64 heads of a token group: row r of it is head head0 + r % w of the
 * group's token r / w, with w = min(n_heads, 64). A *team* of thread blocks, one for each row tile
 * of a token group, works on the same keys. A *key tile* is 64 tokens, from positions 0, 64, 128
 * .... A *part* is a range of a token group's key tiles that one team multiplies.
 */
#ifndef HOPPER_LATENT_H
#define HOPPER_LATENT_H

#include <cuda.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    LATENT_DIM = 576, /* elements of a query and a key */
    LATENT_VALUES = 512,
    LATENT_ROWS = 64,
    LATENT_KEYS = 64,
    LATENT_THREADS = 384, /* two warpgroups multiply, a warp of the third copies */
    LATENT_STAGES = 2,
    LATENT_PANEL = 64,                         /* elements: 128 bytes */
    LATENT_PANELS = LATENT_DIM / LATENT_PANEL, /* of a query and a key */
    LATENT_PANEL_BYTES = LATENT_KEYS * 128,    /* of 64 rows */
    LATENT_TILE = LATENT_PANELS * LATENT_PANEL_BYTES,

    LATENT_MERGE_THREADS = 128, /* a warp per row */

    /* What may be tuned. */
    /* Panels of the next key tile's scores that are queued before the product of this one's weights
     * and values, 0 to 9. They fill the pauses of the products, but wait for keys: */
    LATENT_AHEAD = 0,        /* for teams of one thread block, for which memory is the limit */
    LATENT_AHEAD_SHARED = 3, /* for larger ones, whose products are */
    LATENT_START = 2,        /* time to start and end a row tile, in key tiles */
    LATENT_SPLIT = 4,        /* token groups are divided if that saves more time, in key tiles */
    LATENT_LEAST = 4,        /* key tiles of a part, unless the row tile has fewer */
};

/** A token group whose key tiles several teams divide. */
typedef struct latent_split {
    int32_t parts;  /* consecutive teams, from the one that has this entry on; 0: no such group */
    int32_t token0; /* of q and out */
    int32_t tokens;
    int32_t reserved;
} latent_split;

/** One call; pointers are device memory, strides are bytes. */
typedef struct latent_call {
    CUtensorMap q; /* [tokens][heads][elements], box [tile_tokens][tile_heads][64] */
    CUtensorMap k; /* [blocks][1][tokens of a block][elements], box [1][1][box_tokens][64] */
    CUtensorMap v; /* the same; not used unless is_separate */
    char *out;
    int64_t out_stride;
    const int32_t *q_start;    /* [n_seqs + 1] */
    const int32_t *slot;       /* [n_seqs] */
    const int32_t *kv_len;     /* [n_seqs] */
    const int32_t *page_table; /* [n_slots, table_stride]; contiguous views: NULL */
    latent_split *splits;      /* [n_teams] of the group that begins at the end of a team's range */
    float *sums; /* [n_teams, head_tiles, 2, 64, 512] weights x values of parts; [.., 0, ..] of the
                    group at the begin of a team's range, [.., 1, ..] of that at its end */
    float *max_sum; /* [n_teams, head_tiles, 2, 64, 2] largest score, sum of weights */
    int32_t table_stride;
    int32_t block_tokens;
    int32_t box_tokens; /* of one copy: divides block_tokens if paged, at most LATENT_KEYS */
    int32_t n_seqs;
    int32_t n_heads;
    int32_t tile_heads;  /* min(n_heads, 64) */
    int32_t tile_tokens; /* 64 / tile_heads: of a token group */
    int32_t head_tiles;  /* thread blocks of a team: n_heads / 64, rounded up */
    int32_t n_teams;
    int32_t window;      /* 0: all */
    int32_t is_separate; /* values are not the first elements of the keys */
    int32_t is_whole;    /* no token group is divided */
    float scale;         /* scale log2(e) > 0, for exp2 */
} latent_call;

/**
 * Returns a kernel for an element type (f16, else bf16), and teams of several thread blocks
 * (is_shared) or of one. Their only parameter is a latent_call.
 *
 * Decode: grid n_teams * head_tiles; images for architectures other than sm_90a hold a stub of at
 * most 32 threads. Merge, which follows it unless is_whole: grid (64 / 4, n_teams * head_tiles).
 */
const void *latent_get_decode_kernel(int is_shared, int f16);
const void *latent_get_merge_kernel(int f16);

/** Bytes of dynamic shared memory: queries, stages of keys, weights; then what warps give each
 * other, and barriers (latent.cu). */
static inline int latent_smem(void)
{
    return LATENT_TILE * (1 + LATENT_STAGES) + LATENT_ROWS * LATENT_KEYS * 2 + 2048;
}

#ifdef __cplusplus
}
#endif

#endif
