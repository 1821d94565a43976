/* SPDX-License-Identifier: MIT */
#include "cases.h"

#include <stdint.h>

/* ---- without a fault ----------------------------------------------------------------------- */

static __device__ float warp_sum(float x)
{
    for (int m = 16; m; m >>= 1)
        x += __shfl_xor_sync(0xffffffffu, x, m);
    return x;
}

template <int WITHOUT_BARRIER>
static __global__ void sum_kernel(const float *x, int n, float *ret_sum)
{
    __shared__ float sums[3];
    int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    float sum = warp_sum(i < n ? x[i] : 0);

    if (threadIdx.x % 32 == 0)
        sums[threadIdx.x / 32] = sum;
    if (!WITHOUT_BARRIER)
        __syncthreads();
    if (threadIdx.x == 0)
        atomicAdd(ret_sum, sums[0] + sums[1] + sums[2]);
}

void launch_sum(const float *x, int n, float *ret_sum, int without_barrier, cudaStream_t stream)
{
    int blocks = (n + 95) / 96;

    if (without_barrier)
        sum_kernel<1><<<blocks, 96, 0, stream>>>(x, n, ret_sum);
    else
        sum_kernel<0><<<blocks, 96, 0, stream>>>(x, n, ret_sum);
}

static __global__ void operations_kernel(int *ret)
{
    int x = (int)threadIdx.x + 100, n = (int)blockDim.x, lane = (int)threadIdx.x % 32;
    int *at = ret + threadIdx.x;

    at[0] = __shfl_sync(0xffffffffu, x, 5);
    at[1 * n] = __shfl_sync(0xffffffffu, x, 2, 4);
    at[2 * n] = __shfl_up_sync(0xffffffffu, x, 3);
    at[3 * n] = __shfl_down_sync(0xffffffffu, x, 2, 8);
    at[4 * n] = __shfl_xor_sync(0xffffffffu, x, 1, 2);
    at[5 * n] = (int)__ballot_sync(0xffffffffu, x % 3 == 0);
    at[6 * n] = __any_sync(0xffffffffu, lane == 7) + 2 * __all_sync(0xffffffffu, lane < 32);
    at[7 * n] = (int)__shfl_sync(0xffffffffu, (uint64_t)x << 40, 1) == 0;
    if (lane == 31)
        return; /* masks may name threads that have returned */
    if (lane < 16)
        at[8 * n] = __shfl_xor_sync(0x0000ffffu, x, 8);
    else
        at[8 * n] = __shfl_xor_sync(0xffff0000u, x, 0);
    __syncwarp();
}

void launch_warp_operations(int *ret, int n_threads)
{
    operations_kernel<<<1, n_threads>>>(ret);
}

static __global__ void reverse_kernel(int *x)
{
    extern __shared__ int copy[];

    copy[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    x[threadIdx.x] = copy[blockDim.x - 1 - threadIdx.x];
}

void launch_reverse(int *x, int n)
{
    reverse_kernel<<<1, n, n * sizeof *x>>>(x);
}

/* ---- with one ------------------------------------------------------------------------------ */

static __global__ void barrier_in_branch()
{
    if (threadIdx.x < 40)
        __syncthreads();
}

static __global__ void two_barriers()
{
    if (threadIdx.x < 32)
        __syncthreads();
    else
        __syncthreads();
}

static __global__ void return_before_barrier()
{
    if (threadIdx.x == 63)
        return;
    __syncthreads();
}

static __global__ void shuffle_in_branch(int *x)
{
    if (threadIdx.x < 20)
        *x = __shfl_xor_sync(0xffffffffu, *x, 1);
    __syncthreads();
}

static __global__ void shuffle_without_caller(int *x)
{
    *x = __shfl_xor_sync(0x0000ffffu, *x, 1);
}

static __global__ void shuffle_from_outside(int *x)
{
    if (threadIdx.x % 32 < 8)
        *x = __shfl_sync(0x000000ffu, *x, 9);
}

static __global__ void shuffle_from_returned(int *x)
{
    if (threadIdx.x == 3)
        return;
    *x = __shfl_xor_sync(0xffffffffu, *x, 1);
}

static __global__ void two_masks(int *x)
{
    *x = __shfl_xor_sync(threadIdx.x % 2 ? 0xffffffffu : 0x7fffffffu, *x, 2);
}

static __global__ void beyond_shared(int *x)
{
    __shared__ int shared[64], other[64];
    volatile int *at = threadIdx.x % 2 ? shared : other;

    at[threadIdx.x + 1] = *x;
}

static __global__ void beyond_dynamic_shared(int *x)
{
    extern __shared__ int shared[];

    shared[threadIdx.x + 1] = *x;
}

static __global__ void beyond_array(int *x)
{
    int own[4];

    for (int i = 0; i <= *x; i++)
        own[i] = i;
    *x = own[threadIdx.x % 4];
}

static __global__ void misaligned(int *x)
{
    *(int2 *)(x + 1) = make_int2(1, 2);
}

static __global__ void beyond_memory(int *x)
{
    x[threadIdx.x] = 1;
}

static __global__ void wait_in_first_block(int *x)
{
    if (blockIdx.x == 0 || *x < 0)
        wait_for_earlier_kernels();
}

static void launch_early(int blocks)
{
    cudaLaunchAttribute overlap = {};
    cudaLaunchConfig_t config = {};
    static int x = 1;

    overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    overlap.val.programmaticStreamSerializationAllowed = 1;
    config.gridDim = dim3(blocks);
    config.blockDim = dim3(64);
    config.attrs = &overlap;
    config.numAttrs = 1;
    cudaLaunchKernelEx(&config, wait_in_first_block, &x);
}

static int *ints(int n)
{
    void *x = NULL;
    int four = 4;

    if (cudaMalloc(&x, (size_t)n * sizeof(int)) != cudaSuccess)
        return NULL;
    *(int *)x = four;
    return (int *)x;
}

const emulated_case emulated_cases[] = {
    { "a barrier in a branch", "a thread has returned, another waits for it",
      [] { barrier_in_branch<<<1, 64>>>(); } },
    { "two barriers", "threads wait for each other", [] { two_barriers<<<1, 64>>>(); } },
    { "a return before a barrier", "a thread has returned, another waits for it",
      [] { return_before_barrier<<<1, 64>>>(); } },
    { "a shuffle in a branch", "threads wait for each other",
      [] { shuffle_in_branch<<<1, 64>>>(ints(1)); } },
    { "a mask without the caller", "the mask leaves out its caller",
      [] { shuffle_without_caller<<<1, 64>>>(ints(1)); } },
    { "a shuffle from outside of the mask", "a shuffle reads a thread that does not take part",
      [] { shuffle_from_outside<<<1, 64>>>(ints(1)); } },
    { "a shuffle from a thread that has returned",
      "a shuffle reads a thread that does not take part",
      [] { shuffle_from_returned<<<1, 64>>>(ints(1)); } },
    { "two masks", "threads name different masks", [] { two_masks<<<1, 64>>>(ints(1)); } },
    { "beyond shared memory", "insufficient space", [] { beyond_shared<<<1, 64>>>(ints(1)); } },
    { "beyond dynamic shared memory", "AddressSanitizer",
      [] { beyond_dynamic_shared<<<1, 64, 64 * sizeof(int)>>>(ints(1)); } },
    { "beyond an array", "out of bounds", [] { beyond_array<<<1, 64>>>(ints(1)); } },
    { "a misaligned vector", "misaligned", [] { misaligned<<<1, 1>>>(ints(4)); } },
    { "beyond device memory", "AddressSanitizer", [] { beyond_memory<<<1, 64>>>(ints(63)); } },
    { "an early kernel that does not wait", "an early kernel does not wait for earlier ones",
      [] { launch_early(2); } },
    { "an early kernel that waits", NULL, [] { launch_early(1); } },
    { "within device memory", NULL, [] { beyond_memory<<<1, 64>>>(ints(64)); } },
};
const int n_emulated_cases = sizeof emulated_cases / sizeof emulated_cases[0];
