/* SPDX-License-Identifier: MIT */
/** @file cuda_check.h  Status and text of CUDA runtime calls. */
#ifndef CACHE_COMMON_CUDA_CHECK_H
#define CACHE_COMMON_CUDA_CHECK_H

#include <confgen/cache.h>
#include <cuda_runtime_api.h>

/**
 * Evaluates a CUDA call and returns its status; the text names the call. CG_ERR_DEVICE_NOMEM when
 * out of memory, else CG_ERR_CUDA.
 */
#define CG_CACHE_CUDA(host, call, err) cg_cache_cuda_status(host, (call), #call, err)
/** As CG_CACHE_CUDA() for the result of a call; `call` names it. */
cg_status cg_cache_cuda_status(const cg_host *host, cudaError_t code, const char *call,
                               cg_error *err);

#endif
