/* SPDX-License-Identifier: MIT */
/** @file element.h  Conversions between float and the element types of plugins, on the host. */
#ifndef CG_CONFORMANCE_ELEMENT_H
#define CG_CONFORMANCE_ELEMENT_H

#include <math.h>
#include <string.h>

#include <confgen/tensor.h>

static inline uint32_t float_bits(float x)
{
    uint32_t u;

    memcpy(&u, &x, sizeof u);
    return u;
}

static inline float float_of_bits(uint32_t u)
{
    float x;

    memcpy(&x, &u, sizeof x);
    return x;
}

/** Rounds to nearest, ties to even. */
static inline uint16_t bf16_of_float(float x)
{
    uint32_t u = float_bits(x);

    if (isnan(x))
        return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

static inline float float_of_bf16(uint16_t h)
{
    return float_of_bits((uint32_t)h << 16);
}

/** Rounds to nearest, ties to even; overflow gives infinity. */
static inline uint16_t f16_of_float(float x)
{
    uint16_t sign = (uint16_t)(float_bits(x) >> 16 & 0x8000);
    float a = fabsf(x);

    if (isnan(x))
        return sign | 0x7e00;
    if (a >= 65520.0f)
        return sign | 0x7c00;
    if (a < 0x1p-14f) /* the sum has units of 2^-24, the step of subnormals: it rounds */
        return sign | (uint16_t)(float_bits(a + 0.5f) - float_bits(0.5f));
    uint32_t u = float_bits(a);

    u += 0xfff + (u >> 13 & 1);
    return sign | (uint16_t)((u >> 13) - (112u << 10));
}

static inline float float_of_f16(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, e = h >> 10 & 31, m = h & 0x3ff;

    if (e == 31)
        return float_of_bits(sign | 0x7f800000 | m << 13);
    if (e == 0)
        return (sign ? -1.0f : 1.0f) * (float)m * 0x1p-24f;
    return float_of_bits(sign | (e + 112) << 23 | m << 13);
}

static inline void element_store(void *at, cg_dtype t, float x)
{
    uint16_t h = t == CG_BF16 ? bf16_of_float(x) : f16_of_float(x);

    if (t == CG_F32)
        memcpy(at, &x, sizeof x);
    else
        memcpy(at, &h, sizeof h);
}

static inline float element_load(const void *at, cg_dtype t)
{
    uint16_t h;
    float x;

    if (t == CG_F32) {
        memcpy(&x, at, sizeof x);
        return x;
    }
    memcpy(&h, at, sizeof h);
    return t == CG_BF16 ? float_of_bf16(h) : float_of_f16(h);
}

/** Returns the nearest value of the type. */
static inline float element_round(float x, cg_dtype t)
{
    char at[4];

    element_store(at, t, x);
    return element_load(at, t);
}

#endif
