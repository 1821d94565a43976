/* SPDX-License-Identifier: MIT */
/** @file reader_internal.h  What the parts of the reader share. */
#ifndef CG_IO_READER_INTERNAL_H
#define CG_IO_READER_INTERNAL_H

#include "io/reader.h"

/** Of a record's beginning: enough for any name. */
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
    cg_error note;
    cg_buf scratch;
};

/** Read up to n bytes at `offset`; *ret_n is short at the end of the file only. */
cg_status cg_reader_read_at(const cg_reader *r, uint64_t offset, void *out, size_t n, size_t *ret_n,
                            cg_error *err);
cg_status cg_reader_add_frame(cg_reader *r, uint64_t offset, uint64_t size, uint64_t plain,
                              cg_error *err);

/** List the frames; a cut-off or damaged rest goes into r->note. */
cg_status cg_reader_list_zstd(cg_reader *r, cg_error *err);
cg_status cg_reader_list_gzip(cg_reader *r, cg_error *err);
cg_status cg_reader_list_plain(cg_reader *r, cg_error *err);

cg_status cg_reader_read_zstd(cg_reader *r, size_t i, size_t max, cg_buf *out, cg_error *err);
cg_status cg_reader_read_gzip(cg_reader *r, size_t i, size_t max, cg_buf *out, cg_error *err);
cg_status cg_reader_read_plain(cg_reader *r, size_t i, size_t max, cg_buf *out, cg_error *err);

#endif
