/* SPDX-License-Identifier: MIT */
/*
 * Latent attention, host code: describes queries, keys and values of a call to the copy engine and
 * launches the kernels of latent.cu.
 */
#include <string.h>

#include <confgen/attention_check.h>
#include <cuda_runtime_api.h>

#include "../common/cuda_checks.h"
#include "latent.h"
#include "launch.h"

enum { MAX_HEADS = 256 };

typedef struct latent_plan {
    const cg_attention_ops *ops; /* first: launch.h */
    const cg_host *host;
    cg_attention_problem problem;
    const void *kernel;
    hopper_encode_fn encode;
    int32_t tile_heads, tile_tokens, head_tiles; /* latent.h */
    int32_t n_teams;
    int32_t is_whole;
} latent_plan;

#define CUDA_CHECK(host, call, err) ATTENTION_CUDA(host, "hopper", call, err)

static cg_status supports(const cg_host *host, const cg_attention_problem *p, cg_error *err)
{
    CG_TRY(hopper_check_problem(host, p, err));
    if (p->head_dim != LATENT_DIM || cg_attention_value_size(p) != LATENT_VALUES ||
        p->n_kv_heads != 1)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "%d key/value heads with keys of %d and values of %d elements: values "
                          "with a size or strides of their own are supported for one head of %d "
                          "and %d elements",
                          p->n_kv_heads, p->head_dim, cg_attention_value_size(p), LATENT_DIM,
                          LATENT_VALUES);
    if (p->n_heads > MAX_HEADS)
        return host->fail(err, CG_ERR_UNSUPPORTED, "%d query heads, wanted at most %d", p->n_heads,
                          MAX_HEADS);
    /* entries of the list of key tiles (latent.cu) are counted in 32 bits */
    if (((int64_t)p->max_kv_len / LATENT_KEYS + 2 + LATENT_START) * p->max_tokens > INT32_MAX / 2 ||
        p->max_kv_len > INT32_MAX - 1024)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "%d query tokens over %d cached tokens: too many for one launch",
                          p->max_tokens, p->max_kv_len);
    return CG_OK;
}

static void destroy(void *self)
{
    latent_plan *plan = self;

    if (plan)
        plan->host->free(plan->host->ctx, plan);
}

static int32_t min_of(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

static cg_status create_plan(const cg_host *host, const cg_attention_problem *p, void **ret_plan,
                             cg_error *err)
{
    struct cudaFuncAttributes merge;
    int multiprocessors = 0;
    latent_plan *plan;
    cg_status st;

    CG_TRY(supports(host, p, err));
    plan = host->alloc(host->ctx, sizeof *plan);
    if (!plan)
        return host->fail(err, CG_ERR_NOMEM, "hopper: out of host memory for a plan");
    *plan = (latent_plan) {
        .ops = &hopper_latent_ops,
        .host = host,
        .problem = cg_attention_keep_problem(p),
        .tile_heads = min_of(p->n_heads, LATENT_ROWS),
        .head_tiles = (p->n_heads + LATENT_ROWS - 1) / LATENT_ROWS,
        /* where parts begin depends on all lengths of a call */
        .is_whole = (p->flags & CG_ATTENTION_BATCH_INVARIANT) != 0,
    };
    plan->tile_tokens = LATENT_ROWS / plan->tile_heads;
    plan->kernel = latent_get_decode_kernel(plan->head_tiles > 1, p->dtype == CG_F16);
    CG_TRY_GOTO(st, attention_count_multiprocessors(host, "hopper", &multiprocessors, err), out);
    plan->n_teams = multiprocessors / plan->head_tiles;
    if (plan->n_teams < 1) {
        st = host->fail(err, CG_ERR_UNSUPPORTED,
                        "%d query heads: wanted at most %d for %d multiprocessors", p->n_heads,
                        multiprocessors * LATENT_ROWS, multiprocessors);
        goto out;
    }
    CG_TRY_GOTO(st, hopper_configure_kernel(host, plan->kernel, LATENT_THREADS, latent_smem(), err),
                out);
    /* loads the kernel, which a capture may not */
    CG_TRY_GOTO(
        st,
        CUDA_CHECK(host, cudaFuncGetAttributes(&merge, latent_get_merge_kernel(p->dtype == CG_F16)),
                   err),
        out);
    CG_TRY_GOTO(st, hopper_find_encode(host, &plan->encode, err), out);
    *ret_plan = plan;
    return CG_OK;
out:
    destroy(plan);
    return st;
}

/* Rows of sums of parts. */
static size_t part_rows(const latent_plan *plan)
{
    return (size_t)plan->n_teams * (size_t)plan->head_tiles * 2 * LATENT_ROWS;
}

static size_t workspace_size(const void *self)
{
    const latent_plan *plan = self;

    return plan->is_whole ? 0
                          : part_rows(plan) * (LATENT_VALUES + 2) * sizeof(float) +
                                (size_t)plan->n_teams * sizeof(latent_split);
}

static cg_status describe_queries(const latent_plan *plan, const cg_attention_args *a,
                                  CUtensorMap *ret_map, cg_error *err)
{
    const cg_attention_problem *p = &plan->problem;
    const cuuint64_t size[] = { LATENT_DIM, (cuuint64_t)p->n_heads, (cuuint64_t)a->n_tokens };
    const cuuint64_t stride[] = { LATENT_DIM * 2, (cuuint64_t)a->q_stride };
    const cuuint32_t box[] = { LATENT_PANEL, (cuuint32_t)plan->tile_heads,
                               (cuuint32_t)plan->tile_tokens };

    return hopper_describe(plan->host, plan->encode, p->dtype, a->q, 3, size, stride, box, ret_map,
                           err);
}

/* The number of blocks is not known: their page numbers are trusted. */
static cg_status describe_cache(const latent_plan *plan, const cg_kv_view *kv, const void *base,
                                int32_t elements, int64_t token_stride, int64_t block_stride,
                                int32_t box_tokens, CUtensorMap *ret_map, cg_error *err)
{
    const cuuint64_t size[] = { (cuuint64_t)elements, (cuuint64_t)kv->block_tokens, 1, INT32_MAX };
    const cuuint64_t stride[] = { (cuuint64_t)token_stride, (cuuint64_t)token_stride,
                                  (cuuint64_t)block_stride };
    const cuuint32_t box[] = { LATENT_PANEL, (cuuint32_t)box_tokens, 1, 1 };

    return hopper_describe(plan->host, plan->encode, plan->problem.dtype, base, 4, size, stride,
                           box, ret_map, err);
}

/* Describes keys, and values unless they are the first elements of the keys. */
static cg_status describe_view(const latent_plan *plan, const cg_kv_view *kv, latent_call *call,
                               cg_error *err)
{
    const int has_strides = kv->v_block_stride || kv->v_head_stride || kv->v_token_stride;
    const int64_t token_stride = has_strides ? kv->v_token_stride : kv->token_stride;
    const int64_t block_stride = has_strides ? kv->v_block_stride : kv->block_stride;

    if (token_stride % 16 || block_stride % 16)
        return plan->host->fail(err, CG_ERR_USAGE,
                                "strides of values of %lld and %lld bytes, wanted multiples of 16",
                                (long long)token_stride, (long long)block_stride);
    call->table_stride = kv->table_stride;
    call->block_tokens = kv->block_tokens;
    call->page_table = kv->page_table;
    call->box_tokens =
        kv->page_table ? hopper_box_of_pages(kv->block_tokens, LATENT_KEYS) : LATENT_KEYS;
    call->is_separate =
        kv->v != kv->k || token_stride != kv->token_stride || block_stride != kv->block_stride;
    CG_TRY(describe_cache(plan, kv, kv->k, LATENT_DIM, kv->token_stride, kv->block_stride,
                          call->box_tokens, &call->k, err));
    return !call->is_separate ? CG_OK
                              : describe_cache(plan, kv, kv->v, LATENT_VALUES, token_stride,
                                               block_stride, call->box_tokens, &call->v, err);
}

static cg_status launch(const latent_plan *plan, const void *kernel, dim3 grid, unsigned threads,
                        int smem, latent_call *call, void *stream, cg_error *err)
{
    const dim3 block = { threads, 1, 1 };
    void *params[] = { call };

    return CUDA_CHECK(
        plan->host,
        cudaLaunchKernel(kernel, grid, block, params, (size_t)smem, (cudaStream_t)stream), err);
}

static cg_status run(void *self, const cg_attention_args *a, cg_error *err)
{
    latent_plan *plan = self;
    const cg_attention_problem *p = &plan->problem;
    const unsigned blocks = (unsigned)(plan->n_teams * plan->head_tiles);
    latent_call call;

    CG_TRY(hopper_check_args(plan->host, p, a, err));
    if (cg_attention_is_empty(a))
        return CG_OK;
    if (!plan->is_whole && (!a->workspace || (uintptr_t)a->workspace % 16))
        return plan->host->fail(err, CG_ERR_USAGE,
                                "attention arguments: workspace at %p, wanted a multiple of 16",
                                a->workspace);
    memset(&call, 0, sizeof call);
    call.out = a->out;
    call.out_stride = a->out_stride;
    call.q_start = a->q_start;
    call.slot = a->slot;
    call.kv_len = a->kv_len;
    call.n_seqs = a->n_seqs;
    call.n_heads = p->n_heads;
    call.tile_heads = plan->tile_heads;
    call.tile_tokens = plan->tile_tokens;
    call.head_tiles = plan->head_tiles;
    call.n_teams = plan->n_teams;
    call.window = p->window;
    call.is_whole = plan->is_whole;
    call.scale = hopper_exp2_scale(p->scale);
    if (!plan->is_whole) {
        call.sums = a->workspace;
        call.max_sum = call.sums + part_rows(plan) * LATENT_VALUES;
        call.splits = (latent_split *)(void *)(call.max_sum + part_rows(plan) * 2);
    }
    CG_TRY(describe_queries(plan, a, &call.q, err));
    CG_TRY(describe_view(plan, a->kv, &call, err));
    CG_TRY(launch(plan, plan->kernel, (dim3) { blocks, 1, 1 }, LATENT_THREADS, latent_smem(), &call,
                  a->stream, err));
    if (plan->is_whole)
        return CG_OK;
    return launch(plan, latent_get_merge_kernel(p->dtype == CG_F16),
                  (dim3) { LATENT_ROWS / (LATENT_MERGE_THREADS / 32), blocks, 1 },
                  LATENT_MERGE_THREADS, 0, &call, a->stream, err);
}

const cg_attention_ops hopper_latent_ops = {
    CG_SIZED(cg_attention_ops),       .supports = supports, .plan = create_plan,
    .workspace_size = workspace_size, .run = run,           .destroy = destroy,
};
