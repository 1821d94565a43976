/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>

#include "format/number_list.h"

static cg_conformer_format format;
static cg_number_list list;
static cg_text_format text;
static cg_error err;

static void make(const char *name)
{
    ck_assert_msg(cg_conformer_format_named(name, &format, &err) == CG_OK, "%s", err.msg);
}

static void make_list(void)
{
    ck_assert_msg(cg_number_list_create(&format, &list, &err) == CG_OK, "%s", err.msg);
    text = (cg_text_format) { CG_SIZED(cg_text_format) };
    cg_text_format_set_numbers(&text, &format, &list);
    ck_assert_int_eq(text.n_numbers, list.n);
    ck_assert_ptr_eq(text.numbers, list.text);
}

static void setup(void)
{
    err = (cg_error)CG_ERROR_INIT;
    list = (cg_number_list) { 0 };
}

static void teardown(void)
{
    cg_number_list_finish(&list);
    ck_assert_ptr_null(list.text);
    cg_number_list_finish(NULL);
}

START_TEST(decimals_are_not_listed)
{
    make("molgen-v3");
    make_list();
    ck_assert_ptr_null(text.numbers);
    ck_assert_int_eq(text.decimals, 4);
    ck_assert_int_eq(text.max_integer_digits, 2);
    ck_assert(cg_text_format_is_basic(&text));
    make("molgen-v2");
    make_list();
    ck_assert_int_eq(text.strip_zeros, 1);
    ck_assert(!cg_text_format_is_basic(&text));
}
END_TEST

START_TEST(bins_are_listed_by_index)
{
    make("molgen-binned-21");
    make_list();
    ck_assert_int_eq(list.n, 1001);
    ck_assert_str_eq(list.text[0], "0000");
    ck_assert_str_eq(list.text[1000], "1000");
    ck_assert_str_eq(text.separator, ",");
    ck_assert_int_eq(text.fields_per_literal, 3);
    ck_assert(!cg_text_format_is_basic(&text));
    cg_number_list_finish(&list);
    make("molgen-binned-258");
    make_list();
    ck_assert_int_eq(list.n, 258);
    ck_assert_str_eq(list.text[7], "007");
    ck_assert_str_eq(list.text[257], "257");
    ck_assert_str_eq(text.separator, "");
}
END_TEST

START_TEST(codes_have_their_marks)
{
    make("molgen-fsq");
    make_list();
    ck_assert_int_eq(list.n, 4096);
    ck_assert_str_eq(list.text[0], "<0>");
    ck_assert_str_eq(list.text[4095], "<4095>");
    ck_assert_int_eq(text.fields_per_literal, 1);
}
END_TEST

/* Every text is the one that a reader of the format accepts, and there are no two equal ones. */
START_TEST(integers_are_listed_with_their_signs)
{
    const int widths[] = { 0, 3 }, digits[] = { 2, 4 };
    const char *const first[] = { "0", "000" }, *const last[] = { "-99", "-9999" };

    make("molgen-v3");
    format.number.kind = CG_NUMBER_INTEGER;
    format.number.per_angstrom = 100;
    format.number.max_integer_digits = digits[_i];
    format.number.width = widths[_i];
    make_list();
    ck_assert_int_eq(list.n, _i ? 19999 : 199);
    ck_assert_str_eq(list.text[0], first[_i]);
    ck_assert_str_eq(list.text[list.n - 1], last[_i]);
    for (int32_t i = 0; i < list.n; i++) {
        const char *wanted = NULL;
        size_t used = 0, len = strlen(list.text[i]);
        cg_decimal n;
        int32_t value;

        ck_assert_msg(cg_number_parse(&format.number, list.text[i], len, &n, &used, &wanted) &&
                          used == len,
                      "'%s': wanted %s", list.text[i], wanted);
        value = n.minus ? -n.digits : n.digits;
        ck_assert_int_eq(value, i <= list.n / 2 ? i : list.n / 2 - i);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("number list");
    TCase *tcase = tcase_create("number list");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, decimals_are_not_listed);
    tcase_add_test(tcase, bins_are_listed_by_index);
    tcase_add_test(tcase, codes_have_their_marks);
    tcase_add_loop_test(tcase, integers_are_listed_with_their_signs, 0, 2);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
