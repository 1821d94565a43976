/* SPDX-License-Identifier: MIT */
#include "tok_json_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "tok_finalize.h"
#include "tok_text.h"

/* What the forms of a vocabulary stand for. */
typedef struct form_reader {
    const cg_words *words;
    const char *blank; /* stands for ' '; NULL: none */
    int byte_level;    /* forms are in the byte-level alphabet */
    json_t *added;     /* contents of added tokens */
} form_reader;

/* ---- settings ------------------------------------------------------------------------------- */

static cg_status copy_text(const json_t *model, const char *key, char **ret, size_t *ret_len,
                           cg_error *err)
{
    const json_t *text = json_object_get(model, key);

    if (!text || json_is_null(text) || (json_is_string(text) && !json_string_length(text)))
        return CG_OK;
    if (!json_is_string(text))
        return cg_fail(err, CG_ERR_FORMAT, "'%s' is not a string", key);
    *ret = strdup(json_string_value(text));
    *ret_len = json_string_length(text);
    return *ret ? CG_OK : cg_fail_nomem(err, "model");
}

static cg_status load_bpe_settings(cg_words *w, const json_t *model, cg_error *err)
{
    w->kind = CG_WORDS_BPE;
    CG_TRY(cg_load_bool(model, NULL, "ignore_merges", 0, &w->forms.ignore_merges, err));
    CG_TRY(cg_load_bool(model, NULL, "fuse_unk", 0, &w->fuse_unk, err));
    CG_TRY(cg_load_bool(model, NULL, "byte_fallback", 0, &w->byte_fallback, err));
    CG_TRY(copy_text(model, "continuing_subword_prefix", &w->prefix, &w->prefix_len, err));
    CG_TRY(copy_text(model, "end_of_word_suffix", &w->suffix, &w->suffix_len, err));
    if (w->byte_fallback && (w->prefix || w->suffix))
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "byte_fallback with continuing_subword_prefix or end_of_word_suffix is not "
                       "supported");
    return CG_OK;
}

static cg_status load_piece_settings(cg_words *w, const json_t *model, cg_error *err)
{
    const json_t *most = json_object_get(model, "max_input_chars_per_word");

    w->kind = CG_WORDS_PIECE;
    w->max_chars = 100;
    if (most && (!json_is_integer(most) || json_integer_value(most) < 0))
        return cg_fail(err, CG_ERR_FORMAT, "'max_input_chars_per_word' is not a number");
    if (most)
        w->max_chars = (size_t)json_integer_value(most);
    return copy_text(model, "continuing_subword_prefix", &w->prefix, &w->prefix_len, err);
}

static cg_status load_settings(cg_words *w, const json_t *model, cg_error *err)
{
    const char *type = json_string_value(json_object_get(model, "type"));
    size_t len;

    w->unk = -1;
    CG_TRY(copy_text(model, "unk_token", &w->unk_name, &len, err));
    if (type && !strcmp(type, "WordLevel")) {
        w->kind = CG_WORDS_LEVEL;
        return CG_OK;
    }
    if (type && !strcmp(type, "WordPiece"))
        return load_piece_settings(w, model, err);
    return load_bpe_settings(w, model, err);
}

/* ---- tokens --------------------------------------------------------------------------------- */

/* The byte that "<0xE2>" names, -1 for other texts. */
static int named_byte(const char *form, size_t len)
{
    static const char digits[] = "0123456789ABCDEF";
    const char *high, *low;

    if (len != 6 || memcmp(form, "<0x", 3) != 0 || form[5] != '>' || !form[3] || !form[4])
        return -1;
    high = strchr(digits, form[3]);
    low = strchr(digits, form[4]);
    return high && low ? (int)((high - digits) << 4 | (low - digits)) : -1;
}

/* Writes the bytes that a form decodes to: at most `len`. */
static size_t decode_form(const form_reader *r, const char *form, size_t len, char *out)
{
    const cg_words *w = r->words;
    size_t blank = r->blank ? strlen(r->blank) : 0, n = 0;
    int byte = w->byte_fallback ? named_byte(form, len) : -1;

    if (byte >= 0) {
        out[0] = (char)byte;
        return 1;
    }
    if (w->prefix_len && len > w->prefix_len && !memcmp(form, w->prefix, w->prefix_len)) {
        form += w->prefix_len;
        len -= w->prefix_len;
    }
    if (w->suffix_len && len > w->suffix_len &&
        !memcmp(form + len - w->suffix_len, w->suffix, w->suffix_len))
        len -= w->suffix_len;
    if (r->byte_level && cg_alphabet_bytes(out, form, len, &n))
        return n;
    n = 0;
    for (size_t i = 0; i < len;) {
        int is_blank = blank && len - i >= blank && !memcmp(form + i, r->blank, blank);

        out[n++] = is_blank ? ' ' : form[i];
        i += is_blank ? blank : 1;
    }
    return n;
}

static cg_status load_token(cg_tok_builder *b, const form_reader *r, const char *form, int64_t id,
                            cg_error *err)
{
    cg_words *w = &b->tok->general->words;
    size_t len = strlen(form), n = len;
    int byte = w->byte_fallback ? named_byte(form, len) : -1;

    if (cg_grow((void **)&b->scratch, &b->scratch_cap, len + 1, 1))
        return cg_fail_nomem(err, "vocabulary");
    if (json_object_get(r->added, form))
        memcpy(b->scratch, form, len);
    else
        n = decode_form(r, form, len, b->scratch);
    CG_TRY(cg_vocab_set(&w->forms, id, form, len, CG_TOKEN_BYTES, err));
    CG_TRY(cg_vocab_set(&b->tok->vocab, id, b->scratch, n, CG_TOKEN_BYTES, err));
    if (byte >= 0)
        w->byte_token[byte] = (int32_t)id;
    if (w->unk_name && !strcmp(form, w->unk_name))
        w->unk = (int32_t)id;
    return CG_OK;
}

static cg_status load_tokens(cg_tok_builder *b, const form_reader *r, const json_t *vocab,
                             cg_error *err)
{
    const char *form;
    json_t *id;

    if (!json_is_object(vocab) || !json_object_size(vocab))
        return cg_fail(err, CG_ERR_FORMAT, "vocabulary is not an object of tokens and ids");
    b->vocab = vocab;
    for (int i = 0; i < 256; i++)
        b->tok->general->words.byte_token[i] = -1;
    json_object_foreach((json_t *)vocab, form, id)
    {
        if (!json_is_integer(id))
            return cg_fail(err, CG_ERR_FORMAT, "token '%.64s': id is not an integer", form);
        CG_TRY(load_token(b, r, form, json_integer_value(id), err));
    }
    return CG_OK;
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* What stands for ' ', and which blanks encoding puts in front. Writes a character to text[5]. */
static const char *find_blank(cg_tokenizer *t, char *text, int *ret_byte_level)
{
    const cg_general *g = t->general;
    const char *blank = g->normalizer.blank;

    *ret_byte_level = 0;
    for (size_t i = 0; i < g->normalizer.n; i++) {
        const cg_normalizer_step *step = &g->normalizer.steps[i];

        *ret_byte_level |= step->kind == CG_NORMALIZE_BYTE_LEVEL;
        if (step->kind == CG_NORMALIZE_PREPEND &&
            (!strcmp(step->content, " ") || (blank && !strcmp(step->content, blank))))
            t->front = CG_FRONT_SECTION;
    }
    for (size_t i = 0; i < g->steps.n; i++) {
        const cg_step *step = &g->steps.items[i];

        *ret_byte_level |= step->kind == CG_STEP_BYTE_LEVEL;
        if (step->kind == CG_STEP_METASPACE) {
            text[cg_utf8_put(step->replacement, text)] = '\0';
            blank = text;
        }
        if ((step->kind == CG_STEP_BYTE_LEVEL && step->prefix_space) ||
            (step->kind == CG_STEP_METASPACE && step->prepend == CG_PREPEND_ALWAYS))
            t->front = CG_FRONT_SECTION;
        else if (step->kind == CG_STEP_METASPACE && step->prepend == CG_PREPEND_FIRST)
            t->front = CG_FRONT_TEXT;
    }
    return blank;
}

static json_t *added_contents(const json_t *added)
{
    json_t *out = json_object();
    const json_t *item;
    size_t i;

    json_array_foreach(added, i, item)
    {
        const char *content = json_string_value(json_object_get(item, "content"));

        if (content && json_object_set_new(out, content, json_true())) {
            json_decref(out);
            return NULL;
        }
    }
    return out;
}

cg_status cg_load_words(cg_tok_builder *b, const json_t *model, const json_t *added, cg_error *err)
{
    cg_words *w = &b->tok->general->words;
    form_reader r = { .words = w, .added = added_contents(added) };
    char text[5] = "";
    cg_status st;

    if (!r.added)
        return cg_fail_nomem(err, "vocabulary");
    r.blank = find_blank(b->tok, text, &r.byte_level);
    CG_TRY_GOTO(st, load_settings(w, model, err), out);
    CG_TRY_GOTO(st, load_tokens(b, &r, json_object_get(model, "vocab"), err), out);
    if (w->kind == CG_WORDS_BPE)
        CG_TRY_GOTO(
            st, cg_load_merges(b, &w->forms, w->prefix_len, json_object_get(model, "merges"), err),
            out);
    st = cg_vocab_index(&w->forms, err);
out:
    json_decref(r.added);
    return st;
}
