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

/** Bits of the mantissa of an 8-bit float type. */
static inline int f8_mantissa_bits(cg_dtype t)
{
    return t == CG_F8_E4M3 ? 3 : 2;
}

/** Rounds to nearest, ties to even; the largest finite number beyond the range. */
static inline uint8_t f8_of_float(float x, cg_dtype t)
{
    int mantissa = f8_mantissa_bits(t), bias = (1 << (6 - mantissa)) - 1, e;
    int largest = t == CG_F8_E4M3 ? 0x7e : 0x7b, bits;
    float a = fabsf(x);

    if (isnan(x))
        return 0x7f;
    (void)frexpf(a, &e); /* a in [2^(e-1), 2^e) */
    e = a > 0 && e - 1 > 1 - bias ? e - 1 : 1 - bias;
    /* units of the last place, which carry into the exponent */
    bits = ((e + bias - 1) << mantissa) + (int)nearbyintf(ldexpf(fminf(a, 1e6f), mantissa - e));
    return (uint8_t)((signbit(x) ? 0x80 : 0) | (bits < largest ? bits : largest));
}

static inline float float_of_f8(uint8_t f, cg_dtype t)
{
    int mantissa = f8_mantissa_bits(t), bias = (1 << (6 - mantissa)) - 1;
    int e = (f & 0x7f) >> mantissa, m = f & ((1 << mantissa) - 1);
    float sign = f & 0x80 ? -1.0f : 1.0f;

    if ((f & 0x7f) > (t == CG_F8_E4M3 ? 0x7e : 0x7c))
        return NAN;
    if (t == CG_F8_E5M2 && (f & 0x7f) == 0x7c)
        return sign * INFINITY;
    return sign * ldexpf((float)(e ? m + (1 << mantissa) : m), (e ? e : 1) - bias - mantissa);
}

/** Rounds to nearest, ties to even; the largest number beyond the range. NaN gives 0. */
static inline int8_t i8_of_float(float x)
{
    return (int8_t)(isnan(x) ? 0 : nearbyintf(fmaxf(-128, fminf(x, 127))));
}

static inline void element_store(void *at, cg_dtype t, float x)
{
    uint16_t h;
    uint8_t b;

    if (t == CG_F32) {
        memcpy(at, &x, sizeof x);
    } else if (t == CG_BF16 || t == CG_F16) {
        h = t == CG_BF16 ? bf16_of_float(x) : f16_of_float(x);
        memcpy(at, &h, sizeof h);
    } else {
        b = t == CG_I8 ? (uint8_t)i8_of_float(x) : f8_of_float(x, t);
        memcpy(at, &b, sizeof b);
    }
}

static inline float element_load(const void *at, cg_dtype t)
{
    uint16_t h;
    uint8_t b;
    float x;

    if (t == CG_F32) {
        memcpy(&x, at, sizeof x);
        return x;
    }
    if (cg_dtype_size(t) == sizeof b) {
        memcpy(&b, at, sizeof b);
        return t == CG_I8 ? (float)(int8_t)b : float_of_f8(b, t);
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

/** As element_load(), of n elements. */
static inline void elements_load(const void *at, cg_dtype t, int32_t n, float *ret)
{
    uint16_t h;

    if (t == CG_F32) {
        memcpy(ret, at, (size_t)n * sizeof *ret);
        return;
    }
    for (int32_t i = 0; i < n && t == CG_BF16; i++) {
        memcpy(&h, (const char *)at + (size_t)i * sizeof h, sizeof h);
        ret[i] = float_of_bf16(h);
    }
    for (int32_t i = 0; i < n && t == CG_F16; i++) {
        memcpy(&h, (const char *)at + (size_t)i * sizeof h, sizeof h);
        ret[i] = float_of_f16(h);
    }
    for (int32_t i = 0; i < n && cg_dtype_size(t) == 1; i++)
        ret[i] = element_load((const char *)at + i, t);
}

/** As element_round(), in place. */
static inline void elements_round(float *x, int32_t n, cg_dtype t)
{
    for (int32_t i = 0; i < n && t == CG_BF16; i++)
        x[i] = float_of_bf16(bf16_of_float(x[i]));
    for (int32_t i = 0; i < n && t == CG_F16; i++)
        x[i] = float_of_f16(f16_of_float(x[i]));
    for (int32_t i = 0; i < n && cg_dtype_size(t) == 1; i++)
        x[i] = element_round(x[i], t);
}

#endif
