/* SPDX-License-Identifier: MIT */
/** @file i8_products.h  Models and GPUs that matrix products of int8 (--dtype int8) support. */
#ifndef CG_MODEL_I8_PRODUCTS_H
#define CG_MODEL_I8_PRODUCTS_H

#include "model/config.h"

enum { CG_MAX_I8_HIDDEN = 2048 }; /* hidden size: a warp quantises a row */

/**
 * Checks that a GPU has products of int8 for a model.
 *
 * @param compute_capability  10 * major + minor
 * @return CG_OK; CG_ERR_UNSUPPORTED with the reason
 */
cg_status cg_check_i8_products(const cg_model_config *config, int32_t compute_capability,
                               cg_error *err);

#endif
