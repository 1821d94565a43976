/* SPDX-License-Identifier: MIT */
/** @file cpu.h  Instruction-set extensions of the processor, for tables of code variants. */
#ifndef CG_BASE_CPU_H
#define CG_BASE_CPU_H

#include <stdint.h>

/** Extensions that a variant may require; 0: none beyond the target's baseline. */
enum {
    CG_CPU_AVX2 = 1 << 0,
    CG_CPU_FMA = 1 << 1,
    CG_CPU_AVX512F = 1 << 2,
    CG_CPU_AVX512BW = 1 << 3,
    CG_CPU_AVX512DQ = 1 << 4,
    CG_CPU_AVX512VL = 1 << 5,
};

/** CG_CPU_* of this processor, as far as the operating system supports them. */
uint32_t cg_cpu_flags(void);

#endif
