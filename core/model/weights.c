/* SPDX-License-Identifier: MIT */
#include "model/weights.h"

#include <string.h>

static float from_bits(uint32_t u)
{
    float f;

    memcpy(&f, &u, sizeof f);
    return f;
}

static void bf16_row(const uint16_t *src, int64_t n, float *dst)
{
    for (int64_t i = 0; i < n; i++)
        dst[i] = from_bits((uint32_t)src[i] << 16);
}

/*
 * Branch-free, for vectorisation: exponent and mantissa are shifted to their float32 positions, a
 * product with 2^(127-15) corrects the bias and normalises subnormals; infinity and NaN get the
 * largest exponent.
 */
static void f16_row(const uint16_t *src, int64_t n, float *dst)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t h = src[i];
        uint32_t mag = (h & 0x7fffu) << 13;
        float scaled = from_bits(mag) * 0x1p112f;
        uint32_t u;

        memcpy(&u, &scaled, sizeof u);
        u |= (h & 0x7c00u) == 0x7c00u ? 0x7f800000u : 0u;
        dst[i] = from_bits(u | (h & 0x8000u) << 16);
    }
}

void cg_weight_to_f32(const cg_tensor_ref *ref, int64_t row0, int64_t n_rows, float *dst)
{
    int64_t first = row0 * ref->cols, n = n_rows * ref->cols;

    switch (ref->dtype) {
    case CG_BF16:
        bf16_row((const uint16_t *)ref->data + first, n, dst);
        break;
    case CG_F16:
        f16_row((const uint16_t *)ref->data + first, n, dst);
        break;
    default:
        memcpy(dst, (const float *)ref->data + first, (size_t)n * sizeof *dst);
        break;
    }
}

static uint16_t f16_from_f32(float x)
{
    uint32_t u, sign, h;
    float small;

    memcpy(&u, &x, sizeof u);
    sign = u >> 16 & 0x8000u;
    u &= 0x7fffffffu;
    if (u > 0x7f800000u) {
        h = 0x7e00u;
    } else if (u >= 0x477ff000u) { /* rounds to 2^16 or more */
        h = 0x7c00u;
    } else if (u <
               0x38800000u) { /* below 2^-14: the unit of 0.5 in float32 is that of subnormals */
        small = from_bits(u) + 0.5f;
        memcpy(&h, &small, sizeof h);
        h -= 0x3f000000u;
    } else {
        h = (u - 0x38000000u + 0xfffu + (u >> 13 & 1u)) >> 13;
    }
    return (uint16_t)(sign | h);
}

void cg_weight_from_f32(const float *src, int64_t n, cg_dtype dtype, void *dst)
{
    uint16_t *half = dst;

    switch (dtype) {
    case CG_BF16:
        for (int64_t i = 0; i < n; i++)
            half[i] = cg_bf16_from_f32(src[i]);
        break;
    case CG_F16:
        for (int64_t i = 0; i < n; i++)
            half[i] = f16_from_f32(src[i]);
        break;
    default:
        memcpy(dst, src, (size_t)n * sizeof *src);
        break;
    }
}

/*
 * Index of the first 16-bit element with all exponent bits set, or -1. The inner loop has no exit,
 * for vectorisation: 57 MB take 5 ms.
 */
static int64_t find16(const uint16_t *p, int64_t n, uint16_t exponent)
{
    enum { BLOCK = 4096 };

    for (int64_t i0 = 0; i0 < n; i0 += BLOCK) {
        int64_t m = n - i0 < BLOCK ? n - i0 : BLOCK;
        uint16_t bad = 0;

        for (int64_t i = 0; i < m; i++)
            bad |= (uint16_t)((p[i0 + i] & exponent) == exponent);
        for (int64_t i = 0; bad && i < m; i++)
            if ((p[i0 + i] & exponent) == exponent)
                return i0 + i;
    }
    return -1;
}

/* The same for float32. */
static int64_t find32(const uint32_t *p, int64_t n)
{
    enum { BLOCK = 4096, EXPONENT = 0x7f800000 };

    for (int64_t i0 = 0; i0 < n; i0 += BLOCK) {
        int64_t m = n - i0 < BLOCK ? n - i0 : BLOCK;
        uint32_t bad = 0;

        for (int64_t i = 0; i < m; i++)
            bad |= (uint32_t)((p[i0 + i] & EXPONENT) == EXPONENT);
        for (int64_t i = 0; bad && i < m; i++)
            if ((p[i0 + i] & EXPONENT) == EXPONENT)
                return i0 + i;
    }
    return -1;
}

int64_t cg_weight_find_nonfinite(const cg_tensor_ref *ref)
{
    int64_t n = ref->rows * ref->cols;

    switch (ref->dtype) {
    case CG_BF16:
        return find16(ref->data, n, 0x7f80u);
    case CG_F16:
        return find16(ref->data, n, 0x7c00u);
    default:
        return find32(ref->data, n);
    }
}
