/* SPDX-License-Identifier: MIT */
/* An open GPU: memory, stream, time stamps, graphs. The calls are documented in confgen/gpu.h. */
#include "gpu_device.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/size.h"

struct allocation {
    void *ptr;
    struct allocation *next;
};

struct cg_gpu {
    int32_t index;
    cudaStream_t stream;
    cudaStream_t other; /* for copies that do not wait for `stream` */
    /* Written by the calling thread and by the driver's, under `lock`. */
    struct {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        struct timespec end; /* of a hold: CLOCK_MONOTONIC */
        int32_t is_held;     /* from hold() to release() */
        int32_t has_expired;
    } hold;
    cudaEvent_t marks[2];
    struct allocation *allocations;
};

struct cg_gpu_graph {
    int32_t gpu;
    cudaGraphExec_t exec;
};

cg_status cg_cuda_check(cudaError_t code, const char *call, cg_error *err)
{
    if (code == cudaSuccess)
        return CG_OK;
    (void)cudaGetLastError(); /* clear it: later checks must not report it again */
    if (code == cudaErrorMemoryAllocation)
        return cg_fail(err, CG_ERR_DEVICE_NOMEM, "the GPU has no memory left (%s)", call);
    return cg_fail(err, CG_ERR_CUDA, "CUDA: %s (%s) in %s", cudaGetErrorString(code),
                   cudaGetErrorName(code), call);
}

cg_status cg_cublas_check(cublasStatus_t code, const char *call, cg_error *err)
{
    if (code == CUBLAS_STATUS_SUCCESS)
        return CG_OK;
    if (code == CUBLAS_STATUS_ALLOC_FAILED)
        return cg_fail(err, CG_ERR_DEVICE_NOMEM, "cuBLASLt: out of memory (%s)", call);
    return cg_fail(err, CG_ERR_CUDA, "cuBLASLt: %s in %s", cublasLtGetStatusString(code), call);
}

cg_status cg_cuda_count(int32_t *ret_n, cg_error *err)
{
    int driver = 0, runtime = 0, n = 0;
    cudaError_t code = cudaDriverGetVersion(&driver);

    if (code == cudaSuccess)
        code = cudaRuntimeGetVersion(&runtime);
    if (code != cudaSuccess)
        return cg_cuda_check(code, "cudaDriverGetVersion", err);
    if (!driver)
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "no NVIDIA driver is loaded on this machine: use --device cpu");
    code = cudaGetDeviceCount(&n);
    if (code == cudaErrorInsufficientDriver)
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "the NVIDIA driver supports CUDA %d.%d, this build needs %d.%d: update "
                       "the driver, or use --device cpu",
                       driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
    if (code == cudaErrorNoDevice) {
        (void)cudaGetLastError();
        *ret_n = 0;
        return CG_OK;
    }
    if (code != cudaSuccess)
        return cg_cuda_check(code, "cudaGetDeviceCount", err);
    *ret_n = n;
    return CG_OK;
}

cg_status cg_cuda_use(int32_t index, cg_error *err)
{
    int32_t n = 0;
    int major = 0;

    CG_TRY(cg_cuda_count(&n, err));
    if (index < 0 || index >= n)
        return cg_fail(err, CG_ERR_USAGE, "there is no GPU %d, this machine has %d, counted from 0",
                       index, n);
    CG_TRY(CG_CUDA(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, index), err));
    if (major < 8)
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "GPU %d has compute capability %d.x, wanted 8.0 or newer: use --device cpu",
                       index, major);
    return CG_CUDA(cudaSetDevice(index), err);
}

static void init_hold(cg_gpu *gpu)
{
    pthread_condattr_t monotonic;

    pthread_mutex_init(&gpu->hold.lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&gpu->hold.changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

cg_status cg_cuda_gpu_open(int32_t index, cg_gpu **ret_gpu, cg_error *err)
{
    cg_gpu *gpu;
    cg_status st;

    CG_TRY(cg_cuda_use(index, err));
    gpu = calloc(1, sizeof *gpu);
    if (!gpu)
        return cg_fail(err, CG_ERR_NOMEM, "GPU %d: out of memory", index);
    gpu->index = index;
    init_hold(gpu);
    CG_TRY_GOTO(st, CG_CUDA(cudaStreamCreateWithFlags(&gpu->stream, cudaStreamNonBlocking), err),
                fail);
    CG_TRY_GOTO(st, CG_CUDA(cudaStreamCreateWithFlags(&gpu->other, cudaStreamNonBlocking), err),
                fail);
    for (int i = 0; i < 2; i++)
        CG_TRY_GOTO(st, CG_CUDA(cudaEventCreate(&gpu->marks[i]), err), fail);
    *ret_gpu = gpu;
    return CG_OK;
fail:
    cg_cuda_gpu_close(gpu);
    return st;
}

void cg_cuda_gpu_close(cg_gpu *gpu)
{
    cudaSetDevice(gpu->index);
    (void)cg_cuda_gpu_release(gpu);
    if (gpu->stream)
        cudaStreamSynchronize(gpu->stream);
    while (gpu->allocations)
        cg_cuda_gpu_free(gpu, gpu->allocations->ptr);
    for (int i = 0; i < 2; i++)
        if (gpu->marks[i])
            cudaEventDestroy(gpu->marks[i]);
    if (gpu->stream)
        cudaStreamDestroy(gpu->stream);
    if (gpu->other)
        cudaStreamDestroy(gpu->other);
    pthread_cond_destroy(&gpu->hold.changed);
    pthread_mutex_destroy(&gpu->hold.lock);
    free(gpu);
}

static int attribute(int32_t index, enum cudaDeviceAttr attr)
{
    int value = 0;

    cudaDeviceGetAttribute(&value, attr, index);
    return value;
}

void cg_cuda_gpu_get_info(const cg_gpu *gpu, cg_gpu_info *ret_info)
{
    struct cudaDeviceProp prop;
    cg_gpu_info info = { .struct_size = sizeof info, .index = gpu->index };
    size_t free_bytes = 0, total = 0;
    int driver = 0, runtime = 0;

    memset(&prop, 0, sizeof prop);
    cudaSetDevice(gpu->index);
    cudaGetDeviceProperties(&prop, gpu->index);
    cudaMemGetInfo(&free_bytes, &total);
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&runtime);
    info.compute_capability = 10 * attribute(gpu->index, cudaDevAttrComputeCapabilityMajor) +
                              attribute(gpu->index, cudaDevAttrComputeCapabilityMinor);
    info.multiprocessors = attribute(gpu->index, cudaDevAttrMultiProcessorCount);
    info.l2_bytes = attribute(gpu->index, cudaDevAttrL2CacheSize);
    info.driver_version = driver;
    info.runtime_version = runtime;
    info.memory_bytes = (int64_t)total;
    info.free_bytes = (int64_t)free_bytes;
    snprintf(info.name, sizeof info.name, "%.63s", prop.name);
    for (int i = 0, n = 0; i < 16; i++)
        n += snprintf(info.uuid + n, sizeof info.uuid - (size_t)n, "%s%02x",
                      i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
                      (unsigned)(unsigned char)prop.uuid.bytes[i]);
    *ret_info = info;
}

void *cg_cuda_gpu_stream(const cg_gpu *gpu)
{
    return gpu->stream;
}

cg_status cg_cuda_gpu_alloc(cg_gpu *gpu, size_t bytes, void **ret_ptr, cg_error *err)
{
    struct allocation *a = malloc(sizeof *a);
    cg_status st;

    if (!a)
        return cg_fail(err, CG_ERR_NOMEM, "GPU %d: out of memory", gpu->index);
    cudaSetDevice(gpu->index);
    st = CG_CUDA(cudaMalloc(&a->ptr, bytes ? bytes : 1), NULL);
    if (st != CG_OK) {
        free(a);
        return cg_fail(err, st, "GPU %d: no memory for %zu bytes", gpu->index, bytes);
    }
    a->next = gpu->allocations;
    gpu->allocations = a;
    *ret_ptr = a->ptr;
    return CG_OK;
}

void cg_cuda_gpu_free(cg_gpu *gpu, void *ptr)
{
    for (struct allocation **at = &gpu->allocations; *at; at = &(*at)->next)
        if ((*at)->ptr == ptr) {
            struct allocation *a = *at;

            *at = a->next;
            cudaSetDevice(gpu->index);
            cudaFree(ptr);
            free(a);
            return;
        }
}

static cg_status copy(cg_gpu *gpu, void *dst, const void *src, size_t bytes,
                      enum cudaMemcpyKind kind, cg_error *err)
{
    CG_TRY(CG_CUDA(cudaSetDevice(gpu->index), err));
    CG_TRY(CG_CUDA(cudaMemcpyAsync(dst, src, bytes, kind, gpu->stream), err));
    return cg_cuda_gpu_synchronize(gpu, err);
}

cg_status cg_cuda_gpu_write(cg_gpu *gpu, void *dst, const void *src, size_t bytes, cg_error *err)
{
    return copy(gpu, dst, src, bytes, cudaMemcpyHostToDevice, err);
}

cg_status cg_cuda_gpu_read(cg_gpu *gpu, void *dst, const void *src, size_t bytes, cg_error *err)
{
    return copy(gpu, dst, src, bytes, cudaMemcpyDeviceToHost, err);
}

cg_status cg_cuda_gpu_fill(cg_gpu *gpu, void *dst, int32_t byte, size_t bytes, cg_error *err)
{
    CG_TRY(CG_CUDA(cudaSetDevice(gpu->index), err));
    CG_TRY(CG_CUDA(cudaMemsetAsync(dst, byte, bytes, gpu->stream), err));
    return cg_cuda_gpu_synchronize(gpu, err);
}

cg_status cg_cuda_gpu_synchronize(cg_gpu *gpu, cg_error *err)
{
    CG_TRY(CG_CUDA(cudaSetDevice(gpu->index), err));
    return CG_CUDA(cudaStreamSynchronize(gpu->stream), err);
}

cg_status cg_cuda_gpu_mark(cg_gpu *gpu, int32_t which, cg_error *err)
{
    CG_TRY(CG_CUDA(cudaSetDevice(gpu->index), err));
    return CG_CUDA(cudaEventRecord(gpu->marks[which != 0], gpu->stream), err);
}

cg_status cg_cuda_gpu_elapsed(cg_gpu *gpu, double *ret_seconds, cg_error *err)
{
    float ms = 0;

    CG_TRY(CG_CUDA(cudaEventSynchronize(gpu->marks[1]), err));
    CG_TRY(CG_CUDA(cudaEventElapsedTime(&ms, gpu->marks[0], gpu->marks[1]), err));
    *ret_seconds = (double)ms * 1e-3;
    return CG_OK;
}

/* Runs on a thread of the driver, which must not be used for CUDA calls. */
static void CUDART_CB wait_for_release(void *arg)
{
    cg_gpu *gpu = arg;
    int code = 0;

    pthread_mutex_lock(&gpu->hold.lock);
    while (gpu->hold.is_held && !code)
        code = pthread_cond_timedwait(&gpu->hold.changed, &gpu->hold.lock, &gpu->hold.end);
    gpu->hold.has_expired |= code != 0;
    pthread_mutex_unlock(&gpu->hold.lock);
}

cg_status cg_cuda_gpu_hold(cg_gpu *gpu, double seconds, cg_error *err)
{
    double whole = floor(seconds);
    cg_status st;

    if (!(seconds > 0 && seconds <= 60))
        return cg_fail(err, CG_ERR_USAGE, "hold of a stream for %g s, wanted 0 to 60", seconds);
    pthread_mutex_lock(&gpu->hold.lock);
    if (gpu->hold.is_held) {
        pthread_mutex_unlock(&gpu->hold.lock);
        return cg_fail(err, CG_ERR_USAGE, "the stream of GPU %d is held already", gpu->index);
    }
    gpu->hold.is_held = 1;
    gpu->hold.has_expired = 0;
    clock_gettime(CLOCK_MONOTONIC, &gpu->hold.end);
    gpu->hold.end.tv_sec += (time_t)whole;
    gpu->hold.end.tv_nsec += (long)((seconds - whole) * 1e9);
    if (gpu->hold.end.tv_nsec >= 1000000000) {
        gpu->hold.end.tv_nsec -= 1000000000;
        gpu->hold.end.tv_sec++;
    }
    pthread_mutex_unlock(&gpu->hold.lock);
    st = CG_CUDA(cudaSetDevice(gpu->index), err);
    if (st == CG_OK)
        st = CG_CUDA(cudaLaunchHostFunc(gpu->stream, wait_for_release, gpu), err);
    if (st != CG_OK)
        (void)cg_cuda_gpu_release(gpu);
    return st;
}

int32_t cg_cuda_gpu_release(cg_gpu *gpu)
{
    int32_t was_held;

    pthread_mutex_lock(&gpu->hold.lock);
    was_held = gpu->hold.is_held && !gpu->hold.has_expired;
    gpu->hold.is_held = 0;
    pthread_cond_broadcast(&gpu->hold.changed);
    pthread_mutex_unlock(&gpu->hold.lock);
    return was_held;
}

cg_status cg_cuda_gpu_read_now(cg_gpu *gpu, void *dst, const void *src, size_t bytes, cg_error *err)
{
    CG_TRY(CG_CUDA(cudaSetDevice(gpu->index), err));
    CG_TRY(CG_CUDA(cudaMemcpyAsync(dst, src, bytes, cudaMemcpyDeviceToHost, gpu->other), err));
    return CG_CUDA(cudaStreamSynchronize(gpu->other), err);
}

cg_status cg_cuda_current_device(int32_t *ret_index, cg_error *err)
{
    int index = 0;

    CG_TRY(CG_CUDA(cudaGetDevice(&index), err));
    *ret_index = index;
    return CG_OK;
}

cg_status cg_cuda_gpu_capture_begin(cg_gpu *gpu, cg_error *err)
{
    CG_TRY(CG_CUDA(cudaSetDevice(gpu->index), err));
    return CG_CUDA(cudaStreamBeginCapture(gpu->stream, cudaStreamCaptureModeThreadLocal), err);
}

cg_status cg_cuda_gpu_capture_end(cg_gpu *gpu, cg_gpu_graph **ret_graph, cg_error *err)
{
    cg_gpu_graph *g = calloc(1, sizeof *g);
    cudaGraph_t graph = NULL;
    cg_status st;

    CG_TRY_GOTO(st, CG_CUDA(cudaStreamEndCapture(gpu->stream, &graph), err), out);
    if (!g) {
        st = cg_fail_nomem(err, "graph");
        goto out;
    }
    g->gpu = gpu->index;
    CG_TRY_GOTO(st, CG_CUDA(cudaGraphInstantiate(&g->exec, graph, 0), err), out);
    *ret_graph = g;
    g = NULL;
out:
    if (graph)
        cudaGraphDestroy(graph);
    free(g);
    return st;
}

cg_status cg_cuda_gpu_replay(cg_gpu *gpu, cg_gpu_graph *graph, cg_error *err)
{
    return CG_CUDA(cudaGraphLaunch(graph->exec, gpu->stream), err);
}

void cg_cuda_gpu_graph_destroy(cg_gpu_graph *graph)
{
    cudaSetDevice(graph->gpu);
    cudaGraphExecDestroy(graph->exec);
    free(graph);
}
