/* SPDX-License-Identifier: MIT */
#include "paths.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char model_name[] = "confgen-default";

/* root/below/model_name if it has a config.json. */
static char *try_dir(const char *root, const char *below)
{
    char path[PATH_MAX + 16];
    int n = snprintf(path, PATH_MAX, "%s%s/%s", root, below, model_name);

    if (n < 0 || n >= PATH_MAX)
        return NULL;
    strcpy(path + n, "/config.json");
    if (access(path, R_OK))
        return NULL;
    path[n] = '\0';
    return strdup(path);
}

char *cg_default_model_dir(void)
{
    const char *env = getenv("CONFGEN_DATA");
    char exe[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    char *dir = env ? try_dir(env, "") : NULL;

    if (dir || env)
        return dir;
    if (n > 0) {
        exe[n] = '\0';
        *strrchr(exe, '/') = '\0';
        dir = try_dir(exe, "/../data"); /* a build folder in the source tree */
        if (!dir)
            dir = try_dir(exe, CG_DATADIR_FROM_BINDIR);
    }
    return dir ? dir : try_dir(CG_DATADIR, "");
}
