/* SPDX-License-Identifier: MIT */
#include "tok_added.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "tok_text.h"

cg_status cg_added_add(cg_added_set *set, const char *content, size_t len, int32_t id,
                       uint32_t flags, cg_error *err)
{
    char *copy;

    if (!len || len > CG_ADDED_MAX)
        return cg_fail(err, CG_ERR_LIMIT,
                       "added token %d: the content has %zu bytes, wanted 1 to %d", id, len,
                       CG_ADDED_MAX);
    copy = malloc(len);
    if (!copy || cg_grow((void **)&set->tokens, &set->cap, set->n + 1, sizeof *set->tokens)) {
        free(copy);
        return cg_fail_nomem(err, "added tokens");
    }
    memcpy(copy, content, len);
    set->tokens[set->n++] = (cg_added_token) { copy, len, id, flags };
    return CG_OK;
}

void cg_added_finish(cg_added_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        free(set->tokens[i].content);
    free(set->tokens);
    memset(set, 0, sizeof *set);
}

static int by_content(const void *a, const void *b)
{
    const cg_added_token *x = a, *y = b;
    int c = memcmp(x->content, y->content, x->len < y->len ? x->len : y->len);

    if (c)
        return c;
    if (x->len != y->len)
        return x->len < y->len ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id; /* lowest id first: the one that is kept */
}

void cg_added_finalize(cg_added_set *set)
{
    size_t n = 0, at = 0;

    if (set->n)
        qsort(set->tokens, set->n, sizeof *set->tokens, by_content);
    for (size_t i = 0; i < set->n; i++) {
        cg_added_token *t = &set->tokens[i];

        if (n && set->tokens[n - 1].len == t->len &&
            !memcmp(set->tokens[n - 1].content, t->content, t->len)) {
            free(t->content);
            continue;
        }
        set->tokens[n++] = *t;
    }
    set->n = n;
    for (int b = 0; b < 257; b++) {
        while (at < n && (uint8_t)set->tokens[at].content[0] < b)
            at++;
        set->first[b] = (uint32_t)at;
    }
}

/* Tokens [lo, hi) agree up to byte `depth`; returns the first one whose byte at `depth` is >= c. */
static size_t lower_bound(const cg_added_set *set, size_t lo, size_t hi, size_t depth, int c)
{
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if ((uint8_t)set->tokens[mid].content[depth] < c)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Longest token at s[0..n), -1 if there is none. */
static ptrdiff_t longest_at(const cg_added_set *set, const char *s, size_t n)
{
    size_t lo = set->first[(uint8_t)s[0]], hi = set->first[(uint8_t)s[0] + 1];
    ptrdiff_t best = -1;

    for (size_t depth = 1; lo < hi; depth++) {
        if (set->tokens[lo].len == depth)
            best = (ptrdiff_t)lo++; /* contents are distinct and the shortest is first */
        if (depth == n || lo == hi)
            break;
        lo = lower_bound(set, lo, hi, depth, (uint8_t)s[depth]);
        hi = lower_bound(set, lo, hi, depth, (uint8_t)s[depth] + 1);
    }
    return best;
}

static int touches_word(const char *text, size_t len, size_t start, size_t end)
{
    size_t n;

    return (start && cg_is_word(cg_utf8_get(text + cg_utf8_back(text, start), &n))) ||
           (end < len && cg_is_word(cg_utf8_get(text + end, &n)));
}

int cg_added_next(const cg_added_set *set, const char *text, size_t len, size_t *from, size_t used,
                  cg_added_match *ret_match)
{
    if (!set->n)
        return 0;
    for (size_t at = *from; at < len; at++) {
        const cg_added_token *t;
        size_t start = at, end, n;
        ptrdiff_t found;
        uint8_t b = (uint8_t)text[at];

        if (set->first[b] == set->first[b + 1])
            continue;
        found = longest_at(set, text + at, len - at);
        if (found < 0)
            continue;
        t = &set->tokens[found];
        end = at + t->len;
        if ((t->flags & CG_ADDED_SINGLE_WORD) && touches_word(text, len, start, end)) {
            at = end - 1;
            continue;
        }
        *from = end;
        if (t->flags & CG_ADDED_LSTRIP) {
            while (start && cg_is_space(cg_utf8_get(text + cg_utf8_back(text, start), &n)))
                start = cg_utf8_back(text, start);
            if (start < used)
                start = used;
        }
        if (t->flags & CG_ADDED_RSTRIP)
            while (end < len && cg_is_space(cg_utf8_get(text + end, &n)))
                end += n;
        *ret_match = (cg_added_match) { start, end, t->id };
        return 1;
    }
    return 0;
}
