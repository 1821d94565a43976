/* SPDX-License-Identifier: MIT */
/**
 * @file fake_gpu.h  A "GPU" of host memory behind confgen/gpu.h, so that the checks for CUDA can be
 * tried where there is none. Linked instead of core/gpu.
 */
#ifndef CG_TESTS_FAKE_GPU_H
#define CG_TESTS_FAKE_GPU_H

#include <confgen/gpu.h>

/** What a fake kernel does with its arguments, copied when it was queued. */
typedef void (*fake_kernel_fn)(const void *args);

/** Run now, or remember it while the stream is captured. At most 256 bytes of arguments. */
void fake_launch(fake_kernel_fn kernel, const void *args, size_t bytes);

/** The stream is being captured. */
int fake_capturing(void);

/** Allocations that were not freed. */
extern int fake_gpu_live;

#endif
