/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/error.h"
#include "base/size.h"

void cg_bytes_release(cg_bytes *b)
{
    if (!b)
        return;
    free(b->heap);
    memset(b, 0, sizeof *b);
}

static const char *kind_of(mode_t mode)
{
    if (S_ISDIR(mode))
        return "a directory";
    if (S_ISFIFO(mode))
        return "a FIFO";
    if (S_ISCHR(mode) || S_ISBLK(mode))
        return "a device";
    return "not a regular file";
}

/* Opens a regular file of at most max_bytes. */
static cg_status open_regular(const char *path, size_t max_bytes, int *ret_fd, cg_error *err)
{
    struct stat sb;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    cg_status st;

    if (fd < 0)
        return cg_fail(err, CG_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
    if (fstat(fd, &sb)) {
        st = cg_fail(err, CG_ERR_IO, "%s: cannot stat: %s", path, strerror(errno));
    } else if (!S_ISREG(sb.st_mode)) {
        st = cg_fail(err, CG_ERR_IO, "%s: is %s, wanted a regular file", path, kind_of(sb.st_mode));
    } else if (sb.st_size < 0 || (uintmax_t)sb.st_size > max_bytes) {
        st = cg_fail(err, CG_ERR_LIMIT, "%s: %jd bytes, wanted at most %zu", path,
                     (intmax_t)sb.st_size, max_bytes);
    } else {
        *ret_fd = fd;
        return CG_OK;
    }
    close(fd);
    return st;
}

/* Grows a buffer to `want` bytes: to the size of the file at once, without doubling it. */
static int grow_exactly(uint8_t **buf, size_t *cap, size_t want)
{
    size_t twice = want;
    uint8_t *p;

    if (*cap && cg_mul(*cap, 2, &twice))
        return -1;
    if (twice > want)
        want = twice;
    p = realloc(*buf, want);
    if (!p)
        return -1;
    *buf = p;
    *cap = want;
    return 0;
}

cg_status cg_file_read_open(int fd, const char *name, size_t max_bytes, cg_bytes *ret,
                            cg_error *err)
{
    uint8_t *buf = NULL;
    size_t len = 0, cap = 0, size = 0;
    cg_status st = CG_OK;
    struct stat sb;

    if (!fstat(fd, &sb) && sb.st_size > 0 && (uintmax_t)sb.st_size <= max_bytes)
        size = (size_t)sb.st_size;
    /* The size may change during the read, and files of /proc have size 0: read until the end. */
    for (;;) {
        ssize_t n;

        if (len == cap) {
            size_t want = len < size ? size : len;

            if (cg_add(want, 2, &want) || grow_exactly(&buf, &cap, want)) {
                st = cg_fail(err, CG_ERR_NOMEM, "%s: no memory for %zu bytes", name, want);
                goto out;
            }
        }
        n = read(fd, buf + len, cap - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            st = cg_fail(err, CG_ERR_IO, "%s: cannot read: %s", name, strerror(errno));
            goto out;
        }
        if (!n)
            break;
        len += (size_t)n;
        if (len > max_bytes) {
            st = cg_fail(err, CG_ERR_LIMIT, "%s: grew beyond %zu bytes during the read", name,
                         max_bytes);
            goto out;
        }
    }
    buf[len] = '\0'; /* len < cap: the last read had a buffer and returned 0 */
    *ret = (cg_bytes) { .data = buf, .len = len, .heap = buf };
    buf = NULL;
out:
    free(buf);
    return st;
}

cg_status cg_file_read(const char *path, size_t max_bytes, cg_bytes *ret, cg_error *err)
{
    int fd = -1;
    cg_status st;

    CG_TRY(open_regular(path, max_bytes, &fd, err));
    st = cg_file_read_open(fd, path, max_bytes, ret, err);
    close(fd);
    return st;
}

cg_status cg_file_hash(const char *path, uint64_t *ret_hash, cg_error *err)
{
    enum { CHUNK = 1 << 16 };
    XXH3_state_t *state = XXH3_createState();
    char *chunk = malloc(CHUNK);
    cg_status st = CG_OK;
    int fd = -1;

    if (!state || !chunk) {
        st = cg_fail_nomem(err, path);
        goto out;
    }
    XXH3_64bits_reset(state);
    CG_TRY_GOTO(st, open_regular(path, SIZE_MAX, &fd, err), out);
    for (;;) {
        ssize_t n = read(fd, chunk, CHUNK);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            st = cg_fail(err, CG_ERR_IO, "%s: cannot read: %s", path, strerror(errno));
            goto out;
        }
        if (n == 0)
            break;
        XXH3_64bits_update(state, chunk, (size_t)n);
    }
    *ret_hash = XXH3_64bits_digest(state);
out:
    if (fd >= 0)
        close(fd);
    free(chunk);
    XXH3_freeState(state);
    return st;
}

int cg_file_exists(const char *path)
{
    struct stat sb;

    return stat(path, &sb) == 0;
}

int cg_file_is_directory(const char *path)
{
    struct stat sb;

    return stat(path, &sb) == 0 && S_ISDIR(sb.st_mode);
}

size_t cg_path_strip_extension(const char *name, size_t len, const char *extension)
{
    const size_t n = strlen(extension);

    return len > n && !strncasecmp(name + len - n, extension, n) ? len - n : len;
}

int cg_path_has_extension(const char *name, const char *extension)
{
    const size_t len = strlen(name);

    return cg_path_strip_extension(name, len, extension) < len;
}

char *cg_path_join(const char *dir, const char *name)
{
    size_t n = strlen(dir);
    const char *slash = !n || dir[n - 1] == '/' ? "" : "/";
    char *path = NULL;

    return asprintf(&path, "%s%s%s", dir, slash, name) < 0 ? NULL : path;
}

/* ---- zstd ------------------------------------------------------------------------------- */

static cg_status unpack_failed(const char *name, size_t code, cg_error *err)
{
    if (ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation)
        return cg_fail(err, CG_ERR_NOMEM, "%s: no memory to decompress", name);
    return cg_fail(err, CG_ERR_FORMAT, "%s: damaged zstd data: %s", name, ZSTD_getErrorName(code));
}

/* Decompresses frames that all declare their sizes, `size` bytes in total. */
static cg_status unpack_declared(const char *name, const void *src, size_t len, size_t size,
                                 uint8_t **ret_buf, cg_error *err)
{
    uint8_t *buf = cg_alloc_array(size + 1, 1); /* size <= max_bytes < SIZE_MAX */
    size_t n;

    if (!buf)
        return cg_fail(err, CG_ERR_NOMEM, "%s: no memory for %zu bytes", name, size);
    n = ZSTD_decompress(buf, size, src, len);
    if (ZSTD_isError(n) || n != size) {
        free(buf);
        if (ZSTD_isError(n))
            return unpack_failed(name, n, err);
        return cg_fail(err, CG_ERR_FORMAT, "%s: holds %zu bytes after decompression, declares %zu",
                       name, n, size);
    }
    *ret_buf = buf;
    return CG_OK;
}

/* Decompresses frames some of which declare no size: the buffer grows with the data. */
static cg_status unpack_stream(const char *name, const void *src, size_t len, size_t max_bytes,
                               uint8_t **ret_buf, size_t *ret_size, cg_error *err)
{
    ZSTD_DCtx *ctx = ZSTD_createDCtx();
    ZSTD_inBuffer in = { src, len, 0 };
    ZSTD_outBuffer out = { NULL, 0, 0 };
    uint8_t *buf = NULL;
    size_t cap = 0, left = 1;
    cg_status st = CG_OK;

    if (!ctx)
        goto nomem;
    /* left == 0: a frame is complete and all its data is written. */
    while (in.pos < in.size || left) {
        size_t in_before = in.pos, out_before = out.pos;

        if (out.pos + 1 >= cap && cg_grow((void **)&buf, &cap, out.pos + (64u << 10), 1))
            goto nomem;
        out.dst = buf;
        out.size = cap - 1;
        left = ZSTD_decompressStream(ctx, &out, &in);
        if (ZSTD_isError(left)) {
            st = unpack_failed(name, left, err);
            goto out;
        }
        if (out.pos > max_bytes) {
            st = cg_fail(err, CG_ERR_LIMIT,
                         "%s: more than %zu bytes after decompression, wanted at most that", name,
                         max_bytes);
            goto out;
        }
        if (left && in.pos == in_before && out.pos == out_before) {
            st = cg_fail(err, CG_ERR_FORMAT, "%s: zstd data end inside a frame, at byte %zu", name,
                         in.pos);
            goto out;
        }
    }
    *ret_buf = buf;
    *ret_size = out.pos;
    buf = NULL;
    goto out;
nomem:
    st = cg_fail(err, CG_ERR_NOMEM, "%s: no memory to decompress", name);
out:
    free(buf);
    ZSTD_freeDCtx(ctx);
    return st;
}

cg_status cg_zstd_unpack(const char *name, const void *src, size_t len, size_t max_bytes,
                         cg_bytes *ret, cg_error *err)
{
    const uint8_t *p = src;
    size_t pos = 0, size = 0;
    int declared = 1;
    uint8_t *buf = NULL;
    cg_status st;

    if (!len)
        return cg_fail(err, CG_ERR_FORMAT, "%s: empty file, wanted zstd data", name);
    if (max_bytes > SIZE_MAX / 4) /* leaves room for the doubling below */
        max_bytes = SIZE_MAX / 4;
    /* Frame sizes first: cheap, and it detects truncation before memory is allocated. */
    while (pos < len) {
        size_t frame = ZSTD_findFrameCompressedSize(p + pos, len - pos);
        unsigned long long content = ZSTD_getFrameContentSize(p + pos, len - pos);

        if (ZSTD_isError(frame) || content == ZSTD_CONTENTSIZE_ERROR)
            return cg_fail(err, CG_ERR_FORMAT, "%s: bad or truncated zstd frame at byte %zu of %zu",
                           name, pos, len);
        if (content == ZSTD_CONTENTSIZE_UNKNOWN)
            declared = 0;
        else if (content > max_bytes || size > max_bytes - (size_t)content)
            return cg_fail(err, CG_ERR_LIMIT,
                           "%s: zstd frame at byte %zu declares %llu bytes, wanted at most %zu "
                           "in total",
                           name, pos, content, max_bytes);
        else
            size += (size_t)content;
        pos += frame;
    }
    st = declared ? unpack_declared(name, src, len, size, &buf, err)
                  : unpack_stream(name, src, len, max_bytes, &buf, &size, err);
    if (st != CG_OK)
        return st;
    buf[size] = '\0';
    *ret = (cg_bytes) { .data = buf, .len = size, .heap = buf };
    return CG_OK;
}
