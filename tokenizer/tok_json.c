/* SPDX-License-Identifier: MIT */
/* Loads the tokenizer.json form: one object with all parts of the tokenizer. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "tok_chars.h"
#include "tok_json_steps.h"
#include "tok_json_words.h"
#include "tok_load.h"
#include "tok_text.h"

/* ---- byte-level BPE over NFC, Split, Digits and ByteLevel ------------------------------------ */

/* Whether every byte of UTF-8 has a token of its character in the byte-level alphabet. */
static int has_byte_alphabet(const json_t *vocab)
{
    for (int b = 0; b < 0xf5; b++) {
        char name[5] = "";

        name[cg_utf8_put(cg_byte_char((uint8_t)b), name)] = '\0';
        if (b != 0xc0 && b != 0xc1 && !json_object_get(vocab, name))
            return 0;
    }
    return 1;
}

static int has_affix(const json_t *model)
{
    return json_string_length(json_object_get(model, "continuing_subword_prefix")) ||
           json_string_length(json_object_get(model, "end_of_word_suffix"));
}

/* Whether a tokenizer is of the usual kind, which has an encoder of its own. */
static int is_usual(const cg_general *g, const json_t *model)
{
    const char *type = json_string_value(json_object_get(model, "type"));

    if ((type && strcmp(type, "BPE")) || has_affix(model) || !g->steps.n ||
        g->steps.n > CG_SPLIT_STEPS + 1)
        return 0;
    for (size_t i = 0; i < g->normalizer.n; i++)
        if (g->normalizer.steps[i].kind != CG_NORMALIZE_FORM ||
            g->normalizer.steps[i].form != CG_FORM_C)
            return 0;
    for (size_t i = 0; i < g->steps.n; i++) {
        const cg_step *step = &g->steps.items[i];
        int is_digits = step->kind == CG_STEP_CLASS && step->is_member == cg_is_digit;

        if (i + 1 == g->steps.n ? step->kind != CG_STEP_BYTE_LEVEL
                                : step->kind != CG_STEP_SPLIT && !is_digits)
            return 0;
    }
    return has_byte_alphabet(json_object_get(model, "vocab"));
}

/* Moves the steps to the encoder of the usual kind. */
static cg_status take_usual(cg_tokenizer *t, cg_error *err)
{
    cg_general *g = t->general;
    cg_pretok *p = &t->pretok;
    cg_step *last = &g->steps.items[g->steps.n - 1];

    t->nfc = g->normalizer.n > 0;
    for (size_t i = 0; i + 1 < g->steps.n; i++) {
        cg_step *step = &g->steps.items[i];

        if (step->kind == CG_STEP_CLASS)
            CG_TRY(cg_pattern_create("\\p{N}", 5, 0, &step->split.pattern, err));
        p->splits[p->n_splits++] = step->split;
        step->split.pattern = NULL;
    }
    p->byte_level = 1;
    p->prefix_space = last->prefix_space;
    p->byte_split = last->split.pattern;
    last->split.pattern = NULL;
    t->front = p->prefix_space ? CG_FRONT_SECTION : CG_FRONT_NONE;
    cg_general_destroy(g);
    t->general = NULL;
    return CG_OK;
}

static cg_status check_model(const json_t *model, cg_error *err)
{
    const json_t *type = json_object_get(model, "type");
    const json_t *dropout = json_object_get(model, "dropout");
    const char *name = type ? json_string_value(type) : "BPE";

    if (!json_is_object(model))
        return cg_fail(err, CG_ERR_FORMAT,
                       "model: missing or not an object, wanted an object of type BPE");
    if (!name || (strcmp(name, "BPE") && strcmp(name, "WordLevel") && strcmp(name, "WordPiece")))
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "model: type '%.40s' is not supported; BPE, WordLevel and WordPiece are",
                       name ? name : "(none)");
    if (dropout && !json_is_null(dropout) && json_number_value(dropout) != 0)
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "model: found dropout, which makes ids random; only 0 is supported");
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
    CG_TRY(cg_load_bool(item, NULL, "special", 1, &spec.special, err));
    CG_TRY(cg_load_bool(item, NULL, "normalized", 1, &spec.normalized, err));
    CG_TRY(cg_load_bool(item, NULL, "single_word", 1, &spec.single_word, err));
    CG_TRY(cg_load_bool(item, NULL, "lstrip", 1, &spec.lstrip, err));
    CG_TRY(cg_load_bool(item, NULL, "rstrip", 1, &spec.rstrip, err));
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
    CG_TRY(cg_load_bool(model, NULL, "ignore_merges", 0, &b->tok->vocab.ignore_merges, err));
    CG_TRY(cg_load_vocab(b, json_object_get(model, "vocab"), err));
    return cg_load_merges(b, &b->tok->vocab, 0, json_object_get(model, "merges"), err);
}

static cg_status load_root(cg_tok_builder *b, const json_t *root, cg_tokenizer **ret_tokenizer,
                           cg_error *err)
{
    const json_t *model = json_object_get(root, "model");
    const json_t *added = json_object_get(root, "added_tokens");
    cg_tokenizer *t = b->tok;
    cg_general *g = calloc(1, sizeof *g);
    cg_status st;

    if (!g)
        return cg_fail_nomem(err, "tokenizer");
    t->general = g;
    CG_TRY(check_model(model, err));
    CG_TRY(cg_load_normalizer(&g->normalizer, json_object_get(root, "normalizer"), err));
    CG_TRY(cg_load_steps(&g->steps, json_object_get(root, "pre_tokenizer"), err));
    if (is_usual(g, model))
        CG_TRY(take_usual(t, err));
    st = t->general ? cg_load_words(b, model, added, err) : load_model(b, model, err);
    if (st != CG_OK)
        return cg_fail_prefix(err, st, "model");
    CG_TRY(load_added_tokens(b, added, err));
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
