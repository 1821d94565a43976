/* SPDX-License-Identifier: MIT */
/**
 * @file decode.cuh  What both decode kernels use: the work of a thread block, and the merge of its
 * warps' results and of the results of splits.
 */
#ifndef FLASH_DECODE_CUH
#define FLASH_DECODE_CUH

#include "row_tile.cuh"
#include "../common/softmax.cuh"

/* floor(n / d), n >= 0. Divisions are a good part of what precedes the first copy. */
DEVICE_INLINE int divide(int n, flash_divisor by)
{
    return (int)((uint64_t)(uint32_t)n * by.multiplier >> by.shift);
}

/* n * stride, n >= 0: the product of two signed numbers takes twice as many instructions. */
DEVICE_INLINE int64_t stride_times(int n, int64_t stride)
{
    return (int64_t)((uint32_t)n * (uint64_t)stride);
}

/* ---- work of a thread block ------------------------------------------------------------------ */

/*
 * Starts a thread block of decode: afterwards it may read and write memory. Thread blocks become
 * resident while those of an earlier kernel finish. That kernel may write all that this one reads,
 * so no load of decode is an __ldg(). The prefetch shortens the first loads.
 *
 * @param PREFETCHES  the launch is small: this thread block is probably resident early
 */
template <bool PREFETCHES = true> DEVICE_INLINE void start_decode(const flash_cuda_call *c)
{
    const int tile = divide(blockIdx.x, c->by_heads);

    allow_next_kernel();
    if (PREFETCHES && tile < c->n_seqs && threadIdx.x == 0) {
        prefetch_to_l2(c->q_start + tile);
        prefetch_to_l2(c->kv_len + tile);
        prefetch_to_l2(c->slot + tile);
    }
    wait_for_earlier_kernels();
}

/*
 * Finds the row tile of this thread block: tile x is the first of sequence x, tile n_seqs + x one
 * of the others.
 *
 * @param tile_rows  rows of a tile
 * @return false where the thread block has no tile
 */
DEVICE_INLINE bool find_decode_tile(const flash_cuda_call *c, int tile_rows, int lane,
                                    row_tile *ret_tile)
{
    const int tile = divide(blockIdx.x, c->by_heads);
    const int head = blockIdx.x - tile * c->n_kv_heads;
    int seq = tile, row0 = 0;

    if (tile >= c->n_seqs) {
        int x = tile - c->n_seqs;

        if (x >= c->q_start[c->n_seqs] * c->group / tile_rows)
            return false;
        seq = sequence_of_tile<false>(c, tile_rows, 0, lane, x);
        row0 = (x - c->q_start[seq] * c->group / tile_rows + 1) * tile_rows;
    }

    /* slot and kv_len are undefined where the sequence has no rows: loaded early, used below. */
    const int token0 = c->q_start[seq], tokens = c->q_start[seq + 1] - token0;
    const int kv_len = c->kv_len[seq], slot = c->slot[seq];

    if (row0 >= tokens * c->group)
        return false;
    ret_tile->head = head;
    ret_tile->slot = slot;
    ret_tile->token0 = token0;
    ret_tile->row0 = row0;
    ret_tile->rows = min(tile_rows, tokens * c->group - row0);
    ret_tile->pos0 = kv_len - tokens;
    ret_tile->pos_lo = ret_tile->pos0 + divide(row0, c->by_group);
    ret_tile->pos_hi = ret_tile->pos0 + divide(row0 + ret_tile->rows - 1, c->by_group);
    ret_tile->lo = c->window ? max(0, ret_tile->pos_lo - c->window + 1) : 0;
    ret_tile->hi = ret_tile->pos_hi + 1;
    return true;
}

/* The part of a row tile's keys that a thread block multiplies. */
typedef struct key_range {
    int begin; /* KV blocks begin <= b < end */
    int end;
    int n_splits; /* splits that hold a token the tile sees */
} key_range;

/*
 * Finds the keys of this thread block: those of the blockIdx.y-th split that the tile sees.
 *
 * @param SPLITS  the grid may have several splits
 */
template <bool SPLITS = true>
DEVICE_INLINE void find_split(const flash_cuda_call *c, const row_tile *tile, key_range *ret_keys)
{
    const int first_block = tile->lo / FLASH_KV_BLOCK;
    const int end_block = (tile->hi + FLASH_KV_BLOCK - 1) / FLASH_KV_BLOCK;

    if (!SPLITS) {
        *ret_keys = { first_block, end_block, 1 };
        return;
    }

    const int first_split = gridDim.y == 1 ? 0 : first_block / c->split_kv_blocks;
    const int split = first_split + (int)blockIdx.y;

    ret_keys->begin = max(first_block, split * c->split_kv_blocks);
    ret_keys->end = min(end_block, (split + 1) * c->split_kv_blocks);
    ret_keys->n_splits =
        gridDim.y == 1 ? 1 : (end_block - 1) / c->split_kv_blocks - first_split + 1;
}

/* ---- results --------------------------------------------------------------------------------- */

/* Merged partial results of a row; max is the maximum of all before the first is added. */
typedef struct merged_row {
    float max;
    float sum;
    float x; /* two neighbouring elements of the accumulator */
    float y;
} merged_row;

/* Adds a partial result: its maximum and sum, and two elements of its accumulator. */
DEVICE_INLINE void merge(merged_row *m, float2 max_sum, float2 xy, float scale)
{
    float factor = softmax_factor(max_sum.x, m->max, scale);

    m->sum = __fmaf_rn(factor, max_sum.y, m->sum);
    m->x = __fmaf_rn(factor, xy.x, m->x);
    m->y = __fmaf_rn(factor, xy.y, m->y);
}

template <typename Element> DEVICE_INLINE void store_out(const merged_row *m, char *out)
{
    *(uint32_t *)out = pack_out<Element>(m->x, m->y, __fdiv_rn(1.0f, m->sum));
}

/*
 * Returns whether this thread block is the last of its row tile and head to finish, the same for
 * all its threads. Stores of the other thread blocks are then visible to it, and the counter is 0
 * again for the next launch.
 */
DEVICE_INLINE bool is_last_split(uint32_t *finished, int n_splits, int *shared_is_last)
{
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) {
        *shared_is_last = atomicAdd(finished, 1) == (uint32_t)n_splits - 1;
        if (*shared_is_last)
            *finished = 0;
        __threadfence();
    }
    __syncthreads();
    return *shared_is_last;
}

/* Address in out of element d of the tile's row i. */
template <int WIDTH>
DEVICE_INLINE char *out_address(const flash_cuda_call *c, const row_tile *tile, int i, int d)
{
    constexpr int ROW_BYTES = WIDTH * 2;
    const int row = tile->row0 + i, token = divide(row, c->by_group);

    return c->out + stride_times(tile->head, c->group * ROW_BYTES) +
           stride_times(tile->token0 + token, c->out_stride) +
           (uint32_t)((row - token * c->group) * ROW_BYTES + d * 2);
}

/*
 * Merges the results of the warps and stores them to out, or if the tile sees several splits,
 * to the partial results. A thread computes two elements of a row. RING: bytes between the rings of
 * two warps, at the start of which are accumulators, PITCH: floats between their rows.
 *
 * @param scale  of maxima, for exp2
 */
template <int WIDTH, int RING, int PITCH, typename Element, int ROWS>
DEVICE_INLINE void merge_warps(const flash_cuda_call *c, const row_tile *tile, int n_splits,
                               const float2 (*max_sum)[ROWS], const unsigned char *shared,
                               float scale)
{
    const int64_t partial_row0 = (int64_t)tile->token0 * c->group + tile->row0;

    for (int x = threadIdx.x; x < tile->rows * (WIDTH / 2); x += FLASH_DECODE_WARPS * 32) {
        const int i = x / (WIDTH / 2), d = x % (WIDTH / 2) * 2;
        merged_row m = { -CUDART_INF_F, 0, 0, 0 };

#pragma unroll
        for (int w = 0; w < FLASH_DECODE_WARPS; w++)
            m.max = fmaxf(m.max, max_sum[w][i].x);
#pragma unroll
        for (int w = 0; w < FLASH_DECODE_WARPS; w++)
            merge(&m, max_sum[w][i],
                  *(const float2 *)(shared + w * RING + (i * PITCH + d) * sizeof(float)), scale);
        if (n_splits == 1) {
            store_out<Element>(&m, out_address<WIDTH>(c, tile, i, d));
        } else {
            const int split = blockIdx.y;
            int64_t at =
                (int64_t)(split * c->n_kv_heads + tile->head) * c->max_rows + partial_row0 + i;

            *(float2 *)(c->partial_acc + at * WIDTH + d) = make_float2(m.x, m.y);
            if (d == 0)
                *(float2 *)(c->partial_max_sum + at * 2) = make_float2(m.max, m.sum);
        }
    }
}

/* Merges the partial results of the tile's splits, in ascending order, and stores them to out. */
template <int WIDTH, typename Element>
DEVICE_INLINE void merge_splits(const flash_cuda_call *c, const row_tile *tile, int n_splits,
                                float scale)
{
    const int64_t step = (int64_t)c->n_kv_heads * c->max_rows; /* between splits */
    const int64_t partial_row0 = (int64_t)tile->token0 * c->group + tile->row0;

    for (int x = threadIdx.x; x < tile->rows * (WIDTH / 2); x += FLASH_DECODE_WARPS * 32) {
        const int i = x / (WIDTH / 2), d = x % (WIDTH / 2) * 2;
        const int64_t at = (int64_t)tile->head * c->max_rows + partial_row0 + i;
        merged_row m = { -CUDART_INF_F, 0, 0, 0 };

        for (int j = 0; j < n_splits; j++)
            m.max = fmaxf(m.max, __ldcg(c->partial_max_sum + (at + j * step) * 2));
        for (int j = 0; j < n_splits; j++)
            merge(&m, __ldcg((const float2 *)(c->partial_max_sum + (at + j * step) * 2)),
                  __ldcg((const float2 *)(c->partial_acc + (at + j * step) * WIDTH + d)), scale);
        store_out<Element>(&m, out_address<WIDTH>(c, tile, i, d));
    }
}

#endif
