/* SPDX-License-Identifier: MIT */
#include "model/config_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <string.h>

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
    struct stat info;

    *f = (struct config_file) { .path = cg_path_join(dir, name) };
    if (!f->path)
        return cg_fail_nomem(err, name);
    /* A link that leads nowhere is no missing file: reading it fails. */
    return required || !lstat(f->path, &info) ? cg_file_read(f->path, MAX_BYTES, &f->bytes, err)
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

/*
 * What config.json states of sampling. transformers 4 prefers it to a generation_config.json that
 * it made of a config.json; transformers 5 does not.
 */
static void compare_with_config(const char *dir, int32_t vocab, cg_generation_config *g)
{
    cg_generation_config other = { 0 };
    size_t n = strlen(g->note);
    struct config_file f;

    if (open_file(dir, "config.json", 1, &f, NULL) == CG_OK &&
        cg_generation_config_parse(f.path, f.bytes.data, f.bytes.len, vocab, &other, NULL) ==
            CG_OK &&
        (other.sampling.stated || other.n_unserved))
        snprintf(g->note + n, sizeof g->note - n,
                 "%sconfig.json states sampling, too, which transformers 4 prefers, 5 does not",
                 n ? "; " : "");
    close_file(&f);
}

cg_status cg_generation_config_read(const char *dir, int32_t vocab, cg_generation_config *ret,
                                    cg_error *err)
{
    struct config_file f;
    cg_status st = open_file(dir, "generation_config.json", 0, &f, err);
    int from_config = st == CG_OK && !f.bytes.data;

    if (from_config) {
        close_file(&f);
        st = open_file(dir, "config.json", 1, &f, err);
    }
    if (st == CG_OK)
        st = cg_generation_config_parse(f.path, f.bytes.data, f.bytes.len, vocab, ret, err);
    close_file(&f);
    if (st != CG_OK)
        return st;
    ret->from_config = from_config;
    if (ret->from_model_config && !from_config)
        compare_with_config(dir, vocab, ret);
    return CG_OK;
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
