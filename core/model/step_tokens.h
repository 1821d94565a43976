/* SPDX-License-Identifier: MIT */
/** @file step_tokens.h  The token budget of a decoding step. */
#ifndef CG_MODEL_STEP_TOKENS_H
#define CG_MODEL_STEP_TOKENS_H

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

#endif
