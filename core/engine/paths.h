/* SPDX-License-Identifier: MIT */
/** @file paths.h  Where the data that come with confgen are. */
#ifndef CG_ENGINE_PATHS_H
#define CG_ENGINE_PATHS_H

/**
 * Directory of the default model: confgen-default in $CONFGEN_DATA, in the source tree above a
 * build folder, or installed. Fresh string, free(); NULL if there is none.
 */
char *cg_default_model_dir(void);

#endif
