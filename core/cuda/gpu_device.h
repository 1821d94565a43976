/* SPDX-License-Identifier: MIT */
/** @file gpu_device.h  An open GPU (confgen/gpu.h) and checked CUDA and cuBLASLt calls. */
#ifndef CG_CUDA_GPU_DEVICE_H
#define CG_CUDA_GPU_DEVICE_H

#include <confgen/gpu.h>
#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include "base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Status of a CUDA call; the text names the call. CG_ERR_DEVICE_NOMEM if out of device memory. */
#define CG_CUDA(call, err) cg_cuda_check((call), #call, err)
cg_status cg_cuda_check(cudaError_t code, const char *call, cg_error *err);

/** Status of a cuBLASLt call. */
#define CG_CUBLAS(call, err) cg_cublas_check((call), #call, err)
cg_status cg_cublas_check(cublasStatus_t code, const char *call, cg_error *err);

/** Makes GPU `index` current in the calling thread; fails if it is missing or unsupported. */
cg_status cg_cuda_use(int32_t index, cg_error *err);

/** Number of GPUs; CG_ERR_UNSUPPORTED with the reason if the driver is missing or too old. */
cg_status cg_cuda_count(int32_t *ret_n, cg_error *err);

/* cg_cuda_gpu_X() implements cg_gpu_X() of confgen/gpu.h */
cg_status cg_cuda_gpu_open(int32_t index, cg_gpu **ret_gpu, cg_error *err);
void cg_cuda_gpu_close(cg_gpu *gpu);
void cg_cuda_gpu_get_info(const cg_gpu *gpu, cg_gpu_info *ret_info);
void *cg_cuda_gpu_stream(const cg_gpu *gpu);
cg_status cg_cuda_gpu_alloc(cg_gpu *gpu, size_t bytes, void **ret_ptr, cg_error *err);
void cg_cuda_gpu_free(cg_gpu *gpu, void *ptr);
cg_status cg_cuda_gpu_write(cg_gpu *gpu, void *dst, const void *src, size_t bytes, cg_error *err);
cg_status cg_cuda_gpu_read(cg_gpu *gpu, void *dst, const void *src, size_t bytes, cg_error *err);
cg_status cg_cuda_gpu_fill(cg_gpu *gpu, void *dst, int32_t byte, size_t bytes, cg_error *err);
cg_status cg_cuda_gpu_synchronize(cg_gpu *gpu, cg_error *err);
cg_status cg_cuda_gpu_mark(cg_gpu *gpu, int32_t which, cg_error *err);
cg_status cg_cuda_gpu_elapsed(cg_gpu *gpu, double *ret_seconds, cg_error *err);
cg_status cg_cuda_gpu_hold(cg_gpu *gpu, double seconds, cg_error *err);
int32_t cg_cuda_gpu_release(cg_gpu *gpu);
cg_status cg_cuda_gpu_read_now(cg_gpu *gpu, void *dst, const void *src, size_t bytes,
                               cg_error *err);
cg_status cg_cuda_current_device(int32_t *ret_index, cg_error *err);
cg_status cg_cuda_gpu_capture_begin(cg_gpu *gpu, cg_error *err);
cg_status cg_cuda_gpu_capture_end(cg_gpu *gpu, cg_gpu_graph **ret_graph, cg_error *err);
cg_status cg_cuda_gpu_replay(cg_gpu *gpu, cg_gpu_graph *graph, cg_error *err);
void cg_cuda_gpu_graph_destroy(cg_gpu_graph *graph);
cg_status cg_cuda_gpu_measure(cg_gpu *gpu, cg_gpu_ceilings *ret_ceilings, cg_error *err);
cg_status cg_cuda_gpu_random(cg_gpu *gpu, void *dst, int64_t n, cg_dtype dtype, uint32_t seed,
                             cg_error *err);

#ifdef __cplusplus
}
#endif

#endif
