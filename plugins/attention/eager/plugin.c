/* SPDX-License-Identifier: MIT */
/*
 * eager: a direct implementation of the operation in confgen/attention.h, whose formula is in
 * formula.h. All scores of a row, their softmax, then the weighted sum; float arithmetic, tokens
 * and elements in ascending order. This file is the CPU implementation; eager_cuda.c is the one for
 * GPUs.
 */
#include <string.h>

#include <confgen/attention_check.h>

#include "formula.h"

#ifdef CG_WITH_CUDA
#include "eager_cuda.h"
enum { CAPS = CG_ATTENTION_DETERMINISTIC | CG_ATTENTION_BATCH_INVARIANT | CG_ATTENTION_GRAPH_SAFE };
#else
enum { CAPS = CG_ATTENTION_DETERMINISTIC | CG_ATTENTION_BATCH_INVARIANT };
#endif

enum {
    FEATURES = CG_ATTENTION_SOFTCAP | CG_ATTENTION_ALIBI | CG_ATTENTION_SINK_LOGITS |
               CG_ATTENTION_SINK_TOKENS | CG_ATTENTION_BIAS | CG_ATTENTION_NO_MASK |
               CG_ATTENTION_VALUE_SIZE | CG_ATTENTION_KV_SCALES | CG_ATTENTION_POSITIONS |
               CG_ATTENTION_TREE
};

typedef struct eager_plan {
    const cg_host *host;
    cg_attention_problem problem;
} eager_plan;

static cg_status supports(const cg_host *host, const cg_attention_problem *p, cg_error *err)
{
    CG_TRY(cg_attention_check_problem(host, p, err));
    if (cg_attention_uses(p, ~(uint32_t)FEATURES))
        return host->fail(err, CG_ERR_UNSUPPORTED, "unknown features 0x%x",
                          p->features & ~(uint32_t)FEATURES);
    if (p->device == CG_DEVICE_CUDA)
#ifdef CG_WITH_CUDA
        return eager_cuda_supports(host, p, err);
#else
        return host->fail(err, CG_ERR_UNSUPPORTED, "this eager was built without CUDA");
#endif
    if (p->device != CG_DEVICE_CPU)
        return host->fail(err, CG_ERR_UNSUPPORTED, "eager needs cpu or cuda, but the device is %s",
                          cg_device_name(p->device));
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
#ifdef CG_WITH_CUDA
    if (p->device == CG_DEVICE_CUDA)
        CG_TRY(eager_cuda_load(host, p, err));
#endif
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

/* Memory of one worker, in floats: the row and head that it computes. */
struct scratch {
    float *q;       /* [head_dim] if q is not of f32 */
    float *element; /* [larger of head_dim and v_head_dim] of a key or value that is not of f32 */
    float *out;     /* [v_head_dim] */
    float *score;   /* [max_kv_len] by token, then its weight */
};

static size_t larger(int32_t a, int32_t b)
{
    return (size_t)(a > b ? a : b);
}

static size_t scratch_floats(const cg_attention_problem *p)
{
    return (size_t)p->head_dim + larger(p->head_dim, p->v_head_dim) + (size_t)p->v_head_dim +
           (size_t)p->max_kv_len;
}

static struct scratch scratch_of(const cg_attention_problem *p, void *workspace, int32_t worker)
{
    struct scratch s = { .q = (float *)workspace + (size_t)worker * scratch_floats(p) };

    s.element = s.q + p->head_dim;
    s.out = s.element + larger(p->head_dim, p->v_head_dim);
    s.score = s.out + p->v_head_dim;
    return s;
}

/* CUDA keeps it in shared memory. */
static size_t workspace_size(const void *self)
{
    const eager_plan *e = self;

    if (e->problem.device != CG_DEVICE_CPU)
        return 0;
    return (size_t)e->host->workers * scratch_floats(&e->problem) * sizeof(float);
}

/* n elements times `scale` as floats: in place, or converted into `room`. */
static const float *floats_of(const void *at, cg_dtype t, int32_t n, float scale, float *room)
{
    if (t == CG_F32 && scale == 1)
        return at;
    cg_elements_load(room, at, t, n);
    for (int32_t i = 0; i < n; i++)
        room[i] *= scale;
    return room;
}

/* The row and head `r`: q [head_dim] to out [v_head_dim], of the problem's type. */
static void attend(const eager_row *r, const void *q_at, void *out_at, const struct scratch *s)
{
    const cg_attention_problem *p = r->p;
    const float *q = floats_of(q_at, p->dtype, p->head_dim, 1, s->q);
    float sink = eager_sink(r), max = sink, sum = 0;

    for (int32_t j = r->first; j < r->end; j++) {
        const float *k;
        float dot = 0;

        if (!eager_attends(r, j))
            continue;
        k = floats_of(eager_key(r, j), p->kv_dtype, p->head_dim, eager_key_scale(r, j), s->element);
        for (int32_t d = 0; d < p->head_dim; d++)
            dot += q[d] * k[d];
        s->score[j] = eager_score(r, j, dot);
        if (s->score[j] > max)
            max = s->score[j];
    }
    if (sink > -INFINITY)
        sum = expf(sink - max);
    for (int32_t j = r->first; j < r->end; j++) {
        if (!eager_attends(r, j))
            continue;
        s->score[j] = expf(s->score[j] - max);
        sum += s->score[j];
    }
    memset(s->out, 0, (size_t)p->v_head_dim * sizeof *s->out);
    for (int32_t j = r->first; j < r->end; j++) {
        const float *v;
        float weight;

        if (!eager_attends(r, j))
            continue;
        v = floats_of(eager_value(r, j), p->kv_dtype, p->v_head_dim, eager_value_scale(r, j),
                      s->element);
        weight = s->score[j] / sum;
        for (int32_t d = 0; d < p->v_head_dim; d++)
            s->out[d] += weight * v[d];
    }
    cg_elements_store(out_at, p->dtype, s->out, p->v_head_dim);
}

struct eager_loop {
    const cg_attention_problem *problem;
    const cg_attention_args *args;
};

/* Item: one sequence and query head. */
static void run_item(void *arg, int64_t item, int32_t worker)
{
    const struct eager_loop *loop = arg;
    const cg_attention_problem *p = loop->problem;
    const cg_attention_args *a = loop->args;
    int32_t i = (int32_t)(item / p->n_heads), head = (int32_t)(item % p->n_heads);
    int64_t size = cg_dtype_size(p->dtype);
    struct scratch s = scratch_of(p, a->workspace, worker);

    for (int32_t t = a->q_start[i]; t < a->q_start[i + 1]; t++) {
        eager_row r = eager_row_of(p, a, a->kv, i, t, head);
        const char *q = (const char *)a->q + t * a->q_stride;
        char *out = (char *)a->out + t * a->out_stride;

        attend(&r, q + head * size * p->head_dim, out + head * size * p->v_head_dim, &s);
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
    .workspace_size = workspace_size, .run = run,   .destroy = destroy,   .features = FEATURES,
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
