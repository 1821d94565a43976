/* SPDX-License-Identifier: MIT */
/* Files of results, for applications: confgen/results.h. */
#include <confgen/results.h>

#include <stdlib.h>

#include "base/error.h"
#include "io/reader.h"
#include "io/record.h"

struct cg_results {
    cg_reader *reader;
    cg_buf text, name; /* of the last call */
};

cg_status cg_results_open(const char *path, cg_results **ret_results, cg_error *err)
{
    cg_results *r = calloc(1, sizeof *r);
    cg_status status;

    if (!r)
        return cg_fail(err, CG_ERR_NOMEM, "'%s': out of memory", path);
    status = cg_reader_open(path, &r->reader, err);
    if (status != CG_OK) {
        cg_results_close(r);
        return status;
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
    cg_status status;

    if (i < 0 || i >= n)
        return cg_fail(err, CG_ERR_USAGE, "frame %lld: there are %lld, counted from 0",
                       (long long)i, (long long)n);
    cg_buf_clear(&r->text);
    status = cg_reader_read(r->reader, (size_t)i, 0, &r->text, err);
    if (status == CG_OK)
        status = cg_buf_check(&r->text, "frame", err);
    return status;
}

cg_status cg_results_get(cg_results *r, int64_t i, cg_results_frame *ret_frame, cg_error *err)
{
    cg_status status = read_frame(r, i, err);
    const cg_container_frame *frame;
    cg_record_format format;

    if (status != CG_OK)
        return status;
    cg_buf_clear(&r->name);
    format = cg_record_detect(cg_buf_text(&r->text), r->text.len);
    cg_record_name(format, cg_buf_text(&r->text), r->text.len, &r->name);
    if ((status = cg_buf_check(&r->name, "name of a frame", err)) != CG_OK)
        return status;
    frame = cg_reader_frame(r->reader, (size_t)i);
    *ret_frame = (cg_results_frame) {
        .struct_size = sizeof *ret_frame,
        .records = cg_record_count(format, cg_buf_text(&r->text), r->text.len),
        .offset = frame->offset,
        .compressed = frame->size,
        .plain = r->text.len,
        .name = cg_buf_text(&r->name),
    };
    return CG_OK;
}

cg_status cg_results_read(cg_results *r, int64_t i, const char **ret_bytes, size_t *ret_len,
                          cg_error *err)
{
    cg_status status = read_frame(r, i, err);

    if (status != CG_OK)
        return status;
    *ret_bytes = cg_buf_text(&r->text);
    *ret_len = r->text.len;
    return CG_OK;
}

cg_status cg_results_find(cg_results *r, const char *name, int64_t *ret_i, cg_error *err)
{
    size_t i;
    cg_status status = cg_reader_find(r->reader, name, &i, err);

    if (status == CG_OK)
        *ret_i = (int64_t)i;
    return status;
}
