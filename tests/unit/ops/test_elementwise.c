/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "ops/elementwise.h"

START_TEST(exp_row_error_is_below_3e_7)
{
    float x[1000], p[1000];
    double sum = 0;

    for (int i = 0; i < 1000; i++)
        x[i] = -86.0f + 0.171f * (float)i;
    cg_exp_row(x, 0, 1.0f, 1000, p);
    for (int i = 0; i < 1000; i++) {
        double want = exp((double)x[i]);

        ck_assert_msg(fabs(p[i] - want) <= 3e-7 * want, "exp(%g) = %g, wanted %g", (double)x[i],
                      (double)p[i], want);
    }
    ck_assert(p[0] > 0);
    x[0] = 3.0f;
    x[1] = 1.0f;
    sum = cg_exp_row(x, 3.0f, 0.5f, 2, p);
    ck_assert(p[0] == 1.0f);
    ck_assert(fabs(p[1] - exp(-1.0)) < 1e-6 && fabs(sum - 1 - exp(-1.0)) < 1e-6);
}
END_TEST

START_TEST(rms_norm_matches_its_definition)
{
    int n = 1 + 7 * _i;
    float *x = calloc((size_t)n, 4), *w = calloc((size_t)n, 4), *out = calloc((size_t)n, 4);
    double ss = 0;

    for (int i = 0; i < n; i++) {
        x[i] = sinf((float)i * 1.7f) * 3;
        w[i] = 1 + 0.1f * (float)(i % 5);
        ss += (double)x[i] * x[i];
    }
    cg_rms_norm(x, w, 1e-6f, n, out);
    for (int i = 0; i < n; i++) {
        double want = x[i] / sqrt(ss / n + 1e-6) * w[i];

        ck_assert_msg(fabs(out[i] - want) < 1e-5, "n %d, element %d", n, i);
    }
    cg_rms_norm(x, w, 1e-6f, n, x); /* in place */
    for (int i = 0; i < n; i++)
        ck_assert(x[i] == out[i]);
    free(x);
    free(w);
    free(out);
}
END_TEST

START_TEST(layer_norm_matches_its_definition)
{
    int n = 1 + 7 * _i;
    float *x = calloc((size_t)n, 4), *w = calloc((size_t)n, 4), *b = calloc((size_t)n, 4);
    float *out = calloc((size_t)n, 4);
    double mean = 0, ss = 0;

    for (int i = 0; i < n; i++) {
        x[i] = 5 + sinf((float)i * 1.7f) * 3;
        w[i] = 1 + 0.1f * (float)(i % 5);
        b[i] = 0.25f * (float)(i % 3);
        mean += (double)x[i] / n;
    }
    for (int i = 0; i < n; i++)
        ss += (x[i] - mean) * (x[i] - mean);
    for (int with_bias = 0; with_bias < 2; with_bias++) {
        cg_layer_norm(x, w, with_bias ? b : NULL, 1e-5f, n, out);
        for (int i = 0; i < n; i++) {
            double want = (x[i] - mean) / sqrt(ss / n + 1e-5) * w[i] + (with_bias ? b[i] : 0);

            ck_assert_msg(fabs(out[i] - want) < 1e-5, "n %d, element %d", n, i);
        }
    }
    cg_layer_norm(x, w, b, 1e-5f, n, x); /* in place */
    for (int i = 0; i < n; i++)
        ck_assert(x[i] == out[i]);
    free(x);
    free(w);
    free(b);
    free(out);
}
END_TEST

START_TEST(attend_matches_its_definition)
{
    enum { DIM = 20, STRIDE = 50 };
    int n = 1 + 13 * _i;
    float *kv = calloc((size_t)(n * STRIDE), 4), *scores = calloc((size_t)n, 4);
    float q[DIM], out[DIM];
    double sum = 0, want[DIM] = { 0 };

    for (int d = 0; d < DIM; d++)
        q[d] = cosf((float)d * 0.9f);
    for (int i = 0; i < n * STRIDE; i++)
        kv[i] = sinf((float)i * 0.37f) * 2;
    for (int i = 0; i < n; i++) {
        double dot = 0;

        for (int d = 0; d < DIM; d++)
            dot += (double)q[d] * kv[i * STRIDE + d];
        sum += exp(0.3 * dot);
        for (int d = 0; d < DIM; d++)
            want[d] += exp(0.3 * dot) * kv[i * STRIDE + 25 + d];
    }
    cg_attend(q, kv, kv + 25, STRIDE, n, DIM, 0.3f, scores, out);
    for (int d = 0; d < DIM; d++)
        ck_assert_msg(fabs(out[d] - want[d] / sum) < 5e-6, "n %d, element %d: %g, wanted %g", n, d,
                      (double)out[d], want[d] / sum);
    free(kv);
    free(scores);
}
END_TEST

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double gelu_by_tanh(double x)
{
    return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

START_TEST(activations_match_their_definitions)
{
    static void (*const activations[])(const float *, int64_t,
                                       float *) = { cg_silu, cg_gelu, cg_gelu_tanh, cg_quick_gelu,
                                                    cg_relu };
    float x[37], out[37];

    for (int i = 0; i < 37; i++)
        x[i] = (float)(i - 18) * 0.37f;
    x[36] = 90;
    activations[_i](x, 37, out);
    for (int i = 0; i < 37; i++) {
        double v = x[i], want = _i == 0   ? v * sigmoid(v)
                                : _i == 1 ? 0.5 * v * erfc(-v / sqrt(2))
                                : _i == 2 ? gelu_by_tanh(v)
                                : _i == 3 ? v * sigmoid(1.702 * v)
                                          : fmax(v, 0);

        ck_assert_msg(fabs(out[i] - want) <= 1e-6 * fabs(want) + 2e-7, "%d of %g: %g, wanted %g",
                      _i, v, (double)out[i], want);
    }
    activations[_i](x, 37, x);
    cg_multiply(x, out, 37, out);
    cg_add_to(x, x, 37);
    for (int i = 0; i < 37; i++)
        ck_assert(out[i] == x[i] / 2 * (x[i] / 2));
}
END_TEST

START_TEST(rope_rotates_pairs)
{
    float head[4] = { 1, 2, 3, 4 }, c[2] = { 0, 0.5f }, s[2] = { 1, 0.25f };

    cg_rope(head, c, s, 4);
    ck_assert(head[0] == -3 && head[2] == 1);
    ck_assert(head[1] == 2 * 0.5f - 4 * 0.25f && head[3] == 4 * 0.5f + 2 * 0.25f);
}
END_TEST

START_TEST(max_of_any_length)
{
    float x[40];

    for (int n = 1; n <= 40; n++) {
        for (int i = 0; i < n; i++)
            x[i] = -5.0f - (float)((i * 7) % n);
        ck_assert_msg(cg_max(x, n) == -5.0f, "n %d", n);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("elementwise");
    TCase *tc = tcase_create("rows");
    SRunner *sr;
    int failed;

    tcase_add_test(tc, exp_row_error_is_below_3e_7);
    tcase_add_loop_test(tc, rms_norm_matches_its_definition, 0, 20);
    tcase_add_loop_test(tc, layer_norm_matches_its_definition, 0, 20);
    tcase_add_loop_test(tc, attend_matches_its_definition, 0, 20);
    tcase_add_loop_test(tc, activations_match_their_definitions, 0, 5);
    tcase_add_test(tc, rope_rotates_pairs);
    tcase_add_test(tc, max_of_any_length);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
