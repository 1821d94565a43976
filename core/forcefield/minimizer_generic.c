/* SPDX-License-Identifier: MIT */
/** @file minimizer_generic.c  Minimiser kernels for any processor: SSE2, NEON or plain code. */
#include <math.h>

enum { WIDTH = 2 };
#define vector_sqrt(x) ((vec) { sqrt((x)[0]), sqrt((x)[1]) })

#include "forcefield/minimizer_tile.h"

const cg_minimizer_kernel cg_minimizer_generic = { "generic", WIDTH, evaluate, advance };
