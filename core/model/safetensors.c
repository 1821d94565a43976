/* SPDX-License-Identifier: MIT */
#include "model/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include <confgen/tensor.h>

#include "base/error.h"
#include "base/json.h"
#include "base/size.h"
#include "base/text.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "safetensors data are used in place");
_Static_assert((int)CG_ST_F32 == (int)CG_F32 && (int)CG_ST_BF16 == (int)CG_BF16 &&
                   (int)CG_ST_F16 == (int)CG_F16,
               "weights keep their dtype number");

enum { LENGTH_BYTES = 8 }; /* of the header length before the header */

static const struct {
    const char *name;
    int32_t dtype;
    uint32_t size;
} dtypes[] = {
    { "F32", CG_ST_F32, 4 },    { "BF16", CG_ST_BF16, 2 },     { "F16", CG_ST_F16, 2 },
    { "BOOL", CG_ST_OTHER, 1 }, { "U8", CG_ST_OTHER, 1 },      { "I8", CG_ST_OTHER, 1 },
    { "U16", CG_ST_OTHER, 2 },  { "I16", CG_ST_OTHER, 2 },     { "U32", CG_ST_OTHER, 4 },
    { "I32", CG_ST_OTHER, 4 },  { "U64", CG_ST_OTHER, 8 },     { "I64", CG_ST_OTHER, 8 },
    { "F64", CG_ST_OTHER, 8 },  { "F8_E4M3", CG_ST_OTHER, 1 }, { "F8_E5M2", CG_ST_OTHER, 1 },
};

/* Returns a non-negative integer of a list, -1 for anything else. */
static int64_t list_item(const json_t *list, size_t i)
{
    const json_t *v = json_array_get(list, i);

    return json_is_integer(v) && json_integer_value(v) >= 0 ? json_integer_value(v) : -1;
}

/* Reads the shape; *ret_elems is the number of elements. */
static cg_status read_shape(const cg_json *o, cg_st_tensor *t, size_t *ret_elems, cg_error *err)
{
    const json_t *shape = cg_json_member(o, "shape");
    size_t n = json_array_size(shape), elems = 1;

    if (!json_is_array(shape) || n > CG_ST_MAX_DIMS)
        return cg_json_fail_wanted(o, "shape", "a list of at most 8 sizes", err);
    for (size_t i = 0; i < n; i++) {
        t->shape[i] = list_item(shape, i);
        if (t->shape[i] < 0 || cg_mul(elems, (size_t)t->shape[i], &elems))
            return cg_fail(err, CG_ERR_FORMAT,
                           "%s: %s.shape: size %zu is negative, not an integer, or too large",
                           o->file, o->path, i + 1);
    }
    t->n_dims = (int32_t)n;
    *ret_elems = elems;
    return CG_OK;
}

static cg_status read_tensor(const cg_json *o, size_t data_len, cg_st_tensor *t, cg_error *err)
{
    const json_t *offsets = cg_json_member(o, "data_offsets");
    const char *dtype = NULL;
    size_t elems = 0, want = 0, d = 0;
    int64_t begin, end;

    CG_TRY(cg_json_string(o, "dtype", CG_JSON_REQUIRED, &dtype, err));
    while (d < sizeof dtypes / sizeof *dtypes && strcmp(dtype, dtypes[d].name))
        d++;
    if (d == sizeof dtypes / sizeof *dtypes)
        return cg_json_fail_wanted(o, "dtype", "BF16, F16, F32 or another dtype of the format",
                                   err);
    t->dtype = dtypes[d].dtype;
    t->dtype_name = dtypes[d].name;
    CG_TRY(read_shape(o, t, &elems, err));

    begin = list_item(offsets, 0);
    end = list_item(offsets, 1);
    if (json_array_size(offsets) != 2 || begin < 0 || end < begin)
        return cg_json_fail_wanted(o, "data_offsets", "two offsets, the second not smaller", err);
    if ((uint64_t)end > data_len)
        return cg_fail(err, CG_ERR_FORMAT,
                       "%s: %s.data_offsets: ends at byte %jd of the data, the file has %zu",
                       o->file, o->path, (intmax_t)end, data_len);
    if (cg_mul(elems, dtypes[d].size, &want) || want != (size_t)(end - begin))
        return cg_fail(err, CG_ERR_FORMAT,
                       "%s: %s.data_offsets: %jd bytes, wanted %zu elements of %s", o->file,
                       o->path, (intmax_t)(end - begin), elems, dtype);
    if ((size_t)begin % dtypes[d].size)
        return cg_fail(err, CG_ERR_FORMAT,
                       "%s: %s.data_offsets: begins at byte %jd, wanted a multiple of %u", o->file,
                       o->path, (intmax_t)begin, dtypes[d].size);
    t->begin = (size_t)begin;
    t->end = (size_t)end;
    return CG_OK;
}

static int by_extent(const void *pa, const void *pb)
{
    const cg_st_tensor *a = pa, *b = pb;

    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    return a->end < b->end ? -1 : a->end > b->end;
}

/* Checks that the sorted extents are contiguous from 0 to data_len. */
static cg_status check_extents(const char *name, const cg_st_table *t, size_t data_len,
                               cg_error *err)
{
    size_t pos = 0;

    for (size_t i = 0; i < t->n; i++) {
        const cg_st_tensor *x = &t->tensors[i];

        if (x->begin < pos)
            return cg_fail(err, CG_ERR_FORMAT,
                           "%s: tensors %.80s and %.80s overlap at byte %zu of the data", name,
                           t->tensors[i - 1].name, x->name, x->begin);
        if (x->begin > pos)
            return cg_fail(err, CG_ERR_FORMAT,
                           "%s: bytes %zu to %zu of the data belong to no tensor", name, pos,
                           x->begin);
        pos = x->end;
    }
    if (pos != data_len)
        return cg_fail(err, CG_ERR_FORMAT,
                       "%s: the tensors end at byte %zu of the data, the file has %zu", name, pos,
                       data_len);
    return CG_OK;
}

static cg_status read_table(const char *name, const json_t *root, size_t data_len, cg_st_table *t,
                            cg_error *err)
{
    const char *key;
    json_t *value;

    t->tensors = calloc(json_object_size(root) + 1, sizeof *t->tensors);
    if (!t->tensors)
        return cg_fail_nomem(err, name);
    json_object_foreach((json_t *)(uintptr_t)root, key, value)
    {
        char path[128], found[80];
        cg_st_tensor *x = &t->tensors[t->n];

        if (!strcmp(key, "__metadata__"))
            continue;
        snprintf(path, sizeof path, "%.100s", key);
        if (!json_is_object(value)) {
            cg_json_describe(value, found, sizeof found);
            return cg_fail(err, CG_ERR_FORMAT,
                           "%s: header entry of tensor '%s': found %s, wanted an object with "
                           "dtype, shape and data_offsets",
                           name, path, found);
        }
        x->name = strdup(key);
        if (!x->name)
            return cg_fail_nomem(err, name);
        t->n++;
        CG_TRY(read_tensor(&(cg_json) { name, path, value }, data_len, x, err));
    }
    qsort(t->tensors, t->n, sizeof *t->tensors, by_extent);
    return check_extents(name, t, data_len, err);
}

cg_status cg_st_table_parse(const char *name, const uint8_t *bytes, size_t n_bytes, size_t file_len,
                            cg_st_table *ret, cg_error *err)
{
    cg_st_table t = { 0 };
    json_t *root = NULL;
    uint64_t header = 0;
    cg_status st;

    if (n_bytes < LENGTH_BYTES)
        return cg_fail(err, CG_ERR_FORMAT,
                       "%s: %zu bytes, wanted a safetensors file of at least %d", name, n_bytes,
                       LENGTH_BYTES);
    memcpy(&header, bytes, LENGTH_BYTES);
    if (header > CG_ST_MAX_HEADER)
        return cg_fail(err, CG_ERR_LIMIT,
                       "%s: declares a header of %ju bytes, wanted at most %zu (is it a "
                       "safetensors file?)",
                       name, (uintmax_t)header, CG_ST_MAX_HEADER);
    if (header > n_bytes - LENGTH_BYTES)
        return cg_fail(err, CG_ERR_FORMAT,
                       "%s: declares a header of %ju bytes, the file has %zu after the length",
                       name, (uintmax_t)header, n_bytes - LENGTH_BYTES);
    t.data_start = LENGTH_BYTES + (size_t)header;
    CG_TRY(cg_json_parse(name, bytes + LENGTH_BYTES, (size_t)header, &root, err));
    st = read_table(name, root, file_len - t.data_start, &t, err);
    json_decref(root);
    if (st != CG_OK) {
        cg_st_table_finish(&t);
        return st;
    }
    *ret = t;
    return CG_OK;
}

void cg_st_table_finish(cg_st_table *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->tensors[i].name);
    free(t->tensors);
    memset(t, 0, sizeof *t);
}

const char *cg_st_shape_text(int32_t n_dims, const int64_t *shape, char ret_text[CG_ST_SHAPE_TEXT])
{
    size_t n = (size_t)snprintf(ret_text, CG_ST_SHAPE_TEXT, "[");

    for (int32_t i = 0; i < n_dims && n < CG_ST_SHAPE_TEXT; i++)
        n += (size_t)snprintf(ret_text + n, CG_ST_SHAPE_TEXT - n, "%s%jd", i ? ", " : "",
                              (intmax_t)shape[i]);
    if (n < CG_ST_SHAPE_TEXT)
        snprintf(ret_text + n, CG_ST_SHAPE_TEXT - n, "]");
    return ret_text;
}

/* ---- files ------------------------------------------------------------------------------ */

/* Reads a file of at most max_bytes; NAME.zst has at most max_bytes after decompression. */
static cg_status read_or_unpack(const char *path, size_t max_bytes, cg_bytes *ret, cg_error *err)
{
    cg_bytes packed = { 0 };
    cg_status st;

    if (!cg_text_ends_with(path, ".zst"))
        return cg_file_read(path, max_bytes, ret, err);
    CG_TRY(cg_file_read(path, max_bytes, &packed, err));
    st = cg_zstd_unpack(path, packed.data, packed.len, max_bytes, ret, err);
    cg_bytes_release(&packed);
    return st;
}

cg_status cg_safetensors_open(const char *path, size_t max_bytes, cg_safetensors **ret,
                              cg_error *err)
{
    cg_safetensors *s = calloc(1, sizeof *s);
    cg_status st;

    if (!s)
        return cg_fail_nomem(err, path);
    CG_TRY_GOTO(st, read_or_unpack(path, max_bytes, &s->file, err), out);
    CG_TRY_GOTO(st, cg_st_table_parse(path, s->file.data, s->file.len, s->file.len, &s->table, err),
                out);
    s->data = s->file.data + s->table.data_start;
    s->data_len = s->file.len - s->table.data_start;
    if (s->table.data_start % 8 && s->data_len) {
        /* Writers before safetensors 0.3 did not pad the header. The data cannot be read in place
         * and are copied to aligned memory. */
        s->aligned.heap = cg_alloc_array(s->data_len, 1);
        if (!s->aligned.heap) {
            st = cg_fail(err, CG_ERR_NOMEM, "%s: no memory for %zu bytes", path, s->data_len);
            goto out;
        }
        memcpy(s->aligned.heap, s->data, s->data_len);
        s->data = s->aligned.heap;
        cg_bytes_release(&s->file);
    }
    *ret = s;
    s = NULL;
out:
    cg_safetensors_close(s);
    return st;
}

void cg_safetensors_close(cg_safetensors *s)
{
    if (!s)
        return;
    cg_st_table_finish(&s->table);
    cg_bytes_release(&s->file);
    cg_bytes_release(&s->aligned);
    free(s);
}
