/* SPDX-License-Identifier: MIT */
/**
 * @file eager_cuda.h  The CUDA implementation of eager: host code in eager_cuda.c, the kernel of
 * problems without features in eager_kernel.cu, that of all others in eager_general.cu.
 */
#ifndef EAGER_CUDA_H
#define EAGER_CUDA_H

#include <confgen/attention.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    EAGER_THREADS = 128,
    EAGER_MAX_DIM = 2 * EAGER_THREADS, /* of eager_kernel.cu: a thread sums two elements of out */
    EAGER_MAX_GENERAL_DIM = 1024,      /* of eager_general.cu: q and out are in shared memory */
    EAGER_MAX_HEADS = 65535,           /* largest y dimension of a grid */
};

/** Checks that a well-formed CUDA problem is supported; CG_ERR_UNSUPPORTED with the reason if not.
 */
cg_status eager_cuda_supports(const cg_host *host, const cg_attention_problem *p, cg_error *err);

/** Loads the kernel of a supported problem: its first launch may be in a capture. */
cg_status eager_cuda_load(const cg_host *host, const cg_attention_problem *p, cg_error *err);

/** Enqueues one call of a supported problem, of cg_attention_keep_problem(). */
cg_status eager_cuda_run(const cg_host *host, const cg_attention_problem *p,
                         const cg_attention_args *args, cg_error *err);

/** Arguments of the kernel of eager_kernel.cu. Pointers are device memory. */
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

/** Loads the kernel for a type of keys and values. @return the cudaError_t */
int eager_kernel_load(cg_dtype kv_dtype);
/** Launches it on a cudaStream_t. @return the cudaError_t of the launch */
int eager_kernel_launch(const eager_call *call, void *stream);

/** Arguments of the kernel of eager_general.cu. The structs' pointers are device memory. */
typedef struct eager_general_call {
    cg_attention_problem problem;
    cg_attention_args args; /* its `kv` is not used */
    cg_kv_view kv;
} eager_general_call;

/** Loads the kernel. @return the cudaError_t */
int eager_general_load(void);
/** Launches it on a cudaStream_t. @return the cudaError_t of the launch */
int eager_general_launch(const eager_general_call *call, void *stream);

#ifdef __cplusplus
}
#endif

#endif
