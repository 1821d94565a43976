/* SPDX-License-Identifier: MIT */
/**
 * @file fsq_kernels.h  The kernels between the matrix products of an FSQ decoder.
 *
 * Rows are the tokens of the conformers of a pass, one after the other. The residual stream x is
 * f32; inputs and outputs of products have the type `act` (bf16 or f32). All pointers are device
 * memory; all calls queue on `stream`. `rows` is positive.
 */
#ifndef CG_CUDA_FSQ_KERNELS_H
#define CG_CUDA_FSQ_KERNELS_H

#include <confgen/tensor.h>

#include "fsq/fsq_config.h"
#include "gpu_device.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Arguments of the input layer. */
typedef struct cg_fsq_embed {
    cg_fsq_config config;
    const int32_t *token, *code, *pos; /* [rows]; pos: in its conformer */
    const float *in_rows;              /* [n_tokens + n_digits, input_hidden] */
    const float *in_bias;              /* [input_hidden] */
    const float *positions;            /* [longest conformer, hidden] */
    void *in;                          /* [rows, input_hidden] act */
    float *x;                          /* [rows, hidden] */
} cg_fsq_embed;

/** in[t] = relu(bias + the columns of token[t] and of the digits of code[t]), x[t] = the position.
 */
cg_status cg_cuda_fsq_embed(const cg_fsq_embed *args, int32_t rows, cg_dtype act,
                            cudaStream_t stream, cg_error *err);

/** A block of at most CG_FSQ_QUERIES successive rows of a conformer. */
enum { CG_FSQ_QUERIES = 64 };

typedef struct cg_fsq_tile {
    int32_t begin, end; /* rows of the conformer */
    int32_t first; /* row of the first query; the last is first + CG_FSQ_QUERIES - 1 or end - 1 */
} cg_fsq_tile;

/**
 * out = softmax(q k^T / sqrt(CG_FSQ_HEAD_DIM)) v of each head, within each conformer.
 *
 * The order of a sum depends on the row's place in its conformer only.
 *
 * @param qkv    [rows, 3 hidden] act
 * @param tiles  [n_tiles]
 * @param out    [rows, hidden] act
 */
cg_status cg_cuda_fsq_attend(const void *qkv, const cg_fsq_tile *tiles, int32_t n_tiles,
                             int32_t hidden, cg_dtype act, void *out, cudaStream_t stream,
                             cg_error *err);

/**
 * xyz[t] = weight x[t] + bias
 *
 * @param weight  [3, hidden]
 * @param bias    [3]
 * @param xyz     [rows, 3]
 */
cg_status cg_cuda_fsq_output(const float *x, const float *weight, const float *bias, int32_t rows,
                             int32_t hidden, float *xyz, cudaStream_t stream, cg_error *err);

#ifdef __cplusplus
}
#endif

#endif
