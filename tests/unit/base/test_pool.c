/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/pool.h"

static void count_item(void *ctx, int64_t i, int worker)
{
    atomic_int *seen = ctx;

    (void)worker;
    atomic_fetch_add(&seen[i], 1);
}

START_TEST(team_visits_every_item_once)
{
    enum { N = 1000 };
    cg_error err = CG_ERROR_INIT;
    cg_team *team = NULL;
    atomic_int *seen = calloc(N, sizeof *seen);

    ck_assert_int_eq(cg_team_create(_i, &team, &err), CG_OK);
    for (int round = 0; round < 200; round++) {
        cg_team_loop(team, round % 7 ? N : 1, count_item, seen);
    }
    ck_assert_int_eq(atomic_load(&seen[0]), 200);
    for (int i = 1; i < N; i++)
        ck_assert_msg(atomic_load(&seen[i]) == 171, "item %d seen %d times", i,
                      atomic_load(&seen[i]));
    cg_team_destroy(team);
    free(seen);
}
END_TEST

START_TEST(team_refuses_zero_threads)
{
    cg_error err = CG_ERROR_INIT;
    cg_team *team = NULL;

    ck_assert_int_eq(cg_team_create(0, &team, &err), CG_ERR_USAGE);
    ck_assert_ptr_null(team);
    ck_assert_ptr_nonnull(strstr(err.msg, "0 threads"));
}
END_TEST

static void add_job(void *arg, int worker)
{
    (void)worker;
    atomic_fetch_add((atomic_int *)arg, 1);
}

START_TEST(queue_runs_every_job)
{
    cg_error err = CG_ERROR_INIT;
    cg_queue *queue = NULL;
    atomic_int sum = 0;

    ck_assert_int_eq(cg_queue_create(3, 2, &queue, &err), CG_OK);
    for (int i = 0; i < 500; i++)
        cg_queue_push(queue, add_job, &sum);
    cg_queue_destroy(queue); /* runs the waiting jobs */
    ck_assert_int_eq(atomic_load(&sum), 500);
}
END_TEST

START_TEST(error_text_shows_control_bytes_and_prefix)
{
    cg_error err = CG_ERROR_INIT;

    ck_assert_int_eq(cg_fail(&err, CG_ERR_INPUT, "bad '%s'", "a\nb"), CG_ERR_INPUT);
    ck_assert_str_eq(err.msg, "bad 'a\\x0ab'");
    cg_fail_prefix(&err, CG_ERR_INPUT, "line %d", 7);
    ck_assert_str_eq(err.msg, "line 7: bad 'a\\x0ab'");
    ck_assert_int_eq(cg_fail(NULL, CG_ERR_IO, "no record"), CG_ERR_IO);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base");
    TCase *tc = tcase_create("pool and error");
    SRunner *sr;
    int failed;

    tcase_add_loop_test(tc, team_visits_every_item_once, 1, 5);
    tcase_add_test(tc, team_refuses_zero_threads);
    tcase_add_test(tc, queue_runs_every_job);
    tcase_add_test(tc, error_text_shows_control_bytes_and_prefix);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
