/* SPDX-License-Identifier: MIT */
/* An open GPU: memory, stream, time stamps, graphs. The calls are documented in confgen/gpu.h. */
#include "gpu_device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"

struct allocation {
    void *ptr;
    struct allocation *next;
};

struct cg_gpu {
    int32_t index;
    cudaStream_t stream;
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

cg_status cg_cuda_gpu_open(int32_t index, cg_gpu **ret_gpu, cg_error *err)
{
    cg_gpu *gpu;
    cg_status st;

    CG_TRY(cg_cuda_use(index, err));
    gpu = calloc(1, sizeof *gpu);
    if (!gpu)
        return cg_fail(err, CG_ERR_NOMEM, "GPU %d: out of memory", index);
    gpu->index = index;
    CG_TRY_GOTO(st, CG_CUDA(cudaStreamCreateWithFlags(&gpu->stream, cudaStreamNonBlocking), err),
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
    if (gpu->stream)
        cudaStreamSynchronize(gpu->stream);
    while (gpu->allocations)
        cg_cuda_gpu_free(gpu, gpu->allocations->ptr);
    for (int i = 0; i < 2; i++)
        if (gpu->marks[i])
            cudaEventDestroy(gpu->marks[i]);
    if (gpu->stream)
        cudaStreamDestroy(gpu->stream);
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
