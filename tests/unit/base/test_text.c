/* SPDX-License-Identifier: MIT */
#include "base/text.h"

#include "base/error.h"
#include "scratch.h"

static const struct {
    const char *in, *out;
} texts[] = {
    { "", "" },
    { "plain \\ ångström \xf0\x9f\x98\x80", "plain \\ ångström \xf0\x9f\x98\x80" },
    { "\x01\t\n\x1b[31m\x7f", "\\x01\\x09\\x0a\\x1b[31m\\x7f" },
    { "\xc2\x9b"
      "31m\xc2\x80\xc2\x9f\xc2\xa0",
      "\\u009b31m\\u0080\\u009f\xc2\xa0" },
    { "a\u202eb\u202a\u2066\u2069\u200e\u200f\u061c",
      "a\\u202eb\\u202a\\u2066\\u2069\\u200e\\u200f\\u061c" },
    { "\u2028\u2029\u2030", "\\u2028\\u2029\u2030" },
    { "caf\xe9 \xff\xc0\x80 ", "caf\\xe9 \\xff\\xc0\\x80 " },
    { "\xed\xa0\x80.", "\\xed\\xa0\\x80." }, /* a surrogate */
    { "cut \xe2\x82", "cut " },
    { "\xe2\x82 not cut", "\\xe2\\x82 not cut" },
};

START_TEST(visible)
{
    cg_error err = CG_ERROR_INIT;
    char ret[128], *copy = cg_text_visible_copy(texts[_i].in);

    cg_text_visible(texts[_i].in, ret, sizeof ret);
    ck_assert_str_eq(ret, texts[_i].out);
    ck_assert_str_eq(copy, texts[_i].out);
    cg_fail(&err, CG_ERR_INPUT, "%s", texts[_i].in); /* messages are such texts */
    ck_assert_str_eq(err.msg, texts[_i].out);
    free(copy);
}
END_TEST

/* Escapes and characters are copied whole or not at all. */
START_TEST(short_buffers)
{
    char ret[16];

    for (size_t cap = 1; cap < sizeof ret; cap++) {
        cg_text_visible("\xc3\xa9\x01\xc2\x9b!", ret, cap);
        ck_assert_str_eq(ret, cap < 3    ? ""
                              : cap < 7  ? "\xc3\xa9"
                              : cap < 13 ? "\xc3\xa9\\x01"
                              : cap < 14 ? "\xc3\xa9\\x01\\u009b"
                                         : "\xc3\xa9\\x01\\u009b!");
    }
}
END_TEST

START_TEST(formulas)
{
    static const char *const yes[] = { "=1+1",
                                       "=HYPERLINK(\"x\")",
                                       "+cmd|' /C calc'!A0",
                                       "-2+3",
                                       "-",
                                       "@SUM(A1)",
                                       "\tx",
                                       "\r=1",
                                       "'quoted",
                                       "-0x1F",
                                       "-inf",
                                       "+1e" };
    static const char *const no[] = { "", "CCO", "-1", "-1.50", "+3e-7", "1=2", " =1", "[Na+]" };

    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        ck_assert_msg(cg_text_is_formula(yes[i]), "%s", yes[i]);
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        ck_assert_msg(!cg_text_is_formula(no[i]), "%s", no[i]);
}
END_TEST

START_TEST(endings)
{
    ck_assert(cg_text_ends_with("h.0.attn.bias", ".attn.bias"));
    ck_assert(cg_text_ends_with(".bias", ".bias"));
    ck_assert(cg_text_ends_with("x", ""));
    ck_assert(!cg_text_ends_with("h.0.attn.BIAS", ".attn.bias"));
    ck_assert(!cg_text_ends_with("bias", ".bias"));
    ck_assert(!cg_text_ends_with("", "x"));
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("text");

    tcase_add_loop_test(tc, visible, 0, sizeof texts / sizeof *texts);
    tcase_add_test(tc, short_buffers);
    tcase_add_test(tc, formulas);
    tcase_add_test(tc, endings);
    return run_suite("base_text", &tc, 1);
}
