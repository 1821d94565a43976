/* SPDX-License-Identifier: MIT */
/**
 * @file append_file.h  An output: the only way in which confgen opens a file for writing.
 *
 * A new file is created with O_EXCL, so no file and no link is ever followed or replaced. An
 * existing one is opened only if the caller permits it and it is a regular file with one name,
 * under its own name (no symbolic link). Every regular file is locked while it is open: a second
 * run, by whatever name, is refused. Pipes, terminals and devices are streams, also behind links
 * such as /dev/stdout; they are only written to. A descriptor (/dev/fd/N) must be an inherited one:
 * one that closes on exec is refused.
 *
 * The file grows by whole writes: each is complete or undone. A write or sync fails if another
 * program removed the file or changed its size.
 */
#ifndef CG_BASE_APPEND_FILE_H
#define CG_BASE_APPEND_FILE_H

#include <stddef.h>
#include <stdint.h>

#include <confgen/status.h>

/** Zero first; cg_append_file_close() or cg_append_file_discard() releases. */
typedef struct cg_append_file {
    char *name; /* for messages; owned */
    int fd;     /* a regular file is open for reading, too */
    int owns_fd;
    int regular;   /* can be truncated and synced, unlike a stream */
    int created;   /* did not exist before */
    uint64_t size; /* bytes */
} cg_append_file;

/**
 * 1 for "-" (standard output), a path of an open descriptor (/dev/stdout, /dev/fd/N), also if it is
 * redirected to a file, and an existing path of a pipe, socket, terminal or device.
 */
int cg_is_stream(const char *path);

/**
 * Opens an output, see above. The contents of an existing file are kept, and file->size is their
 * length.
 *
 * @param may_exist  0: only a new file or a stream
 * @return CG_OK; CG_ERR_USAGE if it exists and may not; CG_ERR_IO for a link, a directory, a file
 *         that another run is writing, or a failed call; CG_ERR_NOMEM. On failure the file must
 *         still be closed.
 */
cg_status cg_append_file_open(cg_append_file *file, const char *path, int may_exist, cg_error *err);
/** Closes and zeroes the file. Accepts a zeroed one. */
void cg_append_file_close(cg_append_file *file);
/** As cg_append_file_close(); before, removes the file if cg_append_file_open() created it. */
void cg_append_file_discard(cg_append_file *file);

/**
 * Appends all bytes; waits for the reader of a stream that does not block. On failure a regular
 * file is truncated to its previous size; CG_ERR_IO states how many of the bytes were written and
 * the reason.
 */
cg_status cg_append_file_write(cg_append_file *file, const void *bytes, size_t len, cg_error *err);
/** Truncates a regular file to `size` bytes; does nothing for other files. CG_ERR_IO. */
cg_status cg_append_file_truncate(cg_append_file *file, uint64_t size, cg_error *err);
/** Syncs a regular file to disk; does nothing for other files. CG_ERR_IO. */
cg_status cg_append_file_sync(cg_append_file *file, cg_error *err);

#endif
