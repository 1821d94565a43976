/* SPDX-License-Identifier: MIT */
#include "tok_added.h"
#include "tok_testing.h"

static void add(cg_added_set *set, const char *content, int32_t id, uint32_t flags)
{
    ck_assert_int_eq(cg_added_add(set, content, strlen(content), id, flags, NULL), CG_OK);
}

static void finds(const cg_added_set *set, const char *text, const char *want)
{
    size_t from = 0, used = 0, size = 0;
    cg_added_match m;
    char *got = NULL;
    FILE *f = open_memstream(&got, &size);

    while (cg_added_next(set, text, strlen(text), &from, used, &m)) {
        fprintf(f, "%d:%zu:%zu ", m.id, m.start, m.end);
        used = m.end;
    }
    fclose(f);
    ck_assert_str_eq(got, want);
    free(got);
}

START_TEST(leftmost_then_longest)
{
    cg_added_set set = { 0 };

    add(&set, "[S]", 1, 0);
    add(&set, "[S][E]", 2, 0);
    add(&set, "S", 3, 0);
    add(&set, "[E", 4, 0);
    add(&set, "\xff", 5, 0);
    cg_added_finalize(&set);
    finds(&set, "", "");
    finds(&set, "[S][E]", "2:0:6 ");
    finds(&set, "x[S][E", "1:1:4 4:4:6 ");
    finds(&set, "[[S", "3:2:3 ");
    finds(&set, "[S[S]", "3:1:2 1:2:5 ");
    cg_added_finish(&set);
    finds(&set, "[S]", "");
}
END_TEST

START_TEST(many_tokens_with_common_prefixes)
{
    cg_added_set set = { 0 };
    char text[64], want[64];

    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, "<|reserved_%d|>", i);
        add(&set, text, i, 0);
    }
    cg_added_finalize(&set);
    for (int i = 0; i < 1000; i += 37) {
        snprintf(text, sizeof text, "a<|reserved_%d|><|reserved_x|>", i);
        snprintf(want, sizeof want, "%d:1:%zu ", i, strlen(text) - 14);
        finds(&set, text, want);
    }
    cg_added_finish(&set);
}
END_TEST

START_TEST(single_words_and_white_space)
{
    cg_added_set set = { 0 };

    add(&set, "an", 1, CG_ADDED_SINGLE_WORD);
    add(&set, "<l>", 2, CG_ADDED_LSTRIP);
    add(&set, "<r>", 3, CG_ADDED_RSTRIP);
    cg_added_finalize(&set);
    finds(&set, "an can and an", "1:0:2 1:11:13 ");
    finds(&set, "an\u00e9 \u00e9an an\u0301", "");
    finds(&set, "a \u3000<l> b", "2:1:8 ");
    finds(&set, "a<r> \n\u00a0b", "3:1:8 ");
    finds(&set, "<r>  <l>", "3:0:5 2:5:8 "); /* white space goes to the first token */
    cg_added_finish(&set);
}
END_TEST

START_TEST(equal_contents_keep_the_lowest_id_and_lengths_are_limited)
{
    cg_added_set set = { 0 };
    char *big = calloc(1, CG_ADDED_MAX + 1);
    cg_error err = CG_ERROR_INIT;

    add(&set, "x", 9, 0);
    add(&set, "x", 4, 0);
    cg_added_finalize(&set);
    finds(&set, "x", "4:0:1 ");
    ck_assert_int_eq(cg_added_add(&set, big, CG_ADDED_MAX + 1, 1, 0, &err), CG_ERR_LIMIT);
    ck_assert_int_eq(cg_added_add(&set, big, 0, 1, 0, &err), CG_ERR_LIMIT);
    free(big);
    cg_added_finish(&set);
}
END_TEST

int main(void)
{
    const TTest *tests[] = { leftmost_then_longest, many_tokens_with_common_prefixes,
                             single_words_and_white_space,
                             equal_contents_keep_the_lowest_id_and_lengths_are_limited, NULL };

    return tok_run("tok_added", tests);
}
