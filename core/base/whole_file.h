/* SPDX-License-Identifier: MIT */
/** @file whole_file.h  Writing a file that is complete as soon as it has its name. */
#ifndef CG_BASE_WHOLE_FILE_H
#define CG_BASE_WHOLE_FILE_H

#include <stddef.h>

#include <confgen/status.h>

/**
 * Writes `len` bytes to a new file in the folder of `path`, which then takes the name `path`: a
 * reader finds the former file or the whole new one. A stream (append_file.h) is written directly.
 *
 * @param may_exist  0: `path` must not exist, or be a stream
 * @return CG_OK; CG_ERR_USAGE if it exists and may not; CG_ERR_IO naming the file, also if it is a
 *         symbolic link or a directory; CG_ERR_NOMEM. On failure `path` is unchanged.
 */
cg_status cg_file_write_whole(const char *path, const void *bytes, size_t len, int may_exist,
                              cg_error *err);

#endif
