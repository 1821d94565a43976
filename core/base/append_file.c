/* SPDX-License-Identifier: MIT */
#include "base/append_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

/*
 * The descriptor that a path names, -1 for other paths. It is used as it is: opening such a path
 * again would overwrite the file to which it is redirected.
 */
static int descriptor_of(const char *path)
{
    static const char *const folders[] = { "/dev/fd/", "/proc/self/fd/" };

    if (!strcmp(path, "-") || !strcmp(path, "/dev/stdout"))
        return STDOUT_FILENO;
    if (!strcmp(path, "/dev/stderr"))
        return STDERR_FILENO;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        size_t n = strlen(folders[i]), digits;

        if (strncmp(path, folders[i], n))
            continue;
        digits = strspn(path + n, "0123456789");
        if (digits && digits < 6 && !path[n + digits])
            return atoi(path + n);
    }
    return -1;
}

int cg_is_stream(const char *path)
{
    struct stat sb;

    return descriptor_of(path) >= 0 ||
           (stat(path, &sb) == 0 && !S_ISREG(sb.st_mode) && !S_ISDIR(sb.st_mode));
}

static cg_status fail_open(const char *path, int number, cg_error *err)
{
    const char *slash = strrchr(path, '/');

    if (number == ENOENT && slash && slash != path)
        return cg_fail(err, CG_ERR_IO, "'%s': cannot open for writing: there is no folder '%.*s'",
                       path, (int)(slash - path), path);
    return cg_fail(err, CG_ERR_IO, "'%s': cannot open for writing: %s", path, strerror(number));
}

/* Takes an inherited descriptor. Those of the process itself close on exec: a number that was not
 * inherited may by now be that of another output. */
static cg_status take_descriptor(cg_append_file *f, const char *path, int fd, cg_error *err)
{
    int flags = fcntl(fd, F_GETFD);

    if (flags < 0)
        return fail_open(path, errno, err);
    if (flags & FD_CLOEXEC)
        return fail_open(path, EBADF, err);
    /* Not regular, even if redirected to a file: that file belongs to the shell. */
    f->fd = fd;
    return CG_OK;
}

/* Opens a path that existed at the time of the call. */
static cg_status open_existing(cg_append_file *f, const char *path, int may_exist, cg_error *err)
{
    int stream = cg_is_stream(path);

    if (!stream && !may_exist)
        return cg_fail(err, CG_ERR_USAGE, "'%s' exists: --overwrite replaces it", path);
    /* O_NONBLOCK: should a FIFO have taken the place of a regular file, it is refused, not waited
     * for */
    f->fd =
        open(path, O_CLOEXEC | O_NOCTTY | (stream ? O_WRONLY : O_RDWR | O_NOFOLLOW | O_NONBLOCK));
    if (f->fd >= 0)
        return CG_OK;
    if (errno == ELOOP && !stream)
        return cg_fail(err, CG_ERR_IO,
                       "'%s' is a symbolic link, wanted a regular file: name the file itself",
                       path);
    return fail_open(path, errno, err);
}

/* Locks a regular file, and refuses one that is also known by another name. */
static cg_status lock(cg_append_file *f, const char *path, cg_error *err)
{
    struct stat sb, named;
    off_t end;

    /* Some network file systems have no locks: there the user must keep runs apart. */
    if (flock(f->fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
        return cg_fail(err, CG_ERR_IO, "'%s' is in use: another run is writing it", path);
    if (fstat(f->fd, &sb))
        return cg_fail(err, CG_ERR_IO, "'%s': cannot stat: %s", path, strerror(errno));
    if (sb.st_nlink > 1)
        return cg_fail(err, CG_ERR_IO,
                       "'%s' has %ju names (hard links), wanted a file with one: writing to it "
                       "changes the others",
                       path, (uintmax_t)sb.st_nlink);
    if (lstat(path, &named) || named.st_dev != sb.st_dev || named.st_ino != sb.st_ino)
        return cg_fail(err, CG_ERR_IO, "'%s' was replaced while it was opened: try again", path);
    if ((end = lseek(f->fd, 0, SEEK_END)) < 0)
        return cg_fail(err, CG_ERR_IO, "'%s': cannot seek: %s", path, strerror(errno));
    f->size = (uint64_t)end;
    return CG_OK;
}

cg_status cg_append_file_open(cg_append_file *f, const char *path, int may_exist, cg_error *err)
{
    int descriptor = descriptor_of(path);
    struct stat sb;

    memset(f, 0, sizeof *f);
    f->name = strdup(strcmp(path, "-") ? path : "standard output");
    if (!f->name)
        return cg_fail_nomem(err, path);
    if (descriptor >= 0)
        return take_descriptor(f, path, descriptor, err);
    f->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0666);
    f->created = f->fd >= 0;
    if (f->fd < 0) {
        if (errno != EEXIST)
            return fail_open(path, errno, err);
        CG_TRY(open_existing(f, path, may_exist, err));
    }
    f->owns_fd = 1;
    if (fstat(f->fd, &sb))
        return cg_fail(err, CG_ERR_IO, "'%s': cannot stat: %s", path, strerror(errno));
    f->regular = S_ISREG(sb.st_mode);
    if (f->regular)
        return may_exist || f->created
                   ? lock(f, path, err)
                   : cg_fail(err, CG_ERR_IO, "'%s' was replaced while it was opened", path);
    return CG_OK;
}

void cg_append_file_close(cg_append_file *f)
{
    if (f->owns_fd)
        close(f->fd);
    free(f->name);
    memset(f, 0, sizeof *f);
}

void cg_append_file_discard(cg_append_file *f)
{
    if (f->created)
        unlink(f->name);
    cg_append_file_close(f);
}

/* Refuses a regular file that another program removed, or changed in size: bytes of this run are
 * lost, and a write would leave a hole. */
static cg_status check_unchanged(const cg_append_file *f, cg_error *err)
{
    struct stat sb;

    if (!f->regular)
        return CG_OK;
    if (fstat(f->fd, &sb))
        return cg_fail(err, CG_ERR_IO, "'%s': cannot stat: %s", f->name, strerror(errno));
    if (!sb.st_nlink)
        return cg_fail(err, CG_ERR_IO, "'%s' was removed by another program while it was written",
                       f->name);
    if ((uint64_t)sb.st_size != f->size)
        return cg_fail(err, CG_ERR_IO,
                       "'%s' has %jd bytes, wanted the %llu that were written: another program "
                       "changed it",
                       f->name, (intmax_t)sb.st_size, (unsigned long long)f->size);
    return CG_OK;
}

/* Whether a failed write is to be tried again; waits for a reader that is behind. */
static int is_retried(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLOUT };

    if (errno != EAGAIN)
        return errno == EINTR;
    return poll(&p, 1, -1) >= 0 || errno == EINTR;
}

cg_status cg_append_file_write(cg_append_file *f, const void *bytes, size_t len, cg_error *err)
{
    const char *p = bytes;
    size_t done = 0;

    CG_TRY(check_unchanged(f, err));
    while (done < len) {
        ssize_t n = write(f->fd, p + done, len - done);

        if (n < 0 && is_retried(f->fd))
            continue;
        if (n < 0) {
            const char *why = strerror(errno);

            if (f->regular && cg_append_file_truncate(f, f->size, NULL) == CG_OK)
                return cg_fail(err, CG_ERR_IO,
                               "'%s': wrote %zu of %zu bytes: %s; the file was truncated to its "
                               "previous %llu bytes",
                               f->name, done, len, why, (unsigned long long)f->size);
            return cg_fail(err, CG_ERR_IO, "'%s': wrote %zu of %zu bytes: %s", f->name, done, len,
                           why);
        }
        done += (size_t)n;
    }
    f->size += len;
    return CG_OK;
}

cg_status cg_append_file_truncate(cg_append_file *f, uint64_t size, cg_error *err)
{
    struct stat sb;

    if (!f->regular)
        return CG_OK;
    if (!fstat(f->fd, &sb) && (uint64_t)sb.st_size < size)
        return cg_fail(err, CG_ERR_IO, "'%s' has %jd bytes, cannot be truncated to %llu", f->name,
                       (intmax_t)sb.st_size, (unsigned long long)size);
    if (ftruncate(f->fd, (off_t)size) || lseek(f->fd, (off_t)size, SEEK_SET) < 0)
        return cg_fail(err, CG_ERR_IO, "'%s': cannot truncate to %llu bytes: %s", f->name,
                       (unsigned long long)size, strerror(errno));
    f->size = size;
    return CG_OK;
}

cg_status cg_append_file_sync(cg_append_file *f, cg_error *err)
{
    CG_TRY(check_unchanged(f, err));
    if (f->regular && fsync(f->fd))
        return cg_fail(err, CG_ERR_IO, "'%s': cannot sync to disk: %s", f->name, strerror(errno));
    return CG_OK;
}
