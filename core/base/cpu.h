/* SPDX-License-Identifier: MIT */
/** @file cpu.h  Processors of this machine: their number, their instruction-set extensions. */
#ifndef CG_BASE_CPU_H
#define CG_BASE_CPU_H

#include <stdint.h>

/** Extensions that a code variant may require; 0: none beyond the target's baseline. */
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

/**
 * Number of processors that this process can keep busy: those of the calling thread's affinity
 * mask, which new threads inherit, but no more than the quota of its cgroup (rounded up). 1 if
 * unknown, because the mask cannot be read or has more than CPU_SETSIZE (1024) processors.
 */
int cg_cpu_count(void);

#endif
