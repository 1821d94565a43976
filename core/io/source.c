/* SPDX-License-Identifier: MIT */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/error.h"
#include "io/container.h"

enum { RAW_BYTES = 1 << 16, POLL_MS = 50 };

struct cg_source {
    char *name;
    int fd; /* -1 for memory */
    int owns_fd;
    const volatile int *stop; /* NULL: reads are not interrupted */
    const unsigned char *mem; /* [mem_len] unread rest */
    size_t mem_len;

    unsigned char *raw; /* [RAW_BYTES] stored bytes; raw[pos..len) are unread */
    size_t pos, len;
    int raw_end;                  /* no stored bytes follow raw[] */
    unsigned long long raw_total; /* stored bytes read so far */

    cg_container_format format;
    z_stream z;
    int z_live; /* z is initialised */
    ZSTD_DStream *zstd;
    int inside; /* within a gzip member or zstd frame, where the end of the data is a truncation */
};

static cg_status new_source(const char *name, cg_source **ret_source, cg_error *err)
{
    cg_source *s = calloc(1, sizeof *s);

    if (s) {
        s->fd = -1;
        s->name = strdup(name);
        s->raw = malloc(RAW_BYTES);
    }
    if (!s || !s->name || !s->raw) {
        cg_source_close(s);
        return cg_fail_nomem(err, name);
    }
    *ret_source = s;
    return CG_OK;
}

/*
 * Reads up to n stored bytes; *ret_n = 0 at the end. A source with a stop flag waits for the data
 * and polls the flag: a signal handler may set it at any moment, on any thread.
 */
static cg_status read_stored(cg_source *s, void *bytes, size_t n, size_t *ret_n, cg_error *err)
{
    struct pollfd p = { .fd = s->fd, .events = POLLIN };
    int ready = !s->stop;
    ssize_t k;

    while (!ready) {
        if (*s->stop)
            return cg_fail(err, CG_ERR_INTERRUPTED, "'%s': interrupted before its end", s->name);
        ready = poll(&p, 1, POLL_MS);
        if (ready < 0 && errno == EINTR)
            ready = 0;
    }
    do
        k = read(s->fd, bytes, n);
    while (k < 0 && errno == EINTR);
    if (k < 0)
        return cg_fail(err, CG_ERR_IO, "'%s': cannot read: %s", s->name, strerror(errno));
    *ret_n = (size_t)k;
    s->raw_total += (unsigned long long)k;
    return CG_OK;
}

/* Refills raw[] if it is used up; sets raw_end at the end of the data. */
static cg_status fill(cg_source *s, cg_error *err)
{
    size_t n = s->mem_len < RAW_BYTES ? s->mem_len : RAW_BYTES;

    if (s->raw_end || s->pos < s->len)
        return CG_OK;
    s->pos = s->len = 0;
    if (s->fd >= 0) {
        CG_TRY(read_stored(s, s->raw, RAW_BYTES, &n, err));
    } else if (n) {
        memcpy(s->raw, s->mem, n);
        s->mem += n;
        s->mem_len -= n;
        s->raw_total += n;
    }
    s->len = n;
    s->raw_end = n == 0;
    return CG_OK;
}

/* Detects the compression by the first bytes. Reads until there are four: a pipe may deliver one at
 * a time. */
static cg_status detect_compression(cg_source *s, cg_error *err)
{
    size_t n = 1;

    CG_TRY(fill(s, err));
    while (n && !s->raw_end && s->fd >= 0 && s->len < 4) {
        CG_TRY(read_stored(s, s->raw + s->len, 4 - s->len, &n, err));
        s->len += n;
    }
    s->format = cg_container_format_detect(s->raw, s->len);
    if (s->format == CG_CONTAINER_GZ) {
        if (inflateInit2(&s->z, 15 + 16) != Z_OK)
            return cg_fail_nomem(err, s->name);
        s->z_live = 1;
    } else if (s->format == CG_CONTAINER_ZST) {
        s->zstd = ZSTD_createDStream();
        if (!s->zstd)
            return cg_fail_nomem(err, s->name);
    }
    return CG_OK;
}

/*
 * Opens a file for reading. With a stop flag the opening of a FIFO does not wait for its writer;
 * read_stored() does.
 */
static int open_path(const char *path, int may_wait)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | (may_wait ? 0 : O_NONBLOCK));

    if (fd >= 0 && !may_wait)
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    return fd;
}

cg_status cg_source_open(const char *path, const volatile int *stop, cg_source **ret_source,
                         cg_error *err)
{
    int is_stdin = !strcmp(path, "-");
    cg_source *s = NULL;
    struct stat sb;
    cg_status st;

    CG_TRY(new_source(is_stdin ? "standard input" : path, &s, err));
    s->stop = stop;
    s->fd = is_stdin ? STDIN_FILENO : open_path(path, !stop);
    s->owns_fd = !is_stdin;
    if (s->fd < 0)
        st = cg_fail(err, CG_ERR_IO, "'%s': cannot open: %s", s->name, strerror(errno));
    else if (fstat(s->fd, &sb) == 0 && S_ISDIR(sb.st_mode))
        st = cg_fail(err, CG_ERR_IO, "'%s' is a directory, wanted a file", s->name);
    else
        st = detect_compression(s, err);
    if (st != CG_OK)
        goto out;
    *ret_source = s;
    s = NULL;
out:
    cg_source_close(s);
    return st;
}

cg_status cg_source_open_memory(const char *name, const void *bytes, size_t len,
                                cg_source **ret_source, cg_error *err)
{
    cg_source *s = NULL;
    cg_status st;

    CG_TRY(new_source(name, &s, err));
    s->mem = bytes;
    s->mem_len = len;
    CG_TRY_GOTO(st, detect_compression(s, err), out);
    *ret_source = s;
    s = NULL;
out:
    cg_source_close(s);
    return st;
}

void cg_source_close(cg_source *s)
{
    if (!s)
        return;
    if (s->z_live)
        inflateEnd(&s->z);
    ZSTD_freeDStream(s->zstd);
    if (s->owns_fd && s->fd >= 0)
        close(s->fd);
    free(s->raw);
    free(s->name);
    free(s);
}

static cg_status truncated(const cg_source *s, cg_error *err)
{
    return cg_fail(err, CG_ERR_FORMAT,
                   "'%s': the %s data are cut off after %llu bytes; the file is incomplete",
                   s->name, cg_source_compression(s), s->raw_total);
}

static cg_status damaged(const cg_source *s, const char *why, cg_error *err)
{
    return cg_fail(err, CG_ERR_FORMAT, "'%s': damaged %s data near byte %llu: %s", s->name,
                   cg_source_compression(s), s->raw_total - (s->len - s->pos), why);
}

/* Decompresses at least one byte, across members; 0 bytes only at the end. */
static cg_status read_gzip(cg_source *s, void *out, size_t cap, size_t *ret_n, cg_error *err)
{
    size_t made = 0;

    while (!made) {
        int rc;

        CG_TRY(fill(s, err));
        if (s->raw_end) {
            if (s->inside)
                return truncated(s, err);
            break;
        }
        if (!s->inside) {
            if (inflateReset(&s->z) != Z_OK)
                return cg_fail(err, CG_ERR_INTERNAL, "'%s': gzip reset failed", s->name);
            s->inside = 1;
        }
        s->z.next_in = s->raw + s->pos;
        s->z.avail_in = (uInt)(s->len - s->pos);
        s->z.next_out = out;
        s->z.avail_out = cap > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uInt)cap;
        rc = inflate(&s->z, Z_NO_FLUSH);
        s->pos = s->len - s->z.avail_in;
        made = (size_t)((unsigned char *)s->z.next_out - (unsigned char *)out);
        if (rc == Z_STREAM_END)
            s->inside = 0;
        else if (rc == Z_MEM_ERROR)
            return cg_fail_nomem(err, s->name);
        else if (rc != Z_OK && rc != Z_BUF_ERROR)
            return damaged(s, s->z.msg ? s->z.msg : "not a gzip member", err);
    }
    *ret_n = made;
    return CG_OK;
}

/* Decompresses at least one byte, across frames; 0 bytes only at the end. */
static cg_status read_zstd(cg_source *s, void *out, size_t cap, size_t *ret_n, cg_error *err)
{
    ZSTD_outBuffer o = { out, cap, 0 };

    while (!o.pos) {
        ZSTD_inBuffer in;
        size_t rc;

        CG_TRY(fill(s, err));
        if (s->raw_end && !s->inside)
            break;
        in = (ZSTD_inBuffer) { s->raw, s->len, s->pos };
        rc = ZSTD_decompressStream(s->zstd, &o, &in);
        if (ZSTD_isError(rc))
            return damaged(s, ZSTD_getErrorName(rc), err);
        /* At the end of the file the decoder may still hold output; without any, the frame is
         * truncated. */
        if (s->raw_end && rc && !o.pos)
            return truncated(s, err);
        s->pos = in.pos;
        s->inside = rc != 0;
    }
    *ret_n = o.pos;
    return CG_OK;
}

cg_status cg_source_read(cg_source *s, void *out, size_t cap, size_t *ret_n, cg_error *err)
{
    size_t n;

    if (s->format == CG_CONTAINER_GZ)
        return read_gzip(s, out, cap, ret_n, err);
    if (s->format == CG_CONTAINER_ZST)
        return read_zstd(s, out, cap, ret_n, err);
    CG_TRY(fill(s, err));
    n = s->len - s->pos;
    if (n > cap)
        n = cap;
    memcpy(out, s->raw + s->pos, n);
    s->pos += n;
    *ret_n = n;
    return CG_OK;
}

const char *cg_source_name(const cg_source *s)
{
    return s->name;
}

const char *cg_source_compression(const cg_source *s)
{
    return s->format == CG_CONTAINER_GZ ? "gzip" : s->format == CG_CONTAINER_ZST ? "zstd" : "plain";
}
