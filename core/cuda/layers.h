/* SPDX-License-Identifier: MIT */
/**
 * @file layers.h  The kernels between the matrix products of a forward pass.
 *
 * The residual stream x is f32; inputs and outputs of products have the activation type `act`
 * (bf16, f16 or f32). All pointers are device memory; all calls queue on `stream` and can be
 * captured. Rows of a step beyond its tokens (slot < 0) are padding: computed from zeros and not
 * stored in the cache.
 */
#ifndef CG_CUDA_LAYERS_H
#define CG_CUDA_LAYERS_H

#include "gpu_device.h"

#include <confgen/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * x[t] = embed[token[t]], h[t] = rms_norm(x[t]) * weight.
 *
 * @param token  [rows]; negative: x[t] is 0
 * @param embed  [vocab, hidden] act
 * @param x      [rows, hidden] f32
 * @param h      [rows, hidden] act
 */
cg_status cg_cuda_embed_norm(const int32_t *token, const void *embed, const float *weight,
                             float eps, int32_t rows, int32_t hidden, cg_dtype act, float *x,
                             void *h, cudaStream_t stream, cg_error *err);

/**
 * h[i] = rms_norm(x[row[i]]) * weight for i < *n; 0 for the other rows of h.
 *
 * @param row, n  [rows] and [1]; row NULL: h[i] = rms_norm(x[i]) * weight for all rows
 */
cg_status cg_cuda_rms_norm(const float *x, const float *weight, float eps, const int32_t *row,
                           const int32_t *n, int32_t rows, int32_t hidden, cg_dtype act, void *h,
                           cudaStream_t stream, cg_error *err);

/**
 * h[t] scale[t] = rms_norm(x[t]) * weight. The largest magnitude of a row of h is 127, or 0 if that
 * of the row is below 1e-30. A row with NaN has the scale NaN.
 *
 * @param hidden  a multiple of 8, at most CG_MAX_I8_HIDDEN (model/i8_products.h)
 * @param h       [rows, hidden] i8
 * @param scale   [rows]
 */
cg_status cg_cuda_rms_norm_i8(const float *x, const float *weight, float eps, int32_t rows,
                              int32_t hidden, void *h, float *scale, cudaStream_t stream,
                              cg_error *err);

/**
 * numbers[i] scale[i] = w[i]. The largest magnitude of a row of numbers is 127, or 0 as above. A
 * row with NaN has the scale NaN.
 *
 * @param w        [rows, columns] f32
 * @param columns  a multiple of 8
 * @param numbers  [rows, columns] i8
 * @param scale    [rows]
 */
cg_status cg_cuda_quantise_rows(const float *w, int32_t rows, int32_t columns, void *numbers,
                                float *scale, cudaStream_t stream, cg_error *err);

/**
 * x[t] = embed[token[t]] + positions[pos[t]].
 *
 * @param token      [rows]; negative: x[t] is 0
 * @param pos        [rows]
 * @param embed      [vocab, hidden] act
 * @param positions  [.., hidden] act, or NULL
 * @param x          [rows, hidden] f32
 */
cg_status cg_cuda_embed(const int32_t *token, const int32_t *pos, const void *embed,
                        const void *positions, int32_t rows, int32_t hidden, cg_dtype act, float *x,
                        cudaStream_t stream, cg_error *err);

/**
 * h[i] = (x[row[i]] - mean) / deviation * weight + bias for i < *n; 0 for the other rows of h.
 *
 * @param row, n  as for cg_cuda_rms_norm()
 */
cg_status cg_cuda_layer_norm(const float *x, const float *weight, const float *bias, float eps,
                             const int32_t *row, const int32_t *n, int32_t rows, int32_t hidden,
                             cg_dtype act, void *h, cudaStream_t stream, cg_error *err);

/** x[t] += bias for all rows; x [rows, hidden] and bias [hidden] are f32. */
cg_status cg_cuda_add_bias(float *x, const float *bias, int32_t rows, int32_t hidden,
                           cudaStream_t stream, cg_error *err);

/** Arguments of the kernel after the q, k, v projection of a layer. */
typedef struct cg_cuda_qkv {
    void *qkv;                    /* [rows, (n_heads + 2 n_kv_heads) * head_dim] act, in place */
    const float *bias;            /* [(n_heads + 2 n_kv_heads) * head_dim] or NULL */
    const float *q_norm, *k_norm; /* [head_dim] or NULL */
    const float *cosines, *sines; /* [positions, head_dim / 2]; NULL: q and k are not rotated */
    const int32_t *slot, *pos;    /* [rows]; slot < 0: padding, left unchanged, pos 0 */
    int32_t rows, n_heads, n_kv_heads, head_dim;
    float eps;
    cg_dtype act;
    int32_t store; /* nonzero: keys and values go to `view`, else in place */
    /* Of type act without scales or of 8 bits with a scale for each head of each token
     * (confgen/quantise.h), values in the strides of keys */
    cg_kv_view view;
} cg_cuda_qkv;

/** Adds the bias, normalises and rotates q and k, and stores keys and values, in one pass. */
cg_status cg_cuda_rope_store(const cg_cuda_qkv *args, cudaStream_t stream, cg_error *err);

/**
 * out[t, i] = silu(gate_up[t, i]) * gate_up[t, intermediate + i].
 *
 * @param gate_up       [rows, 2 * intermediate] act
 * @param rows          > 0
 * @param intermediate  a multiple of 8
 * @param act           CG_F32 or CG_F16; CG_BF16 otherwise
 * @param out           [rows, intermediate] act
 */
cg_status cg_cuda_silu_mul(const void *gate_up, int32_t rows, int32_t intermediate, cg_dtype act,
                           void *out, cudaStream_t stream, cg_error *err);

/**
 * The activation of an MLP of any kind: out[t, i] = f(gate[t, i]) * up[t, i], or f(up[t, i]).
 *
 * @param in          [rows, 2 * intermediate] act: gate, then up; or [rows, intermediate]: up
 * @param bias        of `in`, one row, or NULL
 * @param activation  CG_ACT_*
 * @param out         may be `in` if that is not gated
 */
cg_status cg_cuda_activate(const void *in, const float *bias, int32_t rows, int32_t intermediate,
                           int32_t is_gated, int32_t activation, cg_dtype act, void *out,
                           cudaStream_t stream, cg_error *err);

/**
 * dst[i] = src[row[i]] for i < n, 0 for n <= i < rows.
 *
 * @param src  [.., hidden] act
 * @param row  [n]
 * @param dst  [rows, hidden] act
 */
cg_status cg_cuda_gather_rows(const void *src, const int32_t *row, int32_t n, int32_t rows,
                              int32_t hidden, cg_dtype act, void *dst, cudaStream_t stream,
                              cg_error *err);

#ifdef __cplusplus
}
#endif

#endif
