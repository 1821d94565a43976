/* SPDX-License-Identifier: MIT-0 */
/*
 * The GPU part of @NAME@: f32, bf16 or f16, contiguous and paged caches, heads of up to 256
 * elements. A block computes one row and head; each of its warps takes every fourth key, and the
 * warps' results are joined in a fixed order. So a row's bits depend on nothing but the row.
 *
 * The kernel is plain. What makes it fast: loads of 16 bytes, several rows of a sequence and
 * several heads of a group per block (they read the same keys), tensor cores for prompts.
 */
#include "@NAME@_cuda.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <confgen/attention_check.h>

enum {
    LANES = 32,
    WARPS = 4,
    MAX_HEAD_DIM = 256,
    MAX_HEADS = 65535,               /* y of a grid */
    PER_LANE = MAX_HEAD_DIM / LANES, /* elements of a head that a lane holds, lane + 32 * i */
};

static __device__ float to_float(float x)
{
    return x;
}
static __device__ float to_float(__nv_bfloat16 x)
{
    return __bfloat162float(x);
}
static __device__ float to_float(__half x)
{
    return __half2float(x);
}
static __device__ void store(float *to, float x)
{
    *to = x;
}
static __device__ void store(__nv_bfloat16 *to, float x)
{
    *to = __float2bfloat16(x);
}
static __device__ void store(__half *to, float x)
{
    *to = __float2half(x);
}

static __device__ float warp_sum(float x)
{
    for (int offset = LANES / 2; offset > 0; offset /= 2)
        x += __shfl_xor_sync(0xffffffffu, x, offset);
    return x;
}

/* Parameters of a launch, by value: a captured launch keeps them, so they hold no lengths. */
struct launch {
    cg_attention_args args;
    cg_kv_view kv;
    int32_t group; /* query heads per key/value head */
    int32_t head_dim;
    int32_t window;
    float scale;
};

/* Grid: (n_tokens, n_heads). */
template <typename T>
static __global__ void __launch_bounds__(LANES *WARPS) attend_kernel(const launch l)
{
    const cg_attention_args &a = l.args;
    const int row = blockIdx.x, head = blockIdx.y;
    const int warp = threadIdx.x / LANES, lane = threadIdx.x % LANES;
    __shared__ float warp_max[WARPS], warp_weight[WARPS], warp_acc[WARPS][MAX_HEAD_DIM];

    if (row >= a.q_start[a.n_seqs]) /* n_tokens is an upper bound */
        return;

    const int seq = cg_attention_sequence_of_token(a.q_start, a.n_seqs, row);
    const int slot = a.slot[seq], kv_head = head / l.group;
    const int pos = a.kv_len[seq] - a.q_start[seq + 1] + row;
    const int first = l.window && pos >= l.window ? pos - l.window + 1 : 0;
    const T *q = (const T *)((const char *)a.q + row * a.q_stride) + head * l.head_dim;
    T *out = (T *)((char *)a.out + row * a.out_stride) + head * l.head_dim;
    float query[PER_LANE], acc[PER_LANE], max = -INFINITY, sum = 0;

#pragma unroll
    for (int i = 0; i < PER_LANE; i++) {
        const int d = lane + LANES * i;

        query[i] = d < l.head_dim ? l.scale * to_float(q[d]) : 0;
        acc[i] = 0;
    }
    for (int j = first + warp; j <= pos; j += WARPS) {
        const int64_t offset = cg_kv_offset(&l.kv, slot, kv_head, j);
        const T *k = (const T *)((const char *)l.kv.k + offset);
        const T *v = (const T *)((const char *)l.kv.v + offset);
        float dot = 0;

#pragma unroll
        for (int i = 0; i < PER_LANE; i++)
            if (lane + LANES * i < l.head_dim)
                dot += query[i] * to_float(k[lane + LANES * i]);
        dot = warp_sum(dot);

        /* online softmax: what was summed so far is scaled to the new maximum */
        const float new_max = fmaxf(max, dot);
        const float old = expf(max - new_max), weight = expf(dot - new_max);

        max = new_max;
        sum = sum * old + weight;
#pragma unroll
        for (int i = 0; i < PER_LANE; i++)
            if (lane + LANES * i < l.head_dim)
                acc[i] = acc[i] * old + weight * to_float(v[lane + LANES * i]);
    }

    if (lane == 0) {
        warp_max[warp] = max;
        warp_weight[warp] = sum;
    }
#pragma unroll
    for (int i = 0; i < PER_LANE; i++)
        warp_acc[warp][lane + LANES * i] = acc[i];
    __syncthreads();

    max = -INFINITY;
    for (int w = 0; w < WARPS; w++)
        max = fmaxf(max, warp_max[w]);
    for (int d = threadIdx.x; d < l.head_dim; d += LANES * WARPS) {
        float total = 0, weights = 0;

        for (int w = 0; w < WARPS; w++)
            if (first + w <= pos) { /* warp w had a key */
                const float scale = expf(warp_max[w] - max);

                total += warp_acc[w][d] * scale;
                weights += warp_weight[w] * scale;
            }
        store(out + d, total / weights);
    }
}

static const void *kernel_of(cg_dtype dtype)
{
    return dtype == CG_BF16  ? (const void *)attend_kernel<__nv_bfloat16>
           : dtype == CG_F16 ? (const void *)attend_kernel<__half>
                             : (const void *)attend_kernel<float>;
}

cg_status cuda_supports(const cg_host *host, const cg_attention_problem *p, cg_error *err)
{
    if (p->compute_capability < 80)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "a GPU of compute capability %d.%d: @NAME@ computes on 8.0 or newer",
                          p->compute_capability / 10, p->compute_capability % 10);
    if (p->dtype != p->kv_dtype ||
        (p->dtype != CG_F32 && p->dtype != CG_BF16 && p->dtype != CG_F16))
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "q of %s over a cache of %s: @NAME@ computes f32, bf16 or f16, the same "
                          "for both",
                          cg_dtype_name(p->dtype), cg_dtype_name(p->kv_dtype));
    if (p->head_dim > MAX_HEAD_DIM || p->n_heads > MAX_HEADS)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "%d heads of %d elements: on a GPU @NAME@ computes at most %d of %d",
                          p->n_heads, p->head_dim, MAX_HEADS, MAX_HEAD_DIM);
    return CG_OK;
}

/*
 * In plan(), not in supports(): the host has made the plan's device current. This also loads the
 * kernel, which a capture would not allow.
 */
cg_status cuda_check_kernel(const cg_host *host, const cg_attention_problem *p, cg_error *err)
{
    cudaFuncAttributes attributes;
    cudaError_t e = cudaFuncGetAttributes(&attributes, kernel_of(p->dtype));

    if (e == cudaSuccess)
        return CG_OK;
    cudaGetLastError(); /* or the next call would report it */
    return host->fail(err, CG_ERR_UNSUPPORTED, "@NAME@ has no kernel for this GPU: %s",
                      cudaGetErrorString(e));
}

cg_status cuda_run(const cg_host *host, const cg_attention_problem *p,
                   const cg_attention_args *args, cg_error *err)
{
    launch l = {};
    void *parameters[] = { &l };
    cudaError_t e;

    CG_TRY(cg_attention_check_device_args(host, p, args, err));
    if (cg_attention_is_empty(args))
        return CG_OK;
    memcpy(&l.args, args, args->struct_size < sizeof l.args ? args->struct_size : sizeof l.args);
    memcpy(&l.kv, args->kv,
           args->kv->struct_size < sizeof l.kv ? args->kv->struct_size : sizeof l.kv);
    l.group = p->n_heads / p->n_kv_heads;
    l.head_dim = p->head_dim;
    l.window = p->window;
    l.scale = p->scale;
    e = cudaLaunchKernel(kernel_of(p->dtype), dim3(args->n_tokens, p->n_heads), dim3(LANES * WARPS),
                         parameters, 0, (cudaStream_t)args->stream);
    if (e != cudaSuccess)
        return host->fail(err, CG_ERR_CUDA, "@NAME@: %s", cudaGetErrorString(e));
    return CG_OK;
}
