/* SPDX-License-Identifier: MIT */
/** @file reader_internal.h  Members and backends of a reader. */
#ifndef CG_IO_READER_INTERNAL_H
#define CG_IO_READER_INTERNAL_H

#include "io/reader.h"

/** Bytes at the start of a record that are enough to hold any name. */
#define CG_READER_HEAD 65536

struct cg_reader {
    char *name;
    int fd;                   /* -1: memory */
    const unsigned char *mem; /* borrowed */
    uint64_t size;            /* bytes of the file */
    cg_container_format format;
    int has_table;
    cg_container_frame *frames; /* [n_frames] of frames_cap */
    size_t n_frames, frames_cap;
    cg_error note; /* see cg_reader_note() */
    cg_buf scratch;
};

/** Reads up to n bytes at `offset`; *ret_n is less than n only at the end of the file. CG_ERR_IO.
 */
cg_status cg_reader_read_at(const cg_reader *r, uint64_t offset, void *out, size_t n, size_t *ret_n,
                            cg_error *err);
/** Appends a frame to r->frames. CG_ERR_NOMEM. */
cg_status cg_reader_add_frame(cg_reader *r, uint64_t offset, uint64_t size, uint64_t content_size,
                              cg_error *err);

/** A file format. */
struct cg_reader_backend {
    /** Lists the frames; a truncated or damaged rest of the file goes to r->note. */
    cg_status (*list)(cg_reader *r, cg_error *err);
    /** As cg_reader_read(). */
    cg_status (*read)(cg_reader *r, size_t i, size_t max, cg_buf *out, cg_error *err);
};

extern const struct cg_reader_backend cg_reader_plain, cg_reader_gzip, cg_reader_zstd;

#endif
