/* SPDX-License-Identifier: MIT */
/*
 * cudnn: attention by NVIDIA's cuDNN, through its backend C API. Execution plans are made for the
 * largest lengths of buckets.h; units.cu writes the lengths and offsets of each call as device
 * data.
 */
#include <stdlib.h>
#include <string.h>

#include <confgen/attention.h>
#include <confgen/attention_check.h>
#include <cuda_runtime_api.h>

#include "../common/cuda_checks.h"
#include "buckets.h"
#include "graph.h"
#include "units.h"

enum {
    CAPS = CG_ATTENTION_GRAPH_SAFE,
    MAX_DIM = 256,
    /* Up to this many query tokens per sequence on average, each query token is a unit: it reads
     * its past by itself, but sequences need no tile of 64 or 128 rows each. */
    FEW_ROWS = 4,
    UNIFIED_COUNTS = 91500, /* first cuDNN whose SDPA_FWD node takes counts and pages */
    ALIGNMENT = 16,         /* bytes that cuDNN moves at once */
};

/* Byte offsets into the workspace; arrays that a plan does not need stay unused. */
typedef struct workspace_layout {
    size_t row_count, token_count, q_at, out_at, kv_at, pages, q, out, size;
} workspace_layout;

typedef struct cudnn_plan {
    const cg_host *host;
    const cudnn_library *lib;
    cg_attention_problem problem;
    int32_t by_row; /* units are query tokens, else sequences */
    int32_t n_units;
    int32_t entries; /* batch entries per unit */
    int32_t n_pages; /* per unit */
    /* by the largest length that they are for: those of buckets.h if the calls' bounds differ, else
     * only the last one; NULL: cuDNN has no engine for it, and a larger one is used */
    sdpa_graph *graphs[MAX_BUCKETS];
    cudnnHandle_t handle;
    workspace_layout layout;
} cudnn_plan;

/* ---- shapes -------------------------------------------------------------------------------- */

static int32_t is_by_row(const cg_attention_problem *p)
{
    return p->max_tokens / FEW_ROWS <= p->max_seqs;
}

static int32_t is_nhd(const cg_attention_problem *p)
{
    return CG_HAS_SIZE(p, kv_layout) && p->kv_layout == CG_KV_NHD;
}

/* In a growing contiguous HND cache the head stride is unknown at planning: every key/value head is
 * a batch entry. */
static int32_t is_by_head(const cg_attention_problem *p)
{
    return !p->paged && p->block_tokens == 0 && !is_nhd(p);
}

/* Elements between tokens of a block. */
static int64_t token_stride(const cg_attention_problem *p)
{
    return (int64_t)(is_nhd(p) ? p->n_kv_heads : 1) * p->head_dim;
}

/* Elements between heads of a block; 0: unknown. */
static int64_t head_stride(const cg_attention_problem *p)
{
    return (int64_t)(is_nhd(p) ? 1 : p->block_tokens) * p->head_dim;
}

/* Most cached tokens of a sequence in a view of `block_tokens`: without pages, those of a slot. */
static int64_t longest_in(const cg_attention_problem *p, int32_t block_tokens)
{
    return !p->paged && block_tokens && block_tokens < p->max_kv_len ? block_tokens : p->max_kv_len;
}

/*
 * Whether the largest length differs between calls as far as the host knows: slots of a contiguous
 * cache grow. Query tokens as units have no grid that depends on it.
 */
static int32_t has_buckets(const cg_attention_problem *p)
{
    return !is_by_row(p) && !p->paged && p->block_tokens == 0;
}

/* len: most cached tokens of a sequence */
static sdpa_shape make_shape(const cg_attention_problem *p, int64_t len)
{
    const int64_t dim = p->head_dim, block = p->block_tokens;
    const int64_t longest = p->max_tokens < len ? p->max_tokens : len;
    sdpa_shape s = {
        .type = p->dtype == CG_BF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_HALF,
        .batch = is_by_row(p) ? p->max_tokens : p->max_seqs,
        .heads = p->n_heads,
        .kv_heads = p->n_kv_heads,
        .rows = is_by_row(p) ? 1 : longest,
        .len = len,
        .dim = dim,
        .ragged = 1,
        .scale = p->scale,
    };

    /* For single query tokens the window only moves the first token's offset. */
    if (!is_by_row(p)) {
        s.causal = 1;
        s.window = p->window;
    }
    s.kv_strides[2] = token_stride(p);
    s.kv_strides[1] = head_stride(p);
    s.kv_strides[0] = p->n_kv_heads * (block ? block : s.len) * dim;
    if (p->paged) {
        s.block_tokens = block;
        /* The size of the page pool is unknown here: as many pages as 31-bit indices address. */
        s.n_blocks = (INT64_C(1) << 31) / (p->n_kv_heads * block);
    } else {
        s.ragged_kv = 1; /* slots are in any order */
    }
    if (is_by_head(p)) {
        s.batch *= p->n_kv_heads;
        s.heads /= p->n_kv_heads;
        s.kv_heads = 1;
        s.kv_strides[0] = s.kv_strides[1] = s.len * dim; /* unused: ragged */
    }
    s.q_strides[2] = s.out_strides[2] = p->n_heads * dim;
    s.q_strides[1] = s.out_strides[1] = dim;
    s.q_strides[0] = s.out_strides[0] = s.rows * p->n_heads * dim; /* unused: ragged */
    return s;
}

static cg_status check_or_create(const cudnn_library *lib, const cg_host *host,
                                 cudnnBackendDescriptor_t device, const sdpa_shape *shape,
                                 sdpa_graph **ret_graph, cg_error *err)
{
    return ret_graph ? sdpa_graph_create(lib, host, device, shape, ret_graph, err)
                     : sdpa_graph_check(lib, host, device, shape, err);
}

/*
 * Makes the graph of a problem for sequences of up to `len` cached tokens: the unified form where
 * it can express the problem, else the composite form. CONFGEN_CUDNN_PARTS=1 selects the composite
 * form everywhere. ret_graph: NULL only checks that cuDNN accepts it.
 */
static cg_status make_graph(const cudnn_library *lib, const cg_host *host,
                            const cg_attention_problem *p, int64_t len, sdpa_graph **ret_graph,
                            cg_error *err)
{
    const char *composite = getenv("CONFGEN_CUDNN_PARTS");
    cudnnBackendDescriptor_t device = NULL;
    sdpa_shape shape = make_shape(p, len);
    int index = 0;
    cudaError_t code = cudaGetDevice(&index);
    cg_status st;

    CG_TRY(attention_cuda_available(host, "CUDA", code, err));
    CG_TRY(sdpa_device_create(lib, host, index, NULL, &device, err));
    st = CG_ERR_UNSUPPORTED;
    if (!shape.causal && lib->version >= UNIFIED_COUNTS &&
        !(composite && strcmp(composite, "1") == 0)) {
        shape.form = SDPA_UNIFIED;
        st = check_or_create(lib, host, device, &shape, ret_graph, err);
    }
    if (st == CG_ERR_UNSUPPORTED) {
        shape.form = SDPA_COMPOSITE;
        st = check_or_create(lib, host, device, &shape, ret_graph, err);
    }
    lib->destroy_descriptor(device);
    return st;
}

static cg_status check_problem(const cg_host *host, const cg_attention_problem *p, cg_error *err)
{
    const int32_t b = p->block_tokens;

    CG_TRY(cg_attention_check_problem(host, p, err));
    if (p->device != CG_DEVICE_CUDA)
        return host->fail(err, CG_ERR_UNSUPPORTED, "cudnn needs CUDA, but the device is %s",
                          cg_device_name(p->device));
    CG_TRY(attention_check_capability(host, p, 80, err));
    if ((p->dtype != CG_BF16 && p->dtype != CG_F16) || p->kv_dtype != p->dtype)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "q of %s, cache of %s: cuDNN takes bf16 or f16, the same in both",
                          cg_dtype_name(p->dtype), cg_dtype_name(p->kv_dtype));
    if (p->head_dim % 8 || p->head_dim > MAX_DIM)
        return host->fail(err, CG_ERR_UNSUPPORTED, "head size %d, wanted a multiple of 8 up to %d",
                          p->head_dim, MAX_DIM);
    if (p->paged && (b < 1 || (b & (b - 1))))
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "pages of %d tokens (0: unknown), wanted a power of two", b);
    if (p->paged && !is_by_row(p))
        return host->fail(
            err, CG_ERR_UNSUPPORTED,
            "up to %d query tokens of %d sequences over pages: cuDNN lets NaN of unused page "
            "memory spread, wanted a contiguous cache or flash",
            p->max_tokens, p->max_seqs);
    if (p->paged && p->window)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "a window of %d tokens over pages: cuDNN lets NaN of tokens behind the "
                          "window spread, wanted a contiguous cache or flash",
                          p->window);
    if (p->flags & ~(uint32_t)CAPS)
        return host->fail(
            err, CG_ERR_UNSUPPORTED,
            "the run requires deterministic or batch-invariant attention, which cuDNN does not "
            "guarantee; use --attention flash");
    return attention_check_gpu(host, "CUDA", err);
}

static cg_status supports(const cg_host *host, const cg_attention_problem *p, cg_error *err)
{
    const cudnn_library *lib;

    CG_TRY(check_problem(host, p, err));
    CG_TRY(cudnn_library_load(host, &lib, err));
    return make_graph(lib, host, p, longest_in(p, p->block_tokens), NULL, err);
}

/* ---- plans --------------------------------------------------------------------------------- */

static void destroy(void *self)
{
    cudnn_plan *c = self;

    if (!c)
        return;
    for (int32_t i = 0; i < MAX_BUCKETS; i++)
        sdpa_graph_destroy(c->graphs[i]);
    if (c->handle)
        c->lib->destroy_handle(c->handle);
    c->host->free(c->host->ctx, c);
}

/* Appends n * size bytes, 256-byte aligned, to a workspace of *end bytes; nonzero on overflow. */
static int append_array(size_t *end, size_t *ret_at, size_t n, size_t size)
{
    size_t bytes, sum;

    if (__builtin_mul_overflow(n, size, &bytes) || __builtin_add_overflow(*end, bytes, &sum) ||
        __builtin_add_overflow(sum, 255, &sum))
        return 1;
    *ret_at = *end;
    *end = sum / 256 * 256;
    return 0;
}

static cg_status lay_out_workspace(cudnn_plan *c, cg_error *err)
{
    const cg_attention_problem *p = &c->problem;
    workspace_layout *l = &c->layout;
    size_t n = (size_t)c->n_units * (size_t)c->entries, end = 0, at;
    size_t row = (size_t)p->n_heads * (size_t)p->head_dim * cg_dtype_size(p->dtype);
    size_t of_graphs = 0;
    int over;

    for (int32_t i = 0; i < MAX_BUCKETS; i++)
        if (c->graphs[i] && sdpa_graph_workspace(c->graphs[i]) > of_graphs)
            of_graphs = sdpa_graph_workspace(c->graphs[i]);
    over = append_array(&end, &at, of_graphs, 1);
    over |= append_array(&end, &l->row_count, n, sizeof(int32_t));
    over |= append_array(&end, &l->token_count, n, sizeof(int32_t));
    over |= append_array(&end, &l->q_at, n + 1, sizeof(int64_t));
    over |= append_array(&end, &l->out_at, n + 1, sizeof(int64_t));
    if (p->paged)
        over |=
            append_array(&end, &l->pages, (size_t)c->n_units * (size_t)c->n_pages, sizeof(int32_t));
    else
        over |= append_array(&end, &l->kv_at, n + 1, sizeof(int64_t));
    if (!c->by_row) {
        over |= append_array(&end, &l->q, (size_t)p->max_tokens, row);
        over |= append_array(&end, &l->out, (size_t)p->max_tokens, row);
    }
    l->size = end;
    return over ? c->host->fail(err, CG_ERR_UNSUPPORTED,
                                "cudnn: the workspace for %d %s of %d pages exceeds the address "
                                "space: lower the batch size or --max-length",
                                c->n_units, c->by_row ? "query tokens" : "sequences", c->n_pages)
                : CG_OK;
}

/*
 * Makes the graph for the largest length, which calls can always use, and those for smaller ones.
 */
static cg_status make_graphs(cudnn_plan *c, cg_error *err)
{
    const cg_attention_problem *p = &c->problem;
    const int64_t longest = longest_in(p, p->block_tokens);
    const int32_t last = bucket_of(longest, longest);

    CG_TRY(make_graph(c->lib, c->host, p, longest, &c->graphs[last], err));
    for (int32_t i = 0; i < last && has_buckets(p); i++) {
        cg_status st = make_graph(c->lib, c->host, p, bucket_len(longest, i), &c->graphs[i], err);

        if (st != CG_OK && st != CG_ERR_UNSUPPORTED)
            return st;
    }
    return CG_OK;
}

/* The graph for the slots of a view. */
static sdpa_graph *graph_for(const cudnn_plan *c, const cg_kv_view *kv)
{
    const cg_attention_problem *p = &c->problem;
    int32_t i = bucket_of(longest_in(p, p->block_tokens), longest_in(p, kv->block_tokens));

    while (!c->graphs[i])
        i++;
    return c->graphs[i];
}

static cg_status plan(const cg_host *host, const cg_attention_problem *p, void **ret_plan,
                      cg_error *err)
{
    const cudnn_library *lib;
    cudnnStatus_t code;
    cudnn_plan *c;
    cg_status st;

    CG_TRY(check_problem(host, p, err));
    CG_TRY(cudnn_library_load(host, &lib, err));
    c = host->alloc(host->ctx, sizeof *c);
    if (!c)
        return host->fail(err, CG_ERR_NOMEM, "cudnn: out of host memory for a plan");
    *c = (cudnn_plan) {
        .host = host,
        .lib = lib,
        .problem = cg_attention_keep_problem(p),
        .by_row = is_by_row(p),
        .n_units = is_by_row(p) ? p->max_tokens : p->max_seqs,
        .entries = is_by_head(p) ? p->n_kv_heads : 1,
        .n_pages = p->paged
                       ? (int32_t)(((int64_t)p->max_kv_len + p->block_tokens - 1) / p->block_tokens)
                       : 0,
    };
    CG_TRY_GOTO(st, make_graphs(c, err), out);
    code = lib->create_handle(&c->handle);
    if (code != CUDNN_STATUS_SUCCESS) {
        c->handle = NULL;
        st = host->fail(err, CG_ERR_CUDA, "cuDNN: cudnnCreate: %s", lib->error_string(code));
        goto out;
    }
    CG_TRY_GOTO(st, lay_out_workspace(c, err), out);
    *ret_plan = c;
    c = NULL;
out:
    destroy(c);
    return st;
}

static size_t workspace_size(const void *self)
{
    return ((const cudnn_plan *)self)->layout.size;
}

/* ---- calls --------------------------------------------------------------------------------- */

static cg_status check_args(const cudnn_plan *c, const cg_attention_args *a, cg_error *err)
{
    const cg_attention_problem *p = &c->problem;
    const int64_t size = cg_dtype_size(p->dtype), token = p->head_dim * size;
    const int64_t page = token * p->block_tokens * p->n_kv_heads;
    const cg_kv_view *kv = a->kv;

    CG_TRY(cg_attention_check_device_args(c->host, p, a, err));
    if (cg_attention_is_empty(a))
        return CG_OK;
    if (((uintptr_t)a->q | (uintptr_t)a->out | (uintptr_t)kv->k | (uintptr_t)kv->v |
         (uint64_t)a->q_stride | (uint64_t)a->out_stride | (uint64_t)kv->block_stride |
         (uint64_t)kv->head_stride) %
        ALIGNMENT)
        return c->host->fail(err, CG_ERR_MISMATCH,
                             "address or stride of q, out, keys or values: wanted multiples of %d "
                             "bytes",
                             ALIGNMENT);
    if (kv->token_stride != token_stride(p) * size)
        return c->host->fail(err, CG_ERR_MISMATCH,
                             "token stride of %lld bytes in the cache, wanted %lld (%s without "
                             "padding)",
                             (long long)kv->token_stride, (long long)(token_stride(p) * size),
                             is_nhd(p) ? "NHD" : "HND");
    if (p->n_kv_heads > 1 && head_stride(p) && kv->head_stride != head_stride(p) * size)
        return c->host->fail(err, CG_ERR_MISMATCH,
                             "head stride of %lld bytes in the cache, wanted %lld (%s without "
                             "padding)",
                             (long long)kv->head_stride, (long long)(head_stride(p) * size),
                             is_nhd(p) ? "NHD" : "HND");
    if (p->paged && kv->block_stride != page)
        return c->host->fail(err, CG_ERR_MISMATCH,
                             "cudnn: the KV cache pads its pages (stride %lld, wanted %lld): use "
                             "--attention flash",
                             (long long)kv->block_stride, (long long)page);
    return CG_OK;
}

static cg_status cuda_status(const cudnn_plan *c, int code, const char *what, cg_error *err)
{
    if (code == cudaSuccess)
        return CG_OK;
    return c->host->fail(err, CG_ERR_CUDA, "CUDA: %s: %s", what,
                         cudaGetErrorString((cudaError_t)code));
}

/* Copies rows between strides, device to device. */
static cg_status copy_rows(const cudnn_plan *c, void *to, int64_t to_stride, const void *from,
                           int64_t from_stride, int64_t row, int32_t n, void *stream, cg_error *err)
{
    return cuda_status(c,
                       cudaMemcpy2DAsync(to, (size_t)to_stride, from, (size_t)from_stride,
                                         (size_t)row, (size_t)n, cudaMemcpyDeviceToDevice, stream),
                       "copying rows", err);
}

static cg_status run(void *self, const cg_attention_args *a, cg_error *err)
{
    cudnn_plan *c = self;
    const cg_attention_problem *p = &c->problem;
    const cg_kv_view *kv = a->kv;
    const int64_t size = cg_dtype_size(p->dtype), row = (int64_t)p->n_heads * p->head_dim * size;
    char *w = a->workspace;
    const workspace_layout *l = &c->layout;
    /* Rows of a sequence have the plan's stride; single rows can be anywhere. */
    const int move_q = !c->by_row && a->q_stride != row;
    const int move_out = !c->by_row && a->out_stride != row;
    void *pointers[SDPA_N_POINTERS] = { NULL };
    units_call units;
    cudnnStatus_t code;

    CG_TRY(check_args(c, a, err));
    if (cg_attention_is_empty(a))
        return CG_OK;
    units = (units_call) {
        .q_start = a->q_start,
        .slot = a->slot,
        .kv_len = a->kv_len,
        .page_table = kv->page_table,
        .q_stride = (move_q ? row : a->q_stride) / size,
        .out_stride = (move_out ? row : a->out_stride) / size,
        .block_stride = kv->block_stride / size,
        .head_stride = kv->head_stride / size,
        .token_stride = kv->token_stride / size,
        .n_tokens = a->n_tokens,
        .n_seqs = a->n_seqs,
        .table_stride = kv->table_stride,
        .n_units = c->n_units,
        .by_row = c->by_row,
        .entries = c->entries,
        .entry_width = p->n_heads / c->entries * p->head_dim,
        .block_tokens = p->block_tokens,
        .n_pages = c->n_pages,
        .window = p->window,
        .row_count = (int32_t *)(w + l->row_count),
        .token_count = (int32_t *)(w + l->token_count),
        .pages = (int32_t *)(w + l->pages),
        .q_at = (int64_t *)(w + l->q_at),
        .out_at = (int64_t *)(w + l->out_at),
        .kv_at = (int64_t *)(w + l->kv_at),
    };
    if (move_q)
        CG_TRY(copy_rows(c, w + l->q, row, a->q, a->q_stride, row, a->n_tokens, a->stream, err));
    CG_TRY(cuda_status(c, units_launch(&units, a->stream), "launching units_kernel", err));
    pointers[SDPA_Q] = move_q ? w + l->q : (void *)(uintptr_t)a->q;
    pointers[SDPA_OUT] = move_out ? w + l->out : a->out;
    pointers[SDPA_K] = kv->k;
    pointers[SDPA_V] = kv->v;
    pointers[SDPA_ROW_COUNT] = units.row_count;
    pointers[SDPA_TOKEN_COUNT] = units.token_count;
    pointers[SDPA_Q_OFFSETS] = units.q_at;
    pointers[SDPA_OUT_OFFSETS] = units.out_at;
    pointers[SDPA_KV_OFFSETS] = units.kv_at;
    pointers[SDPA_KEY_PAGES] = pointers[SDPA_VALUE_PAGES] = units.pages;
    code = c->lib->set_stream(c->handle, a->stream);
    if (code != CUDNN_STATUS_SUCCESS)
        return c->host->fail(err, CG_ERR_CUDA, "cuDNN: cudnnSetStream: %s",
                             c->lib->error_string(code));
    CG_TRY(sdpa_graph_run(graph_for(c, kv), c->handle, pointers, w, err));
    if (move_out)
        CG_TRY(
            copy_rows(c, a->out, a->out_stride, w + l->out, row, row, a->n_tokens, a->stream, err));
    return CG_OK;
}

static const cg_attention_ops ops = {
    CG_SIZED(cg_attention_ops),       .caps = CAPS, .supports = supports, .plan = plan,
    .workspace_size = workspace_size, .run = run,   .destroy = destroy,
};

static const cg_plugin plugin = {
    CG_PLUGIN_HEADER(CG_PLUGIN_ATTENTION),
    .name = "cudnn",
    .version = CG_VERSION_STRING,
    .description = "attention by an installed NVIDIA cuDNN 9.13 or newer (CUDA)",
    .ops = &ops,
};

cg_status cg_plugin_entry_v1(const cg_host *host, const cg_plugin **ret_plugin, cg_error *err)
{
    return cg_plugin_enter(host, &plugin, ret_plugin, err);
}
