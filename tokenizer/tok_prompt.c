/* SPDX-License-Identifier: MIT */
#include "tok_prompt.h"

#include <string.h>

#include <confgen/tokenizer.h>

#include "base/error.h"

#define MAX_DEPTH 8 /* of nested Sequences */

static cg_status push(int32_t *ids, int32_t *n, const json_t *id, cg_error *err)
{
    if (!json_is_integer(id) || json_integer_value(id) < 0 ||
        json_integer_value(id) >= CG_TOKENIZER_ID_MAX)
        return cg_fail(err, CG_ERR_FORMAT, "found no token id from 0 to %d",
                       CG_TOKENIZER_ID_MAX - 1);
    if (*n == CG_PROMPT_TOKENS_MAX)
        return cg_fail(err, CG_ERR_LIMIT, "found more than %d tokens on one side of the text",
                       CG_PROMPT_TOKENS_MAX);
    ids[(*n)++] = (int32_t)json_integer_value(id);
    return CG_OK;
}

/* The ids of a special token of a template: one, or several for one name. */
static cg_status push_special(const json_t *part, const json_t *piece, int32_t *ids, int32_t *n,
                              cg_error *err)
{
    const char *name = json_string_value(json_object_get(piece, "id"));
    const json_t *token =
        name ? json_object_get(json_object_get(part, "special_tokens"), name) : NULL;
    const json_t *list = json_object_get(token, "ids"), *id;
    size_t i;

    if (!json_is_array(list))
        return cg_fail(err, CG_ERR_FORMAT, "token '%.64s' of the template is not in special_tokens",
                       name ? name : "(none)");
    json_array_foreach(list, i, id)
    {
        CG_TRY(push(ids, n, id, err));
    }
    return CG_OK;
}

static cg_status read_template(const json_t *part, cg_prompt_ids *p, cg_error *err)
{
    const json_t *single = json_object_get(part, "single"), *item;
    int n_texts = 0;
    size_t i;

    if (!json_is_array(single))
        return cg_fail(err, CG_ERR_FORMAT, "'single' is missing or not a list");
    json_array_foreach(single, i, item)
    {
        const json_t *piece = json_object_get(item, "SpecialToken");
        const json_t *text = json_object_get(json_object_get(item, "Sequence"), "id");

        if (piece)
            CG_TRY(push_special(part, piece, n_texts ? p->suffix : p->prefix,
                                n_texts ? &p->n_suffix : &p->n_prefix, err));
        else if (json_is_string(text) && !strcmp(json_string_value(text), "A"))
            n_texts++;
        else
            return cg_fail(err, CG_ERR_FORMAT,
                           "'single' has a part that is neither a special "
                           "token nor the text $A");
    }
    if (n_texts != 1)
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "'single' has the text $A %d times, only once is supported", n_texts);
    return CG_OK;
}

/* BertProcessing and RobertaProcessing: [text, id] of the tokens in front and behind. */
static cg_status read_cls_sep(const json_t *part, cg_prompt_ids *p, cg_error *err)
{
    CG_TRY(push(p->prefix, &p->n_prefix, json_array_get(json_object_get(part, "cls"), 1), err));
    return push(p->suffix, &p->n_suffix, json_array_get(json_object_get(part, "sep"), 1), err);
}

static cg_status read_part(const json_t *part, int depth, cg_prompt_ids *p, cg_error *err)
{
    const char *type = json_string_value(json_object_get(part, "type"));
    const json_t *list = json_object_get(part, "processors"), *item;
    size_t i;

    if (!part || json_is_null(part))
        return CG_OK;
    type = type ? type : "(none)";
    if (!strcmp(type, "ByteLevel"))
        return CG_OK;
    if (!strcmp(type, "Sequence") && json_is_array(list) && depth < MAX_DEPTH) {
        json_array_foreach(list, i, item)
        {
            CG_TRY(read_part(item, depth + 1, p, err));
        }
        return CG_OK;
    }
    if (p->n_prefix || p->n_suffix)
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "'%.40s' is the second step that writes tokens, only one is supported",
                       type);
    if (!strcmp(type, "TemplateProcessing"))
        return read_template(part, p, err);
    if (!strcmp(type, "BertProcessing") || !strcmp(type, "RobertaProcessing"))
        return read_cls_sep(part, p, err);
    return cg_fail(err, CG_ERR_UNSUPPORTED,
                   "type '%.40s' is not supported; ByteLevel, TemplateProcessing, BertProcessing, "
                   "RobertaProcessing and a Sequence of these are",
                   type);
}

cg_status cg_prompt_ids_read(const json_t *post_processor, cg_prompt_ids *ret, cg_error *err)
{
    cg_prompt_ids p = { 0 };
    cg_status st = read_part(post_processor, 0, &p, err);

    if (st != CG_OK)
        return cg_fail_prefix(err, st, "post_processor");
    *ret = p;
    return CG_OK;
}

int cg_prompt_ids_equal(const cg_prompt_ids *a, const cg_prompt_ids *b)
{
    return a->n_prefix == b->n_prefix && a->n_suffix == b->n_suffix &&
           !memcmp(a->prefix, b->prefix, (size_t)a->n_prefix * sizeof *a->prefix) &&
           !memcmp(a->suffix, b->suffix, (size_t)a->n_suffix * sizeof *a->suffix);
}
