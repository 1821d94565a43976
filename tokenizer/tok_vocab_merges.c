/* SPDX-License-Identifier: MIT */
/* Loads the vocab.json + merges.txt form. Other settings are in tokenizer_config.json, whose
 * tokenizer_class implies a normalizer and a pattern that no file contains. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "tok_class_patterns.h"
#include "tok_load.h"

static const struct tokenizer_class {
    const char *name;
    const char *pattern;
    int nfc;
    int in_byte_level; /* the byte-level step splits, after it has prepended its ' ' */
} classes[] = {
    { "Qwen2Tokenizer", CG_QWEN2_PATTERN, 1, 0 },
    { "Qwen2TokenizerFast", CG_QWEN2_PATTERN, 1, 0 },
    { "GPT2Tokenizer", CG_BYTE_LEVEL_PATTERN, 0, 1 },
    { "GPT2TokenizerFast", CG_BYTE_LEVEL_PATTERN, 0, 1 },
};

static int is_gpt2(const json_t *config)
{
    const char *name = json_string_value(json_object_get(config, "tokenizer_class"));

    return name && !strncmp(name, "GPT2", 4);
}

/* The tokens that the class writes around a prompt: GPT-2's a BOS token if the configuration asks
 * for it. */
static void load_prompt(cg_tokenizer *t, const json_t *config, int is_gpt2)
{
    const cg_class_files files = { .config = config };
    const char *bos = cg_class_token(&files, "bos_token", is_gpt2 ? "<|endoftext|>" : NULL);
    int add_bos = json_is_true(json_object_get(config, "add_bos_token")) && bos;
    int add_eos = json_is_true(json_object_get(config, "add_eos_token"));

    if (add_eos || (add_bos && !is_gpt2)) {
        snprintf(t->prompt.unsettled, sizeof t->prompt.unsettled,
                 "add_bos_token or add_eos_token: transformers 4 ignores it for this class, "
                 "transformers 5 does not");
    } else if (add_bos) {
        int32_t id = cg_vocab_find(&t->vocab, bos, strlen(bos));

        t->prompt.ids.prefix[0] = id;
        t->prompt.ids.n_prefix = id >= 0;
        if (id < 0)
            snprintf(t->prompt.unsettled, sizeof t->prompt.unsettled,
                     "bos_token '%.64s' is no token of the vocabulary", bos);
    }
}

static cg_status load_class(cg_tokenizer *t, const json_t *config, cg_error *err)
{
    const char *name = json_string_value(json_object_get(config, "tokenizer_class"));
    const json_t *prefix = json_object_get(config, "add_prefix_space");
    cg_pattern *pattern = NULL;

    for (size_t i = 0; name && i < sizeof classes / sizeof classes[0]; i++) {
        const struct tokenizer_class *c = &classes[i];

        if (strcmp(name, c->name))
            continue;
        CG_TRY(cg_pattern_create(c->pattern, strlen(c->pattern), 0, &pattern, err));
        t->nfc = c->nfc;
        t->pretok.byte_level = 1;
        t->pretok.prefix_space = json_is_true(prefix);
        t->front = t->pretok.prefix_space ? CG_FRONT_SECTION : CG_FRONT_NONE;
        if (c->in_byte_level)
            t->pretok.byte_split = pattern;
        else
            t->pretok.splits[t->pretok.n_splits++] = (cg_split) { pattern, CG_SPLIT_ISOLATED, 0 };
        return CG_OK;
    }
    return cg_fail(err, CG_ERR_UNSUPPORTED,
                   "tokenizer_class '%.64s' with vocab.json is not supported; Qwen2Tokenizer and "
                   "GPT2Tokenizer are; others need a tokenizer.json",
                   name ? name : "(none)");
}

static cg_status load_merges(cg_tok_builder *b, const char *text, size_t len, cg_error *err)
{
    size_t n = 0, line = 0, rank = 0;
    cg_status st;

    for (size_t i = 0; i < len; i++)
        n += text[i] == '\n';
    CG_TRY(cg_vocab_reserve_merges(&b->tok->vocab, n + 1, err));
    for (size_t at = 0, next; at < len; at = next) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t size = end ? (size_t)(end - text) - at : len - at;

        next = at + size + 1;
        line++;
        if (size && text[at + size - 1] == '\r')
            size--;
        if (!size || (size >= 8 && !memcmp(text + at, "#version", 8)))
            continue;
        st = cg_load_merge_line(b, text + at, size, rank++, err);
        if (st != CG_OK)
            return cg_fail_prefix(err, st, "line %zu", line);
    }
    return CG_OK;
}

/* An optional boolean member. */
static int flag(const json_t *token, const char *key, int default_value)
{
    const json_t *v = json_object_get(token, key);

    return v ? json_is_true(v) : default_value;
}

/* Whether the configuration lists a text as a special token. */
static int is_listed_special(const json_t *config, const char *content)
{
    static const char *const keys[] = { "bos_token", "eos_token", "pad_token", "unk_token" };
    const json_t *list = json_object_get(config, "additional_special_tokens"), *item;
    size_t i;

    for (i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const json_t *v = json_object_get(config, keys[i]);

        if (json_is_object(v))
            v = json_object_get(v, "content");
        if (json_is_string(v) && !strcmp(json_string_value(v), content))
            return 1;
    }
    json_array_foreach(list, i, item)
    {
        if (json_is_string(item) && !strcmp(json_string_value(item), content))
            return 1;
    }
    return 0;
}

static cg_status load_decoder_tokens(cg_tok_builder *b, const json_t *config, cg_error *err)
{
    const json_t *tokens = json_object_get(config, "added_tokens_decoder");
    const char *key;
    json_t *token;

    if (!tokens)
        return CG_OK;
    if (!json_is_object(tokens))
        return cg_fail(err, CG_ERR_FORMAT, "added_tokens_decoder is not an object");
    json_object_foreach((json_t *)tokens, key, token)
    {
        const json_t *content = json_object_get(token, "content");
        cg_added_spec spec = { 0 };
        char *end;

        spec.id = strtoll(key, &end, 10);
        if (!*key || *end)
            return cg_fail(err, CG_ERR_FORMAT,
                           "added_tokens_decoder: found the key '%.40s', wanted a token id", key);
        if (!json_is_string(content))
            return cg_fail(err, CG_ERR_FORMAT,
                           "added_tokens_decoder: token %.40s: wanted a string as 'content'", key);
        spec.content = json_string_value(content);
        spec.special = flag(token, "special", 0);
        spec.normalized = flag(token, "normalized", !spec.special);
        spec.single_word = flag(token, "single_word", 0);
        spec.lstrip = flag(token, "lstrip", 0);
        spec.rstrip = flag(token, "rstrip", 0);
        CG_TRY(cg_load_added(b, &spec, err));
    }
    return CG_OK;
}

/* added_tokens.json: content -> id. Must agree with the tokens of the configuration. */
static cg_status load_added_tokens(cg_tok_builder *b, const json_t *tokens, const json_t *config,
                                   cg_error *err)
{
    const char *content;
    json_t *id;

    json_object_foreach((json_t *)tokens, content, id)
    {
        cg_added_spec spec = { 0 };

        if (!json_is_integer(id))
            return cg_fail(err, CG_ERR_FORMAT, "token '%.64s': id is not an integer", content);
        spec.content = content;
        spec.id = json_integer_value(id);
        spec.special = is_listed_special(config, content);
        spec.normalized = !spec.special;
        CG_TRY(cg_load_added(b, &spec, err));
    }
    return CG_OK;
}

typedef struct parsed {
    json_t *vocab, *config, *added, *model_config;
} parsed;

static cg_status parse_files(const cg_vocab_merges_files *f, parsed *p, cg_error *err)
{
    CG_TRY(cg_load_parse("vocab.json", f->vocab, f->vocab_len, &p->vocab, err));
    CG_TRY(cg_load_parse("tokenizer_config.json", f->config, f->config_len, &p->config, err));
    if (f->model_config)
        CG_TRY(cg_load_parse("config.json", f->model_config, f->model_config_len, &p->model_config,
                             err));
    if (f->added_tokens)
        CG_TRY(cg_load_parse("added_tokens.json", f->added_tokens, f->added_tokens_len, &p->added,
                             err));
    return CG_OK;
}

/* transformers 5 gives models of type qwen2 the class Qwen2Tokenizer, whatever the file names. */
static cg_status check_model_type(const parsed *p, cg_error *err)
{
    const char *type = json_string_value(json_object_get(p->model_config, "model_type"));

    if (type && !strcmp(type, "qwen2") && is_gpt2(p->config))
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "tokenizer_class: transformers 5 uses Qwen2Tokenizer for a model of type "
                       "qwen2, transformers 4 GPT2Tokenizer");
    return CG_OK;
}

/* On failure *ret_file is the file that the message refers to. */
static cg_status load_parsed(cg_tok_builder *b, const parsed *p, const cg_vocab_merges_files *files,
                             const char **ret_file, cg_tokenizer **ret_tokenizer, cg_error *err)
{
    *ret_file = "tokenizer_config.json";
    CG_TRY(load_class(b->tok, p->config, err));
    CG_TRY(check_model_type(p, err));
    *ret_file = "vocab.json";
    CG_TRY(cg_load_vocab(b, p->vocab, err));
    *ret_file = "merges.txt";
    CG_TRY(load_merges(b, files->merges, files->merges_len, err));
    *ret_file = "tokenizer_config.json";
    CG_TRY(load_decoder_tokens(b, p->config, err));
    *ret_file = "added_tokens.json";
    if (p->added)
        CG_TRY(load_added_tokens(b, p->added, p->config, err));
    *ret_file = "vocab.json";
    CG_TRY(cg_builder_take(b, ret_tokenizer, err));
    load_prompt(*ret_tokenizer, p->config, is_gpt2(p->config));
    return CG_OK;
}

cg_status cg_tokenizer_from_vocab_merges(const char *dir, const cg_vocab_merges_files *files,
                                         cg_tokenizer **ret_tokenizer, cg_error *err)
{
    cg_tok_builder b = { .tok = cg_tokenizer_new() };
    parsed p = { 0 };
    const char *file = "vocab.json";
    cg_status st;

    if (!b.tok)
        return cg_fail_nomem(err, dir);
    st = parse_files(files, &p, err);
    if (st != CG_OK) {
        cg_fail_prefix(err, st, "%s", dir);
        goto out;
    }
    st = load_parsed(&b, &p, files, &file, ret_tokenizer, err);
    if (st != CG_OK)
        cg_fail_prefix(err, st, "%s/%s", dir, file);
out:
    cg_builder_finish(&b);
    json_decref(p.vocab);
    json_decref(p.config);
    json_decref(p.added);
    json_decref(p.model_config);
    return st;
}
