/* SPDX-License-Identifier: MIT */
/** @file prompt_steps.h  When an executor with prompt steps runs one. */
#ifndef CG_DECODE_PROMPT_STEPS_H
#define CG_DECODE_PROMPT_STEPS_H

#include <stdint.h>

/** The slots of an executor, counted. */
typedef struct cg_prompt_counts {
    int32_t n_slots;   /* prompt slots */
    int32_t n_waiting; /* prompts with tokens to compute */
    int32_t n_ready;   /* computed prompts, not released */
    int32_t n_running; /* sequences that are not complete */
} cg_prompt_counts;

/**
 * Returns whether to compute the waiting prompts now. They wait for each other, since a step over
 * many has fewer unused rows, until at most half of the slots hold a ready prompt. Until then free
 * sequence slots are filled from the ready ones. Without a running sequence nothing waits.
 */
static inline int cg_prompt_step_is_due(const cg_prompt_counts *c)
{
    return c->n_waiting > 0 && (c->n_ready <= c->n_slots / 2 || !c->n_running);
}

#endif
