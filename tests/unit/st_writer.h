/* SPDX-License-Identifier: MIT */
/** @file st_writer.h  Writes small safetensors files, valid or not. Test code only. */
#ifndef CG_TEST_ST_WRITER_H
#define CG_TEST_ST_WRITER_H

#include <stdint.h>
#include <zstd.h>

#include "scratch.h"

/* The bytes of a file. */
struct st_file {
    uint8_t *bytes;
    size_t len;
};

/* Makes a file: header length, header (padded with blanks to `align`), `data_len` bytes of data. */
static inline struct st_file st_make(const char *header, size_t align, const void *data,
                                     size_t data_len)
{
    size_t n = strlen(header), padded = align ? (n + align - 1) / align * align : n;
    uint64_t prefix = padded;
    struct st_file f = { malloc(8 + padded + data_len), 8 + padded + data_len };

    memcpy(f.bytes, &prefix, 8);
    memset(f.bytes + 8, ' ', padded);
    memcpy(f.bytes + 8, header, n);
    if (data_len)
        memcpy(f.bytes + 8 + padded, data, data_len);
    return f;
}

static inline const char *st_save(const struct st_file *f, const char *name)
{
    return scratch_write(name, f->bytes, f->len);
}

static inline const char *st_save_zst(const struct st_file *f, const char *name)
{
    size_t cap = ZSTD_compressBound(f->len);
    void *packed = malloc(cap);
    size_t n = ZSTD_compress(packed, cap, f->bytes, f->len, 3);
    const char *path;

    ck_assert(!ZSTD_isError(n));
    path = scratch_write(name, packed, n);
    free(packed);
    return path;
}

#endif
