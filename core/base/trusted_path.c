/* SPDX-License-Identifier: MIT */
#include "base/trusted_path.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/error.h"
#include "base/own_dir.h"

enum {
    MAX_LINKS = 40, /* symbolic links in a path, as in the kernel */
    MAX_DEPTH = 64, /* folders above the program that are compared */
};

/* The running program: its owner, and the folders that contain it. */
struct program {
    uid_t owner;
    int n_folders;
    struct {
        dev_t dev;
        ino_t ino;
    } folders[MAX_DEPTH];
};

/* A path that is followed component by component. */
struct path_walk {
    const char *what, *path; /* for messages */
    struct program program;
    int fd;                  /* O_PATH: what has been reached */
    char rest[2 * PATH_MAX]; /* what follows */
    int n_links;
};

static void find_program(struct program *ret_program)
{
    struct program p = { .owner = geteuid() };
    char path[PATH_MAX];
    struct stat info;

    if (cg_own_dir_of_program(path, sizeof path) && !stat("/proc/self/exe", &info)) {
        p.owner = info.st_uid;
        while (p.n_folders < MAX_DEPTH) {
            char *slash = strrchr(path, '/');

            if (!stat(path, &info)) {
                p.folders[p.n_folders].dev = info.st_dev;
                p.folders[p.n_folders++].ino = info.st_ino;
            }
            if (!slash[1])
                break; /* the root folder */
            slash[slash == path] = '\0';
        }
    }
    *ret_program = p;
}

static int contains_program(const struct program *p, const struct stat *folder)
{
    for (int i = 0; i < p->n_folders; i++)
        if (p->folders[i].dev == folder->st_dev && p->folders[i].ino == folder->st_ino)
            return 1;
    return 0;
}

/* ---- one file or folder ---------------------------------------------------------------------- */

/* The path of an open descriptor, for messages. */
static void path_of(int fd, char *ret_path, size_t cap)
{
    char link[40];
    ssize_t n;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, ret_path, cap - 1);
    snprintf(ret_path + (n > 0 ? n : 0), cap - (size_t)(n > 0 ? n : 0), "%s", n > 0 ? "" : "?");
}

/* Whether a group is the owner's own: the owner's name, no other member. Not root's: programs of
 * many kinds run in group 0. */
static int is_own_group(const struct stat *info)
{
    char user_text[4096], group_text[4096];
    struct passwd user, *found_user;
    struct group group, *found_group;

    if (!info->st_gid ||
        getpwuid_r(info->st_uid, &user, user_text, sizeof user_text, &found_user) || !found_user ||
        getgrgid_r(info->st_gid, &group, group_text, sizeof group_text, &found_group) ||
        !found_group || strcmp(user.pw_name, group.gr_name) != 0)
        return 0;
    for (char **member = group.gr_mem; *member; member++)
        if (strcmp(*member, user.pw_name) != 0)
            return 0;
    return 1;
}

/* With an access control list the group's bits are the list's mask, for other users too. */
static int has_acl(int fd)
{
    char link[40];

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    return getxattr(link, "system.posix_acl_access", NULL, 0) > 0;
}

static cg_status refuse(const struct path_walk *w, cg_error *err, const char *fmt, unsigned value)
    CG_PRINTF(3, 0);

/* `fmt` states the fault of the file or folder open as w->fd, with one number. */
static cg_status refuse(const struct path_walk *w, cg_error *err, const char *fmt, unsigned value)
{
    char found[PATH_MAX], why[64];

    path_of(w->fd, found, sizeof found);
    snprintf(why, sizeof why, fmt, value);
    return cg_fail(
        err, CG_ERR_PLUGIN,
        "%s '%.300s': '%.300s' %s, so others may have put their code there; wanted a file and "
        "folders that only root and this user may write: change owner or mode (chmod "
        "go-w), or set CONFGEN_ALLOW_WRITABLE_PLUGINS=1 to load it all the same",
        w->what, w->path, found, why);
}

/* Checks the file or folder open as w->fd. `is_above`: a folder that leads to the file. */
static cg_status check_reached(const struct path_walk *w, const struct stat *info, int is_above,
                               cg_error *err)
{
    if (S_ISDIR(info->st_mode) && contains_program(&w->program, info))
        return CG_OK;
    if (info->st_uid && info->st_uid != geteuid() && info->st_uid != w->program.owner)
        return refuse(w, err, "belongs to user %u", (unsigned)info->st_uid);
    if (S_ISLNK(info->st_mode) || (is_above && info->st_mode & S_ISVTX))
        return CG_OK;
    if (info->st_mode & S_IWOTH)
        return refuse(w, err, "may be written by everyone (mode %04o)", info->st_mode & 07777u);
    if (info->st_mode & S_IWGRP && (!is_own_group(info) || has_acl(w->fd)))
        return refuse(w, err, "may be written by its group (mode %04o)", info->st_mode & 07777u);
    return CG_OK;
}

/* ---- the path -------------------------------------------------------------------------------- */

static cg_status fail_errno(const struct path_walk *w, cg_error *err)
{
    return cg_fail(err, CG_ERR_IO, "%s '%.500s': its owners and permissions cannot be read: %s",
                   w->what, w->path, strerror(errno));
}

static cg_status go_to(struct path_walk *w, int fd, cg_error *err)
{
    if (fd < 0)
        return fail_errno(w, err);
    if (w->fd >= 0)
        close(w->fd);
    w->fd = fd;
    return CG_OK;
}

static cg_status start_at_root(struct path_walk *w, cg_error *err)
{
    struct stat info;

    CG_TRY(go_to(w, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), err));
    if (fstat(w->fd, &info))
        return fail_errno(w, err);
    return check_reached(w, &info, 1, err);
}

/* Puts the target of the link w->fd before the rest, and returns to `folder`, which holds it. */
static cg_status follow(struct path_walk *w, int folder, cg_error *err)
{
    char target[PATH_MAX], rest[sizeof w->rest];
    ssize_t n = readlinkat(w->fd, "", target, sizeof target - 1);

    if (n < 0 || ++w->n_links > MAX_LINKS) {
        errno = n < 0 ? errno : ELOOP;
        close(folder);
        return fail_errno(w, err);
    }
    target[n] = '\0';
    CG_TRY(go_to(w, folder, err));
    if ((size_t)snprintf(rest, sizeof rest, "%s/%s", target, w->rest) >= sizeof rest) {
        errno = ENAMETOOLONG;
        return fail_errno(w, err);
    }
    memcpy(w->rest, rest, sizeof rest);
    return *target == '/' ? start_at_root(w, err) : CG_OK;
}

/* Goes to the next component of w->rest and checks it. */
static cg_status step(struct path_walk *w, cg_error *err)
{
    char name[NAME_MAX + 1];
    const char *begin = w->rest + strspn(w->rest, "/");
    size_t n = strcspn(begin, "/");
    const char *next = begin + n + strspn(begin + n, "/");
    int is_last = !*next, folder = w->fd;
    struct stat info;
    cg_status st;

    if (n >= sizeof name) {
        errno = ENAMETOOLONG;
        return fail_errno(w, err);
    }
    memcpy(name, begin, n);
    name[n] = '\0';
    memmove(w->rest, next, strlen(next) + 1);
    w->fd = -1;
    st = go_to(w, openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC), err);
    if (st == CG_OK && fstat(w->fd, &info))
        st = fail_errno(w, err);
    if (st == CG_OK)
        st = check_reached(w, &info, !is_last, err);
    if (st == CG_OK && S_ISLNK(info.st_mode))
        return follow(w, folder, err); /* which takes `folder` */
    close(folder);
    return st;
}

cg_status cg_trusted_path_check(const char *what, const char *path, cg_error *err)
{
    const char *allow = secure_getenv("CONFGEN_ALLOW_WRITABLE_PLUGINS");
    struct path_walk w = { .what = what, .path = path, .fd = -1 };
    char folder[PATH_MAX] = "";
    cg_status st;

    if (allow && !strcmp(allow, "1"))
        return CG_OK;
    if (*path != '/' && !getcwd(folder, sizeof folder))
        return fail_errno(&w, err);
    if ((size_t)snprintf(w.rest, sizeof w.rest, "%s/%s", folder, path) >= sizeof w.rest) {
        errno = ENAMETOOLONG;
        return fail_errno(&w, err);
    }
    find_program(&w.program);
    CG_TRY_GOTO(st, start_at_root(&w, err), out);
    while (w.rest[strspn(w.rest, "/")])
        CG_TRY_GOTO(st, step(&w, err), out);
out:
    if (w.fd >= 0)
        close(w.fd);
    return st;
}
