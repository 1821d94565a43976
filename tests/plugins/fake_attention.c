/* SPDX-License-Identifier: MIT */
/* Attention with the types and arguments of CUDA, on the GPU of fake_gpu.h. */
#include "fake_plugins.h"

#include <math.h>
#include <string.h>

#include <confgen/attention_check.h>

#include "conformance/element.h"
#include "fake_gpu.h"

int fake_mutant;
static int calls;

enum { WORKSPACE = 512 };

struct attention_plan {
    const cg_host *host;
    cg_attention_problem problem;
};

struct attention_call {
    const struct attention_plan *plan;
    cg_attention_args args;
    cg_kv_view kv;
};

static cg_status check(const cg_host *h, const cg_attention_problem *p, cg_error *err)
{
    cg_status st = cg_attention_check_problem(h, p, err);

    if (st == CG_OK && (p->device != CG_DEVICE_CUDA || (p->head_dim != 64 && p->head_dim != 128)))
        st = h->fail(fake_mutant == 10 ? NULL : err, CG_ERR_UNSUPPORTED, "head size %d on %s",
                     p->head_dim, cg_device_name(p->device));
    return st;
}

static cg_status attention_supports(const cg_host *h, const cg_attention_problem *p, cg_error *err)
{
    return fake_mutant == 9 ? CG_OK : check(h, p, err); /* 9: supports everything */
}

static cg_status attention_plan(const cg_host *h, const cg_attention_problem *p, void **ret_plan,
                                cg_error *err)
{
    cg_status st = check(h, p, err);
    struct attention_plan *plan;

    if (st != CG_OK)
        return st;
    plan = h->alloc(h->ctx, sizeof *plan);
    if (!plan)
        return h->fail(err, CG_ERR_NOMEM, "fake: out of host memory for a plan");
    *plan = (struct attention_plan) { h, cg_attention_keep_problem(p) };
    *ret_plan = plan;
    return CG_OK;
}

static size_t attention_workspace(const void *plan)
{
    (void)plan;
    return WORKSPACE;
}

static void attention_destroy(void *self)
{
    static void *kept[4096] __attribute__((used)); /* reachable for leak checkers */
    static int n;
    struct attention_plan *plan = self;

    if (plan && fake_mutant == 11 && n < 4096) /* leaks the host's allocation */
        kept[n++] = plan;
    else if (plan)
        plan->host->free(plan->host->ctx, plan);
}

static void attend(const struct attention_call *c, int32_t slot, int32_t pos, int32_t head,
                   const char *q, char *out)
{
    const cg_attention_problem *p = &c->plan->problem;
    int32_t kv_head = head / (p->n_heads / p->n_kv_heads);
    int32_t first = p->window && pos >= p->window && fake_mutant != 12 ? pos - p->window + 1 : 0;
    /* 1: attends to one token too many; not with a page table, whose entry may be invalid */
    int32_t last = fake_mutant == 1 && !c->kv.page_table ? pos + 1 : pos;
    uint32_t size = cg_dtype_size(p->dtype), kv_size = cg_dtype_size(p->kv_dtype);
    float max = -INFINITY, sum = 0, acc[256] = { 0 }, score[20000];

    for (int32_t j = first; j <= last; j++) {
        const char *k = (const char *)c->kv.k + cg_kv_offset(&c->kv, slot, kv_head, j);

        score[j] = 0;
        for (int32_t d = 0; d < p->head_dim; d++)
            score[j] +=
                element_load(q + d * size, p->dtype) * element_load(k + d * kv_size, p->kv_dtype);
        score[j] *= p->scale;
        max = fmaxf(max, score[j]);
    }
    for (int32_t j = first; j <= last; j++) {
        const char *v = (const char *)c->kv.v + cg_kv_offset(&c->kv, slot, kv_head, j);
        float weight = expf(score[j] - max);

        sum += weight;
        /* rounded as for tensor cores; 13: coarser than the type */
        weight = element_round(weight, fake_mutant == 13 ? CG_BF16 : p->dtype);
        for (int32_t d = 0; d < p->head_dim; d++)
            acc[d] += weight * element_load(v + d * kv_size, p->kv_dtype);
    }
    for (int32_t d = 0; d < p->head_dim; d++)
        element_store(out + d * size, p->dtype,
                      acc[d] / sum *
                          (fake_mutant == 6 && d == 3 ? 1.02f : 1.0f)); /* 6: imprecise */
}

static void attention_kernel(const void *at)
{
    const struct attention_call *c = at;
    const cg_attention_args *a = &c->args;
    const cg_attention_problem *p = &c->plan->problem;
    int32_t rows = a->q_start[a->n_seqs];
    size_t head_bytes = (size_t)p->head_dim * cg_dtype_size(p->dtype);
    int64_t row_bytes = (int64_t)head_bytes * p->n_heads;

    calls++;
    memset(a->workspace, 0, WORKSPACE + (fake_mutant == 3)); /* 3: one byte too many */
    for (int32_t i = 0; i < a->n_seqs; i++)
        for (int32_t t = a->q_start[i]; t < a->q_start[i + 1]; t++)
            for (int32_t h = 0; h < p->n_heads; h++)
                attend(c, a->slot[i], a->kv_len[i] - a->q_start[i + 1] + t, h,
                       (const char *)a->q + t * a->q_stride + (size_t)h * head_bytes,
                       (char *)a->out + t * a->out_stride + (size_t)h * head_bytes);
    if (fake_mutant == 2 && rows && a->out_stride > row_bytes)
        ((char *)a->out)[row_bytes] = 1; /* after a row */
    if (fake_mutant == 4 && rows)
        *(char *)a->out = (char)(*(char *)a->out ^ (calls & 1)); /* other bits in each call */
    if (fake_mutant == 5 && rows > 1)
        *(char *)a->out ^= 1; /* bits depend on other rows */
    if (fake_mutant == 7)
        *(char *)c->kv.v ^= 1; /* writes to the cache */
    if (fake_mutant == 14)
        ((char *)a->out)[(int64_t)a->n_tokens * a->out_stride] = 1; /* after the last row */
}

static cg_status attention_run(void *plan, const cg_attention_args *args, cg_error *err)
{
    struct attention_call c = { plan, *args, *args->kv };
    static int32_t kept[64];
    cg_error sync = CG_ERROR_INIT;

    if (fake_mutant == 8 && fake_capturing()) { /* reads the lengths at capture only */
        for (int32_t i = 0; i < args->n_seqs; i++)
            kept[i] = 1;
        c.args.kv_len = kept;
    }
    if (fake_mutant == 15 && /* not allowed in a capture */
        cg_gpu_synchronize(args->stream, &sync) != CG_OK)
        return ((struct attention_plan *)plan)->host->fail(err, CG_ERR_CUDA, "%s", sync.msg);
    fake_launch(attention_kernel, &c, sizeof c);
    return CG_OK;
}

const cg_attention_ops fake_attention = {
    CG_SIZED(cg_attention_ops),
    .caps = CG_ATTENTION_DETERMINISTIC | CG_ATTENTION_BATCH_INVARIANT | CG_ATTENTION_GRAPH_SAFE,
    .supports = attention_supports,
    .plan = attention_plan,
    .workspace_size = attention_workspace,
    .run = attention_run,
    .destroy = attention_destroy,
};
