/* SPDX-License-Identifier: MIT */
/*
 * efficient: memory-efficient attention. One pass of online softmax over tiles of keys; no array of
 * scores. This file is the plugin and its implementation for the CPU; cuda.c is the one for GPUs.
 */
#include <confgen/attention.h>
#include <confgen/attention_check.h>

#include "call.h"
#include "efficient_cpu.h"
#ifdef CG_WITH_CUDA
#include "efficient_cuda.h"
#endif

enum {
    CPU_CAPS = CG_ATTENTION_DETERMINISTIC | CG_ATTENTION_BATCH_INVARIANT,
#ifdef CG_WITH_CUDA
    CAPS = CPU_CAPS | CG_ATTENTION_GRAPH_SAFE,
#else
    CAPS = CPU_CAPS,
#endif
};

static cg_status supports(const cg_host *host, const cg_attention_problem *p, cg_error *err)
{
    CG_TRY(cg_attention_check_problem(host, p, err));
    if (cg_attention_uses(p, ~(uint32_t)EFFICIENT_FEATURES))
        return host->fail(err, CG_ERR_UNSUPPORTED, "unknown features 0x%x",
                          p->features & ~(uint32_t)EFFICIENT_FEATURES);
    if (p->head_dim > EFFICIENT_MAX_DIM || cg_attention_value_size(p) > EFFICIENT_MAX_DIM)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "keys of %d elements and values of %d, wanted at most %d", p->head_dim,
                          cg_attention_value_size(p), EFFICIENT_MAX_DIM);
    /* rows of a sequence are counted in 32 bits, with all row tiles and heads of a grid */
    if ((int64_t)p->max_tokens * p->n_heads + (int64_t)p->max_seqs * p->n_kv_heads > INT32_MAX)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "%d query tokens of %d heads, %d sequences: too many for one call",
                          p->max_tokens, p->n_heads, p->max_seqs);
    if (p->device == CG_DEVICE_CUDA)
#ifdef CG_WITH_CUDA
        return efficient_cuda_supports(host, p, err);
#else
        return host->fail(err, CG_ERR_UNSUPPORTED, "this efficient was built without CUDA");
#endif
    if (p->device != CG_DEVICE_CPU)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "efficient needs cpu or cuda, but the device is %s",
                          cg_device_name(p->device));
    if (p->flags & CG_ATTENTION_GRAPH_SAFE)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "CUDA graph capture is not available on the CPU");
    return CG_OK;
}

/* The kernel for this processor. All have the same bits. */
static efficient_rows_fn select_rows(void)
{
#ifdef EFFICIENT_X86
    if (__builtin_cpu_supports("avx2"))
        return efficient_rows_avx2;
#endif
    return efficient_rows_baseline;
}

static cg_status create_plan(const cg_host *host, const cg_attention_problem *p, void **ret_plan,
                             cg_error *err)
{
    efficient_plan *plan;

    CG_TRY(supports(host, p, err));
    plan = host->alloc(host->ctx, sizeof *plan);
    if (!plan)
        return host->fail(err, CG_ERR_NOMEM, "efficient: out of host memory for a plan");
    plan->host = host;
    plan->problem = cg_attention_keep_problem(p);
    plan->rows = select_rows();
    plan->scratch = efficient_scratch(plan->problem.head_dim, plan->problem.v_head_dim);
    *ret_plan = plan;
    return CG_OK;
}

static void destroy(void *self)
{
    efficient_plan *plan = self;

    if (plan)
        plan->host->free(plan->host->ctx, plan);
}

static size_t workspace_size(const void *self)
{
    const efficient_plan *plan = self;

    if (plan->problem.device != CG_DEVICE_CPU)
        return 0;
    return (size_t)plan->host->workers * plan->scratch * sizeof(float);
}

struct efficient_loop {
    const efficient_plan *plan;
    const efficient_call *call;
    float *workspace;
};

/* Item: one row tile of one key/value head. */
static void run_item(void *arg, int64_t item, int32_t worker)
{
    const struct efficient_loop *loop = arg;
    const efficient_call *c = loop->call;
    efficient_row_tile tile = efficient_find_row_tile(c, EFFICIENT_ROWS, item / c->n_kv_heads);

    if (tile.n)
        loop->plan->rows(c, &tile, (int32_t)(item % c->n_kv_heads),
                         loop->workspace + (size_t)worker * loop->plan->scratch);
}

static cg_status run(void *self, const cg_attention_args *args, cg_error *err)
{
    efficient_plan *plan = self;
    efficient_call call;
    struct efficient_loop loop = { plan, &call, args->workspace };

#ifdef CG_WITH_CUDA
    if (plan->problem.device == CG_DEVICE_CUDA)
        return efficient_cuda_run(plan, args, err);
#endif
    CG_TRY(cg_attention_check_args(plan->host, &plan->problem, args, err));
    if (cg_attention_is_empty(args))
        return CG_OK;
    call = efficient_make_call(&plan->problem, args);
    plan->host->parallel_for(plan->host->ctx,
                             efficient_row_tiles(&call, EFFICIENT_ROWS) * call.n_kv_heads, run_item,
                             &loop);
    return CG_OK;
}

static const cg_attention_ops ops = {
    CG_SIZED(cg_attention_ops),
    .caps = CAPS,
    .supports = supports,
    .plan = create_plan,
    .workspace_size = workspace_size,
    .run = run,
    .destroy = destroy,
    .features = EFFICIENT_FEATURES,
};

static const cg_plugin plugin = {
    CG_PLUGIN_HEADER(CG_PLUGIN_ATTENTION),
    .name = "efficient",
    .version = CG_VERSION_STRING,
    .description = "memory-efficient attention: any head size, type and feature, no tensor cores",
    .ops = &ops,
};

cg_status cg_plugin_entry_v1(const cg_host *host, const cg_plugin **ret_plugin, cg_error *err)
{
    return cg_plugin_enter(host, &plugin, ret_plugin, err);
}
