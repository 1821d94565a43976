/* SPDX-License-Identifier: MIT */
/** @file flash_avx2.c  Flash kernels for AVX2 and FMA. */
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
