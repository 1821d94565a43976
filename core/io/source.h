/* SPDX-License-Identifier: MIT */
/**
 * @file source.h  A stream of uncompressed bytes from a file, standard input or memory.
 *
 * gzip and zstd data are recognised by their first bytes, regardless of the name, and decompressed,
 * including concatenated members or frames. Memory is bounded by the input and output windows,
 * regardless of the sizes declared in the data.
 */
#ifndef CG_IO_SOURCE_H
#define CG_IO_SOURCE_H

#include <stddef.h>

#include <confgen/status.h>

typedef struct cg_source cg_source;

/**
 * Opens a file, or standard input for "-".
 *
 * @param stop  NULL, or a flag that a signal handler sets: reading then ends within 50 ms with
 *              CG_ERR_INTERRUPTED, also while a pipe is silent. Borrowed until the source is closed
 * @return CG_OK; CG_ERR_IO naming the file and the reason; CG_ERR_INTERRUPTED; CG_ERR_NOMEM
 */
cg_status cg_source_open(const char *path, const volatile int *stop, cg_source **ret_source,
                         cg_error *err);
/** Opens `len` bytes of memory, borrowed until the source is closed; `name` is used in messages. */
cg_status cg_source_open_memory(const char *name, const void *bytes, size_t len,
                                cg_source **ret_source, cg_error *err);
void cg_source_close(cg_source *source); /* accepts NULL */

/**
 * Reads 1 to cap uncompressed bytes into out; *ret_n = 0 only at the end.
 * CG_ERR_IO for a failed read; CG_ERR_INTERRUPTED; CG_ERR_FORMAT for damaged or truncated
 * compressed data.
 */
cg_status cg_source_read(cg_source *source, void *out, size_t cap, size_t *ret_n, cg_error *err);

/** The name used in messages: the path, or "standard input". */
const char *cg_source_name(const cg_source *source);
/** "plain", "gzip" or "zstd". */
const char *cg_source_compression(const cg_source *source);

#endif
