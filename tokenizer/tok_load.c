/* SPDX-License-Identifier: MIT */
#include "tok_load.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "base/size.h"
#include "tok_nfc.h"
#include "tok_finalize.h"
#include "tok_text.h"

/* A token has two, a merge up to two: enough for a million of each. The largest vocabularies of
 * published models have 262,144 tokens. */
enum { MAX_SEPARATORS = 4 << 20 };

void cg_builder_finish(cg_tok_builder *b)
{
    cg_tokenizer_destroy(b->tok);
    json_decref(b->added);
    free(b->scratch);
    memset(b, 0, sizeof *b);
}

cg_status cg_load_parse(const char *name, const char *json, size_t len, json_t **ret_root,
                        cg_error *err)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) /* also those in strings, which are few */
        n += json[i] == ',' || json[i] == ':';
    if (n > MAX_SEPARATORS)
        return cg_fail(err, CG_ERR_LIMIT, "%s: found %zu commas and colons, wanted at most %d",
                       name, n, MAX_SEPARATORS);
    return cg_json_parse(name, json, len, ret_root, err);
}

cg_status cg_load_bool(const json_t *part, const char *step, const char *key, int required,
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

int cg_alphabet_bytes(char *scratch, const char *s, size_t len, size_t *ret_len)
{
    size_t n = 0, step;

    for (size_t i = 0; i < len; i += step) {
        int byte = cg_char_byte(cg_utf8_get(s + i, &step));

        if (byte < 0)
            return 0;
        scratch[n++] = (char)byte;
    }
    *ret_len = n;
    return 1;
}

cg_status cg_load_vocab(cg_tok_builder *b, const json_t *vocab, cg_error *err)
{
    const char *token;
    json_t *value;

    if (!json_is_object(vocab) || !json_object_size(vocab))
        return cg_fail(err, CG_ERR_FORMAT, "vocabulary is not an object of tokens and ids");
    b->vocab = vocab;
    json_object_foreach((json_t *)vocab, token, value)
    {
        size_t len = strlen(token), n;

        if (!json_is_integer(value))
            return cg_fail(err, CG_ERR_FORMAT, "token '%.64s': id is not an integer", token);
        if (cg_grow((void **)&b->scratch, &b->scratch_cap, len + 1, 1))
            return cg_fail_nomem(err, "vocabulary");
        if (cg_alphabet_bytes(b->scratch, token, len, &n))
            CG_TRY(cg_vocab_set(&b->tok->vocab, json_integer_value(value), b->scratch, n,
                                CG_TOKEN_BYTES, err));
        else
            CG_TRY(cg_vocab_set(&b->tok->vocab, json_integer_value(value), token, len, 0, err));
    }
    return CG_OK;
}

/* Finds the id of a token string given in two parts. */
static cg_status find_token(cg_tok_builder *b, const char *left, size_t left_len, const char *right,
                            size_t right_len, size_t rank, int32_t *ret_id, cg_error *err)
{
    const json_t *value;
    size_t len;

    if (cg_add(left_len, right_len, &len) ||
        cg_grow((void **)&b->scratch, &b->scratch_cap, len + 1, 1))
        return cg_fail_nomem(err, "merges");
    memcpy(b->scratch, left, left_len);
    memcpy(b->scratch + left_len, right, right_len);
    b->scratch[len] = '\0';
    value = json_object_get(b->vocab, b->scratch);
    if (!value)
        return cg_fail(err, CG_ERR_FORMAT, "merge %zu: token '%.64s' is not in the vocabulary",
                       rank, b->scratch);
    *ret_id = (int32_t)json_integer_value(value); /* cg_load_vocab() checked type and range */
    return CG_OK;
}

/* Merge number `rank` of two token strings; the right one loses its first `prefix` bytes. */
static cg_status load_merge(cg_tok_builder *b, cg_vocab *target, size_t prefix, const char *left,
                            size_t left_len, const char *right, size_t right_len, size_t rank,
                            cg_error *err)
{
    int32_t l = -1, r = -1, id = -1;

    if (!left_len || right_len <= prefix)
        return cg_fail(err, CG_ERR_FORMAT, "merge %zu: found an empty half, wanted two tokens",
                       rank);
    CG_TRY(find_token(b, left, left_len, "", 0, rank, &l, err));
    CG_TRY(find_token(b, right, right_len, "", 0, rank, &r, err));
    CG_TRY(find_token(b, left, left_len, right + prefix, right_len - prefix, rank, &id, err));
    cg_vocab_merge(target, l, r, (uint32_t)rank, id);
    return CG_OK;
}

static cg_status load_merge_line(cg_tok_builder *b, cg_vocab *target, size_t prefix,
                                 const char *line, size_t len, size_t rank, cg_error *err)
{
    const char *space = memchr(line, ' ', len);
    size_t left = space ? (size_t)(space - line) : 0;

    if (!space || memchr(space + 1, ' ', len - left - 1))
        return cg_fail(err, CG_ERR_FORMAT,
                       "merge %zu: found '%.*s', wanted two tokens with one blank", rank,
                       (int)(len < 64 ? len : 64), line);
    return load_merge(b, target, prefix, line, left, space + 1, len - left - 1, rank, err);
}

cg_status cg_load_merge_line(cg_tok_builder *b, const char *line, size_t len, size_t rank,
                             cg_error *err)
{
    return load_merge_line(b, &b->tok->vocab, 0, line, len, rank, err);
}

cg_status cg_load_merges(cg_tok_builder *b, cg_vocab *target, size_t prefix, const json_t *merges,
                         cg_error *err)
{
    const json_t *item;
    size_t i;

    if (!json_is_array(merges))
        return cg_fail(err, CG_ERR_FORMAT, "merges is missing or not a list");
    CG_TRY(cg_vocab_reserve_merges(target, json_array_size(merges), err));
    json_array_foreach(merges, i, item)
    {
        const json_t *left = json_array_get(item, 0), *right = json_array_get(item, 1);

        if (json_is_string(item))
            CG_TRY(load_merge_line(b, target, prefix, json_string_value(item),
                                   json_string_length(item), i, err));
        else if (json_is_string(left) && json_is_string(right) && json_array_size(item) == 2)
            CG_TRY(load_merge(b, target, prefix, json_string_value(left), json_string_length(left),
                              json_string_value(right), json_string_length(right), i, err));
        else
            return cg_fail(err, CG_ERR_FORMAT, "merge %zu is neither \"a b\" nor [\"a\", \"b\"]",
                           i);
    }
    return CG_OK;
}

/* Adds a content as the normalizer's steps write it. */
static cg_status add_normalized(cg_tokenizer *t, const cg_added_spec *spec, uint32_t flags,
                                cg_error *err)
{
    cg_normalizer_memory memory = { 0 };
    cg_mapped *text;
    cg_status st = cg_normalizer_run(&t->general->normalizer, &memory, spec->content,
                                     strlen(spec->content), 0, &text, err);

    if (st == CG_OK && text->len) /* nothing is left of it: it is never found */
        st = cg_added_add(&t->added_norm, text->text, text->len, (int32_t)spec->id, flags, err);
    cg_normalizer_memory_finish(&memory);
    return st;
}

/* Adds the content to the set in which it is searched, normalized if the token requires it. */
static cg_status add_to_set(cg_tok_builder *b, const cg_added_spec *spec, cg_error *err)
{
    cg_tokenizer *t = b->tok;
    size_t len = strlen(spec->content);
    uint32_t flags = (spec->single_word ? CG_ADDED_SINGLE_WORD : 0) |
                     (spec->lstrip ? CG_ADDED_LSTRIP : 0) | (spec->rstrip ? CG_ADDED_RSTRIP : 0);
    cg_nfc nfc = { 0 };
    int same = 1;
    cg_status st;

    if (!spec->normalized)
        return cg_added_add(&t->added_raw, spec->content, len, (int32_t)spec->id, flags, err);
    if (t->general)
        return add_normalized(t, spec, flags, err);
    if (t->nfc)
        CG_TRY_GOTO(st, cg_nfc_run(&nfc, CG_FORM_C, spec->content, len, &same, err), out);
    st = cg_added_add(&t->added_norm, same ? spec->content : nfc.text, same ? len : nfc.len,
                      (int32_t)spec->id, flags, err);
out:
    cg_nfc_finish(&nfc);
    return st;
}

/* An added token whose entry in the vocabulary, read in the byte-level alphabet, is another text.
 */
static cg_status refuse_alphabet(const cg_vocab *v, const cg_added_spec *spec, cg_error *err)
{
    const char *bytes = v->bytes + v->offset[spec->id];
    char hex[3 * 16 + 1] = "";

    for (uint32_t i = 0; i < v->length[spec->id] && i < 16; i++)
        snprintf(hex + 3 * i, 4, " %02x", (uint8_t)bytes[i]);
    return cg_fail(err, CG_ERR_UNSUPPORTED,
                   "added token '%.64s': its vocabulary entry is in the byte-level alphabet and "
                   "stands for the %u bytes%s, wanted the bytes of the text itself",
                   spec->content, v->length[spec->id], hex);
}

cg_status cg_load_added(cg_tok_builder *b, const cg_added_spec *spec, cg_error *err)
{
    cg_vocab *v = &b->tok->vocab;
    size_t len = strlen(spec->content);
    const json_t *known = json_object_get(b->vocab, spec->content);
    unsigned flags = CG_TOKEN_ADDED | (spec->special ? CG_TOKEN_SPECIAL : 0);
    int taken = spec->id >= 0 && spec->id < v->n_ids && (v->flags[spec->id] & CG_TOKEN_PRESENT);
    const json_t *earlier = json_object_get(b->added, spec->content);

    if (!len || len > CG_ADDED_MAX)
        return cg_fail(err, CG_ERR_LIMIT,
                       "added token %lld: the content has %zu bytes, wanted 1 to %d",
                       (long long)spec->id, len, CG_ADDED_MAX);
    if (known && json_integer_value(known) != spec->id)
        return cg_fail(err, CG_ERR_FORMAT,
                       "added token '%.64s': found id %lld, but the vocabulary has %lld",
                       spec->content, (long long)spec->id, (long long)json_integer_value(known));
    if (earlier && json_integer_value(earlier) != spec->id)
        return cg_fail(err, CG_ERR_FORMAT,
                       "added token '%.64s': found id %lld, but an earlier entry has %lld",
                       spec->content, (long long)spec->id, (long long)json_integer_value(earlier));
    if (earlier)
        return CG_OK;
    if (!b->added)
        b->added = json_object();
    if (json_object_set_new(b->added, spec->content, json_integer(spec->id)))
        return cg_fail_nomem(err, "added tokens");
    if (!taken) {
        CG_TRY(cg_vocab_set(v, spec->id, spec->content, len, flags, err));
        return add_to_set(b, spec, err);
    }
    if (v->length[spec->id] != len || memcmp(v->bytes + v->offset[spec->id], spec->content, len)) {
        if (known)
            return refuse_alphabet(v, spec, err);
        return cg_fail(err, CG_ERR_FORMAT, "added token '%.64s': id %lld is already used by '%.*s'",
                       spec->content, (long long)spec->id,
                       (int)(v->length[spec->id] < 64 ? v->length[spec->id] : 64),
                       v->bytes + v->offset[spec->id]);
    }
    v->flags[spec->id] |= (uint8_t)flags;
    return add_to_set(b, spec, err);
}

cg_status cg_builder_take(cg_tok_builder *b, cg_tokenizer **ret_tokenizer, cg_error *err)
{
    cg_added_finalize(&b->tok->added_raw);
    cg_added_finalize(&b->tok->added_norm);
    CG_TRY(b->tok->general ? cg_vocab_index(&b->tok->vocab, err)
                           : cg_vocab_finalize(&b->tok->vocab, err));
    *ret_tokenizer = b->tok;
    b->tok = NULL;
    return CG_OK;
}
