/* SPDX-License-Identifier: MIT */
/*
 * naive_cuda: attention on a GPU with the planted fault that CONFGEN_MUTANT names, 0 for none.
 * Built once for all faults, since a build for each would take minutes. tools/gpu_check.sh runs it.
 *
 * One thread block per row, query head and split of the keys.
 */
#include <stdint.h>
#include <stdlib.h>

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <cuda_runtime.h>

#include "attention_cuda.h"

enum { THREADS = 128, WARPS = THREADS / 32 };

static __host__ __device__ float mutant_load(const void *p, int64_t i, cg_dtype t)
{
    switch (t) {
    case CG_F32:
        return ((const float *)p)[i];
    case CG_BF16:
        return __bfloat162float(((const __nv_bfloat16 *)p)[i]);
    case CG_F16:
        return __half2float(((const __half *)p)[i]);
    case CG_F8_E4M3:
        return (float)((const __nv_fp8_e4m3 *)p)[i];
    case CG_F8_E5M2:
        return (float)((const __nv_fp8_e5m2 *)p)[i];
    default:
        return (float)((const int8_t *)p)[i];
    }
}

static __device__ void store(void *p, int64_t i, float x, cg_dtype t)
{
    if (t == CG_F32)
        ((float *)p)[i] = x;
    else if (t == CG_BF16)
        ((__nv_bfloat16 *)p)[i] = __float2bfloat16(x);
    else
        ((__half *)p)[i] = __float2half(x);
}

static __device__ float round_to(float x, cg_dtype t)
{
    return t == CG_F32    ? x
           : t == CG_BF16 ? __bfloat162float(__float2bfloat16(x))
                          : __half2float(__float2half(x));
}

/* The result is that of every thread. `shared` [THREADS] */
template <typename Operation>
static __device__ float reduce(float x, float *shared, Operation operation)
{
    __syncthreads();
    shared[threadIdx.x] = x;
    for (int n = THREADS / 2; n; n /= 2) {
        __syncthreads();
        if ((int)threadIdx.x < n)
            shared[threadIdx.x] = operation(shared[threadIdx.x], shared[threadIdx.x + n]);
    }
    __syncthreads();
    return shared[0];
}

/* A thread's elements of the weighted sum: d and d + THREADS. */
static __device__ void add_value(const mutant_call *c, const char *v, float weight, float acc[2])
{
    for (int i = 0, d = (int)threadIdx.x; d < mutant_v_dim(&c->problem); i++, d += THREADS) {
        acc[i] += weight * mutant_load(v, d, c->problem.kv_dtype);
        if (c->bug == 29) /* sums in bf16 */
            acc[i] = round_to(acc[i], CG_BF16);
    }
}

static __global__ void __launch_bounds__(THREADS)
    partial_kernel(const __grid_constant__ mutant_call call)
{
    __shared__ float q[MAX_DIM], weight[SPLIT], shared[THREADS];
    const mutant_call *c = &call;
    const cg_attention_problem *p = &c->problem;
    const int t = (int)blockIdx.x, h = (int)blockIdx.y, split = (int)blockIdx.z;
    const int thread = (int)threadIdx.x, lane = thread % 32, dot_elements = mutant_dot_elements(c);
    const float scale = mutant_scale(c);
    float max = -INFINITY, sum = 0, acc[2] = { 0, 0 };
    mutant_row r;

    if (!mutant_row_of(c, t, h, &r))
        return;
    const int begin = r.first > split * SPLIT ? r.first : split * SPLIT;
    const int end = r.end < (split + 1) * SPLIT ? r.end : (split + 1) * SPLIT, n = end - begin;
    const int64_t at = mutant_partial(c, split, t, h);

    if (n <= 0) {
        if (c->bug != 38 && thread == 0) { /* without it, old contents of the workspace are used */
            c->max_sum[2 * at] = -INFINITY;
            c->max_sum[2 * at + 1] = 0;
        }
        return;
    }
    for (int d = thread; d < p->head_dim; d += THREADS)
        q[d] = mutant_load((const char *)c->args.q + t * c->args.q_stride,
                           (int64_t)h * p->head_dim + d, p->dtype);
    __syncthreads();
    for (int j = thread / 32; j < n; j += WARPS) {
        const char *k = mutant_token(c, &r, begin + j, 0);
        float dot = 0;

        for (int d = lane; d < dot_elements; d += 32)
            dot += q[d] * mutant_load(k, d, p->kv_dtype);
        for (int m = 16; m; m /= 2)
            dot += __shfl_xor_sync(0xffffffffu, dot, m);
        if (lane == 0)
            weight[j] = mutant_score(c, &r, t, h, begin + j, scale * dot);
    }
    __syncthreads();
    for (int j = thread; j < n; j += THREADS)
        max = fmaxf(max, weight[j]);
    max = reduce(max, shared, [](float a, float b) { return fmaxf(a, b); });
    if (c->bug == 28) /* the largest score is not subtracted */
        max = 0;
    for (int j = thread; j < n; j += THREADS) {
        const float w = expf(weight[j] - (max == -INFINITY ? 0 : max));

        sum += w;
        weight[j] = round_to(w, mutant_weight_type(c));
    }
    sum = reduce(sum, shared, [](float a, float b) { return a + b; });
    for (int j = 0; j < n; j++) {
        const int i = c->other_bits ? n - 1 - j : j;

        add_value(c, mutant_token(c, &r, begin + i, 1),
                  weight[i] * mutant_kv_scale(c, &r, begin + i, 1), acc);
    }
    if (end == r.end)
        for (int j = end; j < mutant_tile_end(c, &r); j++)
            add_value(c, mutant_token(c, &r, j, 1), 0, acc);
    if (const char *foreign = mutant_foreign_value(c, &r))
        add_value(c, foreign, 0, acc);
    for (int i = 0, d = thread; d < mutant_v_dim(p); i++, d += THREADS)
        c->acc[at * mutant_v_dim(p) + d] = acc[i];
    if (thread == 0) {
        c->max_sum[2 * at] = max;
        c->max_sum[2 * at + 1] = sum;
    }
}

static __global__ void __launch_bounds__(THREADS)
    merge_kernel(const __grid_constant__ mutant_call call, size_t workspace_bytes)
{
    const mutant_call *c = &call;
    const cg_attention_problem *p = &c->problem;
    const int t = (int)blockIdx.x, h = (int)blockIdx.y, v_dim = mutant_v_dim(p);
    float max = -INFINITY, sum = 0;
    mutant_row r;

    if (!mutant_row_of(c, t, h, &r))
        return;
    const int n = mutant_merged_splits(c, &r);

    for (int s = 0; s < n; s++)
        max = fmaxf(max, c->max_sum[2 * mutant_partial(c, s, t, h)]);
    max = mutant_max_with_sink(c, h, max);
    for (int s = 0; s < n; s++) {
        const int64_t at = mutant_partial(c, s, t, h);

        sum += expf(c->max_sum[2 * at] - max) * c->max_sum[2 * at + 1];
    }
    sum += mutant_sink_weight(c, h, max);
    for (int d = (int)threadIdx.x; d < v_dim; d += THREADS) {
        char *out = (char *)c->args.out + t * c->args.out_stride;
        float x = 0;

        for (int s = 0; s < n; s++) {
            const int64_t at = mutant_partial(c, s, t, h);

            if (c->max_sum[2 * at + 1] != 0) /* else nothing was written */
                x += expf(c->max_sum[2 * at] - max) * c->acc[at * v_dim + d];
        }
        x /= sum;
        if (c->bug == 6 && d == 3) /* imprecise */
            x *= 1.02f;
        if (c->bug == 36) /* rounded to bf16 first */
            x = round_to(x, CG_BF16);
        store(out, (int64_t)h * v_dim + d, x, p->dtype);
        if (t == 0 && h == 0 && d == 0 && mutant_flips(c))
            *out ^= 1;
    }
    if (t == 0 && h == 0 && threadIdx.x == 0)
        mutant_write_elsewhere(c, workspace_bytes);
}

/* ---- device -------------------------------------------------------------------------------- */

static int mutant_load_kernels(void)
{
    struct cudaFuncAttributes attributes;

    return cudaFuncGetAttributes(&attributes, partial_kernel) != cudaSuccess ||
           cudaFuncGetAttributes(&attributes, merge_kernel) != cudaSuccess;
}

static int mutant_device_alloc(size_t bytes, void **ret_ptr)
{
    return cudaMalloc(ret_ptr, bytes);
}

static void mutant_device_free(void *ptr)
{
    cudaFree(ptr);
}

static int mutant_device_set(int32_t *ptr, int32_t n, int32_t value)
{
    for (int32_t i = 0; i < n; i++)
        if (cudaMemcpy(ptr + i, &value, sizeof value, cudaMemcpyHostToDevice) != cudaSuccess)
            return 1;
    return 0;
}

static int mutant_synchronise(void *stream)
{
    return cudaStreamSynchronize((cudaStream_t)stream);
}

static int mutant_is_capturing(void *stream)
{
    enum cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;

    return cudaStreamIsCapturing((cudaStream_t)stream, &status) == cudaSuccess &&
           status != cudaStreamCaptureStatusNone;
}

static int mutant_queue(const mutant_call *call, void *stream, int elsewhere)
{
    const cg_attention_problem *p = &call->problem;
    const size_t workspace_bytes =
        mutant_partials(p, call->n_splits) * ((size_t)mutant_v_dim(p) + 2) * sizeof(float);
    dim3 grid((unsigned)call->n_tokens, (unsigned)p->n_heads, (unsigned)call->n_splits);
    cudaStream_t s = elsewhere ? (cudaStream_t)0 : (cudaStream_t)stream;

    partial_kernel<<<grid, THREADS, 0, s>>>(*call);
    grid.z = 1;
    merge_kernel<<<grid, THREADS, 0, s>>>(*call, workspace_bytes);
    return cudaGetLastError();
}

/* ---- plugin -------------------------------------------------------------------------------- */

static cg_attention_ops ops = MUTANT_ATTENTION_OPS; /* constant after the entry */

static const cg_plugin plugin = {
    CG_PLUGIN_HEADER(CG_PLUGIN_ATTENTION),
    .name = "naive_cuda",
    .version = "1",
    .description = "attention on a GPU with a planted fault, for tests",
    .ops = &ops,
};

extern "C" CG_EXPORT cg_status cg_plugin_entry_v1(const cg_host *host, const cg_plugin **ret_plugin,
                                                  cg_error *err)
{
    const char *bug = getenv("CONFGEN_MUTANT");

    mutant_bug = bug ? atoi(bug) : 0;
    ops.features = mutant_bug >= 2000 ? FEATURES : 0;
    return cg_plugin_enter(host, &plugin, ret_plugin, err);
}
