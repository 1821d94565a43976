/* SPDX-License-Identifier: MIT */
#include "reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "io/reader_internal.h"
#include "io/record.h"

static const struct cg_reader_backend *backend(const cg_reader *r)
{
    static const struct cg_reader_backend *const backends[] = {
        [CG_CONTAINER_PLAIN] = &cg_reader_plain,
        [CG_CONTAINER_GZ] = &cg_reader_gzip,
        [CG_CONTAINER_ZST] = &cg_reader_zstd,
    };

    return backends[r->format];
}

static cg_status list_frames(cg_reader *r, cg_error *err)
{
    unsigned char magic[4];
    size_t n;

    CG_TRY(cg_reader_read_at(r, 0, magic, sizeof magic, &n, err));
    r->format = cg_container_format_detect(magic, n);
    CG_TRY(backend(r)->list(r, err));
    if (!r->n_frames && r->note.code != CG_OK)
        return cg_fail(err, CG_ERR_FORMAT,
                       "%s, wanted conformers as confgen writes them; no molecule can be read",
                       r->note.msg);
    return CG_OK;
}

static cg_reader *new_reader(const char *name)
{
    cg_reader *r = calloc(1, sizeof *r);

    if (!r)
        return NULL;
    r->fd = -1;
    r->note = (cg_error)CG_ERROR_INIT;
    r->name = strdup(name);
    if (!r->name) {
        cg_reader_close(r);
        return NULL;
    }
    return r;
}

cg_status cg_reader_open(const char *path, cg_reader **ret_reader, cg_error *err)
{
    cg_reader *r = new_reader(path);
    struct stat sb;
    cg_status st = CG_OK;

    if (!r)
        return cg_fail_nomem(err, path);
    /* O_NONBLOCK: a pipe without a writer is refused below instead of blocking. */
    r->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (r->fd < 0 || fstat(r->fd, &sb))
        st = cg_fail(err, CG_ERR_IO, "'%s': cannot open: %s", path, strerror(errno));
    else if (!S_ISREG(sb.st_mode))
        st = cg_fail(err, CG_ERR_IO, "'%s' is a %s, wanted a file", path,
                     S_ISDIR(sb.st_mode) ? "directory" : "pipe or device");
    if (st != CG_OK)
        goto out;
    r->size = (uint64_t)sb.st_size;
    CG_TRY_GOTO(st, list_frames(r, err), out);
    *ret_reader = r;
    r = NULL;
out:
    cg_reader_close(r);
    return st;
}

cg_status cg_reader_open_memory(const char *name, const void *bytes, size_t len,
                                cg_reader **ret_reader, cg_error *err)
{
    cg_reader *r = new_reader(name);
    cg_status st;

    if (!r)
        return cg_fail_nomem(err, name);
    r->mem = bytes;
    r->size = len;
    CG_TRY_GOTO(st, list_frames(r, err), out);
    *ret_reader = r;
    r = NULL;
out:
    cg_reader_close(r);
    return st;
}

void cg_reader_close(cg_reader *r)
{
    if (!r)
        return;
    if (r->fd >= 0)
        close(r->fd);
    cg_buf_finish(&r->scratch);
    free(r->frames);
    free(r->name);
    free(r);
}

cg_container_format cg_reader_format(const cg_reader *r)
{
    return r->format;
}

int cg_reader_has_table(const cg_reader *r)
{
    return r->has_table;
}

const char *cg_reader_note(const cg_reader *r)
{
    return r->note.msg;
}

size_t cg_reader_count(const cg_reader *r)
{
    return r->n_frames;
}

const cg_container_frame *cg_reader_frame(const cg_reader *r, size_t i)
{
    return &r->frames[i];
}

cg_status cg_reader_read(cg_reader *r, size_t i, size_t max, cg_buf *out, cg_error *err)
{
    CG_TRY(backend(r)->read(r, i, max, out, err));
    return cg_buf_check(out, r->name, err);
}

cg_status cg_reader_name(cg_reader *r, size_t i, cg_buf *out, cg_error *err)
{
    cg_buf *head = &r->scratch;

    cg_buf_clear(head);
    CG_TRY(cg_reader_read(r, i, CG_READER_HEAD, head, err));
    if (head->len)
        cg_record_name(cg_record_detect(head->data, head->len), head->data, head->len, out);
    return cg_buf_check(out, r->name, err);
}

cg_status cg_reader_continues(cg_reader *r, size_t i, int *ret_continues, cg_error *err)
{
    cg_buf before = { 0 }, name = { 0 };
    uint64_t size = i ? r->frames[i - 1].content_size : 0;
    cg_status st = CG_OK;

    *ret_continues = 0;
    if (size < CG_FRAME_FULL_CONTENT || size == CG_FRAME_CONTENT_UNKNOWN)
        return CG_OK;
    st = cg_reader_name(r, i - 1, &before, err);
    if (st == CG_ERR_FORMAT) /* a damaged frame is not continued */
        st = CG_OK;
    if (st != CG_OK || !before.len)
        goto out;
    CG_TRY_GOTO(st, cg_reader_name(r, i, &name, err), out);
    *ret_continues = !strcmp(cg_buf_text(&before), cg_buf_text(&name));
out:
    cg_buf_finish(&before);
    cg_buf_finish(&name);
    return st;
}

cg_status cg_reader_find(cg_reader *r, const char *name, size_t from, size_t *ret_i, cg_error *err)
{
    cg_buf found = { 0 };
    cg_status st = CG_OK;

    for (size_t i = from; i < r->n_frames; i++) {
        cg_buf_clear(&found);
        CG_TRY_GOTO(st, cg_reader_name(r, i, &found, err), out);
        if (!strcmp(cg_buf_text(&found), name)) {
            *ret_i = i;
            goto out;
        }
    }
    st = cg_fail(err, CG_ERR_INPUT, "'%s' has no molecule '%s' among its %zu", r->name, name,
                 r->n_frames);
out:
    cg_buf_finish(&found);
    return st;
}
