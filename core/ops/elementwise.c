/* SPDX-License-Identifier: MIT */
#include "ops/elementwise.h"

#include <math.h>
#include <string.h>

/* The runtime of ThreadSanitizer is not initialised yet when the loader resolves the clones; clang
 * before 18 defines FUNCTION.ifunc instead of the function. */
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__SANITIZE_THREAD__) &&              \
    !defined(__clang__)
#define CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CLONES
#endif

enum { LANES = 16 };

/*
 * exp(x), relative error below 3e-7 for -87 <= x <= 88; smaller x give 0, larger exp(88).
 * x = n ln 2 + r, |r| <= ln(2)/2; exp(r) by Taylor to the 6th power; 2^n through the exponent bits.
 */
static inline float fast_exp(float x)
{
    const float shift = 0x1.8p23f; /* adding it rounds to an integer */
    const float unclamped = x;
    float n, r, p;
    int32_t bits, pbits;

    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    n = x * 0x1.715476p+0f + shift;
    memcpy(&bits, &n, sizeof bits);
    n -= shift;
    r = x - n * 0x1.62e4p-1f;    /* upper part of ln 2: the product is exact */
    r = r - n * 0x1.7f7d1cp-20f; /* lower part */
    p = 0x1.6c16c2p-10f;         /* 1/720 */
    p = p * r + 0x1.111112p-7f;  /* 1/120 */
    p = p * r + 0x1.555556p-5f;  /* 1/24 */
    p = p * r + 0x1.555556p-3f;  /* 1/6 */
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    bits = (int32_t)((uint32_t)bits << 23); /* the low bits of n + shift are n */
    memcpy(&pbits, &p, sizeof pbits);
    pbits += bits;
    memcpy(&p, &pbits, sizeof p);
    return unclamped < -87.0f ? 0.0f : p;
}

static inline float dot(const float *a, const float *b, int64_t n)
{
    float lane[LANES] = { 0 };
    float sum = 0;
    int64_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++)
            lane[j] += a[i + j] * b[i + j];
    for (; i < n; i++)
        lane[i % LANES] += a[i] * b[i];
    for (int j = 0; j < LANES; j++)
        sum += lane[j];
    return sum;
}

static inline float mean(const float *x, int64_t n)
{
    float lane[LANES] = { 0 };
    float sum = 0;
    int64_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++)
            lane[j] += x[i + j];
    for (; i < n; i++)
        lane[i % LANES] += x[i];
    for (int j = 0; j < LANES; j++)
        sum += lane[j];
    return sum / (float)n;
}

CLONES void cg_rms_norm(const float *x, const float *weight, float eps, int64_t n, float *out)
{
    float scale = 1.0f / sqrtf(dot(x, x, n) / (float)n + eps);

    for (int64_t i = 0; i < n; i++)
        out[i] = x[i] * scale * weight[i];
}

CLONES void cg_layer_norm(const float *x, const float *weight, const float *bias, float eps,
                          int64_t n, float *out)
{
    float center = mean(x, n), scale;

    for (int64_t i = 0; i < n; i++)
        out[i] = x[i] - center;
    scale = 1.0f / sqrtf(dot(out, out, n) / (float)n + eps);
    for (int64_t i = 0; i < n; i++)
        out[i] = bias ? out[i] * scale * weight[i] + bias[i] : out[i] * scale * weight[i];
}

CLONES void cg_silu(const float *x, int64_t n, float *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = x[i] / (1.0f + fast_exp(-x[i]));
}

void cg_gelu(const float *x, int64_t n, float *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = 0.5f * x[i] * (1.0f + erff(x[i] * 0x1.6a09e6p-1f));
}

CLONES void cg_gelu_tanh(const float *x, int64_t n, float *out)
{
    const float scale = 0x1.988454p+0f; /* 2 sqrt(2 / pi) */

    for (int64_t i = 0; i < n; i++) {
        float u = scale * (x[i] + 0.044715f * x[i] * x[i] * x[i]);

        out[i] = x[i] / (1.0f + fast_exp(-u));
    }
}

CLONES void cg_quick_gelu(const float *x, int64_t n, float *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = x[i] / (1.0f + fast_exp(-1.702f * x[i]));
}

CLONES void cg_relu(const float *x, int64_t n, float *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = x[i] > 0 ? x[i] : 0;
}

CLONES void cg_multiply(const float *a, const float *b, int64_t n, float *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = a[i] * b[i];
}

CLONES void cg_add_to(float *x, const float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        x[i] += y[i];
}

CLONES void cg_rope(float *head, const float *cosines, const float *sines, int64_t head_dim)
{
    int64_t half = head_dim / 2;

    for (int64_t i = 0; i < half; i++) {
        float a = head[i], b = head[i + half];

        head[i] = a * cosines[i] - b * sines[i];
        head[i + half] = b * cosines[i] + a * sines[i];
    }
}

CLONES static void exp_array(const float *x, float max, float scale, int64_t n, float *p)
{
    for (int64_t i = 0; i < n; i++)
        p[i] = fast_exp((x[i] - max) * scale);
}

double cg_exp_row(const float *x, float max, float scale, int64_t n, float *p)
{
    double sum = 0;

    exp_array(x, max, scale, n, p);
    for (int64_t i = 0; i < n; i++)
        sum += p[i];
    return sum;
}

CLONES float cg_max(const float *x, int64_t n)
{
    float lane[LANES], m;
    int64_t i = 0;

    for (int j = 0; j < LANES; j++)
        lane[j] = -INFINITY;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++)
            lane[j] = x[i + j] > lane[j] ? x[i + j] : lane[j];
    for (; i < n; i++)
        lane[i % LANES] = x[i] > lane[i % LANES] ? x[i] : lane[i % LANES];
    m = lane[0];
    for (int j = 1; j < LANES; j++)
        m = lane[j] > m ? lane[j] : m;
    return m;
}

/* scores[i] = q . k_i */
CLONES static void dot_rows(const float *q, const float *k, int64_t stride, int64_t n,
                            int64_t head_dim, float *scores)
{
    for (int64_t i = 0; i < n; i++)
        scores[i] = dot(q, k + i * stride, head_dim);
}

/* out = sum_i weight[i] / total * v_i */
CLONES static void add_rows(const float *weight, float total, const float *v, int64_t stride,
                            int64_t n, int64_t head_dim, float *out)
{
    for (int64_t d = 0; d < head_dim; d++)
        out[d] = 0;
    for (int64_t i = 0; i < n; i++) {
        const float *row = v + i * stride;
        float w = weight[i];

        for (int64_t d = 0; d < head_dim; d++)
            out[d] += w * row[d];
    }
    for (int64_t d = 0; d < head_dim; d++)
        out[d] /= total;
}

void cg_attend(const float *q, const float *k, const float *v, int64_t stride, int64_t n,
               int64_t head_dim, float scale, float *scores, float *out)
{
    double total;

    dot_rows(q, k, stride, n, head_dim, scores);
    total = cg_exp_row(scores, cg_max(scores, n), scale, n, scores);
    add_rows(scores, (float)total, v, stride, n, head_dim, out);
}
