/* SPDX-License-Identifier: MIT */
/**
 * @file warpgroup_tile.cuh  Products and masks of the key tiles of a prefill kernel of warpgroups.
 *
 * A shape S of such a kernel has KK steps of 16 elements, NN groups of 8 tokens of a key tile,
 * PANELS panels of 64 elements, and the bytes PANEL of a panel of keys or values and Q_PANEL of one
 * of queries.
 */
#ifndef CG_WARPGROUP_TILE_CUH
#define CG_WARPGROUP_TILE_CUH

#include <math_constants.h>

#include "ptx/wgmma.cuh"

#if HAS_WGMMA

/* Queues p = Q K^T of one key tile. */
template <typename S, typename Element>
DEVICE_INLINE void queue_scores(float (*p)[4], uint32_t q_descriptor, uint32_t k)
{
    const uint32_t k_descriptor = shared_descriptor(k, 16);

#pragma unroll
    for (int kk = 0; kk < S::KK; kk++)
        wgmma_scores<Element, S::NN * 8>(
            p, q_descriptor + ((kk / 4 * S::Q_PANEL + kk % 4 * 32) >> 4),
            k_descriptor + ((kk / 4 * S::PANEL + kk % 4 * 32) >> 4), kk > 0);
}

/* Queues acc += weights times the values of one key tile. */
template <typename S, typename Element>
DEVICE_INLINE void queue_values(float (*acc)[4], const uint32_t (*weights)[4], uint32_t v)
{
    const uint32_t v_descriptor = shared_descriptor(v, S::PANEL);

#pragma unroll
    for (int n = 0; n < S::NN / 2; n++)
        wgmma_values<S::PANELS * 64, Element>(acc, weights[n], v_descriptor + (n * 2048 >> 4));
}

/* Sets the scores of row h outside of columns first to last, relative to p[0][2 h], to -infinity.
 * n: C fragments in p. */
DEVICE_INLINE void mask_columns(float (*p)[4], int n, int h, int first, int last)
{
#pragma unroll
    for (int i = 0; i < n; i++)
#pragma unroll
        for (int e = 0; e < 2; e++)
            if (8 * i + e > last || 8 * i + e < first)
                p[i][2 * h + e] = -CUDART_INF_F;
}

/*
 * Sets to -infinity the scores of row g + 8 h that its position or window hides.
 *
 * @param n       C fragments in p
 * @param token   position of the score in p[0][2 h]
 * @param pos     position of the row
 * @param window  0: unlimited
 */
DEVICE_INLINE void mask_scores(float (*p)[4], int n, int h, int token, int pos, int window)
{
    const int last = pos - token; /* column */

    mask_columns(p, n, h, window ? last - window + 1 : INT32_MIN, last);
}

/* Returns a stage to the producer, once per warp. */
DEVICE_INLINE void release(uint32_t barrier, int lane)
{
    if (lane == 0)
        phase_arrive(barrier);
}

/*
 * ptxas moves wgmma_wait() up to where the product was queued unless a branch lies between, and the
 * work that should overlap the product would follow it. This branch is never taken: n >= 0, which
 * the compiler does not know.
 */
DEVICE_INLINE void keep_before_wait(int n)
{
    if (n < 0)
        __trap();
}

#endif

#endif
