/* SPDX-License-Identifier: MIT */
/**
 * @file elements.h  Conversions between float and every element type of tensors, for plugins.
 *
 * Header only, on the host and in kernels, in C and C++. A plugin of your own may copy it.
 *
 * To an element: rounded to nearest, ties to even, in the default rounding mode. Beyond the range
 * of f16 and bf16 the result is infinite; 8-bit types saturate, infinities included: +-448 in
 * f8_e4m3, which has no infinity (OCP FP8), +-57344 in f8_e5m2, -128 and 127 in i8. NaN stays NaN,
 * of its sign; in i8, which has none, it becomes 0. To float: exact. These are the roundings of
 * NVIDIA's saturating conversions (__NV_SATFINITE).
 */
#ifndef CG_PLUGINS_ELEMENTS_H
#define CG_PLUGINS_ELEMENTS_H

#include <string.h>

#include <confgen/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

static inline CG_HOST_DEVICE uint32_t cg_float_bits(float x)
{
    uint32_t u;

    memcpy(&u, &x, sizeof u);
    return u;
}

static inline CG_HOST_DEVICE float cg_float_of_bits(uint32_t u)
{
    float x;

    memcpy(&x, &u, sizeof x);
    return x;
}

static inline CG_HOST_DEVICE float cg_float_of_bf16(uint16_t h)
{
    return cg_float_of_bits((uint32_t)h << 16);
}

static inline CG_HOST_DEVICE uint16_t cg_bf16_of_float(float x)
{
    uint32_t u = cg_float_bits(x);

    if (x != x)
        return (uint16_t)(u >> 16 | 0x40); /* quiet, or the lower half may hold all of it */
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

/*
 * A float type of `bits` bits whose mantissa has `m` of them, in the order sign, exponent,
 * mantissa. `bias` is that of its exponent; subnormals are multiples of 2^(1 - bias - m).
 */

/**
 * The number of a code. Magnitudes from `special` on are infinite if their mantissa is 0, else NaN.
 * A subnormal number gets the leading 1 of the smallest exponent, which is then subtracted: without
 * branches, so that compilers vectorise loops of it.
 */
static inline CG_HOST_DEVICE float cg_float_of_code(uint32_t code, int bits, int m, int bias,
                                                    uint32_t special)
{
    uint32_t sign = code >> (bits - 1) << 31, magnitude = code & ((1u << (bits - 1)) - 1);
    uint32_t u = (magnitude << (23 - m)) + ((uint32_t)(127 - bias) << 23);
    uint32_t leading = magnitude >> m == 0 ? (uint32_t)(127 + 1 - bias) << 23 : 0;

    u += leading ? 1u << 23 : 0;
    u |= magnitude >= special ? 0x7f800000 : 0;
    return cg_float_of_bits(sign | cg_float_bits(cg_float_of_bits(u) - cg_float_of_bits(leading)));
}

/**
 * The magnitude's code of |x|, at most `last`; with all bits of `nan` set if x is NaN. Without
 * branches, too.
 */
static inline CG_HOST_DEVICE uint32_t cg_code_of_magnitude(float x, int m, int bias, uint32_t last,
                                                           uint32_t nan)
{
    uint32_t u = cg_float_bits(x) & 0x7fffffff;
    uint32_t units = (uint32_t)(127 + 24 - bias - m) << 23; /* 2^23 steps of subnormals */
    /* the sum is in units of that step: it rounds */
    uint32_t subnormal = cg_float_bits(cg_float_of_bits(u) + cg_float_of_bits(units)) - units;
    uint32_t rounded = u + (1u << (22 - m)) - 1 + (u >> (23 - m) & 1);
    uint32_t normal = (rounded >> (23 - m)) - ((uint32_t)(127 - bias) << m);
    uint32_t is_subnormal = 0 - (uint32_t)(u < (uint32_t)(127 + 1 - bias) << 23);
    uint32_t is_nan = 0 - (uint32_t)(u > 0x7f800000);
    uint32_t code = (subnormal & is_subnormal) | (normal & ~is_subnormal);

    return (code < last ? code : last) | (nan & is_nan);
}

static inline CG_HOST_DEVICE float cg_float_of_f16(uint16_t h)
{
    return cg_float_of_code(h, 16, 10, 15, 0x7c00);
}

static inline CG_HOST_DEVICE uint16_t cg_f16_of_float(float x)
{
    uint32_t sign = cg_float_bits(x) >> 16 & 0x8000,
             code = cg_code_of_magnitude(x, 10, 15, 0x7c00, 0x7e00);

    return (uint16_t)(sign | code);
}

static inline CG_HOST_DEVICE float cg_float_of_f8_e4m3(uint8_t f)
{
    return cg_float_of_code(f, 8, 3, 7, 0x7f);
}

static inline CG_HOST_DEVICE uint8_t cg_f8_e4m3_of_float(float x)
{
    uint32_t sign = cg_float_bits(x) >> 24 & 0x80, code = cg_code_of_magnitude(x, 3, 7, 0x7e, 0x7f);

    return (uint8_t)(sign | code);
}

/** The upper half of an f16. */
static inline CG_HOST_DEVICE float cg_float_of_f8_e5m2(uint8_t f)
{
    return cg_float_of_f16((uint16_t)(f << 8));
}

static inline CG_HOST_DEVICE uint8_t cg_f8_e5m2_of_float(float x)
{
    uint32_t sign = cg_float_bits(x) >> 24 & 0x80,
             code = cg_code_of_magnitude(x, 2, 15, 0x7b, 0x7f);

    return (uint8_t)(sign | code);
}

static inline CG_HOST_DEVICE int8_t cg_i8_of_float(float x)
{
    uint32_t u = cg_float_bits(x) & 0x7fffffff, limit = 0x43000000,
             units = 0x4b000000; /* 128, 2^23 */
    int32_t sign = (int32_t)(cg_float_bits(x) >> 31), number;

    u &= (uint32_t)(u > 0x7f800000) - 1; /* NaN becomes 0 */
    u = u < limit ? u : limit;
    /* the sum is in units of 1: it rounds */
    number = (int32_t)(cg_float_bits(cg_float_of_bits(u) + cg_float_of_bits(units)) - units);
    number = (number ^ -sign) + sign;
    return (int8_t)(number < 127 ? number : 127);
}

/** The element at `at`, aligned to its size. */
static inline CG_HOST_DEVICE float cg_element_load(const void *at, cg_dtype t)
{
    switch (t) {
    case CG_BF16:
        return cg_float_of_bf16(*(const uint16_t *)at);
    case CG_F16:
        return cg_float_of_f16(*(const uint16_t *)at);
    case CG_F8_E4M3:
        return cg_float_of_f8_e4m3(*(const uint8_t *)at);
    case CG_F8_E5M2:
        return cg_float_of_f8_e5m2(*(const uint8_t *)at);
    case CG_I8:
        return *(const int8_t *)at;
    default:
        return *(const float *)at;
    }
}

/** Writes x to the element at `at`, aligned to its size. */
static inline CG_HOST_DEVICE void cg_element_store(void *at, cg_dtype t, float x)
{
    switch (t) {
    case CG_BF16:
        *(uint16_t *)at = cg_bf16_of_float(x);
        break;
    case CG_F16:
        *(uint16_t *)at = cg_f16_of_float(x);
        break;
    case CG_F8_E4M3:
        *(uint8_t *)at = cg_f8_e4m3_of_float(x);
        break;
    case CG_F8_E5M2:
        *(uint8_t *)at = cg_f8_e5m2_of_float(x);
        break;
    case CG_I8:
        *(int8_t *)at = cg_i8_of_float(x);
        break;
    default:
        *(float *)at = x;
    }
}

/** Converts n adjacent elements to float. */
static inline void cg_elements_load(float *to, const void *from, cg_dtype t, int32_t n)
{
    const uint16_t *h = (const uint16_t *)from;
    const uint8_t *b = (const uint8_t *)from;

    switch (t) { /* a loop for each type, which the compiler can vectorise */
    case CG_BF16:
        for (int32_t i = 0; i < n; i++)
            to[i] = cg_float_of_bf16(h[i]);
        break;
    case CG_F16:
        for (int32_t i = 0; i < n; i++)
            to[i] = cg_float_of_f16(h[i]);
        break;
    case CG_F8_E4M3:
        for (int32_t i = 0; i < n; i++)
            to[i] = cg_float_of_f8_e4m3(b[i]);
        break;
    case CG_F8_E5M2:
        for (int32_t i = 0; i < n; i++)
            to[i] = cg_float_of_f8_e5m2(b[i]);
        break;
    case CG_I8:
        for (int32_t i = 0; i < n; i++)
            to[i] = (int8_t)b[i];
        break;
    default:
        memcpy(to, from, (size_t)n * sizeof *to);
    }
}

/** Converts n floats to adjacent elements. */
static inline void cg_elements_store(void *to, cg_dtype t, const float *from, int32_t n)
{
    uint16_t *h = (uint16_t *)to;
    uint8_t *b = (uint8_t *)to;

    switch (t) { /* as above */
    case CG_BF16:
        for (int32_t i = 0; i < n; i++)
            h[i] = cg_bf16_of_float(from[i]);
        break;
    case CG_F16:
        for (int32_t i = 0; i < n; i++)
            h[i] = cg_f16_of_float(from[i]);
        break;
    case CG_F8_E4M3:
        for (int32_t i = 0; i < n; i++)
            b[i] = cg_f8_e4m3_of_float(from[i]);
        break;
    case CG_F8_E5M2:
        for (int32_t i = 0; i < n; i++)
            b[i] = cg_f8_e5m2_of_float(from[i]);
        break;
    case CG_I8:
        for (int32_t i = 0; i < n; i++)
            b[i] = (uint8_t)cg_i8_of_float(from[i]);
        break;
    default:
        memcpy(to, from, (size_t)n * sizeof *from);
    }
}

#ifdef __cplusplus
}
#endif

#endif
