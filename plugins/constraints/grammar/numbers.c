/* SPDX-License-Identifier: MIT */
/* States of all decimals, and all integer parts: optional sign, integer, point. */
#include <stdio.h>
#include <string.h>

#include "grammar.h"

/*
 * Compiles all decimals. *ret_any_state accepts all of them, *ret_nonzero_state all but zero, as
 * after "-0.".
 */
static cg_status compile_decimals(struct grammar *g, int32_t *ret_any_state,
                                  int32_t *ret_nonzero_state, cg_error *err)
{
    uint32_t d = (uint32_t)g->format->decimals;
    int32_t count = 1, max_tokens = g->format->decimals + 1; /* a token is at least a byte */
    cg_path *paths;
    int32_t *tokens;
    cg_status st = CG_OK;

    for (uint32_t i = 0; i < d; i++)
        count *= 10;
    paths = cg_host_zalloc(g->host, (size_t)count, sizeof *paths);
    tokens = cg_host_zalloc(g->host, (size_t)count * (size_t)max_tokens, sizeof *tokens);
    if (!paths || !tokens) {
        st = grammar_nomem(g, err);
        goto out;
    }
    for (int32_t i = 0; i < count; i++) {
        int32_t *path = tokens + (size_t)i * (size_t)max_tokens;
        char text[GRAMMAR_MAX_NUMBER + 4];
        int32_t first, n;
        uint32_t len = (uint32_t)snprintf(text, sizeof text, "0.%0*d,", (int)d, (int)i);

        CG_TRY_GOTO(st, grammar_pretokenize(g, text, len, 2, 2 + d, &n, err), out);
        CG_TRY_GOTO(st, grammar_encode_range(g, text, len, 2, 2 + d, &first, &n, err), out);
        memcpy(path, g->ids + first, (size_t)n * sizeof *path);
        paths[i] = (cg_path) { path, n, CG_EXIT };
    }
    /* paths[0] is zero. The nonzero ones come first, because the call sorts its argument. */
    CG_TRY_GOTO(
        st, cg_automaton_builder_paths(&g->tables, paths + 1, count - 1, ret_nonzero_state, err),
        out);
    st = cg_automaton_builder_paths(&g->tables, paths, count, ret_any_state, err);
out:
    cg_host_free(g->host, paths);
    cg_host_free(g->host, tokens);
    return st;
}

cg_status grammar_compile_number_tables(struct grammar *g, cg_error *err)
{
    int32_t integers = 1, any_state = 0, nonzero_state = 0;

    CG_TRY(compile_decimals(g, &any_state, &nonzero_state, err));
    for (int32_t i = 0; i < g->format->max_integer_digits; i++)
        integers *= 10;
    g->integer_parts = cg_host_zalloc(g->host, (size_t)integers * 2, sizeof *g->integer_parts);
    if (!g->integer_parts)
        return grammar_nomem(g, err);
    for (int32_t i = 0; i < 2 * integers; i++) {
        struct integer_part *p = &g->integer_parts[g->n_integer_parts++];
        int negative = i >= integers, value = i % integers;

        p->len = (uint32_t)snprintf(p->text, sizeof p->text, "%s%d.", negative ? "-" : "", value);
        p->decimals_state = negative && value == 0 ? nonzero_state : any_state;
    }
    return CG_OK;
}
