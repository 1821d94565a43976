/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>

#include "model/weights.h"
#include "scratch.h"

/* The definition of IEEE binary16. */
static double f16_value(uint16_t h)
{
    int e = h >> 10 & 31, m = h & 1023;
    double v = e == 31 ? (m ? NAN : INFINITY) : e ? ldexp(1024 + m, e - 25) : ldexp(m, -24);

    return h & 0x8000 ? -v : v;
}

START_TEST(every_f16_converts)
{
    uint16_t *src = malloc(65536 * sizeof *src);
    float *dst = malloc(65536 * sizeof *dst);
    cg_tensor_ref ref = { src, 256, 256, CG_F16 };

    for (int i = 0; i < 65536; i++)
        src[i] = (uint16_t)i;
    cg_weight_to_f32(&ref, 0, 256, dst);
    for (int i = 0; i < 65536; i++) {
        double want = f16_value((uint16_t)i);

        ck_assert_msg(isnan(want) ? isnan(dst[i])
                                  : dst[i] == want && !signbit(dst[i]) == !signbit(want),
                      "%04x: %g, wanted %g", i, (double)dst[i], want);
    }
    free(src);
    free(dst);
}
END_TEST

START_TEST(selected_rows_are_converted)
{
    uint16_t bf[6] = { 0x3f80, 0xbf80, 0x4000, 0x4040, 0x0001, 0x8000 }; /* 1 -1 2 3 tiny -0 */
    float f32[6] = { 1, 2, 3, 4, 5, 6 };
    cg_tensor_ref b = { bf, 3, 2, CG_BF16 }, f = { f32, 3, 2, CG_F32 };
    float out[5] = { 9, 9, 9, 9, 9 };

    cg_weight_to_f32(&b, 1, 2, out);
    ck_assert_float_eq(out[0], 2);
    ck_assert_float_eq(out[1], 3);
    ck_assert_float_eq(out[2], 0x1p-133f);
    ck_assert(out[3] == 0 && signbit(out[3]));
    ck_assert_float_eq(out[4], 9);
    cg_weight_to_f32(&f, 2, 1, out);
    ck_assert_float_eq(out[0], 5);
    ck_assert_float_eq(out[1], 6);
    ck_assert_float_eq(out[2], 0x1p-133f);
    ck_assert_int_eq(cg_weight_bytes(&b), 12);
    ck_assert_int_eq(cg_weight_bytes(&f), 24);
}
END_TEST

START_TEST(bf16_rounds_to_even)
{
    ck_assert_uint_eq(cg_bf16_from_f32(1.0f), 0x3f80);
    ck_assert_uint_eq(cg_bf16_from_f32(-0.0f), 0x8000);
    ck_assert_uint_eq(cg_bf16_from_f32(1.0f + 0x1p-8f), 0x3f80);            /* tie, even below */
    ck_assert_uint_eq(cg_bf16_from_f32(1.0f + 0x1p-8f + 0x1p-20f), 0x3f81); /* above the tie */
    ck_assert_uint_eq(cg_bf16_from_f32(1.0f + 3 * 0x1p-8f), 0x3f82);        /* tie, even above */
    ck_assert_uint_eq(cg_bf16_from_f32(INFINITY), 0x7f80);
    ck_assert_uint_eq(cg_bf16_from_f32(0x1.fffffep127f), 0x7f80);
    ck_assert_uint_gt(cg_bf16_from_f32(NAN) & 0x7fff, 0x7f80);
}
END_TEST

START_TEST(float32_rounds_to_every_dtype)
{
    /* each finite f16 of exponent below the largest, the middle between it and its neighbour, and
     * the numbers beside that middle */
    for (int h = 0; h < 0x7bff; h++) {
        double low = f16_value((uint16_t)h), high = f16_value((uint16_t)(h + 1));
        float middle = (float)((low + high) / 2);
        float x[6] = { (float)low, middle,     nextafterf(middle, 0), nextafterf(middle, 1e9f),
                       -middle,    -(float)low };
        int want[6] = { h, h + (h & 1), h, h + 1, (h + (h & 1)) | 0x8000, h | 0x8000 };
        uint16_t got[6];

        cg_weight_from_f32(x, 6, CG_F16, got);
        for (int i = 0; i < 6; i++)
            ck_assert_msg(got[i] == want[i], "%.9g: %04x, wanted %04x", (double)x[i], got[i],
                          want[i]);
    }
    {
        float x[5] = { 65519, 65520, -1e30f, NAN, 1e-30f };
        uint16_t h[5], b[5];
        float f[5];

        cg_weight_from_f32(x, 5, CG_F16, h);
        ck_assert_int_eq(h[0], 0x7bff);
        ck_assert_int_eq(h[1], 0x7c00);
        ck_assert_int_eq(h[2], 0xfc00);
        ck_assert_int_eq(h[3] & 0x7fff, 0x7e00);
        ck_assert_int_eq(h[4], 0);
        cg_weight_from_f32(x, 5, CG_BF16, b);
        ck_assert_int_eq(b[0], cg_bf16_from_f32(65519));
        cg_weight_from_f32(x, 5, CG_F32, f);
        ck_assert(!memcmp(f, x, sizeof f));
    }
}
END_TEST

START_TEST(nonfinite_is_found_at_any_index)
{
    enum { N = 5000 };
    static const struct {
        cg_dtype type;
        uint32_t largest, bad[3];
    } types[] = {
        { CG_BF16, 0xff7f, { 0x7f80, 0xff80, 0x7fc1 } },
        { CG_F16, 0xfbff, { 0x7c00, 0xfc00, 0x7c01 } },
        { CG_F32, 0xff7fffff, { 0x7f800000, 0xff800000, 0x7fc00000 } },
    };
    static const int positions[] = { 0, 1, 4095, 4096, 4999 };
    uint32_t *buf = malloc(N * sizeof *buf);
    cg_tensor_ref ref = { buf, 5, 1000, types[_i].type };
    int wide = types[_i].type == CG_F32;

    for (int b = 0; b < 3; b++) {
        for (int i = 0; i < N; i++)
            if (wide)
                buf[i] = types[_i].largest;
            else
                ((uint16_t *)buf)[i] = (uint16_t)types[_i].largest;
        ck_assert_int_eq(cg_weight_find_nonfinite(&ref), -1);
        for (int p = 4; p >= 0; p--) { /* from the end: the first one is returned */
            if (wide)
                buf[positions[p]] = types[_i].bad[b];
            else
                ((uint16_t *)buf)[positions[p]] = (uint16_t)types[_i].bad[b];
            ck_assert_int_eq(cg_weight_find_nonfinite(&ref), positions[p]);
        }
    }
    free(buf);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("weights");

    tcase_add_test(tc, every_f16_converts);
    tcase_add_test(tc, selected_rows_are_converted);
    tcase_add_test(tc, bf16_rounds_to_even);
    tcase_add_test(tc, float32_rounds_to_every_dtype);
    tcase_add_loop_test(tc, nonfinite_is_found_at_any_index, 0, 3);
    return run_suite("weights", (TCase *[]) { tc }, 1);
}
