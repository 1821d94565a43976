/* SPDX-License-Identifier: MIT */
#include "reader_internal.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/error.h"

enum { CHUNK = 1 << 16 };

static int is_skippable(uint32_t magic)
{
    return (magic & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START;
}

/* ---- seek table ------------------------------------------------------------------------- */

struct seek_table {
    uint64_t offset; /* of its skippable frame */
    uint32_t n_entries;
    size_t entry_size; /* bytes */
};

/* Locates the seek table by the footer at the end of the file. */
static cg_status find_table(const cg_reader *r, struct seek_table *ret_table, int *ret_found,
                            cg_error *err)
{
    unsigned char foot[CG_SEEK_FOOTER_SIZE], head[8];
    uint64_t size;
    size_t n;

    *ret_found = 0;
    if (r->size < 8 + CG_SEEK_FOOTER_SIZE)
        return CG_OK;
    CG_TRY(cg_reader_read_at(r, r->size - sizeof foot, foot, sizeof foot, &n, err));
    /* Bits 2 to 6 of the descriptor are reserved and zero; bit 7: entries have a checksum. */
    if (n != sizeof foot || cg_read_u32_le(foot + 5) != CG_SEEK_FOOTER_MAGIC || (foot[4] & 0x7c))
        return CG_OK;
    ret_table->n_entries = cg_read_u32_le(foot);
    ret_table->entry_size = foot[4] & 0x80 ? 12 : 8;
    size = (uint64_t)ret_table->n_entries * ret_table->entry_size + CG_SEEK_FOOTER_SIZE;
    if (size > UINT32_MAX || size + 8 > r->size)
        return CG_OK;
    ret_table->offset = r->size - size - 8;
    CG_TRY(cg_reader_read_at(r, ret_table->offset, head, sizeof head, &n, err));
    *ret_found = n == sizeof head && cg_read_u32_le(head) == CG_SEEK_SKIPPABLE_MAGIC &&
                 cg_read_u32_le(head + 4) == size;
    return CG_OK;
}

/*
 * Lists the frames of the table. *ret_consistent = 0 if the table does not match the file: its
 * frames do not fill the file up to the table, or an entry does not point to a frame.
 */
static cg_status list_table(cg_reader *r, const struct seek_table *t, int *ret_consistent,
                            cg_error *err)
{
    uint64_t offset = 0;

    *ret_consistent = 0;
    for (uint32_t i = 0; i < t->n_entries; i++) {
        unsigned char entry[12], magic[4];
        uint64_t entry_at = t->offset + 8 + (uint64_t)i * t->entry_size;
        uint32_t size, content_size;
        size_t n;

        CG_TRY(cg_reader_read_at(r, entry_at, entry, t->entry_size, &n, err));
        size = cg_read_u32_le(entry);
        content_size = cg_read_u32_le(entry + 4);
        if (n != t->entry_size || size < 8 || size > t->offset - offset ||
            content_size > CG_FRAME_MAX_CONTENT)
            return CG_OK;
        CG_TRY(cg_reader_read_at(r, offset, magic, sizeof magic, &n, err));
        if (n != sizeof magic)
            return CG_OK;
        if (cg_read_u32_le(magic) == ZSTD_MAGICNUMBER)
            CG_TRY(cg_reader_add_frame(r, offset, size, content_size, err));
        else if (!is_skippable(cg_read_u32_le(magic)))
            return CG_OK;
        offset += size;
    }
    *ret_consistent = offset == t->offset;
    return CG_OK;
}

/* ---- scanning --------------------------------------------------------------------------- */

/*
 * Size of the frame at `offset` by its block headers; 0 if it is damaged or truncated.
 * *ret_content_size is the content size in its header (RFC 8878, section 3.1.1), or
 * CG_FRAME_CONTENT_UNKNOWN.
 */
static cg_status measure_frame(const cg_reader *r, uint64_t offset, uint64_t *ret_size,
                               uint64_t *ret_content_size, cg_error *err)
{
    static const unsigned dict_bytes[] = { 0, 1, 2, 4 }, content_bytes[] = { 0, 2, 4, 8 };
    unsigned char head[18] = { 0 };
    unsigned single, dict, content;
    uint64_t at = offset, content_size = 0;
    size_t n;

    *ret_size = 0;
    *ret_content_size = CG_FRAME_CONTENT_UNKNOWN;
    CG_TRY(cg_reader_read_at(r, offset, head, sizeof head, &n, err));
    if (n < 6 || cg_read_u32_le(head) != ZSTD_MAGICNUMBER)
        return CG_OK;
    single = head[4] >> 5 & 1;
    dict = dict_bytes[head[4] & 3];
    content = content_bytes[head[4] >> 6];
    if (!content)
        content = single;
    at += 5 + !single + dict + content;
    if (at > r->size)
        return CG_OK;
    for (unsigned i = 0; i < content; i++)
        content_size |= (uint64_t)head[5 + !single + dict + i] << 8 * i;
    if (content == 2)
        content_size += 256;
    if (content)
        *ret_content_size = content_size;
    for (int last = 0; !last;) {
        unsigned char block[3];
        uint32_t b, size;

        CG_TRY(cg_reader_read_at(r, at, block, sizeof block, &n, err));
        if (n < sizeof block)
            return CG_OK;
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

/* Lists the frames by their headers, up to the first damaged or truncated one. */
static cg_status scan_frames(cg_reader *r, cg_error *err)
{
    uint64_t offset = 0;

    while (offset < r->size) {
        unsigned char head[8];
        uint64_t size = 0, content_size;
        size_t n;

        CG_TRY(cg_reader_read_at(r, offset, head, sizeof head, &n, err));
        if (n == sizeof head && is_skippable(cg_read_u32_le(head))) {
            size = 8 + (uint64_t)cg_read_u32_le(head + 4);
            if (size > r->size - offset)
                size = 0;
        } else {
            CG_TRY(measure_frame(r, offset, &size, &content_size, err));
            if (size)
                CG_TRY(cg_reader_add_frame(r, offset, size, content_size, err));
        }
        if (!size) {
            cg_fail(&r->note, CG_ERR_FORMAT,
                    "'%s': the last %llu bytes, from offset %llu, are not a complete zstd frame",
                    r->name, (unsigned long long)(r->size - offset), (unsigned long long)offset);
            return CG_OK;
        }
        offset += size;
    }
    return CG_OK;
}

/* Lists the frames by the seek table, or by scanning the file if the table is missing or wrong;
 * then with a note. */
static cg_status list_frames(cg_reader *r, cg_error *err)
{
    struct seek_table table;
    int found;

    CG_TRY(find_table(r, &table, &found, err));
    if (found)
        CG_TRY(list_table(r, &table, &r->has_table, err));
    if (r->has_table)
        return CG_OK;
    r->n_frames = 0;
    CG_TRY(scan_frames(r, err));
    if (r->note.code == CG_OK)
        cg_fail(&r->note, CG_ERR_FORMAT, "'%s': %s", r->name,
                found ? "the seek table does not match the frames"
                      : "no seek table at the end: the file is not finished");
    return CG_OK;
}

/* ---- reading ---------------------------------------------------------------------------- */

/* Decompresses the first `max` bytes of frame i (0: all of them). */
static cg_status read_frame(cg_reader *r, size_t i, size_t max, cg_buf *out, cg_error *err)
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
        uint64_t n_out = out->len - start;
        ZSTD_outBuffer o = { NULL, 0, 0 };

        if (in.pos == in.size && used < f->size) {
            size_t want = f->size - used < CHUNK ? (size_t)(f->size - used) : CHUNK;

            in.pos = 0;
            CG_TRY_GOTO(st, cg_reader_read_at(r, f->offset + used, chunk, want, &in.size, err),
                        out);
            used += in.size;
        }
        /* One byte beyond the limit reveals an overlong frame. */
        o.size = limit - n_out < CHUNK ? (size_t)(limit - n_out) + !max : CHUNK;
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
                         "'%s': frame %zu (counted from 0) at offset %llu: more than %llu "
                         "uncompressed bytes, the limit: damaged or not written by confgen",
                         r->name, i, (unsigned long long)f->offset, (unsigned long long)limit);
            goto out;
        }
        if (rc && !o.pos && in.pos == in.size && used == f->size) {
            st = cg_fail(err, CG_ERR_FORMAT,
                         "'%s': the file ends inside frame %zu (counted from 0), which starts at "
                         "offset %llu",
                         r->name, i, (unsigned long long)f->offset);
            goto out;
        }
    }
    if (used != f->size || in.pos != in.size ||
        (f->content_size != CG_FRAME_CONTENT_UNKNOWN && f->content_size != out->len - start))
        st = cg_fail(err, CG_ERR_FORMAT,
                     "'%s': frame %zu at offset %llu differs from the sizes stored in the file",
                     r->name, i, (unsigned long long)f->offset);
out:
    ZSTD_freeDStream(ds);
    free(chunk);
    if (out->data)
        out->data[out->len] = '\0';
    return st;
}

const struct cg_reader_backend cg_reader_zstd = { list_frames, read_frame };
