/* SPDX-License-Identifier: MIT */
/** @file minimizer_avx2.c  Minimiser kernels for AVX2. */
#include <immintrin.h>

enum { WIDTH = 4 };
#define vector_sqrt(x) ((vec)_mm256_sqrt_pd((__m256d)(x)))

#include "forcefield/minimizer_tile.h"

const cg_minimizer_kernel cg_minimizer_avx2 = { "avx2", WIDTH, evaluate, advance };
