/* SPDX-License-Identifier: MIT */
/** @file minimizer_avx512.c  Minimiser kernels for AVX-512. */
#include <immintrin.h>

enum { WIDTH = 8 };
#define vector_sqrt(x) ((vec)_mm512_sqrt_pd((__m512d)(x)))

#include "forcefield/minimizer_tile.h"

const cg_minimizer_kernel cg_minimizer_avx512 = { "avx512", WIDTH, evaluate, advance };
