/* SPDX-License-Identifier: MIT */
#include "container.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>
#include <zstd.h>

#include "base/error.h"
#include "base/size.h"

cg_container_format cg_container_format_of(const char *path)
{
    const char *dot = strrchr(path, '.');

    if (dot && !strcasecmp(dot, ".zst"))
        return CG_CONTAINER_ZST;
    if (dot && !strcasecmp(dot, ".gz"))
        return CG_CONTAINER_GZ;
    return CG_CONTAINER_PLAIN;
}

cg_container_format cg_container_format_detect(const void *bytes, size_t len)
{
    const unsigned char *p = bytes;

    if (len >= 2 && p[0] == 0x1f && p[1] == 0x8b)
        return CG_CONTAINER_GZ;
    if (len >= 4 && (cg_read_u32_le(p) == ZSTD_MAGICNUMBER ||
                     (cg_read_u32_le(p) & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START))
        return CG_CONTAINER_ZST;
    return CG_CONTAINER_PLAIN;
}

const char *cg_container_format_name(cg_container_format format)
{
    return format == CG_CONTAINER_ZST ? "zst" : format == CG_CONTAINER_GZ ? "gz" : "plain";
}

/* ---- frames ----------------------------------------------------------------------------- */

/* Appends a zstd frame with a checksum. */
static cg_status compress_zstd(int level, const void *bytes, size_t len, cg_buf *out, cg_error *err)
{
    size_t bound = ZSTD_compressBound(len);
    ZSTD_CCtx *ctx = ZSTD_createCCtx();
    cg_status st = CG_OK;
    size_t n;

    if (!ctx || cg_buf_reserve(out, bound)) {
        st = cg_fail_nomem(err, "compressing a molecule");
        goto out;
    }
    n = ZSTD_CCtx_setParameter(ctx, ZSTD_c_compressionLevel, level);
    if (!ZSTD_isError(n))
        n = ZSTD_CCtx_setParameter(ctx, ZSTD_c_checksumFlag, 1);
    if (!ZSTD_isError(n))
        n = ZSTD_compress2(ctx, out->data + out->len, bound, bytes, len);
    if (ZSTD_isError(n)) {
        st = cg_fail(err, CG_ERR_INTERNAL, "compressing a molecule of %zu bytes: %s", len,
                     ZSTD_getErrorName(n));
        goto out;
    }
    out->len += n;
    out->data[out->len] = '\0';
out:
    ZSTD_freeCCtx(ctx);
    return st;
}

/* Appends a gzip member. */
static cg_status compress_gzip(int level, const void *bytes, size_t len, cg_buf *out, cg_error *err)
{
    z_stream z = { 0 };
    cg_status st = CG_OK;
    size_t bound;
    int rc = deflateInit2(&z, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);

    if (rc != Z_OK)
        return cg_fail(err, rc == Z_MEM_ERROR ? CG_ERR_NOMEM : CG_ERR_INTERNAL,
                       "gzip: cannot start compression (level %d): %s (internal error)", level,
                       zError(rc));
    bound = deflateBound(&z, len);
    if (cg_buf_reserve(out, bound)) {
        st = cg_fail_nomem(err, "compressing a molecule");
        goto out;
    }
    /* zlib does not write through next_in; both sizes fit: len <= CG_FRAME_MAX_CONTENT. */
    z.next_in = (Bytef *)(uintptr_t)bytes;
    z.avail_in = (uInt)len;
    z.next_out = (Bytef *)out->data + out->len;
    z.avail_out = (uInt)bound;
    rc = deflate(&z, Z_FINISH);
    if (rc != Z_STREAM_END) {
        st = cg_fail(err, CG_ERR_INTERNAL,
                     "gzip: cannot compress a molecule of %zu bytes: %s (internal error)", len,
                     rc == Z_OK ? "more than deflateBound() bytes" : zError(rc));
        goto out;
    }
    out->len += z.total_out;
    out->data[out->len] = '\0';
out:
    deflateEnd(&z);
    return st;
}

cg_status cg_frame_compress(cg_container_format format, int level, const void *bytes, size_t len,
                            cg_buf *out, cg_error *err)
{
    if (len > CG_FRAME_MAX_CONTENT)
        return cg_fail(err, CG_ERR_LIMIT,
                       "a frame of %zu bytes of records, wanted at most %llu (internal error)", len,
                       (unsigned long long)CG_FRAME_MAX_CONTENT);
    if (format == CG_CONTAINER_ZST)
        return compress_zstd(level, bytes, len, out, err);
    if (format == CG_CONTAINER_GZ)
        return compress_gzip(level, bytes, len, out, err);
    cg_buf_put(out, bytes, len);
    return cg_buf_check(out, "record", err);
}

/* ---- writing ---------------------------------------------------------------------------- */

struct cg_container {
    cg_append_file file;
    cg_container_format format;
    cg_container_frame *frames; /* [n_frames] of frames_cap */
    size_t n_frames, frames_cap;
    int finished; /* the trailer is written, or a write failed: no more frames */
};

cg_status cg_container_open(cg_append_file *file, cg_container_format format,
                            const cg_container_frame *frames, size_t n_frames,
                            cg_container **ret_container, cg_error *err)
{
    const cg_container_frame *last = n_frames ? &frames[n_frames - 1] : NULL;
    cg_container *c = calloc(1, sizeof *c);
    cg_status st;

    if (!c || cg_grow((void **)&c->frames, &c->frames_cap, n_frames, sizeof *c->frames)) {
        st = cg_fail_nomem(err, file->name);
        goto out;
    }
    c->format = format;
    if (n_frames)
        memcpy(c->frames, frames, n_frames * sizeof *frames);
    c->n_frames = n_frames;
    CG_TRY_GOTO(st, cg_append_file_truncate(file, last ? last->offset + last->size : 0, err), out);
    c->file = *file;
    *file = (cg_append_file) { 0 };
    *ret_container = c;
    c = NULL;
out:
    cg_container_close(c);
    return st;
}

cg_status cg_container_append_frame(cg_container *c, const void *frame, size_t size,
                                    uint64_t content_size, cg_error *err)
{
    uint64_t start = c->file.size;
    cg_status st;

    if (c->finished)
        return cg_fail(err, CG_ERR_INTERNAL, "'%s': frame appended to a finished file",
                       c->file.name);
    if (!size)
        return CG_OK;
    /* Sizes in the seek table have 32 bits. */
    if (c->n_frames == CG_CONTAINER_MAX_FRAMES || size > UINT32_MAX ||
        content_size > CG_FRAME_MAX_CONTENT)
        return cg_fail(err, CG_ERR_LIMIT,
                       "'%s': frame %zu of %zu bytes exceeds the limits of the file format",
                       c->file.name, c->n_frames, size);
    if (cg_grow((void **)&c->frames, &c->frames_cap, c->n_frames + 1, sizeof *c->frames))
        return cg_fail_nomem(err, c->file.name);
    st = cg_append_file_write(&c->file, frame, size, err);
    if (st != CG_OK) {
        c->finished = 1;
        return cg_fail_prefix(err, st, "output stopped after %zu complete frames", c->n_frames);
    }
    c->frames[c->n_frames++] = (cg_container_frame) { start, size, content_size };
    return CG_OK;
}

cg_status cg_container_append(cg_container *c, const void *bytes, size_t len, cg_error *err)
{
    cg_buf frame = { 0 };
    cg_status st;

    if (!len)
        return CG_OK;
    CG_TRY_GOTO(st, cg_frame_compress(c->format, CG_CONTAINER_LEVEL, bytes, len, &frame, err), out);
    st = cg_container_append_frame(c, frame.data, frame.len, len, err);
out:
    cg_buf_finish(&frame);
    return st;
}

cg_status cg_container_keep(cg_container *c, size_t n, cg_error *err)
{
    if (n >= c->n_frames)
        return CG_OK;
    c->n_frames = n;
    return cg_append_file_truncate(&c->file, c->frames[n].offset, err);
}

const cg_container_frame *cg_container_frames(const cg_container *c, size_t *ret_n)
{
    *ret_n = c->n_frames;
    return c->frames;
}

uint64_t cg_container_size(const cg_container *c)
{
    return c->file.size;
}

cg_status cg_container_sync(cg_container *c, cg_error *err)
{
    return cg_append_file_sync(&c->file, err);
}

static void put_u32(cg_buf *b, uint64_t v)
{
    for (int i = 0; i < 32; i += 8)
        cg_buf_putc(b, (char)(v >> i & 0xff));
}

cg_status cg_container_trailer(cg_container_format format, const cg_container_frame *frames,
                               size_t n_frames, cg_buf *out, cg_error *err)
{
    /* zcat reports an empty file as truncated; an empty member is a valid file. */
    if (format == CG_CONTAINER_GZ && !n_frames)
        return cg_frame_compress(format, CG_CONTAINER_LEVEL, "", 0, out, err);
    if (format != CG_CONTAINER_ZST)
        return CG_OK;
    put_u32(out, CG_SEEK_SKIPPABLE_MAGIC);
    put_u32(out, (uint64_t)n_frames * 8 + CG_SEEK_FOOTER_SIZE);
    for (size_t i = 0; i < n_frames; i++) {
        put_u32(out, frames[i].size);
        put_u32(out, frames[i].content_size);
    }
    put_u32(out, n_frames);
    cg_buf_putc(out, 0); /* descriptor: entries without checksum */
    put_u32(out, CG_SEEK_FOOTER_MAGIC);
    return cg_buf_check(out, "seek table", err);
}

cg_status cg_container_finish(cg_container *c, cg_error *err)
{
    cg_buf trailer = { 0 };
    cg_status st;

    if (c->finished)
        return cg_fail(err, CG_ERR_INTERNAL, "'%s': finished twice, or after a failed write",
                       c->file.name);
    c->finished = 1;
    CG_TRY_GOTO(st, cg_container_trailer(c->format, c->frames, c->n_frames, &trailer, err), out);
    CG_TRY_GOTO(st, cg_append_file_write(&c->file, trailer.data, trailer.len, err), out);
    st = cg_append_file_sync(&c->file, err);
out:
    cg_buf_finish(&trailer);
    return st;
}

void cg_container_close(cg_container *c)
{
    if (!c)
        return;
    cg_append_file_close(&c->file);
    free(c->frames);
    free(c);
}
