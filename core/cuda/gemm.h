/* SPDX-License-Identifier: MIT */
/**
 * @file gemm.h  Matrix products by cuBLASLt: y = x w^T (+ y), one algorithm a shape, by
 * measurement.
 *
 * Which algorithm is fastest depends on the shape and the GPU, and cuBLASLt's own guess is often
 * 10 to 30 % off for the flat products of a decode step. So each plan times the candidates once, on
 * memory of its own, and keeps the fastest; contexts remember by shape.
 *
 * A row's result may differ in its last bits between plans of different `rows`. A deterministic
 * context takes one algorithm for all of them, without split sums, and checks when it meets a shape
 * that one call gives the bits of calls of CG_GEMM_PIECE rows; if not, it makes such calls.
 */
#ifndef CG_CUDA_GEMM_H
#define CG_CUDA_GEMM_H

#include "gpu_device.h"

#include <confgen/tensor.h>

enum { CG_GEMM_PIECE = 128 };

typedef struct cg_gemm_context cg_gemm_context;
typedef struct cg_gemm cg_gemm;

/** On the calling thread's GPU. `deterministic`: see above. */
cg_status cg_gemm_context_create(int deterministic, cudaStream_t stream, cg_gemm_context **ret,
                                 cg_error *err);
void cg_gemm_context_destroy(cg_gemm_context *context); /* accepts NULL; plans first */

/** What is computed. x and w are of `in`, y of `out`; sums are f32. */
typedef struct cg_gemm_shape {
    int64_t rows;       /* of x and y */
    int64_t outputs;    /* rows of w, columns of y */
    int64_t inputs;     /* columns of x and w */
    cg_dtype in;        /* CG_BF16 or CG_F32 */
    cg_dtype out;       /* the same */
    int32_t accumulate; /* y += */
} cg_gemm_shape;

/** Choose an algorithm: synchronises the stream where the shape was not met before. */
cg_status cg_gemm_create(cg_gemm_context *context, const cg_gemm_shape *shape, cg_gemm **ret_gemm,
                         cg_error *err);
void cg_gemm_destroy(cg_gemm *gemm); /* accepts NULL */

/**
 * Queue y [rows, outputs] = x [rows, inputs] w [outputs, inputs]^T, all row major, on the context's
 * stream. Can be captured.
 */
cg_status cg_gemm_run(cg_gemm *gemm, const void *x, const void *w, void *y, cg_error *err);

#endif
