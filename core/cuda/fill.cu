/* SPDX-License-Identifier: MIT */
#include "fill.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

/* Hash of 32 bits: the finaliser of MurmurHash3. */
static __device__ uint32_t mix(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x85ebca6bu;
    x ^= x >> 13;
    x *= 0xc2b2ae35u;
    return x ^ x >> 16;
}

static __global__ void fill_random_kernel(void *ptr, int64_t n, cg_dtype dtype, uint32_t seed)
{
    int64_t step = (int64_t)gridDim.x * blockDim.x;

    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += step) {
        uint32_t bits = mix((uint32_t)i ^ mix((uint32_t)(i >> 32) + seed * 0x9e3779b9u));
        float x = (float)(int32_t)bits * 0x1p-31f;

        if (dtype == CG_F32)
            ((float *)ptr)[i] = x;
        else if (dtype == CG_BF16)
            ((__nv_bfloat16 *)ptr)[i] = __float2bfloat16(x);
        else
            ((__half *)ptr)[i] = __float2half(x);
    }
}

extern "C" cg_status cg_cuda_fill_random(void *ptr, int64_t n, cg_dtype dtype, uint32_t seed,
                                         cudaStream_t stream, cg_error *err)
{
    fill_random_kernel<<<1024, 256, 0, stream>>>(ptr, n, dtype, seed);
    return CG_CUDA(cudaGetLastError(), err);
}
