/* SPDX-License-Identifier: MIT */
#include "flash_cpu.h"

#include <stddef.h>

const flash_variant flash_variants[] = {
#ifdef FLASH_X86
    { "avx512", FLASH_CPU_AVX512F | FLASH_CPU_AVX512VL | FLASH_CPU_AVX512BW | FLASH_CPU_AVX512DQ,
      flash_rows_avx512, flash_exp2_avx512 },
    { "avx2", FLASH_CPU_AVX2 | FLASH_CPU_FMA | FLASH_CPU_F16C, flash_rows_avx2, flash_exp2_avx2 },
#endif
    { "generic", 0, flash_rows_generic, flash_exp2_generic },
    { NULL, 0, NULL, NULL },
};

#ifdef FLASH_X86
#define FLAG(name, flag) (__builtin_cpu_supports(name) ? (uint32_t)(flag) : 0)

uint32_t flash_cpu_flags(void)
{
    return FLAG("avx2", FLASH_CPU_AVX2) | FLAG("fma", FLASH_CPU_FMA) |
           FLAG("f16c", FLASH_CPU_F16C) | FLAG("avx512f", FLASH_CPU_AVX512F) |
           FLAG("avx512vl", FLASH_CPU_AVX512VL) | FLAG("avx512bw", FLASH_CPU_AVX512BW) |
           FLAG("avx512dq", FLASH_CPU_AVX512DQ);
}
#else
uint32_t flash_cpu_flags(void)
{
    return 0;
}
#endif
