/* SPDX-License-Identifier: MIT */
/**
 * @file launch.h  Host code that all kernels of hopper share: checks of problems and calls,
 * descriptions of tensors for the copy engine.
 *
 * A plan begins with a pointer to its table of operations.
 */
#ifndef HOPPER_LAUNCH_H
#define HOPPER_LAUNCH_H

#include <confgen/attention.h>
#include <cuda.h>

/** cuTensorMapEncodeTiled() of the driver. */
typedef CUresult (*hopper_encode_fn)(CUtensorMap *, CUtensorMapDataType, cuuint32_t, void *,
                                     const cuuint64_t *, const cuuint64_t *, const cuuint32_t *,
                                     const cuuint32_t *, CUtensorMapInterleave, CUtensorMapSwizzle,
                                     CUtensorMapL2promotion, CUtensorMapFloatOOBfill);

/** Checks what all kernels ask of a problem that cg_attention_check_problem() has accepted: device,
 * types, pages, scale, and a GPU. */
cg_status hopper_check_problem(const cg_host *host, const cg_attention_problem *p, cg_error *err);

/** Checks a call, which may be empty, without reading device memory. */
cg_status hopper_check_args(const cg_host *host, const cg_attention_problem *p,
                            const cg_attention_args *a, cg_error *err);

/** Refuses an image without the kernel (sm_90a has not been built, or is not what was loaded), and
 * allows the kernel `smem` bytes of dynamic shared memory. */
cg_status hopper_configure_kernel(const cg_host *host, const void *kernel, int threads, int smem,
                                  cg_error *err);

cg_status hopper_find_encode(const cg_host *host, hopper_encode_fn *ret_encode, cg_error *err);

/**
 * Describes a tensor of bf16, f16 or f8_e4m3 to the copy engine. Rows of a box have 128 or 64
 * bytes, and the swizzle of as many.
 *
 * @param n       dimensions
 * @param size    [n] elements of each dimension, innermost first
 * @param stride  [n - 1] bytes, of the dimensions from the second on
 * @param box     [n] elements that a copy takes
 */
cg_status hopper_describe(const cg_host *host, hopper_encode_fn encode, cg_dtype dtype,
                          const void *base, uint32_t n, const cuuint64_t *size,
                          const cuuint64_t *stride, const cuuint32_t *box, CUtensorMap *ret_map,
                          cg_error *err);

/** Tokens of a box: the largest power of two that divides a page of n tokens, at most `most`. */
int32_t hopper_box_of_pages(int32_t n, int32_t most);

/** Returns the factor of scores before exp2(). */
float hopper_exp2_scale(float scale);

/** Operations of latent attention (latent.h); supports() and plan() take problems that
 * cg_attention_check_problem() has accepted. */
extern const cg_attention_ops hopper_latent_ops;

#endif
