/* SPDX-License-Identifier: MIT */
/** @file append_file.h  A file that is appended to in whole pieces. */
#ifndef CG_IO_APPEND_FILE_H
#define CG_IO_APPEND_FILE_H

#include <stddef.h>

#include <confgen/status.h>

typedef struct cg_append_file {
    char *name;
    int open; /* fd is ours */
    int fd;
    int regular;  /* can be cut and synced; otherwise a pipe, a terminal, a device */
    uint64_t end; /* bytes */
} cg_append_file;

/**
 * Open for appending, creating the file if need be; "-" is standard output. `truncate`: empty it.
 * A file that holds something is otherwise left alone, its size in file->end. CG_ERR_IO.
 */
cg_status cg_append_file_open(cg_append_file *file, const char *path, int truncate, cg_error *err);
/** Accepts a zeroed file. */
void cg_append_file_close(cg_append_file *file);

/**
 * Write all bytes, or cut the file back to where it was (if it can be cut) and say in CG_ERR_IO how
 * many bytes of how many were written and why no more.
 */
cg_status cg_append_file_write(cg_append_file *file, const void *bytes, size_t len, cg_error *err);
/** Cut a regular file back to `end` bytes, or do nothing where it is no regular file. */
cg_status cg_append_file_truncate(cg_append_file *file, uint64_t end, cg_error *err);
cg_status cg_append_file_sync(cg_append_file *file, cg_error *err);

#endif
