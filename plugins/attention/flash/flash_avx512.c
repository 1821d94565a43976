/* SPDX-License-Identifier: MIT */
/** @file flash_avx512.c  Flash kernels for AVX-512 F, VL, BW, DQ. */
#include <immintrin.h>

#include "flash_cpu.h"

typedef __m512 vec;
enum {
    W = 16,
    NQ = 4, /* 16 sums of products, 4 keys, 1 query: most of 32 registers */
};

#define VEC_FN static inline __attribute__((always_inline))

VEC_FN vec v_zero(void)
{
    return _mm512_setzero_ps();
}

VEC_FN vec v_set1(float x)
{
    return _mm512_set1_ps(x);
}

VEC_FN vec v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

VEC_FN void v_store(float *p, vec x)
{
    _mm512_storeu_ps(p, x);
}

VEC_FN vec v_load_bf16(const uint16_t *p)
{
    __m512i x = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));

    return _mm512_castsi512_ps(_mm512_slli_epi32(x, 16));
}

VEC_FN vec v_load_f16(const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}

VEC_FN vec v_load_i8(const uint8_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
}

/* The upper half of an f16. */
VEC_FN vec v_load_e5m2(const uint8_t *p)
{
    __m256i x = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)p));

    return _mm512_cvtph_ps(_mm256_slli_epi16(x, 8));
}

/* As an f16 of the same bits the number is 2^-8 times as large; 0x7f becomes NaN. */
VEC_FN vec v_load_e4m3(const uint8_t *p)
{
    const __m256i largest = _mm256_set1_epi16(0x7f);
    __m256i x = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p));
    __mmask16 nan = _mm256_cmpeq_epi16_mask(_mm256_and_si256(x, largest), largest);
    __m256i h = _mm256_and_si256(_mm256_slli_epi16(x, 7), _mm256_set1_epi16((short)0xbfff));

    h = _mm256_mask_blend_epi16(nan, h, _mm256_set1_epi16(0x7e00));
    return _mm512_mul_ps(_mm512_cvtph_ps(h), _mm512_set1_ps(256));
}

VEC_FN vec v_load_part(const float *p, int n)
{
    return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}

VEC_FN void v_store_part(float *p, int n, vec x)
{
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), x);
}

VEC_FN vec v_add(vec a, vec b)
{
    return _mm512_add_ps(a, b);
}

VEC_FN vec v_sub(vec a, vec b)
{
    return _mm512_sub_ps(a, b);
}

VEC_FN vec v_mul(vec a, vec b)
{
    return _mm512_mul_ps(a, b);
}

VEC_FN vec v_div(vec a, vec b)
{
    return _mm512_div_ps(a, b);
}

VEC_FN vec v_max(vec a, vec b)
{
    return _mm512_max_ps(a, b);
}

VEC_FN vec v_fma(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
}

VEC_FN vec v_select(uint32_t bits, vec x, vec y)
{
    return _mm512_mask_blend_ps((__mmask16)bits, y, x);
}

VEC_FN vec v_quad(const vec *a)
{
    vec x = _mm512_add_ps(_mm512_unpacklo_ps(a[0], a[1]), _mm512_unpackhi_ps(a[0], a[1]));
    vec y = _mm512_add_ps(_mm512_unpacklo_ps(a[2], a[3]), _mm512_unpackhi_ps(a[2], a[3]));
    __m512d xd = _mm512_castps_pd(x), yd = _mm512_castps_pd(y);

    return _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(xd, yd)),
                         _mm512_castpd_ps(_mm512_unpackhi_pd(xd, yd)));
}

VEC_FN vec v_join(const vec *u)
{
    vec x = _mm512_add_ps(_mm512_shuffle_f32x4(u[0], u[1], 0x88),
                          _mm512_shuffle_f32x4(u[0], u[1], 0xdd));
    vec y = _mm512_add_ps(_mm512_shuffle_f32x4(u[2], u[3], 0x88),
                          _mm512_shuffle_f32x4(u[2], u[3], 0xdd));

    return _mm512_add_ps(_mm512_shuffle_f32x4(x, y, 0x88), _mm512_shuffle_f32x4(x, y, 0xdd));
}

VEC_FN float v_hmax(vec x)
{
    return _mm512_reduce_max_ps(x);
}

VEC_FN float v_hsum(vec x)
{
    __m256 y = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    __m128 z = _mm_add_ps(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));

    z = _mm_add_ps(z, _mm_movehl_ps(z, z));
    return _mm_cvtss_f32(_mm_add_ss(z, _mm_movehdup_ps(z)));
}

VEC_FN vec v_round(vec x)
{
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

VEC_FN vec v_ldexp(vec x, vec n)
{
    __m512i e = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));

    return _mm512_mul_ps(x, _mm512_castsi512_ps(_mm512_slli_epi32(e, 23)));
}

#include "flash_rows.h"

void flash_rows_avx512(const flash_work *work)
{
    run_work(work);
}

void flash_exp2_avx512(const float *x, float *ret_y, int32_t n)
{
    run_exp2(x, ret_y, n);
}
