/* SPDX-License-Identifier: MIT */
/* Attention on the GPU of fake_gpu.h: the plugin of tests/mutants/attention_cuda.cu with serial
 * kernels. */
#include "fake_plugins.h"

#include <math.h>
#include <string.h>

#include "conformance/element.h"
#include "fake_gpu.h"
#include "mutants/attention_cuda.h"

int fake_mutant;

/* ---- kernels ------------------------------------------------------------------------------- */

static float mutant_load(const void *p, int64_t i, cg_dtype t)
{
    return element_load((const char *)p + i * cg_dtype_size(t), t);
}

static void load_row(const char *from, cg_dtype t, int32_t n, float *ret)
{
    if (t == CG_F32)
        memcpy(ret, from, (size_t)n * sizeof *ret);
    else
        for (int32_t d = 0; d < n; d++)
            ret[d] = mutant_load(from, d, t);
}

static void add_value(const struct mutant_call *c, const char *v, float weight, float *acc)
{
    const cg_attention_problem *p = &c->problem;
    float row[MAX_DIM];

    load_row(v, p->kv_dtype, mutant_v_dim(p), row);
    for (int32_t d = 0; d < mutant_v_dim(p); d++)
        acc[d] += weight * row[d];
    for (int32_t d = 0; c->bug == 29 && d < mutant_v_dim(p); d++) /* sums in bf16 */
        acc[d] = element_round(acc[d], CG_BF16);
}

static float dot(const float *a, const float *b, int32_t n)
{
    float sum[8] = { 0 };

    for (int32_t d = 0; d < n; d += 8)
        for (int32_t i = 0; i < 8; i++)
            sum[i] += a[d + i] * b[d + i];
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

static void partial_kernel(const struct mutant_call *c, int32_t t, int32_t h, int32_t split)
{
    const cg_attention_problem *p = &c->problem;
    int32_t first, end, n;
    int64_t at = mutant_partial(c, split, t, h);
    float *acc = c->acc + at * mutant_v_dim(p), q[MAX_DIM], k[MAX_DIM], weight[SPLIT];
    float max = -INFINITY, sum = 0;
    const char *foreign;
    struct mutant_row r;

    if (!mutant_row_of(c, t, h, &r))
        return;
    first = r.first > split * SPLIT ? r.first : split * SPLIT;
    end = r.end < (split + 1) * SPLIT ? r.end : (split + 1) * SPLIT;
    n = end - first;
    if (n <= 0) {
        if (c->bug != 38) { /* without it, old contents of the workspace are used */
            c->max_sum[2 * at] = -INFINITY;
            c->max_sum[2 * at + 1] = 0;
        }
        return;
    }
    load_row((const char *)c->args.q + t * c->args.q_stride +
                 (int64_t)h * p->head_dim * cg_dtype_size(p->dtype),
             p->dtype, p->head_dim, q);
    for (int32_t j = 0; j < n; j++) {
        load_row(mutant_token(c, &r, first + j, 0), p->kv_dtype, p->head_dim, k);
        weight[j] = mutant_score(c, &r, t, h, first + j,
                                 mutant_scale(c) * dot(q, k, mutant_dot_elements(c)));
        max = fmaxf(max, weight[j]);
    }
    if (c->bug == 28) /* the largest score is not subtracted */
        max = 0;
    for (int32_t j = 0; j < n; j++) {
        float w = expf(weight[j] - (max == -INFINITY ? 0 : max));

        sum += w;
        weight[j] = element_round(w, mutant_weight_type(c));
    }
    memset(acc, 0, (size_t)mutant_v_dim(p) * sizeof *acc);
    for (int32_t j = 0; j < n; j++) {
        int32_t i = c->other_bits ? n - 1 - j : j;

        add_value(c, mutant_token(c, &r, first + i, 1),
                  weight[i] * mutant_kv_scale(c, &r, first + i, 1), acc);
    }
    for (int32_t j = end; end == r.end && j < mutant_tile_end(c, &r); j++)
        add_value(c, mutant_token(c, &r, j, 1), 0, acc);
    foreign = mutant_foreign_value(c, &r);
    if (foreign)
        add_value(c, foreign, 0, acc);
    c->max_sum[2 * at] = max;
    c->max_sum[2 * at + 1] = sum;
}

static void merge_kernel(const struct mutant_call *c, int32_t t, int32_t h)
{
    const cg_attention_problem *p = &c->problem;
    uint32_t size = cg_dtype_size(p->dtype);
    int32_t v_dim = mutant_v_dim(p);
    char *out = (char *)c->args.out + t * c->args.out_stride + (int64_t)h * v_dim * size;
    float max = -INFINITY, sum = 0, x[MAX_DIM] = { 0 };
    struct mutant_row r;
    int32_t n;

    if (!mutant_row_of(c, t, h, &r))
        return;
    n = mutant_merged_splits(c, &r);
    for (int32_t s = 0; s < n; s++)
        max = fmaxf(max, c->max_sum[2 * mutant_partial(c, s, t, h)]);
    max = mutant_max_with_sink(c, h, max);
    for (int32_t s = 0; s < n; s++) {
        int64_t at = mutant_partial(c, s, t, h);
        float factor = expf(c->max_sum[2 * at] - max);

        sum += factor * c->max_sum[2 * at + 1];
        for (int32_t d = 0; c->max_sum[2 * at + 1] != 0 && d < v_dim; d++)
            x[d] += factor * c->acc[at * v_dim + d];
    }
    sum += mutant_sink_weight(c, h, max);
    for (int32_t d = 0; d < v_dim; d++) {
        float y = x[d] / sum;

        if (c->bug == 6 && d == 3) /* imprecise */
            y *= 1.02f;
        if (c->bug == 36) /* rounded to bf16 first */
            y = element_round(y, CG_BF16);
        element_store(out + d * size, p->dtype, y);
    }
    if (t == 0 && h == 0 && mutant_flips(c))
        *out ^= 1;
}

static void kernels(const void *arg)
{
    const struct mutant_call *c = arg;
    const cg_attention_problem *p = &c->problem;

    for (int32_t t = 0; t < c->n_tokens; t++)
        for (int32_t h = 0; h < p->n_heads; h++) {
            for (int32_t split = 0; split < c->n_splits; split++)
                partial_kernel(c, t, h, split);
            merge_kernel(c, t, h);
        }
    mutant_write_elsewhere(c, mutant_partials(p, c->n_splits) * ((size_t)mutant_v_dim(p) + 2) *
                                  sizeof(float));
}

/* ---- device -------------------------------------------------------------------------------- */

static cg_gpu *only_gpu(void)
{
    cg_error err = CG_ERROR_INIT;
    cg_gpu *gpu = NULL;

    (void)cg_gpu_open(0, &gpu, &err);
    return gpu;
}

static int mutant_load_kernels(void)
{
    return 0;
}

static int mutant_device_alloc(size_t bytes, void **ret_ptr)
{
    cg_error err = CG_ERROR_INIT;

    return cg_gpu_alloc(only_gpu(), bytes, ret_ptr, &err) != CG_OK;
}

static void mutant_device_free(void *ptr)
{
    cg_gpu_free(only_gpu(), ptr);
}

static int mutant_device_set(int32_t *ptr, int32_t n, int32_t value)
{
    for (int32_t i = 0; i < n; i++)
        ptr[i] = value;
    return 0;
}

static int mutant_synchronise(void *stream)
{
    cg_error err = CG_ERROR_INIT;

    return cg_gpu_synchronize(stream, &err) != CG_OK; /* a stream of fake_gpu.h is its GPU */
}

static int mutant_is_capturing(void *stream)
{
    (void)stream;
    return fake_capturing();
}

static int mutant_queue(const struct mutant_call *call, void *stream, int elsewhere)
{
    (void)stream;
    if (call->bug == FAKE_MUTANT_DEVICE)
        fake_set_device(1);
    if (elsewhere)
        kernels(call);
    else
        fake_launch(kernels, call, sizeof *call);
    return 0;
}

/* ---- plugin -------------------------------------------------------------------------------- */

/* The number of the fault is read at each plan, as an environment variable is at each load. */
static cg_status supports(const cg_host *h, const cg_attention_problem *p, cg_error *err)
{
    mutant_bug = fake_mutant;
    return mutant_supports(h, p, err);
}

static cg_status make_plan(const cg_host *h, const cg_attention_problem *p, void **ret_plan,
                           cg_error *err)
{
    mutant_bug = fake_mutant;
    return mutant_make_plan(h, p, ret_plan, err);
}

cg_attention_ops fake_attention(void)
{
    cg_attention_ops ops = MUTANT_ATTENTION_OPS;

    ops.features = fake_mutant >= 2000 ? FEATURES : 0;
    ops.supports = supports;
    ops.plan = make_plan;
    return ops;
}
