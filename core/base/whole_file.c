/* SPDX-License-Identifier: MIT */
#include "base/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/append_file.h"
#include "base/error.h"

enum { MAX_TRIES = 100 };

/* Refuses what a new file must not replace. */
static cg_status check_replaced(const char *path, int may_exist, cg_error *err)
{
    struct stat sb;

    if (lstat(path, &sb))
        return CG_OK;
    if (!may_exist)
        return cg_fail(err, CG_ERR_USAGE, "'%s' exists: --overwrite replaces it", path);
    if (S_ISLNK(sb.st_mode))
        return cg_fail(err, CG_ERR_IO,
                       "'%s' is a symbolic link, wanted a regular file: name the file itself",
                       path);
    return S_ISREG(sb.st_mode) ? CG_OK
                               : cg_fail(err, CG_ERR_IO, "'%s': cannot be written: %s", path,
                                         strerror(S_ISDIR(sb.st_mode) ? EISDIR : EEXIST));
}

/* Creates a file of a random name beside `path`. */
static cg_status create_beside(const char *path, cg_append_file *f, cg_error *err)
{
    cg_status st = CG_ERR_USAGE;

    /* CG_ERR_USAGE: a file has that name */
    for (int i = 0; i < MAX_TRIES && st == CG_ERR_USAGE; i++) {
        uint32_t number = (uint32_t)i;
        char *part;

        if (getrandom(&number, sizeof number, GRND_NONBLOCK) < 0)
            number ^= (uint32_t)getpid() << 8;
        if (asprintf(&part, "%s.%08x.part", path, number) < 0)
            return cg_fail_nomem(err, path);
        cg_append_file_close(f);
        st = cg_append_file_open(f, part, 0, err);
        free(part);
    }
    if (st == CG_ERR_USAGE)
        st = cg_fail(err, CG_ERR_IO, "%s", strerror(EEXIST));
    return st;
}

/* Gives a file its name; without may_exist it replaces nothing. */
static int rename_to(const char *part, const char *path, int may_exist)
{
    if (may_exist)
        return rename(part, path);
    if (!renameat2(AT_FDCWD, part, AT_FDCWD, path, RENAME_NOREPLACE))
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    /* a file system without that call */
    return link(part, path) ? -1 : unlink(part);
}

static cg_status write_to(cg_append_file *f, const void *bytes, size_t len, cg_error *err)
{
    CG_TRY(cg_append_file_write(f, bytes, len, err));
    return cg_append_file_sync(f, err);
}

cg_status cg_file_write_whole(const char *path, const void *bytes, size_t len, int may_exist,
                              cg_error *err)
{
    cg_append_file f = { 0 };
    int stream = cg_is_stream(path);
    cg_status st;

    if (!stream)
        CG_TRY(check_replaced(path, may_exist, err));
    CG_TRY_GOTO(st, stream ? cg_append_file_open(&f, path, 0, err) : create_beside(path, &f, err),
                out);
    CG_TRY_GOTO(st, write_to(&f, bytes, len, err), out);
    if (!stream && rename_to(f.name, path, may_exist))
        st = cg_fail(err, CG_ERR_IO, "%s", strerror(errno));
    else
        f.created = 0; /* it has its name */
out:
    cg_append_file_discard(&f);
    return st == CG_ERR_IO && !stream ? cg_fail_prefix(err, st, "'%s': cannot be written", path)
                                      : st;
}
