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

static int nomem(cg_error *err)
{
    cg_fail(err, CG_ERR_NOMEM, "splitting a text: out of memory");
    return -1;
}

/* Stretches of a piece, matches and what lies between them, are kept as ranges with the match flag
 * in the top bit of `end`: texts are shorter than 2^31. */
#define MATCH_BIT (UINT32_C(1) << 31)

static int push_stretch(cg_spans *found, size_t start, size_t end, int match)
{
    if (cg_spans_push(found, start, end))
        return -1;
    if (match)
        found->items[found->n - 1].end |= MATCH_BIT;
    return 0;
}

static int find_stretches(const cg_split *split, cg_split_memory *m, const char *text, size_t len,
                          int ascii, cg_error *err)
{
    size_t prev = 0, start, end;
    cg_match_walk walk;
    int rc;

    m->found.n = 0;
    cg_match_begin(&walk, split->pattern, &m->match, text, len, ascii);
    while ((rc = cg_match_next(&walk, &start, &end, err)) > 0) {
        if (prev != start && push_stretch(&m->found, prev, start, split->invert))
            return nomem(err);
        if (push_stretch(&m->found, start, end, !split->invert))
            return nomem(err);
        prev = end;
    }
    if (!rc && prev != len && push_stretch(&m->found, prev, len, split->invert))
        return nomem(err);
    return rc;
}

/* Pieces of the stretches of one piece that begins at `base`, in order, empty ones left out. */
static int join_stretches(enum cg_split_behavior behavior, const cg_spans *found, size_t base,
                          cg_spans *out)
{
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
            /* the text before a match takes the first match after it */
            if (!match && i < n && (found->items[i].end & MATCH_BIT))
                end = found->items[i++].end & ~MATCH_BIT;
            break;
        case CG_SPLIT_MERGED_AFTER:
            /* the last of a row of matches goes to the text after it */
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

/* Offset in the text of offset x in a piece that begins at `start`; the synthetic ' ' (`shift` of
 * 1) stands for nothing in the text. */
static size_t origin(size_t start, size_t x, size_t shift)
{
    return start + (x > shift ? x - shift : 0);
}

/* Byte-level step on the piece text[start..end). */
static int byte_level(const cg_pretok *p, cg_split_memory *m, const char *text, size_t start,
                      size_t end, int ascii, cg_piece_fn fn, void *ctx, cg_error *err)
{
    const char *s = text + start;
    size_t len = end - start, shift = 0, prev = 0, from = 0, to = 0;
    cg_match_walk walk;
    int rc;

    if (p->prefix_space && s[0] != ' ') {
        if (cg_grow((void **)&m->prefixed, &m->prefixed_cap, len + 1, 1))
            return nomem(err);
        m->prefixed[0] = ' ';
        memcpy(m->prefixed + 1, s, len);
        s = m->prefixed;
        len++;
        shift = 1;
    }
    if (!p->byte_split)
        return fn(ctx, s, len, start, end);
    cg_match_begin(&walk, p->byte_split, &m->match, s, len, ascii);
    while ((rc = cg_match_next(&walk, &from, &to, err)) > 0) {
        if (prev != from && (rc = fn(ctx, s + prev, from - prev, origin(start, prev, shift),
                                     origin(start, from, shift))))
            return rc;
        if (from != to && (rc = fn(ctx, s + from, to - from, origin(start, from, shift),
                                   origin(start, to, shift))))
            return rc;
        prev = to;
    }
    if (!rc && prev != len)
        rc = fn(ctx, s + prev, len - prev, origin(start, prev, shift), end);
    return rc;
}

/* The usual case, one isolating Split, without a list of pieces in between. */
static int run_isolated(const cg_pretok *p, cg_split_memory *m, const char *text, size_t len,
                        int ascii, cg_piece_fn fn, void *ctx, cg_error *err)
{
    size_t prev = 0, start, end;
    cg_match_walk walk;
    int rc;

    cg_match_begin(&walk, p->splits[0].pattern, &m->match, text, len, ascii);
    while ((rc = cg_match_next(&walk, &start, &end, err)) > 0) {
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
                  cg_piece_fn fn, void *ctx, cg_error *err)
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
        return nomem(err);
    for (size_t i = 0; i < p->n_splits; i++) {
        cg_spans *swap = in;

        out->n = 0;
        for (size_t k = 0; k < in->n; k++) {
            size_t start = in->items[k].start, end = in->items[k].end;

            if (find_stretches(&p->splits[i], m, text + start, end - start, ascii, err))
                return -1;
            if (join_stretches(p->splits[i].behavior, &m->found, start, out))
                return nomem(err);
        }
        in = out;
        out = swap;
    }
    for (size_t k = 0; k < in->n; k++)
        if ((rc =
                 byte_level(p, m, text, in->items[k].start, in->items[k].end, ascii, fn, ctx, err)))
            return rc;
    return 0;
}
