/* SPDX-License-Identifier: MIT */
#include "gemm.h"

#include <stdlib.h>
#include <string.h>

#include "fill.h"

enum {
    WORKSPACE = 64 << 20, /* bytes; twice NVIDIA's recommendation for Hopper */
    CANDIDATES = 12,
    TIMING_RUNS = 4,
    PRODUCTS_PER_RUN = 16,
    COLD_BYTES = 128 << 20, /* of weights between two reads of the same ones: more than the L2 */
    REFERENCE_ROWS = 512,   /* for which deterministic contexts select an algorithm */
};

#define DID_NOT_RUN 1e30f /* the time of a candidate that fails */

/* The algorithm selected for a shape. */
struct algorithm {
    cg_gemm_shape shape;
    cublasLtMatmulAlgo_t algo;
    int64_t n_calls;
    struct algorithm *next;
};

struct cg_gemm_context {
    cublasLtHandle_t handle;
    cudaStream_t stream;
    void *workspace;
    int deterministic;
    struct algorithm *algorithms; /* of all shapes so far */
};

struct cg_gemm {
    cg_gemm_context *context;
    cg_gemm_shape shape;
    int64_t n_calls; /* that share the rows */
    cublasLtMatmulDesc_t op;
    cublasLtMatrixLayout_t w, x, y; /* x and y: of one call */
    cublasLtMatmulAlgo_t algo;
};

cg_status cg_gemm_context_create(int deterministic, cudaStream_t stream, cg_gemm_context **ret,
                                 cg_error *err)
{
    cg_gemm_context *c = calloc(1, sizeof *c);
    cg_status st;

    if (!c)
        return cg_fail_nomem(err, "matrix products");
    c->stream = stream;
    c->deterministic = deterministic;
    CG_TRY_GOTO(st, CG_CUBLAS(cublasLtCreate(&c->handle), err), out);
    CG_TRY_GOTO(st, CG_CUDA(cudaMalloc(&c->workspace, WORKSPACE), err), out);
    *ret = c;
    c = NULL;
out:
    cg_gemm_context_destroy(c);
    return st;
}

void cg_gemm_context_destroy(cg_gemm_context *c)
{
    if (!c)
        return;
    while (c->algorithms) {
        struct algorithm *next = c->algorithms->next;

        free(c->algorithms);
        c->algorithms = next;
    }
    cudaFree(c->workspace);
    if (c->handle)
        cublasLtDestroy(c->handle);
    free(c);
}

static cudaDataType_t cuda_type(cg_dtype t)
{
    return t == CG_F32 ? CUDA_R_32F : t == CG_F16 ? CUDA_R_16F : CUDA_R_16BF;
}

/* Sets the layouts of x and y for calls of `rows` rows. */
static cg_status set_rows(cg_gemm *g, int64_t rows, cg_error *err)
{
    const cg_gemm_shape *s = &g->shape;

    if (g->x)
        cublasLtMatrixLayoutDestroy(g->x);
    if (g->y)
        cublasLtMatrixLayoutDestroy(g->y);
    g->x = g->y = NULL;
    CG_TRY(CG_CUBLAS(cublasLtMatrixLayoutCreate(&g->x, cuda_type(s->in), (uint64_t)s->inputs,
                                                (uint64_t)rows, s->inputs),
                     err));
    return CG_CUBLAS(cublasLtMatrixLayoutCreate(&g->y, cuda_type(s->out), (uint64_t)s->outputs,
                                                (uint64_t)rows, s->outputs),
                     err);
}

/* cuBLASLt is column major: to it our row-major x, w, y are x^T, w^T, y^T; y^T = w x^T. */
static cg_status describe(cg_gemm *g, cg_error *err)
{
    const cg_gemm_shape *s = &g->shape;
    cublasOperation_t transpose = CUBLAS_OP_T;
    cublasComputeType_t type = s->tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;

    CG_TRY(CG_CUBLAS(cublasLtMatmulDescCreate(&g->op, type, CUDA_R_32F), err));
    CG_TRY(CG_CUBLAS(cublasLtMatmulDescSetAttribute(g->op, CUBLASLT_MATMUL_DESC_TRANSA, &transpose,
                                                    sizeof transpose),
                     err));
    CG_TRY(CG_CUBLAS(cublasLtMatrixLayoutCreate(&g->w, cuda_type(s->in), (uint64_t)s->inputs,
                                                (uint64_t)s->outputs, s->inputs),
                     err));
    return set_rows(g, s->rows, err);
}

static cublasStatus_t launch(const cg_gemm *g, const cublasLtMatmulAlgo_t *algo, const void *x,
                             const void *w, void *y)
{
    static const float one = 1, zero = 0;

    return cublasLtMatmul(g->context->handle, g->op, &one, w, g->w, x, g->x,
                          g->shape.accumulate ? &one : &zero, y, g->y, y, g->y, algo,
                          g->context->workspace, WORKSPACE, g->context->stream);
}

/* Device memory and time stamps to test algorithms with. Zero first. */
struct test_data {
    void *x, *w, *y;
    int64_t w_copies;
    cudaEvent_t begin, end;
};

static void free_test_data(struct test_data *d)
{
    if (d->begin)
        cudaEventDestroy(d->begin);
    if (d->end)
        cudaEventDestroy(d->end);
    cudaFree(d->x);
    cudaFree(d->w);
    cudaFree(d->y);
}

static size_t y_bytes(const cg_gemm_shape *s)
{
    return (size_t)(s->rows * s->outputs) * cg_dtype_size(s->out);
}

/* Allocates x, w and y; fills x and `w_copies` copies of w with random numbers, y with zeros. */
static cg_status make_test_data(struct test_data *d, const cg_gemm *g, int64_t w_copies,
                                cg_error *err)
{
    const cg_gemm_shape *s = &g->shape;
    cudaStream_t stream = g->context->stream;
    int64_t n_x = s->rows * s->inputs, n_w = s->outputs * s->inputs * w_copies;
    size_t in = cg_dtype_size(s->in);

    d->w_copies = w_copies;
    CG_TRY(CG_CUDA(cudaMalloc(&d->x, (size_t)n_x * in), err));
    CG_TRY(CG_CUDA(cudaMalloc(&d->w, (size_t)n_w * in), err));
    CG_TRY(CG_CUDA(cudaMalloc(&d->y, y_bytes(s)), err));
    CG_TRY(CG_CUDA(cudaEventCreate(&d->begin), err));
    CG_TRY(CG_CUDA(cudaEventCreate(&d->end), err));
    CG_TRY(cg_cuda_fill_random(d->x, n_x, s->in, 1, stream, err));
    CG_TRY(cg_cuda_fill_random(d->w, n_w, s->in, 2, stream, err));
    return CG_CUDA(cudaMemsetAsync(d->y, 0, y_bytes(s), stream), err);
}

/*
 * Milliseconds of PRODUCTS_PER_RUN products in a row, the minimum of TIMING_RUNS runs. Successive
 * products read different copies of the weights, from memory and not from the cache, as the layers
 * of a forward pass do. A graph keeps the host out of the timing.
 */
static float time_candidate(const cg_gemm *g, const cublasLtMatmulAlgo_t *algo,
                            const struct test_data *d)
{
    int64_t w_bytes = g->shape.outputs * g->shape.inputs * cg_dtype_size(g->shape.in);
    cudaStream_t stream = g->context->stream;
    cudaGraph_t graph = NULL;
    cudaGraphExec_t exec = NULL;
    float best = DID_NOT_RUN;
    int ok = cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess;

    for (int i = 0; i < PRODUCTS_PER_RUN && ok; i++)
        ok = launch(g, algo, d->x, (const char *)d->w + i % d->w_copies * w_bytes, d->y) ==
             CUBLAS_STATUS_SUCCESS;
    ok = cudaStreamEndCapture(stream, &graph) == cudaSuccess && ok;
    ok = ok && cudaGraphInstantiate(&exec, graph, 0) == cudaSuccess;
    for (int i = 0; i < TIMING_RUNS && ok; i++) {
        float ms = DID_NOT_RUN;

        ok = cudaEventRecord(d->begin, stream) == cudaSuccess &&
             cudaGraphLaunch(exec, stream) == cudaSuccess &&
             cudaEventRecord(d->end, stream) == cudaSuccess &&
             cudaEventSynchronize(d->end) == cudaSuccess &&
             cudaEventElapsedTime(&ms, d->begin, d->end) == cudaSuccess;
        if (ok && i > 0 && ms < best) /* the first run warms up */
            best = ms;
    }
    if (exec)
        cudaGraphExecDestroy(exec);
    if (graph)
        cudaGraphDestroy(graph);
    (void)cudaGetLastError(); /* clear the error of a candidate that fails */
    return best;
}

/* Selects the fastest of n candidates. */
static cg_status measure(cg_gemm *g, const cublasLtMatmulHeuristicResult_t *candidates, int n,
                         cg_error *err)
{
    const cg_gemm_shape *s = &g->shape;
    int64_t w_bytes = s->outputs * s->inputs * cg_dtype_size(s->in);
    int64_t w_copies = COLD_BYTES / w_bytes + 1;
    struct test_data d = { 0 };
    float best = DID_NOT_RUN;
    cg_status st;

    CG_TRY_GOTO(
        st, make_test_data(&d, g, w_copies < PRODUCTS_PER_RUN ? w_copies : PRODUCTS_PER_RUN, err),
        out);
    for (int i = 0; i < n; i++) {
        float ms = time_candidate(g, &candidates[i].algo, &d);

        if (ms < best) {
            best = ms;
            g->algo = candidates[i].algo;
        }
    }
    if (best >= DID_NOT_RUN)
        st = cg_fail(err, CG_ERR_CUDA,
                     "cuBLASLt: none of %d algorithms runs for a product of %lld x %lld x %lld", n,
                     (long long)s->rows, (long long)s->outputs, (long long)s->inputs);
out:
    free_test_data(&d);
    return st;
}

/* Queries 1 to `cap` candidates for the current layouts, in cuBLASLt's order. */
static cg_status find_candidates(cg_gemm *g, cublasLtMatmulHeuristicResult_t *ret_candidates,
                                 int cap, int *ret_n, cg_error *err)
{
    cublasLtMatmulPreference_t preference = NULL;
    size_t workspace = WORKSPACE;
    uint32_t no_split_k = CUBLASLT_REDUCTION_SCHEME_NONE;
    cg_status st;

    CG_TRY(CG_CUBLAS(cublasLtMatmulPreferenceCreate(&preference), err));
    CG_TRY_GOTO(st,
                CG_CUBLAS(cublasLtMatmulPreferenceSetAttribute(
                              preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace,
                              sizeof workspace),
                          err),
                out);
    if (g->context->deterministic)
        CG_TRY_GOTO(st,
                    CG_CUBLAS(cublasLtMatmulPreferenceSetAttribute(
                                  preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                                  &no_split_k, sizeof no_split_k),
                              err),
                    out);
    CG_TRY_GOTO(
        st,
        CG_CUBLAS(cublasLtMatmulAlgoGetHeuristic(g->context->handle, g->op, g->w, g->x, g->y, g->y,
                                                 preference, cap, ret_candidates, ret_n),
                  err),
        out);
    if (*ret_n == 0)
        st = cg_fail(err, CG_ERR_CUDA, "cuBLASLt: no algorithm for a product of %lld x %lld x %lld",
                     (long long)g->shape.rows, (long long)g->shape.outputs,
                     (long long)g->shape.inputs);
out:
    cublasLtMatmulPreferenceDestroy(preference);
    return st;
}

/* Computes the product with g->algo in n_calls calls, into host memory. */
static cg_status compute(cg_gemm *g, int64_t n_calls, const struct test_data *d, void *host,
                         cg_error *err)
{
    size_t bytes = y_bytes(&g->shape);
    cudaStream_t stream = g->context->stream;

    CG_TRY(set_rows(g, g->shape.rows / n_calls, err));
    g->n_calls = n_calls;
    CG_TRY(CG_CUDA(cudaMemsetAsync(d->y, 0, bytes, stream), err));
    CG_TRY(cg_gemm_run(g, d->x, d->w, d->y, err));
    CG_TRY(CG_CUDA(cudaMemcpyAsync(host, d->y, bytes, cudaMemcpyDeviceToHost, stream), err));
    return CG_CUDA(cudaStreamSynchronize(stream), err);
}

/*
 * The reference bits are those of g->algo in calls of CG_GEMM_ROW_BLOCK rows. If one call gives the
 * same bits for random data, one call is used; if it differs or fails, the calls of row blocks.
 */
static cg_status select_n_calls(cg_gemm *g, cg_error *err)
{
    const cg_gemm_shape *s = &g->shape;
    size_t bytes = y_bytes(s);
    char *host = malloc(2 * bytes);
    struct test_data d = { 0 };
    int one_call_runs;
    cg_status st;

    if (!host)
        return cg_fail_nomem(err, "matrix products");
    CG_TRY_GOTO(st, make_test_data(&d, g, 1, err), out);
    one_call_runs = compute(g, 1, &d, host, NULL) == CG_OK;
    CG_TRY_GOTO(st, compute(g, s->rows / CG_GEMM_ROW_BLOCK, &d, host + bytes, err), out);
    if (one_call_runs && !memcmp(host, host + bytes, bytes)) {
        CG_TRY_GOTO(st, set_rows(g, s->rows, err), out);
        g->n_calls = 1;
    }
out:
    free_test_data(&d);
    free(host);
    return st;
}

/*
 * Selects cuBLASLt's first candidate for REFERENCE_ROWS rows, whatever the rows: a measured
 * algorithm may differ between runs.
 */
static cg_status select_deterministic(cg_gemm *g, cg_error *err)
{
    cublasLtMatmulHeuristicResult_t candidate;
    int n = 0;

    if (g->shape.rows % CG_GEMM_ROW_BLOCK)
        return cg_fail(err, CG_ERR_INTERNAL, "matrix product of %lld rows, wanted a multiple of %d",
                       (long long)g->shape.rows, CG_GEMM_ROW_BLOCK);
    CG_TRY(set_rows(g, REFERENCE_ROWS, err));
    CG_TRY(find_candidates(g, &candidate, 1, &n, err));
    g->algo = candidate.algo;
    return select_n_calls(g, err);
}

static cg_status select_fastest(cg_gemm *g, cg_error *err)
{
    cublasLtMatmulHeuristicResult_t candidates[CANDIDATES];
    int n = 0;

    CG_TRY(find_candidates(g, candidates, CANDIDATES, &n, err));
    g->n_calls = 1;
    g->algo = candidates[0].algo;
    return n > 1 ? measure(g, candidates, n, err) : CG_OK;
}

/* Takes the algorithm of an earlier plan of the same shape, or selects and remembers one. */
static cg_status select_algorithm(cg_gemm *g, cg_error *err)
{
    struct algorithm *a;

    for (a = g->context->algorithms; a; a = a->next)
        if (!memcmp(&a->shape, &g->shape, sizeof a->shape)) {
            g->algo = a->algo;
            g->n_calls = a->n_calls;
            return set_rows(g, g->shape.rows / g->n_calls, err);
        }
    CG_TRY(g->context->deterministic ? select_deterministic(g, err) : select_fastest(g, err));
    a = calloc(1, sizeof *a);
    if (!a)
        return cg_fail_nomem(err, "matrix products");
    *a = (struct algorithm) { g->shape, g->algo, g->n_calls, g->context->algorithms };
    g->context->algorithms = a;
    return CG_OK;
}

cg_status cg_gemm_create(cg_gemm_context *context, const cg_gemm_shape *shape, cg_gemm **ret_gemm,
                         cg_error *err)
{
    cg_gemm *g = calloc(1, sizeof *g);
    cg_status st;

    if (!g)
        return cg_fail_nomem(err, "matrix products");
    g->context = context;
    /* member by member: shapes are compared as bytes, padding included */
    g->shape.rows = shape->rows;
    g->shape.outputs = shape->outputs;
    g->shape.inputs = shape->inputs;
    g->shape.in = shape->in;
    g->shape.out = shape->out;
    g->shape.accumulate = shape->accumulate;
    g->shape.tf32 = shape->tf32;
    CG_TRY_GOTO(st, describe(g, err), out);
    CG_TRY_GOTO(st, select_algorithm(g, err), out);
    *ret_gemm = g;
    g = NULL;
out:
    cg_gemm_destroy(g);
    return st;
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
    int64_t rows = s->rows / g->n_calls;

    for (int64_t i = 0; i < g->n_calls; i++)
        CG_TRY(CG_CUBLAS(launch(g, &g->algo,
                                (const char *)x + i * rows * s->inputs * cg_dtype_size(s->in), w,
                                (char *)y + i * rows * s->outputs * cg_dtype_size(s->out)),
                         err));
    return CG_OK;
}
