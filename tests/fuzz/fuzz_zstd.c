/* SPDX-License-Identifier: MIT */
/*
 * cg_zstd_unpack(), which reads compressed weights. The first byte selects: the rest is the file,
 * or the contents, which are split into frames and compressed. An accepted file is unpacked to the
 * bytes that zstd's own stream decoder gives, within the limit.
 */
#include <zstd.h>

#include "base/buf.h"
#include "base/file.h"

#include "fuzz.h"

enum { MAX_BYTES = 1 << 18 };

/* What the stream decoder of the library gives: the bytes, or 0 if it refuses the file. */
static int decode(const uint8_t *src, size_t size, cg_buf *ret)
{
    ZSTD_DStream *stream = ZSTD_createDStream();
    ZSTD_inBuffer in = { src, size, 0 };
    size_t left = 1;

    require(stream);
    while (in.pos < in.size || left) {
        static char piece[4096];
        ZSTD_outBuffer out = { piece, sizeof piece, 0 };
        size_t before = in.pos;

        left = ZSTD_decompressStream(stream, &out, &in);
        if (ZSTD_isError(left) || (in.pos == before && !out.pos && in.pos == in.size && left))
            break;
        cg_buf_put(ret, piece, out.pos);
        require(ret->len <= MAX_BYTES + sizeof piece);
    }
    ZSTD_freeDStream(stream);
    return left == 0;
}

/* Frames of data[size]: the first byte's bits say how long, and with which settings. */
static void compress(const uint8_t *data, size_t size, uint8_t settings, cg_buf *out)
{
    ZSTD_CCtx *c = ZSTD_createCCtx();
    size_t step = (size_t)(settings >> 4) * 16 + 1;

    require(c);
    ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, settings >> 1 & 1);
    ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, settings >> 2 & 1);
    for (size_t at = 0; at < size || !out->len; at += step) {
        size_t n = size - at < step ? size - at : step, written;

        require(!cg_buf_reserve(out, ZSTD_compressBound(n)));
        written = ZSTD_compress2(c, out->data + out->len, ZSTD_compressBound(n), data + at, n);
        require(!ZSTD_isError(written));
        out->len += written;
    }
    ZSTD_freeCCtx(c);
}

static void check_unpacked(const uint8_t *file, size_t size, const void *wanted, size_t wanted_len)
{
    cg_error err = CG_ERROR_INIT;
    cg_bytes bytes = { 0 };

    require_ok(cg_zstd_unpack("fuzz", file, size, MAX_BYTES, &bytes, &err), &err);
    require(bytes.len == wanted_len && (!wanted_len || !memcmp(bytes.data, wanted, wanted_len)));
    cg_bytes_release(&bytes);
    if (wanted_len) {
        cg_status st = cg_zstd_unpack("fuzz", file, size, wanted_len - 1, &bytes, &err);

        require(st == CG_ERR_LIMIT && !bytes.data);
        require_refusal(st, &err);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cg_error err = CG_ERROR_INIT;
    cg_bytes bytes = { 0 };
    cg_buf buf = { 0 };
    cg_status st;

    if (size < 1 || size > MAX_BYTES)
        return -1;
    if (data[0] & 1) {
        compress(data + 1, size - 1, data[0], &buf);
        check_unpacked((const uint8_t *)buf.data, buf.len, data + 1, size - 1);
        cg_buf_finish(&buf);
        return 0;
    }
    st = cg_zstd_unpack("fuzz", data + 1, size - 1, MAX_BYTES, &bytes, &err);
    if (st != CG_OK) {
        require_refusal(st, &err);
        require(!bytes.data);
        return 0;
    }
    require(bytes.len <= MAX_BYTES && bytes.data[bytes.len] == '\0');
    require(decode(data + 1, size - 1, &buf));
    require(buf.len == bytes.len && (!buf.len || !memcmp(buf.data, bytes.data, buf.len)));
    cg_bytes_release(&bytes);
    cg_buf_finish(&buf);
    return 0;
}
