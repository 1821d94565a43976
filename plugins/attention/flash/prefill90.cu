/* SPDX-License-Identifier: MIT */
/* The prefill kernels of sm_90a. prefill90_tile.cuh explains. */
#include "prefill90.cuh"

#define DIM   64
#define F16   0
#define PAGED 0
#define NAME  flash_prefill90_64_bf16_kernel
#include "prefill90_tile.cuh"

#define DIM   64
#define F16   0
#define PAGED 1
#define NAME  flash_prefill90_64_bf16_paged_kernel
#include "prefill90_tile.cuh"

#define DIM   64
#define F16   1
#define PAGED 0
#define NAME  flash_prefill90_64_f16_kernel
#include "prefill90_tile.cuh"

#define DIM   64
#define F16   1
#define PAGED 1
#define NAME  flash_prefill90_64_f16_paged_kernel
#include "prefill90_tile.cuh"

#define DIM   128
#define F16   0
#define PAGED 0
#define NAME  flash_prefill90_128_bf16_kernel
#include "prefill90_tile.cuh"

#define DIM   128
#define F16   0
#define PAGED 1
#define NAME  flash_prefill90_128_bf16_paged_kernel
#include "prefill90_tile.cuh"

#define DIM   128
#define F16   1
#define PAGED 0
#define NAME  flash_prefill90_128_f16_kernel
#include "prefill90_tile.cuh"

#define DIM   128
#define F16   1
#define PAGED 1
#define NAME  flash_prefill90_128_f16_paged_kernel
#include "prefill90_tile.cuh"

extern "C" const void *flash_prefill90_kernel(int head_dim, int f16, int paged)
{
    static const void *const kernels[2][2][2] = {
        {
            { (const void *)flash_prefill90_64_bf16_kernel,
              (const void *)flash_prefill90_64_bf16_paged_kernel },
            { (const void *)flash_prefill90_64_f16_kernel,
              (const void *)flash_prefill90_64_f16_paged_kernel },
        },
        {
            { (const void *)flash_prefill90_128_bf16_kernel,
              (const void *)flash_prefill90_128_bf16_paged_kernel },
            { (const void *)flash_prefill90_128_f16_kernel,
              (const void *)flash_prefill90_128_f16_paged_kernel },
        },
    };

    return kernels[head_dim == 128][f16 != 0][paged != 0];
}
