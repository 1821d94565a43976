/* SPDX-License-Identifier: MIT */
/**
 * @file source.h  A stream of plain bytes from a file, standard input or memory.
 *
 * gzip and zstd data are recognised by their first bytes, whatever the name says, and decompressed
 * on the way, several members or frames one after the other included. Memory is bounded (input and
 * output windows), whatever the data claim.
 */
#ifndef CG_IO_SOURCE_H
#define CG_IO_SOURCE_H

#include <stddef.h>

#include <confgen/status.h>

typedef struct cg_source cg_source;

/** Open a file, or standard input for "-". CG_ERR_IO names the file and the reason. */
cg_status cg_source_open(const char *path, cg_source **ret_source, cg_error *err);
/** Read `len` bytes of memory, borrowed until the source is closed; `name` is used in errors. */
cg_status cg_source_open_memory(const char *name, const void *bytes, size_t len,
                                cg_source **ret_source, cg_error *err);
void cg_source_close(cg_source *source); /* accepts NULL */

/**
 * Read 1 to cap plain bytes into out; *ret_n = 0 at the end only.
 * CG_ERR_IO for a failed read; CG_ERR_FORMAT for damaged or truncated compressed data.
 */
cg_status cg_source_read(cg_source *source, void *out, size_t cap, size_t *ret_n, cg_error *err);

/** The name used in errors: the path, or "standard input". */
const char *cg_source_name(const cg_source *source);
/** "plain", "gzip" or "zstd". */
const char *cg_source_compression(const cg_source *source);

#endif
