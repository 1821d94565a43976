/* SPDX-License-Identifier: MIT */
/* Tokens around a prompt, and what a tokenizer's class changes. tools/compare_tokenizers.py
 * compares more combinations with transformers. */
#include "tok_testing.h"

#define TOKENS ADDED(300, "<s>", true, false) "," ADDED(301, "</s>", true, false)
#define TEMPLATE(pieces)                                                                           \
    "{\"type\":\"TemplateProcessing\",\"single\":[" pieces                                         \
    "],\"special_tokens\":{\"<s>\":{\"ids\":[300]},\"</s>\":{\"ids\":[301,97]}}}"
#define S  "{\"SpecialToken\":{\"id\":\"<s>\"}}"
#define E  "{\"SpecialToken\":{\"id\":\"</s>\"}}"
#define A  "{\"Sequence\":{\"id\":\"A\"}}"
#define BL "{\"type\":\"ByteLevel\"}"

/* Everything of a folder; NULL: not there. */
typedef struct folder {
    tok_parts parts;
    const char *config, *special_map, *model_config;
} folder;

static cg_status load(const folder *f, cg_tokenizer **ret, cg_error *err)
{
    tok_parts parts = f->parts;
    cg_json_texts texts = { .config = f->config,
                            .config_len = f->config ? strlen(f->config) : 0,
                            .special_map = f->special_map,
                            .special_map_len = f->special_map ? strlen(f->special_map) : 0,
                            .model_config = f->model_config,
                            .model_config_len = f->model_config ? strlen(f->model_config) : 0 };
    char *json;
    cg_status st;

    parts.added = parts.added ? parts.added : TOKENS;
    json = tok_json(&parts);
    texts.tokenizer = json;
    texts.tokenizer_len = strlen(json);
    st = cg_tokenizer_from_json("d/t.json", &texts, ret, err);
    free(json);
    return st;
}

/* The ids around a prompt, as "300 TEXT 301", or the error. */
static void around(const folder *f, const char *want)
{
    cg_prompt_tokens p = CG_PROMPT_TOKENS_INIT;
    cg_error err = CG_ERROR_INIT;
    cg_tokenizer *t = NULL;
    char got[200] = "";
    int n = 0;

    ck_assert_msg(load(f, &t, &err) == CG_OK, "%s", err.msg);
    if (cg_tokenizer_prompt_tokens(t, &p, &err) != CG_OK) {
        ck_assert_msg(strstr(err.msg, want) != NULL, "'%s' is not in: %s", want, err.msg);
        cg_tokenizer_destroy(t);
        return;
    }
    for (int32_t i = 0; i < p.n_prefix; i++)
        n += snprintf(got + n, sizeof got - (size_t)n, "%d ", p.prefix[i]);
    n += snprintf(got + n, sizeof got - (size_t)n, "TEXT");
    for (int32_t i = 0; i < p.n_suffix; i++)
        n += snprintf(got + n, sizeof got - (size_t)n, " %d", p.suffix[i]);
    ck_assert_str_eq(got, want);
    cg_tokenizer_destroy(t);
}

static void refused(const folder *f, cg_status status, const char *words)
{
    cg_error err = CG_ERROR_INIT;
    cg_tokenizer *t = NULL;
    cg_status st = load(f, &t, &err);

    ck_assert_msg(st == status, "status %d: %s", (int)st, err.msg);
    ck_assert_msg(strstr(err.msg, words) != NULL, "'%s' is not in: %s", words, err.msg);
    ck_assert_ptr_null(t);
}

static void post(const char *post_processor, const char *want)
{
    around(&(folder) { .parts = { .post_processor = post_processor } }, want);
}

static void bad_post(const char *post_processor, cg_status status, const char *words)
{
    refused(&(folder) { .parts = { .post_processor = post_processor } }, status, words);
}

START_TEST(post_processors)
{
    post(NULL, "TEXT");
    post(BL, "TEXT");
    post(TEMPLATE(A), "TEXT");
    post(TEMPLATE(S "," A), "300 TEXT");
    post(TEMPLATE(S "," S "," A "," E), "300 300 TEXT 301 97");
    post("{\"type\":\"Sequence\",\"processors\":[" BL "," TEMPLATE(S "," A) "]}", "300 TEXT");
    post("{\"type\":\"RobertaProcessing\",\"sep\":[\"</s>\",301],\"cls\":[\"<s>\",300]}",
         "300 TEXT 301");
    post("{\"type\":\"BertProcessing\",\"sep\":[\"</s>\",301],\"cls\":[\"<s>\",300]}",
         "300 TEXT 301");
    post("{\"type\":\"BertProcessing\",\"sep\":[\"</s>\",301],\"cls\":[\"x\",280]}",
         "token 280, which it writes around a prompt, is not in the vocabulary");
    bad_post("{\"type\":\"BertProcessing\"}", CG_ERR_FORMAT, "found no token id");
    bad_post(TEMPLATE(S), CG_ERR_UNSUPPORTED, "the text $A 0 times");
    bad_post(TEMPLATE(A "," A), CG_ERR_UNSUPPORTED, "the text $A 2 times");
    bad_post(TEMPLATE("{\"Sequence\":{\"id\":\"B\"}}"), CG_ERR_FORMAT, "nor the text $A");
    bad_post(TEMPLATE("{\"SpecialToken\":{\"id\":\"<x>\"}}"), CG_ERR_FORMAT,
             "token '<x>' of the template is not in special_tokens");
    bad_post("{\"type\":\"TemplateProcessing\"}", CG_ERR_FORMAT, "'single' is missing");
    bad_post("{\"type\":\"Sequence\",\"processors\":[" TEMPLATE(S "," A) "," TEMPLATE(S "," A) "]}",
             CG_ERR_UNSUPPORTED, "the second step that writes tokens");
    bad_post("{\"type\":\"TemplateProcessing\",\"single\":[" S "," S "," S "," S "," S "," S "," S
             "," S "," S "," A "],\"special_tokens\":{\"<s>\":{\"ids\":[1,2]}}}",
             CG_ERR_LIMIT, "more than 16 tokens");
}
END_TEST

#define LLAMA "{\"tokenizer_class\":\"LlamaTokenizerFast\"}"
#define BOS   "{\"type\":\"Sequence\",\"processors\":[" BL "," TEMPLATE(S "," A) "]}"

START_TEST(classes_that_write_tokens)
{
    /* Llama's class writes <s> in version 4 whatever the file says, in version 5 what it says */
    around(&(folder) { .config = LLAMA, .parts = { .post_processor = BOS } }, "300 TEXT");
    around(&(folder) { .config = LLAMA }, "transformers 4 writes '<s> PROMPT', transformers 5 "
                                          "writes 'PROMPT'");
    around(
        &(folder) { .config = "{\"tokenizer_class\":\"LlamaTokenizer\",\"add_bos_token\":false}" },
        "TEXT");
    around(&(folder) { .config = "{\"tokenizer_class\":\"LlamaTokenizer\",\"bos_token\":null}" },
           "TEXT"); /* version 4 does not load it */
    around(&(folder) { .config = "{\"tokenizer_class\":\"LlamaTokenizer\"}",
                       .special_map = "{\"bos_token\":{\"content\":\"<b>\"}}" },
           "LlamaTokenizer writes bos_token '<b>', which is no token of the vocabulary");
    around(&(folder) { .model_config = "{\"model_type\":\"llama\"}",
                       .parts = { .post_processor = BOS } },
           "300 TEXT");
    around(&(folder) { .model_config = "{\"model_type\":\"llama\"}" }, "transformers 4 writes");
    around(&(folder) { .config = "{\"tokenizer_class\":\"TokenizersBackend\"}",
                       .parts = { .post_processor = BOS } },
           "300 TEXT");
}
END_TEST

#define QWEN                                                                                       \
    SPLIT("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}| "        \
          "?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+",    \
          "Isolated")

START_TEST(classes_that_replace_steps)
{
    static const char qwen2[] = "{\"tokenizer_class\":\"Qwen2Tokenizer\"}";

    refused(&(folder) { .config = qwen2 }, CG_ERR_UNSUPPORTED,
            "d/t.json: transformers 5 replaces its pre_tokenizer by that of the class "
            "Qwen2Tokenizer");
    refused(&(folder) { .model_config = "{\"model_type\":\"qwen3\"}" }, CG_ERR_UNSUPPORTED,
            "the class Qwen2Tokenizer");
    around(&(folder) { .config = qwen2,
                       .parts = { .pre_tokenizer = SEQUENCE(SEQUENCE(QWEN) "," BYTE_LEVEL) } },
           "TEXT");
    refused(&(folder) { .config = qwen2,
                        .parts = { .pre_tokenizer = SEQUENCE(QWEN "," BYTE_LEVEL),
                                   .model = ",\"ignore_merges\":true" } },
            CG_ERR_UNSUPPORTED, "replaces its model settings");
    refused(&(folder) { .config = "{\"tokenizer_class\":\"T5TokenizerFast\"}" }, CG_ERR_UNSUPPORTED,
            "found tokenizer_class \"T5TokenizerFast\"");
    refused(&(folder) { .config = "{\"auto_map\":{\"AutoTokenizer\":[\"a.B\",null]}}" },
            CG_ERR_UNSUPPORTED, "found auto_map");
    refused(&(folder) { .config = "{\"split_special_tokens\":true}" }, CG_ERR_UNSUPPORTED,
            "split_special_tokens");
    refused(&(folder) { .config = "{" }, CG_ERR_FORMAT,
            "beside d/t.json: tokenizer_config.json:1:");
}
END_TEST

#define PREFIX(value) "{\"type\":\"ByteLevel\",\"add_prefix_space\":" value "}"
#define FAST(rest)    "{\"tokenizer_class\":\"PreTrainedTokenizerFast\"" rest "}"

START_TEST(blank_in_front_of_a_text)
{
    static const char *const same[][2] = {
        { PREFIX("true"), FAST(",\"add_prefix_space\":true") },
        { PREFIX("false"), FAST("") },
        { PREFIX("true"), FAST(",\"add_prefix_space\":null") },
        { PREFIX("true"), NULL },
        { SEQUENCE(PREFIX("true")), FAST("") },
        /* both versions of GPT-2's class go by the configuration */
        { PREFIX("false"), "{\"tokenizer_class\":\"GPT2Tokenizer\",\"add_prefix_space\":true}" },
        { PREFIX("true"), "{\"tokenizer_class\":\"GPT2TokenizerFast\"}" },
    };
    static const char *const want[] = { "32 97", "97", "32 97", "32 97", "32 97", "32 97", "97" };

    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        folder f = { .parts = { .pre_tokenizer = same[i][0] }, .config = same[i][1] };
        cg_error err = CG_ERROR_INIT;
        cg_tokenizer *t = NULL;

        ck_assert_msg(load(&f, &t, &err) == CG_OK, "case %zu: %s", i, err.msg);
        tok_encodes(t, NULL, "a", 0, want[i]);
        tok_encodes(t, NULL, "a", CG_ENCODE_CONTINUED, "97");
        tok_encodes(t, NULL, "<s>a", CG_ENCODE_CONTINUED,
                    i == 1 || i == 6 ? "300 97" : "300 32 97");
        cg_tokenizer_destroy(t);
    }
    refused(&(folder) { .parts = { .pre_tokenizer = PREFIX("true") }, .config = FAST("") },
            CG_ERR_UNSUPPORTED, "transformers 4 changes its pre_tokenizer by add_prefix_space");
    refused(&(folder) { .parts = { .pre_tokenizer = PREFIX("false") },
                        .config = FAST(",\"add_prefix_space\":true") },
            CG_ERR_UNSUPPORTED, "add_prefix_space, which is true");
}
END_TEST

#define ENTRY(id, content, lstrip)                                                                 \
    "\"" #id "\":{\"content\":\"" content "\",\"lstrip\":" lstrip ",\"special\":true}"

START_TEST(added_tokens_of_the_configuration)
{
    static const folder stripped = { .config = FAST(",\"added_tokens_decoder\":{" ENTRY(
                                         300, "<s>", "true") "}") };
    cg_error err = CG_ERROR_INIT;
    cg_tokenizer *t = NULL;

    around(
        &(folder) { .config = FAST(",\"added_tokens_decoder\":{" ENTRY(300, "<s>", "false") "}") },
        "TEXT");
    ck_assert_msg(load(&stripped, &t, &err) == CG_OK, "%s", err.msg);
    tok_encodes(t, NULL, "a <s>", CG_ENCODE_SPANS, "97:0:1 300:1:5");
    cg_tokenizer_destroy(t);
    refused(
        &(folder) { .config = FAST(",\"added_tokens_decoder\":{" ENTRY(300, "<b>", "false") "}") },
        CG_ERR_UNSUPPORTED, "added_tokens_decoder of tokenizer_config.json has '<b>'");
    refused(
        &(folder) { .config = FAST(",\"added_tokens_decoder\":{" ENTRY(310, "<b>", "false") "}") },
        CG_ERR_UNSUPPORTED, "found 0 of the 1 tokens");
    /* a class of version 5 takes these tokens and those that are named, and no others */
    refused(
        &(folder) { .config =
                        "{\"tokenizer_class\":\"GPT2Tokenizer\",\"added_tokens_decoder\":{" ENTRY(
                            300, "<s>", "false") "}}",
                    .parts = { .pre_tokenizer = PREFIX("false") } },
        CG_ERR_UNSUPPORTED, "added token 301 '</s>'");
    around(&(folder) { .config = "{\"tokenizer_class\":\"GPT2Tokenizer\",\"eos_token\":\"</s>\","
                                 "\"added_tokens_decoder\":{" ENTRY(300, "<s>", "false") "}}",
                       .parts = { .pre_tokenizer = PREFIX("false") } },
           "TEXT");
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        post_processors,          classes_that_write_tokens,         classes_that_replace_steps,
        blank_in_front_of_a_text, added_tokens_of_the_configuration, NULL
    };

    return tok_run("tok_class", tests);
}
