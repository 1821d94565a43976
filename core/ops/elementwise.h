/* SPDX-License-Identifier: MIT */
/**
 * @file elementwise.h  Operations between the matrix products on the CPU, one row at a time.
 *
 * Each function is plain C whose sums use a fixed number of lanes, compiled for several instruction
 * sets: the compiler must not reorder sums, so all variants give the same bits.
 */
#ifndef CG_OPS_ELEMENTWISE_H
#define CG_OPS_ELEMENTWISE_H

#include <stdint.h>

/** out = x / sqrt(mean(x^2) + eps) * weight; all [n]; out may be x. Zhang and Sennrich 2019. */
void cg_rms_norm(const float *x, const float *weight, float eps, int64_t n, float *out);

/**
 * out = (x - mean(x)) / sqrt(mean((x - mean(x))^2) + eps) * weight + bias; all [n]; bias may be
 * NULL, out may be x. Ba et al. 2016.
 */
void cg_layer_norm(const float *x, const float *weight, const float *bias, float eps, int64_t n,
                   float *out);

/**
 * Activations: out[i] = f(x[i]) for i < n; out may be x. Hendrycks and Gimpel 2016.
 *
 *   silu(x) = x s(x), s(x) = 1 / (1 + exp(-x));  gelu(x) = x (1 + erf(x / sqrt(2))) / 2
 *   gelu_tanh(x) = x s(2 sqrt(2 / pi) (x + 0.044715 x^3)), which is x (1 + tanh(...)) / 2
 *   quick_gelu(x) = x s(1.702 x);  relu(x) = max(x, 0)
 */
void cg_silu(const float *x, int64_t n, float *out);
void cg_gelu(const float *x, int64_t n, float *out);
void cg_gelu_tanh(const float *x, int64_t n, float *out);
void cg_quick_gelu(const float *x, int64_t n, float *out);
void cg_relu(const float *x, int64_t n, float *out);

/** out[i] = a[i] * b[i] for i < n; out may be a or b. */
void cg_multiply(const float *a, const float *b, int64_t n, float *out);

/** x[i] += y[i] for i < n. */
void cg_add_to(float *x, const float *y, int64_t n);

/**
 * Rotates one head in place: pairs (i, i + head_dim/2), the layout of Hugging Face, by the angles
 * of a position, whose cosines and sines are [head_dim/2].
 */
void cg_rope(float *head, const float *cosines, const float *sines, int64_t head_dim);

/** p[i] = exp((x[i] - max) * scale) for i < n; returns the sum, added in order of i in double. */
double cg_exp_row(const float *x, float max, float scale, int64_t n, float *p);

/**
 * Attention of one query over n >= 1 keys: out = sum_i softmax(scale q . k_i) v_i.
 *
 * @param q, out  [head_dim]; out does not overlap q
 * @param k, v    [n, head_dim], rows `stride` floats apart
 * @param scores  [n] scratch memory
 */
void cg_attend(const float *q, const float *k, const float *v, int64_t stride, int64_t n,
               int64_t head_dim, float scale, float *scores, float *out);

/** Returns the largest of x [n], n >= 1. NaN is ignored unless all are NaN. */
float cg_max(const float *x, int64_t n);

#endif
