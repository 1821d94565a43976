/* SPDX-License-Identifier: MIT */
/** @file config_files.h  Reading the configuration files of a model directory. */
#ifndef CG_MODEL_CONFIG_FILES_H
#define CG_MODEL_CONFIG_FILES_H

#include "model/config.h"

/**
 * Each reads and parses one file of at most 1 MiB in `dir`; see the parser of the same name in
 * config.h for its statuses, plus CG_ERR_IO, CG_ERR_LIMIT and CG_ERR_NOMEM. On failure *ret is
 * unchanged.
 */
cg_status cg_model_config_read(const char *dir, cg_model_config *ret, cg_error *err);
/** generation_config.json; optional. */
cg_status cg_generation_config_read(const char *dir, const cg_model_config *model,
                                    cg_generation_config *ret, cg_error *err);
/** confgen.json; optional. */
cg_status cg_format_config_read(const char *dir, cg_format_config *ret, cg_error *err);

#endif
