/* SPDX-License-Identifier: MIT */
#include "model/config_files.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/file.h"

enum { MAX_BYTES = 1 << 20 };

struct config_file {
    char *path;
    cg_bytes bytes; /* data is NULL for a missing optional file */
};

static void close_file(struct config_file *f)
{
    cg_bytes_release(&f->bytes);
    free(f->path);
}

static cg_status open_file(const char *dir, const char *name, int required, struct config_file *f,
                           cg_error *err)
{
    *f = (struct config_file) { .path = cg_path_join(dir, name) };
    if (!f->path)
        return cg_fail_nomem(err, name);
    return required || cg_file_exists(f->path) ? cg_file_read(f->path, MAX_BYTES, &f->bytes, err)
                                               : CG_OK;
}

cg_status cg_model_config_read(const char *dir, cg_model_config *ret, cg_error *err)
{
    struct config_file f;
    cg_status st = open_file(dir, "config.json", 1, &f, err);

    if (st == CG_OK)
        st = cg_model_config_parse(f.path, f.bytes.data, f.bytes.len, ret, err);
    close_file(&f);
    return st;
}

cg_status cg_generation_config_read(const char *dir, const cg_model_config *model,
                                    cg_generation_config *ret, cg_error *err)
{
    struct config_file f;
    cg_status st = open_file(dir, "generation_config.json", 0, &f, err);

    if (st == CG_OK)
        st = cg_generation_config_parse(f.path, f.bytes.data, f.bytes.len, model, ret, err);
    close_file(&f);
    return st;
}

cg_status cg_format_config_read(const char *dir, cg_format_config *ret, cg_error *err)
{
    struct config_file f;
    cg_status st = open_file(dir, "confgen.json", 0, &f, err);

    if (st == CG_OK)
        st = cg_format_config_parse(f.path, f.bytes.data, f.bytes.len, ret, err);
    close_file(&f);
    return st;
}
