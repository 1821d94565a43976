/* SPDX-License-Identifier: MIT */
/* The lengths that cudnn makes plans for, and which plan a call gets. */
#include <check.h>

#include "../../../plugins/attention/cudnn/buckets.h"

static const int64_t longest[] = { 1,    2,    127,  128,   129,   255,   256,   257,      300,
                                   1280, 8192, 8193, 16384, 16385, 32768, 98304, INT32_MAX };
enum { N = sizeof longest / sizeof *longest };

START_TEST(every_length_has_a_plan)
{
    int64_t most = longest[_i];
    int32_t last = bucket_of(most, most);

    ck_assert_int_ge(last, 0);
    ck_assert_int_lt(last, MAX_BUCKETS);
    ck_assert_int_eq(bucket_len(most, last), most);
    for (int32_t i = 0; i < last; i++) {
        int64_t len = bucket_len(most, i);

        ck_assert_int_ge(len, BUCKET_LEAST);
        ck_assert_int_eq(len & (len - 1), 0);
        ck_assert_int_lt(len, bucket_len(most, i + 1));
        ck_assert_int_le(bucket_len(most, i + 1), 2 * len);
        ck_assert_int_eq(bucket_of(most, len), i);
        ck_assert_int_eq(bucket_of(most, len + 1), i + 1);
    }
    ck_assert_int_eq(bucket_of(most, 1), 0);
}
END_TEST

START_TEST(plans_are_few)
{
    ck_assert_int_eq(bucket_of(128, 128), 0); /* one plan */
    ck_assert_int_eq(bucket_of(1280, 1280), 4);
    ck_assert_int_eq(bucket_of(1280, 300), 2);
    ck_assert_int_eq(bucket_len(1280, 2), 512);
    ck_assert_int_eq(bucket_of(32768, 1), 0); /* one for 128 would be a ninth plan */
    ck_assert_int_eq(bucket_len(32768, 0), 256);
    ck_assert_int_eq(bucket_of(32768, 32768), 7);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cudnn buckets");
    TCase *tc = tcase_create("buckets");
    SRunner *sr;
    int failed;

    tcase_add_loop_test(tc, every_length_has_a_plan, 0, N);
    tcase_add_test(tc, plans_are_few);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
