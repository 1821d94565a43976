/* SPDX-License-Identifier: MIT */
/** @file flash_ops.h  The two implementations of the plugin, one per device. */
#ifndef FLASH_OPS_H
#define FLASH_OPS_H

#include <confgen/attention.h>

/** Features of flash on the CPU. On CUDA it has none. */
enum {
    FLASH_CPU_FEATURES = CG_ATTENTION_SOFTCAP | CG_ATTENTION_ALIBI | CG_ATTENTION_SINK_LOGITS |
                         CG_ATTENTION_SINK_TOKENS | CG_ATTENTION_BIAS | CG_ATTENTION_NO_MASK |
                         CG_ATTENTION_VALUE_SIZE | CG_ATTENTION_KV_SCALES | CG_ATTENTION_POSITIONS |
                         CG_ATTENTION_TREE
};

/**
 * Operations on one device. supports() and plan() take problems of that device that
 * cg_attention_check_problem() has accepted. A plan begins with a pointer to its table.
 */
extern const cg_attention_ops flash_cpu_ops;
#ifdef CG_WITH_CUDA
extern const cg_attention_ops flash_cuda_ops;
#endif

static inline const cg_attention_ops *flash_plan_ops(const void *plan)
{
    return *(const cg_attention_ops *const *)plan;
}

#endif
