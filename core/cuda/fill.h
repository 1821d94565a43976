/* SPDX-License-Identifier: MIT */
/** @file fill.h  Random numbers in device memory, for measurements. */
#ifndef CG_CUDA_FILL_H
#define CG_CUDA_FILL_H

#include "gpu_device.h"

#include <confgen/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Queue: n elements of `dtype`, uniform in [-1, 1), a function of seed and index alone. */
cg_status cg_cuda_fill_random(void *ptr, int64_t n, cg_dtype dtype, uint32_t seed,
                              cudaStream_t stream, cg_error *err);

#ifdef __cplusplus
}
#endif

#endif
