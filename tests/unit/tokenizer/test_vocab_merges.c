/* SPDX-License-Identifier: MIT */
#include "tok_testing.h"

#define CONFIG(class, rest) "{\"tokenizer_class\":\"" class "\"" rest "}"

/* Vocabulary of the bytes and `extra`; free() it. */
static char *vocab_json(const char *extra)
{
    char *json = tok_json(&(tok_parts) { .vocab = extra }), *start, *end, *out;

    start = strstr(json, "\"vocab\":") + 8;
    end = strstr(json, ",\"merges\"");
    out = strndup(start, (size_t)(end - start));
    free(json);
    return out;
}

static const char *model_config; /* of the folder; NULL: none */

static cg_status load(const char *extra, const char *merges, const char *config, const char *added,
                      cg_tokenizer **ret, cg_error *err)
{
    char *vocab = vocab_json(extra);
    cg_vocab_merges_files f = { .vocab = vocab,
                                .vocab_len = strlen(vocab),
                                .merges = merges,
                                .merges_len = strlen(merges),
                                .config = config,
                                .config_len = strlen(config),
                                .added_tokens = added,
                                .added_tokens_len = added ? strlen(added) : 0,
                                .model_config = model_config,
                                .model_config_len = model_config ? strlen(model_config) : 0 };
    cg_status st = cg_tokenizer_from_vocab_merges("dir", &f, ret, err);

    free(vocab);
    return st;
}

static void refused(const char *merges, const char *config, const char *added, cg_status status,
                    const char *words)
{
    cg_error err = CG_ERROR_INIT;
    cg_tokenizer *t = NULL;

    ck_assert_msg(load(",\"ab\":256", merges, config, added, &t, &err) == status, "%s", err.msg);
    ck_assert_msg(strstr(err.msg, words) != NULL, "%s", err.msg);
    ck_assert_msg(!strncmp(err.msg, "dir", 3), "%s", err.msg);
    ck_assert_ptr_null(t);
}

START_TEST(qwen2)
{
    static const char config[] =
        CONFIG("Qwen2Tokenizer", ",\"eos_token\":\"<e>\",\"pad_token\":{\"content\":\"<p>\"},"
                                 "\"additional_special_tokens\":[\"<x>\"],"
                                 "\"added_tokens_decoder\":{\"300\":{\"content\":\"<e>\","
                                 "\"special\":true}}");
    cg_error err = CG_ERROR_INIT;
    cg_tokenizer *t = NULL;

    ck_assert_msg(load(",\"ab\":256,\"]<\":257,\",-\":258", "#version: 0.2\na b\r\n\n] <\n, -",
                       config, "{\"<e>\":300,\"<p>\":301,\"<x>\":302,\"<n>\":303}", &t,
                       &err) == CG_OK,
                  "%s", err.msg);
    ck_assert_int_eq(t->nfc, 1);
    tok_encodes(t, NULL, "ab]<-12,-ab<e>", 0, "256 257 45 49 50 258 256 300");
    tok_pretokens(t, "x1234 yz\n", "0:1 1:2 2:3 3:4 4:5 5:8 8:9");
    ck_assert(cg_tokenizer_is_special(t, 300) && cg_tokenizer_is_special(t, 301) &&
              cg_tokenizer_is_special(t, 302));
    ck_assert(!cg_tokenizer_is_special(t, 303) && cg_tokenizer_is_added(t, 303));
    cg_tokenizer_destroy(t);
}
END_TEST

START_TEST(gpt2_with_prefix_space)
{
    cg_error err = CG_ERROR_INIT;
    cg_tokenizer *t = NULL;

    ck_assert_msg(load(",\"\u0120a\":256", "\u0120 a\n",
                       CONFIG("GPT2Tokenizer", ",\"add_prefix_space\":true"), NULL, &t,
                       &err) == CG_OK,
                  "%s", err.msg);
    ck_assert_int_eq(t->nfc, 0);
    tok_encodes(t, NULL, "a12 a", CG_ENCODE_SPANS, "256:0:1 49:1:2 50:2:3 256:3:5");
    cg_tokenizer_destroy(t);
}
END_TEST

/* What the class writes around a prompt: `want`, or why it is not settled. */
static void prompt(const char *config, int32_t n_prefix, const char *unsettled)
{
    cg_prompt_tokens p = CG_PROMPT_TOKENS_INIT;
    cg_error err = CG_ERROR_INIT;
    cg_tokenizer *t = NULL;

    ck_assert_msg(load("", "", config, "{\"<e>\":300}", &t, &err) == CG_OK, "%s", err.msg);
    ck_assert_int_eq(cg_tokenizer_prompt_tokens(t, &p, &err),
                     *unsettled ? CG_ERR_UNSUPPORTED : CG_OK);
    ck_assert_msg(!*unsettled || strstr(err.msg, unsettled), "%s", err.msg);
    ck_assert_int_eq(p.n_prefix, n_prefix);
    ck_assert_int_eq(p.n_suffix, 0);
    ck_assert(!n_prefix || p.prefix[0] == 300);
    cg_tokenizer_destroy(t);
}

START_TEST(tokens_around_a_prompt)
{
    prompt(CONFIG("GPT2Tokenizer", ""), 0, "");
    prompt(CONFIG("GPT2Tokenizer", ",\"bos_token\":\"<e>\",\"add_bos_token\":true"), 1, "");
    prompt(CONFIG("GPT2Tokenizer", ",\"add_bos_token\":true"), 0, "bos_token '<|endoftext|>'");
    prompt(CONFIG("GPT2Tokenizer", ",\"add_eos_token\":true"), 0, "transformers 4 ignores it");
    prompt(CONFIG("Qwen2Tokenizer", ",\"add_bos_token\":true"), 0, "");
    prompt(CONFIG("Qwen2Tokenizer", ",\"bos_token\":\"<e>\",\"add_bos_token\":true"), 0,
           "transformers 4 ignores it");
}
END_TEST

START_TEST(class_of_a_model_type)
{
    cg_error err = CG_ERROR_INIT;
    cg_tokenizer *t = NULL;

    model_config = "{\"model_type\":\"qwen2\"}";
    refused("", CONFIG("GPT2TokenizerFast", ""), NULL, CG_ERR_UNSUPPORTED,
            "transformers 5 uses Qwen2Tokenizer for a model of type qwen2");
    ck_assert_int_eq(load("", "", CONFIG("Qwen2Tokenizer", ""), NULL, &t, &err), CG_OK);
    cg_tokenizer_destroy(t);
    model_config = NULL;
}
END_TEST

START_TEST(messages_name_the_file)
{
    static const char qwen[] = CONFIG("Qwen2Tokenizer", "");

    refused("", "{}", NULL, CG_ERR_UNSUPPORTED, "dir/tokenizer_config.json: tokenizer_class");
    refused("", CONFIG("LlamaTokenizer", ""), NULL, CG_ERR_UNSUPPORTED, "'LlamaTokenizer'");
    refused("", "{", NULL, CG_ERR_FORMAT, "tokenizer_config.json:1:");
    refused("", qwen, "[", CG_ERR_FORMAT, "added_tokens.json:1:");
    refused("a b\na c\n", qwen, NULL, CG_ERR_FORMAT, "dir/merges.txt: line 2: merge 1");
    refused("a b c\n", qwen, NULL, CG_ERR_FORMAT, "wanted two tokens");
    refused("a\xff b\n", qwen, NULL, CG_ERR_FORMAT, "not in the vocabulary");
    refused("a b\n", qwen, "{\"<e>\":1.5}", CG_ERR_FORMAT, "dir/added_tokens.json: token '<e>'");
    refused("a b\n", qwen, "{\"<e>\":97}", CG_ERR_FORMAT, "already used by 'a'");
    refused("a b\n", CONFIG("Qwen2Tokenizer", ",\"added_tokens_decoder\":[]"), NULL, CG_ERR_FORMAT,
            "added_tokens_decoder");
    refused("a b\n", CONFIG("Qwen2Tokenizer", ",\"added_tokens_decoder\":{\"3x\":{}}"), NULL,
            CG_ERR_FORMAT, "found the key '3x', wanted a token id");
    refused("a b\n",
            CONFIG("Qwen2Tokenizer", ",\"added_tokens_decoder\":{\"99999999999999999999\":"
                                     "{\"content\":\"<e>\"}}"),
            NULL, CG_ERR_LIMIT, "<e>");
}
END_TEST

int main(void)
{
    const TTest *tests[] = { qwen2,
                             gpt2_with_prefix_space,
                             tokens_around_a_prompt,
                             class_of_a_model_type,
                             messages_name_the_file,
                             NULL };

    return tok_run("tok_vocab_merges", tests);
}
