/* SPDX-License-Identifier: MIT */
/**
 * @file flash_generic.c  Flash kernels for any processor.
 *
 * Vectors of four lanes by the compiler's vector extension: SSE2, NEON or plain code. v_fma()
 * rounds the product before the sum, so bits differ from those of the other variants.
 */
#include "../../common/elements.h"
#include "flash_cpu.h"

#include <math.h>
#include <string.h>

typedef float vec __attribute__((vector_size(16)));
typedef int32_t ivec __attribute__((vector_size(16)));
enum {
    W = 4,
    NQ = 2,
};

#define VEC_FN static inline __attribute__((always_inline))

VEC_FN vec v_set1(float x)
{
    return (vec) { x, x, x, x };
}

VEC_FN vec v_zero(void)
{
    return v_set1(0);
}

VEC_FN vec v_load(const float *p)
{
    vec x;

    memcpy(&x, p, sizeof x);
    return x;
}

VEC_FN void v_store(float *p, vec x)
{
    memcpy(p, &x, sizeof x);
}

/* Four elements at p, each converted. */
#define LOAD(convert, p)                                                                           \
    ((vec) { convert((p)[0]), convert((p)[1]), convert((p)[2]), convert((p)[3]) })

VEC_FN vec v_load_bf16(const uint16_t *p)
{
    return LOAD(cg_float_of_bf16, p);
}

VEC_FN vec v_load_f16(const uint16_t *p)
{
    return LOAD(cg_float_of_f16, p);
}

VEC_FN vec v_load_i8(const uint8_t *p)
{
    return LOAD((int8_t), p);
}

VEC_FN vec v_load_e5m2(const uint8_t *p)
{
    return LOAD(cg_float_of_f8_e5m2, p);
}

VEC_FN vec v_load_e4m3(const uint8_t *p)
{
    return LOAD(cg_float_of_f8_e4m3, p);
}

VEC_FN vec v_load_part(const float *p, int n)
{
    vec x = v_zero();

    for (int i = 0; i < n; i++)
        x[i] = p[i];
    return x;
}

VEC_FN void v_store_part(float *p, int n, vec x)
{
    for (int i = 0; i < n; i++)
        p[i] = x[i];
}

VEC_FN vec v_add(vec a, vec b)
{
    return a + b;
}

VEC_FN vec v_sub(vec a, vec b)
{
    return a - b;
}

VEC_FN vec v_mul(vec a, vec b)
{
    return a * b;
}

VEC_FN vec v_div(vec a, vec b)
{
    return a / b;
}

/* Lanes of a where `in` is all ones, of b where it is 0. */
VEC_FN vec blend(ivec in, vec a, vec b)
{
    return (vec)((in & (ivec)a) | (~in & (ivec)b));
}

VEC_FN vec v_max(vec a, vec b)
{
    return blend(a > b, a, b);
}

VEC_FN vec v_fma(vec a, vec b, vec c)
{
    return a * b + c;
}

VEC_FN vec v_select(uint32_t bits, vec x, vec y)
{
    ivec bit = { 1, 2, 4, 8 };

    return blend(((int32_t)bits & bit) == bit, x, y);
}

VEC_FN vec v_quad(const vec *a)
{
    vec x = { a[0][0], a[1][0], a[2][0], a[3][0] };
    vec y = { a[0][1], a[1][1], a[2][1], a[3][1] };
    vec z = { a[0][2], a[1][2], a[2][2], a[3][2] };
    vec t = { a[0][3], a[1][3], a[2][3], a[3][3] };

    return (x + y) + (z + t);
}

VEC_FN vec v_join(const vec *u)
{
    return u[0];
}

VEC_FN float v_hmax(vec x)
{
    float a = x[0] > x[1] ? x[0] : x[1], b = x[2] > x[3] ? x[2] : x[3];

    return a > b ? a : b;
}

VEC_FN float v_hsum(vec x)
{
    return (x[0] + x[2]) + (x[1] + x[3]);
}

/* Adding 1.5 * 2^23 leaves no bits for a fraction: |x| <= 2^22 becomes an integer. */
VEC_FN vec v_round(vec x)
{
    vec big = v_set1(0x1.8p23f);

    return (x + big) - big;
}

VEC_FN vec v_ldexp(vec x, vec n)
{
    vec scale;

    /* 2^n has the bits (n + 127) << 23; the same addition as above leaves the integer in the low
     * bits. A NaN leaves some scale, and x is NaN then. */
    ivec bits = (ivec)(n + v_set1(0x1.8p23f + 127.0f));

    scale = (vec)(bits << 23);
    return x * scale;
}

#include "flash_rows.h"

void flash_rows_generic(const flash_work *work)
{
    run_work(work);
}

void flash_exp2_generic(const float *x, float *ret_y, int32_t n)
{
    run_exp2(x, ret_y, n);
}
