/* SPDX-License-Identifier: MIT */
/**
 * @file container.h  The output file: one independently compressed frame a molecule.
 *
 * zst    A zstd frame with content size and checksum a molecule, and at the end a skippable frame
 *        with the seek table of zstd's seekable format (version 0.1.0, without checksums: the
 * frames carry their own). Any zstd decoder reads the file as one stream. gz     A gzip member a
 * molecule (modification time 0, no name). plain  The molecules' bytes, one after the other.
 *
 * Bytes depend on the molecules and the compression library only.
 */
#ifndef CG_IO_CONTAINER_H
#define CG_IO_CONTAINER_H

#include "base/buf.h"

typedef enum cg_container_format {
    CG_CONTAINER_PLAIN = 0,
    CG_CONTAINER_GZ,
    CG_CONTAINER_ZST,
} cg_container_format;

#define CG_FRAME_MAX_CONTENT     ((uint64_t)1 << 30) /* bytes of one molecule, uncompressed */
#define CG_FRAME_CONTENT_UNKNOWN UINT64_MAX          /* size not stored and not yet counted */
#define CG_CONTAINER_LEVEL       3                   /* compression level where nobody asks */
#define CG_CONTAINER_MAX_FRAMES  ((size_t)0x8000000) /* frames a seek table may hold */

/** Where a molecule stands in the file. */
typedef struct cg_container_frame {
    uint64_t offset;       /* bytes from the beginning of the file */
    uint64_t size;         /* stored bytes */
    uint64_t content_size; /* uncompressed bytes, or CG_FRAME_CONTENT_UNKNOWN */
} cg_container_frame;

/** By the end of the name: .zst, .gz, anything else plain. */
cg_container_format cg_container_format_of(const char *path);
/** "zst", "gz", "plain". Static storage. */
const char *cg_container_format_name(cg_container_format format);

/**
 * Append the frame of one molecule to `out`: a pure function, for any thread. `level` as in zstd
 * (1 to 19) or gzip (1 to 9). CG_ERR_LIMIT above CG_FRAME_MAX_CONTENT; CG_ERR_NOMEM.
 */
cg_status cg_frame_compress(cg_container_format format, int level, const void *bytes, size_t len,
                            cg_buf *out, cg_error *err);

/* ---- writing ----------------------------------------------------------------------------- */

typedef struct cg_container cg_container;

/** Create or empty the file; "-" is standard output. What is no regular file is only written to. */
cg_status cg_container_create(const char *path, cg_container_format format,
                              cg_container **ret_container, cg_error *err);
/**
 * Open an unfinished file to go on behind its first n_frames frames, which follow one another from
 * offset 0 (frames: copied); what stands behind them is cut off.
 */
cg_status cg_container_reopen(const char *path, cg_container_format format,
                              const cg_container_frame *frames, size_t n_frames,
                              cg_container **ret_container, cg_error *err);

/**
 * Write a frame made by cg_frame_compress with `plain` uncompressed bytes; size 0 writes nothing.
 * CG_ERR_IO names the file, the bytes and the reason; a regular file is then cut back to the frames
 * before and stays readable, and the container takes no more frames.
 */
cg_status cg_container_append_frame(cg_container *container, const void *frame, size_t size,
                                    uint64_t plain, cg_error *err);
/** Compress and write one molecule at CG_CONTAINER_LEVEL; len 0 writes nothing. */
cg_status cg_container_append(cg_container *container, const void *bytes, size_t len,
                              cg_error *err);
/** Take the last frame back (the caller could not note it down). */
cg_status cg_container_drop_last(cg_container *container, cg_error *err);

/** Bytes of the file so far. */
uint64_t cg_container_end(const cg_container *container);
/** Have written bytes reach the disk. */
cg_status cg_container_sync(cg_container *container, cg_error *err);
/** Write the seek table, sync. The container still has to be closed. */
cg_status cg_container_finish(cg_container *container, cg_error *err);
/** Close; without finish before it the file keeps its frames and has no table. Accepts NULL. */
void cg_container_close(cg_container *container);

/** Append what a finished file of these frames has behind them: the seek table, or nothing. */
cg_status cg_container_trailer(cg_container_format format, const cg_container_frame *frames,
                               size_t n_frames, cg_buf *out, cg_error *err);

/* Numbers of the seekable format; little-endian in the file. */
#define CG_SEEK_SKIPPABLE_MAGIC 0x184D2A5Eu
#define CG_SEEK_FOOTER_MAGIC    0x8F92EAB1u
#define CG_SEEK_FOOTER_SIZE     9

#endif
