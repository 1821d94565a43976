/* SPDX-License-Identifier: MIT */
/**
 * @file formula.h  The formula of confgen/attention.h for one row and query head: which tokens it
 * attends to, and their scores. On the host and in kernels; pointers are memory of the device.
 */
#ifndef EAGER_FORMULA_H
#define EAGER_FORMULA_H

#include <math.h>

#include <confgen/attention.h>

#include "../../common/elements.h"

/** A row of q and a query head. */
typedef struct eager_row {
    const cg_attention_problem *p; /* of cg_attention_keep_problem() */
    const cg_attention_args *a;
    const cg_kv_view *kv;
    int32_t t;             /* row */
    int32_t head, kv_head; /* query head, and the key/value head that it reads */
    int32_t slot;
    int32_t before;     /* tokens of the sequence cached before the call */
    int32_t pos;        /* position */
    int32_t first, end; /* the row attends to no token outside of [first, end) */
} eager_row;

static inline CG_HOST_DEVICE int eager_uses(const eager_row *r, uint32_t feature)
{
    return (r->p->features & feature) != 0;
}

/** Row t of sequence i, and query head `head`. */
static inline CG_HOST_DEVICE eager_row eager_row_of(const cg_attention_problem *p,
                                                    const cg_attention_args *a,
                                                    const cg_kv_view *kv, int32_t i, int32_t t,
                                                    int32_t head)
{
    int32_t len = a->kv_len[i];
    eager_row r;

    r.p = p;
    r.a = a;
    r.kv = kv;
    r.t = t;
    r.head = head;
    r.kv_head = head / (p->n_heads / p->n_kv_heads);
    r.slot = a->slot[i];
    r.before = len - (a->q_start[i + 1] - a->q_start[i]);
    r.pos = eager_uses(&r, CG_ATTENTION_POSITIONS) ? a->position[t] : r.before + t - a->q_start[i];
    r.first = 0;
    r.end = len;
    if (eager_uses(&r, CG_ATTENTION_TREE))
        return r;
    if (p->window && !p->sink_tokens && r.pos >= p->window)
        r.first = r.pos - p->window + 1;
    if (p->mask == CG_MASK_CAUSAL && r.pos < len)
        r.end = r.pos + 1;
    return r;
}

/** True if the row attends to token j of [first, end). */
static inline CG_HOST_DEVICE int eager_attends(const eager_row *r, int32_t j)
{
    int32_t b = j - r->before; /* row of the call, of the same sequence, whose key token j is */

    if (eager_uses(r, CG_ATTENTION_TREE) && b >= 0)
        return r->a->tree_mask[(int64_t)r->t * r->a->tree_words + b / 32] >> b % 32 & 1;
    return (r->p->mask == CG_MASK_NONE || j <= r->pos) &&
           (r->p->window == 0 || r->pos - j < r->p->window || j < r->p->sink_tokens);
}

/** The key of token j. */
static inline CG_HOST_DEVICE const void *eager_key(const eager_row *r, int32_t j)
{
    return (const char *)r->kv->k + cg_kv_offset(r->kv, r->slot, r->kv_head, j);
}

/** The value of token j. */
static inline CG_HOST_DEVICE const void *eager_value(const eager_row *r, int32_t j)
{
    return (const char *)r->kv->v + (eager_uses(r, CG_ATTENTION_VALUE_SIZE)
                                         ? cg_kv_value_offset(r->kv, r->slot, r->kv_head, j)
                                         : cg_kv_offset(r->kv, r->slot, r->kv_head, j));
}

static inline CG_HOST_DEVICE float eager_scale_at(const eager_row *r, const float *scales,
                                                  int32_t j)
{
    return *(const float *)((const char *)scales +
                            cg_kv_scale_offset(r->kv, r->slot, r->kv_head, j));
}

/** The factor of the stored numbers of key j. */
static inline CG_HOST_DEVICE float eager_key_scale(const eager_row *r, int32_t j)
{
    return eager_uses(r, CG_ATTENTION_KV_SCALES) && r->kv->k_scale
               ? eager_scale_at(r, r->kv->k_scale, j)
               : 1;
}

/** The factor of the stored numbers of value j. */
static inline CG_HOST_DEVICE float eager_value_scale(const eager_row *r, int32_t j)
{
    return eager_uses(r, CG_ATTENTION_KV_SCALES) && r->kv->v_scale
               ? eager_scale_at(r, r->kv->v_scale, j)
               : 1;
}

/** The score of token j, given q . K[j]. */
static inline CG_HOST_DEVICE float eager_score(const eager_row *r, int32_t j, float dot)
{
    const cg_attention_problem *p = r->p;
    const cg_attention_args *a = r->a;
    float score = p->scale * dot;

    if (eager_uses(r, CG_ATTENTION_SOFTCAP))
        score = p->softcap * tanhf(score / p->softcap);
    if (eager_uses(r, CG_ATTENTION_ALIBI))
        score += a->alibi_slope[r->head] * (float)(j - r->pos);
    if (eager_uses(r, CG_ATTENTION_BIAS))
        score += cg_element_load((const char *)a->bias + r->t * a->bias_row_stride +
                                     r->head * a->bias_head_stride +
                                     (int64_t)j * cg_dtype_size(p->bias_dtype),
                                 p->bias_dtype);
    return score;
}

/** The logit whose exponential is added to the sum of the weights. */
static inline CG_HOST_DEVICE float eager_sink(const eager_row *r)
{
    return eager_uses(r, CG_ATTENTION_SINK_LOGITS) ? r->a->sink_logit[r->head] : -INFINITY;
}

#endif
