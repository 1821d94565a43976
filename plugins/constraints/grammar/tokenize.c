/* SPDX-License-Identifier: MIT */
/* Tokens and boundaries of a part of a text; lists of token sequences. */
#include <string.h>

#include "grammar.h"

cg_status grammar_encode_range(struct grammar *g, const char *text, uint32_t len, uint32_t begin,
                               uint32_t end, int32_t *ret_first, int32_t *ret_n, cg_error *err)
{
    int32_t n, first, last;

    CG_TRY(g->vocab->encode(g->vocab->ctx, text, len, g->ids, g->ranges, g->capacity, &n, err));
    for (first = 0; first < n && g->ranges[first].begin < begin; first++)
        ;
    for (last = first; last < n && g->ranges[last].end <= end; last++)
        ;
    if (first == last || g->ranges[first].begin != begin || g->ranges[last - 1].end != end)
        return g->host->fail(
            err, CG_ERR_UNSUPPORTED,
            "grammar: the tokens of '%.80s' have no boundary at byte %u, at byte %u "
            "or at either: the tokenizer merges numbers with the text around them; "
            "use --constraint none or another tokenizer",
            text, begin, end);
    *ret_first = first;
    *ret_n = last - first;
    return CG_OK;
}

int grammar_is_boundary(const uint32_t *ends, int32_t n, uint32_t at)
{
    for (int32_t i = 0; i < n; i++)
        if (ends[i] == at)
            return 1;
    return at == 0;
}

/* Appends the boundaries of text[begin, end), a part without added tokens, to g->ends[0, *n). */
static cg_status split_part(struct grammar *g, const char *text, uint32_t begin, uint32_t end,
                            int32_t *n, cg_error *err)
{
    int32_t more = 0;

    if (begin >= end)
        return CG_OK;
    CG_TRY(g->vocab->pretokenize(g->vocab->ctx, text + begin, end - begin, g->ends + *n,
                                 g->capacity - *n, &more, err));
    for (int32_t i = 0; i < more; i++)
        g->ends[*n + i] += begin;
    *n += more;
    return CG_OK;
}

cg_status grammar_split(struct grammar *g, const char *text, uint32_t len, uint32_t a, uint32_t b,
                        int32_t *ret_n, cg_error *err)
{
    uint32_t part = 0;
    int32_t n_tokens, n = 0;

    CG_TRY(
        g->vocab->encode(g->vocab->ctx, text, len, g->ids, g->ranges, g->capacity, &n_tokens, err));
    for (int32_t i = 0; i < n_tokens; i++) {
        uint32_t bytes;
        int32_t is_added = 0;

        if (!g->vocab->token(g->vocab->ctx, g->ids[i], &bytes, &is_added) || !is_added)
            continue;
        CG_TRY(split_part(g, text, part, g->ranges[i].begin, &n, err));
        part = g->ranges[i].end;
        g->ends[n++] = part;
    }
    CG_TRY(split_part(g, text, part, len, &n, err));
    if (!grammar_is_boundary(g->ends, n, a) || !grammar_is_boundary(g->ends, n, b))
        return g->host->fail(err, CG_ERR_UNSUPPORTED,
                             "grammar: the pre-tokenizer does not split '%.80s' at bytes %u and "
                             "%u: it merges numbers with the text around them%s",
                             text, a, b, g->numbers.listed ? ", and they are no added tokens" : "");
    *ret_n = n;
    return CG_OK;
}

/* Makes room for `more` elements behind the first n. */
static cg_status reserve(struct grammar *g, int32_t **array, int32_t *cap, int32_t n, int32_t more,
                         cg_error *err)
{
    int32_t wanted = 0, *larger;

    if (more <= *cap - n)
        return CG_OK;
    if (__builtin_add_overflow(n, more, &wanted) ||
        __builtin_add_overflow(wanted, wanted / 2 + 64, &wanted))
        return grammar_nomem(g, err);
    larger = cg_host_zalloc(g->host, (size_t)wanted, sizeof *larger);
    if (!larger)
        return grammar_nomem(g, err);
    if (n)
        memcpy(larger, *array, (size_t)n * sizeof *larger);
    cg_host_free(g->host, *array);
    *array = larger;
    *cap = wanted;
    return CG_OK;
}

cg_status grammar_add_path(struct grammar *g, struct token_paths *paths, const int32_t *token,
                           int32_t n, cg_error *err)
{
    int32_t start = paths->n ? paths->end[paths->n - 1] : 0;

    CG_TRY(reserve(g, &paths->end, &paths->cap, paths->n, 1, err));
    CG_TRY(reserve(g, &paths->token, &paths->cap_tokens, start, n, err));
    memcpy(paths->token + start, token, (size_t)n * sizeof *token);
    paths->end[paths->n++] = start + n;
    return CG_OK;
}

void grammar_paths_finish(const struct grammar *g, struct token_paths *paths)
{
    cg_host_free(g->host, paths->end);
    cg_host_free(g->host, paths->token);
    *paths = (struct token_paths) { 0 };
}
