/* SPDX-License-Identifier: MIT */
/** @file weights.cuh  From the scores of a key tile to the weights of its values. */
#ifndef HOPPER_WEIGHTS_CUH
#define HOPPER_WEIGHTS_CUH

#include "../common/softmax.cuh"

/* Updates the maxima for the scores of 8 NN tokens. factor: of older sums; offset: of exponents. */
template <int NN>
DEVICE_INLINE void update_max(const float (*p)[4], softmax soft[2], float factor[2],
                              float offset[2], float scale)
{
#pragma unroll
    for (int h = 0; h < 2; h++) {
        float max = fmaxf(p[0][2 * h], p[0][2 * h + 1]);

#pragma unroll
        for (int i = 1; i < NN; i++)
            max = fmaxf(max, fmaxf(p[i][2 * h], p[i][2 * h + 1]));
        max = fmaxf(soft[h].max, row_max(max));
        factor[h] = softmax_factor(soft[h].max, max, scale);
        soft[h].max = max;
        offset[h] = softmax_offset(max, scale);
    }
}

/* Replaces the scores of 8 NN tokens by weights and adds these to `sum`. */
template <int NN>
DEVICE_INLINE void compute_weights(float (*p)[4], float sum[2], const float offset[2], float scale)
{
#pragma unroll
    for (int h = 0; h < 2; h++)
#pragma unroll
        for (int i = 0; i < NN; i++)
#pragma unroll
            for (int e = 0; e < 2; e++) {
                p[i][2 * h + e] = exp2_fast(__fmaf_rn(p[i][2 * h + e], scale, -offset[h]));
                sum[h] = __fadd_rn(sum[h], p[i][2 * h + e]);
            }
}

/* Replaces the scores of 8 NN tokens by weights. factor: of older sums. */
template <int NN>
DEVICE_INLINE void update_softmax(float (*p)[4], softmax soft[2], float factor[2], float scale)
{
    float offset[2], sum[2] = { 0, 0 };

    update_max<NN>(p, soft, factor, offset, scale);
    compute_weights<NN>(p, sum, offset, scale);
#pragma unroll
    for (int h = 0; h < 2; h++)
        soft[h].sum = __fmaf_rn(soft[h].sum, factor[h], sum[h]);
}

/* Makes the accumulators of NN groups of 8 elements relative to the new maximum. */
template <int NN> DEVICE_INLINE void scale_values(float (*acc)[4], const float factor[2])
{
#pragma unroll
    for (int n = 0; n < NN; n++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            acc[n][e] = __fmul_rn(acc[n][e], factor[e / 2]);
}

template <int NN, typename Element>
DEVICE_INLINE void pack_tile(uint32_t (*weights)[4], const float (*p)[4])
{
#pragma unroll
    for (int n = 0; n < NN / 2; n++)
        pack_weights<Element>(weights[n], p + 2 * n);
}

#endif
