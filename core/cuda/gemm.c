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
};

#define FOR_EVER 1e30f

/* A choice that was made. */
struct choice {
    cg_gemm_shape shape;
    cublasLtMatmulAlgo_t algo;
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
    cg_gemm_shape shape; /* rows of one piece */
    int64_t pieces;
    cublasLtMatmulDesc_t op;
    cublasLtMatrixLayout_t w, x, y;
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
    if (status == CG_OK)
        status = CG_CUBLAS(cublasLtMatrixLayoutCreate(&g->x, cuda_type(s->in), (uint64_t)s->inputs,
                                                      (uint64_t)s->rows, s->inputs),
                           err);
    if (status == CG_OK)
        status =
            CG_CUBLAS(cublasLtMatrixLayoutCreate(&g->y, cuda_type(s->out), (uint64_t)s->outputs,
                                                 (uint64_t)s->rows, s->outputs),
                      err);
    return status;
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

static cg_status choose(cg_gemm *g, cg_error *err)
{
    cublasLtMatmulHeuristicResult_t found[CANDIDATES];
    cublasLtMatmulPreference_t preference = NULL;
    size_t workspace = WORKSPACE;
    uint32_t no_reduction = CUBLASLT_REDUCTION_SCHEME_NONE;
    struct choice *c;
    int n = 0;
    cg_status status;

    for (c = g->context->choices; c; c = c->next)
        if (!memcmp(&c->shape, &g->shape, sizeof c->shape)) {
            g->algo = c->algo;
            return CG_OK;
        }
    status = CG_CUBLAS(cublasLtMatmulPreferenceCreate(&preference), err);
    if (status == CG_OK)
        status = CG_CUBLAS(
            cublasLtMatmulPreferenceSetAttribute(
                preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace),
            err);
    if (status == CG_OK && g->context->deterministic)
        status = CG_CUBLAS(cublasLtMatmulPreferenceSetAttribute(
                               preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                               &no_reduction, sizeof no_reduction),
                           err);
    /* Deterministic: the first guess, since a measured choice may differ between two runs. */
    if (status == CG_OK)
        status = CG_CUBLAS(cublasLtMatmulAlgoGetHeuristic(
                               g->context->handle, g->op, g->w, g->x, g->y, g->y, preference,
                               g->context->deterministic ? 1 : CANDIDATES, found, &n),
                           err);
    if (preference)
        cublasLtMatmulPreferenceDestroy(preference);
    if (status == CG_OK && n == 0)
        status = cg_fail(err, CG_ERR_CUDA, "cuBLASLt: no algorithm for %lld x %lld x %lld",
                         (long long)g->shape.rows, (long long)g->shape.outputs,
                         (long long)g->shape.inputs);
    if (status == CG_OK && n > 1)
        status = measure(g, found, n, err);
    else if (status == CG_OK)
        g->algo = found[0].algo;
    if (status != CG_OK)
        return status;
    c = calloc(1, sizeof *c);
    if (!c)
        return cg_fail(err, CG_ERR_NOMEM, "matrix products: out of memory");
    *c = (struct choice) { g->shape, g->algo, g->context->choices };
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
    g->pieces = 1;
    if (context->deterministic) {
        if (shape->rows % CG_GEMM_PIECE) {
            cg_gemm_destroy(g);
            return cg_fail(err, CG_ERR_INTERNAL,
                           "matrix product of %lld rows, wanted a multiple of %d",
                           (long long)shape->rows, CG_GEMM_PIECE);
        }
        g->pieces = shape->rows / CG_GEMM_PIECE;
        g->shape.rows = CG_GEMM_PIECE;
    }
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
    cg_status status = CG_OK;

    for (int64_t i = 0; i < g->pieces && status == CG_OK; i++)
        status = CG_CUBLAS(launch(g, &g->algo,
                                  (const char *)x + i * s->rows * s->inputs * cg_dtype_size(s->in),
                                  w, (char *)y + i * s->rows * s->outputs * cg_dtype_size(s->out)),
                           err);
    return status;
}
