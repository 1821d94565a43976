/* SPDX-License-Identifier: MIT */
/** @file unsupported_files.h  Recognises weights that confgen does not run, to refuse them by name.
 */
#ifndef CG_MODEL_UNSUPPORTED_FILES_H
#define CG_MODEL_UNSUPPORTED_FILES_H

#include <confgen/status.h>

#include "model/safetensors.h"

/**
 * Checks that a model directory has no file that a quantisation writes beside the weights.
 *
 * @return CG_OK; CG_ERR_UNSUPPORTED; CG_ERR_NOMEM
 */
cg_status cg_check_no_quantised_files(const char *dir, cg_error *err);

/** Returns whether a name is one of a tensor of a quantised checkpoint: by its end, as .qweight. */
int cg_is_quantised_name(const char *name);

/** The same for a tensor: by its name, or because a weight is stored as integers or in 8 bits. */
int cg_is_quantised_tensor(const cg_st_tensor *tensor);

/**
 * Fails for a directory without config.json that holds only an adapter, naming its base model, or
 * weights in GGUF. Otherwise a missing file is reported where it is read.
 *
 * @return CG_OK; CG_ERR_IO; CG_ERR_NOMEM
 */
cg_status cg_check_config_exists(const char *dir, cg_error *err);

/** Fails for a directory without weights that can be read, naming those that are there. CG_ERR_IO.
 */
cg_status cg_fail_no_weights(const char *dir, cg_error *err);

#endif
