/* SPDX-License-Identifier: MIT */
/** @file device_memory.h  Device memory that is freed together, and weights in it. */
#ifndef CG_CUDA_DEVICE_MEMORY_H
#define CG_CUDA_DEVICE_MEMORY_H

#include "gpu_device.h"
#include "model/weights.h"

/** Zero first; cg_device_memory_finish() releases. All of it belongs to one GPU. */
typedef struct cg_device_memory {
    void **allocations; /* [n] */
    size_t n, cap;
    int64_t bytes; /* of all allocations */
} cg_device_memory;

/**
 * Allocates device memory of the calling thread's GPU.
 *
 * @param ret_ptr  address of the pointer to set, of any type
 * @return CG_OK; CG_ERR_NOMEM, CG_ERR_DEVICE_NOMEM, CG_ERR_CUDA
 */
cg_status cg_device_alloc(cg_device_memory *memory, size_t bytes, void *ret_ptr, cg_error *err);

/**
 * Allocates memory for `n` matrices of one width, stacked by rows, and copies them there, converted
 * to the type `to`.
 *
 * @param ret_ptr  address of the pointer to set, of any type
 */
cg_status cg_device_upload(cg_device_memory *memory, const cg_tensor_ref *const *parts, int n,
                           cg_dtype to, void *ret_ptr, cg_error *err);

void cg_device_memory_finish(cg_device_memory *memory);

#endif
