/* SPDX-License-Identifier: MIT */
/* Reading output files, for applications: confgen/results.h. */
#include <confgen/results.h>

#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/sized_struct.h"
#include "io/reader.h"
#include "io/record.h"

struct cg_results {
    cg_reader *reader;
    cg_buf text, name; /* of the last call */
};

cg_status cg_results_open(const char *path, cg_results **ret_results, cg_error *err)
{
    cg_results *r = calloc(1, sizeof *r);
    cg_status st;

    if (!r)
        return cg_fail(err, CG_ERR_NOMEM, "'%s': out of memory", path);
    st = cg_reader_open(path, &r->reader, err);
    if (st != CG_OK) {
        cg_results_close(r);
        return st;
    }
    *ret_results = r;
    return CG_OK;
}

void cg_results_close(cg_results *r)
{
    if (!r)
        return;
    cg_reader_close(r->reader);
    cg_buf_finish(&r->text);
    cg_buf_finish(&r->name);
    free(r);
}

const char *cg_results_container(const cg_results *r)
{
    return cg_container_format_name(cg_reader_format(r->reader));
}

int32_t cg_results_has_table(const cg_results *r)
{
    return cg_reader_has_table(r->reader);
}

const char *cg_results_note(const cg_results *r)
{
    return cg_reader_note(r->reader);
}

int64_t cg_results_count(const cg_results *r)
{
    return (int64_t)cg_reader_count(r->reader);
}

static cg_status read_frame(cg_results *r, int64_t i, cg_error *err)
{
    int64_t n = cg_results_count(r);

    if (i < 0 || i >= n)
        return cg_fail(err, CG_ERR_USAGE,
                       "frame %" PRId64 ": there are %" PRId64 ", counted from 0", i, n);
    cg_buf_clear(&r->text);
    CG_TRY(cg_reader_read(r->reader, (size_t)i, 0, &r->text, err));
    return cg_buf_check(&r->text, "frame", err);
}

cg_status cg_results_get(cg_results *r, int64_t i, cg_results_frame *ret_frame, cg_error *err)
{
    cg_results_frame described = { CG_SIZED(cg_results_frame) };
    const cg_container_frame *frame;
    cg_record_format format;
    const char *text;
    size_t len;
    int continues;

    CG_TRY(cg_sized_struct_check(ret_frame, "cg_results_frame", err));
    CG_TRY(read_frame(r, i, err));
    CG_TRY(cg_reader_continues(r->reader, (size_t)i, &continues, err));
    text = cg_buf_text(&r->text);
    len = r->text.len;
    format = cg_record_detect(text, len);
    cg_buf_clear(&r->name);
    cg_record_name(format, text, len, &r->name);
    CG_TRY(cg_buf_check(&r->name, "name of a frame", err));
    frame = cg_reader_frame(r->reader, (size_t)i);
    described.continues = (uint32_t)continues;
    described.records = cg_record_count(format, text, len);
    described.offset = frame->offset;
    described.compressed = frame->size;
    described.plain = len;
    described.name = cg_buf_text(&r->name);
    cg_fill_struct(ret_frame, &described);
    return CG_OK;
}

cg_status cg_results_read(cg_results *r, int64_t i, const char **ret_bytes, size_t *ret_len,
                          cg_error *err)
{
    CG_TRY(read_frame(r, i, err));
    *ret_bytes = cg_buf_text(&r->text);
    *ret_len = r->text.len;
    return CG_OK;
}

cg_status cg_results_find(cg_results *r, const char *name, int64_t from, int64_t *ret_i,
                          cg_error *err)
{
    size_t i;

    CG_TRY(cg_reader_find(r->reader, name, from > 0 ? (size_t)from : 0, &i, err));
    *ret_i = (int64_t)i;
    return CG_OK;
}
