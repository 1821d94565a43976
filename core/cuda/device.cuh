/* SPDX-License-Identifier: MIT */
/** @file device.cuh  Device functions shared by kernels. */
#ifndef CG_CUDA_DEVICE_CUH
#define CG_CUDA_DEVICE_CUH

#include <confgen/tensor.h>
#include <stdint.h>

/* Sum over the warp, in all lanes. */
static __device__ __forceinline__ float warp_sum(float x)
{
    for (int step = 16; step > 0; step /= 2)
        x += __shfl_xor_sync(0xffffffffu, x, step);
    return x;
}

/* Sum over the block, in all threads; whole warps, at most 1024 threads. Once per kernel. */
static __device__ __forceinline__ float block_sum(float x)
{
    __shared__ float part[32];
    int warp = threadIdx.x / 32, n_warps = (blockDim.x + 31) / 32;
    float sum = 0;

    x = warp_sum(x);
    if (threadIdx.x % 32 == 0)
        part[warp] = x;
    __syncthreads();
    for (int i = 0; i < n_warps; i++)
        sum += part[i];
    return sum;
}

/* Where a token lies in a view. */
struct kv_place {
    int64_t block;
    int32_t token; /* of the block */
};

static __device__ __forceinline__ kv_place kv_place_of(const cg_kv_view *kv, int32_t slot,
                                                       int32_t pos)
{
    uint32_t page;

    if (!kv->page_table)
        return { slot, pos };
    page = (uint32_t)pos / (uint32_t)kv->block_tokens; /* neither is negative */
    return { kv->page_table[(int64_t)slot * kv->table_stride + page],
             pos - (int32_t)page * kv->block_tokens };
}

/* cg_kv_offset() of confgen/tensor.h, on the device. */
static __device__ __forceinline__ int64_t kv_offset(const cg_kv_view *kv, kv_place at, int32_t head)
{
    return at.block * kv->block_stride + head * kv->head_stride + at.token * kv->token_stride;
}

/* cg_kv_scale_offset(). */
static __device__ __forceinline__ int64_t kv_scale_offset(const cg_kv_view *kv, kv_place at,
                                                          int32_t head)
{
    return at.block * kv->scale_block_stride + head * kv->scale_head_stride +
           at.token * kv->scale_token_stride;
}

#endif
