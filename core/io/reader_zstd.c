/* SPDX-License-Identifier: MIT */
#include "reader_internal.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/error.h"

enum { CHUNK = 1 << 16 };

#define ZSTD_MAGIC 0xFD2FB528u

static uint32_t u32_at(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static int is_skippable(uint32_t magic)
{
    return (magic & 0xFFFFFFF0u) == 0x184D2A50u;
}

/* ---- seek table ------------------------------------------------------------------------- */

/* Where the table is, if the last bytes of the file say that there is one. */
struct table {
    uint64_t offset; /* of its skippable frame */
    uint32_t n;
    size_t entry; /* bytes */
};

static cg_status find_table(const cg_reader *r, struct table *ret, int *ret_found, cg_error *err)
{
    unsigned char foot[CG_SEEK_FOOTER_SIZE], head[8];
    uint64_t size;
    size_t n;
    cg_status st;

    *ret_found = 0;
    if (r->size < 8 + CG_SEEK_FOOTER_SIZE)
        return CG_OK;
    st = cg_reader_read_at(r, r->size - sizeof foot, foot, sizeof foot, &n, err);
    if (st != CG_OK)
        return st;
    /* Bits 2 to 6 of the descriptor are reserved and zero; bit 7: entries have a checksum. */
    if (n != sizeof foot || u32_at(foot + 5) != CG_SEEK_FOOTER_MAGIC || (foot[4] & 0x7c))
        return CG_OK;
    ret->n = u32_at(foot);
    ret->entry = foot[4] & 0x80 ? 12 : 8;
    size = (uint64_t)ret->n * ret->entry + CG_SEEK_FOOTER_SIZE;
    if (size > UINT32_MAX || size + 8 > r->size)
        return CG_OK;
    ret->offset = r->size - size - 8;
    st = cg_reader_read_at(r, ret->offset, head, sizeof head, &n, err);
    if (st != CG_OK)
        return st;
    *ret_found =
        n == sizeof head && u32_at(head) == CG_SEEK_SKIPPABLE_MAGIC && u32_at(head + 4) == size;
    return CG_OK;
}

/*
 * List the frames of the table. *ret_right = 0 where the table does not fit the file: frames that
 * do not fill the file up to the table, or an entry that does not point at a frame.
 */
static cg_status list_table(cg_reader *r, const struct table *t, int *ret_right, cg_error *err)
{
    uint64_t offset = 0;
    cg_status st;

    *ret_right = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        unsigned char entry[12], magic[4];
        uint32_t size, plain;
        size_t n;

        st = cg_reader_read_at(r, t->offset + 8 + (uint64_t)i * t->entry, entry, t->entry, &n, err);
        if (st != CG_OK)
            return st;
        size = u32_at(entry);
        plain = u32_at(entry + 4);
        if (n != t->entry || size < 8 || size > t->offset - offset || plain > CG_FRAME_MAX_CONTENT)
            return CG_OK;
        st = cg_reader_read_at(r, offset, magic, sizeof magic, &n, err);
        if (st != CG_OK)
            return st;
        if (n != sizeof magic)
            return CG_OK;
        if (u32_at(magic) == ZSTD_MAGIC) {
            if ((st = cg_reader_add_frame(r, offset, size, plain, err)) != CG_OK)
                return st;
        } else if (!is_skippable(u32_at(magic))) {
            return CG_OK;
        }
        offset += size;
    }
    *ret_right = offset == t->offset;
    return CG_OK;
}

/* ---- walking ---------------------------------------------------------------------------- */

/*
 * Size of the frame at `offset` by its block headers; 0 where it is damaged or cut off. *ret_plain
 * is the content size of its header (RFC 8878, section 3.1.1), CG_FRAME_CONTENT_UNKNOWN where it
 * has none.
 */
static cg_status measure_frame(const cg_reader *r, uint64_t offset, uint64_t *ret_size,
                               uint64_t *ret_plain, cg_error *err)
{
    static const unsigned dict_bytes[] = { 0, 1, 2, 4 }, content_bytes[] = { 0, 2, 4, 8 };
    unsigned char head[18] = { 0 };
    unsigned single, dict, content;
    uint64_t at = offset, plain = 0;
    size_t n;
    cg_status st = cg_reader_read_at(r, offset, head, sizeof head, &n, err);

    *ret_size = 0;
    *ret_plain = CG_FRAME_CONTENT_UNKNOWN;
    if (st != CG_OK || n < 6 || u32_at(head) != ZSTD_MAGIC)
        return st;
    single = head[4] >> 5 & 1;
    dict = dict_bytes[head[4] & 3];
    content = content_bytes[head[4] >> 6];
    if (!content)
        content = single;
    at += 5 + !single + dict + content;
    if (at > r->size)
        return CG_OK;
    for (unsigned i = 0; i < content; i++)
        plain |= (uint64_t)head[5 + !single + dict + i] << 8 * i;
    if (content == 2)
        plain += 256;
    if (content)
        *ret_plain = plain;
    for (int last = 0; !last;) {
        unsigned char block[3];
        uint32_t b, size;

        st = cg_reader_read_at(r, at, block, sizeof block, &n, err);
        if (st != CG_OK || n < sizeof block)
            return st;
        b = (uint32_t)block[0] | (uint32_t)block[1] << 8 | (uint32_t)block[2] << 16;
        last = b & 1;
        if ((b >> 1 & 3) == 3)
            return CG_OK; /* a reserved block type */
        size = (b >> 1 & 3) == 1 ? 1 : b >> 3;
        at += 3 + (uint64_t)size;
        if (at > r->size)
            return CG_OK;
    }
    at += head[4] & 4; /* a checksum of 4 bytes */
    if (at <= r->size)
        *ret_size = at - offset;
    return CG_OK;
}

static cg_status walk(cg_reader *r, cg_error *err)
{
    uint64_t offset = 0;

    while (offset < r->size) {
        unsigned char head[8];
        uint64_t size = 0, plain;
        size_t n;
        cg_status st = cg_reader_read_at(r, offset, head, sizeof head, &n, err);

        if (st != CG_OK)
            return st;
        if (n == sizeof head && is_skippable(u32_at(head))) {
            size = 8 + (uint64_t)u32_at(head + 4);
            if (size > r->size - offset)
                size = 0;
        } else {
            if ((st = measure_frame(r, offset, &size, &plain, err)) != CG_OK)
                return st;
            if (size && (st = cg_reader_add_frame(r, offset, size, plain, err)) != CG_OK)
                return st;
        }
        if (!size) {
            cg_fail(&r->note, CG_ERR_FORMAT,
                    "'%s': the %llu bytes from offset %llu on are no complete zstd frame", r->name,
                    (unsigned long long)(r->size - offset), (unsigned long long)offset);
            return CG_OK;
        }
        offset += size;
    }
    return CG_OK;
}

cg_status cg_reader_list_zstd(cg_reader *r, cg_error *err)
{
    struct table table;
    int found;
    cg_status st = find_table(r, &table, &found, err);

    if (st == CG_OK && found)
        st = list_table(r, &table, &r->has_table, err);
    if (st != CG_OK || r->has_table)
        return st;
    r->n_frames = 0;
    st = walk(r, err);
    if (st == CG_OK && r->note.code == CG_OK)
        cg_fail(&r->note, CG_ERR_FORMAT, "'%s': %s", r->name,
                found ? "the seek table does not fit the frames"
                      : "no seek table at the end: the file is not finished");
    return st;
}

/* ---- reading ---------------------------------------------------------------------------- */

cg_status cg_reader_read_zstd(cg_reader *r, size_t i, size_t max, cg_buf *out, cg_error *err)
{
    const cg_container_frame *f = &r->frames[i];
    uint64_t limit = max ? max : CG_FRAME_MAX_CONTENT;
    ZSTD_DStream *ds = ZSTD_createDStream();
    unsigned char *chunk = malloc(CHUNK);
    size_t start = out->len, rc = 1;
    uint64_t used = 0;
    ZSTD_inBuffer in = { chunk, 0, 0 };
    cg_status st = CG_OK;

    if (!ds || !chunk) {
        st = cg_fail_nomem(err, r->name);
        goto out;
    }
    while (rc) {
        uint64_t made = out->len - start;
        ZSTD_outBuffer o = { NULL, 0, 0 };

        if (in.pos == in.size && used < f->size) {
            size_t want = f->size - used < CHUNK ? (size_t)(f->size - used) : CHUNK;

            in.pos = 0;
            if ((st = cg_reader_read_at(r, f->offset + used, chunk, want, &in.size, err)) != CG_OK)
                goto out;
            used += in.size;
        }
        /* One byte beyond the limit shows that there is more. */
        o.size = limit - made < CHUNK ? (size_t)(limit - made) + !max : CHUNK;
        if (cg_buf_reserve(out, o.size)) {
            st = cg_fail_nomem(err, r->name);
            goto out;
        }
        o.dst = out->data + out->len;
        rc = ZSTD_decompressStream(ds, &o, &in);
        if (ZSTD_isError(rc)) {
            st = cg_fail(err, CG_ERR_FORMAT, "'%s': frame %zu at offset %llu is damaged: %s",
                         r->name, i, (unsigned long long)f->offset, ZSTD_getErrorName(rc));
            goto out;
        }
        out->len += o.pos;
        if (max && out->len - start == max)
            goto out;
        if (out->len - start > limit) {
            st = cg_fail(err, CG_ERR_LIMIT,
                         "'%s': frame %zu at offset %llu has more than %llu uncompressed bytes",
                         r->name, i, (unsigned long long)f->offset, (unsigned long long)limit);
            goto out;
        }
        if (rc && !o.pos && in.pos == in.size && used == f->size) {
            st = cg_fail(err, CG_ERR_FORMAT, "'%s': frame %zu at offset %llu is cut off", r->name,
                         i, (unsigned long long)f->offset);
            goto out;
        }
    }
    if (used != f->size || in.pos != in.size ||
        (f->content_size != CG_FRAME_CONTENT_UNKNOWN && f->content_size != out->len - start))
        st = cg_fail(err, CG_ERR_FORMAT,
                     "'%s': frame %zu at offset %llu has not the sizes that the file tells",
                     r->name, i, (unsigned long long)f->offset);
out:
    ZSTD_freeDStream(ds);
    free(chunk);
    if (out->data)
        out->data[out->len] = '\0';
    return st;
}
