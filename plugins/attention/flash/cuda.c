/* SPDX-License-Identifier: MIT */
/*
 * flash on CUDA, host code: selects the kernel and its grid, and checks arguments without reading
 * device memory. The kernels are in decode.cu, decode8.cu, prefill.cu and prefill90.cu;
 * flash_cuda.h defines the terms.
 */
#include <math.h>
#include <string.h>

#include <confgen/attention_check.h>
#include <cuda_runtime_api.h>

#include "../common/cuda_checks.h"
#include "flash_cuda.h"
#include "flash_ops.h"

enum {
    ALIGNMENT = 16,     /* of all bases and strides: bytes that a thread copies at once */
    FIXED_SPLIT = 2048, /* tokens of a split where bits must not depend on max_seqs */
    MIN_SPLIT = 2 * FLASH_DECODE_WARPS * FLASH_KV_BLOCK, /* tokens: two KV blocks per warp */
    /* Average query tokens per sequence from which a call is compute-bound, not memory-bound. */
    PREFILL_TOKENS = 16,
    /* The limits below are query rows per sequence and key/value head, on average. Up to this one
     * prefill is latency-bound. */
    SHORT_ROWS = 256,
    /* From these on prefill90 is faster than prefill. Below, with one thread block per
     * multiprocessor, nothing hides the start and end of each. */
    LONG_ROWS_64 = 768, /* head size 64 */
    LONG_ROWS_128 = 384,
    /* Thread blocks per multiprocessor of a decode launch at maximum length, about as many as are
     * resident with head sizes up to 96. */
    BLOCKS_PER_MULTIPROCESSOR = 8,
    /* As many times that, thread blocks of one warp fill the GPU as evenly as those of several. */
    FULL_GPU = 4,
    MAX_SPLITS = 65535, /* of a grid's second dimension */
};

typedef struct cuda_plan {
    const cg_attention_ops *ops; /* first: flash_plan_ops() */
    const cg_host *host;
    cg_attention_problem problem;
    int32_t group;
    int32_t tile_rows; /* of a row tile */
    const void *kernel;
    unsigned threads;
    unsigned overlaps; /* 1: may start before the previous kernel of the stream ends */
    size_t smem;
    int32_t step_kv_blocks;  /* decode: KV blocks of all warps' key tiles */
    int32_t split_kv_blocks; /* decode */
    int32_t n_splits;        /* decode: of the longest sequence; prefill: 1 */
    uint32_t *finished;      /* decode with several splits: device memory, else NULL */
} cuda_plan;

#define CUDA_CHECK(host, call, err) ATTENTION_CUDA(host, "flash", call, err)

/* Upper bound of row tiles per key/value head (flash_cuda.h). Rows fit 32 bits (supports()). */
static int64_t max_row_tiles(const cuda_plan *plan, int32_t n_seqs, int32_t n_tokens)
{
    return n_seqs + (int64_t)n_tokens * plan->group / plan->tile_rows;
}

static int is_of_8_bits(const cg_attention_problem *p)
{
    return cg_dtype_size(p->kv_dtype) == 1;
}

static cg_status supports(const cg_host *host, const cg_attention_problem *p, cg_error *err)
{
    int64_t rows = (int64_t)p->max_tokens * (p->n_heads / p->n_kv_heads);

    if ((p->dtype != CG_BF16 && p->dtype != CG_F16) ||
        (p->dtype != p->kv_dtype && !is_of_8_bits(p)))
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "q of %s and cache of %s, wanted bf16 or f16 for q and the same type, or "
                          "one of 8 bits, for the cache on CUDA; eager serves others",
                          cg_dtype_name(p->dtype), cg_dtype_name(p->kv_dtype));
    if (cg_attention_uses(p, CG_ATTENTION_KV_SCALES) && !is_of_8_bits(p))
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "scales for a cache of %s, wanted f8_e4m3, f8_e5m2 or i8 on CUDA",
                          cg_dtype_name(p->kv_dtype));
    if (!flash_get_decode_kernel(p->head_dim, 0, 0))
        return host->fail(
            err, CG_ERR_UNSUPPORTED,
            "head size %d, wanted 32, 56, 64, 80, 96, 128, 192 or 256 on CUDA; eager serves others",
            p->head_dim);
    if (p->paged && p->block_tokens % FLASH_KV_BLOCK)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "pages of %d tokens, wanted a multiple of %d on CUDA", p->block_tokens,
                          FLASH_KV_BLOCK);
    /* rows, row tiles and thread blocks are counted in 32 bits */
    if (rows + (int64_t)FLASH_DECODE_ROWS * p->max_seqs > INT32_MAX / p->n_kv_heads ||
        p->max_kv_len > INT32_MAX - 1024)
        return host->fail(
            err, CG_ERR_UNSUPPORTED,
            "%d query tokens of %d heads over %d cached tokens: too many for one launch",
            p->max_tokens, p->n_heads, p->max_kv_len);
    CG_TRY(attention_check_gpu(host, "no GPU that flash can use", err));
    return attention_check_capability(host, p, 80, err);
}

static int32_t divide_up(int32_t a, int32_t b)
{
    return a / b + (a % b != 0);
}

/*
 * Selects the size of a split. Splits begin at absolute multiples of it in every plan, so a row's
 * bits depend on the size, not on the call. There are as many splits as fill the GPU, and only one
 * where sequences and heads fill it already, since each costs a pass over partial results.
 */
static cg_status select_split_size(cuda_plan *plan, int32_t multiprocessors, cg_error *err)
{
    const cg_attention_problem *p = &plan->problem;
    int32_t kv_blocks = divide_up(p->max_kv_len, FLASH_KV_BLOCK);
    int64_t blocks = (int64_t)p->max_seqs * p->n_kv_heads;
    int64_t splits = (int64_t)BLOCKS_PER_MULTIPROCESSOR * multiprocessors / blocks;

    if (p->flags & CG_ATTENTION_BATCH_INVARIANT) {
        plan->split_kv_blocks = FIXED_SPLIT / FLASH_KV_BLOCK;
    } else {
        splits = splits < 1 ? 1 : splits > kv_blocks ? kv_blocks : splits;
        plan->split_kv_blocks =
            divide_up(divide_up(kv_blocks, (int32_t)splits), plan->step_kv_blocks) *
            plan->step_kv_blocks;
        if (plan->split_kv_blocks < MIN_SPLIT / FLASH_KV_BLOCK)
            plan->split_kv_blocks = MIN_SPLIT / FLASH_KV_BLOCK;
    }
    plan->n_splits = divide_up(kv_blocks, plan->split_kv_blocks);
    if (plan->n_splits > MAX_SPLITS)
        return plan->host->fail(
            err, CG_ERR_UNSUPPORTED,
            "%d cached tokens in splits of %d: flash supports at most %d splits", p->max_kv_len,
            plan->split_kv_blocks * FLASH_KV_BLOCK, MAX_SPLITS);
    return CG_OK;
}

/* The device on which the plan was made must be current. */
static void destroy(void *self)
{
    cuda_plan *plan = self;

    if (!plan)
        return;
    if (plan->finished)
        (void)cudaFree(plan->finished);
    plan->host->free(plan->host->ctx, plan);
}

/* Allocates the counters of finished splits and sets them to zero. */
static cg_status allocate_finished(cuda_plan *plan, cg_error *err)
{
    size_t bytes = (size_t)max_row_tiles(plan, plan->problem.max_seqs, plan->problem.max_tokens) *
                   (size_t)plan->problem.n_kv_heads * sizeof *plan->finished;

    return attention_alloc_zeros(plan->host, "flash", bytes, &plan->finished, err);
}

/* Selects decode, over a cache of 8 bits decode8, by the rows of a sequence and key/value head. */
static void select_decode(cuda_plan *plan, int32_t multiprocessors)
{
    const cg_attention_problem *p = &plan->problem;
    int64_t rows = (int64_t)divide_up(p->max_tokens, p->max_seqs) * plan->group;

    if (is_of_8_bits(p)) {
        /* The number of warps determines the bits. Where these must not depend on the bounds of the
         * plan, the variant is that of one token a sequence on a full GPU. */
        int is_invariant = (p->flags & CG_ATTENTION_BATCH_INVARIANT) != 0;
        int fills_gpu =
            is_invariant || (int64_t)p->max_seqs * p->n_kv_heads >=
                                (int64_t)FULL_GPU * BLOCKS_PER_MULTIPROCESSOR * multiprocessors;
        flash_decode8_variant variant = flash_select_decode8(
            p->head_dim, p->kv_dtype, is_invariant ? plan->group : rows, fills_gpu);

        plan->kernel = variant.kernel;
        plan->tile_rows = variant.tile_rows;
        plan->threads = (unsigned)variant.warps * 32;
        plan->smem = (size_t)variant.smem;
        plan->step_kv_blocks = variant.warps * variant.kv_blocks;
        return;
    }
    plan->threads = FLASH_DECODE_WARPS * 32;
    plan->step_kv_blocks = FLASH_DECODE_WARPS;
    plan->kernel = flash_get_decode_kernel(p->head_dim, p->dtype == CG_F16, p->paged);
    plan->tile_rows = FLASH_DECODE_ROWS;
    plan->smem = (size_t)flash_decode_smem(p->head_dim);
}

/* Selects prefill90 for long prompts where the loaded image has it: on compute capability 9.0, if
 * sm_90a was built. */
static cg_status select_prefill(cuda_plan *plan, cg_error *err)
{
    const cg_attention_problem *p = &plan->problem;
    const void *kernel = flash_get_prefill90_kernel(p->head_dim, p->dtype == CG_F16, p->paged);
    int64_t rows = (int64_t)p->max_tokens * plan->group / p->max_seqs;
    struct cudaFuncAttributes attributes;

    CG_TRY(CUDA_CHECK(plan->host, cudaFuncGetAttributes(&attributes, kernel), err));
    plan->n_splits = 1;
    if (rows >= (p->head_dim == 64 ? LONG_ROWS_64 : LONG_ROWS_128) &&
        attributes.maxThreadsPerBlock >= flash_prefill90_threads(p->head_dim)) {
        plan->kernel = kernel;
        plan->tile_rows = flash_prefill90_rows(p->head_dim);
        plan->threads = (unsigned)flash_prefill90_threads(p->head_dim);
        plan->smem = (size_t)flash_prefill90_smem(p->head_dim);
        return CG_OK;
    }
    plan->tile_rows = rows <= SHORT_ROWS ? FLASH_PREFILL_SHORT_ROWS : FLASH_PREFILL_ROWS;
    plan->kernel =
        flash_get_prefill_kernel(p->head_dim, plan->tile_rows, p->dtype == CG_F16, p->paged);
    plan->threads = FLASH_PREFILL_WARPS * 32;
    plan->smem = (size_t)flash_prefill_smem(p->head_dim, plan->tile_rows);
    return CG_OK;
}

/* Decode waits for earlier kernels itself where its image is of compute capability 9.0 or newer:
 * wait_for_earlier_kernels(). */
static cg_status select_overlap(cuda_plan *plan, cg_error *err)
{
    struct cudaFuncAttributes attributes;

    CG_TRY(CUDA_CHECK(plan->host, cudaFuncGetAttributes(&attributes, plan->kernel), err));
    plan->overlaps = attributes.ptxVersion >= 90;
    return CG_OK;
}

static cg_status configure_kernel(const cuda_plan *plan, cg_error *err)
{
    CG_TRY(
        CUDA_CHECK(plan->host,
                   cudaFuncSetAttribute(plan->kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                        (int)plan->smem),
                   err));
    /* several thread blocks share a multiprocessor, and the kernels use no other cache */
    return CUDA_CHECK(plan->host,
                      cudaFuncSetAttribute(plan->kernel,
                                           cudaFuncAttributePreferredSharedMemoryCarveout,
                                           cudaSharedmemCarveoutMaxShared),
                      err);
}

static cg_status create_plan(const cg_host *host, const cg_attention_problem *p, void **ret_plan,
                             cg_error *err)
{
    /* BATCH_INVARIANT: the bits of one kernel, whatever the bounds of the plan. */
    const int is_prefill = (p->head_dim == 64 || p->head_dim == 128) &&
                           !(p->flags & CG_ATTENTION_BATCH_INVARIANT) && !is_of_8_bits(p) &&
                           p->max_tokens / PREFILL_TOKENS >= p->max_seqs;
    int multiprocessors = 0;
    cg_status st;
    cuda_plan *plan;

    CG_TRY(supports(host, p, err));
    plan = host->alloc(host->ctx, sizeof *plan);
    if (!plan)
        return host->fail(err, CG_ERR_NOMEM, "flash: out of host memory for a plan");
    *plan = (cuda_plan) {
        .ops = &flash_cuda_ops,
        .host = host,
        .problem = cg_attention_keep_problem(p),
        .group = p->n_heads / p->n_kv_heads,
    };
    CG_TRY_GOTO(st, attention_count_multiprocessors(host, "flash", &multiprocessors, err), out);
    if (is_prefill)
        CG_TRY_GOTO(st, select_prefill(plan, err), out);
    else
        select_decode(plan, multiprocessors);
    CG_TRY_GOTO(st, configure_kernel(plan, err), out);
    if (!is_prefill) {
        CG_TRY_GOTO(st, select_overlap(plan, err), out);
        CG_TRY_GOTO(st, select_split_size(plan, multiprocessors, err), out);
    }
    if (plan->n_splits > 1)
        CG_TRY_GOTO(st, allocate_finished(plan, err), out);
    *ret_plan = plan;
    return CG_OK;
out:
    destroy(plan);
    return st;
}

/* Rows of partial results: splits x query tokens x query heads. */
static size_t partial_rows(const cuda_plan *plan)
{
    return plan->n_splits > 1 ? (size_t)plan->n_splits * (size_t)plan->problem.max_tokens *
                                    (size_t)plan->problem.n_heads
                              : 0;
}

static size_t workspace_size(const void *self)
{
    const cuda_plan *plan = self;

    return partial_rows(plan) * ((size_t)plan->problem.head_dim + 2) * sizeof(float);
}

static int is_aligned(const void *p)
{
    return (uintptr_t)p % ALIGNMENT == 0;
}

/* Checks a call without reading device memory. */
static cg_status check_args(const cuda_plan *plan, const cg_attention_args *a, cg_error *err)
{
    const cg_attention_problem *p = &plan->problem;
    const cg_host *host = plan->host;

    CG_TRY(cg_attention_check_device_args(host, p, a, err));
    if (cg_attention_is_empty(a))
        return CG_OK;
    if (p->paged && a->kv->block_tokens % FLASH_KV_BLOCK)
        return host->fail(err, CG_ERR_MISMATCH,
                          "pages of %d tokens, wanted a multiple of %d on CUDA",
                          a->kv->block_tokens, FLASH_KV_BLOCK);
    if (!a->q || !a->out || !a->q_start || !a->slot || !a->kv_len ||
        (!a->workspace && plan->n_splits > 1))
        return host->fail(err, CG_ERR_USAGE, "attention arguments: q, out, q_start, slot%s is NULL",
                          plan->n_splits > 1 ? ", kv_len or workspace" : " or kv_len");
    if (!is_aligned(a->q) || !is_aligned(a->out) || a->q_stride % ALIGNMENT ||
        a->out_stride % ALIGNMENT || !is_aligned(a->workspace))
        return host->fail(err, CG_ERR_USAGE,
                          "attention arguments: q at %p, stride %lld bytes, out at %p, stride %lld "
                          "bytes, workspace at %p: wanted multiples of %d",
                          a->q, (long long)a->q_stride, a->out, (long long)a->out_stride,
                          a->workspace, ALIGNMENT);
    if (!is_aligned(a->kv->k) || !is_aligned(a->kv->v) || a->kv->block_stride % ALIGNMENT ||
        a->kv->head_stride % ALIGNMENT || a->kv->token_stride % ALIGNMENT)
        return host->fail(err, CG_ERR_MISMATCH,
                          "keys at %p, values at %p, strides of %lld, %lld and %lld bytes: wanted "
                          "multiples of %d",
                          a->kv->k, a->kv->v, (long long)a->kv->block_stride,
                          (long long)a->kv->head_stride, (long long)a->kv->token_stride, ALIGNMENT);
    return is_of_8_bits(p) ? attention_check_scales(host, a->kv, err) : CG_OK;
}

static cg_status run(void *self, const cg_attention_args *a, cg_error *err)
{
    /* exp(x) = exp2(x log2(e)). A scale of 0 becomes one small enough to leave all weights equal:
     * the score -infinity of hidden tokens times the scale must stay -infinity. */
    const float log2e = 0x1.715476p0f, min_scale = 1e-30f;
    cuda_plan *plan = self;
    const cg_attention_problem *p = &plan->problem;
    int32_t page_kv_blocks; /* contiguous views: not used */
    flash_cuda_call call;
    void *params[] = { &call };
    cudaLaunchAttribute overlap = {
        .id = cudaLaunchAttributeProgrammaticStreamSerialization,
        .val.programmaticStreamSerializationAllowed = 1,
    };
    cudaLaunchConfig_t config = {
        .gridDim = { 1, 1, 1 },
        .blockDim = { plan->threads, 1, 1 },
        .dynamicSmemBytes = plan->smem,
        .stream = (cudaStream_t)a->stream,
        .attrs = &overlap,
        .numAttrs = plan->overlaps,
    };

    CG_TRY(check_args(plan, a, err));
    if (cg_attention_is_empty(a))
        return CG_OK;
    page_kv_blocks = p->paged ? a->kv->block_tokens / FLASH_KV_BLOCK : 1;
    call = (flash_cuda_call) {
        .q = a->q,
        .out = a->out,
        .k = a->kv->k,
        .v = a->kv->v,
        .q_start = a->q_start,
        .slot = a->slot,
        .kv_len = a->kv_len,
        .page_table = a->kv->page_table,
        .q_stride = a->q_stride,
        .out_stride = a->out_stride,
        .page_stride = a->kv->block_stride,
        .head_stride = a->kv->head_stride,
        .token_stride = a->kv->token_stride,
        .table_stride = a->kv->table_stride,
        .page_kv_blocks = page_kv_blocks,
        .n_seqs = a->n_seqs,
        .n_kv_heads = p->n_kv_heads,
        .group = plan->group,
        .window = p->window,
        .scale = fmaxf(fabsf(p->scale) * log2e, min_scale),
        .sign_flip = p->scale < 0 ? 0x80008000u : 0,
        .by_heads = flash_divisor_of(p->n_kv_heads),
        .by_group = flash_divisor_of(plan->group),
        .by_page = flash_divisor_of(page_kv_blocks),
        .split_kv_blocks = plan->split_kv_blocks,
        .max_rows = p->max_tokens * plan->group,
        .partial_acc = a->workspace,
        .partial_max_sum = plan->n_splits > 1
                               ? (float *)a->workspace + partial_rows(plan) * (size_t)p->head_dim
                               : NULL,
        .finished = plan->finished,
    };
    if (is_of_8_bits(p)) {
        call.k_scale = a->kv->k_scale;
        call.v_scale = a->kv->v_scale;
        call.scale_page_stride = a->kv->scale_block_stride;
        call.scale_head_stride = a->kv->scale_head_stride;
        call.scale_token_stride = a->kv->scale_token_stride;
        call.q_is_f16 = p->dtype == CG_F16;
    }
    config.gridDim.x = (unsigned)(max_row_tiles(plan, a->n_seqs, a->n_tokens) * p->n_kv_heads);
    config.gridDim.y = (unsigned)plan->n_splits;
    return CUDA_CHECK(plan->host, cudaLaunchKernelExC(&config, plan->kernel, params), err);
}

const cg_attention_ops flash_cuda_ops = {
    CG_SIZED(cg_attention_ops),
    .caps = CG_ATTENTION_DETERMINISTIC | CG_ATTENTION_BATCH_INVARIANT | CG_ATTENTION_GRAPH_SAFE,
    .supports = supports,
    .plan = create_plan,
    .workspace_size = workspace_size,
    .run = run,
    .destroy = destroy,
    .features = CG_ATTENTION_KV_SCALES,
};
