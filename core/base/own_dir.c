/* SPDX-License-Identifier: MIT */
#include "base/own_dir.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Copies the folder of the file `path` into ret_dir; 0 if the path is not absolute or does not fit.
 * The kernel writes "(unreachable)/..." for a file outside of the root folder. */
static int folder_of(const char *path, char *ret_dir, size_t cap)
{
    size_t n;

    if (*path != '/')
        return 0;
    n = (size_t)(strrchr(path, '/') - path);
    n += n == 0; /* the root folder */
    if (n >= cap)
        return 0;
    memcpy(ret_dir, path, n);
    ret_dir[n] = '\0';
    return 1;
}

int cg_own_dir_of_program(char *ret_dir, size_t cap)
{
    char path[PATH_MAX + 16]; /* " (deleted)" may follow the path */
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

    if (n <= 0)
        return 0;
    path[n] = '\0';
    return folder_of(path, ret_dir, cap);
}

int cg_own_dir_of_code(char *ret_dir, size_t cap)
{
    uintptr_t code = (uintptr_t)cg_own_dir_of_code;
    char *line = NULL;
    size_t line_cap = 0;
    int found = 0, done = 0;
    FILE *maps = fopen("/proc/self/maps", "re");

    /* begin-end mode offset device inode   path */
    while (maps && !done && getline(&line, &line_cap, maps) > 0) {
        uintmax_t begin, end;
        int at = 0;

        done = sscanf(line, "%jx-%jx %*s %*s %*s %*s %n", &begin, &end, &at) == 2 && at &&
               code >= begin && code < end;
        /* a newline in a name is written \012, like these characters themselves: it may be either
         */
        if (done && !strstr(line + at, "\\012"))
            found = folder_of(line + at, ret_dir, cap);
    }
    free(line);
    if (maps)
        fclose(maps);
    return found;
}
