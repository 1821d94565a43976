/* SPDX-License-Identifier: MIT */
/**
 * @file fake_gpu.h  A simulated GPU in host memory that implements confgen/gpu.h, to test the
 * checks for CUDA without a GPU. Linked instead of core/cuda_loader.
 */
#ifndef CG_TESTS_FAKE_GPU_H
#define CG_TESTS_FAKE_GPU_H

#include <confgen/gpu.h>

/** A fake kernel. Its arguments are copied at the launch. */
typedef void (*fake_kernel_fn)(const void *args);

/**
 * Runs the kernel; records it during a capture, or until the release of a held stream. At most 8192
 * bytes of arguments. A kernel on another stream is a direct call.
 */
void fake_launch(fake_kernel_fn kernel, const void *args, size_t bytes);

/** True during a capture. */
int fake_capturing(void);

/** Makes a device current, 0 being the GPU. */
void fake_set_device(int32_t index);

/** Allocations that are not freed. */
extern int fake_gpu_live;
/** Bytes of other memory in use, which cg_gpu_get_info() subtracts from its free memory. */
extern int64_t fake_gpu_bytes;

#endif
