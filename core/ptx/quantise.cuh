/* SPDX-License-Identifier: MIT */
/** @file quantise.cuh  Keys and values of 8 bits in kernels of the host (confgen/quantise.h). */
#ifndef CG_QUANTISE_CUH
#define CG_QUANTISE_CUH

#include <confgen/quantise.h>

#include "ptx.cuh"

/*
 * Four numbers divided by their scale, as codes of a type of 8 bits. The first is in the lowest
 * byte. The residue of the first quotient corrects it. For numbers of bf16 and f16 from 2^-100 on
 * the result is that of a division; of f32 its last bit may differ, and so a code at a tie.
 *
 * @param inverse  1 / scale
 */
DEVICE_INLINE uint32_t quantise_4(const float x[4], float scale, float inverse, cg_dtype dtype)
{
    const __nv_fp8_interpretation_t type = dtype == CG_F8_E4M3 ? __NV_E4M3 : __NV_E5M2;
    float y[4];

#pragma unroll
    for (int i = 0; i < 4; i++) {
        const float quotient = x[i] * inverse;

        y[i] = copysignf(fmaf(fmaf(-quotient, scale, x[i]), inverse, quotient),
                         x[i]); /* keeps the sign of 0 */
    }
    if (dtype == CG_I8)
        return pack_i8x4(y);
    return __nv_cvt_float2_to_fp8x2(make_float2(y[0], y[1]), __NV_SATFINITE, type) |
           (uint32_t)__nv_cvt_float2_to_fp8x2(make_float2(y[2], y[3]), __NV_SATFINITE, type) << 16;
}

#endif
