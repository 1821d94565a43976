/* SPDX-License-Identifier: MIT */
#include "tok_split.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"

int cg_spans_push(cg_spans *spans, size_t start, size_t end)
{
    if (spans->n == spans->n_alloc) {
        size_t cap = spans->n_alloc;

        if (cap >= UINT32_MAX / 2 ||
            cg_grow((void **)&spans->items, &cap, spans->n + 1, sizeof *spans->items))
            return -1;
        spans->n_alloc = (uint32_t)cap;
    }
    spans->items[spans->n++] = (cg_span) { (uint32_t)start, (uint32_t)end };
    return 0;
}

void cg_spans_finish(cg_spans *spans)
{
    if (!spans)
        return;
    free(spans->items);
    spans->items = NULL;
    spans->n = spans->n_alloc = 0;
}

void cg_pretok_finish(cg_pretok *pretok)
{
    for (size_t i = 0; i < pretok->n_splits; i++)
        cg_pattern_destroy(pretok->splits[i].pattern);
    cg_pattern_destroy(pretok->byte_split);
    memset(pretok, 0, sizeof *pretok);
}

void cg_split_memory_finish(cg_split_memory *memory)
{
    cg_match_memory_finish(&memory->match);
    cg_spans_finish(&memory->pieces[0]);
    cg_spans_finish(&memory->pieces[1]);
    cg_spans_finish(&memory->found);
    free(memory->prefixed);
    memory->prefixed = NULL;
    memory->prefixed_cap = 0;
}

static int fail_nomem(cg_error *err)
{
    cg_fail_nomem(err, "splitting a text");
    return -1;
}

/* A piece is divided into segments: matches and the text between them. The top bit of a segment's
 * `end` marks a match; texts are shorter than 2^31. */
#define MATCH_BIT (UINT32_C(1) << 31)

int cg_split_push(cg_split_memory *m, size_t start, size_t end, int match)
{
    if (cg_spans_push(&m->found, start, end))
        return -1;
    if (match)
        m->found.items[m->found.n - 1].end |= MATCH_BIT;
    return 0;
}

int cg_split_find(const cg_split *split, cg_split_memory *m, const char *text, size_t len,
                  int ascii, cg_error *err)
{
    size_t prev = 0, start, end;
    cg_match_iterator it;
    int rc;

    m->found.n = 0;
    cg_match_start(&it, split->pattern, &m->match, text, len, ascii);
    while ((rc = cg_match_next(&it, &start, &end, err)) > 0) {
        if (prev != start && cg_split_push(m, prev, start, split->invert))
            return fail_nomem(err);
        if (cg_split_push(m, start, end, !split->invert))
            return fail_nomem(err);
        prev = end;
    }
    if (!rc && prev != len && cg_split_push(m, prev, len, split->invert))
        return fail_nomem(err);
    return rc;
}

int cg_split_apply(enum cg_split_behavior behavior, const cg_split_memory *m, size_t base,
                   cg_spans *out)
{
    const cg_spans *found = &m->found;
    size_t n = found->n, i = 0;

    while (i < n) {
        size_t start = found->items[i].start, end = found->items[i].end & ~MATCH_BIT;
        int match = (found->items[i].end & MATCH_BIT) != 0;

        i++;
        switch (behavior) {
        case CG_SPLIT_ISOLATED:
            break;
        case CG_SPLIT_REMOVED:
            if (match)
                continue;
            break;
        case CG_SPLIT_MERGED_BEFORE:
            /* the text before a match is joined with that match only */
            if (!match && i < n && (found->items[i].end & MATCH_BIT))
                end = found->items[i++].end & ~MATCH_BIT;
            break;
        case CG_SPLIT_MERGED_AFTER:
            /* the last of consecutive matches is joined with the text after it */
            if (match && i < n && !(found->items[i].end & MATCH_BIT))
                end = found->items[i++].end;
            break;
        case CG_SPLIT_CONTIGUOUS:
            while (i < n && ((found->items[i].end & MATCH_BIT) != 0) == match)
                end = found->items[i++].end & ~MATCH_BIT;
            break;
        }
        if (start != end && cg_spans_push(out, base + start, base + end))
            return -1;
    }
    return 0;
}

/* Text offset of offset x in a piece that starts at `start`; shift is 1 if ' ' was prepended, which
 * is not in the text. */
static size_t text_offset(size_t start, size_t x, size_t shift)
{
    return start + (x > shift ? x - shift : 0);
}

/* Applies the byte-level step to the piece text[start..end). */
static int run_byte_level(const cg_pretok *p, cg_split_memory *m, const char *text, size_t start,
                          size_t end, int ascii, cg_pretoken_fn fn, void *ctx, cg_error *err)
{
    const char *s = text + start;
    size_t len = end - start, shift = 0, prev = 0, from = 0, to = 0;
    cg_match_iterator it;
    int rc;

    /* behind a Split step every piece has its blank, a continued one too */
    if (p->prefix_space && s[0] != ' ' && !(m->continued && !p->n_splits)) {
        if (cg_grow((void **)&m->prefixed, &m->prefixed_cap, len + 1, 1))
            return fail_nomem(err);
        m->prefixed[0] = ' ';
        memcpy(m->prefixed + 1, s, len);
        s = m->prefixed;
        len++;
        shift = 1;
    }
    if (!p->byte_split)
        return fn(ctx, s, len, start, end);
    cg_match_start(&it, p->byte_split, &m->match, s, len, ascii);
    while ((rc = cg_match_next(&it, &from, &to, err)) > 0) {
        if (prev != from && (rc = fn(ctx, s + prev, from - prev, text_offset(start, prev, shift),
                                     text_offset(start, from, shift))))
            return rc;
        if (from != to && (rc = fn(ctx, s + from, to - from, text_offset(start, from, shift),
                                   text_offset(start, to, shift))))
            return rc;
        prev = to;
    }
    if (!rc && prev != len)
        rc = fn(ctx, s + prev, len - prev, text_offset(start, prev, shift), end);
    return rc;
}

/* Fast path for the usual case, one isolating Split: needs no list of pieces. */
static int run_isolated(const cg_pretok *p, cg_split_memory *m, const char *text, size_t len,
                        int ascii, cg_pretoken_fn fn, void *ctx, cg_error *err)
{
    size_t prev = 0, start, end;
    cg_match_iterator it;
    int rc;

    cg_match_start(&it, p->splits[0].pattern, &m->match, text, len, ascii);
    while ((rc = cg_match_next(&it, &start, &end, err)) > 0) {
        if (prev != start && (rc = fn(ctx, text + prev, start - prev, prev, start)))
            return rc;
        if (start != end && (rc = fn(ctx, text + start, end - start, start, end)))
            return rc;
        prev = end;
    }
    if (!rc && prev != len)
        rc = fn(ctx, text + prev, len - prev, prev, len);
    return rc;
}

int cg_pretok_run(const cg_pretok *p, cg_split_memory *m, const char *text, size_t len, int ascii,
                  cg_pretoken_fn fn, void *ctx, cg_error *err)
{
    cg_spans *in = &m->pieces[0], *out = &m->pieces[1];
    int rc;

    if (!len)
        return 0;
    if (p->n_splits == 1 && p->splits[0].behavior == CG_SPLIT_ISOLATED && !p->prefix_space &&
        !p->byte_split)
        return run_isolated(p, m, text, len, ascii, fn, ctx, err);
    in->n = 0;
    if (cg_spans_push(in, 0, len))
        return fail_nomem(err);
    for (size_t i = 0; i < p->n_splits; i++) {
        cg_spans *swap = in;

        out->n = 0;
        for (size_t k = 0; k < in->n; k++) {
            size_t start = in->items[k].start, end = in->items[k].end;

            if (cg_split_find(&p->splits[i], m, text + start, end - start, ascii, err))
                return -1;
            if (cg_split_apply(p->splits[i].behavior, m, start, out))
                return fail_nomem(err);
        }
        in = out;
        out = swap;
    }
    for (size_t k = 0; k < in->n; k++)
        if ((rc = run_byte_level(p, m, text, in->items[k].start, in->items[k].end, ascii, fn, ctx,
                                 err)))
            return rc;
    return 0;
}
