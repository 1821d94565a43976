/* SPDX-License-Identifier: MIT */
/** @file rmsd_avx512.c  RMSD kernels for AVX-512. */
#include <immintrin.h>
#include <stdint.h>

typedef double vec __attribute__((vector_size(64), may_alias));
typedef int64_t ivec __attribute__((vector_size(64)));
enum { WIDTH = 8 };

static inline __attribute__((always_inline)) int any_lane(ivec x)
{
    return _mm512_test_epi64_mask((__m512i)x, (__m512i)x) != 0;
}

#include "eval/rmsd_tile.h"

const cg_rmsd_kernel cg_rmsd_avx512 = { "avx512", run_block, bound_block };
