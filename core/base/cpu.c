/* SPDX-License-Identifier: MIT */
#include "cpu.h"

#ifdef __x86_64__
#define FLAG(name, flag) (__builtin_cpu_supports(name) ? (uint32_t)(flag) : 0)

uint32_t cg_cpu_flags(void)
{
    return FLAG("avx2", CG_CPU_AVX2) | FLAG("fma", CG_CPU_FMA) | FLAG("avx512f", CG_CPU_AVX512F) |
           FLAG("avx512bw", CG_CPU_AVX512BW) | FLAG("avx512dq", CG_CPU_AVX512DQ) |
           FLAG("avx512vl", CG_CPU_AVX512VL);
}
#else
uint32_t cg_cpu_flags(void)
{
    return 0;
}
#endif
