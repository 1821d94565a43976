/* SPDX-License-Identifier: MIT */
/**
 * @file safetensors.h  Opens one safetensors file: checks the header, reads or decompresses the
 * data.
 *
 * A file is 8 bytes of header length (little endian), a JSON header and the data. After opening,
 * the following holds for every tensor: the dtype is known, shape x element size equals the extent,
 * the extent is inside the data, extents neither overlap nor leave gaps, and, in a cg_safetensors,
 * the address is a multiple of the element size. Values are not checked.
 */
#ifndef CG_MODEL_SAFETENSORS_H
#define CG_MODEL_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include <confgen/status.h>

#include "base/file.h"

/** The format allows headers of 100 MB; 4 MB suffice for 30,000 tensors, four times our largest
 * model. */
#define CG_ST_MAX_HEADER ((size_t)4 << 20)

enum { CG_ST_MAX_DIMS = 8 };

/** Element types of the format; weights have one of the first three. */
enum {
    CG_ST_F32 = 0,  /* = CG_F32 */
    CG_ST_BF16 = 1, /* = CG_BF16 */
    CG_ST_F16 = 2,  /* = CG_F16 */
    CG_ST_OTHER = 3,
};

typedef struct cg_st_tensor {
    char *name; /* owned by the table */
    int32_t dtype;
    const char *dtype_name; /* as in the file; static */
    int32_t n_dims;         /* 0: a scalar */
    int64_t shape[CG_ST_MAX_DIMS];
    size_t begin, end; /* extent in bytes, from the start of the data */
} cg_st_tensor;

/** The tensors of a header, by ascending extent. */
typedef struct cg_st_table {
    cg_st_tensor *tensors;
    size_t n;
    size_t data_start; /* offset of the data in the file */
} cg_st_table;

/**
 * Parses and checks a header.
 *
 * @param name      of the file, for messages
 * @param bytes     start of the file: at least header length + 8 bytes, or the whole file
 * @param n_bytes   length of `bytes`
 * @param file_len  length of the whole file, >= n_bytes
 * @param ret       owned by the caller: cg_st_table_finish()
 * @return CG_OK; CG_ERR_FORMAT; CG_ERR_LIMIT; CG_ERR_NOMEM. On failure *ret is unchanged.
 */
cg_status cg_st_table_parse(const char *name, const uint8_t *bytes, size_t n_bytes, size_t file_len,
                            cg_st_table *ret, cg_error *err);

/** Frees the memory of a table. Accepts an empty (zeroed) one. */
void cg_st_table_finish(cg_st_table *table);

enum { CG_ST_SHAPE_TEXT = 120 };

/** Writes a shape for messages, e.g. "[3, 64]", to ret_text, which is returned. */
const char *cg_st_shape_text(int32_t n_dims, const int64_t *shape, char ret_text[CG_ST_SHAPE_TEXT]);

/** An open file, immutable. */
typedef struct cg_safetensors {
    cg_st_table table;
    const uint8_t *data; /* bytes [0, data_len) */
    size_t data_len;
    cg_bytes file;    /* owns the data unless they are misaligned there */
    cg_bytes aligned; /* owns the copy in that case */
} cg_safetensors;

/**
 * Reads a plain file or, if the path ends in ".zst", a zstd-compressed one into memory. The file is
 * not mapped: it may change or shrink later.
 *
 * @param max_bytes  bound of the size, also after decompression
 * @return as cg_st_table_parse, and CG_ERR_IO
 */
cg_status cg_safetensors_open(const char *path, size_t max_bytes, cg_safetensors **ret,
                              cg_error *err);
void cg_safetensors_close(cg_safetensors *st); /* accepts NULL */

#endif
