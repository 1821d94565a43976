/* SPDX-License-Identifier: MIT */
/* Numbers of a format, and the text of a molecule, as the checks of constraints know them. */
#include <check.h>
#include <string.h>

#include "conformance/conformer_text.h"

static const char *const bins[] = { "10", "1", "12", "-3" };
static const char *const codes[] = { "<0>", "<17>" };

#define LISTED(list) .numbers = list, .n_numbers = sizeof list / sizeof *list

static const cg_text_format
    full = { CG_SIZED(cg_text_format), .decimals = 3, .max_integer_digits = 2,
             .begin = "[B]",           .end = "[E]",  .stop = "$" },
    stripped = { CG_SIZED(cg_text_format), .decimals = 2,    .max_integer_digits = 2,
                 .begin = "[B]",           .end = "[E]",     .stop = "$",
                 .fields_per_literal = 3,  .strip_zeros = 1, .separator = ", " },
    listed = { CG_SIZED(cg_text_format), .begin = "[B]",   .end = "[E]", .stop = "",
               .fields_per_literal = 3,  .separator = ",", LISTED(bins) },
    coded = { CG_SIZED(cg_text_format), .begin = "[B]",  .end = "[E]", .stop = "$",
              .fields_per_literal = 1,  .separator = "", LISTED(codes) };

/* ---- numbers ------------------------------------------------------------------------------- */

START_TEST(every_number_has_its_index)
{
    const cg_text_format *formats[] = { &full, &stripped, &listed, &coded };
    const int64_t counts[] = { 199999, 19999, 4, 2 };
    number_texts n;

    number_texts_init(&n, formats[_i]);
    ck_assert_int_eq(n.count, counts[_i]);
    for (int64_t i = 0; i < n.count; i++) {
        char text[NUMBER_TEXT];

        number_print(&n, i, text);
        ck_assert_uint_le(strlen(text), n.max_len);
        ck_assert_msg(number_index(&n, text, (uint32_t)strlen(text)) == i, "%s", text);
    }
    number_texts_finish(&n);
}
END_TEST

static void expect_index(const cg_text_format *format, const char *text, int64_t want)
{
    number_texts n;

    number_texts_init(&n, format);
    ck_assert_msg(number_index(&n, text, (uint32_t)strlen(text)) == want, "'%s' is number %lld",
                  text, (long long)number_index(&n, text, (uint32_t)strlen(text)));
    number_texts_finish(&n);
}

START_TEST(other_texts_are_no_numbers)
{
    static const char *const of_full[] = { "",       "-",       ".",      "1",      "1.",
                                           "1.00",   "1.0000",  "01.000", "-0.000", "100.000",
                                           "+1.000", "--1.000", "1,000",  "1.0a0",  "-.100",
                                           " 1.000", "00.100" };
    static const char *const of_stripped[] = { "1.0", "1.10", "-0", "1.", "1.123", "100", ".1" };

    for (size_t i = 0; i < sizeof of_full / sizeof *of_full; i++)
        expect_index(&full, of_full[i], -1);
    for (size_t i = 0; i < sizeof of_stripped / sizeof *of_stripped; i++)
        expect_index(&stripped, of_stripped[i], -1);
    expect_index(&full, "0.000", 0);
    expect_index(&full, "99.999", 99999);
    expect_index(&full, "-0.001", 100000);
    expect_index(&full, "-99.999", 199998);
    expect_index(&stripped, "1", 100);
    expect_index(&stripped, "1.1", 110);
    expect_index(&listed, "1", 1);
    expect_index(&listed, "11", -1);
    expect_index(&listed, "-", -1);
}
END_TEST

/* ---- texts --------------------------------------------------------------------------------- */

static conformer_text text;
static number_texts numbers;

/* Two atoms, "[C]<" and ">[N]<". */
static void setup_text(const cg_text_format *format)
{
    static const cg_range literal[] = { { 0, 4 }, { 4, 9 }, { 9, 10 } };
    const cg_literals literals = { CG_SIZED(cg_literals), .n_atoms = 2, .text = "[C]<>[N]<>",
                                   .literal = literal };

    number_texts_init(&numbers, format);
    conformer_text_init(&text, &numbers, format, &literals);
}

static void finish_text(void)
{
    conformer_text_finish(&text);
    number_texts_finish(&numbers);
}

static int parse(const char *string, char *ret_why)
{
    cg_range found[6];

    return conformer_text_parse(&text, string, (uint32_t)strlen(string), found, ret_why, 256);
}

START_TEST(texts_are_read)
{
    char why[256] = "";
    cg_range found[6];
    const char *first = "[B][C]<0.000,-1.500,12.000>[N]<1.000,2.000,3.000>[E]$";

    setup_text(&full);
    ck_assert(conformer_text_parse(&text, first, (uint32_t)strlen(first), found, why, sizeof why));
    ck_assert_uint_eq(found[1].begin, 13);
    ck_assert_uint_eq(found[1].end, 19);
    ck_assert(!parse("[B][C]<0.000,-1.500,12.000>[O]<1.000,2.000,3.000>[E]$", why));
    ck_assert_str_eq(why, "found '>[O]<1.000,2.000,3.000>[E]$' at byte 26, wanted '>[N]<'");
    ck_assert(!parse("[B][C]<0.000,-0.000,12.000>[N]<1.000,2.000,3.000>[E]$", why));
    ck_assert_str_eq(why, "found '-0.000,12.000>[N]<1.000,2.000,3.000>[E]$' at byte 13, wanted a "
                          "number of the format (number 1)");
    ck_assert(!parse("[B][C]<0.000,-1.500,12.000>[N]<1.000,2.000,3.000>[E]", why));
    ck_assert(!parse("[B][C]<0.000,-1.500,12.000>[N]<1.000,2.000,3.000>[E]$$", why));
    numbers.any_zero = 1;
    ck_assert(parse("[B][C]<0.000,-0.000,12.000>[N]<1.000,2.000,3.000>[E]$", why));
    finish_text();
    setup_text(&listed); /* numbers that begin others */
    ck_assert(parse("[B][C]<1,10,12>[N]<-3,1,1>[E]", why));
    ck_assert(!parse("[B][C]<1,10,2>[N]<-3,1,1>[E]", why));
    finish_text();
    setup_text(&coded);
    ck_assert(parse("[B][C]<<17>>[N]<<0>>[E]$", why));
    ck_assert(!parse("[B][C]<<1>>[N]<<0>>[E]$", why));
    finish_text();
}
END_TEST

static int has_parts(const char *const *parts, int n)
{
    uint32_t at = 0;

    for (int i = 0; i < n; i++)
        if (!conformer_text_find(&text, parts[i], (uint32_t)strlen(parts[i]), &at))
            return 0;
    return 1;
}

#define HAS_PARTS(...)                                                                             \
    has_parts((const char *const[]) { __VA_ARGS__ },                                               \
              (int)(sizeof(const char *[]) { __VA_ARGS__ } / sizeof(char *)))

START_TEST(parts_are_found_in_order)
{
    setup_text(&full);
    ck_assert(HAS_PARTS("[B][C]<", ",", ",", ">[N]<", ",", ",", ">[E]$"));
    ck_assert(HAS_PARTS("[B]", "")); /* all else is free */
    ck_assert(HAS_PARTS("[B][C]<", "", "", ">[N]<", "", "", ">[E]$"));
    ck_assert(HAS_PARTS("[B][C]<0.000,0.000,0.000>[N]<", ",", ",", ">[E]$"));
    ck_assert(HAS_PARTS("[B][C]<0.", "0,1.", ",2")); /* numbers in parts */
    ck_assert(HAS_PARTS("[B][C]<", ">[N]<", ">[E]$"));
    ck_assert(!HAS_PARTS("[B][C]=", ",", ",", ">[N]<", ",", ",", ">[E]$"));
    ck_assert(!HAS_PARTS("[B][C]<", ",", ",", ">[O]<", ",", ",", ">[E]$"));
    ck_assert(!HAS_PARTS("[B][C]<", ",", ",", ">[N]<", ",", ",", ">[N]<"));
    ck_assert(!HAS_PARTS("[B][C]<>[N]<")); /* the numbers are missing */
    ck_assert(!HAS_PARTS(">[N]<", "[B][C]<"));
    ck_assert(!HAS_PARTS("[B][C]<", ">[E]$", "$"));
    finish_text();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("conformer_text");
    TCase *tc = tcase_create("conformer_text");
    SRunner *sr;
    int failed;

    tcase_add_loop_test(tc, every_number_has_its_index, 0, 4);
    tcase_add_test(tc, other_texts_are_no_numbers);
    tcase_add_test(tc, texts_are_read);
    tcase_add_test(tc, parts_are_found_in_order);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
