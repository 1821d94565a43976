/* SPDX-License-Identifier: MIT */
/** @file flash_avx2.c  Flash kernels for AVX2, FMA and F16C. */
#include <immintrin.h>

#include "flash_cpu.h"

typedef __m256 vec;
enum {
    W = 8,
    NQ = 2, /* 8 sums of products, 4 keys, 1 query: most of 16 registers */
};

#define VEC_FN static inline __attribute__((always_inline))

VEC_FN vec v_zero(void)
{
    return _mm256_setzero_ps();
}

VEC_FN vec v_set1(float x)
{
    return _mm256_set1_ps(x);
}

VEC_FN vec v_load(const float *p)
{
    return _mm256_loadu_ps(p);
}

VEC_FN void v_store(float *p, vec x)
{
    _mm256_storeu_ps(p, x);
}

VEC_FN vec v_load_bf16(const uint16_t *p)
{
    __m256i x = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));

    return _mm256_castsi256_ps(_mm256_slli_epi32(x, 16));
}

VEC_FN vec v_load_f16(const uint16_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}

VEC_FN vec v_load_i8(const uint8_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadu_si64(p)));
}

/* The upper half of an f16. */
VEC_FN vec v_load_e5m2(const uint8_t *p)
{
    return _mm256_cvtph_ps(_mm_slli_epi16(_mm_cvtepu8_epi16(_mm_loadu_si64(p)), 8));
}

/* As an f16 of the same bits the number is 2^-8 times as large; 0x7f becomes NaN. */
VEC_FN vec v_load_e4m3(const uint8_t *p)
{
    const __m128i largest = _mm_set1_epi16(0x7f);
    __m128i x = _mm_cvtepi8_epi16(_mm_loadu_si64(p));
    __m128i nan = _mm_cmpeq_epi16(_mm_and_si128(x, largest), largest);
    __m128i h = _mm_and_si128(_mm_slli_epi16(x, 7), _mm_set1_epi16((short)0xbfff));

    h = _mm_or_si128(h, _mm_and_si128(nan, _mm_set1_epi16(0x7e00)));
    return _mm256_mul_ps(_mm256_cvtph_ps(h), _mm256_set1_ps(256));
}

/* The first n lanes all ones, the others 0. */
VEC_FN __m256i lanes(int n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

VEC_FN vec v_load_part(const float *p, int n)
{
    return _mm256_maskload_ps(p, lanes(n));
}

VEC_FN void v_store_part(float *p, int n, vec x)
{
    _mm256_maskstore_ps(p, lanes(n), x);
}

VEC_FN vec v_add(vec a, vec b)
{
    return _mm256_add_ps(a, b);
}

VEC_FN vec v_sub(vec a, vec b)
{
    return _mm256_sub_ps(a, b);
}

VEC_FN vec v_mul(vec a, vec b)
{
    return _mm256_mul_ps(a, b);
}

VEC_FN vec v_div(vec a, vec b)
{
    return _mm256_div_ps(a, b);
}

VEC_FN vec v_max(vec a, vec b)
{
    return _mm256_max_ps(a, b);
}

VEC_FN vec v_fma(vec a, vec b, vec c)
{
    return _mm256_fmadd_ps(a, b, c);
}

VEC_FN vec v_select(uint32_t bits, vec x, vec y)
{
    __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    __m256i in = _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32((int)bits), bit), bit);

    return _mm256_blendv_ps(y, x, _mm256_castsi256_ps(in));
}

VEC_FN vec v_quad(const vec *a)
{
    return _mm256_hadd_ps(_mm256_hadd_ps(a[0], a[1]), _mm256_hadd_ps(a[2], a[3]));
}

VEC_FN vec v_join(const vec *u)
{
    return _mm256_add_ps(_mm256_permute2f128_ps(u[0], u[1], 0x20),
                         _mm256_permute2f128_ps(u[0], u[1], 0x31));
}

VEC_FN float v_hmax(vec x)
{
    __m128 z = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));

    z = _mm_max_ps(z, _mm_movehl_ps(z, z));
    return _mm_cvtss_f32(_mm_max_ss(z, _mm_movehdup_ps(z)));
}

VEC_FN float v_hsum(vec x)
{
    __m128 z = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));

    z = _mm_add_ps(z, _mm_movehl_ps(z, z));
    return _mm_cvtss_f32(_mm_add_ss(z, _mm_movehdup_ps(z)));
}

VEC_FN vec v_round(vec x)
{
    return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

VEC_FN vec v_ldexp(vec x, vec n)
{
    __m256i e = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));

    return _mm256_mul_ps(x, _mm256_castsi256_ps(_mm256_slli_epi32(e, 23)));
}

#include "flash_rows.h"

void flash_rows_avx2(const flash_work *work)
{
    run_work(work);
}

void flash_exp2_avx2(const float *x, float *ret_y, int32_t n)
{
    run_exp2(x, ret_y, n);
}
