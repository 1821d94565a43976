/* SPDX-License-Identifier: MIT */
#include "fsq/fsq_config_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "fsq/fsq_tokens.h"

static cg_status get_size(const cg_json *o, const char *key, int64_t hi, int32_t *ret,
                          cg_error *err)
{
    int64_t v = 0;

    CG_TRY(cg_json_int(o, key, CG_JSON_REQUIRED, 1, hi, &v, err));
    *ret = (int32_t)v;
    return CG_OK;
}

/* The file is our own: an unknown key is a misspelling. */
static cg_status check_keys(const cg_json *o, cg_error *err)
{
    static const char *const known[] = { "model_type", "hidden_size",    "num_hidden_layers",
                                         "input_size", "layer_norm_eps", "intermediate_size",
                                         "levels",     "tokens" };
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)o->node, key, value)
    {
        size_t i = 0;

        while (i < sizeof known / sizeof *known && strcmp(key, known[i]))
            i++;
        if (i == sizeof known / sizeof *known)
            return cg_fail(err, CG_ERR_FORMAT,
                           "%s: unknown key \"%.40s\", wanted model_type, hidden_size, "
                           "num_hidden_layers, intermediate_size, input_size, layer_norm_eps, "
                           "levels and tokens",
                           o->file, key);
    }
    return CG_OK;
}

static cg_status read_levels(const cg_json *o, cg_fsq_config *c, cg_error *err)
{
    const json_t *list = cg_json_member(o, "levels");
    size_t n = json_array_size(list);
    int64_t codes = 1;

    if (!json_is_array(list) || n < 1 || n > CG_FSQ_MAX_DIGITS)
        return cg_json_fail_wanted(o, "levels", "a list of 1 to 16 numbers of levels", err);
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(list, i);

        if (!json_is_integer(v) || json_integer_value(v) < 2 ||
            json_integer_value(v) > CG_FSQ_MAX_CODES ||
            (codes *= json_integer_value(v)) > CG_FSQ_MAX_CODES)
            return cg_fail(err, CG_ERR_FORMAT,
                           "%s: levels: number %zu is not an integer of at least 2, or there are "
                           "more than %d codes",
                           o->file, i + 1, CG_FSQ_MAX_CODES);
        c->levels[i] = (int32_t)json_integer_value(v);
    }
    c->n_digits = (int32_t)n;
    c->n_codes = (int32_t)codes;
    return CG_OK;
}

static cg_status add_token(const cg_json *o, cg_fsq_model *m, const json_t *value, cg_error *err)
{
    const char *text = json_string_value(value);
    size_t n = json_string_length(value), at = (size_t)m->config.n_tokens;

    if (!text || !n || n > CG_FSQ_MAX_TOKEN_BYTES || cg_fsq_token_length(text, n) != n)
        return cg_fail(err, CG_ERR_FORMAT,
                       "%s: tokens: number %zu is not one SMILES token of at most %d bytes",
                       o->file, at + 1, CG_FSQ_MAX_TOKEN_BYTES);
    if (cg_fsq_token_id(m, text, n) >= 0)
        return cg_fail(err, CG_ERR_FORMAT, "%s: tokens: %s occurs twice", o->file, text);
    m->tokens[at] = strdup(text);
    if (!m->tokens[at])
        return cg_fail_nomem(err, o->file);
    m->config.n_tokens++;
    if (cg_index_add(&m->index, XXH3_64bits(text, n), at))
        return cg_fail_nomem(err, o->file);
    return CG_OK;
}

static cg_status read_tokens(const cg_json *o, cg_fsq_model *m, cg_error *err)
{
    const json_t *list = cg_json_member(o, "tokens");
    size_t n = json_array_size(list);

    if (!json_is_array(list) || n < 1 || n > CG_FSQ_MAX_TOKENS)
        return cg_json_fail_wanted(o, "tokens", "a list of 1 to 4096 SMILES tokens", err);
    m->tokens = calloc(n, sizeof *m->tokens);
    if (!m->tokens)
        return cg_fail_nomem(err, o->file);
    for (size_t i = 0; i < n; i++)
        CG_TRY(add_token(o, m, json_array_get(list, i), err));
    return CG_OK;
}

static cg_status read_config(const cg_json *o, cg_fsq_model *m, cg_error *err)
{
    cg_fsq_config *c = &m->config;
    const char *type = NULL;

    CG_TRY(cg_json_string(o, "model_type", CG_JSON_REQUIRED, &type, err));
    if (strcmp(type, "fsq-decoder"))
        return cg_json_fail_wanted(
            o, "model_type", "\"fsq-decoder\", as tools/convert_fsq_decoder.py writes it", err);
    CG_TRY(check_keys(o, err));
    CG_TRY(get_size(o, "hidden_size", CG_FSQ_MAX_HIDDEN, &c->hidden, err));
    if (c->hidden % CG_FSQ_HEAD_DIM)
        return cg_json_fail_wanted(o, "hidden_size", "a multiple of 64, the size of a head", err);
    CG_TRY(get_size(o, "num_hidden_layers", CG_FSQ_MAX_LAYERS, &c->n_layers, err));
    CG_TRY(get_size(o, "intermediate_size", CG_FSQ_MAX_WIDTH, &c->intermediate, err));
    CG_TRY(get_size(o, "input_size", CG_FSQ_MAX_WIDTH, &c->input_hidden, err));
    c->eps = 1e-5;
    CG_TRY(cg_json_real(o, "layer_norm_eps", CG_JSON_OPTIONAL, 1e-12, 1, &c->eps, err));
    CG_TRY(read_levels(o, c, err));
    return read_tokens(o, m, err);
}

cg_status cg_fsq_config_parse(const char *name, const void *bytes, size_t len, cg_fsq_model *model,
                              cg_error *err)
{
    json_t *root = NULL;
    cg_status st;

    CG_TRY(cg_json_parse(name, bytes, len, &root, err));
    st = read_config(&(cg_json) { name, "", root }, model, err);
    json_decref(root);
    return st;
}
