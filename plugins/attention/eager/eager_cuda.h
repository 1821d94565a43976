/* SPDX-License-Identifier: MIT */
/** @file eager_cuda.h  The CUDA implementation of eager: host code in eager_cuda.c, kernel in
 * eager_kernel.cu. */
#ifndef EAGER_CUDA_H
#define EAGER_CUDA_H

#include <confgen/attention.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    EAGER_THREADS = 128,
    EAGER_MAX_DIM = 2 * EAGER_THREADS, /* a thread sums up to two elements of out */
    EAGER_MAX_HEADS = 65535,           /* largest y dimension of a grid */
};

/** Checks that a well-formed CUDA problem is supported; CG_ERR_UNSUPPORTED with the reason if not.
 */
cg_status eager_cuda_supports(const cg_host *host, const cg_attention_problem *p, cg_error *err);

/** Enqueues one call of a supported problem. */
cg_status eager_cuda_run(const cg_host *host, const cg_attention_problem *p,
                         const cg_attention_args *args, cg_error *err);

/** Arguments of the kernel. Pointers are device memory. */
typedef struct eager_call {
    const void *q;
    void *out;
    const void *k, *v;
    const int32_t *q_start, *slot, *kv_len;
    const int32_t *page_table; /* NULL: a slot is one block */
    int64_t q_stride;          /* elements, as are all strides here */
    int64_t out_stride;
    int64_t block_stride, head_stride, token_stride;
    cg_dtype dtype, kv_dtype;
    int32_t n_tokens, n_seqs;
    int32_t n_heads, group; /* query heads, in all and per key/value head */
    int32_t head_dim;
    int32_t block_tokens, table_stride;
    int32_t window;
    float scale;
} eager_call;

/** Launches the kernel on a cudaStream_t. @return the cudaError_t of the launch */
int eager_cuda_launch(const eager_call *call, void *stream);

#ifdef __cplusplus
}
#endif

#endif
