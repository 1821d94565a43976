/* SPDX-License-Identifier: MIT */
/* Every allocation of ours fails once: the call must report it, return nothing and leak nothing. */
#include "failing_malloc.h"
#include "scratch.h"
#include "tok_testing.h"

/* The usual kind, and one of each other step. */
static const tok_parts parts[] = {
    {
        .pre_tokenizer = SEQUENCE(SPLIT("\\\\d|\\\\p{L}+", "Contiguous") "," SPLIT(
            "[0-9]", "Isolated") ",{\"type\":\"ByteLevel\",\"add_prefix_space\":true}"),
        .normalizer = "{\"type\":\"NFC\"}",
        .vocab = ",\"ab\":256,\"\uff5cx\":257",
        .merges = "\"a b\"",
        .added = ADDED(300, "[S]", true, false) "," ADDED(301, "e\u0301!", false, true),
    },
    {
        .pre_tokenizer = SEQUENCE(
            "{\"type\":\"WhitespaceSplit\"},{\"type\":\"Punctuation\"},{\"type\":"
            "\"Digits\",\"individual_digits\":true},{\"type\":\"Whitespace\"},{\"type\":"
            "\"FixedLength\",\"length\":30}," SPLIT(
                "q",
                "Isolated") ",{\"type\":"
                            "\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"always\"},"
                            "{\"type\":\"ByteLevel\",\"add_prefix_space\":true}"),
        .normalizer =
            "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFKC\"},{\"type\":\"Prepend\","
            "\"prepend\":\"_\"},{\"type\":\"Replace\",\"pattern\":{\"String\":\"!\"},"
            "\"content\":\"?\"},{\"type\":\"Lowercase\"},{\"type\":\"Strip\",\"strip_left\":true,"
            "\"strip_right\":true},{\"type\":\"BertNormalizer\",\"clean_text\":true,"
            "\"handle_chinese_chars\":true,\"strip_accents\":false,\"lowercase\":true}]}",
        .vocab = ",\"ab\":256,\"@b\":257",
        .merges = "\"a @b\"",
        .added = ADDED(300, "[S]", true, false) "," ADDED(301, "E!", false, true),
        .model = ",\"unk_token\":\"a\",\"continuing_subword_prefix\":\"@\",\"fuse_unk\":true",
    }
};

START_TEST(loading)
{
    static const char config[] = "{\"tokenizer_class\": \"PreTrainedTokenizerFast\"}";
    char *json = tok_json(&parts[_i]);
    long failed = 0;

    for (long k = 0;; k++, failed++) {
        cg_error err = CG_ERROR_INIT;
        cg_tokenizer *t = NULL;
        cg_status st;

        countdown = k;
        st = cg_tokenizer_from_json("t.json",
                                    &(cg_json_texts) { .tokenizer = json,
                                                       .tokenizer_len = strlen(json),
                                                       .config = config,
                                                       .config_len = strlen(config) },
                                    &t, &err);
        if (countdown >= 0) { /* no allocation failed */
            countdown = -1;
            ck_assert_int_eq(st, CG_OK);
            cg_tokenizer_destroy(t);
            break;
        }
        countdown = -1;
        ck_assert_msg(st == CG_ERR_NOMEM, "allocation %ld: %s", k, err.msg);
        ck_assert_ptr_nonnull(strstr(err.msg, "out of memory"));
        ck_assert_ptr_null(t);
    }
    ck_assert_int_gt(failed, 20);
    free(json);
}
END_TEST

START_TEST(encoding_and_decoding)
{
    cg_tokenizer *t = tok_make(&parts[_i]);
    char text[400];
    long failed = 0;
    int len = snprintf(text, sizeof text, "[S]ab1 e\u0301!q%040d\u0301\u0323", 7);

    /* a long run of marks and a long pre-token allocate additional memory */
    while (len < 300)
        len += snprintf(text + len, sizeof text - (size_t)len, "\u0301\u0323");
    while (len < 390)
        text[len++] = 'z';
    for (long k = 0;; k++, failed++) {
        cg_tokens tokens = CG_TOKENS_INIT;
        cg_spans spans = CG_SPANS_INIT;
        cg_error err = CG_ERROR_INIT;
        char *bytes = NULL;
        cg_status st;
        size_t n;

        countdown = k;
        st = cg_tokenizer_encode(t, NULL, text, (size_t)len, CG_ENCODE_SPANS, &tokens, &err);
        if (st == CG_OK)
            st = cg_tokenizer_pretokens(t, text, (size_t)len, &spans, &err);
        if (st == CG_OK)
            st = cg_tokenizer_decode(t, tokens.ids, tokens.n, 0, &bytes, &n, &err);
        n = countdown >= 0;
        countdown = -1;
        cg_tokens_finish(&tokens);
        cg_spans_finish(&spans);
        free(bytes);
        if (n) {
            ck_assert_msg(st == CG_OK, "%s", err.msg);
            break;
        }
        ck_assert_msg(st == CG_ERR_NOMEM, "allocation %ld: status %d, %s", k, (int)st, err.msg);
    }
    ck_assert_int_gt(failed, 10);
    cg_tokenizer_destroy(t);
}
END_TEST

START_TEST(caches)
{
    for (countdown = 0; countdown < 2;) {
        long k = countdown;
        cg_error err = CG_ERROR_INIT;
        cg_token_cache *c = NULL;

        ck_assert_int_eq(cg_token_cache_create(8, &c, &err), CG_ERR_NOMEM);
        ck_assert_ptr_null(c);
        countdown = k + 1;
    }
    countdown = -1;
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("nomem");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, loading, 0, 2);
    tcase_add_loop_test(tc, encoding_and_decoding, 0, 2);
    tcase_add_test(tc, caches);
    return run_suite("tok_nomem", &tc, 1);
}
