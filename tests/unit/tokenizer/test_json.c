/* SPDX-License-Identifier: MIT */
#include "tok_testing.h"

#define PRE(text) (&(tok_parts) { .pre_tokenizer = text })

START_TEST(bad_json_names_the_line)
{
    static const struct {
        const char *json, *words;
    } cases[] = {
        { "", "t.json:1:" },
        { "{\n\"a\":", "t.json:2:" },
        { "[]", "wanted a JSON object" },
        { "{\"a\":1,\"a\":2}", "duplicate" },
        { "{\"a\":\"\xff\"}", "decode" },
        { "{}", "model: missing or not an object" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cg_error err = CG_ERROR_INIT;
        cg_tokenizer *t = NULL;

        ck_assert_int_eq(
            cg_tokenizer_from_json("t.json",
                                   &(cg_json_texts) { .tokenizer = cases[i].json,
                                                      .tokenizer_len = strlen(cases[i].json) },
                                   &t, &err),
            CG_ERR_FORMAT);
        ck_assert_msg(strstr(err.msg, cases[i].words) != NULL, "case %zu: %s", i, err.msg);
        ck_assert_ptr_null(t);
    }
}
END_TEST

START_TEST(deep_nesting_is_refused)
{
    enum { N = 1 << 20 };
    cg_error err = CG_ERROR_INIT;
    cg_tokenizer *t = NULL;
    char *json = malloc(N);

    memset(json, '[', N);
    ck_assert_int_eq(
        cg_tokenizer_from_json("t.json", &(cg_json_texts) { .tokenizer = json, .tokenizer_len = N },
                               &t, &err),
        CG_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.msg, "depth"));
    free(json);
    tok_refused(PRE(SEQUENCE(SEQUENCE(SEQUENCE(SEQUENCE(
                    SEQUENCE(SEQUENCE(SEQUENCE(SEQUENCE(SEQUENCE(SEQUENCE(BYTE_LEVEL))))))))))),
                CG_ERR_FORMAT, "deeper than 8");
}
END_TEST

START_TEST(unsupported_pre_tokenizers)
{
    tok_refused(PRE("{\"type\":\"UnicodeScripts\"}"), CG_ERR_UNSUPPORTED, "'UnicodeScripts'");
    tok_refused(PRE("{\"type\":\"Metaspace\"}"), CG_ERR_FORMAT, "not one character");
    tok_refused(PRE("{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"x\"}"),
                CG_ERR_FORMAT, "'prepend_scheme' is not");
    tok_refused(PRE("{\"type\":\"FixedLength\",\"length\":0}"), CG_ERR_FORMAT, "1 or more");
    tok_refused(PRE("{\"type\":\"Punctuation\",\"behavior\":\"x\"}"), CG_ERR_UNSUPPORTED,
                "Punctuation: behavior 'x'");
    tok_refused(PRE("{}"), CG_ERR_UNSUPPORTED, "'(none)'");
    tok_refused(PRE("{\"type\":\"Sequence\"}"), CG_ERR_FORMAT, "without a list");
    tok_refused(PRE(SEQUENCE(SPLIT("a", "Shattered") "," BYTE_LEVEL)), CG_ERR_UNSUPPORTED,
                "'Shattered'");
    tok_refused(PRE(SEQUENCE(SPLIT("(a", "Isolated") "," BYTE_LEVEL)), CG_ERR_FORMAT,
                "pre_tokenizer: regular expression: '(' without ')'");
    tok_refused(PRE(SEQUENCE(SPLIT("\\\\R", "Isolated") "," BYTE_LEVEL)), CG_ERR_UNSUPPORTED,
                "offset 1: the escape \\R is not supported");
    tok_refused(PRE(SEQUENCE(SPLIT("\\\\p{Han}", "Isolated") "," BYTE_LEVEL)), CG_ERR_UNSUPPORTED,
                "\\p{Han}: only general categories");
    tok_refused(PRE(SEQUENCE(SPLIT("", "Isolated") "," BYTE_LEVEL)), CG_ERR_UNSUPPORTED,
                "empty pattern");
    tok_refused(PRE("{\"type\":\"Split\",\"pattern\":\"a\",\"behavior\":\"Isolated\","
                    "\"invert\":false}"),
                CG_ERR_FORMAT, "pattern is neither");
    tok_refused(PRE("{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a\"},\"behavior\":\"Isolated\"}"),
                CG_ERR_FORMAT, "'invert'");
    tok_refused(PRE("{\"type\":\"ByteLevel\"}"), CG_ERR_FORMAT, "'add_prefix_space'");
    tok_refused(PRE("{\"type\":\"Digits\",\"individual_digits\":1}"), CG_ERR_FORMAT,
                "'individual_digits'");
}
END_TEST

#define S1 SPLIT("a", "Isolated")
#define S4 S1 "," S1 "," S1 "," S1

START_TEST(other_unsupported_parts)
{
    tok_refused(PRE(SEQUENCE(S4 "," S4 "," S4 "," S4 "," S4 "," S4 "," BYTE_LEVEL)), CG_ERR_LIMIT,
                "more than 24 steps");
    tok_refused(&(tok_parts) { .normalizer = "{\"type\":\"Precompiled\"}" }, CG_ERR_UNSUPPORTED,
                "normalizer: type 'Precompiled'");
    tok_refused(&(tok_parts) { .normalizer = "{\"type\":\"Replace\",\"content\":\"a\"}" },
                CG_ERR_FORMAT, "Replace: pattern is neither");
    tok_refused(&(tok_parts) { .normalizer = "{\"type\":\"Prepend\"}" }, CG_ERR_FORMAT,
                "Prepend: 'prepend' is missing");
    tok_refused(&(tok_parts) { .normalizer = "{\"type\":\"Sequence\"}" }, CG_ERR_FORMAT,
                "without a list");
    tok_refused(&(tok_parts) { .post_processor = "{\"type\":\"Magic\"}" }, CG_ERR_UNSUPPORTED,
                "post_processor: type 'Magic'");
    tok_refused(&(tok_parts) { .model = ",\"dropout\":0.1" }, CG_ERR_UNSUPPORTED, "dropout");
    tok_refused(&(tok_parts) { .model = ",\"end_of_word_suffix\":\"</w>\",\"byte_fallback\":true" },
                CG_ERR_UNSUPPORTED, "end_of_word_suffix is not supported");
    tok_refused(&(tok_parts) { .model = ",\"ignore_merges\":0" }, CG_ERR_FORMAT, "ignore_merges");
}
END_TEST

START_TEST(inconsistent_vocabularies)
{
    tok_refused(&(tok_parts) { .vocab = ",\"ab\":255" }, CG_ERR_FORMAT, "already used by");
    tok_refused(&(tok_parts) { .vocab = ",\"ab\":16777216" }, CG_ERR_LIMIT, "16777216");
    tok_refused(&(tok_parts) { .vocab = ",\"ab\":-1" }, CG_ERR_LIMIT, "-1");
    tok_refused(&(tok_parts) { .vocab = ",\"ab\":1.5" }, CG_ERR_FORMAT, "not an integer");
    tok_refused(&(tok_parts) { .vocab = ",\"ab\":9223372036854775807" }, CG_ERR_LIMIT, "ab");
    tok_refused(&(tok_parts) { .vocab = ",\"ab\":256,\"ab\":257" }, CG_ERR_FORMAT, "duplicate");
    tok_refused(&(tok_parts) { .vocab = ",\"ab\":256", .merges = "\"a c\"" }, CG_ERR_FORMAT,
                "merge 0: token 'ac'");
    tok_refused(&(tok_parts) { .merges = "\"a bb\"" }, CG_ERR_FORMAT, "token 'bb'");
    tok_refused(&(tok_parts) { .merges = "\"ab\"" }, CG_ERR_FORMAT, "wanted two tokens");
    tok_refused(&(tok_parts) { .merges = "\"a b c\"" }, CG_ERR_FORMAT, "wanted two tokens");
    tok_refused(&(tok_parts) { .merges = "\"a \"" }, CG_ERR_FORMAT, "empty half");
    tok_refused(&(tok_parts) { .merges = "[\"a\"]" }, CG_ERR_FORMAT, "neither");
    tok_refused(&(tok_parts) { .merges = "[\"a\",\"b\",\"c\"]" }, CG_ERR_FORMAT, "neither");
    tok_refused(&(tok_parts) { .merges = "7" }, CG_ERR_FORMAT, "neither");
}
END_TEST

START_TEST(missing_parts_of_the_model)
{
    static const struct {
        const char *model, *words;
        cg_status status;
    } cases[] = {
        { "[]", "model: missing or not an object", CG_ERR_FORMAT },
        { "{\"type\":\"Unigram\"}", "'Unigram'", CG_ERR_UNSUPPORTED },
        { "{\"type\":\"WordPiece\"}", "vocabulary is not", CG_ERR_FORMAT },
        { "{\"type\":\"WordLevel\",\"vocab\":{\"a\":\"b\"}}", "id is not an integer",
          CG_ERR_FORMAT },
        { "{\"type\":\"WordPiece\",\"vocab\":{\"a\":0},\"max_input_chars_per_word\":\"x\"}",
          "max_input_chars_per_word", CG_ERR_FORMAT },
        { "{\"type\":\"BPE\"}", "vocabulary is not", CG_ERR_FORMAT },
        { "{\"vocab\":{}}", "vocabulary is not", CG_ERR_FORMAT },
        { "{\"vocab\":{\"a\":0}}", "merges is missing", CG_ERR_FORMAT },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cg_error err = CG_ERROR_INIT;
        cg_tokenizer *t = NULL;
        char json[512];

        snprintf(json, sizeof json,
                 "{\"pre_tokenizer\":" BYTE_LEVEL ",\"decoder\":{\"type\":\"ByteLevel\"},"
                 "\"model\":%s}",
                 cases[i].model);
        ck_assert_msg(cg_tokenizer_from_json(
                          "t.json",
                          &(cg_json_texts) { .tokenizer = json, .tokenizer_len = strlen(json) }, &t,
                          &err) == cases[i].status,
                      "case %zu: %s", i, err.msg);
        ck_assert_msg(strstr(err.msg, cases[i].words) != NULL, "case %zu: %s", i, err.msg);
    }
}
END_TEST

START_TEST(inconsistent_added_tokens)
{
    tok_refused(&(tok_parts) { .added = "{\"id\":300}" }, CG_ERR_FORMAT, "added_tokens[0]");
    tok_refused(&(tok_parts) { .added = "{\"id\":300,\"content\":\"x\"}" }, CG_ERR_FORMAT,
                "'special'");
    tok_refused(&(tok_parts) { .added = ADDED(300, "", true, false) }, CG_ERR_LIMIT, "0 bytes");
    tok_refused(&(tok_parts) { .added = ADDED(97, "[S]", true, false) }, CG_ERR_FORMAT,
                "id 97 is already used by 'a'");
    tok_refused(&(tok_parts) { .added = ADDED(300, "a", true, false) }, CG_ERR_FORMAT,
                "the vocabulary has 97");
    tok_refused(&(tok_parts) { .added = ADDED(99999999, "[S]", true, false) }, CG_ERR_LIMIT,
                "99999999");
    tok_refused(&(tok_parts) { .added = ADDED(233, "\u00e9", true, false) }, CG_ERR_UNSUPPORTED,
                "alphabet");
    tok_refused(
        &(tok_parts) { .added = ADDED(300, "x1", true, false) "," ADDED(300, "x2", true, false) },
        CG_ERR_FORMAT, "added_tokens[1]");
    tok_refused(
        &(tok_parts) { .added = ADDED(300, "x1", true, false) "," ADDED(301, "x1", true, false) },
        CG_ERR_FORMAT, "an earlier entry has 300");
}
END_TEST

START_TEST(supported_parts_load)
{
    cg_tokenizer *t = tok_make(&(tok_parts) {
        .normalizer = "{\"type\":\"NFC\"}",
        .post_processor = "{\"type\":\"Sequence\",\"processors\":[{\"type\":\"ByteLevel\"},"
                          "{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":"
                          "{\"id\":\"A\"}}]}]}",
        .decoder = "null",
        .vocab = ",\"ab\":256,\"[S]\":257,\"\uff5cx\":258,\"\":259",
        .merges = "[\"a\",\"b\"],\"a b\"",
        .added = ADDED(257, "[S]", true, false) "," ADDED(257, "[S]", true, false) "," ADDED(
            400, "\u00e9x", false, true),
        .model = ",\"dropout\":null,\"unk_token\":null,\"continuing_subword_prefix\":\"\"" });
    const char *bytes;
    size_t len;

    ck_assert_int_eq(cg_tokenizer_vocab_size(t), 401);
    ck_assert_int_eq(t->nfc, 1);
    ck_assert_int_eq(cg_tokenizer_token_bytes(t, 258, &bytes, &len), CG_OK);
    ck_assert_uint_eq(len, 4); /* not in the byte-level alphabet: its UTF-8 */
    ck_assert_int_eq(cg_tokenizer_token_id(t, "\uff5cx", 4), 258);
    ck_assert_int_eq(cg_tokenizer_token_bytes(t, 259, &bytes, &len), CG_OK);
    ck_assert_uint_eq(len, 0);
    tok_encodes(t, NULL, "[S]abe\u0301x", 0, "257 256 400");
    cg_tokenizer_destroy(t);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        bad_json_names_the_line,   deep_nesting_is_refused,   unsupported_pre_tokenizers,
        other_unsupported_parts,   inconsistent_vocabularies, missing_parts_of_the_model,
        inconsistent_added_tokens, supported_parts_load,      NULL
    };

    return tok_run("tok_json", tests);
}
