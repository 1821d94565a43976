/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "decode/sampler.h"

static cg_sampler_scratch scratch;

static int32_t draw(cg_sampling s, const float *logits, int32_t n, float u)
{
    int32_t choice = -1;

    s.struct_size = sizeof s;
    ck_assert_int_eq(cg_sample(&s, logits, n, u, &scratch, &choice), CG_OK);
    ck_assert(choice >= 0 && choice < n);
    return choice;
}

/* Probabilities 0.5, 0.25, 0.125, 0.125 in scrambled order. */
static const float four[4] = { -2.0794415f, -0.6931472f, -2.0794415f, -1.3862944f };

START_TEST(greedy_takes_the_largest)
{
    cg_sampling s = { .greedy = 1, .temperature = 1, .top_p = 1 };

    ck_assert_int_eq(draw(s, four, 4, 0.99f), 1);
}
END_TEST

START_TEST(shares_follow_the_probabilities)
{
    cg_sampling s = { .temperature = 1, .top_p = 1 };
    int count[4] = { 0 };

    for (int i = 0; i < 8000; i++)
        count[draw(s, four, 4, (float)i / 8000.0f)]++;
    ck_assert_int_le(abs(count[0] - 1000), 2);
    ck_assert_int_le(abs(count[1] - 4000), 2);
    ck_assert_int_le(abs(count[2] - 1000), 2);
    ck_assert_int_le(abs(count[3] - 2000), 2);
}
END_TEST

START_TEST(temperature_sharpens)
{
    cg_sampling s = { .temperature = 0.5f, .top_p = 1 };
    int largest = 0;

    for (int i = 0; i < 1000; i++)
        largest += draw(s, four, 4, (float)i / 1000.0f) == 1;
    /* squares: 1/4 : 1/16 : 1/64 : 1/64 -> 16/22 */
    ck_assert_int_le(abs(largest - 727), 3);
}
END_TEST

START_TEST(filters_exclude)
{
    static const struct {
        cg_sampling s;
        int allowed[4];
    } cases[] = {
        { { .temperature = 1, .top_p = 1, .top_k = 2 }, { 0, 1, 0, 1 } },
        { { .temperature = 1, .top_p = 1, .top_k = 3 }, { 1, 1, 0, 1 } }, /* ties: lower index */
        { { .temperature = 1, .top_p = 0.5f }, { 0, 1, 0, 0 } },
        { { .temperature = 1, .top_p = 0.6f }, { 0, 1, 0, 1 } },
        { { .temperature = 1, .top_p = 1, .min_p = 0.3f }, { 0, 1, 0, 1 } },
        { { .temperature = 1, .top_p = 1, .min_p = 0.9f }, { 0, 1, 0, 0 } },
        /* top-p counts within what top-k left: 0.5 of 0.75 is two thirds */
        { { .temperature = 1, .top_p = 0.66f, .top_k = 2 }, { 0, 1, 0, 0 } },
    };
    int seen[4] = { 0 };

    for (int i = 0; i < 1000; i++)
        seen[draw(cases[_i].s, four, 4, (float)i / 1000.0f)] = 1;
    for (int i = 0; i < 4; i++)
        ck_assert_msg(seen[i] == cases[_i].allowed[i], "case %d, token %d: drawn %d", _i, i,
                      seen[i]);
}
END_TEST

START_TEST(extreme_logits_stay_in_range)
{
    float wide[300];

    for (int i = 0; i < 300; i++)
        wide[i] = i == 123 ? 80.0f : -1e30f;
    ck_assert_int_eq(draw((cg_sampling) { .temperature = 1, .top_p = 1 }, wide, 300, 0.0f), 123);
    ck_assert_int_eq(draw((cg_sampling) { .temperature = 1, .top_p = 1 }, wide, 300, 0.9999999f),
                     123);
    ck_assert_int_eq(draw((cg_sampling) { .temperature = 0.01f, .top_p = 0.9f }, wide, 300, 0.5f),
                     123);
}
END_TEST

START_TEST(check_names_the_value)
{
    cg_error err = CG_ERROR_INIT;
    cg_sampling s = { sizeof s, 0, 1.0f, 0, 1.0f, 0.0f };

    ck_assert_int_eq(cg_sampling_check(&s, &err), CG_OK);
    s.temperature = NAN;
    ck_assert_int_eq(cg_sampling_check(&s, &err), CG_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(err.msg, "temperature"));
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

START_TEST(presets_are_valid_and_complete)
{
    static const char *const names[] = { "greedy",          "top_p_sampling1", "top_p_sampling2",
                                         "top_p_sampling3", "top_p_sampling4", "min_p_sampling1",
                                         "min_p_sampling2", "min_p_sampling3", "qwen3" };
    int32_t n;
    const cg_sampling_preset *p = cg_sampling_presets(&n);

    ck_assert_int_eq(n, 9);
    for (int i = 0; i < n; i++) {
        ck_assert_str_eq(p[i].name, names[i]);
        ck_assert_int_eq(cg_sampling_check(&p[i].sampling, NULL), CG_OK);
    }
    ck_assert(p[8].sampling.temperature == 0.7f && p[8].sampling.top_k == 20 &&
              p[8].sampling.top_p == 0.8f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sampler");
    TCase *tc = tcase_create("sample");
    SRunner *sr;
    int failed;

    tcase_add_test(tc, greedy_takes_the_largest);
    tcase_add_test(tc, shares_follow_the_probabilities);
    tcase_add_test(tc, temperature_sharpens);
    tcase_add_loop_test(tc, filters_exclude, 0, 7);
    tcase_add_test(tc, extreme_logits_stay_in_range);
    tcase_add_test(tc, check_names_the_value);
    tcase_add_test(tc, presets_are_valid_and_complete);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    cg_sampler_scratch_finish(&scratch);
    return failed != 0;
}
