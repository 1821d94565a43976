/* SPDX-License-Identifier: MIT */
/** @file paths.h  Location of the data files shipped with confgen; see cg_data_path(). */
#ifndef CG_ENGINE_PATHS_H
#define CG_ENGINE_PATHS_H

#include <confgen/status.h>

/** Finds the directory of the default model: a fresh string, free(). CG_ERR_IO if not found. */
cg_status cg_default_model_dir(char **ret_dir, cg_error *err);

#endif
