/* SPDX-License-Identifier: MIT */
/** @file flash_ops.h  The two implementations of the plugin, one per device. */
#ifndef FLASH_OPS_H
#define FLASH_OPS_H

#include <confgen/attention.h>

/**
 * Operations on one device. supports() and plan() take problems of that device that
 * cg_attention_check_problem() has accepted. A plan begins with a pointer to its table.
 */
extern const cg_attention_ops flash_cpu_ops;
enum { FLASH_CPU_FEATURES = CG_ATTENTION_VALUE_SIZE | CG_ATTENTION_KV_SCALES };
#ifdef CG_WITH_CUDA
extern const cg_attention_ops flash_cuda_ops;
#endif

static inline const cg_attention_ops *flash_plan_ops(const void *plan)
{
    return *(const cg_attention_ops *const *)plan;
}

#endif
