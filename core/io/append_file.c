/* SPDX-License-Identifier: MIT */
#include "io/append_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

cg_status cg_append_file_open(cg_append_file *f, const char *path, int empty, cg_error *err)
{
    int is_stdout = !strcmp(path, "-");
    struct stat sb;

    memset(f, 0, sizeof *f);
    f->name = strdup(is_stdout ? "standard output" : path);
    if (!f->name)
        return cg_fail_nomem(err, path);
    if (is_stdout) {
        /* Not regular, even if redirected to a file: that file belongs to the shell. */
        f->fd = STDOUT_FILENO;
        return CG_OK;
    }
    f->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (empty ? O_TRUNC : 0), 0666);
    if (f->fd < 0)
        return cg_fail(err, CG_ERR_IO, "'%s': cannot open for writing: %s", path, strerror(errno));
    f->owns_fd = 1;
    if (fstat(f->fd, &sb))
        return cg_fail(err, CG_ERR_IO, "'%s': cannot stat: %s", path, strerror(errno));
    f->regular = S_ISREG(sb.st_mode);
    if (f->regular) {
        f->size = (uint64_t)sb.st_size;
        if (lseek(f->fd, 0, SEEK_END) < 0)
            return cg_fail(err, CG_ERR_IO, "'%s': cannot seek: %s", path, strerror(errno));
    }
    return CG_OK;
}

void cg_append_file_close(cg_append_file *f)
{
    if (f->owns_fd)
        close(f->fd);
    free(f->name);
    memset(f, 0, sizeof *f);
}

cg_status cg_append_file_write(cg_append_file *f, const void *bytes, size_t len, cg_error *err)
{
    const char *p = bytes;
    size_t done = 0;

    while (done < len) {
        ssize_t n = write(f->fd, p + done, len - done);

        if (n < 0 && errno == EINTR)
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
    if (!f->regular)
        return CG_OK;
    if (ftruncate(f->fd, (off_t)size) || lseek(f->fd, (off_t)size, SEEK_SET) < 0)
        return cg_fail(err, CG_ERR_IO, "'%s': cannot truncate to %llu bytes: %s", f->name,
                       (unsigned long long)size, strerror(errno));
    f->size = size;
    return CG_OK;
}

cg_status cg_append_file_sync(cg_append_file *f, cg_error *err)
{
    if (f->regular && fsync(f->fd))
        return cg_fail(err, CG_ERR_IO, "'%s': cannot sync to disk: %s", f->name, strerror(errno));
    return CG_OK;
}
