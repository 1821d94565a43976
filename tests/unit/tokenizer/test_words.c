/* SPDX-License-Identifier: MIT */
/* Models and steps other than byte-level BPE: spans, the bytes of tokens, decoding, continued
 * texts. tests/golden/tokenizer_kinds.jsonl has ids of the reference. */
#include "tok_testing.h"

#define JSON(normalizer, pre, added, model)                                                        \
    "{\"normalizer\":" normalizer ",\"pre_tokenizer\":" pre ",\"added_tokens\":[" added            \
    "],\"model\":{" model "}}"
#define META(scheme)                                                                               \
    "{\"type\":\"Metaspace\",\"replacement\":\"\u2581\",\"prepend_scheme\":\"" scheme "\"}"
#define BPE                                                                                        \
    "\"type\":\"BPE\",\"unk_token\":\"<unk>\",\"byte_fallback\":true,\"vocab\":{\"<unk>\":0,\"<"   \
    "0xC3>\":1,"                                                                                   \
    "\"<0xA9>\":2,\"\u2581\":3,\"C\":4,\"O\":5,\"\u2581C\":6,\"CO\":7},\"merges\":[[\"\u2581\","   \
    "\"C\"],[\"C\",\"O\"]]"
#define TAG ADDED(9, "[S]", true, false)

static cg_tokenizer *make(const char *json)
{
    cg_error err = CG_ERROR_INIT;
    cg_tokenizer *t = NULL;

    ck_assert_msg(cg_tokenizer_from_json(
                      "t.json",
                      &(cg_json_texts) { .tokenizer = json, .tokenizer_len = strlen(json) }, &t,
                      &err) == CG_OK,
                  "%s", err.msg);
    return t;
}

static void decodes(const cg_tokenizer *t, const char *text, uint32_t flags, const char *want)
{
    cg_tokens tokens = CG_TOKENS_INIT;
    char *bytes = NULL;
    size_t len;

    ck_assert_int_eq(cg_tokenizer_encode(t, NULL, text, strlen(text), flags, &tokens, NULL), CG_OK);
    ck_assert_int_eq(cg_tokenizer_decode(t, tokens.ids, tokens.n, 0, &bytes, &len, NULL), CG_OK);
    ck_assert_str_eq(bytes, want);
    free(bytes);
    cg_tokens_finish(&tokens);
}

START_TEST(metaspace)
{
    static const char *const schemes[] = { JSON("null", META("always"), TAG, BPE),
                                           JSON("null", META("first"), TAG, BPE),
                                           JSON("null", META("never"), TAG, BPE) };
    static const char *const want[][3] = {
        { "6:0:1 5:1:2 6:2:4", "9:0:3 6:3:4", "4:0:1 9:1:4 6:4:5" },
        { "6:0:1 5:1:2 6:2:4", "9:0:3 4:3:4", "4:0:1 9:1:4 4:4:5" },
        { "7:0:2 6:2:4", "9:0:3 4:3:4", "4:0:1 9:1:4 4:4:5" },
    };

    for (size_t i = 0; i < 3; i++) {
        cg_tokenizer *t = make(schemes[i]);

        tok_encodes(t, NULL, "CO C", CG_ENCODE_SPANS, want[i][0]);
        tok_encodes(t, NULL, "[S]C", CG_ENCODE_SPANS, want[i][1]);
        tok_encodes(t, NULL, "C[S]C", CG_ENCODE_SPANS | CG_ENCODE_CONTINUED, want[i][2]);
        tok_encodes(t, NULL, "", CG_ENCODE_SPANS, "");
        decodes(t, "CO C[S]C O", 0, "CO C[S]C O");
        decodes(t, "CO C[S]C", CG_ENCODE_CONTINUED, "CO C[S]C");
        cg_tokenizer_destroy(t);
    }
}
END_TEST

START_TEST(llama2)
{
    cg_tokenizer *t = make(JSON(
        "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"\u2581\"},"
        "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\u2581\"}]}",
        "null", TAG, BPE));
    const char *bytes;
    size_t len;

    tok_encodes(t, NULL, "CO C\u00e9", CG_ENCODE_SPANS, "6:0:1 5:1:2 6:2:4 1:4:6 2:4:6");
    tok_encodes(t, NULL, "C[S]C", CG_ENCODE_CONTINUED, "4 9 6");
    tok_encodes(t, NULL, "x", 0, "3 0");
    tok_pretokens(t, "CO C", "0:4");
    decodes(t, "CO C\u00e9[S]C", 0, "CO C\u00e9[S]C");
    ck_assert_int_eq(cg_tokenizer_token_bytes(t, 1, &bytes, &len), CG_OK);
    ck_assert_uint_eq(len, 1);
    ck_assert_int_eq((unsigned char)bytes[0], 0xc3);
    ck_assert_int_eq(cg_tokenizer_token_id(t, " C", 2), 6);
    cg_tokenizer_destroy(t);
}
END_TEST

#define PIECES                                                                                     \
    "\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":\"##\","         \
    "\"max_input_chars_per_word\":5,\"vocab\":{\"[UNK]\":0,\"c\":1,\"##c\":2,\"##cc\":3,\"cl\":4," \
    "\"(\":5}"

START_TEST(word_pieces)
{
    cg_tokenizer *t =
        make(JSON("{\"type\":\"BertNormalizer\",\"clean_text\":true,"
                  "\"handle_chinese_chars\":true,\"strip_accents\":null,"
                  "\"lowercase\":true}",
                  "{\"type\":\"BertPreTokenizer\"}", ADDED(0, "[UNK]", true, false), PIECES));

    tok_encodes(t, NULL, "CCCC (Cl) cccccc", CG_ENCODE_SPANS,
                "1:0:1 3:1:3 2:3:4 5:5:6 4:6:8 0:8:9 0:10:16");
    tok_encodes(t, NULL, "C\u0301 C", CG_ENCODE_SPANS, "1:0:1 1:4:5");
    tok_pretokens(t, " (c c", "1:2 2:3 4:5");
    decodes(t, "CCCC", 0, "cccc");
    cg_tokenizer_destroy(t);
}
END_TEST

START_TEST(word_level)
{
    cg_tokens tokens = CG_TOKENS_INIT;
    cg_error err = CG_ERROR_INIT;
    cg_tokenizer *t =
        make(JSON("null", "{\"type\":\"Whitespace\"}", "",
                  "\"type\":\"WordLevel\",\"unk_token\":\"<u>\",\"vocab\":{\"C\":0,\"Cl\":1}"));

    tok_encodes(t, NULL, " C\tCl", CG_ENCODE_SPANS, "0:1:2 1:3:5");
    ck_assert_int_eq(cg_tokenizer_encode(t, NULL, "C N", 3, 0, &tokens, &err), CG_ERR_INPUT);
    ck_assert_msg(strstr(err.msg, "'N' is no token, and the vocabulary has no unk_token '<u>'"),
                  "%s", err.msg);
    cg_tokens_finish(&tokens);
    cg_tokenizer_destroy(t);
}
END_TEST

#define AFFIX                                                                                      \
    "\"type\":\"BPE\",\"end_of_word_suffix\":\"</w>\",\"continuing_subword_prefix\":\"@\","        \
    "\"vocab\":{\"C\":0,\"@C\":1,\"@C</w>\":2,\"C</w>\":3,\"CC</w>\":4},\"merges\":[\"C @C</w>\"]"

START_TEST(affixes_and_dropped_characters)
{
    cg_tokenizer *t = make(JSON("null", "{\"type\":\"WhitespaceSplit\"}", "", AFFIX));

    tok_encodes(t, NULL, "CC C CCC xC", CG_ENCODE_SPANS, "4:0:2 3:3:4 0:5:6 1:6:7 2:7:8 2:9:10");
    decodes(t, "CCC", 0, "CCC");
    cg_tokenizer_destroy(t);
}
END_TEST

START_TEST(blanks_in_front_are_not_decoded)
{
    cg_tokenizer *t = tok_make(&(tok_parts) {
        .pre_tokenizer = "{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"use_regex\":true}",
        .added = ADDED(300, "[S]", true, false) });

    decodes(t, "C C[S]C", 0, "C C[S]C");
    cg_tokenizer_destroy(t);
}
END_TEST

int main(void)
{
    const TTest *tests[] = { metaspace,
                             llama2,
                             word_pieces,
                             word_level,
                             affixes_and_dropped_characters,
                             blanks_in_front_are_not_decoded,
                             NULL };

    return tok_run("tok_words", tests);
}
