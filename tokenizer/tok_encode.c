/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "tok_bpe.h"
#include "tok_cache.h"
#include "tok_impl.h"
#include "tok_nfc.h"
#include "tok_text.h"

/* State of one call: text -> sections between added tokens -> normalized -> pre-tokens -> ids. */
typedef struct encoder {
    const cg_tokenizer *tok;
    cg_token_cache *cache;
    cg_tokens *out; /* NULL: list pre-tokens only */
    cg_spans *pretokens;
    uint32_t flags;
    size_t origin;        /* offset of the section in the text */
    size_t base;          /* offset of the part being split in the section */
    const cg_nfc *mapped; /* normalization of the section; NULL: unchanged */
    int nomem;
    uint64_t hits, misses;
    cg_bpe_memory bpe;
    cg_split_memory split;
    cg_nfc nfc;
    cg_normalizer_memory normalizer; /* of tokenizers of other kinds, as the next four */
    cg_steps_memory steps;
    cg_words_memory words;
    uint32_t *widths;
    size_t widths_cap;
    cg_error *err;
} encoder;

void cg_tokens_finish(cg_tokens *tokens)
{
    if (!tokens)
        return;
    free(tokens->ids);
    free(tokens->spans);
    tokens->ids = NULL;
    tokens->spans = NULL;
    tokens->n = tokens->n_alloc = 0;
}

/* Both arrays grow together. */
static int grow_tokens(cg_tokens *t, size_t want)
{
    size_t cap = t->n_alloc;

    if (want > INT32_MAX || cg_grow((void **)&t->ids, &cap, want, sizeof *t->ids))
        return -1;
    cap = t->n_alloc;
    if (cg_grow((void **)&t->spans, &cap, want, sizeof *t->spans))
        return -1;
    t->n_alloc = (uint32_t)cap;
    return 0;
}

static inline int reserve(encoder *e, size_t more)
{
    if (e->out->n + more > e->out->n_alloc && grow_tokens(e->out, e->out->n + more)) {
        e->nomem = 1;
        return 1;
    }
    return 0;
}

/* Text range of a range in the part being split. */
static cg_span text_span(const encoder *e, size_t start, size_t end)
{
    start += e->base;
    end += e->base;
    if (e->mapped) {
        start = cg_nfc_origin(e->mapped, start, 0);
        end = cg_nfc_origin(e->mapped, end, 1);
    }
    return (cg_span) { (uint32_t)(e->origin + start), (uint32_t)(e->origin + end) };
}

/* Sets the spans of the last n tokens, a pre-token of len bytes that covers text [start, end). */
static void put_spans(encoder *e, size_t n, size_t len, size_t start, size_t end)
{
    const cg_vocab *v = &e->tok->vocab;
    size_t prefix = len - (end - start), at = 0; /* prepended blank */
    cg_tokens *t = e->out;

    for (size_t i = t->n - n; i < t->n; i++) {
        size_t next = at + v->length[t->ids[i]];

        t->spans[i] = text_span(e, start + (at > prefix ? at - prefix : 0),
                                start + (next > prefix ? next - prefix : 0));
        at = next;
    }
}

/* Appends the ids of a pre-token that needs merging; returns their number, 0 if out of memory. */
static size_t merge_pretoken(encoder *e, const char *bytes, size_t len, uint64_t key)
{
    const cg_vocab *v = &e->tok->vocab;
    int32_t *ids = e->out->ids + e->out->n;
    uint64_t hash = 0;
    size_t n;

    if (e->cache && len <= CG_CACHE_BYTES_MAX) {
        int32_t cached[CG_CACHE_IDS_MAX];

        hash = cg_mix(key ^ (uint64_t)len << 56 ^ (uint64_t)e->tok->serial << 40);
        n = cg_token_cache_find(e->cache, e->tok->serial, hash, bytes, len, cached);
        if (n) {
            e->hits++;
            memcpy(ids, cached, n * sizeof *ids); /* n <= len: a token has at least one byte */
            return n;
        }
        e->misses++;
    }
    if (cg_bpe_encode(v, &e->bpe, bytes, len, ids, &n)) {
        e->nomem = 1;
        return 0;
    }
    if (e->cache && len <= CG_CACHE_BYTES_MAX)
        cg_token_cache_store(e->cache, e->tok->serial, hash, bytes, len, ids, n);
    return n;
}

static int encode_pretoken(void *ctx, const char *bytes, size_t len, size_t start, size_t end)
{
    encoder *e = ctx;
    const cg_vocab *v = &e->tok->vocab;
    const cg_name_bucket *found;
    uint64_t key;
    size_t n = 1;

    if (reserve(e, len))
        return 1;
    if (len == 1) {
        e->out->ids[e->out->n] = v->byte_id[(uint8_t)bytes[0]];
    } else {
        key = cg_name_key(bytes, len);
        found = cg_name_find(v, &v->plain, bytes, len, key);
        if (found && (found->len & CG_NAME_WHOLE))
            e->out->ids[e->out->n] = found->id;
        else if (!(n = merge_pretoken(e, bytes, len, key)))
            return 1;
    }
    e->out->n += n;
    if (e->flags & CG_ENCODE_SPANS)
        put_spans(e, n, len, start, end);
    return 0;
}

static int list_pretoken(void *ctx, const char *bytes, size_t len, size_t start, size_t end)
{
    encoder *e = ctx;
    cg_span span = text_span(e, start, end);

    (void)bytes;
    (void)len;
    /* pre-tokens inside one section changed by normalization map to one range of the text */
    if (e->pretokens->n && e->mapped) {
        cg_span *last = &e->pretokens->items[e->pretokens->n - 1];

        if (span.start < last->end) {
            if (span.end > last->end)
                last->end = span.end;
            return 0;
        }
    }
    if (cg_spans_push(e->pretokens, span.start, span.end)) {
        e->nomem = 1;
        return 1;
    }
    return 0;
}

static cg_status run_split(encoder *e, const char *text, size_t len, int ascii)
{
    int rc;

    e->split.continued = (e->flags & CG_ENCODE_CONTINUED) && !e->origin && !e->base;
    rc = cg_pretok_run(&e->tok->pretok, &e->split, text, len, ascii,
                       e->out ? encode_pretoken : list_pretoken, e, e->err);

    if (e->nomem)
        return cg_fail(e->err, CG_ERR_NOMEM, "encoding a text of %zu bytes: out of memory", len);
    if (rc)
        return e->err ? e->err->code : CG_ERR_LIMIT;
    return CG_OK;
}

static cg_status put_added(encoder *e, const cg_added_match *m)
{
    if (reserve(e, 1))
        return cg_fail_nomem(e->err, "encoding");
    e->out->ids[e->out->n] = m->id;
    if (e->flags & CG_ENCODE_SPANS)
        e->out->spans[e->out->n] = text_span(e, m->start, m->end);
    e->out->n++;
    return CG_OK;
}

/* Encodes a section between raw added tokens. */
static cg_status run_section(encoder *e, const char *text, size_t start, size_t end, int ascii)
{
    const char *s = text + start;
    size_t len = end - start, from = 0, used = 0;
    int same = 1, find = e->out && !(e->flags & CG_ENCODE_PLAIN);
    cg_added_match m;

    e->origin = start;
    e->mapped = NULL;
    if (e->tok->nfc && !ascii) {
        CG_TRY(cg_nfc_run(&e->nfc, CG_FORM_C, s, len, &same, e->err));
        if (!same) {
            e->mapped = &e->nfc;
            s = e->nfc.text;
            len = e->nfc.len;
        }
    }
    while (find && cg_added_next(&e->tok->added_norm, s, len, &from, used, &m)) {
        e->base = used;
        if (used < m.start)
            CG_TRY(run_split(e, s + used, m.start - used, ascii));
        e->base = 0;
        CG_TRY(put_added(e, &m));
        used = m.end;
    }
    e->base = used;
    return used < len ? run_split(e, s + used, len - used, ascii) : CG_OK;
}

/* ---- tokenizers of other kinds -------------------------------------------------------------- */

static cg_span mapped_span(const encoder *e, const cg_mapped *text, size_t start, size_t end)
{
    return (cg_span) { (uint32_t)e->origin + text->from[start],
                       (uint32_t)e->origin + text->to[end - 1] };
}

/* Encodes or lists one piece. */
static cg_status put_piece(encoder *e, const cg_mapped *text, cg_span piece)
{
    size_t len = piece.end - piece.start, at = piece.start, n;
    cg_tokens *out = e->out;

    if (!out) {
        cg_span span = mapped_span(e, text, piece.start, piece.end);

        return cg_spans_push(e->pretokens, span.start, span.end)
                   ? cg_fail_nomem(e->err, "splitting")
                   : CG_OK;
    }
    if (reserve(e, len) || cg_grow((void **)&e->widths, &e->widths_cap, len, sizeof *e->widths))
        return cg_fail_nomem(e->err, "encoding");
    CG_TRY(cg_words_encode(&e->tok->general->words, &e->words, text->text + at, len,
                           out->ids + out->n, e->widths, &n, e->err));
    for (size_t i = 0; (e->flags & CG_ENCODE_SPANS) && i < n; at += e->widths[i++])
        out->spans[out->n + i] = mapped_span(e, text, at, at + e->widths[i]);
    out->n += n;
    return CG_OK;
}

/* Encodes a part of a normalized section, without added tokens. */
static cg_status run_steps(encoder *e, const cg_mapped *section, size_t start, size_t end)
{
    cg_steps_input input = { section, start, end, (uint32_t)e->origin,
                             (e->flags & CG_ENCODE_CONTINUED) != 0 };
    const cg_spans *pieces;
    const cg_mapped *text;

    if (start == end)
        return CG_OK;
    CG_TRY(cg_steps_run(&e->tok->general->steps, &e->steps, &input, &text, &pieces, e->err));
    for (size_t i = 0; i < pieces->n; i++)
        CG_TRY(put_piece(e, text, pieces->items[i]));
    return CG_OK;
}

/* Encodes a section between raw added tokens. */
static cg_status run_general(encoder *e, const char *text, size_t start, size_t end)
{
    int find = e->out && !(e->flags & CG_ENCODE_PLAIN);
    size_t from = 0, used = 0;
    cg_mapped *section;
    cg_added_match m;

    e->origin = start;
    CG_TRY(cg_normalizer_run(&e->tok->general->normalizer, &e->normalizer, text + start,
                             end - start, start == 0 && (e->flags & CG_ENCODE_CONTINUED), &section,
                             e->err));
    while (find &&
           cg_added_next(&e->tok->added_norm, section->text, section->len, &from, used, &m)) {
        CG_TRY(run_steps(e, section, used, m.start));
        if (reserve(e, 1))
            return cg_fail_nomem(e->err, "encoding");
        e->out->ids[e->out->n] = m.id;
        if (e->flags & CG_ENCODE_SPANS)
            e->out->spans[e->out->n] = mapped_span(e, section, m.start, m.end);
        e->out->n++;
        used = m.end;
    }
    return run_steps(e, section, used, section->len);
}

/* ---- both ----------------------------------------------------------------------------------- */

static cg_status run_any(encoder *e, const char *text, size_t start, size_t end, int ascii)
{
    return e->tok->general ? run_general(e, text, start, end)
                           : run_section(e, text, start, end, ascii);
}

static cg_status run_text(encoder *e, const char *text, size_t len)
{
    int ascii, find = e->out && !(e->flags & CG_ENCODE_PLAIN);
    size_t bad, from = 0, used = 0;
    cg_added_match m;

    if (len > CG_TOKENIZER_TEXT_MAX)
        return cg_fail(e->err, CG_ERR_LIMIT, "text: found %zu bytes, wanted at most %u", len,
                       CG_TOKENIZER_TEXT_MAX);
    if ((bad = cg_utf8_check(text, len, &ascii)) != len)
        return cg_fail(e->err, CG_ERR_INPUT, "text is not UTF-8: bad byte 0x%02x at offset %zu",
                       (unsigned char)text[bad], bad);
    while (find && cg_added_next(&e->tok->added_raw, text, len, &from, used, &m)) {
        if (used < m.start)
            CG_TRY(run_any(e, text, used, m.start, ascii));
        e->origin = e->base = 0;
        e->mapped = NULL;
        CG_TRY(put_added(e, &m));
        used = m.end;
    }
    return used < len ? run_any(e, text, used, len, ascii) : CG_OK;
}

static void finish(encoder *e)
{
    cg_bpe_memory_finish(&e->bpe);
    cg_split_memory_finish(&e->split);
    cg_nfc_finish(&e->nfc);
    cg_normalizer_memory_finish(&e->normalizer);
    cg_steps_memory_finish(&e->steps);
    cg_words_memory_finish(&e->words);
    free(e->widths);
}

cg_status cg_tokenizer_encode(const cg_tokenizer *tokenizer, cg_token_cache *cache,
                              const char *text, size_t len, uint32_t flags, cg_tokens *tokens,
                              cg_error *err)
{
    cg_error own = CG_ERROR_INIT;
    encoder e = {
        .tok = tokenizer, .cache = cache, .out = tokens, .flags = flags, .err = err ? err : &own
    };
    cg_status st;

    tokens->n = 0;
    st = run_text(&e, text, len);
    if (cache)
        cg_token_cache_count(cache, e.hits, e.misses);
    finish(&e);
    return st;
}

cg_status cg_tokenizer_pretokens(const cg_tokenizer *tokenizer, const char *text, size_t len,
                                 cg_spans *spans, cg_error *err)
{
    cg_error own = CG_ERROR_INIT;
    encoder e = { .tok = tokenizer, .pretokens = spans, .err = err ? err : &own };
    cg_status st;

    spans->n = 0;
    st = run_text(&e, text, len);
    finish(&e);
    return st;
}
