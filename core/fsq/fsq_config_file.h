/* SPDX-License-Identifier: MIT */
/** @file fsq_config_file.h  Parses the settings and tokens of an FSQ decoder. */
#ifndef CG_FSQ_FSQ_CONFIG_FILE_H
#define CG_FSQ_FSQ_CONFIG_FILE_H

#include "fsq/fsq_model.h"

/**
 * Parses config.json into model->config, model->tokens and model->index.
 *
 *   model_type          "fsq-decoder"
 *   hidden_size         a multiple of 64, the size of an attention head
 *   num_hidden_layers
 *   intermediate_size   of the layers' MLP
 *   input_size          hidden layer of the input MLP
 *   layer_norm_eps      optional, 1e-5
 *   levels              values of each digit of a code, the least significant first
 *   tokens              SMILES tokens in the order of the one-hot input
 *
 * @param name   of the file, for messages
 * @param model  zeroed; what was read is owned by it, on failure too: cg_fsq_model_close()
 * @return CG_OK; CG_ERR_FORMAT; CG_ERR_UNSUPPORTED; CG_ERR_NOMEM
 */
cg_status cg_fsq_config_parse(const char *name, const void *bytes, size_t len, cg_fsq_model *model,
                              cg_error *err);

#endif
