/* SPDX-License-Identifier: MIT */
#include "reader_internal.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/error.h"

enum { CHUNK = 1 << 16 };

/* Decompression of one member. */
struct member {
    z_stream z;
    int live;
    unsigned char *in; /* [CHUNK] */
    uint64_t next;     /* offset of the bytes to read next */
    uint64_t made;
    int ended;
};

static cg_status member_begin(struct member *m, const cg_reader *r, uint64_t offset, cg_error *err)
{
    memset(m, 0, sizeof *m);
    m->in = malloc(CHUNK);
    if (!m->in || inflateInit2(&m->z, 15 + 16) != Z_OK)
        return cg_fail_nomem(err, r->name);
    m->live = 1;
    m->next = offset;
    return CG_OK;
}

static void member_end(struct member *m)
{
    if (m->live)
        inflateEnd(&m->z);
    free(m->in);
}

/* Offset behind what has been used. */
static uint64_t member_offset(const struct member *m)
{
    return m->next - m->z.avail_in;
}

/* Up to cap bytes (>= 1); *ret_n = 0 with m->ended, or with a sentence in `why`. */
static cg_status member_read(struct member *m, const cg_reader *r, void *out, size_t cap,
                             size_t *ret_n, const char **why, cg_error *err)
{
    *why = NULL;
    *ret_n = 0;
    while (!*ret_n && !m->ended) {
        int rc;

        if (!m->z.avail_in) {
            size_t n;
            cg_status st = cg_reader_read_at(r, m->next, m->in, CHUNK, &n, err);

            if (st != CG_OK)
                return st;
            if (!n) {
                *why = "cut off";
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
        m->made += *ret_n;
        if (rc == Z_STREAM_END) {
            m->ended = 1;
        } else if (rc == Z_MEM_ERROR) {
            return cg_fail_nomem(err, r->name);
        } else if (rc != Z_OK && rc != Z_BUF_ERROR) {
            *ret_n = 0;
            *why = m->z.msg ? m->z.msg : "damaged";
            return CG_OK;
        }
    }
    return CG_OK;
}

cg_status cg_reader_list_gzip(cg_reader *r, cg_error *err)
{
    unsigned char *scratch = malloc(CHUNK);
    struct member m = { 0 };
    cg_status st = CG_OK;

    if (!scratch)
        return cg_fail_nomem(err, r->name);
    for (uint64_t offset = 0; offset < r->size; offset = member_offset(&m)) {
        const char *why = NULL;

        member_end(&m);
        if ((st = member_begin(&m, r, offset, err)) != CG_OK)
            goto out;
        while (!m.ended && !why) {
            size_t n;

            if ((st = member_read(&m, r, scratch, CHUNK, &n, &why, err)) != CG_OK)
                goto out;
            if (m.made > CG_FRAME_MAX_CONTENT)
                why = "more uncompressed bytes than a molecule may have";
        }
        if (why) {
            cg_fail(&r->note, CG_ERR_FORMAT,
                    "'%s': the %llu bytes from offset %llu on are no complete gzip member: %s",
                    r->name, (unsigned long long)(r->size - offset), (unsigned long long)offset,
                    why);
            goto out;
        }
        /* A finished file without molecules is one empty member. */
        if (m.made &&
            (st = cg_reader_add_frame(r, offset, member_offset(&m) - offset, m.made, err)) != CG_OK)
            goto out;
    }
out:
    member_end(&m);
    free(scratch);
    return st;
}

cg_status cg_reader_read_gzip(cg_reader *r, size_t i, size_t max, cg_buf *out, cg_error *err)
{
    const cg_container_frame *f = &r->frames[i];
    uint64_t limit = max && max < f->content_size ? max : f->content_size;
    struct member m = { 0 };
    cg_status st = member_begin(&m, r, f->offset, err);

    while (st == CG_OK && m.made < limit) {
        size_t want = limit - m.made < CHUNK ? (size_t)(limit - m.made) : CHUNK;
        const char *why;
        size_t n;

        if (cg_buf_reserve(out, want)) {
            st = cg_fail_nomem(err, r->name);
            break;
        }
        st = member_read(&m, r, out->data + out->len, want, &n, &why, err);
        if (st == CG_OK && !n)
            st = cg_fail(err, CG_ERR_FORMAT, "'%s': frame %zu at offset %llu: %s", r->name, i,
                         (unsigned long long)f->offset, why ? why : "shorter than before");
        if (st == CG_OK)
            out->len += n;
    }
    member_end(&m);
    if (out->data)
        out->data[out->len] = '\0';
    return st;
}
