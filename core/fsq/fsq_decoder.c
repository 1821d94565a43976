/* SPDX-License-Identifier: MIT */
#include "fsq/fsq_decoder.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/size.h"

void cg_fsq_decoder_destroy(cg_fsq_decoder *d)
{
    if (d)
        d->ops->destroy(d);
}

static cg_status check(const cg_fsq_decoder *d, const cg_fsq_batch *b, cg_error *err)
{
    const cg_fsq_config *c = d->config;

    for (int32_t i = 0; i < b->n; i++) {
        int32_t length = b->start[i + 1] - b->start[i];

        if (length < 1)
            return cg_fail(err, CG_ERR_INPUT, "FSQ decoder: a conformer has no tokens");
        if (length > d->max_rows)
            return cg_fail(err, CG_ERR_LIMIT,
                           "FSQ decoder: a conformer has %d tokens, wanted at most %d", length,
                           d->max_rows);
    }
    for (int32_t t = 0; t < b->start[b->n]; t++) {
        if (b->token[t] < 0 || b->token[t] >= c->n_tokens)
            return cg_fail(err, CG_ERR_INPUT, "FSQ decoder: there is no token %d of %d",
                           b->token[t], c->n_tokens);
        if (b->code[t] < 0 || b->code[t] >= c->n_codes)
            return cg_fail(err, CG_ERR_INPUT, "FSQ decoder: there is no code %d of %d", b->code[t],
                           c->n_codes);
    }
    return CG_OK;
}

/* Decodes conformers [first, first + n), whose rows fit into a pass. start: [n + 1] memory. */
static cg_status run_pass(cg_fsq_decoder *d, const cg_fsq_batch *b, int32_t first, int32_t n,
                          int32_t *start, float (*ret_xyz)[3], cg_error *err)
{
    int32_t row = b->start[first];
    cg_fsq_batch part = { n, start, b->token + row, b->code + row };

    for (int32_t i = 0; i <= n; i++)
        start[i] = b->start[first + i] - row;
    return d->ops->pass(d, &part, ret_xyz + row, err);
}

cg_status cg_fsq_decoder_run(cg_fsq_decoder *d, const cg_fsq_batch *b, float (*ret_xyz)[3],
                             cg_error *err)
{
    int32_t *start;
    cg_status st = CG_OK;

    CG_TRY(check(d, b, err));
    start = cg_alloc_array((size_t)b->n + 1, sizeof *start);
    if (!start)
        return cg_fail_nomem(err, "FSQ decoder");
    for (int32_t first = 0, n; first < b->n && st == CG_OK; first += n) {
        n = 1;
        while (first + n < b->n && b->start[first + n + 1] - b->start[first] <= d->max_rows)
            n++;
        st = run_pass(d, b, first, n, start, ret_xyz, err);
    }
    free(start);
    return st;
}
