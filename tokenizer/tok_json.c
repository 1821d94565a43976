/* SPDX-License-Identifier: MIT */
/* Loads the tokenizer.json form: one object with all parts of the tokenizer. */
#include <string.h>

#include "base/error.h"
#include "tok_class_patterns.h"
#include "tok_load.h"

#define MAX_DEPTH 8 /* of nested Sequences */

static const char *type_of(const json_t *part)
{
    const char *type = json_string_value(json_object_get(part, "type"));

    return type ? type : "(none)";
}

/* Reads a boolean member of a step; a missing optional member leaves *value unchanged. `step` names
 * the step in messages; NULL where the caller does. */
static cg_status get_bool(const json_t *part, const char *step, const char *key, int required,
                          int *value, cg_error *err)
{
    const json_t *v = json_object_get(part, key);

    static const char *const types[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list",  [JSON_STRING] = "a string",
        [JSON_INTEGER] = "a number", [JSON_REAL] = "a number", [JSON_NULL] = "null",
    };
    const char *colon = step ? ": " : "";

    step = step ? step : "";
    if (!v && !required)
        return CG_OK;
    if (!v)
        return cg_fail(err, CG_ERR_FORMAT, "%s%s'%s' is missing, wanted true or false", step, colon,
                       key);
    if (!json_is_boolean(v))
        return cg_fail(err, CG_ERR_FORMAT, "%s%s'%s': found %s, wanted true or false", step, colon,
                       key, types[json_typeof(v)]);
    *value = json_is_true(v);
    return CG_OK;
}

static cg_status load_normalizer(cg_tokenizer *t, const json_t *part, int depth, cg_error *err)
{
    const json_t *list, *item;
    size_t i;

    if (!part || json_is_null(part))
        return CG_OK;
    if (!strcmp(type_of(part), "NFC")) {
        t->nfc = 1;
        return CG_OK;
    }
    if (strcmp(type_of(part), "Sequence"))
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "normalizer: type '%.40s' is not supported; none, NFC and Sequence are",
                       type_of(part));
    list = json_object_get(part, "normalizers");
    if (!json_is_array(list) || depth == MAX_DEPTH)
        return cg_fail(err, CG_ERR_FORMAT, "normalizer: Sequence without a list, or deeper than %d",
                       MAX_DEPTH);
    json_array_foreach(list, i, item)
    {
        CG_TRY(load_normalizer(t, item, depth + 1, err));
    }
    return CG_OK;
}

static cg_status add_split(cg_tokenizer *t, const char *pattern, size_t len, int literal,
                           enum cg_split_behavior behavior, int invert, cg_error *err)
{
    cg_pretok *p = &t->pretok;
    cg_status st;

    if (p->n_splits == CG_SPLIT_STEPS)
        return cg_fail(err, CG_ERR_LIMIT, "found more than %d Split and Digits steps",
                       CG_SPLIT_STEPS);
    st = cg_pattern_create(pattern, len, literal, &p->splits[p->n_splits].pattern, err);
    if (st != CG_OK)
        return st;
    p->splits[p->n_splits].behavior = behavior;
    p->splits[p->n_splits].invert = invert;
    p->n_splits++;
    return CG_OK;
}

static cg_status load_split(cg_tokenizer *t, const json_t *part, cg_error *err)
{
    static const struct {
        const char *name;
        enum cg_split_behavior behavior;
    } behaviors[] = {
        { "Isolated", CG_SPLIT_ISOLATED },
        { "Removed", CG_SPLIT_REMOVED },
        { "MergedWithPrevious", CG_SPLIT_MERGED_BEFORE },
        { "MergedWithNext", CG_SPLIT_MERGED_AFTER },
        { "Contiguous", CG_SPLIT_CONTIGUOUS },
    };
    const json_t *pattern = json_object_get(part, "pattern");
    const json_t *regex = json_object_get(pattern, "Regex");
    const json_t *string = json_object_get(pattern, "String");
    const char *name = json_string_value(json_object_get(part, "behavior"));
    const json_t *text = regex ? regex : string;
    int invert = 0;

    if (!json_is_string(text) || (regex && string))
        return cg_fail(err, CG_ERR_FORMAT,
                       "Split: pattern is neither {\"Regex\": text} nor {\"String\": text}");
    CG_TRY(get_bool(part, "Split", "invert", 1, &invert, err));
    for (size_t i = 0; name && i < sizeof behaviors / sizeof behaviors[0]; i++)
        if (!strcmp(name, behaviors[i].name))
            return add_split(t, json_string_value(text), json_string_length(text), !regex,
                             behaviors[i].behavior, invert, err);
    return cg_fail(err, CG_ERR_UNSUPPORTED,
                   "Split: behavior '%.40s' is not supported; Isolated, Removed, "
                   "MergedWithPrevious, MergedWithNext and Contiguous are",
                   name ? name : "(none)");
}

static cg_status load_byte_level(cg_tokenizer *t, const json_t *part, cg_error *err)
{
    int split = 1;

    CG_TRY(get_bool(part, "ByteLevel", "add_prefix_space", 1, &t->pretok.prefix_space, err));
    CG_TRY(get_bool(part, "ByteLevel", "use_regex", 0, &split, err));
    t->pretok.byte_level = 1;
    return split ? cg_pattern_create(CG_BYTE_LEVEL_PATTERN, strlen(CG_BYTE_LEVEL_PATTERN), 0,
                                     &t->pretok.byte_split, err)
                 : CG_OK;
}

static cg_status load_pretokenizer(cg_tokenizer *t, const json_t *part, int depth, cg_error *err)
{
    const char *type = type_of(part);
    const json_t *list, *item;
    size_t i;

    if (!part || json_is_null(part))
        return CG_OK;
    if (!strcmp(type, "Sequence")) {
        list = json_object_get(part, "pretokenizers");
        if (!json_is_array(list) || depth == MAX_DEPTH)
            return cg_fail(err, CG_ERR_FORMAT, "Sequence without a list, or deeper than %d",
                           MAX_DEPTH);
        json_array_foreach(list, i, item)
        {
            CG_TRY(load_pretokenizer(t, item, depth + 1, err));
        }
        return CG_OK;
    }
    if (t->pretok.byte_level)
        return cg_fail(err, CG_ERR_UNSUPPORTED, "step '%.40s' after ByteLevel is not supported",
                       type);
    if (!strcmp(type, "Split"))
        return load_split(t, part, err);
    if (!strcmp(type, "ByteLevel"))
        return load_byte_level(t, part, err);
    if (!strcmp(type, "Digits")) {
        int individual = 0;

        CG_TRY(get_bool(part, "Digits", "individual_digits", 1, &individual, err));
        return add_split(t, "\\p{N}", 5, 0, individual ? CG_SPLIT_ISOLATED : CG_SPLIT_CONTIGUOUS, 0,
                         err);
    }
    return cg_fail(err, CG_ERR_UNSUPPORTED,
                   "type '%.40s' is not supported; Split, Digits, ByteLevel and Sequence are",
                   type);
}

static cg_status check_model(const json_t *model, cg_error *err)
{
    static const char *const affixes[] = { "continuing_subword_prefix", "end_of_word_suffix" };
    const json_t *type = json_object_get(model, "type");
    const json_t *dropout = json_object_get(model, "dropout");

    if (!json_is_object(model))
        return cg_fail(err, CG_ERR_FORMAT,
                       "model: missing or not an object, wanted an object of type BPE");
    if (type && (!json_is_string(type) || strcmp(json_string_value(type), "BPE")))
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "model: type '%.40s' is not supported; only BPE is supported",
                       type_of(model));
    if (dropout && !json_is_null(dropout) && json_number_value(dropout) != 0)
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "model: found dropout, which makes ids random; only 0 is supported");
    for (size_t i = 0; i < sizeof affixes / sizeof affixes[0]; i++) {
        const json_t *affix = json_object_get(model, affixes[i]);

        if (affix && !json_is_null(affix) && json_string_length(affix))
            return cg_fail(err, CG_ERR_UNSUPPORTED, "model: %s is not supported", affixes[i]);
    }
    return CG_OK;
}

static cg_status load_merges(cg_tok_builder *b, const json_t *merges, cg_error *err)
{
    const json_t *item;
    cg_status st;
    size_t i;

    if (!json_is_array(merges))
        return cg_fail(err, CG_ERR_FORMAT, "merges is missing or not a list");
    CG_TRY(cg_vocab_reserve_merges(&b->tok->vocab, json_array_size(merges), err));
    json_array_foreach(merges, i, item)
    {
        const json_t *left = json_array_get(item, 0), *right = json_array_get(item, 1);

        if (json_is_string(item))
            st = cg_load_merge_line(b, json_string_value(item), json_string_length(item), i, err);
        else if (json_is_string(left) && json_is_string(right) && json_array_size(item) == 2)
            st = cg_load_merge(b, json_string_value(left), json_string_length(left),
                               json_string_value(right), json_string_length(right), i, err);
        else
            st = cg_fail(err, CG_ERR_FORMAT, "merge %zu is neither \"a b\" nor [\"a\", \"b\"]", i);
        if (st != CG_OK)
            return st;
    }
    return CG_OK;
}

static cg_status load_added_token(cg_tok_builder *b, const json_t *item, cg_error *err)
{
    const json_t *id = json_object_get(item, "id"), *content = json_object_get(item, "content");
    cg_added_spec spec = { 0 };

    if (!json_is_integer(id) || !json_is_string(content))
        return cg_fail(err, CG_ERR_FORMAT, "id or content is missing");
    spec.id = json_integer_value(id);
    spec.content = json_string_value(content);
    CG_TRY(get_bool(item, NULL, "special", 1, &spec.special, err));
    CG_TRY(get_bool(item, NULL, "normalized", 1, &spec.normalized, err));
    CG_TRY(get_bool(item, NULL, "single_word", 1, &spec.single_word, err));
    CG_TRY(get_bool(item, NULL, "lstrip", 1, &spec.lstrip, err));
    CG_TRY(get_bool(item, NULL, "rstrip", 1, &spec.rstrip, err));
    return cg_load_added(b, &spec, err);
}

static cg_status load_added_tokens(cg_tok_builder *b, const json_t *list, cg_error *err)
{
    const json_t *item;
    size_t i;

    if (!list || json_is_null(list))
        return CG_OK;
    if (!json_is_array(list))
        return cg_fail(err, CG_ERR_FORMAT, "added_tokens is not a list");
    json_array_foreach(list, i, item)
    {
        cg_status st = load_added_token(b, item, err);

        if (st != CG_OK)
            return cg_fail_prefix(err, st, "added_tokens[%zu]", i);
    }
    return CG_OK;
}

static cg_status load_model(cg_tok_builder *b, const json_t *model, cg_error *err)
{
    CG_TRY(get_bool(model, NULL, "ignore_merges", 0, &b->tok->vocab.ignore_merges, err));
    CG_TRY(cg_load_vocab(b, json_object_get(model, "vocab"), err));
    return load_merges(b, json_object_get(model, "merges"), err);
}

static cg_status load_root(cg_tok_builder *b, const json_t *root, cg_tokenizer **ret_tokenizer,
                           cg_error *err)
{
    const json_t *model = json_object_get(root, "model");
    cg_tokenizer *t = b->tok;
    cg_status st;

    CG_TRY(check_model(model, err));
    CG_TRY(load_normalizer(t, json_object_get(root, "normalizer"), 0, err));
    st = load_pretokenizer(t, json_object_get(root, "pre_tokenizer"), 0, err);
    if (st != CG_OK)
        return cg_fail_prefix(err, st, "pre_tokenizer");
    if (!t->pretok.byte_level)
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "pre_tokenizer: no ByteLevel step; only byte-level vocabularies are "
                       "supported");
    st = load_model(b, model, err);
    if (st != CG_OK)
        return cg_fail_prefix(err, st, "model");
    CG_TRY(load_added_tokens(b, json_object_get(root, "added_tokens"), err));
    return cg_builder_take(b, ret_tokenizer, err);
}

/* The parsed files; those beside tokenizer.json may be NULL. */
typedef struct json_parts {
    json_t *root, *config, *special_map, *model_config;
} json_parts;

static void free_parsed(json_parts *p)
{
    json_decref(p->root);
    json_decref(p->config);
    json_decref(p->special_map);
    json_decref(p->model_config);
}

static cg_status parse_all(const char *name, const cg_json_texts *t, json_parts *p, cg_error *err)
{
    const struct {
        const char *name, *text;
        size_t len;
        json_t **ret;
    } files[] = {
        { "tokenizer_config.json", t->config, t->config_len, &p->config },
        { "special_tokens_map.json", t->special_map, t->special_map_len, &p->special_map },
        { "config.json", t->model_config, t->model_config_len, &p->model_config },
    };

    CG_TRY(cg_load_parse(name, t->tokenizer, t->tokenizer_len, &p->root, err));
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        cg_status st = files[i].text ? cg_load_parse(files[i].name, files[i].text, files[i].len,
                                                     files[i].ret, err)
                                     : CG_OK;

        if (st != CG_OK)
            return cg_fail_prefix(err, st, "beside %s", name);
    }
    return CG_OK;
}

cg_status cg_tokenizer_from_json(const char *name, const cg_json_texts *texts,
                                 cg_tokenizer **ret_tokenizer, cg_error *err)
{
    cg_tok_builder b = { .tok = cg_tokenizer_new() };
    json_parts p = { 0 };
    cg_status st;

    if (!b.tok)
        return cg_fail_nomem(err, name);
    CG_TRY_GOTO(st, parse_all(name, texts, &p, err), out);
    st = cg_class_apply(p.root, &(cg_class_files) { p.config, p.special_map, p.model_config },
                        &b.tok->prompt, err);
    if (st == CG_OK)
        st = load_root(&b, p.root, ret_tokenizer, err);
    if (st != CG_OK)
        cg_fail_prefix(err, st, "%s", name);
out:
    cg_builder_finish(&b);
    free_parsed(&p);
    return st;
}
