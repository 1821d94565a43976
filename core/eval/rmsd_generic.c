/* SPDX-License-Identifier: MIT */
/** @file rmsd_generic.c  RMSD kernels for any processor: SSE2, NEON or plain code. */

enum { WIDTH = 2 };
#define ANY_LANE(mask) (((mask)[0] | (mask)[1]) != 0)

#include "eval/rmsd_tile.h"

const cg_rmsd_kernel cg_rmsd_generic = { "generic", run_block, bound_block };
