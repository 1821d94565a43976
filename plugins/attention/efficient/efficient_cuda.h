/* SPDX-License-Identifier: MIT */
/** @file efficient_cuda.h  efficient on CUDA: host code in cuda.c, kernels in kernel.cu. */
#ifndef EFFICIENT_CUDA_H
#define EFFICIENT_CUDA_H

#include "call.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Checks that a well-formed CUDA problem is supported, and loads its kernels: a kernel is loaded at
 * its first use, which must not be a capture. CG_ERR_UNSUPPORTED with the reason if not.
 */
cg_status efficient_cuda_supports(const cg_host *host, const cg_attention_problem *p,
                                  cg_error *err);

/** Enqueues one call. */
cg_status efficient_cuda_run(const efficient_plan *plan, const cg_attention_args *args,
                             cg_error *err);

/** Loads the kernels for a size of values. @return the cudaError_t */
int efficient_cuda_load_kernels(int32_t v_dim);

/** Launches the kernel for a call on a cudaStream_t. @return the cudaError_t of the launch */
int efficient_cuda_launch(const efficient_call *call, void *stream);

#ifdef __cplusplus
}
#endif

#endif
