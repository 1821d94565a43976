/* SPDX-License-Identifier: MIT */
#include "gemm.h"

#include <stdlib.h>
#include <string.h>

#include "fill.h"

enum {
    WORKSPACE = 64 << 20, /* bytes; what NVIDIA advises for Hopper, doubled */
    CANDIDATES = 12,
    TRIES = 4,
    REPEATS = 16,
    COLD_BYTES = 128 << 20, /* of weights that are read before the first is read again */
    REFERENCE = 512,        /* rows for which deterministic contexts choose an algorithm */
};

#define FOR_EVER 1e30f

/* A choice that was made. */
struct choice {
    cg_gemm_shape shape;
    cublasLtMatmulAlgo_t algo;
    int64_t pieces;
    struct choice *next;
};

struct cg_gemm_context {
    cublasLtHandle_t handle;
    cudaStream_t stream;
    void *workspace;
    int deterministic;
    struct choice *choices;
};

struct cg_gemm {
    cg_gemm_context *context;
    cg_gemm_shape shape;
    int64_t pieces; /* calls that the rows are cut into */
    cublasLtMatmulDesc_t op;
    cublasLtMatrixLayout_t w, x, y; /* x and y: of a piece */
    cublasLtMatmulAlgo_t algo;
};

cg_status cg_gemm_context_create(int deterministic, cudaStream_t stream, cg_gemm_context **ret,
                                 cg_error *err)
{
    cg_gemm_context *c = calloc(1, sizeof *c);
    cg_status status;

    if (!c)
        return cg_fail(err, CG_ERR_NOMEM, "matrix products: out of memory");
    c->stream = stream;
    c->deterministic = deterministic;
    status = CG_CUBLAS(cublasLtCreate(&c->handle), err);
    if (status == CG_OK)
        status = CG_CUDA(cudaMalloc(&c->workspace, WORKSPACE), err);
    if (status != CG_OK) {
        cg_gemm_context_destroy(c);
        return status;
    }
    *ret = c;
    return CG_OK;
}

void cg_gemm_context_destroy(cg_gemm_context *c)
{
    if (!c)
        return;
    while (c->choices) {
        struct choice *next = c->choices->next;

        free(c->choices);
        c->choices = next;
    }
    cudaFree(c->workspace);
    if (c->handle)
        cublasLtDestroy(c->handle);
    free(c);
}

static cudaDataType_t cuda_type(cg_dtype t)
{
    return t == CG_F32 ? CUDA_R_32F : CUDA_R_16BF;
}

/* Layouts of x and y for so many rows. */
static cg_status set_rows(cg_gemm *g, int64_t rows, cg_error *err)
{
    const cg_gemm_shape *s = &g->shape;
    cg_status status;

    if (g->x)
        cublasLtMatrixLayoutDestroy(g->x);
    if (g->y)
        cublasLtMatrixLayoutDestroy(g->y);
    g->x = g->y = NULL;
    status = CG_CUBLAS(cublasLtMatrixLayoutCreate(&g->x, cuda_type(s->in), (uint64_t)s->inputs,
                                                  (uint64_t)rows, s->inputs),
                       err);
    if (status == CG_OK)
        status =
            CG_CUBLAS(cublasLtMatrixLayoutCreate(&g->y, cuda_type(s->out), (uint64_t)s->outputs,
                                                 (uint64_t)rows, s->outputs),
                      err);
    return status;
}

/* cuBLASLt counts column by column, so that our x w^T is its w^T x. */
static cg_status describe(cg_gemm *g, cg_error *err)
{
    const cg_gemm_shape *s = &g->shape;
    cublasOperation_t transpose = CUBLAS_OP_T;
    cg_status status;

    status = CG_CUBLAS(cublasLtMatmulDescCreate(&g->op, CUBLAS_COMPUTE_32F, CUDA_R_32F), err);
    if (status == CG_OK)
        status = CG_CUBLAS(cublasLtMatmulDescSetAttribute(g->op, CUBLASLT_MATMUL_DESC_TRANSA,
                                                          &transpose, sizeof transpose),
                           err);
    if (status == CG_OK)
        status = CG_CUBLAS(cublasLtMatrixLayoutCreate(&g->w, cuda_type(s->in), (uint64_t)s->inputs,
                                                      (uint64_t)s->outputs, s->inputs),
                           err);
    return status == CG_OK ? set_rows(g, s->rows, err) : status;
}

static cublasStatus_t launch(const cg_gemm *g, const cublasLtMatmulAlgo_t *algo, const void *x,
                             const void *w, void *y)
{
    static const float one = 1, zero = 0;

    return cublasLtMatmul(g->context->handle, g->op, &one, w, g->w, x, g->x,
                          g->shape.accumulate ? &one : &zero, y, g->y, y, g->y, algo,
                          g->context->workspace, WORKSPACE, g->context->stream);
}

/*
 * Milliseconds of REPEATS products in a row, the least of TRIES. Each reads another copy of the
 * weights, as the layers of a pass do: from memory, not from the cache. A graph keeps the host out
 * of it. A candidate that does not run takes for ever.
 */
static float time_candidate(const cg_gemm *g, const cublasLtMatmulAlgo_t *algo, const void *x,
                            const char *w, int64_t copies, void *y, cudaEvent_t begin,
                            cudaEvent_t end)
{
    int64_t w_bytes = g->shape.outputs * g->shape.inputs * cg_dtype_size(g->shape.in);
    cudaStream_t stream = g->context->stream;
    cudaGraph_t graph = NULL;
    cudaGraphExec_t exec = NULL;
    float best = FOR_EVER;
    int ok = cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess;

    for (int i = 0; i < REPEATS && ok; i++)
        ok = launch(g, algo, x, w + i % copies * w_bytes, y) == CUBLAS_STATUS_SUCCESS;
    ok = cudaStreamEndCapture(stream, &graph) == cudaSuccess && ok;
    ok = ok && cudaGraphInstantiate(&exec, graph, 0) == cudaSuccess;
    for (int i = 0; i < TRIES && ok; i++) {
        float ms = FOR_EVER;

        ok = cudaEventRecord(begin, stream) == cudaSuccess &&
             cudaGraphLaunch(exec, stream) == cudaSuccess &&
             cudaEventRecord(end, stream) == cudaSuccess &&
             cudaEventSynchronize(end) == cudaSuccess &&
             cudaEventElapsedTime(&ms, begin, end) == cudaSuccess;
        if (ok && i > 0 && ms < best) /* the first one warms up */
            best = ms;
    }
    if (exec)
        cudaGraphExecDestroy(exec);
    if (graph)
        cudaGraphDestroy(graph);
    (void)cudaGetLastError(); /* of a candidate that does not run */
    return best;
}

/* The fastest of the candidates, on random data. */
static cg_status measure(cg_gemm *g, const cublasLtMatmulHeuristicResult_t *found, int n,
                         cg_error *err)
{
    const cg_gemm_shape *s = &g->shape;
    size_t n_x = (size_t)(s->rows * s->inputs), n_w = (size_t)(s->outputs * s->inputs);
    size_t in = cg_dtype_size(s->in), out = cg_dtype_size(s->out);
    void *x = NULL, *w = NULL, *y = NULL;
    cudaEvent_t begin = NULL, end = NULL;
    int64_t copies = COLD_BYTES / (int64_t)(n_w * in) + 1;
    float best = FOR_EVER;
    cg_status status = CG_CUDA(cudaMalloc(&x, n_x * in), err);

    copies = copies < REPEATS ? copies : REPEATS;
    if (status == CG_OK)
        status = CG_CUDA(cudaMalloc(&w, n_w * in * (size_t)copies), err);
    if (status == CG_OK)
        status = CG_CUDA(cudaMalloc(&y, (size_t)(s->rows * s->outputs) * out), err);
    if (status == CG_OK)
        status = CG_CUDA(cudaEventCreate(&begin), err);
    if (status == CG_OK)
        status = CG_CUDA(cudaEventCreate(&end), err);
    if (status == CG_OK)
        status = cg_cuda_fill_random(x, (int64_t)n_x, s->in, 1, g->context->stream, err);
    if (status == CG_OK)
        status = cg_cuda_fill_random(w, (int64_t)n_w * copies, s->in, 2, g->context->stream, err);
    if (status == CG_OK)
        status = CG_CUDA(
            cudaMemsetAsync(y, 0, (size_t)(s->rows * s->outputs) * out, g->context->stream), err);
    for (int i = 0; i < n && status == CG_OK; i++) {
        float t = time_candidate(g, &found[i].algo, x, w, copies, y, begin, end);

        if (t < best) {
            best = t;
            g->algo = found[i].algo;
        }
    }
    if (status == CG_OK && best >= FOR_EVER)
        status =
            cg_fail(err, CG_ERR_CUDA, "cuBLASLt: none of %d algorithms runs for %lld x %lld x %lld",
                    n, (long long)s->rows, (long long)s->outputs, (long long)s->inputs);
    if (begin)
        cudaEventDestroy(begin);
    if (end)
        cudaEventDestroy(end);
    cudaFree(x);
    cudaFree(w);
    cudaFree(y);
    return status;
}

/* Candidates for the rows that are set; at least one. */
static cg_status find(cg_gemm *g, cublasLtMatmulHeuristicResult_t *found, int cap, int *ret_n,
                      cg_error *err)
{
    cublasLtMatmulPreference_t preference = NULL;
    size_t workspace = WORKSPACE;
    uint32_t whole_sums = CUBLASLT_REDUCTION_SCHEME_NONE;
    cg_status status = CG_CUBLAS(cublasLtMatmulPreferenceCreate(&preference), err);

    if (status == CG_OK)
        status = CG_CUBLAS(
            cublasLtMatmulPreferenceSetAttribute(
                preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace),
            err);
    if (status == CG_OK && g->context->deterministic)
        status = CG_CUBLAS(cublasLtMatmulPreferenceSetAttribute(
                               preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &whole_sums,
                               sizeof whole_sums),
                           err);
    if (status == CG_OK)
        status =
            CG_CUBLAS(cublasLtMatmulAlgoGetHeuristic(g->context->handle, g->op, g->w, g->x, g->y,
                                                     g->y, preference, cap, found, ret_n),
                      err);
    if (preference)
        cublasLtMatmulPreferenceDestroy(preference);
    if (status == CG_OK && *ret_n == 0)
        status = cg_fail(err, CG_ERR_CUDA, "cuBLASLt: no algorithm for %lld x %lld x %lld",
                         (long long)g->shape.rows, (long long)g->shape.outputs,
                         (long long)g->shape.inputs);
    return status;
}

/* The product by g->algo in `pieces` calls, to host memory. */
static cg_status compute(cg_gemm *g, int64_t pieces, const void *x, const void *w, void *y,
                         void *host, cg_error *err)
{
    size_t bytes = (size_t)(g->shape.rows * g->shape.outputs) * cg_dtype_size(g->shape.out);
    cg_status status = set_rows(g, g->shape.rows / pieces, err);

    g->pieces = pieces;
    if (status == CG_OK)
        status = CG_CUDA(cudaMemsetAsync(y, 0, bytes, g->context->stream), err);
    if (status == CG_OK)
        status = cg_gemm_run(g, x, w, y, err);
    if (status == CG_OK)
        status = CG_CUDA(
            cudaMemcpyAsync(host, y, bytes, cudaMemcpyDeviceToHost, g->context->stream), err);
    return status == CG_OK ? CG_CUDA(cudaStreamSynchronize(g->context->stream), err) : status;
}

/*
 * The bits are defined as those of g->algo in pieces of CG_GEMM_PIECE rows. Where one call gives
 * the same, for random data, there is one call; where it does not or fails, there are pieces.
 */
static cg_status choose_pieces(cg_gemm *g, cg_error *err)
{
    const cg_gemm_shape *s = &g->shape;
    size_t n_x = (size_t)(s->rows * s->inputs), n_w = (size_t)(s->outputs * s->inputs);
    size_t in = cg_dtype_size(s->in);
    size_t bytes = (size_t)(s->rows * s->outputs) * cg_dtype_size(s->out);
    int64_t pieces = s->rows / CG_GEMM_PIECE;
    char *host = malloc(2 * bytes);
    void *x = NULL, *w = NULL, *y = NULL;
    cg_status status = host ? CG_OK : cg_fail(err, CG_ERR_NOMEM, "matrix products: out of memory");
    int same = 0;

    if (status == CG_OK)
        status = CG_CUDA(cudaMalloc(&x, n_x * in), err);
    if (status == CG_OK)
        status = CG_CUDA(cudaMalloc(&w, n_w * in), err);
    if (status == CG_OK)
        status = CG_CUDA(cudaMalloc(&y, bytes), err);
    if (status == CG_OK)
        status = cg_cuda_fill_random(x, (int64_t)n_x, s->in, 1, g->context->stream, err);
    if (status == CG_OK)
        status = cg_cuda_fill_random(w, (int64_t)n_w, s->in, 2, g->context->stream, err);
    if (status == CG_OK)
        same = compute(g, 1, x, w, y, host, NULL) == CG_OK;
    if (status == CG_OK)
        status = compute(g, pieces, x, w, y, host + bytes, err);
    if (status == CG_OK && same && !memcmp(host, host + bytes, bytes)) {
        status = set_rows(g, s->rows, err);
        g->pieces = 1;
    }
    cudaFree(x);
    cudaFree(w);
    cudaFree(y);
    free(host);
    return status;
}

/* The first guess for REFERENCE rows, whatever the rows: a measured one may differ between runs. */
static cg_status choose_deterministic(cg_gemm *g, cg_error *err)
{
    cublasLtMatmulHeuristicResult_t found;
    int n = 0;
    cg_status status;

    if (g->shape.rows % CG_GEMM_PIECE)
        return cg_fail(err, CG_ERR_INTERNAL, "matrix product of %lld rows, wanted a multiple of %d",
                       (long long)g->shape.rows, CG_GEMM_PIECE);
    status = set_rows(g, REFERENCE, err);
    if (status == CG_OK)
        status = find(g, &found, 1, &n, err);
    if (status != CG_OK)
        return status;
    g->algo = found.algo;
    return choose_pieces(g, err);
}

static cg_status choose_fastest(cg_gemm *g, cg_error *err)
{
    cublasLtMatmulHeuristicResult_t found[CANDIDATES];
    int n = 0;
    cg_status status = find(g, found, CANDIDATES, &n, err);

    if (status != CG_OK)
        return status;
    g->pieces = 1;
    g->algo = found[0].algo;
    return n > 1 ? measure(g, found, n, err) : CG_OK;
}

static cg_status choose(cg_gemm *g, cg_error *err)
{
    struct choice *c;
    cg_status status;

    for (c = g->context->choices; c; c = c->next)
        if (!memcmp(&c->shape, &g->shape, sizeof c->shape)) {
            g->algo = c->algo;
            g->pieces = c->pieces;
            return set_rows(g, g->shape.rows / g->pieces, err);
        }
    status = g->context->deterministic ? choose_deterministic(g, err) : choose_fastest(g, err);
    if (status != CG_OK)
        return status;
    c = calloc(1, sizeof *c);
    if (!c)
        return cg_fail(err, CG_ERR_NOMEM, "matrix products: out of memory");
    *c = (struct choice) { g->shape, g->algo, g->pieces, g->context->choices };
    g->context->choices = c;
    return CG_OK;
}

cg_status cg_gemm_create(cg_gemm_context *context, const cg_gemm_shape *shape, cg_gemm **ret_gemm,
                         cg_error *err)
{
    cg_gemm *g = calloc(1, sizeof *g);
    cg_status status;

    if (!g)
        return cg_fail(err, CG_ERR_NOMEM, "matrix products: out of memory");
    g->context = context;
    /* member by member: shapes are compared as bytes, padding included */
    g->shape.rows = shape->rows;
    g->shape.outputs = shape->outputs;
    g->shape.inputs = shape->inputs;
    g->shape.in = shape->in;
    g->shape.out = shape->out;
    g->shape.accumulate = shape->accumulate;
    status = describe(g, err);
    if (status == CG_OK)
        status = choose(g, err);
    if (status != CG_OK) {
        cg_gemm_destroy(g);
        return status;
    }
    *ret_gemm = g;
    return CG_OK;
}

void cg_gemm_destroy(cg_gemm *g)
{
    if (!g)
        return;
    if (g->op)
        cublasLtMatmulDescDestroy(g->op);
    if (g->w)
        cublasLtMatrixLayoutDestroy(g->w);
    if (g->x)
        cublasLtMatrixLayoutDestroy(g->x);
    if (g->y)
        cublasLtMatrixLayoutDestroy(g->y);
    free(g);
}

cg_status cg_gemm_run(cg_gemm *g, const void *x, const void *w, void *y, cg_error *err)
{
    const cg_gemm_shape *s = &g->shape;
    int64_t rows = s->rows / g->pieces;
    cg_status status = CG_OK;

    for (int64_t i = 0; i < g->pieces && status == CG_OK; i++)
        status = CG_CUBLAS(launch(g, &g->algo,
                                  (const char *)x + i * rows * s->inputs * cg_dtype_size(s->in), w,
                                  (char *)y + i * rows * s->outputs * cg_dtype_size(s->out)),
                           err);
    return status;
}
