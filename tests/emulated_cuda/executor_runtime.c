/* SPDX-License-Identifier: MIT */
/*
 * What the test of core/cuda's executor uses beyond runtime.c: copies, events, streams and graphs
 * of the fake GPU, matrix products on the host in place of core/cuda/gemm.c, and a registry of
 * plugins that are linked.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cuda/executor_cuda.h"
#include "cuda/gemm.h"
#include "cuda_loader/cuda_module.h"
#include "plugin/registry.h"
#include "plugins/fake_gpu.h"

enum { FREE_GIB = 8 };

static cg_gpu *the_gpu(void)
{
    cg_error err = CG_ERROR_INIT;
    cg_gpu *gpu = NULL;

    if (cg_gpu_open(0, &gpu, &err) != CG_OK)
        abort();
    return gpu;
}

cg_status cg_cuda_check(cudaError_t code, const char *call, cg_error *err)
{
    if (code == cudaSuccess)
        return CG_OK;
    return cg_fail(err, CG_ERR_CUDA, "%s in %s", cudaGetErrorName(code), call);
}

cg_status cg_cuda_use(int32_t index, cg_error *err)
{
    (void)err;
    fake_set_device(index);
    return CG_OK;
}

cg_status cg_cuda_loader_create_executor(const cg_executor_config *config,
                                         cg_executor **ret_executor, cg_error *err)
{
    return cg_cuda_executor_create(config, ret_executor, err);
}

cudaError_t cudaSetDevice(int index)
{
    fake_set_device(index);
    return cudaSuccess;
}

/* ---- memory ------------------------------------------------------------------------------- */

cudaError_t cudaMemGetInfo(size_t *ret_free, size_t *ret_total)
{
    *ret_free = *ret_total = (size_t)FREE_GIB << 30;
    return cudaSuccess;
}

cudaError_t cudaMallocAsync(void **ret, size_t bytes, cudaStream_t stream)
{
    (void)stream;
    return cudaMalloc(ret, bytes);
}

/* The stream is never held here: what was queued has run. */
cudaError_t cudaFreeAsync(void *ptr, cudaStream_t stream)
{
    (void)stream;
    return cudaFree(ptr);
}

struct copy {
    void *to;
    const void *from;
    size_t bytes;
};

static void run_copy(const void *arg)
{
    const struct copy *c = arg;

    memcpy(c->to, c->from, c->bytes);
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind,
                            cudaStream_t stream)
{
    struct copy c = { to, from, bytes };

    (void)kind;
    (void)stream;
    fake_launch(run_copy, &c, sizeof c);
    return cudaSuccess;
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind)
{
    cudaError_t code = cudaDeviceSynchronize();

    (void)kind;
    if (code == cudaSuccess)
        memcpy(to, from, bytes);
    return code;
}

/* ---- events, streams, graphs -------------------------------------------------------------- */

struct CUevent_st {
    double time;
};

cudaError_t cudaEventCreate(cudaEvent_t *ret_event)
{
    *ret_event = calloc(1, sizeof **ret_event);
    return *ret_event ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    free(event);
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    (void)stream;
    event->time = cg_now();
    return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    (void)event;
    return cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float *ret_ms, cudaEvent_t from, cudaEvent_t to)
{
    *ret_ms = (float)(1e3 * (to->time - from->time));
    return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *ret_stream, unsigned flags)
{
    (void)flags;
    *ret_stream = cg_gpu_stream(the_gpu());
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    (void)stream;
    return cudaSuccess;
}

static cudaError_t code_of(cg_status st)
{
    return st == CG_OK ? cudaSuccess : cudaErrorUnknown;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode)
{
    cg_error err = CG_ERROR_INIT;

    (void)stream;
    (void)mode;
    return code_of(cg_gpu_capture_begin(the_gpu(), &err));
}

/* A graph and what is instantiated from it are one object of the fake GPU. */
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *ret_graph)
{
    cg_error err = CG_ERROR_INIT;
    cg_gpu_graph *graph = NULL;
    cg_status st = cg_gpu_capture_end(the_gpu(), &graph, &err);

    (void)stream;
    *ret_graph = (cudaGraph_t)graph;
    return code_of(st);
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *ret_exec, cudaGraph_t graph,
                                 unsigned long long flags)
{
    (void)flags;
    *ret_exec = (cudaGraphExec_t)graph;
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    (void)graph;
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    cg_gpu_graph_destroy((cg_gpu_graph *)exec);
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream)
{
    cg_error err = CG_ERROR_INIT;

    (void)stream;
    return code_of(cg_gpu_replay(the_gpu(), (cg_gpu_graph *)exec, &err));
}

/* ---- products in f32 ---------------------------------------------------------------------- */

struct cg_gemm {
    cg_gemm_shape shape;
};

struct product {
    cg_gemm_shape shape;
    const float *x, *w;
    float *y;
};

cg_status cg_gemm_context_create(int deterministic, cudaStream_t stream, cg_gemm_context **ret,
                                 cg_error *err)
{
    (void)deterministic;
    (void)stream;
    (void)err;
    *ret = NULL;
    return CG_OK;
}

void cg_gemm_context_destroy(cg_gemm_context *context)
{
    (void)context;
}

cg_status cg_gemm_create(cg_gemm_context *context, const cg_gemm_shape *shape, cg_gemm **ret_gemm,
                         cg_error *err)
{
    cg_gemm *g = malloc(sizeof *g);

    (void)context;
    if (!g)
        return cg_fail_nomem(err, "matrix products");
    if (shape->in != CG_F32 || shape->out != CG_F32) {
        free(g);
        return cg_fail(err, CG_ERR_UNSUPPORTED, "products on the host: wanted f32");
    }
    g->shape = *shape;
    *ret_gemm = g;
    return CG_OK;
}

void cg_gemm_destroy(cg_gemm *gemm)
{
    free(gemm);
}

static void run_product(const void *arg)
{
    const struct product *p = arg;
    int64_t n = p->shape.inputs;

    for (int64_t r = 0; r < p->shape.rows; r++)
        for (int64_t o = 0; o < p->shape.outputs; o++) {
            float *y = &p->y[r * p->shape.outputs + o];
            double sum = p->shape.accumulate ? *y : 0;

            for (int64_t i = 0; i < n; i++)
                sum += (double)p->x[r * n + i] * p->w[o * n + i];
            *y = (float)sum;
        }
}

cg_status cg_gemm_run(cg_gemm *gemm, const void *x, const void *w, void *y, cg_error *err)
{
    struct product p = { gemm->shape, x, w, y };

    (void)err;
    fake_launch(run_product, &p, sizeof p);
    return CG_OK;
}

/* ---- plugins that are linked -------------------------------------------------------------- */

enum { N_PLUGINS = 3 };

cg_status eager_entry(const cg_host *host, const cg_plugin **ret_plugin, cg_error *err);
cg_status paged_entry(const cg_host *host, const cg_plugin **ret_plugin, cg_error *err);

/* A registry of eager, paged and of the contiguous cache. */
cg_status cg_registry_open(const cg_host *host, const char *const *files, int32_t n_files,
                           cg_registry **ret_registry, cg_error *err)
{
    const cg_plugin **plugins = calloc(N_PLUGINS, sizeof(*plugins));
    cg_status st;

    (void)files;
    (void)n_files;
    if (!plugins)
        return cg_fail_nomem(err, "registry");
    CG_TRY_GOTO(st, eager_entry(host, &plugins[0], err), out);
    CG_TRY_GOTO(st, cg_plugin_entry_v1(host, &plugins[1], err), out);
    CG_TRY_GOTO(st, paged_entry(host, &plugins[2], err), out);
    *ret_registry = (cg_registry *)plugins;
    plugins = NULL;
out:
    free(plugins);
    return st;
}

cg_status cg_registry_find(const cg_registry *registry, cg_plugin_kind kind, const char *name,
                           const cg_plugin **ret_plugin, cg_error *err)
{
    const cg_plugin *const *plugins = (const cg_plugin *const *)registry;

    for (int i = 0; i < N_PLUGINS; i++)
        if (plugins[i]->kind == kind && !strcmp(plugins[i]->name, name)) {
            *ret_plugin = plugins[i];
            return CG_OK;
        }
    return cg_fail(err, CG_ERR_USAGE, "no plugin '%s'", name);
}

void cg_registry_destroy(cg_registry *registry)
{
    free(registry);
}
