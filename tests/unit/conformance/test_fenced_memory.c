/* SPDX-License-Identifier: MIT */
/* Accesses outside of fenced memory are recorded, and take place. */
#include <check.h>
#include <string.h>

#include "conformance/fenced_memory.h"

static char text[160];

static const char *violation(void)
{
    return fenced_violation(text, sizeof text) ? text : "none";
}

START_TEST(accesses_are_recorded)
{
    int at_end = _i;
    char *q = fenced_alloc("q", 100, 4, at_end), *out = fenced_alloc("out", 8192, 64, at_end);
    volatile char *x = q;

    ck_assert_str_eq(violation(), "none");
    x[0] = 1;
    x[99] = out[8191];
    ck_assert_str_eq(violation(), "none");
    fenced_set_read_only(q, 1);
    ck_assert_int_eq(x[0], 1);
    ck_assert_str_eq(violation(), "none");
    x[50] = 7;
    ck_assert_str_eq(violation(), "wrote to q");
    ck_assert_int_eq(x[50], 7);
    x[51] = 8; /* protected again */
    ck_assert_str_eq(violation(), "wrote to q");
    fenced_set_read_only(q, 0);
    x[50] = 9;
    ck_assert_str_eq(violation(), "none");
    x = out;
    x[100000000] = 1;
    x[-100000000] = 1; /* the first is reported */
    ck_assert_str_eq(violation(), "accessed memory 99991808 bytes after the end of out");
    ck_assert_int_eq(x[-100000], 0);
    ck_assert_str_eq(violation(), "accessed memory 100000 bytes before out");
    fenced_free(q);
    fenced_free(out);
}
END_TEST

START_TEST(neighbours_are_recorded)
{
    volatile char *x = fenced_alloc("slot", 40, 4, 1);

    x[40] = 1;
    ck_assert_str_eq(violation(), "accessed memory 0 bytes after the end of slot");
    x[-1] = 1; /* of the same page */
    ck_assert_str_eq(violation(), "wrote before or after slot");
    ck_assert_str_eq(violation(), "none");
    fenced_free((void *)x);
    x = fenced_alloc("slot", 40, 4, 0);
    x[-1] = 1;
    ck_assert_str_eq(violation(), "accessed memory 1 bytes before slot");
    x[40] = 1;
    ck_assert_str_eq(violation(), "wrote before or after slot");
    fenced_free((void *)x);
    fenced_free(NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fenced_memory");
    TCase *tc = tcase_create("fenced_memory");
    SRunner *sr;
    int failed;

    fenced_memory_start();
    tcase_add_loop_test(tc, accesses_are_recorded, 0, 2);
    tcase_add_test(tc, neighbours_are_recorded);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
