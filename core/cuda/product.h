/* SPDX-License-Identifier: MIT */
/**
 * @file product.h  Matrix products y = a w^T of bf16 with f32 sums, or of i8 with sums of 32 bits,
 * on compute capability 9.0, together with what follows them in a layer.
 *
 * The norm of a product's input is applied behind the product: the product of the residual stream
 * that comes before writes x times the weight of the norm, in bf16, and the sums of the squares of
 * its rows; this product multiplies its sums by 1 / rms. A rounded number is that of a
 * norm before the product times a factor of the row.
 *
 * Products of i8 have normalised inputs with a scale for each row, and weights with a scale for
 * each output. Their sums are exact.
 */
#ifndef CG_CUDA_PRODUCT_H
#define CG_CUDA_PRODUCT_H

#include "gpu_device.h"

#include <confgen/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cg_product cg_product;

/** What follows a product. */
typedef enum cg_product_end {
    CG_PRODUCT_SWIGLU,   /* y is gate and up: out = silu(gate) * up */
    CG_PRODUCT_HEADS,    /* y is q, k, v: norm and rotation of heads, store to the cache */
    CG_PRODUCT_RESIDUAL, /* x += y; out = x * norm, sums of squares of x */
} cg_product_end;

typedef struct cg_product_shape {
    int64_t rows;    /* of a */
    int64_t outputs; /* of w; with CG_PRODUCT_SWIGLU of gate, as many as of up */
    int64_t inputs;  /* columns of a and w */
    cg_product_end end;
    int32_t head_dim;     /* with CG_PRODUCT_HEADS */
    int32_t is_i8;        /* nonzero: a and w are i8, else bf16; not with
                           * CG_PRODUCT_RESIDUAL */
    int32_t is_invariant; /* nonzero: the bits of a row depend neither on `rows` nor on the other
                           * rows */
} cg_product_shape;

/** Arguments of a product. Device memory; pointers to bf16 and float are multiples of 16. */
typedef struct cg_product_args {
    const void *a; /* [rows, inputs] */
    const void *w; /* [outputs, inputs], with CG_PRODUCT_SWIGLU [2 outputs, inputs]: gate, up */
    void *out;     /* [rows, outputs] bf16; with CG_PRODUCT_HEADS q alone is written if `store` */

    /* Of i8. A number is that of memory times the scale of its row. */
    const float *a_scale; /* [rows] */
    const float *w_scale; /* of the rows of w */

    /* Of bf16, not with CG_PRODUCT_RESIDUAL: sums of squares of the rows of x [rows, width], in
     * n_sums parts [n_sums, rows]. n_sums 0: a is normalised. */
    const float *sums;
    int32_t n_sums, width;
    float eps;

    /* CG_PRODUCT_RESIDUAL */
    float *x;          /* [rows, outputs] */
    const float *norm; /* [outputs] */
    float *out_sums;   /* [cg_product_sums(), rows] */

    /* CG_PRODUCT_HEADS, as in cg_cuda_qkv */
    const float *q_norm, *k_norm;
    const float *cosines, *sines;
    const int32_t *slot, *pos; /* padding has pos 0, which is read */
    int32_t n_heads, n_kv_heads;
    float head_eps;
    int32_t store;
    cg_kv_view view;
} cg_product_args;

/**
 * Selects a kernel for a shape on the current GPU. The last bits of a row may differ between shapes
 * of different `rows` that are not invariant. Whether there is a kernel does not depend on `rows`.
 *
 * @param stream       borrowed
 * @param ret_product  NULL if there is no kernel for this shape or GPU: use cg_gemm and layers.h
 * @return CG_OK; CG_ERR_NOMEM, CG_ERR_CUDA
 */
cg_status cg_product_create(const cg_product_shape *shape, cudaStream_t stream,
                            cg_product **ret_product, cg_error *err);
void cg_product_destroy(cg_product *product); /* accepts NULL */

/** Parts of the sums of squares that a product with CG_PRODUCT_RESIDUAL writes. */
int32_t cg_product_sums(const cg_product *product);

/** Queues the product. Can be captured. CG_OK; CG_ERR_CUDA */
cg_status cg_product_run(const cg_product *product, const cg_product_args *args, cg_error *err);

#ifdef __cplusplus
}
#endif

#endif
