/* SPDX-License-Identifier: MIT */
#include "base/file_set.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/size.h"

struct cg_file_use {
    const char *role; /* borrowed */
    char *path;       /* owned */
    char *name;       /* owned; of a file that does not exist in the folder of that identity, else
                         NULL */
    dev_t dev;
    ino_t ino;
};

void cg_file_set_finish(cg_file_set *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free(s->uses[i].path);
        free(s->uses[i].name);
    }
    free(s->uses);
    memset(s, 0, sizeof *s);
}

/* Whether a file of this kind must have one use only; a socket may be standard input and output. */
static int is_compared(const struct stat *sb)
{
    return S_ISREG(sb->st_mode) || S_ISFIFO(sb->st_mode);
}

/* Identifies a file that does not exist. *ret_known = 0 if its folder does not exist either. */
static cg_status identify_missing(const char *path, struct cg_file_use *u, int *ret_known,
                                  cg_error *err)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    struct stat sb;
    int known;

    if (!dir)
        return cg_fail_nomem(err, path);
    known = !stat(dir, &sb);
    free(dir);
    *ret_known = known;
    if (!known)
        return CG_OK;
    u->dev = sb.st_dev;
    u->ino = sb.st_ino;
    u->name = strdup(slash ? slash + 1 : path);
    return u->name ? CG_OK : cg_fail_nomem(err, path);
}

/* Sets device, inode and name of a path; *ret_known = 0 if it is not to be compared. */
static cg_status identify(const char *path, int standard_fd, struct cg_file_use *u, int *ret_known,
                          cg_error *err)
{
    struct stat sb;
    int is_standard = !strcmp(path, "-");

    *ret_known = 0;
    if (is_standard ? fstat(standard_fd, &sb) : stat(path, &sb))
        return is_standard ? CG_OK : identify_missing(path, u, ret_known, err);
    *ret_known = is_compared(&sb);
    u->dev = sb.st_dev;
    u->ino = sb.st_ino;
    return CG_OK;
}

static int is_same(const struct cg_file_use *a, const struct cg_file_use *b)
{
    return a->dev == b->dev && a->ino == b->ino && !a->name == !b->name &&
           (!a->name || !strcmp(a->name, b->name));
}

/* Adds a use; takes over its texts, also on failure. */
static cg_status add(cg_file_set *s, struct cg_file_use *u, cg_error *err)
{
    if (u->path && !cg_grow((void **)&s->uses, &s->cap, s->n + 1, sizeof *s->uses)) {
        s->uses[s->n++] = *u;
        return CG_OK;
    }
    free(u->path);
    free(u->name);
    return cg_fail_nomem(err, "names of files");
}

cg_status cg_file_set_add_input(cg_file_set *s, const char *role, const char *path, cg_error *err)
{
    struct cg_file_use u = { .role = role };
    int known;

    CG_TRY(identify(path, STDIN_FILENO, &u, &known, err));
    if (!known || u.name) {
        free(u.name);
        return CG_OK;
    }
    u.path = strdup(path);
    return add(s, &u, err);
}

cg_status cg_file_set_add_folder(cg_file_set *s, const char *role, const char *dir, cg_error *err)
{
    DIR *d = opendir(dir);
    const struct dirent *e;
    cg_status st = CG_OK;

    if (!d)
        return CG_OK; /* whoever reads the folder reports it */
    while (st == CG_OK && (e = readdir(d)) != NULL) {
        char *path = cg_path_join(dir, e->d_name);

        st = path ? cg_file_set_add_input(s, role, path, err) : cg_fail_nomem(err, dir);
        free(path);
    }
    closedir(d);
    return st;
}

cg_status cg_file_set_add_output(cg_file_set *s, const char *option, const char *role,
                                 const char *path, cg_error *err)
{
    struct cg_file_use u = { .role = role };
    int known;

    CG_TRY(identify(path, STDOUT_FILENO, &u, &known, err));
    for (size_t i = 0; known && i < s->n; i++)
        if (is_same(&u, &s->uses[i])) {
            free(u.name);
            return cg_fail(err, CG_ERR_USAGE, "%s '%s' is %s '%s', wanted another file", option,
                           path, s->uses[i].role, s->uses[i].path);
        }
    if (!known) {
        free(u.name);
        return CG_OK;
    }
    u.path = strdup(path);
    return add(s, &u, err);
}
