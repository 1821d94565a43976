/* SPDX-License-Identifier: MIT */
#include "whole_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "commands.h"

static cg_status io_failed(const char *path, cg_error *err)
{
    return cg_fail(err, CG_ERR_IO, "'%s': cannot be written: %s", path, strerror(errno));
}

static cg_status write_file(const char *path, const cg_buf *text, cg_error *err)
{
    FILE *f = fopen(path, "wb");
    cg_status st = CG_OK;

    if (!f)
        return io_failed(path, err);
    if (fwrite(text->data, 1, text->len, f) != text->len)
        st = io_failed(path, err);
    if (fclose(f) && st == CG_OK)
        st = io_failed(path, err);
    return st;
}

cg_status write_whole_file(const char *path, const cg_buf *text, cg_error *err)
{
    char *part = NULL;
    cg_status st;

    if (asprintf(&part, "%s.part", path) < 0)
        out_of_memory();
    CG_TRY_GOTO(st, write_file(part, text, err), out);
    if (rename(part, path))
        st = io_failed(path, err);
out:
    if (st != CG_OK)
        unlink(part);
    free(part);
    return st;
}
