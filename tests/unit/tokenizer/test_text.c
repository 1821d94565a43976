/* SPDX-License-Identifier: MIT */
#include "tok_testing.h"

START_TEST(valid_text_and_ascii_are_detected)
{
    int ascii = -1;

    ck_assert_uint_eq(cg_utf8_check("", 0, &ascii), 0);
    ck_assert_int_eq(ascii, 1);
    ck_assert_uint_eq(cg_utf8_check("plain text of 20 b.", 19, &ascii), 19);
    ck_assert_int_eq(ascii, 1);
    ck_assert_uint_eq(cg_utf8_check("0123456789\xc3\xa9", 12, &ascii), 12);
    ck_assert_int_eq(ascii, 0);
    ck_assert_uint_eq(cg_utf8_check("\xf4\x8f\xbf\xbf\xed\x9f\xbf", 7, &ascii), 7);
}
END_TEST

START_TEST(invalid_text_is_reported_with_its_offset)
{
    static const struct {
        const char *text;
        size_t len, bad;
    } cases[] = {
        { "ab\x80", 3, 2 }, /* continuation byte without a start */
        { "ab\xc3", 3, 2 }, /* truncated */
        { "0123456789\xe2\x82", 12, 10 },
        { "\xc0\xaf", 2, 0 }, /* overlong */
        { "\xe0\x9f\xbf", 3, 0 },
        { "\xf0\x8f\xbf\xbf", 4, 0 },
        { "a\xed\xa0\x80", 4, 1 },    /* surrogate */
        { "\xf4\x90\x80\x80", 4, 0 }, /* beyond U+10FFFF */
        { "\xf5\x80\x80\x80", 4, 0 },
        { "\xe2\x28\xa1", 3, 0 },
        { "\xf0\x9f\x98x", 4, 0 },
    };
    int ascii;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_msg(cg_utf8_check(cases[i].text, cases[i].len, &ascii) == cases[i].bad,
                      "case %zu", i);
}
END_TEST

START_TEST(code_points_round_trip)
{
    static const uint32_t points[] = { 0,      0x41,   0x7f,   0x80,    0x7ff,   0x800,
                                       0xd7ff, 0xe000, 0xffff, 0x10000, 0x10ffff };

    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        char buf[8] = "x";
        size_t n = cg_utf8_put(points[i], buf + 1), got;

        ck_assert_uint_eq(cg_utf8_get(buf + 1, &got), points[i]);
        ck_assert_uint_eq(got, n);
        ck_assert_uint_eq(cg_utf8_back(buf, 1 + n), 1);
    }
}
END_TEST

START_TEST(byte_alphabet_is_a_bijection)
{
    int seen[512] = { 0 };

    for (int b = 0; b < 256; b++) {
        uint32_t c = cg_byte_char((uint8_t)b);

        ck_assert_uint_lt(c, 512);
        ck_assert_int_eq(seen[c]++, 0);
        ck_assert_int_eq(cg_char_byte(c), b);
    }
    ck_assert_uint_eq(cg_byte_char(' '), 0x120);
    ck_assert_uint_eq(cg_byte_char('\n'), 0x10a);
    ck_assert_uint_eq(cg_byte_char(0xad), 0x143);
    ck_assert_int_eq(cg_char_byte(' '), -1);
    ck_assert_int_eq(cg_char_byte(0x144), -1);
    ck_assert_int_eq(cg_char_byte(0xff5c), -1);
}
END_TEST

START_TEST(space_and_word_characters)
{
    ck_assert(cg_is_space(' ') && cg_is_space('\v') && cg_is_space(0x85) && cg_is_space(0x3000));
    ck_assert(!cg_is_space(0x180e) && !cg_is_space(0x200b) && !cg_is_space('x'));
    ck_assert(cg_is_word('a') && cg_is_word('_') && cg_is_word('7') && cg_is_word(0x301) &&
              cg_is_word(0x24b6) && cg_is_word(0x200d) && cg_is_word(0x4e00));
    ck_assert(!cg_is_word('-') && !cg_is_word(0xb2) && !cg_is_word(0x1f600));
}
END_TEST

int main(void)
{
    const TTest *tests[] = { valid_text_and_ascii_are_detected,
                             invalid_text_is_reported_with_its_offset,
                             code_points_round_trip,
                             byte_alphabet_is_a_bijection,
                             space_and_word_characters,
                             NULL };

    return tok_run("tok_text", tests);
}
