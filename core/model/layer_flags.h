/* SPDX-License-Identifier: MIT */
/** @file layer_flags.h  Reads which layers have a sliding window and which are not rotated. */
#ifndef CG_MODEL_LAYER_FLAGS_H
#define CG_MODEL_LAYER_FLAGS_H

#include "model/architectures.h"

/**
 * Reads the members of config.json that distinguish layers: layer_types, sliding_window,
 * use_sliding_window, max_window_layers, no_rope_layers, no_rope_layer_interval.
 *
 * @param config  n_layers and max_positions are set; `window` and `layer_flags` are written
 * @return CG_OK; CG_ERR_FORMAT; CG_ERR_UNSUPPORTED
 */
cg_status cg_layer_flags_read(const cg_json *o, const cg_architecture *arch,
                              cg_model_config *config, cg_error *err);

#endif
