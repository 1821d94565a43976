/* SPDX-License-Identifier: MIT */
/**
 * @file file.h  Reading whole files that nobody vouches for: bounded, regular files only.
 *
 * A file is opened without blocking, so that a FIFO with no writer is refused instead of waited
 * for. Every text names the path and, where one is passed, the bound.
 */
#ifndef CG_BASE_FILE_H
#define CG_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include <confgen/status.h>

/** Read-only bytes and how to give them back. Zero is the empty value. */
typedef struct cg_bytes {
    const uint8_t *data; /* NULL when empty */
    size_t len;
    void *heap;     /* free() this, or */
    size_t map_len; /* munmap() data of this length, or neither: borrowed */
} cg_bytes;

/** Release the memory and zero the record. Accepts NULL and the empty value; may be repeated. */
void cg_bytes_release(cg_bytes *bytes);

/**
 * Read a regular file into fresh memory of len + 1 bytes, the last one '\0' (not counted in len).
 *
 * @param max_bytes  a longer file is refused before memory is taken for it
 * @return CG_OK; CG_ERR_IO (missing, no permission, directory, FIFO, device, socket, read error);
 *         CG_ERR_LIMIT; CG_ERR_NOMEM. On failure *ret is unchanged.
 */
cg_status cg_file_read(const char *path, size_t max_bytes, cg_bytes *ret, cg_error *err);

/**
 * Map a regular file read-only and private. An empty file gives data NULL and len 0. The pages
 * follow the file: if somebody truncates it afterwards, touching them raises SIGBUS; replacing it
 * by rename, as every careful writer does, is harmless.
 *
 * @return as cg_file_read
 */
cg_status cg_file_map(const char *path, size_t max_bytes, cg_bytes *ret, cg_error *err);

/**
 * Whether `path` names something that exists (of any kind, also unreadable). A dangling link
 * does not exist.
 */
int cg_file_exists(const char *path);

/**
 * `dir`/`name` as a fresh string, one slash between them (none after an empty dir); free(). NULL
 * without memory.
 */
char *cg_path_join(const char *dir, const char *name);

/**
 * Decompress one or more whole zstd frames (`len` bytes at `src`) into fresh memory.
 *
 * Sizes declared by the frames are checked against max_bytes before memory is taken and must be
 * what decompression gives; frames that declare none are decompressed piecewise and stopped at
 * max_bytes. Checksums, where a frame carries one, are verified. As cg_file_read, one '\0' follows.
 *
 * @param name  for texts, usually the path
 * @return CG_OK; CG_ERR_FORMAT (not zstd, truncated, damaged, lying about its size, empty);
 *         CG_ERR_LIMIT; CG_ERR_NOMEM. On failure *ret is unchanged.
 */
cg_status cg_zstd_unpack(const char *name, const void *src, size_t len, size_t max_bytes,
                         cg_bytes *ret, cg_error *err);

#endif
