/* SPDX-License-Identifier: MIT */
/*
 * Every feature, type and head size: the formula of formula.h, one thread block per row and query
 * head, f32 arithmetic. Cached tokens are processed in chunks of CHUNK, counted from the first
 * token that the row may attend to, so that the order of every sum depends only on the row.
 */
#include "eager_cuda.h"

#include <cuda_runtime.h>

#include "formula.h"

enum { CHUNK = EAGER_THREADS }; /* one score of a chunk per thread */

/* The element d of a row of elements. */
static __device__ __forceinline__ float load(const void *row, int32_t d, cg_dtype t)
{
    return cg_element_load((const char *)row + (int64_t)d * cg_dtype_size(t), t);
}

/*
 * Index map. Block (x, y): row x of q, query head y. Scores and weights: thread i has token i of
 * the chunk. Sum of values: thread i has the elements i, i + EAGER_THREADS, ... of out.
 */
static __global__ void __launch_bounds__(EAGER_THREADS)
    eager_general_kernel(const __grid_constant__ eager_general_call call)
{
    __shared__ float q[EAGER_MAX_GENERAL_DIM];
    __shared__ float out[EAGER_MAX_GENERAL_DIM]; /* not yet divided by the sum of the weights */
    __shared__ float weight[CHUNK];              /* scores, then their exponentials */
    __shared__ float value_scale[CHUNK];
    __shared__ const void *value[CHUNK]; /* NULL: the row does not attend to the token */
    const cg_attention_problem *p = &call.problem;
    const cg_attention_args *a = &call.args;
    const int32_t thread = (int32_t)threadIdx.x, t = (int32_t)blockIdx.x;
    const int32_t head = (int32_t)blockIdx.y, dim = p->head_dim, v_dim = p->v_head_dim;
    const int64_t size = cg_dtype_size(p->dtype);
    const char *q_at = (const char *)a->q + t * a->q_stride + head * size * dim;
    char *out_at = (char *)a->out + t * a->out_stride + head * size * v_dim;
    float max, sum;
    eager_row r;

    if (t >= a->q_start[a->n_seqs])
        return;
    r = eager_row_of(p, a, &call.kv, cg_attention_sequence_of_token(a->q_start, a->n_seqs, t), t,
                     head);
    max = eager_sink(&r);
    sum = max > -INFINITY ? 1.0f : 0.0f; /* exp(sink - max) */
    for (int32_t d = thread; d < dim; d += EAGER_THREADS)
        q[d] = load(q_at, d, p->dtype);
    for (int32_t d = thread; d < v_dim; d += EAGER_THREADS)
        out[d] = 0;
    __syncthreads();

    for (int32_t j0 = r.first; j0 < r.end; j0 += CHUNK) {
        const int32_t j = j0 + thread, n = r.end - j0 < CHUNK ? r.end - j0 : CHUNK;
        const float old_max = max;
        float base, rescale;

        weight[thread] = -INFINITY;
        value[thread] = NULL;
        if (j < r.end && eager_attends(&r, j)) {
            const void *k = eager_key(&r, j);
            float dot = 0;

            for (int32_t d = 0; d < dim; d++)
                dot += q[d] * load(k, d, p->kv_dtype);
            weight[thread] = eager_score(&r, j, dot * eager_key_scale(&r, j));
            value[thread] = eager_value(&r, j);
            value_scale[thread] = eager_value_scale(&r, j);
        }
        __syncthreads();

        for (int32_t i = 0; i < n; i++)
            max = fmaxf(max, weight[i]);
        base = max == -INFINITY ? 0 : max; /* all scores are -inf so far: -inf - -inf is NaN */
        rescale = expf(old_max - base);
        __syncthreads();

        weight[thread] = expf(weight[thread] - base);
        __syncthreads();

        sum *= rescale;
        for (int32_t i = 0; i < n; i++)
            if (value[i])
                sum += weight[i];
        for (int32_t d = thread; d < v_dim; d += EAGER_THREADS) {
            float x = out[d] * rescale;

            for (int32_t i = 0; i < n; i++)
                if (value[i])
                    x += weight[i] * (value_scale[i] * load(value[i], d, p->kv_dtype));
            out[d] = x;
        }
        __syncthreads();
    }

    for (int32_t d = thread; d < v_dim; d += EAGER_THREADS)
        cg_element_store(out_at + d * size, p->dtype, out[d] / sum);
}

extern "C" int eager_general_load(void)
{
    struct cudaFuncAttributes attributes;

    return (int)cudaFuncGetAttributes(&attributes, (const void *)eager_general_kernel);
}

extern "C" int eager_general_launch(const eager_general_call *call, void *stream)
{
    dim3 grid((unsigned)call->args.n_tokens, (unsigned)call->problem.n_heads);

    eager_general_kernel<<<grid, EAGER_THREADS, 0, (cudaStream_t)stream>>>(*call);
    return (int)cudaGetLastError();
}
