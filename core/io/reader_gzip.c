/* SPDX-License-Identifier: MIT */
#include "reader_internal.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/error.h"

enum { CHUNK = 1 << 16 };

/* Decompressor of one gzip member. */
struct gzip_member {
    z_stream z;
    int z_live;        /* z is initialised */
    unsigned char *in; /* [CHUNK] */
    uint64_t next;     /* file offset to read next */
    uint64_t n_out;    /* bytes decompressed */
    int ended;
};

static cg_status member_init(struct gzip_member *m, const cg_reader *r, uint64_t offset,
                             cg_error *err)
{
    memset(m, 0, sizeof *m);
    m->in = malloc(CHUNK);
    if (!m->in || inflateInit2(&m->z, 15 + 16) != Z_OK)
        return cg_fail_nomem(err, r->name);
    m->z_live = 1;
    m->next = offset;
    return CG_OK;
}

static void member_finish(struct gzip_member *m)
{
    if (m->z_live)
        inflateEnd(&m->z);
    free(m->in);
}

/* File offset after the bytes consumed. */
static uint64_t member_offset(const struct gzip_member *m)
{
    return m->next - m->z.avail_in;
}

/*
 * Decompresses 1 to cap bytes. *ret_n = 0 only at the end of the member (m->ended) or if the data
 * are bad: then *ret_defect is a phrase, else NULL.
 */
static cg_status member_read(struct gzip_member *m, const cg_reader *r, void *out, size_t cap,
                             size_t *ret_n, const char **ret_defect, cg_error *err)
{
    *ret_defect = NULL;
    *ret_n = 0;
    while (!*ret_n && !m->ended) {
        int rc;

        if (!m->z.avail_in) {
            size_t n;

            CG_TRY(cg_reader_read_at(r, m->next, m->in, CHUNK, &n, err));
            if (!n) {
                *ret_defect = "cut off";
                return CG_OK;
            }
            m->next += n;
            m->z.next_in = m->in;
            m->z.avail_in = (uInt)n;
        }
        m->z.next_out = out;
        m->z.avail_out = (uInt)cap;
        rc = inflate(&m->z, Z_NO_FLUSH);
        *ret_n = cap - m->z.avail_out;
        m->n_out += *ret_n;
        if (rc == Z_STREAM_END) {
            m->ended = 1;
        } else if (rc == Z_MEM_ERROR) {
            return cg_fail_nomem(err, r->name);
        } else if (rc != Z_OK && rc != Z_BUF_ERROR) {
            *ret_n = 0;
            *ret_defect = m->z.msg ? m->z.msg : "damaged";
            return CG_OK;
        }
    }
    return CG_OK;
}

/* Lists the gzip members by decompressing them; a defect ends the list with a note. */
static cg_status list_members(cg_reader *r, cg_error *err)
{
    unsigned char *scratch = malloc(CHUNK);
    struct gzip_member m = { 0 };
    cg_status st = CG_OK;

    if (!scratch)
        return cg_fail_nomem(err, r->name);
    for (uint64_t offset = 0; offset < r->size; offset = member_offset(&m)) {
        const char *defect = NULL;

        member_finish(&m);
        CG_TRY_GOTO(st, member_init(&m, r, offset, err), out);
        while (!m.ended && !defect) {
            size_t n;

            CG_TRY_GOTO(st, member_read(&m, r, scratch, CHUNK, &n, &defect, err), out);
            if (m.n_out > CG_FRAME_MAX_CONTENT)
                defect = "more uncompressed bytes than a frame may have";
        }
        if (defect) {
            cg_fail(&r->note, CG_ERR_FORMAT,
                    "'%s': the last %llu bytes, from offset %llu, are not a complete gzip member: "
                    "%s",
                    r->name, (unsigned long long)(r->size - offset), (unsigned long long)offset,
                    defect);
            goto out;
        }
        /* A finished file without molecules is one empty member. */
        if (m.n_out)
            CG_TRY_GOTO(
                st, cg_reader_add_frame(r, offset, member_offset(&m) - offset, m.n_out, err), out);
    }
out:
    member_finish(&m);
    free(scratch);
    return st;
}

/* Appends the first `max` decompressed bytes of member i (0: all of them) to `out`. */
static cg_status read_member(cg_reader *r, size_t i, size_t max, cg_buf *out, cg_error *err)
{
    const cg_container_frame *f = &r->frames[i];
    uint64_t limit = max && max < f->content_size ? max : f->content_size;
    struct gzip_member m = { 0 };
    cg_status st;

    CG_TRY_GOTO(st, member_init(&m, r, f->offset, err), out);
    while (m.n_out < limit) {
        size_t want = limit - m.n_out < CHUNK ? (size_t)(limit - m.n_out) : CHUNK;
        const char *defect;
        size_t n;

        if (cg_buf_reserve(out, want)) {
            st = cg_fail_nomem(err, r->name);
            goto out;
        }
        CG_TRY_GOTO(st, member_read(&m, r, out->data + out->len, want, &n, &defect, err), out);
        if (!n) {
            st = cg_fail(err, CG_ERR_FORMAT,
                         "'%s': gzip member %zu (counted from 0) at offset %llu: %s after %llu of "
                         "%llu bytes; did the file change while it was read?",
                         r->name, i, (unsigned long long)f->offset, defect ? defect : "ends",
                         (unsigned long long)m.n_out, (unsigned long long)f->content_size);
            goto out;
        }
        out->len += n;
    }
out:
    member_finish(&m);
    if (out->data)
        out->data[out->len] = '\0';
    return st;
}

const struct cg_reader_backend cg_reader_gzip = { list_members, read_member };
