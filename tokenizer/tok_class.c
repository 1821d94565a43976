/* SPDX-License-Identifier: MIT */
/*
 * Sources: AutoTokenizer, PreTrainedTokenizerFast and the classes below in transformers 4.57, and
 * AutoTokenizer, TokenizersBackend and the classes in 5.24. tools/compare_tokenizers.py compares
 * prompts with both.
 */
#include "tok_class.h"

#include <confgen/tokenizer.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "tok_class_patterns.h"

/* Classes that are followed. */
enum class_kind {
    CLASS_FILE, /* tokenizer.json as it is */
    CLASS_GPT2,
    CLASS_QWEN2,
    CLASS_NEOX,
    CLASS_LLAMA,
    CLASS_ROBERTA,
    CLASS_BERT,
    CLASS_NOT_FOLLOWED,
    CLASS_NOT_LOADED, /* that version has no such class, or its constructor fails */
};

enum { V4, V5, N_VERSIONS };

static const char *const versions[] = { "transformers 4", "transformers 5" };

/* How one version reads the folder. */
typedef struct view {
    enum class_kind kind;
    json_t *normalizer, *pre_tokenizer; /* as in tokenizer.json */
    json_t *model;                      /* settings that replace those of `model` */
    cg_class_prompt prompt;
} view;

typedef struct class_reader {
    json_t *root;
    const cg_class_files *files;
    const char *name; /* of the class, without "Fast"; NULL: none is named */
    int name_len;
    const char *model_type; /* "": none */
    int byte_level;         /* tokenizer.json has a ByteLevel pre-tokenizer or decoder */
    view views[N_VERSIONS];
    cg_error *err;
} class_reader;

static const char *string_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static int is_true(const json_t *object, const char *key, int otherwise)
{
    const json_t *v = json_object_get(object, key);

    return v ? json_is_true(v) : otherwise;
}

static int is_type(const json_t *part, const char *type)
{
    const char *found = string_of(part, "type");

    return found && !strcmp(found, type);
}

static cg_status nomem(class_reader *r)
{
    return cg_fail_nomem(r->err, "tokenizer_config.json");
}

/* ---- which class -------------------------------------------------------------------------- */

static int has_byte_level(const json_t *part, const char *list_key, int depth)
{
    const json_t *list = json_object_get(part, list_key), *item;
    size_t i;

    if (is_type(part, "ByteLevel"))
        return 1;
    if (depth < 8)
        json_array_foreach(list, i, item)
        {
            if (has_byte_level(item, list_key, depth + 1))
                return 1;
        }
    return 0;
}

static const struct {
    const char *name;
    enum class_kind kind;
} classes[] = {
    { "PreTrainedTokenizer", CLASS_FILE }, { "TokenizersBackend", CLASS_FILE },
    { "GPT2Tokenizer", CLASS_GPT2 },       { "Qwen2Tokenizer", CLASS_QWEN2 },
    { "GPTNeoXTokenizer", CLASS_NEOX },    { "LlamaTokenizer", CLASS_LLAMA },
    { "RobertaTokenizer", CLASS_ROBERTA }, { "BertTokenizer", CLASS_BERT },
};

static const char *class_name(enum class_kind kind)
{
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if (classes[i].kind == kind)
            return classes[i].name;
    return "(none)";
}

static enum class_kind kind_by_name(const class_reader *r)
{
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if ((size_t)r->name_len == strlen(classes[i].name) &&
            !memcmp(r->name, classes[i].name, (size_t)r->name_len))
            return classes[i].kind;
    return CLASS_NOT_FOLLOWED;
}

static int is_name(const class_reader *r, const char *name)
{
    return r->name && (size_t)r->name_len == strlen(name) &&
           !memcmp(r->name, name, (size_t)r->name_len);
}

/* The class of a model type, where the files name none. */
static enum class_kind kind_by_type(const class_reader *r, int version)
{
    static const struct {
        const char *type;
        enum class_kind kind[N_VERSIONS];
    } types[] = {
        { "llama", { CLASS_LLAMA, CLASS_FILE } },  { "mistral", { CLASS_LLAMA, CLASS_FILE } },
        { "qwen2", { CLASS_QWEN2, CLASS_QWEN2 } }, { "qwen3", { CLASS_QWEN2, CLASS_QWEN2 } },
        { "gpt2", { CLASS_GPT2, CLASS_GPT2 } },    { "gpt_neox", { CLASS_NEOX, CLASS_NEOX } },
    };

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (!strcmp(r->model_type, types[i].type))
            return types[i].kind[version];
    return CLASS_FILE;
}

static enum class_kind find_kind(const class_reader *r, int version)
{
    if (version == V4)
        return !r->name                          ? kind_by_type(r, version)
               : is_name(r, "TokenizersBackend") ? CLASS_NOT_LOADED
                                                 : kind_by_name(r);
    /* version 5 overrides the class of some model types */
    if (!strcmp(r->model_type, "qwen2"))
        return CLASS_QWEN2;
    if (!strcmp(r->model_type, "mistral"))
        return CLASS_FILE;
    if (is_name(r, "LlamaTokenizer") && r->byte_level)
        return CLASS_FILE;
    return r->name ? kind_by_name(r) : kind_by_type(r, version);
}

static cg_status read_class(class_reader *r)
{
    const json_t *config = r->files->config, *model = r->files->model_config;
    const char *type = string_of(model, "model_type");

    r->model_type = type ? type : "";
    r->name = string_of(config, "tokenizer_class");
    if (!r->name)
        r->name = string_of(model, "tokenizer_class");
    if (r->name) {
        size_t len = strlen(r->name);

        r->name_len = (int)(len > 4 && !strcmp(r->name + len - 4, "Fast") ? len - 4 : len);
    }
    r->byte_level = has_byte_level(json_object_get(r->root, "pre_tokenizer"), "pretokenizers", 0) ||
                    has_byte_level(json_object_get(r->root, "decoder"), "decoders", 0);
    if (json_is_object(json_object_get(config, "auto_map")))
        return cg_fail(r->err, CG_ERR_UNSUPPORTED,
                       "found auto_map in tokenizer_config.json: a class in Python code, which is "
                       "not run");
    if (is_true(config, "split_special_tokens", 0) || is_true(config, "fix_mistral_regex", 0))
        return cg_fail(r->err, CG_ERR_UNSUPPORTED,
                       "found %s true in tokenizer_config.json, which is not supported",
                       is_true(config, "split_special_tokens", 0) ? "split_special_tokens"
                                                                  : "fix_mistral_regex");
    for (int v = 0; v < N_VERSIONS; v++) {
        r->views[v].kind = find_kind(r, v);
        if (r->views[v].kind == CLASS_NOT_FOLLOWED)
            return cg_fail(r->err, CG_ERR_UNSUPPORTED,
                           "found tokenizer_class \"%.60s\" in tokenizer_config.json, which may "
                           "change what this file says; if it does not, use --tokenizer with the "
                           "path of this file",
                           r->name);
    }
    return CG_OK;
}

/* ---- the steps of a class ----------------------------------------------------------------- */

/* The blank in front of a text that the configuration asks for; -1: it does not say. */
static int prefix_space(const class_reader *r)
{
    const json_t *v = json_object_get(r->files->config, "add_prefix_space");

    return json_is_boolean(v) ? json_is_true(v) : -1;
}

static json_t *byte_level(int prefix, int use_regex)
{
    return json_pack("{s:s, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", prefix,
                     "use_regex", use_regex);
}

/* The model settings of a class of byte-level BPE. */
static json_t *plain_bpe(void)
{
    return json_pack("{s:s, s:b, s:n, s:n, s:b, s:b, s:n, s:n}", "type", "BPE", "ignore_merges", 0,
                     "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", 0,
                     "byte_fallback", 0, "unk_token", "dropout");
}

static json_t *bert_normalizer(const class_reader *r)
{
    const json_t *config = r->files->config;
    const json_t *strip = json_object_get(config, "strip_accents");

    return json_pack("{s:s, s:b, s:b, s:o, s:b}", "type", "BertNormalizer", "clean_text", 1,
                     "handle_chinese_chars", is_true(config, "tokenize_chinese_chars", 1),
                     "strip_accents",
                     json_is_boolean(strip) ? json_boolean(json_is_true(strip)) : json_null(),
                     "lowercase", is_true(config, "do_lower_case", 1));
}

/* A copy of a part of tokenizer.json, null if it has none; NULL when out of memory. */
static json_t *copy_part(const json_t *root, const char *key)
{
    const json_t *part = json_object_get(root, key);

    return part ? json_deep_copy(part) : json_null();
}

/* Version 4 keeps the steps of tokenizer.json and sets some of their members. */
static cg_status read_v4(class_reader *r, view *v)
{
    int prefix = prefix_space(r);

    v->normalizer = copy_part(r->root, "normalizer");
    v->pre_tokenizer = copy_part(r->root, "pre_tokenizer");
    v->model = json_object();
    if (!v->normalizer || !v->pre_tokenizer || !v->model)
        return nomem(r);
    if (v->kind == CLASS_LLAMA && prefix >= 0)
        v->kind = CLASS_NOT_LOADED; /* it would read the SentencePiece file instead */
    if (is_type(v->pre_tokenizer, "ByteLevel") && v->kind != CLASS_LLAMA &&
        !json_is_null(json_object_get(r->files->config, "add_prefix_space")) &&
        (r->files->config || r->files->model_config) &&
        json_object_set_new(v->pre_tokenizer, "add_prefix_space", json_boolean(prefix > 0)))
        return nomem(r);
    if (v->kind == CLASS_BERT && is_type(v->normalizer, "BertNormalizer")) {
        json_t *wanted = bert_normalizer(r);
        int failed = !wanted || json_object_set(wanted, "clean_text",
                                                json_object_get(v->normalizer, "clean_text"));

        failed = failed || json_object_update(v->normalizer, wanted);
        json_decref(wanted);
        if (failed)
            return nomem(r);
    }
    return CG_OK;
}

/* Version 5 builds the steps of most classes itself. */
static cg_status read_v5(class_reader *r, view *v)
{
    int prefix = prefix_space(r) > 0;
    const char *unk = cg_class_token(r->files, "unk_token", "[UNK]");

    switch (v->kind) {
    case CLASS_GPT2:
    case CLASS_ROBERTA:
        v->normalizer = json_null();
        v->pre_tokenizer = byte_level(prefix, 1);
        v->model = plain_bpe();
        break;
    case CLASS_NEOX:
        v->normalizer = json_pack("{s:s}", "type", "NFC");
        v->pre_tokenizer = byte_level(prefix, 1);
        v->model = plain_bpe();
        break;
    case CLASS_QWEN2:
        v->normalizer = json_pack("{s:s}", "type", "NFC");
        v->pre_tokenizer =
            json_pack("{s:s, s:[{s:s, s:{s:s}, s:s, s:b}, o]}", "type", "Sequence", "pretokenizers",
                      "type", "Split", "pattern", "Regex", CG_QWEN2_PATTERN, "behavior", "Isolated",
                      "invert", 0, byte_level(prefix, 0));
        v->model = plain_bpe();
        break;
    case CLASS_LLAMA:
        v->normalizer = json_null();
        v->pre_tokenizer = json_pack("{s:s, s:s, s:s, s:b}", "type", "Metaspace", "replacement",
                                     "\xe2\x96\x81", "prepend_scheme",
                                     prefix_space(r) == 0                     ? "never"
                                     : is_true(r->files->config, "legacy", 0) ? "always"
                                                                              : "first",
                                     "split", 0);
        v->model = json_pack("{s:s, s:b, s:n, s:n, s:b, s:b, s:n, s:n}", "type", "BPE",
                             "ignore_merges", 0, "continuing_subword_prefix", "end_of_word_suffix",
                             "fuse_unk", 1, "byte_fallback", 1, "unk_token", "dropout");
        break;
    case CLASS_BERT:
        v->normalizer = bert_normalizer(r);
        v->pre_tokenizer = json_pack("{s:s}", "type", "BertPreTokenizer");
        v->model =
            json_pack("{s:s, s:s, s:s, s:i}", "type", "WordPiece", "unk_token", unk ? unk : "[UNK]",
                      "continuing_subword_prefix", "##", "max_input_chars_per_word", 100);
        break;
    default:
        v->normalizer = copy_part(r->root, "normalizer");
        v->pre_tokenizer = copy_part(r->root, "pre_tokenizer");
        v->model = json_object();
    }
    return v->normalizer && v->pre_tokenizer && v->model ? CG_OK : nomem(r);
}

/* ---- the tokens around a prompt ----------------------------------------------------------- */

const char *cg_class_token(const cg_class_files *files, const char *key, const char *otherwise)
{
    const json_t *found = json_object_get(files->config, key);
    const json_t *mapped = json_object_get(files->special_map, key);

    /* the older file counts where the configuration does not list its added tokens */
    if (mapped && !json_object_get(files->config, "added_tokens_decoder"))
        found = mapped;
    if (!found)
        return otherwise;
    if (json_is_object(found))
        found = json_object_get(found, "content");
    return json_string_value(found);
}

/* The id of a token's text in tokenizer.json, NULL if it has none. */
static const json_t *find_id(const json_t *root, const char *text)
{
    const json_t *list = json_object_get(root, "added_tokens"), *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        const char *content = string_of(item, "content");

        if (content && !strcmp(content, text))
            return json_object_get(item, "id");
    }
    return json_object_get(json_object_get(json_object_get(root, "model"), "vocab"), text);
}

/* Adds the token that the class writes on one side. */
static void write_token(class_reader *r, view *v, const char *key, const char *otherwise,
                        int32_t *ids, int32_t *n)
{
    const char *text = cg_class_token(r->files, key, otherwise);
    const json_t *id = text ? find_id(r->root, text) : NULL;

    if (!text)
        v->kind = CLASS_NOT_LOADED;
    else if (!json_is_integer(id) || json_integer_value(id) < 0 ||
             json_integer_value(id) >= CG_TOKENIZER_ID_MAX)
        snprintf(v->prompt.unsettled, sizeof v->prompt.unsettled,
                 "the class %s writes %s '%.64s', which is no token of the vocabulary",
                 class_name(v->kind), key, text);
    else
        ids[(*n)++] = (int32_t)json_integer_value(id);
}

static cg_status read_prompt(class_reader *r, view *v, int version)
{
    const json_t *config = r->files->config;
    const json_t *post = json_object_get(r->root, "post_processor");
    cg_prompt_ids *p = &v->prompt.ids;
    int class_writes = v->kind == CLASS_NEOX || (version == V4 && v->kind == CLASS_LLAMA);

    if (version == V5 && v->kind == CLASS_ROBERTA) {
        write_token(r, v, "cls_token", "<s>", p->prefix, &p->n_prefix);
        write_token(r, v, "sep_token", "</s>", p->suffix, &p->n_suffix);
        return CG_OK;
    }
    if (version == V5 && v->kind == CLASS_BERT) {
        write_token(r, v, "cls_token", "[CLS]", p->prefix, &p->n_prefix);
        write_token(r, v, "sep_token", "[SEP]", p->suffix, &p->n_suffix);
        return CG_OK;
    }
    if (!class_writes)
        return cg_prompt_ids_read(post, p, r->err);
    if (version == V5) /* add_bos_token and add_eos_token do not count beside tokenizer.json */
        return CG_OK;
    if (is_true(config, "add_bos_token", v->kind == CLASS_LLAMA))
        write_token(r, v, "bos_token", v->kind == CLASS_LLAMA ? "<s>" : "<|endoftext|>", p->prefix,
                    &p->n_prefix);
    if (is_true(config, "add_eos_token", 0))
        write_token(r, v, "eos_token", v->kind == CLASS_LLAMA ? "</s>" : "<|endoftext|>", p->suffix,
                    &p->n_suffix);
    return CG_OK;
}

/* ---- comparison --------------------------------------------------------------------------- */

/* Removes what does not change ids and writes out what is implied. 0, or -1: out of memory. */
static int simplify_step(json_t *step)
{
    if (is_type(step, "ByteLevel")) {
        json_object_del(step, "trim_offsets");
        if (!json_object_get(step, "use_regex"))
            return json_object_set_new(step, "use_regex", json_true());
    }
    if (is_type(step, "Metaspace")) {
        const json_t *prefix = json_object_get(step, "add_prefix_space");
        const char *scheme = json_is_false(prefix) ? "never" : "always";

        if (!json_object_get(step, "prepend_scheme") &&
            json_object_set_new(step, "prepend_scheme", json_string(scheme)))
            return -1;
        json_object_del(step, "add_prefix_space");
        json_object_del(step, "str_rep");
        if (!json_object_get(step, "split"))
            return json_object_set_new(step, "split", json_true());
    }
    return 0;
}

/* A normal form of Unicode leaves ASCII as it is, and so every SMILES. */
static int is_normal_form(const json_t *step)
{
    return is_type(step, "NFC") || is_type(step, "NFD") || is_type(step, "NFKC") ||
           is_type(step, "NFKD");
}

/* Appends the steps of a part, without Sequences and normal forms. */
static int flatten(json_t *out, const json_t *part, const char *list_key, int depth)
{
    const json_t *list = json_object_get(part, list_key), *item;
    size_t i;
    json_t *copy;

    if (!part || json_is_null(part) || is_normal_form(part))
        return 0;
    if (is_type(part, "Sequence") && depth < 8) {
        json_array_foreach(list, i, item)
        {
            if (flatten(out, item, list_key, depth + 1))
                return -1;
        }
        return 0;
    }
    copy = json_deep_copy(part);
    if (!copy || (json_is_object(copy) && simplify_step(copy))) {
        json_decref(copy);
        return -1;
    }
    return json_array_append_new(out, copy);
}

static json_t *steps_of(const json_t *part, const char *list_key)
{
    json_t *out = json_array();

    if (out && flatten(out, part, list_key, 0)) {
        json_decref(out);
        return NULL;
    }
    return out;
}

static int has_all_byte_tokens(const json_t *vocab)
{
    char name[8];

    for (int b = 0; b < 256; b++) {
        snprintf(name, sizeof name, "<0x%02X>", b);
        if (!json_object_get(vocab, name))
            return 0;
    }
    return 1;
}

/* A setting of the model; absent, false, null and "" are one. */
static const json_t *model_setting(const json_t *model, const json_t *changes, const char *key)
{
    const json_t *v = json_object_get(changes, key);

    if (!v)
        v = json_object_get(model, key);
    return json_is_null(v) || json_is_false(v) || (json_is_string(v) && !json_string_length(v))
               ? NULL
               : v;
}

static int same_model(const class_reader *r)
{
    static const char *const keys[] = { "type", "ignore_merges", "continuing_subword_prefix",
                                        "end_of_word_suffix", "max_input_chars_per_word" };
    static const char *const unknown[] = { "unk_token", "fuse_unk", "byte_fallback" };
    const json_t *model = json_object_get(r->root, "model");
    int complete = r->byte_level; /* no text has an unknown character */

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const json_t *a = model_setting(model, r->views[V4].model, keys[i]);
        const json_t *b = model_setting(model, r->views[V5].model, keys[i]);

        /* older files have no type */
        if (a != b && (i || a) && (!a || !b || !json_equal(a, b)))
            return 0;
    }
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0] && !complete; i++) {
        const json_t *a = model_setting(model, r->views[V4].model, unknown[i]);
        const json_t *b = model_setting(model, r->views[V5].model, unknown[i]);

        if (a != b && (!a || !b || !json_equal(a, b)) &&
            !(model_setting(model, r->views[V4].model, "byte_fallback") &&
              model_setting(model, r->views[V5].model, "byte_fallback") &&
              has_all_byte_tokens(json_object_get(model, "vocab"))))
            return 0;
    }
    return 1;
}

static cg_status fail_differ(class_reader *r, const char *part)
{
    if (r->views[V5].kind == CLASS_FILE)
        return cg_fail(r->err, CG_ERR_UNSUPPORTED,
                       "transformers 4 changes its %s by add_prefix_space, which is %s in "
                       "tokenizer_config.json or by default, transformers 5 does not; if the model "
                       "was trained with the file as it is, use --tokenizer with its path",
                       part, prefix_space(r) > 0 ? "true" : "false");
    return cg_fail(r->err, CG_ERR_UNSUPPORTED,
                   "transformers 5 replaces its %s by that of the class %s (of "
                   "tokenizer_config.json or of the model), which differs, transformers 4 does "
                   "not; if the model was trained with the file as it is, use --tokenizer with its "
                   "path",
                   part, class_name(r->views[V5].kind));
}

static cg_status compare_steps(class_reader *r, const char *part, const char *list_key,
                               const json_t *a, const json_t *b)
{
    json_t *left = steps_of(a, list_key), *right = steps_of(b, list_key);
    int same = left && right && json_equal(left, right);
    cg_status st = !left || !right ? nomem(r) : same ? CG_OK : fail_differ(r, part);

    json_decref(left);
    json_decref(right);
    return st;
}

static const char *token_text(const json_t *root, int32_t id)
{
    const json_t *list = json_object_get(root, "added_tokens"), *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        if (json_integer_value(json_object_get(item, "id")) == id && string_of(item, "content"))
            return string_of(item, "content");
    }
    return "a token";
}

/* Writes "<s> TEXT </s>". */
static void describe_prompt(const json_t *root, const cg_prompt_ids *p, char *text, size_t cap)
{
    size_t n = 0;

    *text = '\0';
    for (int32_t i = 0; i < p->n_prefix && n < cap; i++)
        n += (size_t)snprintf(text + n, cap - n, "%.32s ", token_text(root, p->prefix[i]));
    if (n < cap)
        n += (size_t)snprintf(text + n, cap - n, "PROMPT");
    for (int32_t i = 0; i < p->n_suffix && n < cap; i++)
        n += (size_t)snprintf(text + n, cap - n, " %.32s", token_text(root, p->suffix[i]));
}

/* Settles the prompt: both versions must write the same tokens. */
static void settle_prompt(const class_reader *r, int first, int last, cg_class_prompt *ret)
{
    const cg_class_prompt *a = &r->views[first].prompt, *b = &r->views[last].prompt;
    char left[120], right[120];

    *ret = *a->unsettled ? *a : *b;
    if (*a->unsettled || *b->unsettled || cg_prompt_ids_equal(&a->ids, &b->ids))
        return;
    describe_prompt(r->root, &a->ids, left, sizeof left);
    describe_prompt(r->root, &b->ids, right, sizeof right);
    snprintf(ret->unsettled, sizeof ret->unsettled, "%s writes '%s', %s writes '%s'",
             versions[first], left, versions[last], right);
}

/* ---- added tokens ------------------------------------------------------------------------- */

/* Whether version 5 also adds a token for being named as special. */
static int is_named(const cg_class_files *files, const char *content)
{
    static const char *const keys[] = { "bos_token", "eos_token", "unk_token", "pad_token",
                                        "sep_token", "cls_token", "mask_token" };
    static const char *const lists[] = { "additional_special_tokens", "extra_special_tokens" };

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const char *text = cg_class_token(files, keys[i], NULL);

        if (text && !strcmp(text, content))
            return 1;
    }
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        const json_t *list = json_object_get(files->config, lists[i]), *item;
        size_t k;

        json_array_foreach(list, k, item)
        {
            const char *text =
                json_string_value(json_is_object(item) ? json_object_get(item, "content") : item);

            if (text && !strcmp(text, content))
                return 1;
        }
    }
    return 0;
}

/* Gives an added token of tokenizer.json the settings that tokenizer_config.json has for it. */
static cg_status set_flags(class_reader *r, json_t *item, const json_t *other)
{
    static const char *const flags[] = { "normalized", "lstrip", "rstrip", "single_word" };

    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        json_t *flag = json_object_get(other, flags[i]);

        if (json_is_boolean(flag) && json_object_set(item, flags[i], flag))
            return nomem(r);
    }
    return CG_OK;
}

/* The added tokens of tokenizer_config.json must be those of tokenizer.json; their settings count.
 */
static cg_status check_added(class_reader *r)
{
    const json_t *decoder = json_object_get(r->files->config, "added_tokens_decoder");
    const json_t *list = json_object_get(r->root, "added_tokens");
    int rebuilt = r->views[V5].kind != CLASS_FILE;
    size_t i, n_found = 0;
    json_t *item;

    if (!json_is_object(decoder))
        return CG_OK;
    json_array_foreach(list, i, item)
    {
        const char *content = string_of(item, "content"), *text;
        json_int_t id = json_integer_value(json_object_get(item, "id"));
        const json_t *other;
        char key[24];

        snprintf(key, sizeof key, "%lld", (long long)id);
        other = json_object_get(decoder, key);
        text = string_of(other, "content");
        n_found += other != NULL;
        if (!content || (!other && (!rebuilt || is_named(r->files, content))))
            continue;
        if (!text || strcmp(text, content))
            return cg_fail(r->err, CG_ERR_UNSUPPORTED,
                           "added token %s '%.64s': added_tokens_decoder of "
                           "tokenizer_config.json has '%.64s'",
                           key, content, text ? text : "(nothing)");
        CG_TRY(set_flags(r, item, other));
    }
    if (n_found < json_object_size(decoder))
        return cg_fail(r->err, CG_ERR_UNSUPPORTED,
                       "added_tokens: found %zu of the %zu tokens that added_tokens_decoder of "
                       "tokenizer_config.json has",
                       n_found, json_object_size(decoder));
    return CG_OK;
}

/* ---- all of it ---------------------------------------------------------------------------- */

static cg_status read_views(class_reader *r)
{
    CG_TRY(read_class(r));
    CG_TRY(check_added(r));
    for (int v = 0; v < N_VERSIONS; v++) {
        CG_TRY(v == V4 ? read_v4(r, &r->views[v]) : read_v5(r, &r->views[v]));
        if (r->views[v].kind != CLASS_NOT_LOADED)
            CG_TRY(read_prompt(r, &r->views[v], v));
    }
    return CG_OK;
}

static cg_status choose(class_reader *r, cg_class_prompt *ret)
{
    int loads4 = r->views[V4].kind != CLASS_NOT_LOADED;
    int loads5 = r->views[V5].kind != CLASS_NOT_LOADED;
    const view *use = &r->views[loads5 ? V5 : V4];

    if (!loads4 && !loads5)
        return cg_fail(r->err, CG_ERR_FORMAT,
                       "the class %.*s of tokenizer_config.json lacks a token that it writes "
                       "around a prompt",
                       r->name_len, r->name ? r->name : "");
    if (loads4 && loads5) {
        CG_TRY(compare_steps(r, "normalizer", "normalizers", r->views[V4].normalizer,
                             r->views[V5].normalizer));
        CG_TRY(compare_steps(r, "pre_tokenizer", "pretokenizers", r->views[V4].pre_tokenizer,
                             r->views[V5].pre_tokenizer));
        if (!same_model(r))
            return fail_differ(r, "model settings");
    }
    if (json_object_set(r->root, "normalizer", use->normalizer) ||
        json_object_set(r->root, "pre_tokenizer", use->pre_tokenizer))
        return nomem(r);
    if (!loads4 && json_is_object(json_object_get(r->root, "model")) &&
        json_object_update(json_object_get(r->root, "model"), use->model))
        return nomem(r);
    settle_prompt(r, loads4 ? V4 : V5, loads5 ? V5 : V4, ret);
    return CG_OK;
}

cg_status cg_class_apply(json_t *root, const cg_class_files *files, cg_class_prompt *ret,
                         cg_error *err)
{
    class_reader r = { .root = root, .files = files, .err = err };
    cg_status st = read_views(&r);

    if (st == CG_OK)
        st = choose(&r, ret);
    for (int v = 0; v < N_VERSIONS; v++) {
        json_decref(r.views[v].normalizer);
        json_decref(r.views[v].pre_tokenizer);
        json_decref(r.views[v].model);
    }
    return st;
}
