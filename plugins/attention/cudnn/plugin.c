/* SPDX-License-Identifier: MIT */
/*
 * cudnn: attention by NVIDIA's cuDNN, through its backend C API. A plan describes the largest
 * shape; a kernel of ours then tells every call's lengths and places as device data.
 */
#include <stdlib.h>
#include <string.h>

#include <confgen/attention.h>
#include <confgen/attention_check.h>
#include <cuda_runtime_api.h>

#include "graph.h"
#include "units.h"

enum {
    CAPS = CG_ATTENTION_GRAPH_SAFE,
    MAX_DIM = 256,
    /* Up to so many rows a sequence, on the average, rows are units of their own: they read their
     * past anew, but need no tile of 64 or 128 rows each. */
    FEW_ROWS = 4,
    FUSED_LENGTHS = 91500, /* from this cuDNN on the one node takes counts and pages */
};

/* Byte offsets into the workspace; those of what a plan does not need are not used. */
typedef struct layout {
    size_t row_count, token_count, q_at, out_at, kv_at, pages, q, out, size;
} layout;

typedef struct cudnn_plan {
    const cg_host *host;
    const cudnn_library *lib;
    cg_attention_problem problem;
    int32_t by_row;
    int32_t n_units, entries, n_pages;
    sdpa_graph *graph;
    cudnnHandle_t handle;
    layout layout;
} cudnn_plan;

/* ---- shapes -------------------------------------------------------------------------------- */

static int32_t is_by_row(const cg_attention_problem *p)
{
    return p->max_tokens / FEW_ROWS <= p->max_seqs;
}

static int32_t are_heads_together(const cg_attention_problem *p)
{
    return CG_HAS_SIZE(p, kv_layout) && p->kv_layout;
}

/* Contiguous tokens of slots whose size may change: the stride from head to head is not known,
 * unless heads lie in tokens. */
static int32_t is_by_head(const cg_attention_problem *p)
{
    return !p->paged && p->block_tokens == 0 && !are_heads_together(p);
}

/* Elements from a token of a block to the next. */
static int64_t token_stride(const cg_attention_problem *p)
{
    return (int64_t)(are_heads_together(p) ? p->n_kv_heads : 1) * p->head_dim;
}

/* Elements from a head of a block to the next; 0: not known. */
static int64_t head_stride(const cg_attention_problem *p)
{
    return (int64_t)(are_heads_together(p) ? 1 : p->block_tokens) * p->head_dim;
}

static sdpa_shape make_shape(const cg_attention_problem *p)
{
    const int64_t dim = p->head_dim, block = p->block_tokens;
    const int64_t longest = p->max_tokens < p->max_kv_len ? p->max_tokens : p->max_kv_len;
    sdpa_shape s = {
        .type = p->dtype == CG_BF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_HALF,
        .batch = is_by_row(p) ? p->max_tokens : p->max_seqs,
        .heads = p->n_heads,
        .kv_heads = p->n_kv_heads,
        .rows = is_by_row(p) ? 1 : longest,
        .len = p->max_kv_len,
        .dim = dim,
        .ragged = 1,
        .scale = p->scale,
    };

    /* A window over contiguous tokens of one row is a matter of where they begin. */
    if (!is_by_row(p) || (p->paged && p->window)) {
        s.causal = 1;
        s.window = p->window;
    }
    s.kv_strides[2] = token_stride(p);
    s.kv_strides[1] = head_stride(p);
    s.kv_strides[0] = p->n_kv_heads * (block ? block : s.len) * dim;
    if (p->paged) {
        s.block_tokens = block;
        /* As many pages as indices of 31 bits reach: how many there are is the cache's business. */
        s.n_blocks = (INT64_C(1) << 31) / (p->n_kv_heads * block);
    } else {
        s.ragged_kv = 1; /* slots in any order */
    }
    if (is_by_head(p)) {
        s.batch *= p->n_kv_heads;
        s.heads /= p->n_kv_heads;
        s.kv_heads = 1;
        s.kv_strides[0] = s.kv_strides[1] = s.len * dim; /* offsets tell */
    }
    s.q_strides[2] = s.out_strides[2] = p->n_heads * dim;
    s.q_strides[1] = s.out_strides[1] = dim;
    s.q_strides[0] = s.out_strides[0] = s.rows * p->n_heads * dim; /* offsets tell */
    return s;
}

/*
 * Make the graph of a problem: the one node where it can say what is wanted, else its parts, which
 * CONFGEN_CUDNN_PARTS=1 asks for everywhere.
 */
static cg_status make_graph(const cudnn_library *lib, const cg_host *host,
                            const cg_attention_problem *p, int finish, sdpa_graph **ret_graph,
                            cg_error *err)
{
    const char *parts = getenv("CONFGEN_CUDNN_PARTS");
    cudnnBackendDescriptor_t device = NULL;
    sdpa_shape shape = make_shape(p);
    int index = 0;
    cudaError_t code = cudaGetDevice(&index);
    cg_status st;

    if (code != cudaSuccess) {
        (void)cudaGetLastError();
        return host->fail(err, CG_ERR_UNSUPPORTED, "CUDA: %s", cudaGetErrorString(code));
    }
    st = sdpa_device_create(lib, host, index, NULL, &device, err);
    if (st != CG_OK)
        return st;
    st = CG_ERR_UNSUPPORTED;
    if (!shape.causal && lib->version >= FUSED_LENGTHS && !(parts && strcmp(parts, "1") == 0)) {
        shape.node = SDPA_NODE_FUSED;
        st = sdpa_graph_create(lib, host, device, &shape, finish, ret_graph, err);
    }
    if (st == CG_ERR_UNSUPPORTED) {
        shape.node = SDPA_NODE_PARTS;
        st = sdpa_graph_create(lib, host, device, &shape, finish, ret_graph, err);
    }
    lib->drop(device);
    return st;
}

static cg_status check_problem(const cg_host *host, const cg_attention_problem *p, cg_error *err)
{
    const int32_t b = p->block_tokens;
    cg_status st = cg_attention_check_problem(host, p, err);
    int n = 0;
    cudaError_t code;

    if (st != CG_OK)
        return st;
    if (p->device != CG_DEVICE_CUDA)
        return host->fail(err, CG_ERR_UNSUPPORTED, "device %d: cudnn runs on CUDA only", p->device);
    if (p->compute_capability < 80)
        return host->fail(err, CG_ERR_UNSUPPORTED, "compute capability %d.%d, wanted 8.0 or newer",
                          p->compute_capability / 10, p->compute_capability % 10);
    if ((p->dtype != CG_BF16 && p->dtype != CG_F16) || p->kv_dtype != p->dtype)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "element types %d and %d of q and cache: cuDNN takes bf16 or f16, the "
                          "same in both",
                          p->dtype, p->kv_dtype);
    if (p->head_dim % 8 || p->head_dim > MAX_DIM)
        return host->fail(err, CG_ERR_UNSUPPORTED, "head size %d, wanted a multiple of 8 up to %d",
                          p->head_dim, MAX_DIM);
    if (p->paged && (b < 1 || (b & (b - 1))))
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "pages of %d tokens (0: not told), wanted a power of two", b);
    if (p->paged && !is_by_row(p))
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "up to %d rows of %d sequences over pages: cuDNN lets NaN of memory that "
                          "no token has used spread from there, wanted a contiguous cache or flash",
                          p->max_tokens, p->max_seqs);
    if (p->flags & ~(uint32_t)CAPS)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "deterministic or batch-invariant: cuDNN promises neither");
    code = cudaGetDeviceCount(&n);
    if (code != cudaSuccess) {
        (void)cudaGetLastError();
        return host->fail(err, CG_ERR_UNSUPPORTED, "CUDA: %s", cudaGetErrorString(code));
    }
    return CG_OK;
}

static cg_status supports(const cg_host *host, const cg_attention_problem *p, cg_error *err)
{
    const cudnn_library *lib;
    sdpa_graph *graph = NULL;
    cg_status st = check_problem(host, p, err);

    if (st == CG_OK)
        st = cudnn_library_load(host, &lib, err);
    if (st == CG_OK)
        st = make_graph(lib, host, p, 0, &graph, err);
    sdpa_graph_destroy(graph);
    return st;
}

/* ---- plans --------------------------------------------------------------------------------- */

static void destroy(void *self)
{
    cudnn_plan *c = self;

    if (!c)
        return;
    sdpa_graph_destroy(c->graph);
    if (c->handle)
        c->lib->destroy(c->handle);
    c->host->free(c->host->ctx, c);
}

/* Append n * size bytes to the workspace; nonzero if that is more than there can be. */
static int take(size_t *end, size_t *ret_at, size_t n, size_t size)
{
    size_t bytes, sum;

    if (__builtin_mul_overflow(n, size, &bytes) || __builtin_add_overflow(*end, bytes, &sum) ||
        __builtin_add_overflow(sum, 255, &sum))
        return 1;
    *ret_at = *end;
    *end = sum / 256 * 256;
    return 0;
}

static cg_status lay_out(cudnn_plan *c, cg_error *err)
{
    const cg_attention_problem *p = &c->problem;
    layout *l = &c->layout;
    size_t n = (size_t)c->n_units * (size_t)c->entries, end = 0, at;
    size_t row = (size_t)p->n_heads * (size_t)p->head_dim * cg_dtype_size(p->dtype);
    int over = take(&end, &at, sdpa_graph_workspace(c->graph), 1);

    over |= take(&end, &l->row_count, n, sizeof(int32_t));
    over |= take(&end, &l->token_count, n, sizeof(int32_t));
    over |= take(&end, &l->q_at, n + 1, sizeof(int64_t));
    over |= take(&end, &l->out_at, n + 1, sizeof(int64_t));
    if (p->paged)
        over |= take(&end, &l->pages, (size_t)c->n_units * (size_t)c->n_pages, sizeof(int32_t));
    else
        over |= take(&end, &l->kv_at, n + 1, sizeof(int64_t));
    if (!c->by_row) {
        over |= take(&end, &l->q, (size_t)p->max_tokens, row);
        over |= take(&end, &l->out, (size_t)p->max_tokens, row);
    }
    l->size = end;
    return over ? c->host->fail(err, CG_ERR_UNSUPPORTED, "a workspace of more bytes than there are")
                : CG_OK;
}

static cg_status plan(const cg_host *host, const cg_attention_problem *p, void **ret_plan,
                      cg_error *err)
{
    const cudnn_library *lib;
    cg_status st = check_problem(host, p, err);
    cudnnStatus_t code;
    cudnn_plan *c;

    if (st != CG_OK || (st = cudnn_library_load(host, &lib, err)) != CG_OK)
        return st;
    c = host->alloc(host->ctx, sizeof *c);
    if (!c)
        return host->fail(err, CG_ERR_NOMEM, "attention plan: out of memory");
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
    st = make_graph(lib, host, p, 1, &c->graph, err);
    if (st == CG_OK && (code = lib->create(&c->handle)) != CUDNN_STATUS_SUCCESS) {
        c->handle = NULL;
        st = host->fail(err, CG_ERR_CUDA, "cuDNN: cudnnCreate: %s", lib->error_string(code));
    }
    if (st == CG_OK)
        st = lay_out(c, err);
    if (st != CG_OK) {
        destroy(c);
        return st;
    }
    *ret_plan = c;
    return CG_OK;
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
    const cg_kv_view *kv = a->kv;
    cg_status st;

    if (a->struct_size < offsetof(cg_attention_args, stream) + sizeof a->stream)
        return c->host->fail(err, CG_ERR_USAGE,
                             "attention arguments of %u bytes, wanted at least %u", a->struct_size,
                             (unsigned)(offsetof(cg_attention_args, stream) + sizeof a->stream));
    if (a->n_seqs < 0 || a->n_seqs > p->max_seqs || a->n_tokens < 0 || a->n_tokens > p->max_tokens)
        return c->host->fail(err, CG_ERR_USAGE, "%d rows of %d sequences, planned for %d of %d",
                             a->n_tokens, a->n_seqs, p->max_tokens, p->max_seqs);
    if (a->n_seqs == 0 || a->n_tokens == 0)
        return CG_OK;
    if ((st = cg_attention_check_view(c->host, p, kv, err)) != CG_OK)
        return st;
    if (((uintptr_t)a->q | (uintptr_t)a->out | (uintptr_t)kv->k | (uintptr_t)kv->v |
         (uint64_t)a->q_stride | (uint64_t)a->out_stride | (uint64_t)kv->block_stride |
         (uint64_t)kv->head_stride) %
        16)
        return c->host->fail(err, CG_ERR_MISMATCH,
                             "addresses or strides of q, out, keys or values that are no multiple "
                             "of the 16 bytes that cuDNN moves at a time");
    if (kv->token_stride != token_stride(p) * size)
        return c->host->fail(err, CG_ERR_MISMATCH,
                             "tokens of a head lie %lld bytes apart in the cache, cudnn plans for "
                             "%lld: %s",
                             (long long)kv->token_stride, (long long)(token_stride(p) * size),
                             are_heads_together(p) ? "the heads of a token together, no gaps"
                                                   : "one behind the other");
    if (p->n_kv_heads > 1 && head_stride(p) && kv->head_stride != head_stride(p) * size)
        return c->host->fail(err, CG_ERR_MISMATCH,
                             "heads of a block lie %lld bytes apart in the cache, cudnn plans for "
                             "%lld: no gaps",
                             (long long)kv->head_stride, (long long)(head_stride(p) * size));
    if (p->paged && kv->block_stride != token * p->block_tokens * p->n_kv_heads)
        return c->host->fail(err, CG_ERR_MISMATCH,
                             "pages lie %lld bytes apart in the cache, cudnn plans for %lld: no "
                             "gaps",
                             (long long)kv->block_stride,
                             (long long)(token * p->block_tokens * p->n_kv_heads));
    return CG_OK;
}

static cg_status cuda_status(const cudnn_plan *c, int code, const char *what, cg_error *err)
{
    if (code == cudaSuccess)
        return CG_OK;
    return c->host->fail(err, CG_ERR_CUDA, "CUDA: %s: %s", what,
                         cudaGetErrorString((cudaError_t)code));
}

/* Rows that lie further apart than a plan by sequences has them. */
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
    const layout *l = &c->layout;
    /* A unit of one row may lie anywhere; rows of a sequence as the plan has them. */
    const int move_q = !c->by_row && a->q_stride != row;
    const int move_out = !c->by_row && a->out_stride != row;
    void *pointers[SDPA_N_POINTERS] = { NULL };
    units_call units;
    cudnnStatus_t code;
    cg_status st = check_args(c, a, err);

    if (st != CG_OK || a->n_seqs == 0 || a->n_tokens == 0)
        return st;
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
        st = copy_rows(c, w + l->q, row, a->q, a->q_stride, row, a->n_tokens, a->stream, err);
    if (st == CG_OK)
        st = cuda_status(c, units_launch(&units, a->stream), "launching the kernel of units", err);
    if (st != CG_OK)
        return st;
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
    st = sdpa_graph_run(c->graph, c->handle, pointers, w, err);
    if (st == CG_OK && move_out)
        st = copy_rows(c, a->out, a->out_stride, w + l->out, row, row, a->n_tokens, a->stream, err);
    return st;
}

static const cg_attention_ops ops = {
    CG_SIZED(cg_attention_ops),       .caps = CAPS, .supports = supports, .plan = plan,
    .workspace_size = workspace_size, .run = run,   .destroy = destroy,
};

static const cg_plugin plugin = {
    CG_PLUGIN_HEADER(CG_PLUGIN_ATTENTION),
    .name = "cudnn",
    .version = CG_VERSION_STRING,
    .description = "attention by NVIDIA's cuDNN 9.13 or newer, where it is installed",
    .ops = &ops,
};

cg_status cg_plugin_entry_v1(const cg_host *host, const cg_plugin **ret_plugin, cg_error *err)
{
    return cg_plugin_enter(host, &plugin, ret_plugin, err);
}
