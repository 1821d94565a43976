/* SPDX-License-Identifier: MIT */
/* The format that the options choose. */
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "model/config_files.h"
#include "text.h"

int text_option(struct text_options *options, int option, const char *value)
{
    if (option == 'f')
        options->format = value;
    else if (option == 'm')
        options->model = value;
    else
        return 0;
    if (options->format && options->model)
        usage_error("--format and --model: wanted only one of the two");
    return 1;
}

/* A file with the contents of confgen.json, of at most 1 MiB. */
static cg_status read_format_file(const char *path, cg_format_config *ret, cg_error *err)
{
    cg_bytes bytes = { 0 };
    cg_status st;

    CG_TRY(cg_file_read(path, 1 << 20, &bytes, err));
    st = cg_format_config_parse(path, bytes.data, bytes.len, ret, err);
    cg_bytes_release(&bytes);
    return st;
}

cg_status text_open_format(const struct text_options *options, cg_format_config *ret, cg_error *err)
{
    const char *name = options->format ? options->format : "molgen-v3";

    if (options->model && !cg_file_exists(options->model))
        return cg_fail(err, CG_ERR_IO, "%s: no such folder, wanted a model", options->model);
    if (options->model)
        return cg_format_config_read(options->model, ret, err);
    if (strchr(name, '/') || strchr(name, '.'))
        return read_format_file(name, ret, err);
    CG_TRY(cg_format_config_parse("", NULL, 0, ret, err));
    return cg_conformer_format_named(name, &ret->conformer, err);
}
