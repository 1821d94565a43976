/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/linear.h"

enum { N = 300, K = 192, ROWS = 150 }; /* two full panels and a narrow one */

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

struct narrow_rows {
    int k;
};

/* The first k elements of each row. */
static void get_narrow_rows(void *arg, int64_t row0, int64_t n, float *dst)
{
    const struct narrow_rows *r = arg;

    for (int64_t i = 0; i < n; i++)
        memcpy(dst + i * r->k, w + (row0 + i) * K, (size_t)r->k * sizeof *dst);
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

START_TEST(matches_float64)
{
    for (int i = 0; i < ROWS * N; i++)
        y[i] = _i ? 1.0f : NAN; /* accumulate onto ones; otherwise y is overwritten */
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

/* The bits of a row depend neither on the other rows of the call nor on the number of threads, with
 * and without numbers to add to. */
START_TEST(rows_do_not_depend_on_the_batch)
{
    static const int cuts[][2] = { { 0, 1 },   { 1, 3 },   { 3, 10 },  { 10, 27 },
                                   { 27, 64 }, { 64, 65 }, { 65, 150 } };
    float *other = calloc((ROWS + CG_LINEAR_PAD) * N, sizeof *other);

    for (int i = 0; i < ROWS * N; i++)
        y[i] = 0.7F;
    product(2, _i, 0, ROWS, y);
    for (size_t c = 0; c < sizeof cuts / sizeof cuts[0]; c++) {
        int rows = cuts[c][1] - cuts[c][0];

        for (int i = 0; i < rows * N; i++)
            other[i] = 0.7F;
        product(1 + (int)c % 3, _i, cuts[c][0], rows, other);
        ck_assert_msg(!memcmp(other, y + cuts[c][0] * N, (size_t)(rows * N) * sizeof *y),
                      "rows %d to %d differ", cuts[c][0], cuts[c][1]);
    }
    free(other);
}
END_TEST

static void get_padded_rows(void *arg, int64_t row0, int64_t n, float *dst)
{
    (void)arg;
    memset(dst, 0, (size_t)(n * K) * sizeof *dst);
    for (int64_t i = 0; i < n && row0 + i < N; i++)
        memcpy(dst + i * K, w + (row0 + i) * K, K * sizeof *dst);
}

/* In full panels, features do not depend on other features: the LM head grows during a run. */
START_TEST(features_do_not_depend_on_their_number)
{
    enum { ROW = 9, LEAST = CG_LINEAR_PANEL, MOST = 6 * LEAST };
    cg_error err = CG_ERROR_INIT;
    cg_team *team;
    cg_linear_context *ctx;
    float *want = calloc((ROW + CG_LINEAR_PAD) * MOST, sizeof *want);
    float *got = calloc((ROW + CG_LINEAR_PAD) * MOST, sizeof *got);

    ck_assert_int_eq(cg_team_create(2, &team, &err), CG_OK);
    ck_assert_int_eq(cg_linear_context_create(team, &ctx, &err), CG_OK);
    for (int n = LEAST; n <= MOST; n += LEAST) {
        cg_linear *l;

        ck_assert_int_eq(cg_linear_create(ctx, n, K, 0, get_padded_rows, NULL, &l, &err), CG_OK);
        ck_assert_int_eq(cg_linear_run(l, x, got, ROW, &err), CG_OK);
        if (n == LEAST)
            memcpy(want, got, (ROW + CG_LINEAR_PAD) * MOST * sizeof *want);
        for (int r = 0; r < ROW; r++)
            ck_assert_msg(!memcmp(got + r * n, want + r * LEAST, LEAST * sizeof *got),
                          "row %d of %d features", r, n);
        cg_linear_destroy(l);
    }
    cg_linear_context_destroy(ctx);
    cg_team_destroy(team);
    free(want);
    free(got);
}
END_TEST

/*
 * Workers run one primitive at the same time. The narrow shapes are those for which oneDNN keeps
 * intermediate results in a scratchpad, which must not be shared.
 */
START_TEST(threads_do_not_interfere)
{
    static const int shapes[][2] = { { 64, 32 }, { 32, 32 }, { 128, 64 }, { 96, 192 } };
    const int n = shapes[_i][0], k = shapes[_i][1];
    cg_error err = CG_ERROR_INIT;
    cg_team *team[2];
    cg_linear_context *ctx[2];
    cg_linear *l[2];
    float *out[2];
    struct narrow_rows rows = { k };

    for (int t = 0; t < 2; t++) {
        out[t] = calloc((ROWS + CG_LINEAR_PAD) * N, sizeof *y);
        ck_assert_int_eq(cg_team_create(t ? 4 : 1, &team[t], &err), CG_OK);
        ck_assert_int_eq(cg_linear_context_create(team[t], &ctx[t], &err), CG_OK);
        ck_assert_int_eq(cg_linear_create(ctx[t], n, k, 0, get_narrow_rows, &rows, &l[t], &err),
                         CG_OK);
    }
    ck_assert_int_eq(cg_linear_run(l[0], x, out[0], ROWS - 64, &err), CG_OK);
    for (int run = 0; run < 500; run++) {
        int r = 1 + run % (ROWS - 64);

        ck_assert_int_eq(cg_linear_run(l[1], x, out[1], r, &err), CG_OK);
        ck_assert_msg(!memcmp(out[0], out[1], (size_t)(r * n) * sizeof *y), "run %d, %d rows", run,
                      r);
    }
    for (int t = 0; t < 2; t++) {
        cg_linear_destroy(l[t]);
        cg_linear_context_destroy(ctx[t]);
        cg_team_destroy(team[t]);
        free(out[t]);
    }
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
    tcase_add_loop_test(tc, matches_float64, 0, 2);
    tcase_add_loop_test(tc, rows_do_not_depend_on_the_batch, 0, 2);
    tcase_add_test(tc, features_do_not_depend_on_their_number);
    tcase_add_loop_test(tc, threads_do_not_interfere, 0, 4);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
