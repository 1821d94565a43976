/* SPDX-License-Identifier: MIT */
#include "tok_testing.h"

#define TAGS ADDED(300, "[S]", true, false) "," ADDED(301, "[/S]", false, false)

START_TEST(added_tokens_are_matched_first)
{
    cg_tokenizer *t = tok_make(&(tok_parts) { .vocab = ",\"ab\":256,\"[S\":257,\"S]\":258",
                                              .merges = "\"a b\",\"[ S\",\"S ]\"",
                                              .added = TAGS });

    tok_encodes(t, NULL, "[S]ab[/S]", CG_ENCODE_SPANS, "300:0:3 256:3:5 301:5:9");
    tok_encodes(t, NULL, "[S]ab[/S]", CG_ENCODE_PLAIN, "257 93 256 91 47 258");
    tok_encodes(t, NULL, "[S", 0, "257");
    tok_encodes(t, NULL, "a[S][S]b", 0, "97 300 300 98");
    tok_encodes(t, NULL, "", 0, "");
    cg_tokenizer_destroy(t);
}
END_TEST

START_TEST(normalized_tokens_are_found_in_normalized_text)
{
    cg_tokenizer *t = tok_make(&(tok_parts) {
        .normalizer = "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"}]}",
        .vocab = ",\"\u00c3\u00a9\":256",
        .merges = "[\"\u00c3\",\"\u00a9\"]",
        .added = ADDED(300, "e\u0301!", false, true) "," ADDED(301, "e\u0301?", false, false) });

    /* composed to U+00E9, which is one token; added tokens are composed too */
    tok_encodes(t, NULL, "e\u0301", CG_ENCODE_SPANS, "256:0:3");
    tok_encodes(t, NULL, "a\u00e9!", CG_ENCODE_SPANS, "97:0:1 300:1:4");
    tok_encodes(t, NULL, "xe\u0301!y", CG_ENCODE_SPANS, "120:0:1 300:1:5 121:5:6");
    /* a raw added token is matched before normalization, byte by byte */
    tok_encodes(t, NULL, "e\u0301?", 0, "301");
    tok_encodes(t, NULL, "\u00e9?", 0, "256 63");
    tok_encodes(t, NULL, "e\u0301?e\u0301e\u0301!b", CG_ENCODE_SPANS,
                "301:0:4 256:4:7 300:7:11 98:11:12");
    tok_pretokens(t, "1e\u03012", "0:1 1:4 4:5");
    cg_tokenizer_destroy(t);
}
END_TEST

START_TEST(spans_cover_the_text)
{
    cg_tokenizer *t = tok_make(&(tok_parts) { .vocab = ",\"ab\":256", .merges = "\"a b\"" });

    tok_encodes(t, NULL, "abc1\u00e9", CG_ENCODE_SPANS, "256:0:2 99:2:3 49:3:4 195:4:5 169:5:6");
    tok_pretokens(t, "abc1\u00e9", "0:3 3:4 4:6");
    cg_tokenizer_destroy(t);
}
END_TEST

START_TEST(ignore_merges_prefers_whole_tokens)
{
    tok_parts parts = { .vocab = ",\"ab\":256,\"xyz\":257", .merges = "\"a b\"" };
    cg_tokenizer *t = tok_make(&parts);

    tok_encodes(t, NULL, "xyz ab", 0, "120 121 122 32 256");
    cg_tokenizer_destroy(t);
    parts.model = ",\"ignore_merges\":true";
    t = tok_make(&parts);
    tok_encodes(t, NULL, "xyz ab", 0, "257 32 256");
    tok_encodes(t, NULL, "wxyz", 0, "119 120 121 122");
    cg_tokenizer_destroy(t);
}
END_TEST

START_TEST(bad_text_is_refused_with_its_offset)
{
    cg_tokenizer *t = tok_make(&(tok_parts) { 0 });
    cg_tokens tokens = CG_TOKENS_INIT;
    cg_spans spans = CG_SPANS_INIT;
    cg_error err = CG_ERROR_INIT;
    char *big = calloc(1, CG_TOKENIZER_TEXT_MAX + 1);

    ck_assert_int_eq(cg_tokenizer_encode(t, NULL, "abc\xff", 4, 0, &tokens, &err), CG_ERR_INPUT);
    ck_assert_str_eq(err.msg, "text is not UTF-8: bad byte 0xff at offset 3");
    ck_assert_int_eq(cg_tokenizer_encode(t, NULL, "\xc3", 1, 0, &tokens, NULL), CG_ERR_INPUT);
    ck_assert_int_eq(cg_tokenizer_pretokens(t, "\xc3", 1, &spans, &err), CG_ERR_INPUT);
    ck_assert_ptr_nonnull(big);
    ck_assert_int_eq(
        cg_tokenizer_encode(t, NULL, big, (size_t)CG_TOKENIZER_TEXT_MAX + 1, 0, &tokens, &err),
        CG_ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.msg, "67108865"));
    free(big);
    /* NUL is an ordinary character */
    ck_assert_int_eq(cg_tokenizer_encode(t, NULL, "a\0b", 3, 0, &tokens, &err), CG_OK);
    ck_assert_uint_eq(tokens.n, 3);
    ck_assert_int_eq(tokens.ids[1], 0);
    cg_tokens_finish(&tokens);
    cg_tokens_finish(&tokens);
    cg_tokens_finish(NULL);
    cg_spans_finish(NULL);
    cg_tokenizer_destroy(t);
}
END_TEST

START_TEST(backtracking_limit_with_and_without_an_error_record)
{
    cg_tokenizer *t = tok_make(&(tok_parts) {
        .pre_tokenizer = SEQUENCE(SPLIT("(x+x+)+[yz]", "Isolated") "," BYTE_LEVEL) });
    cg_tokens tokens = CG_TOKENS_INIT;
    cg_error err = CG_ERROR_INIT;
    char text[200];

    memset(text, 'x', sizeof text);
    ck_assert_int_eq(cg_tokenizer_encode(t, NULL, text, sizeof text, 0, &tokens, &err),
                     CG_ERR_LIMIT);
    ck_assert_int_eq(cg_tokenizer_encode(t, NULL, text, sizeof text, 0, &tokens, NULL),
                     CG_ERR_LIMIT);
    cg_tokens_finish(&tokens);
    cg_tokenizer_destroy(t);
}
END_TEST

START_TEST(long_texts_and_pretokens)
{
    enum { N = 300000 };
    cg_tokenizer *t = tok_make(&(tok_parts) { .vocab = ",\"ab\":256", .merges = "\"a b\"" });
    cg_tokens tokens = CG_TOKENS_INIT;
    char *text = malloc(N);

    for (int i = 0; i < N; i++)
        text[i] = "ab"[i % 2];
    ck_assert_int_eq(cg_tokenizer_encode(t, NULL, text, N, CG_ENCODE_SPANS, &tokens, NULL), CG_OK);
    ck_assert_uint_eq(tokens.n, N / 2);
    for (uint32_t i = 0; i < N / 2; i++)
        ck_assert(tokens.ids[i] == 256 && tokens.spans[i].start == 2 * i &&
                  tokens.spans[i].end == 2 * i + 2);
    cg_tokens_finish(&tokens);
    free(text);
    cg_tokenizer_destroy(t);
}
END_TEST

int main(void)
{
    const TTest *tests[] = { added_tokens_are_matched_first,
                             normalized_tokens_are_found_in_normalized_text,
                             spans_cover_the_text,
                             ignore_merges_prefers_whole_tokens,
                             bad_text_is_refused_with_its_offset,
                             backtracking_limit_with_and_without_an_error_record,
                             long_texts_and_pretokens,
                             NULL };

    return tok_run("tok_encode", tests);
}
