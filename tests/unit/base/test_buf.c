/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json_text.h"

START_TEST(buffer_grows_and_is_a_string)
{
    cg_buf b = { 0 };

    ck_assert_str_eq(cg_buf_text(&b), "");
    for (int i = 0; i < 1000; i++)
        cg_buf_printf(&b, "%d,", i);
    cg_buf_putc(&b, '\n');
    ck_assert_uint_eq(b.len, 3891);
    ck_assert_uint_eq(strlen(cg_buf_text(&b)), b.len);
    ck_assert(!strncmp(b.data + b.len - 5, "999,\n", 5));
    cg_buf_clear(&b);
    ck_assert_str_eq(cg_buf_text(&b), "");
    cg_buf_put(&b, "a\0b", 3);
    ck_assert_uint_eq(b.len, 3);
    cg_buf_finish(&b);
    ck_assert_ptr_null(b.data);
    cg_buf_finish(NULL);
}
END_TEST

START_TEST(failed_allocation_latches)
{
    cg_error err = CG_ERROR_INIT;
    cg_buf b = { 0 };

    cg_buf_puts(&b, "kept");
    ck_assert_int_eq(cg_buf_check(&b, "thing", &err), CG_OK);
    ck_assert_int_eq(cg_buf_reserve(&b, SIZE_MAX - 2), -1);
    cg_buf_puts(&b, " not this");
    ck_assert_str_eq(cg_buf_text(&b), "kept");
    ck_assert_int_eq(cg_buf_check(&b, "thing", &err), CG_ERR_NOMEM);
    ck_assert_str_eq(err.msg, "thing: out of memory");
    cg_buf_clear(&b);
    cg_buf_puts(&b, "again");
    ck_assert_int_eq(cg_buf_check(&b, "thing", &err), CG_OK);
    cg_buf_finish(&b);
}
END_TEST

static const struct {
    const char *in, *out;
} strings[] = {
    { "", "\"\"" },
    { "C/C=C\\C \"x\"", "\"C/C=C\\\\C \\\"x\\\"\"" },
    { "a\tb\x01\x7f", "\"a\\u0009b\\u0001\\u007f\"" },
    { "caf\xc3\xa9 \xf0\x9f\x98\x80", "\"caf\xc3\xa9 \xf0\x9f\x98\x80\"" },
    { "\xe9t\xe9", "\"\\ufffdt\\ufffd\"" },                                /* Latin-1 */
    { "\xc0\xaf\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\"" }, /* overlong, surrogate */
    { "\xf4\x90\x80\x80\xc3", "\"\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\"" }, /* too high, cut off */
};

START_TEST(json_strings_are_escaped)
{
    cg_buf b = { 0 };

    cg_json_put_string(&b, strings[_i].in);
    ck_assert_str_eq(cg_buf_text(&b), strings[_i].out);
    cg_buf_finish(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("buf");
    TCase *tc = tcase_create("buf");
    SRunner *sr;
    int failed;

    tcase_add_test(tc, buffer_grows_and_is_a_string);
    tcase_add_test(tc, failed_allocation_latches);
    tcase_add_loop_test(tc, json_strings_are_escaped, 0, sizeof strings / sizeof *strings);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
