/* SPDX-License-Identifier: MIT */
/** @file row_tile.cuh  From the index of a row tile to its sequence, rows and positions. */
#ifndef FLASH_ROW_TILE_CUH
#define FLASH_ROW_TILE_CUH

#include "flash_cuda.h"
#include "../common/sequence_of_tile.cuh"

/* The row tile of a thread block: rows [row0, row0 + rows) of one sequence and head. */
typedef struct row_tile {
    int head;   /* key/value head */
    int slot;   /* of the cache */
    int token0; /* the sequence's first query token */
    int row0;   /* row r: query head r % group of token r / group */
    int rows;
    int pos0;   /* position of token 0 */
    int pos_lo; /* of the tile's first row */
    int pos_hi; /* of its last row */
    int lo;     /* [lo, hi): tokens that a row of the tile sees */
    int hi;
} row_tile;

/**
 * Finds the tile of `tile_rows` rows that this thread block computes. Sequence i owns tiles
 * floor(q_start[i] g / tile_rows) + i <= x / n_kv_heads < floor(q_start[i+1] g / tile_rows) + i +
 * 1, never fewer than it has tiles; its last tile, which sees most keys, comes first.
 *
 * @return false where the thread block has no tile
 */
DEVICE_INLINE bool find_row_tile(const flash_cuda_call *c, int tile_rows, int lane,
                                 row_tile *ret_tile)
{
    const int tile = blockIdx.x / c->n_kv_heads;
    const int head = blockIdx.x - tile * c->n_kv_heads; /* % would divide again */
    const int seq = sequence_of_tile(c, tile_rows, 1, lane, tile);
    /* slot and kv_len are undefined where the sequence has no rows: loaded early, used below. */
    const int token0 = __ldg(c->q_start + seq), tokens = __ldg(c->q_start + seq + 1) - token0;
    const int kv_len = __ldg(c->kv_len + seq), slot = __ldg(c->slot + seq);
    const int local = tile - token0 * c->group / tile_rows - seq;
    const int n_local = (tokens * c->group + tile_rows - 1) / tile_rows;

    if (local >= n_local)
        return false;
    ret_tile->head = head;
    ret_tile->slot = slot;
    ret_tile->token0 = token0;
    ret_tile->row0 = (n_local - 1 - local) * tile_rows;
    ret_tile->rows = min(tile_rows, tokens * c->group - ret_tile->row0);
    ret_tile->pos0 = kv_len - tokens;
    ret_tile->pos_lo = ret_tile->pos0 + ret_tile->row0 / c->group;
    ret_tile->pos_hi = ret_tile->pos0 + (ret_tile->row0 + ret_tile->rows - 1) / c->group;
    ret_tile->lo = c->window ? max(0, ret_tile->pos_lo - c->window + 1) : 0;
    ret_tile->hi = ret_tile->pos_hi + 1;
    return true;
}

#endif
