/* SPDX-License-Identifier: MIT */
#include "product.cuh"

#if HAS_WGMMA

template <typename S>
__global__ void __launch_bounds__(S::THREADS, S::BLOCKS)
    product_kernel(const __grid_constant__ product_call c)
{
    extern __shared__ __align__(1024) unsigned char shared[];

    run_product<S>(&c, shared_address(shared));
}

#else

/* Images for other architectures hold this stub. The host recognises it by its maximum block size.
 */
template <typename S>
__global__ void __launch_bounds__(32) product_kernel(const __grid_constant__ product_call c)
{
}

#endif

template <typename S> static product_kernel_entry entry(void)
{
    return { (const void *)product_kernel<S>,
             S::END,
             S::HEAD_DIM,
             S::ROWS,
             S::N,
             S::SPLIT,
             S::THREADS,
             S::SHARED,
             S::BLOCKS,
             S::OWNERS,
             S::IS_I8 };
}

/* 64-row blocks, outputs, split and stages; those of bf16 were the fastest for some shape
 * (NOTES.md)
 */
template <int B, int N, int SPLIT, int STAGES>
using residual = product_shape<B, N, CG_PRODUCT_RESIDUAL, SPLIT, STAGES>;
template <int B, int N, int STAGES>
using swiglu = product_shape<B, N, CG_PRODUCT_SWIGLU, 1, STAGES>;
template <int B, int N, int SPLIT, int STAGES, int HEAD_DIM>
using heads = product_shape<B, N, CG_PRODUCT_HEADS, SPLIT, STAGES, HEAD_DIM>;

/* The same of i8 */
template <int B, int N, int STAGES>
using swiglu_i8 = product_shape<B, N, CG_PRODUCT_SWIGLU, 1, STAGES, 0, true>;
template <int B, int N, int STAGES, int HEAD_DIM>
using heads_i8 = product_shape<B, N, CG_PRODUCT_HEADS, 1, STAGES, HEAD_DIM, true>;

extern "C" const product_kernel_entry *cg_product_kernels(int *ret_n)
{
    static const product_kernel_entry kernels[] = {
        entry<residual<1, 32, 1, 8>>(),    entry<residual<1, 32, 2, 6>>(),
        entry<residual<1, 64, 1, 6>>(),    entry<residual<1, 64, 2, 5>>(),
        entry<residual<1, 128, 2, 4>>(),   entry<residual<2, 128, 2, 5>>(),
        entry<swiglu<1, 32, 6>>(),         entry<swiglu<1, 64, 4>>(),
        entry<swiglu<2, 64, 6>>(),         entry<swiglu<2, 64, 3>>(),
        entry<swiglu<2, 128, 4>>(),        entry<swiglu<2, 160, 4>>(),
        entry<swiglu<3, 96, 4>>(),         entry<heads<1, 64, 1, 6, 64>>(),
        entry<heads<1, 64, 2, 5, 64>>(),   entry<heads<2, 64, 1, 4, 64>>(),
        entry<heads<2, 128, 1, 6, 64>>(),  entry<heads<1, 128, 1, 4, 128>>(),
        entry<heads<1, 128, 2, 3, 128>>(), entry<heads<2, 128, 1, 6, 128>>(),
        entry<swiglu_i8<1, 64, 4>>(),      entry<swiglu_i8<2, 64, 3>>(),
        entry<swiglu_i8<2, 128, 4>>(),     entry<swiglu_i8<2, 160, 4>>(),
        entry<swiglu_i8<3, 96, 4>>(),      entry<heads_i8<1, 64, 6, 64>>(),
        entry<heads_i8<2, 64, 4, 64>>(),   entry<heads_i8<2, 128, 6, 64>>(),
        entry<heads_i8<3, 128, 5, 64>>(),  entry<heads_i8<1, 128, 4, 128>>(),
        entry<heads_i8<2, 128, 6, 128>>(), entry<heads_i8<3, 128, 5, 128>>(),
    };

    *ret_n = sizeof kernels / sizeof *kernels;
    return kernels;
}
