/* SPDX-License-Identifier: MIT */
/**
 * @file gemm.h  Matrix products y = x w^T (+ y) by cuBLASLt, with one measured algorithm per shape.
 *
 * The fastest algorithm depends on the shape and the GPU, and cuBLASLt's own first choice is often
 * 10 to 30 % slower for the flat products of a decode step. So each new shape times the candidates
 * once, on memory of its own, and keeps the fastest; a context remembers the algorithm of a shape.
 *
 * The last bits of a row may differ between plans of different `rows`. A deterministic context
 * takes one algorithm for any number of rows, without split sums. When a shape is new it checks
 * that one call gives the same bits as calls of CG_GEMM_ROW_BLOCK rows; if not, it makes such
 * calls.
 */
#ifndef CG_CUDA_GEMM_H
#define CG_CUDA_GEMM_H

#include "gpu_device.h"

#include <confgen/tensor.h>

enum { CG_GEMM_ROW_BLOCK = 128 }; /* deterministic: `rows` must be a multiple of it */

typedef struct cg_gemm_context cg_gemm_context;
typedef struct cg_gemm cg_gemm;

/** Creates a context on the calling thread's GPU. `deterministic`: see above. */
cg_status cg_gemm_context_create(int deterministic, cudaStream_t stream, cg_gemm_context **ret,
                                 cg_error *err);
void cg_gemm_context_destroy(cg_gemm_context *context); /* accepts NULL; destroy its plans first */

/** Shape and types of a product. Sums are f32. */
typedef struct cg_gemm_shape {
    int64_t rows;       /* of x and y */
    int64_t outputs;    /* rows of w, columns of y */
    int64_t inputs;     /* columns of x and w */
    cg_dtype in;        /* of x and w: CG_BF16 or CG_F32 */
    cg_dtype out;       /* of y: CG_BF16 or CG_F32 */
    int32_t accumulate; /* nonzero: y += */
} cg_gemm_shape;

/** Plans a product. Selects an algorithm; for a new shape synchronises the stream. */
cg_status cg_gemm_create(cg_gemm_context *context, const cg_gemm_shape *shape, cg_gemm **ret_gemm,
                         cg_error *err);
void cg_gemm_destroy(cg_gemm *gemm); /* accepts NULL */

/**
 * Queues y [rows, outputs] = x [rows, inputs] w [outputs, inputs]^T, all row major, on the
 * context's stream. Can be captured.
 */
cg_status cg_gemm_run(cg_gemm *gemm, const void *x, const void *w, void *y, cg_error *err);

#endif
