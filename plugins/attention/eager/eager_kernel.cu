/* SPDX-License-Identifier: MIT */
/*
 * Problems without features: one thread block per row and query head, f32 arithmetic. Cached tokens
 * are processed in chunks of CHUNK, counted from the first token that the row attends to. The order
 * of every sum therefore depends only on the row, not on the batch, the layout of the cache or the
 * division into calls.
 */
#include "eager_cuda.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

enum {
    WARPS = EAGER_THREADS / 32,
    CHUNK = EAGER_THREADS, /* one score of a chunk per thread */
    UNROLL = 4,            /* keys per warp and iteration */
};

static __device__ __forceinline__ float load(const void *p, int64_t i, cg_dtype dtype)
{
    if (dtype == CG_F32)
        return ((const float *)p)[i];
    if (dtype == CG_BF16)
        return __bfloat162float(((const __nv_bfloat16 *)p)[i]);
    return __half2float(((const __half *)p)[i]);
}

static __device__ __forceinline__ void store(void *p, int64_t i, float x, cg_dtype dtype)
{
    if (dtype == CG_F32)
        ((float *)p)[i] = x;
    else if (dtype == CG_BF16)
        ((__nv_bfloat16 *)p)[i] = __float2bfloat16(x);
    else
        ((__half *)p)[i] = __float2half(x);
}

/* All lanes return the sum; the order of additions is the same in every lane. */
static __device__ __forceinline__ float warp_sum(float x)
{
    for (int m = 16; m; m >>= 1)
        x += __shfl_xor_sync(0xffffffffu, x, m);
    return x;
}

static __device__ __forceinline__ float warp_max(float x)
{
    for (int m = 16; m; m >>= 1)
        x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, m));
    return x;
}

/*
 * Index map. Block (x, y): row x of q, query head y. q . K: a warp processes UNROLL tokens, its
 * lanes the elements. Softmax: thread j has token j of the chunk. Sum of values: thread i has
 * elements i % width and i % width + EAGER_THREADS of the tokens j = i / width (mod the number of
 * groups), where width is the smallest of 32 and 64 that holds head_dim, or 128 for larger head
 * sizes.
 */
static __device__ __forceinline__ void attend(const eager_call *c, const cg_dtype kv_dtype)
{
    __shared__ float q[EAGER_MAX_DIM];
    __shared__ float weight[CHUNK];   /* scores, then their exponentials */
    __shared__ int64_t offset[CHUNK]; /* of a token in k and v, in elements */
    __shared__ float maxima[WARPS], sums[WARPS], partial[EAGER_THREADS];
    const int32_t thread = (int32_t)threadIdx.x, lane = thread % 32, warp = thread / 32;
    const int32_t t = (int32_t)blockIdx.x, h = (int32_t)blockIdx.y, dim = c->head_dim;
    const int32_t width = dim <= 32 ? 32 : dim <= 64 ? 64 : EAGER_THREADS;
    const int32_t groups = EAGER_THREADS / width, group = thread / width, d = thread % width;
    int32_t seq, slot, pos, first;
    float max = -INFINITY, sum = 0, acc = 0, acc2 = 0;

    if (t >= c->q_start[c->n_seqs])
        return;
    seq = cg_attention_sequence_of_token(c->q_start, c->n_seqs, t);
    slot = c->slot[seq];
    pos = c->kv_len[seq] - c->q_start[seq + 1] + t;
    first = c->window && pos >= c->window ? pos - c->window + 1 : 0;
    for (int32_t i = thread; i < dim; i += EAGER_THREADS)
        q[i] = load(c->q, t * c->q_stride + (int64_t)h * dim + i, c->dtype);

    for (int32_t j0 = first; j0 <= pos; j0 += CHUNK) {
        const int32_t n = pos - j0 < CHUNK ? pos - j0 + 1 : CHUNK;
        float score, new_max, scale_old, chunk_sum = 0;

        if (thread < n) {
            int32_t j = j0 + thread;
            int64_t block = slot;

            if (c->page_table)
                block = c->page_table[(int64_t)slot * c->table_stride + j / c->block_tokens];
            offset[thread] = block * c->block_stride + h / c->group * c->head_stride +
                             j % c->block_tokens * c->token_stride;
        }
        __syncthreads();

        for (int32_t u0 = warp * UNROLL; u0 < n; u0 += WARPS * UNROLL) {
            float dot[UNROLL] = { 0 };

            for (int32_t i = lane; i < dim; i += 32)
#pragma unroll
                for (int32_t u = 0; u < UNROLL; u++) /* u0 + u >= n: result unused */
                    dot[u] += q[i] * load(c->k, offset[u0 + u < n ? u0 + u : n - 1] + i, kv_dtype);
#pragma unroll
            for (int32_t u = 0; u < UNROLL; u++) {
                float x = warp_sum(dot[u]);

                if (lane == u && u0 + u < n)
                    weight[u0 + u] = c->scale * x;
            }
        }
        __syncthreads();

        score = thread < n ? weight[thread] : -INFINITY;
        new_max = warp_max(score);
        if (lane == 0)
            maxima[warp] = new_max;
        __syncthreads();
        new_max = max;
        for (int32_t w = 0; w < WARPS; w++)
            new_max = fmaxf(new_max, maxima[w]);
        /* If all scores are -inf so far, subtract 0: -inf - -inf is NaN. */
        score = expf(score - (new_max == -INFINITY ? 0.0f : new_max));
        if (thread >= n)
            score = 0;
        weight[thread] = score;
        score = warp_sum(score);
        if (lane == 0)
            sums[warp] = score;
        __syncthreads();
        for (int32_t w = 0; w < WARPS; w++)
            chunk_sum += sums[w];
        scale_old = expf(max - (new_max == -INFINITY ? 0.0f : new_max));
        sum = sum * scale_old + chunk_sum;
        max = new_max;

        acc *= scale_old;
        acc2 *= scale_old;
        if (d < dim)
#pragma unroll 8
            for (int32_t j = group; j < n; j += groups)
                acc += weight[j] * load(c->v, offset[j] + d, kv_dtype);
        if (d + EAGER_THREADS < dim) /* only with a single group */
#pragma unroll 8
            for (int32_t j = 0; j < n; j++)
                acc2 += weight[j] * load(c->v, offset[j] + d + EAGER_THREADS, kv_dtype);
        __syncthreads();
    }

    partial[thread] = acc;
    __syncthreads();
    if (group == 0 && d < dim) {
        int64_t to = t * c->out_stride + (int64_t)h * dim + d;

        for (int32_t g = 1; g < groups; g++)
            acc += partial[g * width + d];
        store(c->out, to, acc / sum, c->dtype);
        if (d + EAGER_THREADS < dim)
            store(c->out, to + EAGER_THREADS, acc2 / sum, c->dtype);
    }
}

static __global__ void __launch_bounds__(EAGER_THREADS)
    eager_f32_kernel(const __grid_constant__ eager_call call)
{
    attend(&call, CG_F32);
}

static __global__ void __launch_bounds__(EAGER_THREADS)
    eager_bf16_kernel(const __grid_constant__ eager_call call)
{
    attend(&call, CG_BF16);
}

static __global__ void __launch_bounds__(EAGER_THREADS)
    eager_f16_kernel(const __grid_constant__ eager_call call)
{
    attend(&call, CG_F16);
}

extern "C" int eager_kernel_load(cg_dtype kv_dtype)
{
    struct cudaFuncAttributes attributes;
    const void *kernel = kv_dtype == CG_F32    ? (const void *)eager_f32_kernel
                         : kv_dtype == CG_BF16 ? (const void *)eager_bf16_kernel
                                               : (const void *)eager_f16_kernel;

    return (int)cudaFuncGetAttributes(&attributes, kernel);
}

extern "C" int eager_kernel_launch(const eager_call *call, void *stream)
{
    dim3 grid((unsigned)call->n_tokens, (unsigned)call->n_heads);
    cudaStream_t s = (cudaStream_t)stream;

    if (call->kv_dtype == CG_F32)
        eager_f32_kernel<<<grid, EAGER_THREADS, 0, s>>>(*call);
    else if (call->kv_dtype == CG_BF16)
        eager_bf16_kernel<<<grid, EAGER_THREADS, 0, s>>>(*call);
    else
        eager_f16_kernel<<<grid, EAGER_THREADS, 0, s>>>(*call);
    return (int)cudaGetLastError();
}
