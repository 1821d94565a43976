/* SPDX-License-Identifier: MIT */
/** @file flash_rows.h  The kernel: a work item's rows over all tiles, for flash_<isa>.c. */
#ifndef FLASH_ROWS_H
#define FLASH_ROWS_H

#include <float.h>
#include <math.h>

#include "flash_features.h"
#include "flash_memory.h"
#include "flash_tile.h"

/* Sets up rows r0 .. r0 + nr of a work item, before their first tile. */
INLINE void begin_rows(const flash_work *wk, int32_t r0, const int nr, const int dim,
                       const int v_dim, struct rows *w)
{
    const cg_attention_problem *p = wk->call->problem;
    const cg_attention_args *a = wk->call->args;
    const int32_t group = wk->call->group;

    for (int r = 0; r < nr; r++) {
        int32_t row = wk->first + r0 + r, token = a->q_start[wk->seq] + row / group;
        int32_t head = wk->kv_head * group + row % group;
        const float *q = (const float *)((const char *)a->q + token * a->q_stride) + head * dim;
        float *scaled = row_of(w->q, r, dim), *acc = row_of(w->acc, r, v_dim);

        for (int32_t d = 0; d < dim; d++)
            scaled[d] = q[d] * (p->scale * LOG2E);
        for (int32_t d = dim; d % W; d++)
            scaled[d] = 0;
        for (int32_t d = 0; d < v_dim; d += W)
            v_store(acc + d, v_zero());
        v_store(w->sum[r], v_zero());
        w->max[r] = -FLT_MAX; /* finite: a score of -inf has weight 0, not NaN */
        if (p->features & CG_ATTENTION_SINK_LOGITS && a->sink_logit[head] > -INFINITY) {
            w->max[r] = a->sink_logit[head] * LOG2E; /* like a token without a value */
            w->sum[r][0] = 1;
        }
        w->token[r] = token;
        w->head[r] = head;
        set_tokens(wk, w, r);
    }
}

INLINE void end_rows(const flash_work *wk, const int nr, const int v_dim, struct rows *w)
{
    const cg_attention_args *a = wk->call->args;

    for (int r = 0; r < nr; r++) {
        char *row = (char *)a->out + w->token[r] * a->out_stride;
        float *out = (float *)row + w->head[r] * v_dim;
        const float *acc = row_of(w->acc, r, v_dim);
        vec inverse = v_set1(1.0f / v_hsum(v_load(w->sum[r])));
        int32_t d = 0;

        for (; d + W <= v_dim; d += W)
            v_store(out + d, v_mul(v_load(acc + d), inverse));
        if (d < v_dim)
            v_store_part(out + d, v_dim - d, v_mul(v_load(acc + d), inverse));
    }
}

/* The weights of all rows in the tile at j0. */
INLINE void weigh_tile(const flash_work *wk, struct rows *w, const int nr, const int v_dim,
                       int32_t j0)
{
    for (int r = 0; r < nr; r++) {
        if (!w->visible[r])
            continue;
        if (wk->call->problem->features & SCORE_FEATURES)
            change_scores(wk, w, r, j0);
        softmax_row(w, r, v_dim);
    }
}

/* Computes rows r0 .. r0 + nr of the work item over all tiles. */
INLINE void run_rows(const flash_work *wk, int32_t r0, const int nr, const int dim, const int v_dim)
{
    const flash_call *c = wk->call;
    struct rows w;
    struct key_span span;

    begin_rows(wk, r0, nr, dim, v_dim, &w);
    span = span_of(wk, &w, nr);
    for (int32_t j0 = 0; j0 < span.end; j0 += FLASH_TILE) {
        struct tile t = { .visible = 0 };

        if (j0 >= span.sinks && j0 < span.begin)
            j0 = span.begin;
        for (int r = 0; r < nr; r++) {
            w.visible[r] = token_bits(w.first[r] - j0, w.end[r] - j0);
            if (c->problem->features & TOKEN_FEATURES)
                w.visible[r] |= more_tokens(wk, &w, r, j0);
            t.visible |= w.visible[r];
        }
        if (!t.visible)
            continue;
        if (wk->copy)
            copy_tile(wk, &c->k, dim, j0, span.end, t.visible, &t.k);
        else
            locate_tile(wk, j0, span.end, &t);
        score_tile(&w, nr, dim, &t);
        weigh_tile(wk, &w, nr, v_dim, j0);
        if (wk->copy)
            copy_tile(wk, &c->v, v_dim, j0, span.end, t.visible, &t.v);
        add_tile(&w, nr, v_dim, &t);
    }
    end_rows(wk, nr, v_dim, &w);
}

INLINE void run_dim(const flash_work *wk, const int dim, const int v_dim)
{
    int32_t r = 0;

    for (; r + NQ <= wk->n; r += NQ)
        run_rows(wk, r, NQ, dim, v_dim);
    for (; NQ > 2 && r + 2 <= wk->n; r += 2)
        run_rows(wk, r, 2, dim, v_dim);
    for (; r < wk->n; r++)
        run_rows(wk, r, 1, dim, v_dim);
}

/*
 * The usual head sizes get code with constant loop bounds. Each is a function of its own: gcc makes
 * slower code of one function that has them all (of prompts with heads of 128 by a third).
 */
NOINLINE void run_64(const flash_work *wk)
{
    run_dim(wk, 64, 64);
}

NOINLINE void run_128(const flash_work *wk)
{
    run_dim(wk, 128, 128);
}

NOINLINE void run_any(const flash_work *wk)
{
    run_dim(wk, wk->call->problem->head_dim, wk->call->problem->v_head_dim);
}

INLINE void run_work(const flash_work *wk)
{
    const int32_t dim = wk->call->problem->head_dim, v_dim = wk->call->problem->v_head_dim;

    if (dim == 64 && v_dim == 64)
        run_64(wk);
    else if (dim == 128 && v_dim == 128)
        run_128(wk);
    else
        run_any(wk);
}

INLINE void run_exp2(const float *x, float *ret_y, int32_t n)
{
    for (int32_t i = 0; i < n; i += W)
        v_store(ret_y + i, v_exp2(v_load(x + i)));
}

#endif
