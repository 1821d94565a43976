/* SPDX-License-Identifier: MIT */
/* The same by the code of the GPU, a block of whose kernel runs on the host: block.h. */
#define BLOCK
#include "decode/test_repair_cpu.c"
