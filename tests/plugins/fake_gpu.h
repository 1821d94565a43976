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

/** Runs the kernel, or records it during a capture. At most 256 bytes of arguments. */
void fake_launch(fake_kernel_fn kernel, const void *args, size_t bytes);

/** True during a capture. */
int fake_capturing(void);

/** Allocations that are not freed. */
extern int fake_gpu_live;

#endif
