/* SPDX-License-Identifier: MIT */
/** @file run_file.h  A run with the size of its frames. */
#ifndef CG_API_RUN_FILE_H
#define CG_API_RUN_FILE_H

#include <confgen/confgen.h>

/**
 * As cg_engine_run(), which passes CG_FRAME_FULL_CONTENT.
 *
 * @param frame_bytes  a frame ends with the record that gives it so many bytes, uncompressed
 */
cg_status cg_engine_run_in_frames(cg_engine *engine, const cg_run_options *options,
                                  size_t frame_bytes, cg_report *ret_report, cg_error *err);

#endif
