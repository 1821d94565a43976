/* SPDX-License-Identifier: MIT */
/* The sum over the threads of a block. */
#ifndef CG_CUDA_BLOCK_CUH
#define CG_CUDA_BLOCK_CUH

#include <stdint.h>

typedef unsigned long long u64;

/*
 * Exclusive prefix sum of x over the threads; the sum over all in *ret_total. Whole warps, at most
 * 1024 threads; `part` is shared, [33], and may be reused on return.
 */
static __device__ u64 scan(u64 x, u64 *part, u64 *ret_total)
{
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32, n_warps = blockDim.x / 32;
    u64 sum = x, before;

    for (int step = 1; step < 32; step *= 2) {
        u64 y = __shfl_up_sync(0xffffffffu, sum, step);

        if (lane >= step)
            sum += y;
    }
    if (lane == 31)
        part[warp] = sum;
    __syncthreads();
    if (warp == 0) {
        u64 w = lane < n_warps ? part[lane] : 0, all = w;

        for (int step = 1; step < 32; step *= 2) {
            u64 y = __shfl_up_sync(0xffffffffu, all, step);

            if (lane >= step)
                all += y;
        }
        if (lane < n_warps)
            part[lane] = all - w;
        if (lane == 31)
            part[32] = all;
    }
    __syncthreads();
    before = part[warp] + sum - x;
    *ret_total = part[32];
    __syncthreads();
    return before;
}

#endif
