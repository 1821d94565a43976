/* SPDX-License-Identifier: MIT */
/*
 * hopper: attention for compute capability 9.0, host code. Describes queries, keys and values of a
 * call to the copy engine and launches the kernel of prefill.cu.
 */
#include <math.h>
#include <string.h>

#include <confgen/attention.h>
#include <confgen/attention_check.h>
#include <cuda.h>
#include <cuda_runtime_api.h>

#include "../common/cuda_checks.h"
#include "hopper.h"

enum { ALIGNMENT = 16 /* of all bases and strides: the copy engine's */ };

/* cuTensorMapEncodeTiled() of the driver */
typedef CUresult (*encode_fn)(CUtensorMap *, CUtensorMapDataType, cuuint32_t, void *,
                              const cuuint64_t *, const cuuint64_t *, const cuuint32_t *,
                              const cuuint32_t *, CUtensorMapInterleave, CUtensorMapSwizzle,
                              CUtensorMapL2promotion, CUtensorMapFloatOOBfill);

typedef struct hopper_plan {
    const cg_host *host;
    cg_attention_problem problem;
    const void *kernel;
    encode_fn encode;
    int32_t multiprocessors;
    int32_t rows;        /* of a row tile */
    uint32_t *next_tile; /* device memory */
} hopper_plan;

#define CUDA_CHECK(host, call, err) ATTENTION_CUDA(host, "hopper", call, err)

static cg_status supports(const cg_host *host, const cg_attention_problem *p, cg_error *err)
{
    int32_t group;

    CG_TRY(cg_attention_check_problem(host, p, err));
    if (p->device != CG_DEVICE_CUDA)
        return host->fail(err, CG_ERR_UNSUPPORTED, "hopper needs cuda, but the device is %s",
                          cg_device_name(p->device));
    if (p->compute_capability != 90)
        return host->fail(err, CG_ERR_UNSUPPORTED, "compute capability %d.%d, wanted 9.0",
                          p->compute_capability / 10, p->compute_capability % 10);
    if ((p->dtype != CG_BF16 && p->dtype != CG_F16) || p->dtype != p->kv_dtype)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "q of %s and cache of %s, wanted bf16 or f16 for both",
                          cg_dtype_name(p->dtype), cg_dtype_name(p->kv_dtype));
    if (p->head_dim != 64 && p->head_dim != 128)
        return host->fail(err, CG_ERR_UNSUPPORTED, "head size %d, wanted 64 or 128", p->head_dim);
    group = p->n_heads / p->n_kv_heads;
    if (group > 64 || 64 % group)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "%d query heads per key/value head, wanted a power of two up to 64",
                          group);
    if (p->paged && p->block_tokens % 16)
        return host->fail(err, CG_ERR_UNSUPPORTED, "pages of %d tokens, wanted a multiple of 16",
                          p->block_tokens);
    if (p->scale < 0)
        return host->fail(err, CG_ERR_UNSUPPORTED, "scale %g, wanted 0 or more", (double)p->scale);
    if (((int64_t)p->max_tokens * group / 64 + p->max_seqs) * p->n_kv_heads > INT32_MAX / 2 ||
        (int64_t)p->max_tokens * group > INT32_MAX / 2 || p->max_kv_len > INT32_MAX - 1024)
        return host->fail(
            err, CG_ERR_UNSUPPORTED,
            "%d query tokens of %d heads over %d cached tokens: too many for one launch",
            p->max_tokens, p->n_heads, p->max_kv_len);
    CG_TRY(attention_check_gpu(host, "no GPU that hopper can use", err));
    return CG_OK;
}

/* The device on which the plan was made must be current. */
static void destroy(void *self)
{
    hopper_plan *plan = self;

    if (!plan)
        return;
    if (plan->next_tile)
        (void)cudaFree(plan->next_tile);
    plan->host->free(plan->host->ctx, plan);
}

/* Refuses an image without the kernel: sm_90a has not been built, or is not what was loaded. */
static cg_status load_kernel(hopper_plan *plan, cg_error *err)
{
    const cg_attention_problem *p = &plan->problem;
    const cg_host *host = plan->host;
    struct cudaFuncAttributes attributes;
    enum cudaDriverEntryPointQueryResult found;
    void *encode = NULL;

    plan->kernel = hopper_get_prefill_kernel(p->head_dim, p->dtype == CG_F16);
    plan->rows = hopper_rows(p->head_dim);
    CG_TRY(CUDA_CHECK(host, cudaFuncGetAttributes(&attributes, plan->kernel), err));
    if (attributes.maxThreadsPerBlock < hopper_threads(p->head_dim))
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "hopper was built without the architecture 90a: found a kernel of %d "
                          "threads, wanted %d",
                          attributes.maxThreadsPerBlock, hopper_threads(p->head_dim));
    CG_TRY(
        CUDA_CHECK(host,
                   cudaFuncSetAttribute(plan->kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                        hopper_smem(p->head_dim)),
                   err));
    CG_TRY(CUDA_CHECK(host,
                      cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &encode, 12000,
                                                       cudaEnableDefault, &found),
                      err));
    if (found != cudaDriverEntryPointSuccess)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "hopper: the driver has no cuTensorMapEncodeTiled(), wanted CUDA 12.0");
    memcpy(&plan->encode, &encode, sizeof encode);
    return CG_OK;
}

static cg_status create_plan(const cg_host *host, const cg_attention_problem *p, void **ret_plan,
                             cg_error *err)
{
    hopper_plan *plan;
    cg_status st;

    CG_TRY(supports(host, p, err));
    plan = host->alloc(host->ctx, sizeof *plan);
    if (!plan)
        return host->fail(err, CG_ERR_NOMEM, "hopper: out of host memory for a plan");
    *plan = (hopper_plan) { .host = host, .problem = cg_attention_keep_problem(p) };
    CG_TRY_GOTO(st, load_kernel(plan, err), out);
    CG_TRY_GOTO(st, attention_count_multiprocessors(host, "hopper", &plan->multiprocessors, err),
                out);
    CG_TRY_GOTO(
        st, attention_alloc_zeros(host, "hopper", sizeof *plan->next_tile, &plan->next_tile, err),
        out);
    *ret_plan = plan;
    return CG_OK;
out:
    destroy(plan);
    return st;
}

static size_t workspace_size(const void *self)
{
    (void)self;
    return 0;
}

static int is_aligned(const void *p)
{
    return (uintptr_t)p % ALIGNMENT == 0;
}

/* Checks a call without reading device memory. */
static cg_status check_args(const hopper_plan *plan, const cg_attention_args *a, cg_error *err)
{
    const cg_host *host = plan->host;

    CG_TRY(cg_attention_check_device_args(host, &plan->problem, a, err));
    if (cg_attention_is_empty(a))
        return CG_OK;
    if (plan->problem.paged && a->kv->block_tokens % 16)
        return host->fail(err, CG_ERR_MISMATCH, "pages of %d tokens, wanted a multiple of 16",
                          a->kv->block_tokens);
    if (!a->q || !a->out || !a->q_start || !a->slot || !a->kv_len)
        return host->fail(err, CG_ERR_USAGE,
                          "attention arguments: q, out, q_start, slot or kv_len is NULL");
    if (!is_aligned(a->q) || !is_aligned(a->out) || a->q_stride % ALIGNMENT ||
        a->out_stride % ALIGNMENT || !is_aligned(a->kv->k) || !is_aligned(a->kv->v) ||
        a->kv->block_stride % ALIGNMENT || a->kv->head_stride % ALIGNMENT ||
        a->kv->token_stride % ALIGNMENT)
        return host->fail(err, CG_ERR_USAGE,
                          "attention arguments: q, out, keys, values or a stride of them is no "
                          "multiple of %d bytes",
                          ALIGNMENT);
    return CG_OK;
}

/*
 * Describes a tensor to the copy engine.
 *
 * @param size    [n] elements of each dimension, innermost first
 * @param stride  [n - 1] bytes, of the dimensions from the second on
 * @param box     [n] elements that a copy takes
 */
static cg_status describe(const hopper_plan *plan, const void *base, uint32_t n,
                          const cuuint64_t *size, const cuuint64_t *stride, const cuuint32_t *box,
                          CUtensorMap *ret_map, cg_error *err)
{
    static const cuuint32_t step[] = { 1, 1, 1, 1 };
    const CUtensorMapDataType type = plan->problem.dtype == CG_F16
                                         ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16
                                         : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
    CUresult code =
        plan->encode(ret_map, type, n, (void *)(uintptr_t)base, size, stride, box, step,
                     CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                     CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);

    if (code != CUDA_SUCCESS)
        return plan->host->fail(err, CG_ERR_CUDA,
                                "hopper: cuTensorMapEncodeTiled() failed with CUDA error %d",
                                (int)code);
    return CG_OK;
}

static cg_status describe_queries(const hopper_plan *plan, const cg_attention_args *a,
                                  CUtensorMap *ret_map, cg_error *err)
{
    const cg_attention_problem *p = &plan->problem;
    const uint32_t dim = (uint32_t)p->head_dim, group = (uint32_t)(p->n_heads / p->n_kv_heads);
    const cuuint64_t size[] = { dim, (cuuint64_t)p->n_heads, (cuuint64_t)a->n_tokens };
    const cuuint64_t stride[] = { dim * 2, (cuuint64_t)a->q_stride };
    const cuuint32_t box[] = { HOPPER_PANEL, group, (uint32_t)plan->rows / group };

    return describe(plan, a->q, 3, size, stride, box, ret_map, err);
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
    const cuuint32_t box[] = { HOPPER_PANEL, (cuuint32_t)box_tokens, 1, 1 };

    return describe(plan, base, 4, size, stride, box, ret_map, err);
}

/* The largest power of two that divides n, at most HOPPER_KEYS. */
static int32_t box_of_pages(int32_t n)
{
    int32_t box = n & -n;

    return box < HOPPER_KEYS ? box : HOPPER_KEYS;
}

static cg_status run(void *self, const cg_attention_args *a, cg_error *err)
{
    /* exp(x) = exp2(x log2(e)). A scale of 0 becomes one small enough to leave all weights equal:
     * the score -infinity of hidden tokens times the scale must stay -infinity. */
    const float log2e = 0x1.715476p0f, min_scale = 1e-30f;
    hopper_plan *plan = self;
    const cg_attention_problem *p = &plan->problem;
    hopper_call call;
    void *params[] = { &call };
    dim3 grid = { 1, 1, 1 }, block = { 1, 1, 1 };

    CG_TRY(check_args(plan, a, err));
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
    call.box_tokens = a->kv->page_table ? box_of_pages(a->kv->block_tokens) : HOPPER_KEYS;
    call.n_seqs = a->n_seqs;
    call.n_kv_heads = p->n_kv_heads;
    call.group = p->n_heads / p->n_kv_heads;
    call.window = p->window;
    call.n_tiles =
        (int32_t)((a->n_seqs + (int64_t)a->n_tokens * call.group / plan->rows) * p->n_kv_heads);
    call.scale = fmaxf(p->scale * log2e, min_scale);
    CG_TRY(describe_queries(plan, a, &call.q, err));
    CG_TRY(describe_cache(plan, a->kv, a->kv->k, call.box_tokens, &call.k, err));
    CG_TRY(describe_cache(plan, a->kv, a->kv->v, call.box_tokens, &call.v, err));
    grid.x =
        (unsigned)(call.n_tiles < plan->multiprocessors ? call.n_tiles : plan->multiprocessors);
    block.x = (unsigned)hopper_threads(p->head_dim);
    return CUDA_CHECK(plan->host,
                      cudaLaunchKernel(plan->kernel, grid, block, params,
                                       (size_t)hopper_smem(p->head_dim), (cudaStream_t)a->stream),
                      err);
}

static const cg_attention_ops ops = {
    CG_SIZED(cg_attention_ops),
    .caps = CG_ATTENTION_DETERMINISTIC | CG_ATTENTION_BATCH_INVARIANT | CG_ATTENTION_GRAPH_SAFE,
    .supports = supports,
    .plan = create_plan,
    .workspace_size = workspace_size,
    .run = run,
    .destroy = destroy,
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
