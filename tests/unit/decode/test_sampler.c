/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "decode/sampler.h"

static cg_sampler_scratch scratch;

static int32_t sample(cg_sampling s, const float *logits, int32_t n, float u)
{
    int32_t index = -1;

    s.struct_size = sizeof s;
    ck_assert_int_eq(cg_sample(&s, logits, n, u, &scratch, &index), CG_OK);
    ck_assert(index >= 0 && index < n);
    return index;
}

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

    for (int i = 0; i < 8000; i++)
        count[sample(s, four, 4, (float)i / 8000.0f)]++;
    ck_assert_int_le(abs(count[0] - 1000), 2);
    ck_assert_int_le(abs(count[1] - 4000), 2);
    ck_assert_int_le(abs(count[2] - 1000), 2);
    ck_assert_int_le(abs(count[3] - 2000), 2);
}
END_TEST

START_TEST(low_temperature_favours_the_largest)
{
    cg_sampling s = { .temperature = 0.5f, .top_p = 1 };
    int largest = 0;

    for (int i = 0; i < 1000; i++)
        largest += sample(s, four, 4, (float)i / 1000.0f) == 1;
    /* squares: 1/4 : 1/16 : 1/64 : 1/64 -> 16/22 */
    ck_assert_int_le(abs(largest - 727), 3);
}
END_TEST

START_TEST(filters_exclude_candidates)
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
        /* top-p applies to the candidates that top-k kept: 0.5 of 0.75 is two thirds */
        { { .temperature = 1, .top_p = 0.66f, .top_k = 2 }, { 0, 1, 0, 0 } },
    };
    int seen[4] = { 0 };

    for (int i = 0; i < 1000; i++)
        seen[sample(cases[_i].s, four, 4, (float)i / 1000.0f)] = 1;
    for (int i = 0; i < 4; i++)
        ck_assert_msg(seen[i] == cases[_i].allowed[i], "case %d, candidate %d: sampled %d", _i, i,
                      seen[i]);
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
    ck_assert_int_eq(sample((cg_sampling) { .temperature = 0.01f, .top_p = 0.9f }, wide, 300, 0.5f),
                     123);
}
END_TEST

START_TEST(check_names_the_invalid_value)
{
    cg_error err = CG_ERROR_INIT;
    cg_sampling s = { sizeof s, 0, 1.0f, 0, 1.0f, 0.0f };

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

START_TEST(presets_have_their_documented_values)
{
    static const cg_sampling_preset want[] = {
        { "greedy", { sizeof(cg_sampling), 1, 1.0f, 0, 1.0f, 0.0f } },
        { "top_p_sampling1", { sizeof(cg_sampling), 0, 1.0f, 0, 1.0f, 0.0f } },
        { "top_p_sampling2", { sizeof(cg_sampling), 0, 1.0f, 0, 0.8f, 0.0f } },
        { "top_p_sampling3", { sizeof(cg_sampling), 0, 1.0f, 0, 0.6f, 0.0f } },
        { "top_p_sampling4", { sizeof(cg_sampling), 0, 1.0f, 0, 0.4f, 0.0f } },
        { "min_p_sampling1", { sizeof(cg_sampling), 0, 1.4f, 0, 1.0f, 0.1f } },
        { "min_p_sampling2", { sizeof(cg_sampling), 0, 1.4f, 0, 1.0f, 0.075f } },
        { "min_p_sampling3", { sizeof(cg_sampling), 0, 1.4f, 0, 1.0f, 0.05f } },
        { "qwen3", { sizeof(cg_sampling), 0, 0.7f, 20, 0.8f, 0.0f } },
    };
    int32_t n;
    const cg_sampling_preset *p = cg_sampling_presets(&n);

    ck_assert_int_eq(n, (int)(sizeof want / sizeof want[0]));
    for (int i = 0; i < n; i++) {
        const cg_sampling *got = &p[i].sampling, *w = &want[i].sampling;

        ck_assert_str_eq(p[i].name, want[i].name);
        ck_assert_uint_eq(got->struct_size, w->struct_size);
        ck_assert_msg(
            got->greedy == w->greedy && got->temperature == w->temperature &&
                got->top_k == w->top_k && got->top_p == w->top_p && got->min_p == w->min_p,
            "%s: greedy %d, temperature %g, top-k %d, top-p %g, min-p %g", p[i].name, got->greedy,
            (double)got->temperature, got->top_k, (double)got->top_p, (double)got->min_p);
        ck_assert_int_eq(cg_sampling_check(got, NULL), CG_OK);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sampler");
    TCase *tc = tcase_create("sample");
    SRunner *sr;
    int failed;

    tcase_add_test(tc, greedy_selects_the_largest);
    tcase_add_test(tc, frequencies_match_the_probabilities);
    tcase_add_test(tc, low_temperature_favours_the_largest);
    tcase_add_loop_test(tc, filters_exclude_candidates, 0, 7);
    tcase_add_test(tc, extreme_logits_give_valid_candidates);
    tcase_add_test(tc, check_names_the_invalid_value);
    tcase_add_test(tc, presets_have_their_documented_values);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    cg_sampler_scratch_finish(&scratch);
    return failed != 0;
}
