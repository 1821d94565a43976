/* SPDX-License-Identifier: MIT */
/*
 * The example of an attention plugin as it was in 1.0: plain attention in two passes. Compiled
 * against the headers of 1.0 and 1.1.
 */
#include <math.h>

#include <confgen/attention.h>
#include <confgen/attention_check.h>

#include "unasked.h"

enum { CAPS = CG_ATTENTION_DETERMINISTIC | CG_ATTENTION_BATCH_INVARIANT };

/* All that is known before the first call. A plugin keeps its state here, never in globals. */
struct plan {
    const cg_host *host;
    cg_attention_problem problem;
};

/* The host asks before it allocates anything; a refusal says why. */
static cg_status supports(const cg_host *host, const cg_attention_problem *p, cg_error *err)
{
    cg_status status = cg_attention_check_problem(host, p, err);

    if (status != CG_OK)
        return status;
    unasked(word_at(p, p->struct_size, PROBLEM_FEATURES) != 0, "features of attention");
    if (p->device != CG_DEVICE_CPU || p->dtype != CG_F32 || p->kv_dtype != CG_F32)
        return host->fail(err, CG_ERR_UNSUPPORTED, NAME " computes f32 on the CPU only");
    if (p->flags & ~(uint32_t)CAPS)
        return host->fail(err, CG_ERR_UNSUPPORTED, NAME " cannot be captured into a CUDA graph");
    return CG_OK;
}

static cg_status plan(const cg_host *host, const cg_attention_problem *p, void **ret_plan,
                      cg_error *err)
{
    cg_status status = supports(host, p, err);
    struct plan *self;

    if (status != CG_OK)
        return status;
    self = host->alloc(host->ctx, sizeof *self);
    if (!self)
        return host->fail(err, CG_ERR_NOMEM, NAME ": out of memory");
    self->host = host;
#if CG_PLUGIN_ABI_MINOR >= 1
    self->problem = cg_attention_keep_problem(p);
#else
    self->problem = *p;
#endif
    *ret_plan = self;
    return CG_OK;
}

static void destroy(void *plan)
{
    struct plan *self = plan;

    if (self)
        self->host->free(self->host->ctx, self);
}

static size_t workspace_size(const void *plan)
{
    (void)plan;
    return 0;
}

struct call {
    const cg_attention_problem *problem;
    const cg_attention_args *args;
};

static float score(const cg_attention_problem *p, const cg_kv_view *kv, int32_t slot, int32_t head,
                   int32_t pos, const float *q)
{
    const float *k = (const float *)((const char *)kv->k + cg_kv_offset(kv, slot, head, pos));
    float dot = 0;

    for (int32_t d = 0; d < p->head_dim; d++)
        dot += q[d] * k[d];
    return p->scale * dot;
}

/* One row and query head: softmax(scale * q . K) V over the tokens up to its own position. */
static void attend(const struct call *call, int32_t seq, int32_t row, int32_t head)
{
    const cg_attention_problem *p = call->problem;
    const cg_attention_args *a = call->args;
    const cg_kv_view *kv = a->kv;
    const float *q = (const float *)((const char *)a->q + row * a->q_stride) + head * p->head_dim;
    float *out = (float *)((char *)a->out + row * a->out_stride) + head * p->head_dim;
    int32_t kv_head = head / (p->n_heads / p->n_kv_heads), slot = a->slot[seq];
    int32_t pos = a->kv_len[seq] - a->q_start[seq + 1] + row;
    int32_t first = p->window && pos >= p->window ? pos - p->window + 1 : 0;
    float max = -INFINITY, sum = 0;

    for (int32_t j = first; j <= pos; j++) {
        float s = score(p, kv, slot, kv_head, j, q);

        max = s > max ? s : max;
    }
    for (int32_t d = 0; d < p->head_dim; d++)
        out[d] = 0;
    for (int32_t j = first; j <= pos; j++) {
        const float *v = (const float *)((const char *)kv->v + cg_kv_offset(kv, slot, kv_head, j));
        float weight = expf(score(p, kv, slot, kv_head, j, q) - max);

        sum += weight;
        for (int32_t d = 0; d < p->head_dim; d++)
            out[d] += weight * v[d];
    }
    for (int32_t d = 0; d < p->head_dim; d++)
        out[d] /= sum;
}

/* An item is a sequence and a query head: it always does the same sums in the same order. */
static void run_item(void *arg, int64_t item, int32_t worker)
{
    const struct call *call = arg;
    int32_t seq = (int32_t)(item / call->problem->n_heads);

    (void)worker;
    for (int32_t row = call->args->q_start[seq]; row < call->args->q_start[seq + 1]; row++)
        attend(call, seq, row, (int32_t)(item % call->problem->n_heads));
}

static cg_status run(void *plan, const cg_attention_args *args, cg_error *err)
{
    struct plan *self = plan;
    struct call call = { &self->problem, args };
    cg_status status = cg_attention_check_args(self->host, &self->problem, args, err);

    if (status == CG_OK)
        self->host->parallel_for(self->host->ctx, (int64_t)args->n_seqs * self->problem.n_heads,
                                 run_item, &call);
    return status;
}

static const cg_attention_ops ops = {
    CG_SIZED(cg_attention_ops),       .caps = CAPS, .supports = supports, .plan = plan,
    .workspace_size = workspace_size, .run = run,   .destroy = destroy,
};

static const cg_plugin plugin = {
    CG_SIZED(cg_plugin),
    .kind = CG_PLUGIN_ATTENTION,
    .abi_major = CG_PLUGIN_ABI_MAJOR,
    .abi_minor = CG_PLUGIN_ABI_MINOR,
    .name = NAME,
    .version = "1.0",
    .description = "plain attention in two passes",
    .ops = &ops,
};

cg_status cg_plugin_entry_v1(const cg_host *host, const cg_plugin **ret_plugin, cg_error *err)
{
    (void)err;
    if (!cg_host_is_complete(host))
        return CG_ERR_PLUGIN;
    *ret_plugin = &plugin;
    return CG_OK;
}
