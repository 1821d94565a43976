/* SPDX-License-Identifier: MIT */
/*
 * eager: a direct implementation of the operation in confgen/attention.h. All scores of a row,
 * their softmax, then the weighted sum; float arithmetic, tokens and elements in ascending order.
 * This file is the CPU implementation; eager_cuda.c is the one for GPUs.
 */
#include <math.h>
#include <string.h>

#include <confgen/attention.h>
#include <confgen/attention_check.h>

#ifdef CG_WITH_CUDA
#include "eager_cuda.h"
enum { CAPS = CG_ATTENTION_DETERMINISTIC | CG_ATTENTION_BATCH_INVARIANT | CG_ATTENTION_GRAPH_SAFE };
#else
enum { CAPS = CG_ATTENTION_DETERMINISTIC | CG_ATTENTION_BATCH_INVARIANT };
#endif

typedef struct eager_plan {
    const cg_host *host;
    cg_attention_problem problem;
} eager_plan;

static cg_status supports(const cg_host *host, const cg_attention_problem *p, cg_error *err)
{
    CG_TRY(cg_attention_check_problem(host, p, err));
    if (p->device == CG_DEVICE_CUDA)
#ifdef CG_WITH_CUDA
        return eager_cuda_supports(host, p, err);
#else
        return host->fail(err, CG_ERR_UNSUPPORTED, "this eager was built without CUDA");
#endif
    if (p->device != CG_DEVICE_CPU)
        return host->fail(err, CG_ERR_UNSUPPORTED, "eager needs cpu or cuda, but the device is %s",
                          cg_device_name(p->device));
    if (p->dtype != CG_F32 || p->kv_dtype != CG_F32)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "q of %s, cache of %s: on the CPU eager computes in f32 only",
                          cg_dtype_name(p->dtype), cg_dtype_name(p->kv_dtype));
    if (p->flags & CG_ATTENTION_GRAPH_SAFE)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "CUDA graph capture is not available on the CPU");
    return CG_OK;
}

static cg_status plan(const cg_host *host, const cg_attention_problem *p, void **ret_plan,
                      cg_error *err)
{
    eager_plan *e;

    CG_TRY(supports(host, p, err));
    e = host->alloc(host->ctx, sizeof *e);
    if (!e)
        return host->fail(err, CG_ERR_NOMEM, "eager: out of host memory for a plan");
    e->host = host;
    e->problem = cg_attention_keep_problem(p);
    *ret_plan = e;
    return CG_OK;
}

static void destroy(void *self)
{
    eager_plan *e = self;

    if (e)
        e->host->free(e->host->ctx, e);
}

/* The scores of one row per worker; CUDA keeps them in shared memory. */
static size_t workspace_size(const void *self)
{
    const eager_plan *e = self;

    if (e->problem.device != CG_DEVICE_CPU)
        return 0;
    return (size_t)e->host->workers * (size_t)e->problem.max_kv_len * sizeof(float);
}

struct eager_loop {
    const cg_attention_problem *problem;
    const cg_attention_args *args;
};

/*
 * out = softmax(scale * q . K[first .. pos]) V[first .. pos] of one row and head.
 *
 * @param q, out  [head_dim]
 * @param score   [pos + 1] scratch, indexed by token
 */
static void attend(const cg_attention_problem *p, const cg_kv_view *kv, int32_t slot,
                   int32_t kv_head, int32_t pos, const float *q, float *out, float *score)
{
    int32_t first = p->window && pos >= p->window ? pos - p->window + 1 : 0;
    float max = -INFINITY, sum = 0;

    for (int32_t j = first; j <= pos; j++) {
        const float *k = (const float *)((const char *)kv->k + cg_kv_offset(kv, slot, kv_head, j));
        float dot = 0;

        for (int32_t d = 0; d < p->head_dim; d++)
            dot += q[d] * k[d];
        score[j] = p->scale * dot;
        if (score[j] > max)
            max = score[j];
    }
    for (int32_t j = first; j <= pos; j++) {
        score[j] = expf(score[j] - max);
        sum += score[j];
    }
    memset(out, 0, (size_t)p->head_dim * sizeof *out);
    for (int32_t j = first; j <= pos; j++) {
        const float *v = (const float *)((const char *)kv->v + cg_kv_offset(kv, slot, kv_head, j));
        float weight = score[j] / sum;

        for (int32_t d = 0; d < p->head_dim; d++)
            out[d] += weight * v[d];
    }
}

/* Item: one sequence and query head. */
static void run_item(void *arg, int64_t item, int32_t worker)
{
    const struct eager_loop *loop = arg;
    const cg_attention_problem *p = loop->problem;
    const cg_attention_args *a = loop->args;
    int32_t i = (int32_t)(item / p->n_heads), h = (int32_t)(item % p->n_heads);
    int32_t kv_head = h / (p->n_heads / p->n_kv_heads);
    int32_t end = a->q_start[i + 1];
    float *score = (float *)a->workspace + (size_t)worker * (size_t)p->max_kv_len;

    for (int32_t t = a->q_start[i]; t < end; t++) {
        const char *q = (const char *)a->q + t * a->q_stride;
        char *out = (char *)a->out + t * a->out_stride;
        size_t head = (size_t)h * (size_t)p->head_dim;

        attend(p, a->kv, a->slot[i], kv_head, a->kv_len[i] - end + t, (const float *)q + head,
               (float *)out + head, score);
    }
}

static cg_status run(void *self, const cg_attention_args *args, cg_error *err)
{
    eager_plan *e = self;
    struct eager_loop loop = { &e->problem, args };

#ifdef CG_WITH_CUDA
    if (e->problem.device == CG_DEVICE_CUDA)
        return eager_cuda_run(e->host, &e->problem, args, err);
#endif
    CG_TRY(cg_attention_check_args(e->host, &e->problem, args, err));
    e->host->parallel_for(e->host->ctx, (int64_t)args->n_seqs * e->problem.n_heads, run_item,
                          &loop);
    return CG_OK;
}

static const cg_attention_ops ops = {
    CG_SIZED(cg_attention_ops),       .caps = CAPS, .supports = supports, .plan = plan,
    .workspace_size = workspace_size, .run = run,   .destroy = destroy,
};

static const cg_plugin plugin = {
    CG_PLUGIN_HEADER(CG_PLUGIN_ATTENTION),
    .name = "eager",
    .version = CG_VERSION_STRING,
    .description = "direct implementation in f32 arithmetic, for reference",
    .ops = &ops,
};

cg_status cg_plugin_entry_v1(const cg_host *host, const cg_plugin **ret_plugin, cg_error *err)
{
    return cg_plugin_enter(host, &plugin, ret_plugin, err);
}
