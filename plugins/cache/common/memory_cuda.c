/* SPDX-License-Identifier: MIT */
/* GPU memory. */
#include <cuda_runtime_api.h>

#include "cache_checks.h"
#include "cuda_check.h"
#include "kernels.h"
#include "memory.h"

cg_status cg_cache_cuda_status(const cg_host *host, cudaError_t code, const char *call,
                               cg_error *err)
{
    if (code == cudaSuccess)
        return CG_OK;
    (void)cudaGetLastError(); /* clear the error: it is reported here */
    if (code == cudaErrorMemoryAllocation)
        return host->fail(err, CG_ERR_DEVICE_NOMEM, "KV cache: out of GPU memory (%s)", call);
    return host->fail(err, CG_ERR_CUDA, "KV cache: CUDA: %s (%s) in %s", cudaGetErrorString(code),
                      cudaGetErrorName(code), call);
}

static cg_status check_device(const cg_host *host, cg_error *err)
{
    int driver = 0, n = 0;
    cudaError_t code;

    CG_TRY(CG_CACHE_CUDA(host, cudaDriverGetVersion(&driver), err));
    if (!driver)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "KV cache: no NVIDIA driver is loaded on this machine");
    code = cudaGetDeviceCount(&n);
    if (code == cudaErrorInsufficientDriver) {
        (void)cudaGetLastError();
        return host->fail(
            err, CG_ERR_UNSUPPORTED,
            "KV cache: the NVIDIA driver supports CUDA %d.%d, this build needs %d.%d: "
            "update the driver",
            driver / 1000, driver % 1000 / 10, CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
    }
    if (code == cudaErrorNoDevice) {
        (void)cudaGetLastError();
        return host->fail(err, CG_ERR_UNSUPPORTED, "KV cache: this machine has no NVIDIA GPU");
    }
    CG_TRY(cg_cache_cuda_status(host, code, "cudaGetDeviceCount", err));
    code = cg_cache_load_kernels();
    if (code == cudaErrorNoKernelImageForDevice || code == cudaErrorInvalidDeviceFunction) {
        (void)cudaGetLastError();
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "KV cache: this build has no code for this GPU (%s)",
                          cudaGetErrorString(code));
    }
    return cg_cache_cuda_status(host, code, "loading kernels", err);
}

static cg_status cuda_alloc(const cg_host *host, int64_t bytes, void **ret_ptr, cg_error *err)
{
    cudaError_t code = cudaMalloc(ret_ptr, (size_t)bytes);

    if (code == cudaErrorMemoryAllocation) {
        (void)cudaGetLastError();
        return CG_ERR_DEVICE_NOMEM;
    }
    return cg_cache_cuda_status(host, code, "cudaMalloc", err);
}

static void cuda_free(const cg_host *host, void *ptr)
{
    (void)host;
    cudaFree(ptr);
}

static cg_status copy(const cg_host *host, const cg_cache_config *config, const cg_cache_rows *rows,
                      cg_error *err)
{
    return cg_cache_cuda_status(host, cg_cache_copy_rows_cuda(rows, (cudaStream_t)config->stream),
                                "copying rows", err);
}

static cg_status synchronize(const cg_host *host, const cg_cache_config *config, cg_error *err)
{
    return CG_CACHE_CUDA(host, cudaStreamSynchronize((cudaStream_t)config->stream), err);
}

/* The device, not config->stream: append() may use another stream. */
static void drain(void)
{
    cudaDeviceSynchronize();
}

static cg_status check_append(const cg_host *host, const cg_cache_config *config,
                              const cg_cache_append *a, const int32_t *reserved_tokens,
                              cg_error *err)
{
    uint64_t bits; /* of all addresses and strides: low bits show misalignment */

    (void)config;
    (void)reserved_tokens; /* slots and positions are in device memory: the kernel checks them */
    CG_TRY(cg_cache_check_append_type(host, a, err));
    bits = (uint64_t)(uintptr_t)a->k | (uint64_t)(uintptr_t)a->v | (uint64_t)a->k_stride |
           (uint64_t)a->v_stride;
    if (bits % cg_dtype_size(a->dtype))
        return host->fail(
            err, CG_ERR_USAGE,
            "append: keys at %p, rows %lld bytes apart, values at %p, rows %lld bytes "
            "apart, wanted multiples of the element size of %u bytes",
            a->k, (long long)a->k_stride, a->v, (long long)a->v_stride, cg_dtype_size(a->dtype));
    return CG_OK;
}

static cg_status store(const cg_host *host, const cg_kv_view *view, int32_t n_blocks,
                       const cg_cache_append *args, cg_error *err)
{
    return cg_cache_cuda_status(host, cg_cache_append_cuda(view, n_blocks, args), "append", err);
}

const cg_cache_memory cg_cache_memory_cuda = {
    .device = CG_DEVICE_CUDA,
    .nomem = CG_ERR_DEVICE_NOMEM,
    .check = check_device,
    .alloc = cuda_alloc,
    .free = cuda_free,
    .copy = copy,
    .synchronize = synchronize,
    .drain = drain,
    .check_append = check_append,
    .store = store,
};
