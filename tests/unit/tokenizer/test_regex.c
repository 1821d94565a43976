/* SPDX-License-Identifier: MIT */
#include "tok_regex.h"
#include "tok_testing.h"

static void becomes(const char *src, const char *ascii, const char *utf)
{
    cg_error err = CG_ERROR_INIT;
    char *a = NULL, *u = NULL;

    ck_assert_msg(cg_regex_translate(src, strlen(src), &a, &u, &err) == CG_OK, "%s: %s", src,
                  err.msg);
    ck_assert_str_eq(a, ascii);
    if (utf)
        ck_assert_str_eq(u, utf);
    free(a);
    free(u);
}

static void refused(const char *src, cg_status status, const char *words)
{
    cg_error err = CG_ERROR_INIT;
    char *a = NULL, *u = NULL;
    cg_status st = cg_regex_translate(src, strlen(src), &a, &u, &err);

    ck_assert_msg(st == status, "%s: status %d, %s", src, (int)st, err.msg);
    ck_assert_msg(strstr(err.msg, words) != NULL, "%s: %s", src, err.msg);
    ck_assert_ptr_null(a);
    ck_assert_ptr_null(u);
}

START_TEST(common_syntax_is_unchanged)
{
    becomes("a|b+?c*+", "a|b+?c*+", "a|b+?c*+");
    becomes("(?:a)(b)", "(?:a)(?:b)", "(?:a)(?:b)");
    becomes("(?=a)(?!b)(?<=c)(?<!d)(?>e)", "(?=a)(?!b)(?<=c)(?<!d)(?>e)", NULL);
    becomes("^.$\\A\\z\\Z", "^.$\\A\\z\\Z", NULL);
    becomes("a{2}b{3,}c{4,5}?", "a{2}b{3,}c{4,5}?", NULL);
    becomes("(?i)a", "(?i)a", "(?i)a");
}
END_TEST

START_TEST(different_syntax_is_rewritten)
{
    becomes("\\v\\h", "\\x0b[\\x30-\\x39\\x41-\\x46\\x61-\\x66]", "\\x{b}[0-9A-Fa-f]");
    becomes("\\s", "[\\x09-\\x0d\\x20]", NULL);
    becomes("\\S", "[\\x00-\\x08\\x0e-\\x1f\\x21-\\x7f]", NULL);
    becomes("a{,3}", "a{0,3}", "a{0,3}");
    becomes("{a{1a{,}", "\\x7ba\\x7b1a\\x7b\\x2c\\x7d", NULL);
    becomes("\\u0041\\x42\\x{43}", "ABC", "ABC");
    becomes("\\p{L}\\P{L}", "[\\x41-\\x5a\\x61-\\x7a][\\x00-\\x40\\x5b-\\x60\\x7b-\\x7f]", NULL);
    becomes("\\p{^Nd}", "[\\x00-\\x2f\\x3a-\\x7f]", NULL);
    becomes("\\w\\W",
            "[\\x30-\\x39\\x41-\\x5a\\x5f\\x61-\\x7a][\\x00-\\x2f\\x3a-\\x40\\x5b-\\x5e\\x60\\x7b-"
            "\\x7f]",
            NULL);
    becomes("[\\s\\S]", "[\\x00-\\x7f]", NULL);
    becomes("[^\\s\\S]", "[^\\x00-\\x7f]", NULL); /* matches nothing */
    becomes("\u00e9", "[^\\x00-\\x7f]", "[\\x{e9}]");
    becomes("(?i:[^a])", "(?i:[\\x00-\\x40\\x42-\\x60\\x62-\\x7f])", "(?i:[^a])");
    becomes("[-a-c]", "[\\x2d\\x61-\\x63]", "[\\x{2d}a-c]");
    becomes("[a-]", "[\\x2d\\x61]", "[a\\x{2d}]");
    becomes("[\\]\\[]", "[\\x5b\\x5d]", "[\\x{5d}\\x{5b}]");
}
END_TEST

START_TEST(syntax_without_an_equivalent_is_refused)
{
    static const char *const unsupported[] = {
        "\\R",         "\\1",          "\\k<a>",        "\\G",     "\\K",      "\\X",
        "\\N",         "(?<n>a)",      "(?i-m:a)",      "(?m:a)",  "a(?i)b",   "(?#c)",
        "(*a)",        "[[:alpha:]]",  "[a[b]]",        "[a&&b]",  "[]a]",     "[\\b]",
        "[\\W]",       "[\\P{L}]",     "a{2}?",         "a{2,3}+", "\\p{Han}", "\\p{Greek}",
        "\\p",         "\\p{",         "\\p{L",         "\\p{Cn}", "\\p{Mn}",  "\\xff",
        "\\x{110000}", "\\ud800",      "\\u12",         "\\x",     "\\",       "(?i:ss)",
        "(?i:\u00e9)", "(?i:\\p{Lu})", "(?i:[\u00e9])", "[a-\\d]", "[\\d-a]",  "[a-c-e]",
        "[a-[]",
    };

    for (size_t i = 0; i < sizeof unsupported / sizeof unsupported[0]; i++)
        refused(unsupported[i], CG_ERR_UNSUPPORTED, "offset");
    refused("a\\k", CG_ERR_UNSUPPORTED, "offset 2: the escape \\k is not supported");
    refused("[\\b]", CG_ERR_UNSUPPORTED, "the escape \\b is not supported in a bracket class");
    refused("\\p{Han}", CG_ERR_UNSUPPORTED, "\\p{Han}: only general categories");
    refused("", CG_ERR_UNSUPPORTED, "empty pattern");
    refused("[abc", CG_ERR_FORMAT, "without its ']'");
    refused("(abc", CG_ERR_FORMAT, "'(' without ')'");
    refused("abc)", CG_ERR_FORMAT, "')' without '('");
    refused("[c-a]", CG_ERR_FORMAT, "byte offset 1: character range 'c-a' is out of order");
    refused("a\xff", CG_ERR_FORMAT, "UTF-8");
}
END_TEST

START_TEST(sizes_are_limited)
{
    char *deep = malloc(CG_REGEX_MAX + 2);

    memset(deep, '(', CG_REGEX_MAX + 1);
    deep[CG_REGEX_MAX + 1] = '\0';
    refused(deep, CG_ERR_LIMIT, "bytes");
    deep[100] = '\0';
    refused(deep, CG_ERR_LIMIT, "nested groups");
    free(deep);
}
END_TEST

START_TEST(quoting_escapes_every_character)
{
    char *a = NULL, *u = NULL;

    ck_assert_int_eq(cg_regex_quote("a.[\u00e9", 5, &a, &u, NULL), CG_OK);
    ck_assert_str_eq(a, "a\\x2e\\x5b[^\\x00-\\x7f]");
    ck_assert_str_eq(u, "a\\x{2e}\\x{5b}[\\x{e9}]");
    free(a);
    free(u);
}
END_TEST

int main(void)
{
    const TTest *tests[] = { common_syntax_is_unchanged,
                             different_syntax_is_rewritten,
                             syntax_without_an_equivalent_is_refused,
                             sizes_are_limited,
                             quoting_escapes_every_character,
                             NULL };

    return tok_run("tok_regex", tests);
}
