/* SPDX-License-Identifier: MIT */
#include "decode/sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "ops/elementwise.h"

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

/* Sifts heap[at] down a heap of n elements whose smallest is the first. */
static void sift_down(float *heap, int32_t n, int32_t at)
{
    float x = heap[at];

    for (int32_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && heap[child + 1] < heap[child])
            child++;
        if (x <= heap[child])
            break;
        heap[at] = heap[child];
    }
    heap[at] = x;
}

/* The k-th largest of x, 1 <= k <= n. `heap`: [k]. */
static float kth_largest(const float *x, int32_t n, int32_t k, float *heap)
{
    memcpy(heap, x, (size_t)k * sizeof *x);
    for (int32_t i = k / 2; i-- > 0;)
        sift_down(heap, k, i);
    for (int32_t i = k; i < n; i++) {
        if (x[i] <= heap[0])
            continue;
        heap[0] = x[i];
        sift_down(heap, k, 0);
    }
    return heap[0];
}

/* Orders by rising logit, equal ones by falling index. */
static int by_rising_logit(const void *a, const void *b, void *p)
{
    int32_t i = *(const int32_t *)a, j = *(const int32_t *)b;
    const float *logits = p;

    if (logits[i] != logits[j])
        return logits[i] < logits[j] ? -1 : 1;
    return i > j ? -1 : i < j;
}

/*
 * Excludes the least likely of the n candidates in `order` that hold 1 - top_p of `total`.
 * transformers rounds the probabilities and their running sum to float32 and excludes on equality.
 * Of equal candidates at the border the first ones are kept; there any, its sort is not stable.
 */
static void apply_top_p(double top_p, const float *logits, double total, int32_t *order, int32_t n,
                        float *p)
{
    double below = 0;

    qsort_r(order, (size_t)n, sizeof *order, by_rising_logit, (void *)(uintptr_t)logits);
    for (int32_t i = 0; i + 1 < n; i++) {
        below += p[order[i]] / (float)total;
        if ((float)below > (float)(1 - top_p))
            break;
        p[order[i]] = 0;
    }
}

cg_status cg_sampling_weights(const cg_sampling *s, const float *logits, int32_t n,
                              cg_sampler_scratch *scratch, double *ret_total)
{
    float least = -INFINITY, min_p = (float)s->min_p, *p;
    int32_t *order, n_kept = 0;
    double total;

    if (cg_grow((void **)&scratch->p, &scratch->cap_p, (size_t)n, sizeof *scratch->p) ||
        cg_grow((void **)&scratch->order, &scratch->cap_order, (size_t)n, sizeof *scratch->order))
        return CG_ERR_NOMEM;
    p = scratch->p;
    order = scratch->order;
    if (s->top_k > 0 && s->top_k < n)
        least = kth_largest(logits, n, s->top_k, p);
    total = cg_exp_row(logits, cg_max(logits, n), 1.0f / (float)s->temperature, n, p);
    if (least > -INFINITY || s->top_p < 1) {
        total = 0;
        for (int32_t i = 0; i < n; i++) {
            if (logits[i] < least) {
                p[i] = 0;
                continue;
            }
            order[n_kept++] = i;
            total += p[i];
        }
    }
    if (s->top_p < 1)
        apply_top_p(s->top_p, logits, total, order, n_kept, p);
    if (s->top_p < 1 || min_p > 0) {
        total = 0;
        for (int32_t i = 0; i < n; i++) {
            if (p[i] < min_p) /* the most likely candidate has p = exp(0) = 1 */
                p[i] = 0;
            total += p[i];
        }
    }
    *ret_total = total;
    return CG_OK;
}

cg_status cg_sample(const cg_sampling *s, const float *logits, int32_t n, float u,
                    cg_sampler_scratch *scratch, int32_t *ret_index)
{
    double total;

    if (n == 1 || s->greedy) {
        *ret_index = argmax(logits, n);
        return CG_OK;
    }
    CG_TRY(cg_sampling_weights(s, logits, n, scratch, &total));
    *ret_index = pick(scratch->p, n, total, u);
    return CG_OK;
}
