/* SPDX-License-Identifier: MIT */
/** @file rmsd_generic.c  RMSD kernels for any processor: SSE2, NEON or plain code. */
#include <stdint.h>

typedef double vec __attribute__((vector_size(16), may_alias));
typedef int64_t ivec __attribute__((vector_size(16)));
enum { WIDTH = 2 };

static inline __attribute__((always_inline)) int any_lane(ivec x)
{
    return (x[0] | x[1]) != 0;
}

#include "eval/rmsd_tile.h"

const cg_rmsd_kernel cg_rmsd_generic = { "generic", run_block, bound_block };
