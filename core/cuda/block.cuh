/* SPDX-License-Identifier: MIT */
/* The sum over the threads of a block. */
#ifndef CG_CUDA_BLOCK_CUH
#define CG_CUDA_BLOCK_CUH

#include <stdint.h>

typedef unsigned long long u64;

/* Inclusive prefix sum of x over the first n lanes of the warp, of which it has all. */
static __device__ __forceinline__ u64 warp_scan(u64 x, int n)
{
    int lane = threadIdx.x % 32;

    for (int step = 1; step < n; step *= 2) {
        u64 y = __shfl_up_sync(0xffffffffu, x, step);

        if (lane >= step)
            x += y;
    }
    return x;
}

/*
 * Exclusive prefix sum of x over the threads; the sum over all in *ret_total. Whole warps, at most
 * 1024 threads. One barrier: `part` is shared, [32], and may be reused behind the next one.
 */
static __device__ u64 scan(u64 x, u64 *part, u64 *ret_total)
{
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32, n_warps = blockDim.x / 32;
    u64 sum = warp_scan(x, 32), of_warp, all;

    if (lane == 31)
        part[warp] = sum;
    __syncthreads();
    of_warp = lane < n_warps ? part[lane] : 0;
    all = warp_scan(of_warp, n_warps);
    *ret_total = __shfl_sync(0xffffffffu, all, n_warps - 1);
    return __shfl_sync(0xffffffffu, all - of_warp, warp) + sum - x;
}

#endif
