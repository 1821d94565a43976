/* SPDX-License-Identifier: MIT */
#include "tok_words.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/size.h"
#include "tok_text.h"

void cg_words_finish(cg_words *words)
{
    cg_vocab_finish(&words->forms);
    free(words->unk_name);
    free(words->prefix);
    free(words->suffix);
    memset(words, 0, sizeof *words);
}

void cg_words_memory_finish(cg_words_memory *memory)
{
    cg_bpe_memory_finish(&memory->bpe);
    free(memory->key);
    memory->key = NULL;
    memory->key_cap = 0;
}

static int32_t find(const cg_words *w, const char *form, size_t len)
{
    return cg_vocab_find(&w->forms, form, len);
}

/* The whole piece as the unknown token. */
static cg_status put_unknown(const cg_words *w, const char *word, size_t len, int32_t *ids,
                             uint32_t *widths, size_t *ret_n, cg_error *err)
{
    if (w->unk < 0)
        return cg_fail(err, CG_ERR_INPUT,
                       "'%.*s' is no token, and the vocabulary has no unk_token '%s'",
                       (int)(len < 64 ? len : 64), word, w->unk_name ? w->unk_name : "");
    ids[0] = w->unk;
    widths[0] = (uint32_t)len;
    *ret_n = 1;
    return CG_OK;
}

/* ---- WordPiece ------------------------------------------------------------------------------ */

static size_t count_chars(const char *text, size_t len)
{
    size_t chars = 0;

    for (size_t i = 0; i < len; i++)
        chars += ((unsigned char)text[i] & 0xc0) != 0x80;
    return chars;
}

static cg_status encode_pieces(const cg_words *w, cg_words_memory *m, const char *word, size_t len,
                               int32_t *ids, uint32_t *widths, size_t *ret_n, cg_error *err)
{
    size_t n = 0, start = 0;

    if (count_chars(word, len) > w->max_chars)
        return put_unknown(w, word, len, ids, widths, ret_n, err);
    if (cg_grow((void **)&m->key, &m->key_cap, w->prefix_len + len, 1))
        return cg_fail_nomem(err, "encoding");
    if (w->prefix_len)
        memcpy(m->key, w->prefix, w->prefix_len);
    while (start < len) {
        size_t end = len, skip = start ? 0 : w->prefix_len;
        int32_t id = -1;

        memcpy(m->key + w->prefix_len, word + start, len - start);
        while (end > start &&
               (id = find(w, m->key + skip, w->prefix_len - skip + (end - start))) < 0)
            end = start + cg_utf8_back(word + start, end - start);
        if (id < 0)
            return put_unknown(w, word, len, ids, widths, ret_n, err);
        ids[n] = id;
        widths[n++] = (uint32_t)(end - start);
        start = end;
    }
    *ret_n = n;
    return CG_OK;
}

/* ---- BPE ------------------------------------------------------------------------------------ */

/* The form of one character: with the prefix behind the first one, the suffix at the last one. */
static int char_form(const cg_words *w, cg_words_memory *m, const char *c, size_t n, int is_first,
                     int is_last, size_t *ret_len)
{
    size_t before = is_first ? 0 : w->prefix_len, behind = is_last ? w->suffix_len : 0;

    if (cg_grow((void **)&m->key, &m->key_cap, before + n + behind, 1))
        return -1;
    if (before)
        memcpy(m->key, w->prefix, before);
    memcpy(m->key + before, c, n);
    if (behind)
        memcpy(m->key + before + n, w->suffix, behind);
    *ret_len = before + n + behind;
    return 0;
}

/* The tokens of the bytes of a form; 0 if one has none. With a suffix, there may be more bytes than
 * the character has: those have no width. */
static size_t put_bytes(const cg_words *w, const char *form, size_t len, size_t room, int32_t *ids,
                        uint32_t *widths)
{
    if (!w->byte_fallback || len > room)
        return 0;
    for (size_t i = 0; i < len; i++)
        if (w->byte_token[(uint8_t)form[i]] < 0)
            return 0;
    for (size_t i = 0; i < len; i++) {
        ids[i] = w->byte_token[(uint8_t)form[i]];
        widths[i] = 1;
    }
    return len;
}

static cg_status encode_bpe(const cg_words *w, cg_words_memory *m, const char *word, size_t len,
                            int32_t *ids, uint32_t *widths, size_t *ret_n, cg_error *err)
{
    size_t n = 0, char_len, form_len, added;
    uint32_t unknown = 0; /* bytes of unknown characters that have no token yet */
    int32_t id = w->forms.ignore_merges ? find(w, word, len) : -1;

    if (id >= 0) {
        ids[0] = id;
        widths[0] = (uint32_t)len;
        *ret_n = 1;
        return CG_OK;
    }
    for (size_t at = 0; at < len; at += char_len) {
        cg_utf8_get(word + at, &char_len);
        if (char_form(w, m, word + at, char_len, at == 0, at + char_len == len, &form_len))
            return cg_fail_nomem(err, "encoding");
        id = find(w, m->key, form_len);
        /* An unknown token waits until a known character, as in the reference, which therefore
         * writes the tokens of bytes in front of it. */
        if (id < 0 && (added = put_bytes(w, m->key, form_len, len - n - (unknown > 0), ids + n,
                                         widths + n))) {
            n += added;
            continue;
        }
        if (id < 0 && w->unk < 0 && !w->unk_name)
            continue; /* without an unk_token, the character is dropped */
        if (id < 0 && w->unk < 0)
            return put_unknown(w, word + at, char_len, ids, widths, ret_n, err);
        if (unknown && (id >= 0 || !w->fuse_unk)) {
            ids[n] = w->unk;
            widths[n++] = unknown;
            unknown = 0;
        }
        if (id < 0) {
            unknown += (uint32_t)char_len;
        } else {
            ids[n] = id;
            widths[n++] = (uint32_t)char_len;
        }
    }
    if (unknown) {
        ids[n] = w->unk;
        widths[n++] = unknown;
    }
    *ret_n = n;
    return cg_bpe_merge(&w->forms, &m->bpe, ids, widths, n, ret_n) ? cg_fail_nomem(err, "encoding")
                                                                   : CG_OK;
}

cg_status cg_words_encode(const cg_words *w, cg_words_memory *memory, const char *word, size_t len,
                          int32_t *ids, uint32_t *widths, size_t *ret_n, cg_error *err)
{
    int32_t id;

    switch (w->kind) {
    case CG_WORDS_PIECE:
        return encode_pieces(w, memory, word, len, ids, widths, ret_n, err);
    case CG_WORDS_BPE:
        return encode_bpe(w, memory, word, len, ids, widths, ret_n, err);
    default:
        id = find(w, word, len);
        if (id < 0)
            return put_unknown(w, word, len, ids, widths, ret_n, err);
        ids[0] = id;
        widths[0] = (uint32_t)len;
        *ret_n = 1;
        return CG_OK;
    }
}
