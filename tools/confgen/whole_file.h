/* SPDX-License-Identifier: MIT */
/** @file whole_file.h  Writing a file that is complete as soon as it has its name. */
#ifndef CG_TOOLS_WHOLE_FILE_H
#define CG_TOOLS_WHOLE_FILE_H

#include "base/buf.h"

/**
 * Writes `text` to PATH.part and renames it to `path`, replacing what is there.
 *
 * @return CG_OK; CG_ERR_IO naming the file. On failure PATH.part is removed, `path` unchanged.
 */
cg_status write_whole_file(const char *path, const cg_buf *text, cg_error *err);

#endif
