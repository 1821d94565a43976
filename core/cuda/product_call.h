/* SPDX-License-Identifier: MIT */
/** @file product_call.h  What product.c and the kernels of product.cuh share. */
#ifndef CG_CUDA_PRODUCT_CALL_H
#define CG_CUDA_PRODUCT_CALL_H

#include <cuda.h>

#include "product.h"

/* The parameter of the kernels. */
typedef struct product_call {
    CUtensorMap a; /* [rows, inputs]: boxes of a tile's rows and a panel */
    CUtensorMap w; /* [group, j, t, e, inputs] (product.cuh): boxes of a tile's outputs, a panel */

    /* As in cg_product_args, but for n_parts = 0: eps is 1 then */
    const float *square_sums;
    int32_t n_parts;
    float inverse_width, eps; /* of a row of x */

    const float *a_scale; /* [rows]; of i8 */
    const float *w_scale; /* of the rows of w; of i8 */

    const float *norm;      /* [outputs] or NULL: x alone */
    float *x;               /* [rows, outputs] */
    float *out_square_sums; /* [tiles of columns * OWNERS, rows] */
    void *out;              /* [rows, outputs] bf16 */

    int32_t rows, outputs; /* with CG_PRODUCT_SWIGLU: of gate, and of up */
    int32_t k_steps;       /* panels */
    int32_t row_tiles, n_tiles;

    /* CG_PRODUCT_HEADS; as in cg_cuda_qkv */
    const float *q_norm, *k_norm;
    const float *cosines, *sines;
    const int32_t *slot, *pos;
    int32_t n_heads, n_kv_heads;
    float head_eps;
    int32_t store; /* nonzero: k and v go to view */
    cg_kv_view view;
} product_call;

/* A kernel and what its launch needs; members as in product_shape. */
typedef struct product_kernel_entry {
    const void *kernel;
    cg_product_end end;
    int32_t head_dim, rows, n, split;
    int32_t threads, shared; /* bytes */
    int32_t blocks;          /* of a multiprocessor */
    int32_t owners;
    int32_t is_i8;
} product_kernel_entry;

#ifdef __cplusplus
extern "C" {
#endif

/* The kernels of product.cu. */
const product_kernel_entry *cg_product_kernels(int *ret_n);

#ifdef __cplusplus
}
#endif

#endif
