/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/linear.h"

enum { N = 300, K = 192, ROWS = 150 }; /* two whole panels and a narrow one */

static float w[N * K], *x, *y;

static void get_rows(void *arg, int64_t row0, int64_t n, float *dst)
{
    (void)arg;
    memcpy(dst, w + row0 * K, (size_t)n * K * sizeof *dst);
}

static float noise(uint32_t *s)
{
    *s = *s * 1664525u + 1013904223u;
    return (float)(int32_t)*s * 0x1p-31f;
}

static void setup(void)
{
    uint32_t s = 7;

    x = calloc((ROWS + CG_LINEAR_PAD) * K, sizeof *x);
    y = calloc((ROWS + CG_LINEAR_PAD) * N, sizeof *y);
    for (int i = 0; i < N * K; i++)
        w[i] = noise(&s);
    for (int i = 0; i < ROWS * K; i++)
        x[i] = noise(&s);
}

static void teardown(void)
{
    free(x);
    free(y);
}

static void product(int threads, int accumulate, int64_t row0, int64_t rows, float *out)
{
    cg_error err = CG_ERROR_INIT;
    cg_team *team;
    cg_linear_context *ctx;
    cg_linear *l;

    ck_assert_int_eq(cg_team_create(threads, &team, &err), CG_OK);
    ck_assert_msg(cg_linear_context_create(team, &ctx, &err) == CG_OK, "%s", err.msg);
    ck_assert_msg(cg_linear_create(ctx, N, K, accumulate, get_rows, NULL, &l, &err) == CG_OK, "%s",
                  err.msg);
    ck_assert_int_gt(strlen(cg_linear_row_counts(l)), 0);
    ck_assert_msg(cg_linear_run(l, x + row0 * K, out, rows, &err) == CG_OK, "%s", err.msg);
    cg_linear_destroy(l);
    cg_linear_context_destroy(ctx);
    cg_team_destroy(team);
}

START_TEST(equals_float64)
{
    for (int i = 0; i < ROWS * N; i++)
        y[i] = _i ? 1.0f : NAN; /* accumulate onto ones; else whatever was there is overwritten */
    product(2, _i, 0, ROWS, y);
    for (int r = 0; r < ROWS; r++)
        for (int n = 0; n < N; n++) {
            double want = _i;

            for (int k = 0; k < K; k++)
                want += (double)x[r * K + k] * w[n * K + k];
            ck_assert_msg(fabs(y[r * N + n] - want) < 1e-4, "row %d, feature %d: %g, wanted %g", r,
                          n, (double)y[r * N + n], want);
        }
}
END_TEST

/* A row's bits depend neither on the rows it shares a call with nor on the number of threads. */
START_TEST(rows_do_not_depend_on_the_batch)
{
    static const int cuts[][2] = { { 0, 1 },  { 1, 3 },   { 3, 10 },  { 10, 27 },
                                   { 27, 64 }, { 64, 65 }, { 65, 150 } };
    float *other = calloc((ROWS + CG_LINEAR_PAD) * N, sizeof *other);

    product(2, 0, 0, ROWS, y);
    for (size_t c = 0; c < sizeof cuts / sizeof cuts[0]; c++) {
        int rows = cuts[c][1] - cuts[c][0];

        product(1 + (int)c % 3, 0, cuts[c][0], rows, other);
        ck_assert_msg(!memcmp(other, y + cuts[c][0] * N, (size_t)(rows * N) * sizeof *y),
                      "rows %d to %d differ", cuts[c][0], cuts[c][1]);
    }
    free(other);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("linear");
    TCase *tc = tcase_create("products");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, equals_float64, 0, 2);
    tcase_add_test(tc, rows_do_not_depend_on_the_batch);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
