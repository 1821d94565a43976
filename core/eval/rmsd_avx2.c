/* SPDX-License-Identifier: MIT */
/** @file rmsd_avx2.c  RMSD kernels for AVX2. */
#include <immintrin.h>
#include <stdint.h>

typedef double vec __attribute__((vector_size(32), may_alias));
typedef int64_t ivec __attribute__((vector_size(32)));
enum { WIDTH = 4 };

static inline __attribute__((always_inline)) int any_lane(ivec x)
{
    return !_mm256_testz_si256((__m256i)x, (__m256i)x);
}

#include "eval/rmsd_tile.h"

const cg_rmsd_kernel cg_rmsd_avx2 = { "avx2", run_block, bound_block };
