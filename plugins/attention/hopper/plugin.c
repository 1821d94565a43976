/* SPDX-License-Identifier: MIT */
/*
 * hopper: attention for compute capability 9.0. Selects the host code of latent attention
 * (latent.c) or the one of all other problems, which is here: it describes queries, keys and values
 * of a call to the copy engine and launches the kernel of prefill.cu.
 */
#include <string.h>

#include <confgen/attention.h>
#include <confgen/attention_check.h>
#include <cuda_runtime_api.h>

#include "../common/cuda_checks.h"
#include "hopper.h"
#include "launch.h"

typedef struct hopper_plan {
    const cg_attention_ops *ops; /* first: launch.h */
    const cg_host *host;
    cg_attention_problem problem;
    const void *kernel;
    hopper_encode_fn encode;
    int32_t multiprocessors;
    int32_t rows;        /* of a row tile */
    int is_f8;           /* keys and values of 8 bits */
    uint32_t *next_tile; /* device memory */
} hopper_plan;

static const cg_attention_ops prefill_ops;

#define CUDA_CHECK(host, call, err) ATTENTION_CUDA(host, "hopper", call, err)

static cg_status supports_prefill(const cg_host *host, const cg_attention_problem *p, cg_error *err)
{
    int32_t group;

    CG_TRY(hopper_check_problem(host, p, err));
    if (p->head_dim != 64 && p->head_dim != 128)
        return host->fail(err, CG_ERR_UNSUPPORTED, "head size %d, wanted 64 or 128", p->head_dim);
    group = p->n_heads / p->n_kv_heads;
    if (group > 64 || 64 % group)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "%d query heads per key/value head, wanted a power of two up to 64",
                          group);
    if (((int64_t)p->max_tokens * group / 64 + p->max_seqs) * p->n_kv_heads > INT32_MAX / 2 ||
        (int64_t)p->max_tokens * group > INT32_MAX / 2 || p->max_kv_len > INT32_MAX - 1024)
        return host->fail(
            err, CG_ERR_UNSUPPORTED,
            "%d query tokens of %d heads over %d cached tokens: too many for one launch",
            p->max_tokens, p->n_heads, p->max_kv_len);
    return CG_OK;
}

/* The device on which the plan was made must be current. */
static void destroy_prefill(void *self)
{
    hopper_plan *plan = self;

    if (!plan)
        return;
    if (plan->next_tile)
        (void)cudaFree(plan->next_tile);
    plan->host->free(plan->host->ctx, plan);
}

static cg_status plan_prefill(const cg_host *host, const cg_attention_problem *p, void **ret_plan,
                              cg_error *err)
{
    const int f8 = p->kv_dtype == CG_F8_E4M3;
    hopper_plan *plan;
    cg_status st;

    CG_TRY(supports_prefill(host, p, err));
    plan = host->alloc(host->ctx, sizeof *plan);
    if (!plan)
        return host->fail(err, CG_ERR_NOMEM, "hopper: out of host memory for a plan");
    *plan = (hopper_plan) {
        .ops = &prefill_ops,
        .host = host,
        .problem = cg_attention_keep_problem(p),
        .kernel = hopper_get_prefill_kernel(p->head_dim, p->dtype == CG_F16, f8),
        .rows = hopper_rows(p->head_dim),
        .is_f8 = f8,
    };
    CG_TRY_GOTO(st,
                hopper_configure_kernel(host, plan->kernel, hopper_threads(p->head_dim),
                                        hopper_smem(p->head_dim, f8), err),
                out);
    CG_TRY_GOTO(st, hopper_find_encode(host, &plan->encode, err), out);
    CG_TRY_GOTO(st, attention_count_multiprocessors(host, "hopper", &plan->multiprocessors, err),
                out);
    CG_TRY_GOTO(
        st, attention_alloc_zeros(host, "hopper", sizeof *plan->next_tile, &plan->next_tile, err),
        out);
    *ret_plan = plan;
    return CG_OK;
out:
    destroy_prefill(plan);
    return st;
}

static size_t no_workspace(const void *self)
{
    (void)self;
    return 0;
}

static cg_status describe_queries(const hopper_plan *plan, const cg_attention_args *a,
                                  CUtensorMap *ret_map, cg_error *err)
{
    const cg_attention_problem *p = &plan->problem;
    const uint32_t dim = (uint32_t)p->head_dim, group = (uint32_t)(p->n_heads / p->n_kv_heads);
    const cuuint64_t size[] = { dim, (cuuint64_t)p->n_heads, (cuuint64_t)a->n_tokens };
    const cuuint64_t stride[] = { dim * 2, (cuuint64_t)a->q_stride };
    const cuuint32_t box[] = { HOPPER_PANEL, group, (uint32_t)plan->rows / group };

    return hopper_describe(plan->host, plan->encode, p->dtype, a->q, 3, size, stride, box, ret_map,
                           err);
}

/* The number of blocks is not known: their page numbers are trusted. */
static cg_status describe_cache(const hopper_plan *plan, const cg_kv_view *kv, const void *base,
                                int32_t box_tokens, CUtensorMap *ret_map, cg_error *err)
{
    const cg_attention_problem *p = &plan->problem;
    const cuuint64_t size[] = { (cuuint64_t)p->head_dim, (cuuint64_t)kv->block_tokens,
                                (cuuint64_t)p->n_kv_heads, INT32_MAX };
    const cuuint64_t stride[] = { (cuuint64_t)kv->token_stride, (cuuint64_t)kv->head_stride,
                                  (cuuint64_t)kv->block_stride };
    const cuuint32_t elements = plan->is_f8 ? (cuuint32_t)p->head_dim : HOPPER_PANEL;
    const cuuint32_t box[] = { elements, (cuuint32_t)box_tokens, 1, 1 };

    return hopper_describe(plan->host, plan->encode, p->kv_dtype, base, 4, size, stride, box,
                           ret_map, err);
}

static cg_status run_prefill(void *self, const cg_attention_args *a, cg_error *err)
{
    hopper_plan *plan = self;
    const cg_attention_problem *p = &plan->problem;
    hopper_call call;
    void *params[] = { &call };
    dim3 grid = { 1, 1, 1 }, block = { 1, 1, 1 };

    CG_TRY(hopper_check_args(plan->host, p, a, err));
    if (cg_attention_is_empty(a))
        return CG_OK;
    memset(&call, 0, sizeof call);
    call.out = a->out;
    call.out_stride = a->out_stride;
    call.q_start = a->q_start;
    call.slot = a->slot;
    call.kv_len = a->kv_len;
    call.page_table = a->kv->page_table;
    call.next_tile = plan->next_tile;
    call.table_stride = a->kv->table_stride;
    call.block_tokens = a->kv->block_tokens;
    call.box_tokens =
        a->kv->page_table ? hopper_box_of_pages(a->kv->block_tokens, HOPPER_KEYS) : HOPPER_KEYS;
    call.n_seqs = a->n_seqs;
    call.n_kv_heads = p->n_kv_heads;
    call.group = p->n_heads / p->n_kv_heads;
    call.window = p->window;
    call.is_causal = p->mask == CG_MASK_CAUSAL;
    call.n_tiles =
        (int32_t)((a->n_seqs + (int64_t)a->n_tokens * call.group / plan->rows) * p->n_kv_heads);
    call.scale = hopper_exp2_scale(p->scale);
    if (plan->is_f8) {
        call.k_scale = a->kv->k_scale;
        call.v_scale = a->kv->v_scale;
        call.scale_block_stride = a->kv->scale_block_stride;
        call.scale_head_stride = a->kv->scale_head_stride;
        call.scale_token_stride = a->kv->scale_token_stride;
    }
    CG_TRY(describe_queries(plan, a, &call.q, err));
    CG_TRY(describe_cache(plan, a->kv, a->kv->k, call.box_tokens, &call.k, err));
    CG_TRY(describe_cache(plan, a->kv, a->kv->v, call.box_tokens, &call.v, err));
    grid.x =
        (unsigned)(call.n_tiles < plan->multiprocessors ? call.n_tiles : plan->multiprocessors);
    block.x = (unsigned)hopper_threads(p->head_dim);
    return CUDA_CHECK(plan->host,
                      cudaLaunchKernel(plan->kernel, grid, block, params,
                                       (size_t)hopper_smem(p->head_dim, plan->is_f8),
                                       (cudaStream_t)a->stream),
                      err);
}

static const cg_attention_ops prefill_ops = {
    CG_SIZED(cg_attention_ops),     .supports = supports_prefill, .plan = plan_prefill,
    .workspace_size = no_workspace, .run = run_prefill,           .destroy = destroy_prefill,
};

/* ---- selection ------------------------------------------------------------------------------ */

static const cg_attention_ops *ops_of_problem(const cg_attention_problem *p)
{
    return cg_attention_uses(p, CG_ATTENTION_VALUE_SIZE) ? &hopper_latent_ops : &prefill_ops;
}

/* Refuses features that no kernel has together. */
static cg_status check_features(const cg_host *host, const cg_attention_problem *p, cg_error *err)
{
    CG_TRY(cg_attention_check_problem(host, p, err));
    if (cg_attention_uses(p, CG_ATTENTION_KV_SCALES) && p->kv_dtype != CG_F8_E4M3)
        return host->fail(err, CG_ERR_UNSUPPORTED, "scales of a cache of %s, wanted f8_e4m3",
                          cg_dtype_name(p->kv_dtype));
    if (cg_attention_uses(p, CG_ATTENTION_VALUE_SIZE) &&
        cg_attention_uses(p, CG_ATTENTION_NO_MASK | CG_ATTENTION_KV_SCALES))
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "a size of values together with no mask or with scales, wanted one of "
                          "the two");
    return CG_OK;
}

static const cg_attention_ops *ops_of_plan(const void *plan)
{
    return *(const cg_attention_ops *const *)plan;
}

static cg_status supports(const cg_host *host, const cg_attention_problem *p, cg_error *err)
{
    CG_TRY(check_features(host, p, err));
    return ops_of_problem(p)->supports(host, p, err);
}

static cg_status create_plan(const cg_host *host, const cg_attention_problem *p, void **ret_plan,
                             cg_error *err)
{
    CG_TRY(check_features(host, p, err));
    return ops_of_problem(p)->plan(host, p, ret_plan, err);
}

static size_t workspace_size(const void *plan)
{
    return ops_of_plan(plan)->workspace_size(plan);
}

static cg_status run(void *plan, const cg_attention_args *args, cg_error *err)
{
    return ops_of_plan(plan)->run(plan, args, err);
}

static void destroy(void *plan)
{
    if (plan)
        ops_of_plan(plan)->destroy(plan);
}

static const cg_attention_ops ops = {
    CG_SIZED(cg_attention_ops),
    .caps = CG_ATTENTION_DETERMINISTIC | CG_ATTENTION_BATCH_INVARIANT | CG_ATTENTION_GRAPH_SAFE,
    .supports = supports,
    .plan = create_plan,
    .workspace_size = workspace_size,
    .run = run,
    .destroy = destroy,
    .features = CG_ATTENTION_VALUE_SIZE | CG_ATTENTION_NO_MASK | CG_ATTENTION_KV_SCALES,
};

static const cg_plugin plugin = {
    CG_PLUGIN_HEADER(CG_PLUGIN_ATTENTION),
    .name = "hopper",
    .version = CG_VERSION_STRING,
    .description = "TMA copies and warpgroup products, for compute capability 9.0",
    .ops = &ops,
};

cg_status cg_plugin_entry_v1(const cg_host *host, const cg_plugin **ret_plugin, cg_error *err)
{
    return cg_plugin_enter(host, &plugin, ret_plugin, err);
}
