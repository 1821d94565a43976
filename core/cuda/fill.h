/* SPDX-License-Identifier: MIT */
/** @file fill.h  Fills device memory with random numbers, for measurements. */
#ifndef CG_CUDA_FILL_H
#define CG_CUDA_FILL_H

#include "gpu_device.h"

#include <confgen/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Queues the fill of n elements of `dtype`, uniform in [-1, 1]; each depends on seed and index. */
cg_status cg_cuda_fill_random(void *ptr, int64_t n, cg_dtype dtype, uint32_t seed,
                              cudaStream_t stream, cg_error *err);

#ifdef __cplusplus
}
#endif

#endif
