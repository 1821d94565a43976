/* SPDX-License-Identifier: MIT */
/**
 * @file file.h  Reads whole untrusted files: bounded, regular files only.
 *
 * Files are read, never mapped: a file that shrinks or changes later has no effect.
 *
 * Files are opened without blocking: a FIFO without a writer is refused, not waited for. Every
 * message names the path and, where there is one, the bound.
 */
#ifndef CG_BASE_FILE_H
#define CG_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include <confgen/status.h>

/** Read-only bytes and their owner. Zero is the empty value. */
typedef struct cg_bytes {
    const uint8_t *data; /* NULL when empty */
    size_t len;
    void *heap; /* allocated memory, or NULL: borrowed */
} cg_bytes;

/** Releases the memory and zeroes the record. Accepts NULL and the empty value. */
void cg_bytes_release(cg_bytes *bytes);

/**
 * Reads a regular file into new memory of len + 1 bytes, the last one '\0' (not counted in len).
 *
 * @param max_bytes  a longer file is refused before memory is allocated for it
 * @return CG_OK; CG_ERR_IO (missing, no permission, directory, FIFO, device, socket, read error);
 *         CG_ERR_LIMIT; CG_ERR_NOMEM. On failure *ret is unchanged.
 */
cg_status cg_file_read(const char *path, size_t max_bytes, cg_bytes *ret, cg_error *err);

/**
 * Reads an open file from its current position to its end, as cg_file_read().
 *
 * @param name  for messages
 */
cg_status cg_file_read_open(int fd, const char *name, size_t max_bytes, cg_bytes *ret,
                            cg_error *err);

/** XXH3 (64 bits) of the stored bytes of a regular file. CG_ERR_IO; CG_ERR_NOMEM. */
cg_status cg_file_hash(const char *path, uint64_t *ret_hash, cg_error *err);

/**
 * Returns whether `path` exists, of any kind and even if unreadable. A dangling link does not
 * exist.
 */
int cg_file_exists(const char *path);

/** Returns whether `path` is a directory or a link to one. */
int cg_file_is_directory(const char *path);

/**
 * The length of the first `len` bytes of a file's name without `extension`, such as ".gz", in
 * letters of any case; `len` if they do not end so, or are nothing else.
 */
size_t cg_path_strip_extension(const char *name, size_t len, const char *extension);

/** Returns whether cg_path_strip_extension() shortens the whole name. */
int cg_path_has_extension(const char *name, const char *extension);

/**
 * Joins `dir` and `name` with one slash (none after an empty dir) into a new string; free(). NULL
 * if out of memory.
 */
char *cg_path_join(const char *dir, const char *name);

/**
 * Decompresses one or more whole zstd frames (`len` bytes at `src`) into new memory, followed by a
 * '\0' as in cg_file_read().
 *
 * Sizes that frames declare are checked against max_bytes before memory is allocated and must equal
 * the decompressed sizes; frames without a size are decompressed piecewise, up to max_bytes.
 * Checksums of frames that have one are verified.
 *
 * @param name  for messages, usually the path
 * @return CG_OK; CG_ERR_FORMAT (not zstd, truncated, damaged, wrong size declared, empty);
 *         CG_ERR_LIMIT; CG_ERR_NOMEM. On failure *ret is unchanged.
 */
cg_status cg_zstd_unpack(const char *name, const void *src, size_t len, size_t max_bytes,
                         cg_bytes *ret, cg_error *err);

#endif
