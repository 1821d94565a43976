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

/* cg_kv_offset() of confgen/tensor.h, on the device. */
static __device__ __forceinline__ int64_t kv_offset(const cg_kv_view *kv, int32_t slot,
                                                    int32_t head, int32_t pos)
{
    int64_t number = slot;
    int32_t in_block = pos;

    if (kv->page_table) {
        const uint32_t page = (uint32_t)pos / (uint32_t)kv->block_tokens; /* neither is negative */

        number = kv->page_table[(int64_t)slot * kv->table_stride + page];
        in_block = pos - (int32_t)page * kv->block_tokens;
    }
    return number * kv->block_stride + head * kv->head_stride + in_block * kv->token_stride;
}

#endif
