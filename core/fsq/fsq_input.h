/* SPDX-License-Identifier: MIT */
/** @file fsq_input.h  The input layer of an FSQ decoder: positions, and weights by input. */
#ifndef CG_FSQ_FSQ_INPUT_H
#define CG_FSQ_FSQ_INPUT_H

#include "fsq/fsq_model.h"

/**
 * What the input MLP's second product is added to: its bias and the sinusoidal position of Vaswani
 * et al. 2017, which is computed in float32 as PyTorch does.
 *
 * @param ret_positions  [n, hidden]; of the positions, even elements are sines, odd ones cosines
 * @return CG_OK; CG_ERR_NOMEM
 */
cg_status cg_fsq_input_positions(const cg_fsq_model *model, int32_t n, float *ret_positions,
                                 cg_error *err);

/**
 * Transposes the first layer, of which a row of input uses one token's and the digits' columns.
 *
 * @param ret_rows  [n_tokens + n_digits, input_hidden]
 * @return CG_OK; CG_ERR_NOMEM
 */
cg_status cg_fsq_input_rows(const cg_fsq_model *model, float *ret_rows, cg_error *err);

#endif
