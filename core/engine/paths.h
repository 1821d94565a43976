/* SPDX-License-Identifier: MIT */
/** @file paths.h  Where the data that come with confgen are; see also cg_data_path(). */
#ifndef CG_ENGINE_PATHS_H
#define CG_ENGINE_PATHS_H

#include <confgen/status.h>

/** Directory of the default model. Fresh string, free(). CG_ERR_IO if there is none. */
cg_status cg_default_model_dir(char **ret_dir, cg_error *err);

#endif
