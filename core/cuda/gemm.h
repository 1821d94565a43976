/* SPDX-License-Identifier: MIT */
/**
 * @file gemm.h  Matrix products y = x w^T (+ y) by cuBLASLt, with one algorithm per shape.
 *
 * The fastest algorithm depends on the shape and the GPU, and cuBLASLt's first candidate is often
 * 10 to 30 % slower for the flat products of a decode step. So for each new shape the candidates
 * are timed once, on separate test data, and the context remembers the fastest.
 *
 * The last bits of a row may differ between plans of different `rows`. A deterministic context
 * measures nothing: it takes cuBLASLt's first candidate without split-K for a fixed number of rows,
 * whatever the rows of the plan. For a new shape it tests whether one call gives the same bits as
 * calls of CG_GEMM_ROW_BLOCK rows; if not, the product is split into such calls.
 */
#ifndef CG_CUDA_GEMM_H
#define CG_CUDA_GEMM_H

#include "gpu_device.h"

#include <confgen/tensor.h>

enum { CG_GEMM_ROW_BLOCK = 128 }; /* deterministic: `rows` must be a multiple of it */

typedef struct cg_gemm_context cg_gemm_context;
typedef struct cg_gemm cg_gemm;

/**
 * Creates a context on the calling thread's GPU.
 *
 * @param deterministic  see above
 * @param stream         borrowed
 * @return CG_OK; CG_ERR_NOMEM, CG_ERR_DEVICE_NOMEM, CG_ERR_CUDA
 */
cg_status cg_gemm_context_create(int deterministic, cudaStream_t stream, cg_gemm_context **ret,
                                 cg_error *err);
void cg_gemm_context_destroy(cg_gemm_context *context); /* accepts NULL; destroy its plans first */

/** Shape and types of a product. Sums are f32. */
typedef struct cg_gemm_shape {
    int64_t rows;       /* of x and y */
    int64_t outputs;    /* rows of w, columns of y */
    int64_t inputs;     /* columns of x and w */
    cg_dtype in;        /* of x and w: CG_BF16, CG_F16 or CG_F32 */
    cg_dtype out;       /* of y: likewise */
    int32_t accumulate; /* nonzero: y += */
    int32_t tf32; /* nonzero: f32 inputs are rounded to 10 bits of mantissa, for tensor cores */
} cg_gemm_shape;

/**
 * Plans a product and selects its algorithm; for a new shape synchronises the stream.
 *
 * @param context  borrowed until cg_gemm_destroy()
 * @return CG_OK; CG_ERR_CUDA also if no algorithm runs; CG_ERR_NOMEM, CG_ERR_DEVICE_NOMEM;
 *         CG_ERR_INTERNAL for a deterministic product whose rows are not a multiple of
 *         CG_GEMM_ROW_BLOCK
 */
cg_status cg_gemm_create(cg_gemm_context *context, const cg_gemm_shape *shape, cg_gemm **ret_gemm,
                         cg_error *err);
void cg_gemm_destroy(cg_gemm *gemm); /* accepts NULL */

/**
 * Queues y [rows, outputs] = x [rows, inputs] w [outputs, inputs]^T, all row major, on the
 * context's stream. Can be captured.
 *
 * @return CG_OK; CG_ERR_CUDA, CG_ERR_DEVICE_NOMEM
 */
cg_status cg_gemm_run(cg_gemm *gemm, const void *x, const void *w, void *y, cg_error *err);

#endif
