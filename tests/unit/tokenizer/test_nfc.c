/* SPDX-License-Identifier: MIT */
#include "tok_nfc.h"
#include "tok_testing.h"

static void normalizes(cg_nfc *nfc, const char *in, const char *out)
{
    int same = -1;

    ck_assert_int_eq(cg_nfc_run(nfc, CG_FORM_C, in, strlen(in), &same, NULL), CG_OK);
    ck_assert_msg(same == !strcmp(in, out), "%s", in);
    if (!same) {
        ck_assert_uint_eq(nfc->len, strlen(out));
        ck_assert_mem_eq(nfc->text, out, nfc->len);
    }
}

START_TEST(known_forms)
{
    cg_nfc nfc = { 0 };

    normalizes(&nfc, "", "");
    normalizes(&nfc, "plain", "plain");
    normalizes(&nfc, "caf\u00e9", "caf\u00e9");
    normalizes(&nfc, "cafe\u0301!", "caf\u00e9!");
    normalizes(&nfc, "\u212b \u2126", "\u00c5 \u03a9");                       /* singletons */
    normalizes(&nfc, "q\u0307\u0323", "q\u0323\u0307");                       /* reordered */
    normalizes(&nfc, "s\u0323\u0307", "\u1e69");                              /* twice composed */
    normalizes(&nfc, "\u1112\u1161\u11ab\u1100\u1173\u11af", "\ud55c\uae00"); /* Hangul */
    normalizes(&nfc, "\u0958", "\u0915\u093c");        /* composition exclusion */
    normalizes(&nfc, "\u0301e\u0301", "\u0301\u00e9"); /* mark at the start */
    cg_nfc_finish(&nfc);
}
END_TEST

START_TEST(characters_newer_than_the_reference_are_unchanged)
{
    cg_nfc nfc = { 0 };

    /* U+08CF has class 220 since Unicode 14: the reference does not move it before U+0301 */
    normalizes(&nfc, "q\u0301\u08cf", "q\u0301\u08cf");
    /* U+11935 U+11930 compose since Unicode 13 */
    normalizes(&nfc, "\U00011935\U00011930", "\U00011935\U00011930");
    cg_nfc_finish(&nfc);
}
END_TEST

START_TEST(offsets_map_back_to_the_input)
{
    /* abe'c -> ab(e')c; the changed section is bytes 2 to 5 before and 2 to 4 after */
    cg_nfc nfc = { 0 };
    int same;

    ck_assert_int_eq(cg_nfc_run(&nfc, CG_FORM_C, "abe\u0301cd", 7, &same, NULL), CG_OK);
    ck_assert_int_eq(same, 0);
    ck_assert_uint_eq(nfc.len, 6);
    ck_assert_uint_eq(cg_nfc_origin(&nfc, 0, 0), 0);
    ck_assert_uint_eq(cg_nfc_origin(&nfc, 1, 1), 1);
    ck_assert_uint_eq(cg_nfc_origin(&nfc, 2, 0), 2);
    ck_assert_uint_eq(cg_nfc_origin(&nfc, 2, 1), 2);
    ck_assert_uint_eq(cg_nfc_origin(&nfc, 3, 0), 2); /* inside: the whole section */
    ck_assert_uint_eq(cg_nfc_origin(&nfc, 3, 1), 5);
    ck_assert_uint_eq(cg_nfc_origin(&nfc, 4, 0), 5);
    ck_assert_uint_eq(cg_nfc_origin(&nfc, 4, 1), 5);
    ck_assert_uint_eq(cg_nfc_origin(&nfc, 5, 1), 6);
    ck_assert_uint_eq(cg_nfc_origin(&nfc, 6, 1), 7);
    cg_nfc_finish(&nfc);
}
END_TEST

START_TEST(long_runs_of_marks_are_ordered)
{
    enum { N = 50000 };
    char *text = malloc(4 * N + 2), *at = text;
    cg_nfc nfc = { 0 };
    int same;

    *at++ = 'x';
    for (int i = 0; i < N;
         i++) { /* classes 230 and 220 alternately: insertion sort would take hours */
        memcpy(at, "\u030d\u0324", 4);
        at += 4;
    }
    ck_assert_int_eq(cg_nfc_run(&nfc, CG_FORM_C, text, (size_t)(at - text), &same, NULL), CG_OK);
    ck_assert_int_eq(same, 0);
    ck_assert_uint_eq(nfc.len, (size_t)(at - text));
    for (int i = 0; i < 2 * N; i++)
        ck_assert_mem_eq(nfc.text + 1 + 2 * i, i < N ? "\u0324" : "\u030d", 2);
    cg_nfc_finish(&nfc);
    free(text);
}
END_TEST

int main(void)
{
    const TTest *tests[] = { known_forms, characters_newer_than_the_reference_are_unchanged,
                             offsets_map_back_to_the_input, long_runs_of_marks_are_ordered, NULL };

    return tok_run("tok_nfc", tests);
}
