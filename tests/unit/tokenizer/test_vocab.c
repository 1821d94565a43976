/* SPDX-License-Identifier: MIT */
#include "tok_testing.h"

/* Adds all bytes and then the tokens from id 256 on. */
static void fill(cg_vocab *v, const char *const *tokens, size_t n)
{
    for (int b = 0; b < 256; b++) {
        char c = (char)b;

        ck_assert_int_eq(cg_vocab_set(v, b, &c, 1, CG_TOKEN_BYTES, NULL), CG_OK);
    }
    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(
            cg_vocab_set(v, 256 + (int64_t)i, tokens[i], strlen(tokens[i]), CG_TOKEN_BYTES, NULL),
            CG_OK);
}

static int whole(const cg_vocab *v, const char *s)
{
    size_t n = strlen(s);
    const cg_name_bucket *found = cg_name_find(v, &v->plain, s, n, cg_name_key(s, n));

    return found && (found->len & CG_NAME_WHOLE);
}

START_TEST(tokens_of_every_length_are_found)
{
    enum { N = 300 };
    cg_vocab v = { 0 };
    char text[N + 1];

    fill(&v, NULL, 0);
    memset(text, 'q', sizeof text);
    for (int n = 2; n <= N; n++)
        ck_assert_int_eq(cg_vocab_set(&v, 1000 + n, text, (size_t)n, CG_TOKEN_BYTES, NULL), CG_OK);
    ck_assert_int_eq(cg_vocab_finalize(&v, NULL), CG_OK);
    ck_assert_int_eq(v.n_ids, 1000 + N + 1);
    for (int n = 2; n <= N; n++)
        ck_assert_int_eq(cg_vocab_find(&v, text, (size_t)n), 1000 + n);
    ck_assert_int_eq(cg_vocab_find(&v, text, N + 1), -1);
    ck_assert_int_eq(cg_vocab_find(&v, "qr", 2), -1);
    ck_assert_int_eq(cg_vocab_find(&v, "", 0), -1);
    ck_assert_int_eq(cg_vocab_find(&v, "\0", 1), 0);
    ck_assert_int_eq(v.flags[500], 0); /* an unused id */
    cg_vocab_finish(&v);
}
END_TEST

START_TEST(whole_tokens_are_those_that_merging_produces)
{
    static const char *const tokens[] = { "ab", "abc", "bc", "xyz" };
    cg_vocab v = { 0 };

    fill(&v, tokens, 4);
    ck_assert_int_eq(cg_vocab_reserve_merges(&v, 3, NULL), CG_OK);
    cg_vocab_merge(&v, 'b', 'c', 0, 258); /* b c is merged first, so ab c never occurs */
    cg_vocab_merge(&v, 'a', 'b', 1, 256);
    cg_vocab_merge(&v, 256, 'c', 2, 257);
    ck_assert_int_eq(cg_vocab_finalize(&v, NULL), CG_OK);
    ck_assert(whole(&v, "ab") && whole(&v, "bc") && whole(&v, "a"));
    ck_assert(!whole(&v, "abc")); /* encodes to a bc */
    ck_assert(!whole(&v, "xyz")); /* no merge makes it */
    cg_vocab_finish(&v);

    memset(&v, 0, sizeof v);
    v.ignore_merges = 1;
    fill(&v, tokens, 4);
    ck_assert_int_eq(cg_vocab_finalize(&v, NULL), CG_OK);
    ck_assert(whole(&v, "abc") && whole(&v, "xyz"));
    cg_vocab_finish(&v);
}
END_TEST

START_TEST(later_merge_of_a_pair_wins)
{
    static const char *const tokens[] = { "ab", "bc" };
    cg_vocab v = { 0 };

    fill(&v, tokens, 2);
    ck_assert_int_eq(cg_vocab_reserve_merges(&v, 3, NULL), CG_OK);
    cg_vocab_merge(&v, 'a', 'b', 0, 256);
    cg_vocab_merge(&v, 'b', 'c', 1, 257);
    cg_vocab_merge(&v, 'a', 'b', 2, 256);
    ck_assert_uint_eq(v.n_merges, 2);
    ck_assert_uint_eq(cg_merge_find(&v, 'a', 'b')->rank, 2);
    ck_assert_ptr_null(cg_merge_find(&v, 'b', 'a'));
    cg_vocab_finish(&v);
}
END_TEST

START_TEST(bad_ids_and_missing_bytes_are_refused)
{
    cg_error err = CG_ERROR_INIT;
    cg_vocab v = { 0 };

    ck_assert_int_eq(cg_vocab_set(&v, -1, "a", 1, 0, &err), CG_ERR_LIMIT);
    ck_assert_int_eq(cg_vocab_set(&v, CG_TOKENIZER_ID_MAX, "a", 1, 0, &err), CG_ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.msg, "16777216"));
    ck_assert_int_eq(cg_vocab_set(&v, 7, "a", 1, CG_TOKEN_BYTES, &err), CG_OK);
    ck_assert_int_eq(cg_vocab_set(&v, 7, "b", 1, 0, &err), CG_ERR_FORMAT);
    ck_assert_str_eq(err.msg, "token 'b': id 7 is already used by 'a'");
    ck_assert_int_eq(cg_vocab_finalize(&v, &err), CG_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "byte 0x00"));
    ck_assert_int_eq(cg_vocab_reserve_merges(&v, (size_t)CG_TOKENIZER_ID_MAX + 1, &err),
                     CG_ERR_LIMIT);
    cg_vocab_finish(&v);
    cg_vocab_finish(&v);
}
END_TEST

int main(void)
{
    const TTest *tests[] = { tokens_of_every_length_are_found,
                             whole_tokens_are_those_that_merging_produces,
                             later_merge_of_a_pair_wins, bad_ids_and_missing_bytes_are_refused,
                             NULL };

    return tok_run("tok_vocab", tests);
}
