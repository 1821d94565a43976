/* SPDX-License-Identifier: MIT */
/** @file config_files.h  Reads the configuration files of a model directory. */
#ifndef CG_MODEL_CONFIG_FILES_H
#define CG_MODEL_CONFIG_FILES_H

#include "model/config.h"

/**
 * Reads `dir`/config.json, of at most 1 MiB, which must exist.
 *
 * @return as cg_model_config_parse(), and CG_ERR_IO, CG_ERR_LIMIT, CG_ERR_NOMEM. On failure *ret is
 *         unchanged. The same holds for the functions below.
 */
cg_status cg_model_config_read(const char *dir, cg_model_config *ret, cg_error *err);
/** Reads generation_config.json; if it does not exist, what config.json states of sampling. */
cg_status cg_generation_config_read(const char *dir, int32_t vocab, cg_generation_config *ret,
                                    cg_error *err);
/** Reads confgen.json, or returns the defaults if it does not exist. */
cg_status cg_format_config_read(const char *dir, cg_format_config *ret, cg_error *err);

#endif
