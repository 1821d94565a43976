/* SPDX-License-Identifier: MIT */
/**
 * @file cuda_checks.h  CUDA calls of the host code of attention plugins: status, checks, memory.
 *
 * Every function clears the error that it reports, so that the next call does not report it again.
 */
#ifndef CG_ATTENTION_CUDA_CHECKS_H
#define CG_ATTENTION_CUDA_CHECKS_H

#include <confgen/attention.h>
#include <cuda_runtime_api.h>

/** Evaluates a CUDA call of the plugin `name` and returns its status; the text names both. */
#define ATTENTION_CUDA(host, name, call, err) attention_cuda_status(host, name, (call), #call, err)

/**
 * As ATTENTION_CUDA() for the result of a call; `call` names it.
 *
 * @return CG_OK; CG_ERR_DEVICE_NOMEM; CG_ERR_UNSUPPORTED if the build has no kernel for this GPU;
 *         CG_ERR_CUDA
 */
static inline cg_status attention_cuda_status(const cg_host *host, const char *name,
                                              cudaError_t code, const char *call, cg_error *err)
{
    if (code == cudaSuccess)
        return CG_OK;
    (void)cudaGetLastError();
    return host->fail(err,
                      code == cudaErrorMemoryAllocation         ? CG_ERR_DEVICE_NOMEM
                      : code == cudaErrorNoKernelImageForDevice ? CG_ERR_UNSUPPORTED
                                                                : CG_ERR_CUDA,
                      "%s: %.80s: %s", name, call, cudaGetErrorString(code));
}

/** Returns CG_OK if `code` is cudaSuccess, else CG_ERR_UNSUPPORTED with the text "WHAT: reason". */
static inline cg_status attention_cuda_available(const cg_host *host, const char *what,
                                                 cudaError_t code, cg_error *err)
{
    if (code == cudaSuccess)
        return CG_OK;
    (void)cudaGetLastError();
    return host->fail(err, CG_ERR_UNSUPPORTED, "%s: %s", what, cudaGetErrorString(code));
}

/** Returns CG_OK if there is a GPU, else CG_ERR_UNSUPPORTED with the text "WHAT: reason". */
static inline cg_status attention_check_gpu(const cg_host *host, const char *what, cg_error *err)
{
    int n = 0;

    return attention_cuda_available(host, what, cudaGetDeviceCount(&n), err);
}

/** Refuses a compute capability below `least`: 10 * major + minor. */
static inline cg_status attention_check_capability(const cg_host *host,
                                                   const cg_attention_problem *p, int32_t least,
                                                   cg_error *err)
{
    if (p->compute_capability >= least)
        return CG_OK;
    return host->fail(err, CG_ERR_UNSUPPORTED, "compute capability %d.%d, wanted %d.%d or newer",
                      p->compute_capability / 10, p->compute_capability % 10, least / 10,
                      least % 10);
}

/** Refuses scales of keys or values that are no aligned floats. */
static inline cg_status attention_check_scales(const cg_host *host, const cg_kv_view *kv,
                                               cg_error *err)
{
    const int64_t word = sizeof(float);

    if ((uintptr_t)kv->k_scale % sizeof(float) || (uintptr_t)kv->v_scale % sizeof(float) ||
        kv->scale_block_stride % word || kv->scale_head_stride % word ||
        kv->scale_token_stride % word)
        return host->fail(err, CG_ERR_MISMATCH,
                          "scales of keys at %p, of values at %p, strides of %lld, %lld and %lld "
                          "bytes: wanted multiples of %d",
                          (const void *)kv->k_scale, (const void *)kv->v_scale,
                          (long long)kv->scale_block_stride, (long long)kv->scale_head_stride,
                          (long long)kv->scale_token_stride, (int)word);
    return CG_OK;
}

/** Counts the multiprocessors of the current device. */
static inline cg_status attention_count_multiprocessors(const cg_host *host, const char *name,
                                                        int *ret_n, cg_error *err)
{
    int device = 0;

    CG_TRY(ATTENTION_CUDA(host, name, cudaGetDevice(&device), err));
    return ATTENTION_CUDA(
        host, name, cudaDeviceGetAttribute(ret_n, cudaDevAttrMultiProcessorCount, device), err);
}

/** Allocates device memory of zeros, which the caller frees with cudaFree(), also on failure. */
static inline cg_status attention_alloc_zeros(const cg_host *host, const char *name, size_t bytes,
                                              uint32_t **ret, cg_error *err)
{
    CG_TRY(ATTENTION_CUDA(host, name, cudaMalloc((void **)ret, bytes), err));
    CG_TRY(ATTENTION_CUDA(host, name, cudaMemset(*ret, 0, bytes), err));
    /* The memory is set on another stream than the kernels will run on. */
    return ATTENTION_CUDA(host, name, cudaStreamSynchronize(0), err);
}

#endif
