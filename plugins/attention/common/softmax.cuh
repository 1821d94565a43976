/* SPDX-License-Identifier: MIT */
/** @file softmax.cuh  The running softmax of a row over C fragments of scores. */
#ifndef CG_SOFTMAX_CUH
#define CG_SOFTMAX_CUH

#include <math_constants.h>

#include "ptx/mma.cuh"

/*
 * State of one row. The four lanes that share the row hold the same `max`; each holds in `sum` the
 * sum over its own tokens. A row that has seen no token has max -infinity.
 *
 * Every rounding is explicit (__fmul_rn ...), so the compiler cannot fuse an operation in one place
 * and not in another. A tile of which the row sees no token changes no bit: factor and weights are
 * 1 and 0.
 */
typedef struct softmax {
    float max; /* of the scores before scaling */
    float sum;
} softmax;

/* Offset of the exponents: weights are exp2(score * scale - offset). */
DEVICE_INLINE float softmax_offset(float max, float scale)
{
    return __fmul_rn(max == -CUDART_INF_F ? 0.0f : max, scale);
}

/* Factor that converts sums relative to `max` into sums relative to `new_max`. */
DEVICE_INLINE float softmax_factor(float max, float new_max, float scale)
{
    return exp2_fast(__fmul_rn(__fsub_rn(max, new_max == -CUDART_INF_F ? 0.0f : new_max), scale));
}

/* Maximum over the four lanes that share a row. */
DEVICE_INLINE float row_max(float x)
{
    x = fmaxf(x, __shfl_xor_sync(FULL_WARP, x, 1));
    return fmaxf(x, __shfl_xor_sync(FULL_WARP, x, 2));
}

/* Their sum, the same bits in all four: addition of two numbers is commutative. */
DEVICE_INLINE float row_sum(float x)
{
    x = __fadd_rn(x, __shfl_xor_sync(FULL_WARP, x, 1));
    return __fadd_rn(x, __shfl_xor_sync(FULL_WARP, x, 2));
}

/* The A fragment of the weights of 16 tokens, whose C fragments are p[0] and p[1]. */
template <typename Element> DEVICE_INLINE void pack_weights(uint32_t a[4], const float (*p)[4])
{
    a[0] = pack<Element>(p[0][0], p[0][1]);
    a[1] = pack<Element>(p[0][2], p[0][3]);
    a[2] = pack<Element>(p[1][0], p[1][1]);
    a[3] = pack<Element>(p[1][2], p[1][3]);
}

/*
 * Two elements of out: sums of weights times values, divided by the sum of weights. Adding 0 makes
 * a negative zero positive: the sign of a sum of zeros could depend on tokens hidden from the row.
 */
template <typename Element> DEVICE_INLINE uint32_t pack_out(float x, float y, float inverse)
{
    return pack<Element>(__fmaf_rn(x, inverse, 0.0f), __fmaf_rn(y, inverse, 0.0f));
}

#endif
