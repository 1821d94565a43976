/* SPDX-License-Identifier: MIT */
/** @file weights.h  References to weight matrices in place, and operations on them. */
#ifndef CG_MODEL_WEIGHTS_H
#define CG_MODEL_WEIGHTS_H

#include <stdint.h>

#include <confgen/tensor.h>

/**
 * A matrix [rows, cols], row major and contiguous, aligned to its element size. Vectors have one
 * row. data NULL: the model has no such tensor. Host memory, read-only, borrowed from the model.
 */
typedef struct cg_tensor_ref {
    const void *data;
    int64_t rows;
    int64_t cols;
    cg_dtype dtype; /* CG_F32, CG_BF16 or CG_F16 */
} cg_tensor_ref;

/**
 * Converts rows [row0, row0 + n_rows) to float32, exactly.
 *
 * @param dst  [n_rows, cols]
 */
void cg_weight_to_f32(const cg_tensor_ref *ref, int64_t row0, int64_t n_rows, float *dst);

/** Converts n float32 numbers to a dtype of weights, to nearest, ties to even. dst: [n] of `dtype`.
 */
void cg_weight_from_f32(const float *src, int64_t n, cg_dtype dtype, void *dst);

/** Returns the index (row * cols + col) of the first NaN or infinity, or -1. */
int64_t cg_weight_find_nonfinite(const cg_tensor_ref *ref);

/** Bytes of the matrix. */
static inline int64_t cg_weight_bytes(const cg_tensor_ref *ref)
{
    return ref->rows * ref->cols * cg_dtype_size(ref->dtype);
}

/** Converts float32 to bf16, to nearest, ties to even; NaN stays NaN. */
static inline uint16_t cg_bf16_from_f32(float x)
{
    union {
        float f;
        uint32_t u;
    } v = { x };

    if ((v.u & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(v.u >> 16 | 0x40u);
    return (uint16_t)((v.u + 0x7fffu + (v.u >> 16 & 1u)) >> 16);
}

#endif
