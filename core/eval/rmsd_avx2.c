/* SPDX-License-Identifier: MIT */
/** @file rmsd_avx2.c  RMSD kernels for AVX2. */
#include <immintrin.h>

enum { WIDTH = 4 };
#define ANY_LANE(mask) (!_mm256_testz_si256((__m256i)(mask), (__m256i)(mask)))

#include "eval/rmsd_tile.h"

const cg_rmsd_kernel cg_rmsd_avx2 = { "avx2", run_block, bound_block };
