/* SPDX-License-Identifier: MIT */
/** @file append_file.h  A file that grows by whole writes: each is complete or undone. */
#ifndef CG_IO_APPEND_FILE_H
#define CG_IO_APPEND_FILE_H

#include <stddef.h>

#include <confgen/status.h>

/** Zero first; cg_append_file_close() releases. */
typedef struct cg_append_file {
    char *name; /* for messages; owned */
    int fd;
    int owns_fd;
    int regular;   /* can be truncated and synced, unlike a pipe, terminal or device */
    uint64_t size; /* bytes */
} cg_append_file;

/**
 * Opens a file for appending and creates it if missing; "-" is standard output. `empty`: discards
 * its contents; otherwise they are kept, and file->size is their length. CG_ERR_IO; CG_ERR_NOMEM.
 * On failure the file must still be closed.
 */
cg_status cg_append_file_open(cg_append_file *file, const char *path, int empty, cg_error *err);
/** Accepts a zeroed file; zeroes it. */
void cg_append_file_close(cg_append_file *file);

/**
 * Appends all bytes. On failure a regular file is truncated to its previous size; CG_ERR_IO states
 * how many of the bytes were written and the reason.
 */
cg_status cg_append_file_write(cg_append_file *file, const void *bytes, size_t len, cg_error *err);
/** Truncates a regular file to `size` bytes; does nothing for other files. CG_ERR_IO. */
cg_status cg_append_file_truncate(cg_append_file *file, uint64_t size, cg_error *err);
/** Syncs a regular file to disk; does nothing for other files. CG_ERR_IO. */
cg_status cg_append_file_sync(cg_append_file *file, cg_error *err);

#endif
