/* SPDX-License-Identifier: MIT */
/*
 * One block of threads a row and query head, f32 arithmetic. Cached tokens are taken in chunks of
 * CHUNK, counted from the first one that the row sees, so that the order of every sum depends on
 * the row alone: not on the batch, the layout of the cache or the call that the row came in.
 */
#include "eager_cuda.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

enum {
    WARPS = EAGER_THREADS / 32,
    CHUNK = EAGER_THREADS, /* a thread has one score of a chunk */
    UNROLL = 4,            /* keys that a warp multiplies at a time */
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

/* The sequence of row t < q_start[n_seqs]: the first that ends behind it, which has rows. */
static __device__ __forceinline__ int32_t find_sequence(const int32_t *q_start, int32_t n_seqs,
                                                        int32_t t)
{
    int32_t lo = 0, hi = n_seqs - 1;

    while (lo < hi) {
        int32_t mid = lo + (hi - lo) / 2;

        if (q_start[mid + 1] > t)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

/* Every lane has the result of its warp; the order of additions is the same in every lane. */
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
 * Index map. Block (x, y): row x of q, query head y. In the products with keys a warp has UNROLL
 * tokens and its lanes the elements; in the softmax thread j has token j of the chunk; in the sum
 * of values thread i has elements i % span and i % span + EAGER_THREADS of the tokens j = i / span
 * (mod the number of groups), where span is 32, 64 or 128: the least that holds head_dim.
 */
static __device__ __forceinline__ void attend(const eager_call *c, const cg_dtype kv_dtype)
{
    __shared__ float q[EAGER_MAX_DIM];
    __shared__ float weight[CHUNK]; /* a score first, then its exponential */
    __shared__ int64_t at[CHUNK];   /* element of k and v at which a token begins */
    __shared__ float maxima[WARPS], sums[WARPS], parts[EAGER_THREADS];
    const int32_t thread = (int32_t)threadIdx.x, lane = thread % 32, warp = thread / 32;
    const int32_t t = (int32_t)blockIdx.x, h = (int32_t)blockIdx.y, dim = c->head_dim;
    const int32_t span = dim <= 32 ? 32 : dim <= 64 ? 64 : EAGER_THREADS;
    const int32_t groups = EAGER_THREADS / span, group = thread / span, d = thread % span;
    int32_t seq, slot, pos, first;
    float max = -INFINITY, sum = 0, acc = 0, acc2 = 0;

    if (t >= c->q_start[c->n_seqs])
        return;
    seq = find_sequence(c->q_start, c->n_seqs, t);
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
            at[thread] = block * c->block_stride + h / c->group * c->head_stride +
                         j % c->block_tokens * c->token_stride;
        }
        __syncthreads();

        for (int32_t u0 = warp * UNROLL; u0 < n; u0 += WARPS * UNROLL) {
            float dot[UNROLL] = { 0 };

            for (int32_t i = lane; i < dim; i += 32)
#pragma unroll
                for (int32_t u = 0; u < UNROLL; u++) /* beyond the last: the last once more */
                    dot[u] += q[i] * load(c->k, at[u0 + u < n ? u0 + u : n - 1] + i, kv_dtype);
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
        /* Scores that are all -inf up to here have no exponential against themselves. */
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
                acc += weight[j] * load(c->v, at[j] + d, kv_dtype);
        if (d + EAGER_THREADS < dim) /* there is one group then */
#pragma unroll 8
            for (int32_t j = 0; j < n; j++)
                acc2 += weight[j] * load(c->v, at[j] + d + EAGER_THREADS, kv_dtype);
        __syncthreads();
    }

    parts[thread] = acc;
    __syncthreads();
    if (group == 0 && d < dim) {
        int64_t to = t * c->out_stride + (int64_t)h * dim + d;

        for (int32_t g = 1; g < groups; g++)
            acc += parts[g * span + d];
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

extern "C" int eager_cuda_launch(const eager_call *call, void *stream)
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
