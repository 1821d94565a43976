/* SPDX-License-Identifier: MIT */
/**
 * @file not_finite.cuh  Infinite and NaN values that only some rows of a tile see.
 *
 * A matrix product multiplies every value by the weight of every row, and 0 times infinity is NaN:
 * a value hidden from a row by weight 0 would still reach it. Where a tile of values holds
 * non-finite elements and not all rows see all its tokens, these elements are added with
 * scalar code, for the rows that see them, and the product uses zeros instead.
 */
#ifndef FLASH_NOT_FINITE_CUH
#define FLASH_NOT_FINITE_CUH

#include "ptx/mma.cuh"

/* Bits of the exponent: all set only in infinities and NaNs. */
template <typename Element> DEVICE_INLINE uint32_t exponent_mask(void)
{
    return is_f16<Element> ? 0x7c00u : 0x7f80u;
}

template <typename Element> DEVICE_INLINE bool lower_is_finite(uint32_t x)
{
    return (x & exponent_mask<Element>()) != exponent_mask<Element>();
}

template <typename Element> DEVICE_INLINE bool both_are_finite(uint32_t x)
{
    return lower_is_finite<Element>(x) && lower_is_finite<Element>(x >> 16);
}

/* All eight elements of a 16-byte vector. */
template <typename Element> DEVICE_INLINE bool is_finite_16B(const uint32_t x[4])
{
    return both_are_finite<Element>(x[0]) && both_are_finite<Element>(x[1]) &&
           both_are_finite<Element>(x[2]) && both_are_finite<Element>(x[3]);
}

/* Replaces non-finite elements of a 16-byte vector with zero. */
template <typename Element> DEVICE_INLINE void make_finite_16B(uint32_t x[4])
{
#pragma unroll
    for (int i = 0; i < 4; i++)
        x[i] = (lower_is_finite<Element>(x[i]) ? x[i] & 0xffffu : 0) |
               (lower_is_finite<Element>(x[i] >> 16) ? x[i] & 0xffff0000u : 0);
}

/*
 * Adds weights times non-finite values, for the rows that see them.
 *
 * @param p      weights of 16 tokens, as two C fragments; 0: hidden from the row
 * @param v      shared address of the values of the 16 tokens
 * @param acc    [DIM / 8] C fragments, += weights times those values
 */
template <int DIM, typename Element>
DEVICE_INLINE void add_not_finite(const float (*p)[4], uint32_t v, float (*acc)[4], int lane)
{
#pragma unroll 1
    for (int u = 0; u < 16; u++) {
        /* token u is column u % 8 of p[u / 8], held by lane t = u % 8 / 2 */
        int from = (lane & ~3) | u % 8 / 2;
        float a[2], b[2];
        float weight_a, weight_b;

        for (int n = 0; n < 2; n++) {
            a[n] = __shfl_sync(FULL_WARP, u & 1 ? p[n][1] : p[n][0], from);
            b[n] = __shfl_sync(FULL_WARP, u & 1 ? p[n][3] : p[n][2], from);
        }
        weight_a = u < 8 ? a[0] : a[1];
        weight_b = u < 8 ? b[0] : b[1];
#pragma unroll
        for (int n = 0; n < DIM / 8; n++) {
            uint32_t x = load_4B(v + u * DIM * 2 + ((n ^ (u & 7)) << 4) + (lane & 3) * 4);

            if (!lower_is_finite<Element>(x)) {
                acc[n][0] += weight_a != 0 ? weight_a * unpack<Element>(x) : 0;
                acc[n][2] += weight_b != 0 ? weight_b * unpack<Element>(x) : 0;
            }
            if (!lower_is_finite<Element>(x >> 16)) {
                acc[n][1] += weight_a != 0 ? weight_a * unpack<Element>(x >> 16) : 0;
                acc[n][3] += weight_b != 0 ? weight_b * unpack<Element>(x >> 16) : 0;
            }
        }
    }
}

#endif
