/* SPDX-License-Identifier: MIT */
#include "eval/bootstrap.h"

#include "sequence/rng.h"
#include "scratch.h"

#include <math.h>

static const cg_bootstrap_settings usual = { .resamples = 2000, .seed = 1, .level = 0.95 };

/* Random number i of a set; uniform in (0, 1). */
static double uniform(uint64_t set, uint32_t i)
{
    cg_rng_key key = { .seed = 0x5eed, .molecule = set, .generation = 0 };

    return (double)cg_rng_uniform(&key, i, 0) + 0x1p-25;
}

static double normal(uint64_t set, uint32_t i)
{
    return sqrt(-2 * log(uniform(set, 2 * i))) * cos(2 * M_PI * uniform(set, 2 * i + 1));
}

START_TEST(means_and_signs)
{
    double a[] = { 1, 2, 3, 4 }, b[] = { 2, 3, 4, 5 };
    cg_bootstrap_figure f;
    cg_error err = CG_ERROR_INIT;

    ck_assert_int_eq(cg_bootstrap_differences(a, b, 4, 1, &usual, &f, &err), CG_OK);
    ck_assert_uint_eq(f.n, 4);
    ck_assert_double_eq(f.a, 2.5);
    ck_assert_double_eq(f.b, 3.5);
    ck_assert_double_eq(f.difference, 1);     /* b - a */
    ck_assert_double_eq_tol(f.low, 1, 1e-12); /* the same for every molecule */
    ck_assert_double_eq_tol(f.high, 1, 1e-12);
}
END_TEST

START_TEST(pairing_cancels_differences_between_molecules)
{
    enum { N = 100 };
    double a[N], b[N];
    cg_bootstrap_figure f;
    cg_error err = CG_ERROR_INIT;

    for (uint32_t i = 0; i < N; i++) {
        a[i] = 100 * normal(1, i);
        b[i] = a[i] + 1 + 0.1 * normal(2, i);
    }
    ck_assert_int_eq(cg_bootstrap_differences(a, b, N, 1, &usual, &f, &err), CG_OK);
    ck_assert_double_eq_tol(f.difference, 1, 0.05);
    ck_assert_double_gt(f.low, 0.95);
    ck_assert_double_lt(f.high, 1.05);
}
END_TEST

START_TEST(undefined_values_are_skipped)
{
    /* Metric 0 lacks values on both sides, metric 1 has none in b, metric 2 has one pair. */
    double a[] = { 1, 5, 1, 3, 5, NAN, NAN, 5, NAN, 5, 5, NAN };
    double b[] = { 2, NAN, 1, NAN, NAN, NAN, 6, NAN, NAN, 4, NAN, NAN };
    cg_bootstrap_figure f[3];
    cg_error err = CG_ERROR_INIT;

    ck_assert_int_eq(cg_bootstrap_differences(a, b, 4, 3, &usual, f, &err), CG_OK);
    ck_assert_uint_eq(f[0].n, 2);
    ck_assert_double_eq(f[0].a, 3);
    ck_assert_double_eq(f[0].b, 4);
    ck_assert_double_le(f[0].low, f[0].difference);
    ck_assert_double_ge(f[0].high, f[0].difference);
    ck_assert_uint_eq(f[1].n, 0);
    ck_assert_double_eq(f[1].a, 5);
    ck_assert(isnan(f[1].b) && isnan(f[1].difference) && isnan(f[1].low) && isnan(f[1].high));
    ck_assert_uint_eq(f[2].n, 1);
    ck_assert_double_eq(f[2].difference, 0);
    ck_assert(isnan(f[2].low) && isnan(f[2].high));
}
END_TEST

START_TEST(no_molecules)
{
    cg_bootstrap_figure f;
    cg_error err = CG_ERROR_INIT;

    ck_assert_int_eq(cg_bootstrap_differences(NULL, NULL, 0, 1, &usual, &f, &err), CG_OK);
    ck_assert_uint_eq(f.n, 0);
    ck_assert(isnan(f.a) && isnan(f.difference) && isnan(f.low));
}
END_TEST

START_TEST(same_seed_gives_same_result)
{
    enum { N = 30 };
    double a[N], b[N];
    cg_bootstrap_settings other = usual;
    cg_bootstrap_figure f, repeated, differs;
    cg_error err = CG_ERROR_INIT;

    for (uint32_t i = 0; i < N; i++) {
        a[i] = normal(3, i);
        b[i] = normal(4, i);
    }
    other.seed = 2;
    ck_assert_int_eq(cg_bootstrap_differences(a, b, N, 1, &usual, &f, &err), CG_OK);
    ck_assert_int_eq(cg_bootstrap_differences(a, b, N, 1, &usual, &repeated, &err), CG_OK);
    ck_assert_int_eq(cg_bootstrap_differences(a, b, N, 1, &other, &differs, &err), CG_OK);
    ck_assert_mem_eq(&f, &repeated, sizeof f);
    ck_assert_double_eq(f.difference, differs.difference);
    ck_assert_double_ne(f.low, differs.low);
    ck_assert_double_eq_tol(f.low, differs.low, 0.1);
}
END_TEST

/* The number of covering intervals is binomial: over 1000 sets, 4 standard deviations are 0.027 at
 * 0.95 and 0.05 at 0.8. Skewed differences are covered less often at this size. */
START_TEST(intervals_have_their_nominal_coverage)
{
    enum { SETS = 1000, N = 50 };
    static const struct {
        double level, least, most;
        int skewed;
    } cases[] = { { 0.95, 0.925, 0.975, 0 }, { 0.8, 0.75, 0.85, 0 }, { 0.95, 0.91, 0.97, 1 } };
    cg_bootstrap_settings s = { .resamples = 500, .seed = 7, .level = cases[_i].level };
    cg_error err = CG_ERROR_INIT;
    int covered = 0;

    for (uint64_t set = 0; set < SETS; set++) {
        double a[N], b[N];
        cg_bootstrap_figure f;

        for (uint32_t i = 0; i < N; i++) {
            a[i] = normal(100 + 2 * set, i);
            b[i] =
                a[i] + 0.3 +
                (cases[_i].skewed ? -log(uniform(101 + 2 * set, i)) - 1 : normal(101 + 2 * set, i));
        }
        ck_assert_int_eq(cg_bootstrap_differences(a, b, N, 1, &s, &f, &err), CG_OK);
        covered += f.low <= 0.3 && 0.3 <= f.high;
    }
    ck_assert_msg(covered >= cases[_i].least * SETS && covered <= cases[_i].most * SETS,
                  "case %d: %d of %d", _i, covered, SETS);
}
END_TEST

START_TEST(settings_out_of_range)
{
    static const struct {
        cg_bootstrap_settings s;
        const char *want;
    } cases[] = {
        { { 99, 1, 0.95 }, "99 resamples, wanted 100 to 1000000" },
        { { 1000001, 1, 0.95 }, "1000001 resamples" },
        { { 1000, 1, 0 }, "level 0, wanted above 0 and below 1" },
        { { 1000, 1, 1 }, "level 1" },
        { { 1000, 1, NAN }, "wanted above 0" },
    };
    double a[] = { 1, 2 };
    cg_bootstrap_figure f;
    cg_error err = CG_ERROR_INIT;

    ck_assert_int_eq(cg_bootstrap_differences(a, a, 2, 1, &cases[_i].s, &f, &err), CG_ERR_INPUT);
    ck_assert_contains(err.msg, cases[_i].want);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("bootstrap");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, means_and_signs);
    tcase_add_test(tc, pairing_cancels_differences_between_molecules);
    tcase_add_test(tc, undefined_values_are_skipped);
    tcase_add_test(tc, no_molecules);
    tcase_add_test(tc, same_seed_gives_same_result);
    tcase_add_loop_test(tc, intervals_have_their_nominal_coverage, 0, 3);
    tcase_add_loop_test(tc, settings_out_of_range, 0, 5);
    return run_suite("eval_bootstrap", &tc, 1);
}
