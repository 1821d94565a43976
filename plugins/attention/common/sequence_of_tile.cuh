/* SPDX-License-Identifier: MIT */
/** @file sequence_of_tile.cuh  From the index of a row tile to its sequence. */
#ifndef CG_SEQUENCE_OF_TILE_CUH
#define CG_SEQUENCE_OF_TILE_CUH

#include "ptx/ptx.cuh"

/**
 * Returns the last sequence i with floor(q_start[i] * group / rows) + reserved * i <= tile, for
 * tile >= 0. The 32 lanes of a warp search together: one dependent load for 32 sequences, two for
 * 1024, where the binary search of cg_attention_sequence_of_token() takes 5 and 10. That costs less
 * than a launch that would tabulate the tiles.
 *
 * @param CONSTANT  no earlier kernel that still runs writes q_start
 * @param c         a call with q_start, n_seqs and group
 */
template <bool CONSTANT = true, typename Call>
DEVICE_INLINE int sequence_of_tile(const Call *c, int rows, int reserved, int lane, int tile)
{
    int lo = 0, n = c->n_seqs; /* it is in [lo, lo + n) */

    while (n > 1) {
        int step = (n + 31) / 32, i = lane * step;
        const int32_t *start = c->q_start + lo + i;
        bool below =
            i < n &&
            (CONSTANT ? __ldg(start) : *start) * c->group / rows + reserved * (lo + i) <= tile;
        int last = __popc(__ballot_sync(FULL_WARP, below)) - 1; /* lane 0's is below */

        lo += last * step;
        n = min(step, n - last * step);
    }
    return lo;
}

#endif
