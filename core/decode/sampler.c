/* SPDX-License-Identifier: MIT */
#include "decode/sampler.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/size.h"
#include "ops/elementwise.h"

#define PRESET(name, greedy, t, k, p, m)                                                           \
    {                                                                                              \
        name,                                                                                      \
        {                                                                                          \
            sizeof(cg_sampling), greedy, t, k, p, m                                                \
        }                                                                                          \
    }

static const cg_sampling_preset presets[] = {
    PRESET("greedy", 1, 1.0f, 0, 1.0f, 0.0f),
    PRESET("top_p_sampling1", 0, 1.0f, 0, 1.0f, 0.0f),
    PRESET("top_p_sampling2", 0, 1.0f, 0, 0.8f, 0.0f),
    PRESET("top_p_sampling3", 0, 1.0f, 0, 0.6f, 0.0f),
    PRESET("top_p_sampling4", 0, 1.0f, 0, 0.4f, 0.0f),
    PRESET("min_p_sampling1", 0, 1.4f, 0, 1.0f, 0.1f),
    PRESET("min_p_sampling2", 0, 1.4f, 0, 1.0f, 0.075f),
    PRESET("min_p_sampling3", 0, 1.4f, 0, 1.0f, 0.05f),
    PRESET("qwen3", 0, 0.7f, 20, 0.8f, 0.0f),
};

const cg_sampling_preset *cg_sampling_presets(int32_t *ret_n)
{
    *ret_n = (int32_t)(sizeof presets / sizeof presets[0]);
    return presets;
}

cg_status cg_sampling_check(const cg_sampling *s, cg_error *err)
{
    if (s->greedy)
        return CG_OK; /* the other members are ignored */
    if (!(s->temperature > 0 && s->temperature <= 1000))
        return cg_fail(err, CG_ERR_USAGE,
                       "temperature %g: wanted more than 0, at most 1000; --greedy takes the most "
                       "probable token",
                       (double)s->temperature);
    if (s->top_k < 0)
        return cg_fail(err, CG_ERR_USAGE, "top-k %d: wanted 0 (off) or more", s->top_k);
    if (!(s->top_p > 0 && s->top_p <= 1))
        return cg_fail(err, CG_ERR_USAGE, "top-p %g: wanted more than 0, at most 1",
                       (double)s->top_p);
    if (!(s->min_p >= 0 && s->min_p < 1))
        return cg_fail(err, CG_ERR_USAGE, "min-p %g: wanted 0 (off) or more, less than 1",
                       (double)s->min_p);
    return CG_OK;
}

void cg_sampler_scratch_finish(cg_sampler_scratch *scratch)
{
    free(scratch->p);
    free(scratch->order);
    *scratch = (cg_sampler_scratch) { 0 };
}

static int32_t argmax(const float *x, int32_t n)
{
    int32_t best = 0;

    for (int32_t i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

/* Returns the first candidate at which the running sum exceeds u * total. */
static int32_t pick(const float *p, int32_t n, double total, float u)
{
    double target = (double)u * total, sum = 0;
    int32_t last = 0;

    for (int32_t i = 0; i < n; i++) {
        if (p[i] <= 0)
            continue;
        sum += p[i];
        last = i;
        if (sum > target)
            return i;
    }
    return last; /* rounding left the target slightly above the sum */
}

/* Orders by falling probability, equal ones by rising index. */
static int by_falling_p(const void *a, const void *b, void *p)
{
    int32_t i = *(const int32_t *)a, j = *(const int32_t *)b;
    const float *prob = p;

    if (prob[i] != prob[j])
        return prob[i] > prob[j] ? -1 : 1;
    return i < j ? -1 : i > j;
}

/*
 * Sets the probabilities that top-k, top-p and min-p exclude to zero; returns the sum of the rest.
 * Only top-k and top-p need the candidates in order.
 */
static double apply_filters(const cg_sampling *s, float *p, int32_t n, double total, int32_t *order)
{
    float floor = s->min_p; /* the most probable candidate has p = exp(0) = 1 */
    int32_t keep = n;
    double sum = 0;

    if (s->top_k > 0 || s->top_p < 1) {
        double share = 0;

        for (int32_t i = 0; i < n; i++)
            order[i] = i;
        qsort_r(order, (size_t)n, sizeof *order, by_falling_p, p);
        if (s->top_k > 0 && s->top_k < n) {
            keep = s->top_k;
            total = 0;
            for (int32_t i = 0; i < keep; i++)
                total += p[order[i]];
        }
        if (s->top_p < 1)
            for (int32_t i = 0; i < keep; i++) {
                share += p[order[i]];
                if (share >= (double)s->top_p * total)
                    keep = i + 1;
            }
        for (int32_t i = keep; i < n; i++)
            p[order[i]] = 0;
    }
    for (int32_t i = 0; i < n; i++) {
        if (p[i] < floor)
            p[i] = 0;
        sum += p[i];
    }
    return sum;
}

cg_status cg_sample(const cg_sampling *s, const float *logits, int32_t n, float u,
                    cg_sampler_scratch *scratch, int32_t *ret_index)
{
    double total;

    if (n == 1 || s->greedy) {
        *ret_index = argmax(logits, n);
        return CG_OK;
    }
    if (cg_grow((void **)&scratch->p, &scratch->cap_p, (size_t)n, sizeof *scratch->p) ||
        cg_grow((void **)&scratch->order, &scratch->cap_order, (size_t)n, sizeof *scratch->order))
        return CG_ERR_NOMEM;
    total = cg_exp_row(logits, cg_max(logits, n), 1.0f / s->temperature, n, scratch->p);
    if (s->top_k > 0 || s->top_p < 1 || s->min_p > 0)
        total = apply_filters(s, scratch->p, n, total, scratch->order);
    *ret_index = pick(scratch->p, n, total, u);
    return CG_OK;
}
