/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef BLOCK
#include "sampler_block.h"
#else
#include "decode/sampler.h"
#endif

#ifdef BLOCK
enum { DRAWS = 80 };

static int32_t sample(cg_sampling s, const float *logits, int32_t n, float u)
{
    int32_t index = sample_by_block(&s, logits, n, u, 1);

    ck_assert_int_eq(sample_by_block(&s, logits, n, u, 0), index);
    ck_assert(index >= 0 && index < n);
    return index;
}

static void kept_by(cg_sampling s, const float *logits, int32_t n, int *ret_kept)
{
    double weights[16];

    weights_by_block(&s, logits, n, weights);
    for (int32_t i = 0; i < n; i++)
        ret_kept[i] = weights[i] > 0;
}
#else
enum { DRAWS = 8000 };

static cg_sampler_scratch scratch;

static int32_t sample(cg_sampling s, const float *logits, int32_t n, float u)
{
    int32_t index = -1;

    s.struct_size = sizeof s;
    ck_assert_int_eq(cg_sample(&s, logits, n, u, &scratch, &index), CG_OK);
    ck_assert(index >= 0 && index < n);
    return index;
}

static void kept_by(cg_sampling s, const float *logits, int32_t n, int *ret_kept)
{
    double total;

    ck_assert_int_eq(cg_sampling_weights(&s, logits, n, &scratch, &total), CG_OK);
    for (int32_t i = 0; i < n; i++)
        ret_kept[i] = scratch.p[i] > 0;
}
#endif

/* Probabilities 0.5, 0.25, 0.125, 0.125 in scrambled order. */
static const float four[4] = { -2.0794415f, -0.6931472f, -2.0794415f, -1.3862944f };

START_TEST(greedy_selects_the_largest)
{
    cg_sampling s = { .greedy = 1, .temperature = 1, .top_p = 1 };

    ck_assert_int_eq(sample(s, four, 4, 0.99f), 1);
}
END_TEST

START_TEST(frequencies_match_the_probabilities)
{
    cg_sampling s = { .temperature = 1, .top_p = 1 };
    int count[4] = { 0 };

    for (int i = 0; i < DRAWS; i++)
        count[sample(s, four, 4, (float)i / (float)DRAWS)]++;
    ck_assert_int_le(abs(count[0] - DRAWS / 8), 2);
    ck_assert_int_le(abs(count[1] - DRAWS / 2), 2);
    ck_assert_int_le(abs(count[2] - DRAWS / 8), 2);
    ck_assert_int_le(abs(count[3] - DRAWS / 4), 2);
}
END_TEST

START_TEST(low_temperature_favours_the_largest)
{
    cg_sampling s = { .temperature = 0.5, .top_p = 1 };
    int largest = 0;

    for (int i = 0; i < DRAWS; i++)
        largest += sample(s, four, 4, (float)i / (float)DRAWS) == 1;
    /* squares: 1/4 : 1/16 : 1/64 : 1/64 -> 16/22 */
    ck_assert_int_le(abs(largest - DRAWS * 16 / 22), 3);
}
END_TEST

/* The candidates that the filters keep, of four probabilities and of ten equal ones. */
static const struct {
    int n;
    cg_sampling s;
    const char *kept; /* digits */
} filters[] = {
    { 4, { .temperature = 1, .top_p = 1, .top_k = 2 }, "13" },
    { 4, { .temperature = 1, .top_p = 1, .top_k = 3 }, "0123" }, /* all that equal the third */
    { 4, { .temperature = 1, .top_p = 1, .top_k = 4 }, "0123" },
    { 4, { .temperature = 1, .top_p = 0.5 }, "1" },
    { 4, { .temperature = 1, .top_p = 0.6 }, "13" },
    { 4, { .temperature = 1, .top_p = 0.8 }, "013" }, /* of equal ones the first */
    { 4, { .temperature = 1, .top_p = 1, .min_p = 0.3 }, "13" },
    { 4, { .temperature = 1, .top_p = 1, .min_p = 0.9 }, "1" },
    /* top-p applies to the candidates that top-k kept: 0.5 of 0.75 is two thirds */
    { 4, { .temperature = 1, .top_p = 0.66, .top_k = 2 }, "1" },
    { 4, { .temperature = 1, .top_p = 0.67, .top_k = 2 }, "13" },
    /* a share that is exactly reached excludes the rest */
    { 10, { .temperature = 1, .top_p = 0.8 }, "01234567" },
    { 10, { .temperature = 0.7, .top_p = 0.3 }, "012" },
    { 10, { .temperature = 1, .top_p = 1, .top_k = 1 }, "0123456789" },
    { 10, { .temperature = 1, .top_p = 0.2, .top_k = 3 }, "01" },
};

START_TEST(filters_exclude_candidates)
{
    static const float equal[10] = { 0 };
    char kept[11] = { 0 }, *end = kept;
    int is_kept[10];

    kept_by(filters[_i].s, filters[_i].n == 4 ? four : equal, filters[_i].n, is_kept);
    for (int i = 0; i < filters[_i].n; i++)
        if (is_kept[i])
            *end++ = (char)('0' + i);
    ck_assert_msg(!strcmp(kept, filters[_i].kept), "case %d: kept %s, wanted %s", _i, kept,
                  filters[_i].kept);
}
END_TEST

/* -0 equals 0. */
START_TEST(signs_of_zero_are_equal)
{
    static const float zeros[5] = { -1, -0.0f, 0, -0.0f, -2 };
    cg_sampling s = { .temperature = 1, .top_p = 1, .top_k = 1 };
    int kept[5];

    kept_by(s, zeros, 5, kept);
    ck_assert(!kept[0] && kept[1] && kept[2] && kept[3] && !kept[4]);
    s.greedy = 1;
    ck_assert_int_eq(sample(s, zeros, 5, 0), 1);
}
END_TEST

START_TEST(extreme_logits_give_valid_candidates)
{
    float wide[300];

    for (int i = 0; i < 300; i++)
        wide[i] = i == 123 ? 80.0f : -1e30f;
    ck_assert_int_eq(sample((cg_sampling) { .temperature = 1, .top_p = 1 }, wide, 300, 0.0f), 123);
    ck_assert_int_eq(sample((cg_sampling) { .temperature = 1, .top_p = 1 }, wide, 300, 0.9999999f),
                     123);
    ck_assert_int_eq(sample((cg_sampling) { .temperature = 0.01, .top_p = 0.9 }, wide, 300, 0.5f),
                     123);
}
END_TEST

#ifndef BLOCK
START_TEST(check_names_the_invalid_value)
{
    cg_error err = CG_ERROR_INIT;
    cg_sampling s = { sizeof s, 0, 1, 0, 1, 0 };

    ck_assert_int_eq(cg_sampling_check(&s, &err), CG_OK);
    s.temperature = NAN;
    ck_assert_int_eq(cg_sampling_check(&s, &err), CG_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(err.msg, "temperature"));
    s.temperature = 0;
    ck_assert_int_eq(cg_sampling_check(&s, &err), CG_ERR_USAGE);
    ck_assert_str_eq(err.msg, "temperature 0: wanted more than 0, at most 1000; --greedy takes the "
                              "most probable token");
    s.greedy = 1; /* the other members are ignored */
    ck_assert_int_eq(cg_sampling_check(&s, &err), CG_OK);
    s.greedy = 0;
    s.temperature = 1;
    s.top_p = 0;
    ck_assert_int_eq(cg_sampling_check(&s, &err), CG_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(err.msg, "top-p"));
    s.top_p = 1;
    s.min_p = 1;
    ck_assert_int_eq(cg_sampling_check(&s, &err), CG_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(err.msg, "min-p"));
    s.min_p = 0;
    s.top_k = -1;
    ck_assert_int_eq(cg_sampling_check(&s, &err), CG_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(err.msg, "top-k"));
}
END_TEST

static void check_preset(const char *name, cg_sampling want)
{
    cg_sampling s = { CG_SIZED(cg_sampling) };

    ck_assert_int_eq(cg_sampling_preset_get(name, &s, NULL), CG_OK);
    ck_assert_msg(s.greedy == want.greedy && s.temperature == want.temperature &&
                      s.top_k == want.top_k && s.top_p == want.top_p && s.min_p == want.min_p,
                  "%s: greedy %d, temperature %g, top-k %d, top-p %g, min-p %g", name, s.greedy,
                  s.temperature, s.top_k, s.top_p, s.min_p);
}

START_TEST(presets_have_their_documented_values)
{
    static const struct {
        const char *name;
        cg_sampling s;
    } want[] = {
        { "greedy", { sizeof(cg_sampling), 1, 1, 50, 1, 0 } },
        { "recall", { sizeof(cg_sampling), 0, 1.3, 70, 1, 0 } },
        { "precision", { sizeof(cg_sampling), 0, 1, 50, 0.8, 0 } },
        { "qwen3", { sizeof(cg_sampling), 0, 0.7, 20, 0.8, 0 } },
        { "top_p_low_temperature", { sizeof(cg_sampling), 0, 0.8, 50, 0.8, 0 } },
        { "top_p_sweep1", { sizeof(cg_sampling), 0, 0.8, 50, 0.9, 0 } },
        { "min_p_sweep3", { sizeof(cg_sampling), 0, 1.2, 50, 1, 0.1 } },
        { "top_k_sweep2", { sizeof(cg_sampling), 0, 1, 50, 1, 0 } },
        { "top_p_r2_3", { sizeof(cg_sampling), 0, 1, 50, 0.95, 0 } },
        { "min_p_r2_3", { sizeof(cg_sampling), 0, 1, 50, 1, 0.15 } },
        { "top_k_r2_3", { sizeof(cg_sampling), 0, 1, 100, 1, 0 } },
        { "top_k_r3_30_t06", { sizeof(cg_sampling), 0, 0.6, 30, 1, 0 } },
        { "top_k_r3_70_t15", { sizeof(cg_sampling), 0, 1.5, 70, 1, 0 } },
    };
    /* by four and three: each temperature with each top_p, with each min_p */
    static const double temperatures[2][4] = { { 1.0, 1.0, 1.2, 1.4 }, { 1.4, 1.2, 1.0, 0.8 } };
    static const double top_p[4] = { 1.0, 0.8, 0.6, 0.4 }, min_p[3] = { 0.1, 0.075, 0.05 };
    cg_sampling preset = { CG_SIZED(cg_sampling) };
    cg_error err = CG_ERROR_INIT;
    const char *found;
    char name[32];
    int32_t n = 0;

    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++)
        check_preset(want[i].name, want[i].s);
    for (int i = 0; i < 16 + 12; i++) {
        cg_sampling s = { sizeof s,
                          0,
                          temperatures[i >= 16][i < 16 ? i / 4 : (i - 16) / 3],
                          50,
                          i < 16 ? top_p[i % 4] : 1,
                          i < 16 ? 0 : min_p[(i - 16) % 3] };

        snprintf(name, sizeof name, i < 16 ? "top_p_sampling%d" : "min_p_sampling%d",
                 i < 16 ? i + 1 : i - 15);
        check_preset(name, s);
    }
    for (; (found = cg_sampling_preset_name(n)) != NULL; n++) {
        ck_assert_int_eq(cg_sampling_preset_get(found, &preset, NULL), CG_OK);
        ck_assert_int_eq(cg_sampling_check(&preset, NULL), CG_OK);
    }
    ck_assert_int_eq(n, 63);
    ck_assert_int_eq(cg_sampling_preset_get("beam_search", &preset, &err), CG_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(err.msg, "'beam_search' searches with 4 beams"));
    ck_assert_int_eq(cg_sampling_preset_get("top_p_sampling17", &preset, &err), CG_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(err.msg, "top_p_sampling1 to 16"));
}
END_TEST
#endif

int main(void)
{
    Suite *s = suite_create("sampler");
    TCase *tc = tcase_create("sample");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, greedy_selects_the_largest);
    tcase_add_test(tc, frequencies_match_the_probabilities);
    tcase_add_test(tc, low_temperature_favours_the_largest);
    tcase_add_loop_test(tc, filters_exclude_candidates, 0,
                        (int)(sizeof filters / sizeof filters[0]));
    tcase_add_test(tc, signs_of_zero_are_equal);
    tcase_add_test(tc, extreme_logits_give_valid_candidates);
#ifndef BLOCK
    tcase_add_test(tc, check_names_the_invalid_value);
    tcase_add_test(tc, presets_have_their_documented_values);
#endif
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
#ifndef BLOCK
    cg_sampler_scratch_finish(&scratch);
#endif
    return failed != 0;
}
