/* SPDX-License-Identifier: MIT */
#include "engine/paths.h"

#include <confgen/build_info.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/own_dir.h"

/* Joins root/below/name into ret_path; 0 if that file cannot be read. */
static int try_path(const char *root, const char *below, const char *name, char *ret_path,
                    size_t cap)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s%s/%s", root, below, name);

    if (n < 0 || (size_t)n >= sizeof path || (size_t)n >= cap || access(path, R_OK))
        return 0;
    memcpy(ret_path, path, (size_t)n + 1);
    return 1;
}

cg_status cg_data_path(const char *name, char *ret_path, size_t cap, cg_error *err)
{
    /* relative to the program: a build directory in the source tree, an installation */
    static const char *const below[] = { "/../data", CG_DATADIR_FROM_BINDIR };
    const char *env = getenv("CONFGEN_DATA");
    char dir[PATH_MAX];

    if (env && try_path(env, "", name, ret_path, cap))
        return CG_OK;
    if (env)
        return cg_fail(err, CG_ERR_IO, "'%s': not in the directory '%s' that CONFGEN_DATA names",
                       name, env);
    if (cg_own_dir_of_program(dir, sizeof dir))
        for (size_t i = 0; i < sizeof below / sizeof below[0]; i++)
            if (try_path(dir, below[i], name, ret_path, cap))
                return CG_OK;
    if (try_path(CG_DATADIR, "", name, ret_path, cap))
        return CG_OK;
    return cg_fail(err, CG_ERR_IO, "'%s': neither next to the program nor in %s", name, CG_DATADIR);
}

cg_status cg_default_model_dir(char **ret_dir, cg_error *err)
{
    char path[PATH_MAX];

    if (cg_data_path("confgen-default/config.json", path, sizeof path, NULL) != CG_OK)
        return cg_fail(err, CG_ERR_IO,
                       "the default model is neither next to the program nor installed; name one "
                       "with --model DIR");
    *strrchr(path, '/') = '\0';
    *ret_dir = strdup(path);
    return *ret_dir ? CG_OK : cg_fail_nomem(err, "model");
}
