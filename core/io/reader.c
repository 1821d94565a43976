/* SPDX-License-Identifier: MIT */
#include "reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/size.h"
#include "io/reader_internal.h"
#include "io/record.h"

cg_status cg_reader_read_at(const cg_reader *r, uint64_t offset, void *out, size_t n, size_t *ret_n,
                            cg_error *err)
{
    size_t done = 0;

    if (offset >= r->size)
        n = 0;
    else if (n > r->size - offset)
        n = (size_t)(r->size - offset);
    if (r->fd < 0) {
        if (n)
            memcpy(out, r->mem + offset, n);
        done = n;
    }
    while (done < n) {
        ssize_t k = pread(r->fd, (char *)out + done, n - done, (off_t)(offset + done));

        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return cg_fail(err, CG_ERR_IO, "'%s': cannot read: %s", r->name, strerror(errno));
        if (k == 0)
            break; /* the file has become shorter */
        done += (size_t)k;
    }
    *ret_n = done;
    return CG_OK;
}

cg_status cg_reader_add_frame(cg_reader *r, uint64_t offset, uint64_t size, uint64_t plain,
                              cg_error *err)
{
    if (cg_grow((void **)&r->frames, &r->frames_cap, r->n_frames + 1, sizeof *r->frames))
        return cg_fail(err, CG_ERR_NOMEM, "'%s': out of memory for %zu frames", r->name,
                       r->n_frames);
    r->frames[r->n_frames++] = (cg_container_frame) { offset, size, plain };
    return CG_OK;
}

static cg_status list_frames(cg_reader *r, cg_error *err)
{
    unsigned char magic[4] = { 0 };
    uint32_t number;
    size_t n;
    cg_status st = cg_reader_read_at(r, 0, magic, sizeof magic, &n, err);

    if (st != CG_OK)
        return st;
    number = (uint32_t)magic[0] | (uint32_t)magic[1] << 8 | (uint32_t)magic[2] << 16 |
             (uint32_t)magic[3] << 24;
    if (number == 0xFD2FB528u || (number & 0xFFFFFFF0u) == 0x184D2A50u)
        r->format = CG_CONTAINER_ZST;
    else if (magic[0] == 0x1f && magic[1] == 0x8b)
        r->format = CG_CONTAINER_GZ;
    switch (r->format) {
    case CG_CONTAINER_ZST:
        st = cg_reader_list_zstd(r, err);
        break;
    case CG_CONTAINER_GZ:
        st = cg_reader_list_gzip(r, err);
        break;
    case CG_CONTAINER_PLAIN:
        st = cg_reader_list_plain(r, err);
        break;
    }
    if (st == CG_OK && !r->n_frames && r->note.code != CG_OK)
        st = cg_fail(err, CG_ERR_FORMAT, "%s; no molecule can be read", r->note.msg);
    return st;
}

static cg_status finish_open(cg_reader *r, cg_reader **ret, cg_error *err)
{
    cg_status st = list_frames(r, err);

    if (st != CG_OK) {
        cg_reader_close(r);
        return st;
    }
    *ret = r;
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

cg_status cg_reader_open(const char *path, cg_reader **ret, cg_error *err)
{
    cg_reader *r = new_reader(path);
    struct stat sb;
    cg_status st;

    if (!r)
        return cg_fail_nomem(err, path);
    /* O_NONBLOCK: a pipe without a writer is refused below, not waited for. */
    r->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (r->fd < 0 || fstat(r->fd, &sb))
        st = cg_fail(err, CG_ERR_IO, "'%s': cannot open: %s", path, strerror(errno));
    else if (!S_ISREG(sb.st_mode))
        st = cg_fail(err, CG_ERR_IO, "'%s' is a %s, wanted a file", path,
                     S_ISDIR(sb.st_mode) ? "directory" : "pipe or device");
    else
        st = CG_OK;
    if (st != CG_OK) {
        cg_reader_close(r);
        return st;
    }
    r->size = (uint64_t)sb.st_size;
    return finish_open(r, ret, err);
}

cg_status cg_reader_open_memory(const char *name, const void *bytes, size_t len, cg_reader **ret,
                                cg_error *err)
{
    cg_reader *r = new_reader(name);

    if (!r)
        return cg_fail_nomem(err, name);
    r->mem = bytes;
    r->size = len;
    return finish_open(r, ret, err);
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
    cg_status st = CG_ERR_INTERNAL;

    switch (r->format) {
    case CG_CONTAINER_ZST:
        st = cg_reader_read_zstd(r, i, max, out, err);
        break;
    case CG_CONTAINER_GZ:
        st = cg_reader_read_gzip(r, i, max, out, err);
        break;
    case CG_CONTAINER_PLAIN:
        st = cg_reader_read_plain(r, i, max, out, err);
        break;
    }
    return st == CG_OK ? cg_buf_check(out, r->name, err) : st;
}

cg_status cg_reader_name(cg_reader *r, size_t i, cg_buf *out, cg_error *err)
{
    cg_status st;

    cg_buf_clear(&r->scratch);
    st = cg_reader_read(r, i, CG_READER_HEAD, &r->scratch, err);
    if (st != CG_OK)
        return st;
    if (r->scratch.len)
        cg_record_name(cg_record_detect(r->scratch.data, r->scratch.len), r->scratch.data,
                       r->scratch.len, out);
    return cg_buf_check(out, r->name, err);
}

cg_status cg_reader_find(cg_reader *r, const char *name, size_t *ret_i, cg_error *err)
{
    cg_buf found = { 0 };
    cg_status st = CG_OK;

    for (size_t i = 0; i < r->n_frames; i++) {
        cg_buf_clear(&found);
        if ((st = cg_reader_name(r, i, &found, err)) != CG_OK)
            goto out;
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
