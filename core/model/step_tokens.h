/* SPDX-License-Identifier: MIT */
/** @file step_tokens.h  The token budgets of decoding steps and of prompt steps. */
#ifndef CG_MODEL_STEP_TOKENS_H
#define CG_MODEL_STEP_TOKENS_H

#include <confgen/limits.h>
#include <confgen/tensor.h>

/**
 * Tokens that one step of an executor appends, at most: max_tokens of its attention plan. Executors
 * and plugin matching both use this rule.
 *
 * @param n_slots        sequences decoded at once
 * @param requested      0: derived from n_slots
 * @param deterministic  CUDA: whether the products are cut into calls of 128 rows
 */
int32_t cg_step_tokens(cg_device device, int32_t n_slots, int32_t requested, int32_t deterministic);

/**
 * Tokens that one prompt step appends, at most: max_tokens of its attention plan. 0: there are no
 * prompt steps, and prompts are part of the steps of sequences.
 *
 * @param requested  tokens; CG_PROMPT_STEPS_AUTO: derived from n_prompt_slots; CG_PROMPT_STEPS_OFF
 */
int32_t cg_prompt_step_tokens(cg_device device, int32_t n_prompt_slots, int32_t requested);

#endif
