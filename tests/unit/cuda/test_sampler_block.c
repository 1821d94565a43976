/* SPDX-License-Identifier: MIT */
/* The tests of decode/test_sampler.c on the GPU code: one block of the kernel, run on the host. */
#define BLOCK
#include "decode/test_sampler.c"
