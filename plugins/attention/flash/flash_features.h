/* SPDX-License-Identifier: MIT */
/**
 * @file flash_features.h  Features of confgen/attention.h that change the scores of a row, or the
 * tokens that it attends to other than by mask and window.
 */
#ifndef FLASH_FEATURES_H
#define FLASH_FEATURES_H

#include "../../common/elements.h"
#include "flash_tile.h"

/* exp(x) is computed as exp2(LOG2E x) */
#define LOG2E 1.44269504f

enum {
    SCORE_FEATURES = CG_ATTENTION_SOFTCAP | CG_ATTENTION_ALIBI | CG_ATTENTION_BIAS,
    TOKEN_FEATURES = CG_ATTENTION_SINK_TOKENS | CG_ATTENTION_TREE,
};

/*
 * cap tanh(x / cap) of scores that are LOG2E x, in the same unit: tanh(y) = (1 - e) / (1 + e) with
 * e = exp(-2 y). The error is absolute, a unit in the last place of cap.
 */
INLINE vec soft_cap(vec s, float cap)
{
    const vec one = v_set1(1.0f);
    vec e;

    s = v_max(v_set1(-60.0f * cap), s); /* e stays finite; v_max() keeps a NaN */
    e = v_exp2(v_mul(s, v_set1(-2.0f / cap)));
    return v_mul(v_set1(LOG2E * cap), v_div(v_sub(one, e), v_add(one, e)));
}

/* Applies soft-cap, ALiBi and bias to the scores of row r in the tile at j0. */
NOINLINE void change_scores(const flash_work *wk, struct rows *w, int r, int32_t j0)
{
    const cg_attention_problem *p = wk->call->problem;
    const cg_attention_args *a = wk->call->args;
    float term[FLASH_TILE] = { 0 };

    if (p->features & CG_ATTENTION_BIAS) { /* of no other tokens: there may be none */
        int32_t lo = __builtin_ctz(w->visible[r]), hi = 32 - __builtin_clz(w->visible[r]);
        const char *bias = (const char *)a->bias + w->token[r] * a->bias_row_stride +
                           w->head[r] * a->bias_head_stride;

        cg_elements_load(term + lo, bias + (int64_t)(j0 + lo) * cg_dtype_size(p->bias_dtype),
                         p->bias_dtype, hi - lo);
    }
    if (p->features & CG_ATTENTION_ALIBI) {
        float slope = a->alibi_slope[w->head[r]];

        for (int32_t j = 0; j < FLASH_TILE; j++)
            term[j] += slope * (float)(j0 + j - w->pos[r]);
    }
    for (int j = 0; j < FLASH_TILE; j += W) {
        vec s = v_load(w->p[r] + j);

        if (p->features & CG_ATTENTION_SOFTCAP)
            s = soft_cap(s, p->softcap);
        v_store(w->p[r] + j, v_fma(v_set1(LOG2E), v_load(term + j), s));
    }
}

/* Tokens of the work item's sequence that were cached before the call. */
INLINE int32_t cached_before(const flash_work *wk)
{
    const cg_attention_args *a = wk->call->args;

    return a->kv_len[wk->seq] - (a->q_start[wk->seq + 1] - a->q_start[wk->seq]);
}

/* Sets position and tokens of row r, by mask and window; with a tree of the tokens cached before.
 */
INLINE void set_tokens(const flash_work *wk, struct rows *w, int r)
{
    const cg_attention_problem *p = wk->call->problem;
    const cg_attention_args *a = wk->call->args;
    int32_t before = cached_before(wk), pos = before + w->token[r] - a->q_start[wk->seq];
    int32_t end = p->features & CG_ATTENTION_TREE ? before : a->kv_len[wk->seq];

    if (p->features & CG_ATTENTION_POSITIONS)
        pos = a->position[w->token[r]];
    w->pos[r] = pos;
    w->first[r] = p->window && pos >= p->window ? pos - p->window + 1 : 0;
    w->end[r] = p->mask == CG_MASK_CAUSAL && pos < end ? pos + 1 : end;
}

/* Tokens that some row may attend to: j < sinks, and begin <= j < end, where begin is of a tile. */
struct key_span {
    int32_t sinks, begin, end;
};

INLINE struct key_span span_of(const flash_work *wk, const struct rows *w, const int nr)
{
    const cg_attention_problem *p = wk->call->problem;
    struct key_span s = { .sinks = p->sink_tokens, .begin = INT32_MAX };

    for (int r = 0; r < nr; r++) {
        s.begin = w->first[r] < s.begin ? w->first[r] : s.begin;
        s.end = w->end[r] > s.end ? w->end[r] : s.end;
    }
    if (p->features & CG_ATTENTION_TREE) {
        s.begin = cached_before(wk) < s.begin ? cached_before(wk) : s.begin;
        s.end = wk->call->args->kv_len[wk->seq];
    }
    s.begin -= s.begin % FLASH_TILE;
    return s;
}

/* Bits bit .. bit + 31 of an array of words; those outside of it are 0. */
INLINE uint32_t bits_at(const uint32_t *words, int32_t n_words, int32_t bit)
{
    int32_t i = bit >> 5, shift = bit & 31;
    uint32_t low = i >= 0 && i < n_words ? words[i] : 0;
    uint32_t high = i + 1 >= 0 && i + 1 < n_words ? words[i + 1] : 0;

    return shift ? low >> shift | high << (32 - shift) : low;
}

/* Tokens of the tile at j0 that row r attends to besides those of mask and window. */
NOINLINE uint32_t more_tokens(const flash_work *wk, const struct rows *w, int r, int32_t j0)
{
    const cg_attention_problem *p = wk->call->problem;
    const cg_attention_args *a = wk->call->args;
    int32_t sinks = p->sink_tokens < w->end[r] ? p->sink_tokens : w->end[r];
    uint32_t bits = token_bits(0 - j0, sinks - j0);

    if (p->features & CG_ATTENTION_TREE)
        bits |= bits_at(a->tree_mask + (int64_t)w->token[r] * a->tree_words, a->tree_words,
                        j0 - cached_before(wk));
    return bits;
}

#endif
