/* SPDX-License-Identifier: MIT */
/** @file sides.h  The two halves of the plugin, and how a plan tells to which it belongs. */
#ifndef FLASH_SIDES_H
#define FLASH_SIDES_H

#include <confgen/attention.h>

/**
 * One half: supports() and plan() are given problems of its device that
 * cg_attention_check_problem() has passed; a plan of its begins with a pointer to this table.
 */
extern const cg_attention_ops flash_cpu_ops;
#ifdef CG_WITH_CUDA
extern const cg_attention_ops flash_cuda_ops;
#endif

static inline const cg_attention_ops *flash_plan_side(const void *plan)
{
    return *(const cg_attention_ops *const *)plan;
}

#endif
