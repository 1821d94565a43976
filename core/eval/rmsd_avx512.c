/* SPDX-License-Identifier: MIT */
/** @file rmsd_avx512.c  RMSD kernels for AVX-512. */
#include <immintrin.h>

enum { WIDTH = 8 };
#define ANY_LANE(mask) (_mm512_test_epi64_mask((__m512i)(mask), (__m512i)(mask)) != 0)

#include "eval/rmsd_tile.h"

const cg_rmsd_kernel cg_rmsd_avx512 = { "avx512", run_block, bound_block };
