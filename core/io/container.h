/* SPDX-License-Identifier: MIT */
/**
 * @file container.h  The output file: one independently compressed frame per molecule, or several
 * for one with many records: a frame ends with the record that makes it CG_FRAME_FULL_CONTENT.
 *
 * zst    zstd frames with content size and checksum, then a skippable frame with the seek table of
 *        zstd's seekable format (version 0.1.0, without checksums: the frames have their own). Any
 *        zstd decoder reads the file as one stream.
 * gz     Frames are gzip members (modification time 0, no name).
 * plain  The bytes of the molecules, concatenated.
 *
 * The bytes depend only on the molecules and the compression library.
 */
#ifndef CG_IO_CONTAINER_H
#define CG_IO_CONTAINER_H

#include "base/append_file.h"
#include "base/buf.h"

typedef enum cg_container_format {
    CG_CONTAINER_PLAIN = 0,
    CG_CONTAINER_GZ,
    CG_CONTAINER_ZST,
} cg_container_format;

#define CG_FRAME_FULL_CONTENT    ((size_t)64 << 20)  /* uncompressed bytes of a full frame */
#define CG_FRAME_MAX_CONTENT     ((uint64_t)1 << 30) /* most uncompressed bytes of a frame */
#define CG_FRAME_CONTENT_UNKNOWN UINT64_MAX          /* content size not stored in the file */
#define CG_CONTAINER_LEVEL       3                   /* default compression level */
#define CG_CONTAINER_MAX_FRAMES  ((size_t)0x8000000) /* limit of a seek table */

/** A frame in a file. */
typedef struct cg_container_frame {
    uint64_t offset;       /* bytes from the start of the file */
    uint64_t size;         /* stored bytes */
    uint64_t content_size; /* uncompressed bytes, or CG_FRAME_CONTENT_UNKNOWN */
} cg_container_frame;

/** Format by file name: .zst, .gz, anything else is plain. */
cg_container_format cg_container_format_of(const char *path);
/** Format by the first bytes of a file, of which 4 suffice. */
cg_container_format cg_container_format_detect(const void *bytes, size_t len);
/** "zst", "gz", "plain". Static storage. */
const char *cg_container_format_name(cg_container_format format);

/**
 * Compresses records of one molecule and appends the frame to `out`. Thread-safe. `level` as in
 * zstd (1 to 19) or gzip (1 to 9). CG_ERR_LIMIT above CG_FRAME_MAX_CONTENT; CG_ERR_NOMEM.
 */
cg_status cg_frame_compress(cg_container_format format, int level, const void *bytes, size_t len,
                            cg_buf *out, cg_error *err);

/* ---- writing ----------------------------------------------------------------------------- */

typedef struct cg_container cg_container;

/**
 * Continues an output after its first n_frames frames, which are contiguous from offset 0; the rest
 * of a regular file is truncated.
 *
 * @param file    taken over and zeroed on success
 * @param frames  [n_frames] copied; NULL without frames
 */
cg_status cg_container_open(cg_append_file *file, cg_container_format format,
                            const cg_container_frame *frames, size_t n_frames,
                            cg_container **ret_container, cg_error *err);

/**
 * Writes a frame of cg_frame_compress() with `content_size` uncompressed bytes; size 0 writes
 * nothing. CG_ERR_IO names the file, the bytes and the reason; a regular file is then truncated to
 * the previous frames and stays readable, and the container refuses further frames.
 */
cg_status cg_container_append_frame(cg_container *container, const void *frame, size_t size,
                                    uint64_t content_size, cg_error *err);
/** Compresses and writes one frame at CG_CONTAINER_LEVEL; len 0 writes nothing. */
cg_status cg_container_append(cg_container *container, const void *bytes, size_t len,
                              cg_error *err);
/** Removes all frames but the first n, e.g. if the caller failed to record them. */
cg_status cg_container_keep(cg_container *container, size_t n, cg_error *err);
/** The frames so far, [*ret_n]; borrowed until the next call. */
const cg_container_frame *cg_container_frames(const cg_container *container, size_t *ret_n);

/** Bytes of the file so far. */
uint64_t cg_container_size(const cg_container *container);
/** Syncs the file to disk. */
cg_status cg_container_sync(cg_container *container, cg_error *err);
/** Writes the trailer and syncs. The container must still be closed. */
cg_status cg_container_finish(cg_container *container, cg_error *err);
/** Closes the file; without cg_container_finish() it keeps its frames but has no trailer. Accepts
 * NULL. */
void cg_container_close(cg_container *container);

/** Appends the trailer of a finished file of these frames to `out`: the seek table of zst, an empty
 * member for gz without frames, else nothing. */
cg_status cg_container_trailer(cg_container_format format, const cg_container_frame *frames,
                               size_t n_frames, cg_buf *out, cg_error *err);

/* Constants of the seekable format; little-endian in the file. */
#define CG_SEEK_SKIPPABLE_MAGIC 0x184D2A5Eu
#define CG_SEEK_FOOTER_MAGIC    0x8F92EAB1u
#define CG_SEEK_FOOTER_SIZE     9

static inline uint32_t cg_read_u32_le(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

#endif
