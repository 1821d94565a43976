/* SPDX-License-Identifier: MIT */
#include "tok_pattern.h"
#include "tok_testing.h"

/* All matches of a pattern as `start:end`, joined by blanks. */
static char *matches(const char *pattern, int literal, const char *text)
{
    cg_match_memory memory = { 0 };
    cg_error err = CG_ERROR_INIT;
    cg_pattern *p = NULL;
    cg_match_iterator it;
    char *got = NULL;
    size_t size = 0, start, end, n = strlen(text);
    int ascii, rc;
    FILE *f = open_memstream(&got, &size);

    ck_assert_msg(cg_pattern_create(pattern, strlen(pattern), literal, &p, &err) == CG_OK, "%s",
                  err.msg);
    ck_assert_uint_eq(cg_utf8_check(text, n, &ascii), n);
    cg_match_start(&it, p, &memory, text, n, ascii);
    while ((rc = cg_match_next(&it, &start, &end, &err)) > 0)
        fprintf(f, "%zu:%zu ", start, end);
    ck_assert_int_eq(rc, 0);
    fclose(f);
    cg_match_memory_finish(&memory);
    cg_pattern_destroy(p);
    return got;
}

static void finds(const char *pattern, int literal, const char *text, const char *want)
{
    char *got = matches(pattern, literal, text);

    ck_assert_msg(!strcmp(got, want), "/%s/ in '%s': %s, wanted %s", pattern, text, got, want);
    free(got);
}

START_TEST(matches_in_order)
{
    finds("\\d{1,3}", 0, "12345 6", "0:3 3:5 6:7 ");
    finds("[0-9]", 0, "abc", "");
    finds("a.c", 0, "a\nc abc", "4:7 ");
    finds("^b", 0, "b\nb\nc", "0:1 2:3 ");
    finds("a$", 0, "a\na", "0:1 2:3 ");
}
END_TEST

START_TEST(empty_matches_do_not_follow_a_match)
{
    finds("\\d*", 0, "a1b", "0:0 1:2 3:3 ");
    finds("x?", 0, "\u00e9x", "0:0 2:3 ");
    finds("(?=a)", 0, "aba", "0:0 2:2 ");
}
END_TEST

START_TEST(word_boundaries)
{
    finds("\\b", 0, "ab c", "0:0 2:2 3:3 4:4 ");
    finds("a\\B", 0, "a ab", "2:3 ");
    finds("\\w+", 0, "\u00e9_1 \u00bd-\u4e2d", "0:4 5:7 8:11 ");
}
END_TEST

START_TEST(literals)
{
    finds("a.b", 1, "axb a.b", "4:7 ");
    finds("\u00e9", 1, "e\u00e9", "1:3 ");
    finds("[", 1, "[[", "0:1 1:2 ");
}
END_TEST

START_TEST(unicode_classes_where_libraries_differ)
{
    finds("\\s", 0,
          "a\u180eb\xc2\x85"
          "c\u3000",
          "5:7 8:11 ");                                   /* U+180E is not a space */
    finds("\\p{L}+", 0, "\U000105c0\U00031350a", "0:9 "); /* Unicode 15.1 and 16 */
    finds("\\d", 0, "1\u0661\U00010d40\u00b2", "0:1 1:3 3:7 ");
    finds("(?i:'s)", 0, "'s'S'\u017f", "0:2 2:4 4:7 ");
}
END_TEST

START_TEST(backtracking_limit_is_an_error)
{
    cg_match_memory memory = { 0 };
    cg_error err = CG_ERROR_INIT;
    cg_pattern *p = NULL;
    cg_match_iterator it;
    size_t start, end;
    char text[64];

    memset(text, 'a', sizeof text);
    text[63] = '!';
    ck_assert_int_eq(cg_pattern_create("(a+)+$", 6, 0, &p, &err), CG_OK);
    cg_match_start(&it, p, &memory, text, sizeof text, 1);
    ck_assert_int_eq(cg_match_next(&it, &start, &end, &err), -1);
    ck_assert_int_eq(err.code, CG_ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.msg, "backtracking limit"));
    cg_match_memory_finish(&memory);
    cg_pattern_destroy(p);
}
END_TEST

START_TEST(long_subjects_get_a_larger_stack)
{
    enum { N = 20000 };
    char *text = malloc(N + 1), *got, want[32];

    memset(text, 'a', N);
    text[N] = '\0';
    got = matches("(?:a|b)+", 0, text); /* one frame per repetition */
    snprintf(want, sizeof want, "0:%d ", N);
    ck_assert_str_eq(got, want);
    free(got);
    free(text);
}
END_TEST

START_TEST(bad_patterns_are_refused)
{
    static const char *const bad[] = { "a**", "+", "(?<=a+)b", "a{70000}", "a{3,2}" };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cg_error err = CG_ERROR_INIT;
        cg_pattern *p = NULL;

        ck_assert_msg(cg_pattern_create(bad[i], strlen(bad[i]), 0, &p, &err) == CG_ERR_FORMAT, "%s",
                      bad[i]);
        ck_assert_ptr_nonnull(strstr(err.msg, "regular expression: "));
        ck_assert_ptr_null(p);
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = { matches_in_order,
                             empty_matches_do_not_follow_a_match,
                             word_boundaries,
                             literals,
                             unicode_classes_where_libraries_differ,
                             backtracking_limit_is_an_error,
                             long_subjects_get_a_larger_stack,
                             bad_patterns_are_refused,
                             NULL };

    return tok_run("tok_pattern", tests);
}
