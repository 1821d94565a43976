/* SPDX-License-Identifier: MIT */
/** @file quantise.h  Scales of keys and values of 8 bits, on the host and in kernels. */
#ifndef CONFGEN_QUANTISE_H
#define CONFGEN_QUANTISE_H

#include <float.h>
#include <string.h>

#include <confgen/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/** True if keys and values of a type have scales. */
static inline CG_HOST_DEVICE int cg_kv_is_scaled(cg_dtype dtype)
{
    return cg_dtype_size(dtype) == 1;
}

/**
 * The scale s of one head of one token: its largest magnitude by the largest number L of the type.
 * An element x is stored as x / s, rounded to nearest, ties to even, at most L. With u = 2^-24 for
 * each rounding in f32 it is read with an error of at most, for |x| <= m and m the largest
 * magnitude,
 *
 *   i8       m / 254                             half of a step of s
 *   f8_e4m3  max(|x| 2^-4, m / 448 * 2^-10)      half of the last place of 3 bits; of 2^-9, the
 *                                                step of subnormal numbers
 *   f8_e5m2  max(|x| 2^-3, m / 57344 * 2^-17)    of 2 bits; of 2^-16
 *
 * times (1 + 4 u). s is at least the smallest normal float, so that x / s is finite: where m is
 * less than L FLT_MIN, the bounds hold with L FLT_MIN in its place. A head with an element that is
 * NaN or infinite has the scale NaN, so all of its elements are; its codes may be any.
 *
 * @param largest  bits of the largest magnitude as a float; NaN is above infinity
 * @param dtype    one with scales
 */
static inline CG_HOST_DEVICE float cg_kv_scale(uint32_t largest, cg_dtype dtype)
{
    const float number = dtype == CG_I8 ? 127.0f : dtype == CG_F8_E4M3 ? 448.0f : 57344.0f;
    const uint32_t nan = 0x7fc00000;
    float scale;

    memcpy(&scale, largest < 0x7f800000 ? &largest : &nan, sizeof scale);
    scale /= number;
    return scale < FLT_MIN ? FLT_MIN : scale;
}

#ifdef __cplusplus
}
#endif

#endif
