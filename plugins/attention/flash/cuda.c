/* SPDX-License-Identifier: MIT */
/*
 * flash on CUDA, host side: which kernel with which grid, and the checks that only the host can
 * make. decode.cu, prefill.cu and prefill90.cu compute.
 */
#include <math.h>
#include <string.h>

#include <confgen/attention_check.h>
#include <cuda_runtime_api.h>

#include "flash_cuda.h"
#include "sides.h"

enum {
    ALIGNMENT = 16, /* of all bases and strides: what one copy of a thread moves */
    /* Tokens of a chunk where bits must not depend on how many sequences a plan is for. */
    FIXED_CHUNK = 512,
    MIN_CHUNK = 128,
    /* Rows a sequence on average from which a call is a matter of arithmetic, not of memory. */
    PREFILL_TOKENS = 16,
    /* Rows of a key/value head, a sequence on average, up to which prefill waits more than it
     * computes. */
    SHORT_ROWS = 256,
    /* Rows of a key/value head, a sequence on average, from which products of warpgroups pay, where
     * there are any: one block a multiprocessor begins and ends alone. */
    LONG_ROWS_64 = 768, /* head size 64 */
    LONG_ROWS_128 = 384,
    /* Blocks that a decode launch should have at its longest: some waves of what is resident, so
     * that sequences of unequal length even out. */
    BLOCKS_PER_MULTIPROCESSOR = 8,
    MAX_CHUNKS = 65535, /* of a grid's second dimension */
};

typedef struct cuda_plan {
    const cg_attention_ops *side; /* first: flash_plan_side() */
    const cg_host *host;
    cg_attention_problem problem;
    int32_t group;
    int32_t rows; /* of a tile */
    const void *kernel;
    unsigned threads;
    size_t smem;
    int32_t split_kv_blocks; /* decode */
    int32_t n_chunks;        /* decode: that the longest sequence has; prefill: 1 */
    uint32_t *finished;      /* decode with several chunks: device memory, else NULL */
} cuda_plan;

#define CHECK(host, call, err) check(host, (call), #call, err)

static cg_status check(const cg_host *host, cudaError_t code, const char *call, cg_error *err)
{
    if (code == cudaSuccess)
        return CG_OK;
    (void)cudaGetLastError(); /* the error is reported here, not by the next call as well */
    return host->fail(err,
                      code == cudaErrorMemoryAllocation         ? CG_ERR_DEVICE_NOMEM
                      : code == cudaErrorNoKernelImageForDevice ? CG_ERR_UNSUPPORTED
                                                                : CG_ERR_CUDA,
                      "flash: %.80s: %s", call, cudaGetErrorString(code));
}

/* Tiles of one key/value head, at most: flash_cuda.h. Rows fit 32 bits: supports(). */
static int64_t n_tiles(const cuda_plan *f, int32_t n_seqs, int32_t n_tokens)
{
    return n_seqs + (int64_t)n_tokens * f->group / f->rows;
}

static cg_status supports(const cg_host *host, const cg_attention_problem *p, cg_error *err)
{
    int64_t rows = (int64_t)p->max_tokens * (p->n_heads / p->n_kv_heads);
    cudaError_t code;
    int devices = 0;

    if ((p->dtype != CG_BF16 && p->dtype != CG_F16) || p->dtype != p->kv_dtype)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "element types %d and %d of q and cache: on CUDA flash computes with "
                          "bf16 or f16, the same for both; eager serves f32",
                          p->dtype, p->kv_dtype);
    if (p->head_dim != 64 && p->head_dim != 128)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "head size %d: on CUDA flash is built for 64 and 128", p->head_dim);
    if (p->paged && p->block_tokens % FLASH_KV_BLOCK)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "pages of %d tokens: on CUDA flash wants a multiple of %d",
                          p->block_tokens, FLASH_KV_BLOCK);
    /* rows, tiles and blocks are counted in 32 bits */
    if (rows + (int64_t)FLASH_DECODE_ROWS * p->max_seqs > INT32_MAX / p->n_kv_heads ||
        p->max_kv_len > INT32_MAX - 1024)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "%d rows of %d heads over %d cached tokens: too many for one launch",
                          p->max_tokens, p->n_heads, p->max_kv_len);
    code = cudaGetDeviceCount(&devices);
    if (code != cudaSuccess) {
        (void)cudaGetLastError();
        return host->fail(err, CG_ERR_UNSUPPORTED, "no GPU that flash can use: %s",
                          cudaGetErrorString(code));
    }
    if (p->compute_capability < 80)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "compute capability %d.%d: flash on CUDA wants 8.0 or newer",
                          p->compute_capability / 10, p->compute_capability % 10);
    return CG_OK;
}

static int32_t divide_up(int32_t a, int32_t b)
{
    return a / b + (a % b != 0);
}

/*
 * How the keys of a sequence are cut. Chunks begin at absolute multiples, in every plan: a row's
 * bits depend on the size of a chunk, not on the call. Enough of them to fill the GPU; one, where
 * sequences and heads do, since each costs a pass over partial results.
 */
static cg_status cut(cuda_plan *f, int32_t multiprocessors, cg_error *err)
{
    const cg_attention_problem *p = &f->problem;
    int32_t pieces = divide_up(p->max_kv_len, FLASH_KV_BLOCK);
    int64_t blocks = (int64_t)p->max_seqs * p->n_kv_heads;
    int64_t chunks = (int64_t)BLOCKS_PER_MULTIPROCESSOR * multiprocessors / blocks;

    if (p->flags & CG_ATTENTION_BATCH_INVARIANT) {
        f->split_kv_blocks = FIXED_CHUNK / FLASH_KV_BLOCK;
    } else {
        chunks = chunks < 1 ? 1 : chunks > pieces ? pieces : chunks;
        f->split_kv_blocks =
            divide_up(divide_up(pieces, (int32_t)chunks), FLASH_DECODE_WARPS) * FLASH_DECODE_WARPS;
        if (f->split_kv_blocks < MIN_CHUNK / FLASH_KV_BLOCK)
            f->split_kv_blocks = MIN_CHUNK / FLASH_KV_BLOCK;
    }
    f->n_chunks = divide_up(pieces, f->split_kv_blocks);
    if (f->n_chunks > MAX_CHUNKS)
        return f->host->fail(err, CG_ERR_UNSUPPORTED,
                             "%d cached tokens in chunks of %d: flash takes %d chunks at most",
                             p->max_kv_len, f->split_kv_blocks * FLASH_KV_BLOCK, MAX_CHUNKS);
    return CG_OK;
}

static void destroy(void *self)
{
    cuda_plan *f = self;

    if (!f)
        return;
    if (f->finished)
        (void)cudaFree(f->finished);
    f->host->free(f->host->ctx, f);
}

/* The counters of decode blocks, zero. */
static cg_status allocate_finished(cuda_plan *f, cg_error *err)
{
    size_t bytes = (size_t)n_tiles(f, f->problem.max_seqs, f->problem.max_tokens) *
                   (size_t)f->problem.n_kv_heads * sizeof *f->finished;
    cg_status st = CHECK(f->host, cudaMalloc((void **)&f->finished, bytes), err);

    if (st == CG_OK)
        st = CHECK(f->host, cudaMemset(f->finished, 0, bytes), err);
    /* The memory is set on another stream than the kernels will run on. */
    if (st == CG_OK)
        st = CHECK(f->host, cudaStreamSynchronize(0), err);
    return st;
}

static void pick_decode(cuda_plan *f)
{
    const cg_attention_problem *p = &f->problem;

    f->kernel = flash_get_decode_kernel(p->head_dim, p->dtype == CG_F16, p->paged);
    f->rows = FLASH_DECODE_ROWS;
    f->threads = FLASH_DECODE_WARPS * 32;
    f->smem = (size_t)flash_decode_smem(p->head_dim);
}

/* Warpgroups multiply where the loaded image has that kernel: on compute capability 9.0, if sm_90a
 * was built. */
static cg_status pick_prefill(cuda_plan *f, cg_error *err)
{
    const cg_attention_problem *p = &f->problem;
    const void *kernel = flash_get_prefill90_kernel(p->head_dim, p->dtype == CG_F16, p->paged);
    int64_t rows = (int64_t)p->max_tokens * f->group / p->max_seqs;
    struct cudaFuncAttributes has;
    cg_status st = CHECK(f->host, cudaFuncGetAttributes(&has, kernel), err);

    if (st != CG_OK)
        return st;
    f->n_chunks = 1;
    if (rows >= (p->head_dim == 64 ? LONG_ROWS_64 : LONG_ROWS_128) &&
        has.maxThreadsPerBlock >= flash_prefill90_threads(p->head_dim)) {
        f->kernel = kernel;
        f->rows = flash_prefill90_rows(p->head_dim);
        f->threads = (unsigned)flash_prefill90_threads(p->head_dim);
        f->smem = (size_t)flash_prefill90_smem(p->head_dim);
        return CG_OK;
    }
    f->rows = rows <= SHORT_ROWS ? FLASH_PREFILL_SHORT_ROWS : FLASH_PREFILL_ROWS;
    f->kernel = flash_get_prefill_kernel(p->head_dim, f->rows, p->dtype == CG_F16, p->paged);
    f->threads = FLASH_PREFILL_WARPS * 32;
    f->smem = (size_t)flash_prefill_smem(p->head_dim, f->rows);
    return CG_OK;
}

static cg_status plan(const cg_host *host, const cg_attention_problem *p, void **ret_plan,
                      cg_error *err)
{
    int is_prefill, device = 0, multiprocessors = 0;
    cg_status st = supports(host, p, err);
    cuda_plan *f;

    if (st != CG_OK)
        return st;
    f = host->alloc(host->ctx, sizeof *f);
    if (!f)
        return host->fail(err, CG_ERR_NOMEM, "attention plan: out of memory");
    *f = (cuda_plan) {
        .side = &flash_cuda_ops,
        .host = host,
        .problem = cg_attention_keep_problem(p),
        .group = p->n_heads / p->n_kv_heads,
    };
    /* Invariant bits are those of one kernel, whatever the plan's bounds. */
    is_prefill =
        !(p->flags & CG_ATTENTION_BATCH_INVARIANT) && p->max_tokens / PREFILL_TOKENS >= p->max_seqs;
    if (!is_prefill)
        pick_decode(f);
    else if ((st = pick_prefill(f, err)) != CG_OK)
        goto out;
    if ((st = CHECK(host, cudaGetDevice(&device), err)) != CG_OK ||
        (st = CHECK(
             host, cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device),
             err)) != CG_OK ||
        (st = CHECK(host,
                    cudaFuncSetAttribute(f->kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                         (int)f->smem),
                    err)) != CG_OK ||
        /* the kernels count on several blocks a multiprocessor and use no other cache */
        (st = CHECK(host,
                    cudaFuncSetAttribute(f->kernel, cudaFuncAttributePreferredSharedMemoryCarveout,
                                         cudaSharedmemCarveoutMaxShared),
                    err)) != CG_OK ||
        (!is_prefill && (st = cut(f, multiprocessors, err)) != CG_OK))
        goto out;
    if (f->n_chunks > 1 && (st = allocate_finished(f, err)) != CG_OK)
        goto out;
    *ret_plan = f;
    f = NULL;
out:
    destroy(f);
    return st;
}

/* Rows of partial results: a chunk and key/value head have one for each of the call's. */
static size_t partial_rows(const cuda_plan *f)
{
    return f->n_chunks > 1
               ? (size_t)f->n_chunks * (size_t)f->problem.max_tokens * (size_t)f->problem.n_heads
               : 0;
}

static size_t workspace_size(const void *self)
{
    const cuda_plan *f = self;

    return partial_rows(f) * ((size_t)f->problem.head_dim + 2) * sizeof(float);
}

static int is_aligned(const void *p)
{
    return (uintptr_t)p % ALIGNMENT == 0;
}

/* What can be said of a call without reading device memory. */
static cg_status check_args(const cuda_plan *f, const cg_attention_args *a, cg_error *err)
{
    const cg_attention_problem *p = &f->problem;
    const cg_host *host = f->host;
    cg_status st;

    if (a->struct_size < offsetof(cg_attention_args, stream) + sizeof a->stream)
        return host->fail(err, CG_ERR_USAGE, "attention arguments of %u bytes, wanted at least %u",
                          a->struct_size,
                          (unsigned)(offsetof(cg_attention_args, stream) + sizeof a->stream));
    if (a->n_seqs < 0 || a->n_seqs > p->max_seqs || a->n_tokens < 0 || a->n_tokens > p->max_tokens)
        return host->fail(err, CG_ERR_USAGE, "%d rows of %d sequences, planned for %d of %d",
                          a->n_tokens, a->n_seqs, p->max_tokens, p->max_seqs);
    if (a->n_seqs == 0 || a->n_tokens == 0)
        return CG_OK;
    if ((st = cg_attention_check_view(host, p, a->kv, err)) != CG_OK)
        return st;
    if (p->paged && a->kv->block_tokens % FLASH_KV_BLOCK)
        return host->fail(err, CG_ERR_MISMATCH,
                          "pages of %d tokens: on CUDA flash wants a multiple of %d",
                          a->kv->block_tokens, FLASH_KV_BLOCK);
    if (!a->q || !a->out || !a->q_start || !a->slot || !a->kv_len ||
        (!a->workspace && f->n_chunks > 1))
        return host->fail(err, CG_ERR_USAGE, "an attention call without memory");
    if (!is_aligned(a->q) || !is_aligned(a->out) || a->q_stride % ALIGNMENT ||
        a->out_stride % ALIGNMENT || !is_aligned(a->workspace))
        return host->fail(err, CG_ERR_USAGE,
                          "q at %p, rows %lld bytes apart, out at %p, rows %lld bytes apart, "
                          "workspace at %p: wanted multiples of %d",
                          a->q, (long long)a->q_stride, a->out, (long long)a->out_stride,
                          a->workspace, ALIGNMENT);
    if (!is_aligned(a->kv->k) || !is_aligned(a->kv->v) || a->kv->block_stride % ALIGNMENT ||
        a->kv->head_stride % ALIGNMENT || a->kv->token_stride % ALIGNMENT)
        return host->fail(err, CG_ERR_MISMATCH,
                          "keys at %p, values at %p, strides of %lld, %lld and %lld bytes: wanted "
                          "multiples of %d",
                          a->kv->k, a->kv->v, (long long)a->kv->block_stride,
                          (long long)a->kv->head_stride, (long long)a->kv->token_stride, ALIGNMENT);
    return CG_OK;
}

static cg_status run(void *self, const cg_attention_args *a, cg_error *err)
{
    /* of exponents: exp(x) = exp2(x log2(e)). A scale of 0 becomes one that is small enough to
     * leave all weights alike: minus infinity, for what is not seen, times it must stay that. */
    const float log2e = 0x1.715476p0f, least = 1e-30f;
    cuda_plan *f = self;
    const cg_attention_problem *p = &f->problem;
    cg_status st = check_args(f, a, err);
    flash_cuda_call call;
    void *params[] = { &call };
    dim3 grid = { 1, 1, 1 }, block = { 1, 1, 1 };

    if (st != CG_OK || a->n_seqs == 0 || a->n_tokens == 0)
        return st;
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
        .page_kv_blocks = a->kv->block_tokens / FLASH_KV_BLOCK,
        .n_seqs = a->n_seqs,
        .n_kv_heads = p->n_kv_heads,
        .group = f->group,
        .window = p->window,
        .scale = fmaxf(fabsf(p->scale) * log2e, least),
        .sign_flip = p->scale < 0 ? 0x80008000u : 0,
        .split_kv_blocks = f->split_kv_blocks,
        .max_rows = p->max_tokens * f->group,
        .partial_acc = a->workspace,
        .partial_ml =
            f->n_chunks > 1 ? (float *)a->workspace + partial_rows(f) * (size_t)p->head_dim : NULL,
        .finished = f->finished,
    };
    grid.x = (unsigned)(n_tiles(f, a->n_seqs, a->n_tokens) * p->n_kv_heads);
    grid.y = (unsigned)f->n_chunks;
    block.x = f->threads;
    return CHECK(f->host,
                 cudaLaunchKernel(f->kernel, grid, block, params, f->smem, (cudaStream_t)a->stream),
                 err);
}

const cg_attention_ops flash_cuda_ops = {
    CG_SIZED(cg_attention_ops),
    .caps = CG_ATTENTION_DETERMINISTIC | CG_ATTENTION_BATCH_INVARIANT | CG_ATTENTION_GRAPH_SAFE,
    .supports = supports,
    .plan = plan,
    .workspace_size = workspace_size,
    .run = run,
    .destroy = destroy,
};
