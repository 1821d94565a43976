/* SPDX-License-Identifier: MIT */
/* Tokens and pre-token boundaries of a part of a text. */
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

cg_status grammar_pretokenize(struct grammar *g, const char *text, uint32_t len, uint32_t a,
                              uint32_t b, int32_t *ret_n, cg_error *err)
{
    CG_TRY(g->vocab->pretokenize(g->vocab->ctx, text, len, g->ends, g->capacity, ret_n, err));
    if (!grammar_is_boundary(g->ends, *ret_n, a) || !grammar_is_boundary(g->ends, *ret_n, b))
        return g->host->fail(err, CG_ERR_UNSUPPORTED,
                             "grammar: the pre-tokenizer does not split '%.80s' at bytes %u and "
                             "%u: it merges decimals with the text around them",
                             text, a, b);
    return CG_OK;
}
