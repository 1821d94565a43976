/* SPDX-License-Identifier: MIT */
/* The table of report counters: complete, and walked by adding and by the JSON report. */
#include "engine/counters.h"
#include "scratch.h"

static int32_t size_of(const cg_report_counter *c)
{
    return c->n * (c->type == CG_COUNTER_INT32 ? 4 : 8);
}

START_TEST(each_member_is_one_counter)
{
    int32_t first = (int32_t)offsetof(cg_report, total_molecules);
    const cg_report_counter *c;
    unsigned char covered[sizeof(cg_report)] = { 0 };

    ck_assert_ptr_null(cg_report_describe(-1));
    for (int32_t k = 0; (c = cg_report_describe(k)) != NULL; k++) {
        ck_assert_uint_eq(c->struct_size, sizeof *c);
        for (int32_t i = 0; i < size_of(c); i++)
            covered[c->offset + (uint32_t)i]++;
    }
    for (int32_t i = 0; i < (int32_t)sizeof(cg_report); i++)
        ck_assert_msg(covered[i] == (i >= first), "byte %d: %d counters", i, covered[i]);
}
END_TEST

START_TEST(names_and_paths_are_unique)
{
    const cg_report_counter *c, *other;

    for (int32_t k = 0; (c = cg_report_describe(k)) != NULL; k++) {
        for (int32_t l = 0; l < k; l++) {
            other = cg_report_describe(l);
            ck_assert_str_ne(c->name, other->name);
            ck_assert(!c->json_path || !other->json_path || strcmp(c->json_path, other->json_path));
        }
        ck_assert_int_eq(c->label != NULL, c->json_path && strchr(c->json_path, '*'));
        for (int32_t i = c->first; c->label && i < c->n && c->label(i); i++)
            ck_assert_ptr_null(strchr(c->label(i), '.'));
    }
}
END_TEST

START_TEST(counts_are_added_and_states_kept)
{
    cg_report sum = { CG_SIZED(cg_report), .tokens = 3, .seconds = 1.5, .peak_bytes = 7,
                      .halvings = 2 };
    cg_report part = { CG_SIZED(cg_report), .tokens = 4, .seconds = 0.5, .peak_bytes = 5,
                       .halvings = 1 };

    part.check_failed[CG_MAX_CHECKS - 1] = 6;
    cg_report_add(&sum, &part);
    cg_report_add(&sum, &part);
    ck_assert_int_eq(sum.tokens, 11);
    ck_assert_double_eq(sum.seconds, 2.5);
    ck_assert_int_eq(sum.peak_bytes, 7);
    ck_assert_int_eq(sum.halvings, 2);
    ck_assert_int_eq(sum.check_failed[CG_MAX_CHECKS - 1], 12);
    ck_assert_uint_eq(sum.struct_size, sizeof sum);
}
END_TEST

static const cg_executor_stats ones = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };

START_TEST(all_executor_stats_are_added)
{
    cg_executor_stats sum = { .steps = 0 }, more = ones;

    cg_executor_stats_add(&sum, &ones);
    ck_assert_mem_eq(&sum, &ones, sizeof sum);
    more.head_rows = 9;
    cg_executor_stats_add(&sum, &more);
    ck_assert_int_eq(sum.steps, 2);
    ck_assert_double_eq(sum.idle_seconds, 2);
    ck_assert_int_eq(sum.head_rows, 9);    /* the latest */
    ck_assert_int_eq(sum.device_bytes, 1); /* the peak */
}
END_TEST

/* Two executors, each of which did one step since `before`. */
START_TEST(executors_are_counted_from_a_reading_on)
{
    cg_report r = { .steps = 10 };
    cg_executor_stats after = ones;

    after.steps = 2;
    after.tokens = 5;
    after.seconds = 1.25;
    cg_report_count_executor(&r, &ones, &after);
    cg_report_count_executor(&r, &ones, &after);
    ck_assert_int_eq(r.steps, 12);
    ck_assert_int_eq(r.evaluated, 8);
    ck_assert_double_eq(r.decode_seconds, 0.5);
    ck_assert_int_eq(r.head_rows, 1);
    ck_assert_int_eq(r.device_bytes, 2);
    ck_assert_int_eq(r.tokens + r.sampled + r.forced, 0); /* counted by sequence */
}
END_TEST

START_TEST(verdicts_and_failures)
{
    cg_report r = { .steps = 0 };

    for (int32_t v = CG_CONFORMER_OK; v <= CG_CONFORMER_INVALID_GEOMETRY; v++)
        cg_report_count_verdict(&r, v, v + 1);
    ck_assert_int_eq(r.conformers, 1);
    ck_assert_int_eq(r.wrong_molecules, 2);
    ck_assert_int_eq(r.parse_failures, 3);
    ck_assert_int_eq(r.unfinished, 4);
    ck_assert_int_eq(r.invalid_geometry, 5);
    cg_report_count_failure(&r, CG_OK);
    cg_report_count_failure(&r, CG_ERR_INPUT);
    cg_report_count_failure(&r, CG_ERR_LIMIT);
    cg_report_count_failure(&r, CG_ERR_UNSUPPORTED);
    ck_assert_int_eq(r.failed_input, 1);
    ck_assert_int_eq(r.failed_limit, 1);
    ck_assert_int_eq(r.failed_unsupported, 1);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("counters");

    tcase_add_test(tc, each_member_is_one_counter);
    tcase_add_test(tc, names_and_paths_are_unique);
    tcase_add_test(tc, counts_are_added_and_states_kept);
    tcase_add_test(tc, all_executor_stats_are_added);
    tcase_add_test(tc, executors_are_counted_from_a_reading_on);
    tcase_add_test(tc, verdicts_and_failures);
    return run_suite("counters", &tc, 1);
}
