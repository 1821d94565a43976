/* SPDX-License-Identifier: MIT */
#include "plugin/registry.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/size.h"
#include "plugin/loader.h"

enum {
    MAX_PLUGINS = 256,
    MAX_DIR_ENTRIES = 4096, /* names in one directory */
    MAX_DIRS = 512,         /* directories below one root */
};

/* Which file an entry came from: the same file is reached by several paths. */
struct file_id {
    dev_t dev;
    ino_t ino;
};

struct cg_registry {
    const cg_host *host;
    cg_registry_entry *entries; /* ordered by kind and name */
    struct file_id *ids;        /* of all files that were tried, in no order */
    cg_registry_refusal *refusals;
    char **dirs; /* that were searched */
    size_t n_dirs, cap_dirs;
    size_t n_entries, cap_entries;
    size_t n_ids, cap_ids;
    size_t n_refusals, cap_refusals;
};

cg_status cg_registry_create(const cg_host *host, cg_registry **ret_registry, cg_error *err)
{
    cg_registry *r = calloc(1, sizeof *r);

    if (!r)
        return cg_fail(err, CG_ERR_NOMEM, "plugin registry: out of memory");
    r->host = host;
    *ret_registry = r;
    return CG_OK;
}

void cg_registry_destroy(cg_registry *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n_entries; i++)
        free((char *)r->entries[i].path);
    for (size_t i = 0; i < r->n_refusals; i++) {
        free((char *)r->refusals[i].path);
        free((char *)r->refusals[i].text);
    }
    for (size_t i = 0; i < r->n_dirs; i++)
        free(r->dirs[i]);
    free(r->dirs);
    free(r->entries);
    free(r->ids);
    free(r->refusals);
    free(r);
}

static int compare(const cg_plugin *a, const cg_plugin *b)
{
    return a->kind != b->kind ? (a->kind < b->kind ? -1 : 1) : strcmp(a->name, b->name);
}

/* True if the file was tried before; else notes it. */
static cg_status seen_before(cg_registry *r, const char *path, int *ret_seen, cg_error *err)
{
    struct stat st;

    *ret_seen = 0;
    if (stat(path, &st))
        return CG_OK; /* the loader says what is wrong with it */
    for (size_t i = 0; i < r->n_ids; i++)
        if (r->ids[i].dev == st.st_dev && r->ids[i].ino == st.st_ino) {
            *ret_seen = 1;
            return CG_OK;
        }
    if (cg_grow((void **)&r->ids, &r->cap_ids, r->n_ids + 1, sizeof *r->ids))
        return cg_fail(err, CG_ERR_NOMEM, "plugin '%s': out of memory", path);
    r->ids[r->n_ids++] = (struct file_id) { st.st_dev, st.st_ino };
    return CG_OK;
}

static cg_status insert(cg_registry *r, const cg_plugin *plugin, const char *path, cg_error *err)
{
    size_t at = 0;
    char *copy;

    while (at < r->n_entries && compare(r->entries[at].plugin, plugin) < 0)
        at++;
    if (at < r->n_entries && compare(r->entries[at].plugin, plugin) == 0)
        return cg_fail(err, CG_ERR_PLUGIN,
                       "plugin '%s': the name '%s' is already taken by the %s plugin '%s'; rename "
                       "one of them",
                       path, plugin->name, cg_plugin_kind_name(plugin->kind), r->entries[at].path);
    if (r->n_entries >= MAX_PLUGINS)
        return cg_fail(err, CG_ERR_LIMIT, "plugin '%s': %d plugins are loaded already, the limit",
                       path, MAX_PLUGINS);
    copy = strdup(path);
    if (!copy ||
        cg_grow((void **)&r->entries, &r->cap_entries, r->n_entries + 1, sizeof *r->entries)) {
        free(copy);
        return cg_fail(err, CG_ERR_NOMEM, "plugin '%s': out of memory", path);
    }
    memmove(&r->entries[at + 1], &r->entries[at], (r->n_entries - at) * sizeof *r->entries);
    r->entries[at] = (cg_registry_entry) { plugin, copy };
    r->n_entries++;
    return CG_OK;
}

cg_status cg_registry_add_file(cg_registry *r, const char *path, cg_error *err)
{
    const cg_plugin *plugin = NULL;
    cg_status st;
    int seen;

    if ((st = seen_before(r, path, &seen, err)) != CG_OK || seen)
        return st;
    if ((st = cg_plugin_load(path, r->host, &plugin, err)) != CG_OK)
        return st;
    return insert(r, plugin, path, err);
}

/* Keep and log the reason why `path` was not taken. */
static cg_status refuse(cg_registry *r, const char *path, const char *text, cg_error *err)
{
    char *path_copy = strdup(path);
    char *text_copy = strdup(text);

    if (!path_copy || !text_copy ||
        cg_grow((void **)&r->refusals, &r->cap_refusals, r->n_refusals + 1, sizeof *r->refusals)) {
        free(path_copy);
        free(text_copy);
        return cg_fail(err, CG_ERR_NOMEM, "plugin '%s': out of memory", path);
    }
    r->refusals[r->n_refusals++] = (cg_registry_refusal) { path_copy, text_copy };
    r->host->log(r->host->ctx, CG_LOG_WARNING, text);
    return CG_OK;
}

static int is_plugin_name(const char *name)
{
    return fnmatch("attention_*.so", name, 0) == 0 || fnmatch("cache_*.so", name, 0) == 0 ||
           fnmatch("constraint_*.so", name, 0) == 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names in a directory, sorted: the order of the file system must not decide who gets a name. */
static cg_status list_dir(const char *dir, char ***ret_names, size_t *ret_n, cg_error *err)
{
    cg_status st = CG_OK;
    char **names = NULL;
    size_t n = 0, cap = 0;
    struct dirent *e;
    DIR *d = opendir(dir);

    if (!d)
        return cg_fail(err, CG_ERR_IO, "plugin directory '%s': %s; wanted a readable directory",
                       dir, strerror(errno));
    while (st == CG_OK && (e = readdir(d))) {
        if (e->d_name[0] == '.')
            continue;
        if (n >= MAX_DIR_ENTRIES) {
            st = cg_fail(err, CG_ERR_LIMIT,
                         "plugin directory '%s': more than %d names; wanted a directory that holds "
                         "plugins only",
                         dir, MAX_DIR_ENTRIES);
            break;
        }
        if (cg_grow((void **)&names, &cap, n + 1, sizeof *names) ||
            !(names[n] = strdup(e->d_name))) {
            st = cg_fail(err, CG_ERR_NOMEM, "plugin directory '%s': out of memory", dir);
            break;
        }
        n++;
    }
    closedir(d);
    if (st != CG_OK) {
        for (size_t i = 0; i < n; i++)
            free(names[i]);
        free(names);
        return st;
    }
    if (n)
        qsort(names, n, sizeof *names, by_name);
    *ret_names = names;
    *ret_n = n;
    return CG_OK;
}

static cg_status scan(cg_registry *r, const char *dir, int depth, int *n_dirs, cg_error *err)
{
    cg_error why = CG_ERROR_INIT;
    char **names = NULL;
    size_t n = 0;
    cg_status st;

    if (++*n_dirs > MAX_DIRS)
        return cg_fail(err, CG_ERR_LIMIT,
                       "plugin directory '%s': more than %d directories; wanted a directory that "
                       "holds plugins only",
                       dir, MAX_DIRS);
    if ((st = list_dir(dir, &names, &n, err)) != CG_OK)
        return st;
    for (size_t i = 0; i < n && st == CG_OK; i++) {
        char path[PATH_MAX];
        struct stat info;

        if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, names[i]) >= sizeof path ||
            stat(path, &info))
            continue; /* vanished, a dangling link, or a path that no call takes */
        if (S_ISDIR(info.st_mode)) {
            if (depth < CG_REGISTRY_DEPTH && scan(r, path, depth + 1, n_dirs, &why) != CG_OK)
                st = why.code == CG_ERR_NOMEM ? cg_fail(err, why.code, "%s", why.msg)
                                              : refuse(r, path, why.msg, err);
        } else if (is_plugin_name(names[i]) && cg_registry_add_file(r, path, &why) != CG_OK) {
            st = refuse(r, path, why.msg, err);
        }
    }
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
    return st;
}

cg_status cg_registry_add_dir(cg_registry *r, const char *dir, cg_error *err)
{
    char *copy = strdup(dir);
    int n_dirs = 0;

    if (!copy || cg_grow((void **)&r->dirs, &r->cap_dirs, r->n_dirs + 1, sizeof *r->dirs)) {
        free(copy);
        return cg_fail(err, CG_ERR_NOMEM, "plugin directory '%s': out of memory", dir);
    }
    r->dirs[r->n_dirs++] = copy;
    return scan(r, dir, 0, &n_dirs, err);
}

/* ---- where plugins are looked for ------------------------------------------------------- */

/* Scan a directory that was named, or found; trouble with it is a refusal. */
static cg_status scan_or_refuse(cg_registry *r, const char *dir, cg_error *err)
{
    cg_error why = CG_ERROR_INIT;

    if (cg_registry_add_dir(r, dir, &why) == CG_OK)
        return CG_OK;
    return refuse(r, dir, why.msg, err);
}

static cg_status scan_path_variable(cg_registry *r, cg_error *err)
{
    const char *value = getenv("CONFGEN_PLUGIN_PATH");
    cg_status st = CG_OK;

    while (value && *value && st == CG_OK) {
        size_t n = strcspn(value, ":");
        char *dir = strndup(value, n);

        if (!dir)
            return cg_fail(err, CG_ERR_NOMEM, "CONFGEN_PLUGIN_PATH: out of memory");
        if (n)
            st = scan_or_refuse(r, dir, err);
        free(dir);
        value += n + (value[n] == ':');
    }
    return st;
}

static int is_dir(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/*
 * The program's own plugins: `plugins` beside the program (build tree), the plugin directory at its
 * place relative to the program (an installed tree that was moved), the configured directory. The
 * first that is there is the one: several would offer the same names.
 */
static cg_status scan_own_dir(cg_registry *r, cg_error *err)
{
    static const char *const beside[] = { "plugins", CG_PLUGINDIR_FROM_BINDIR };
    char exe[PATH_MAX], path[PATH_MAX + 256];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    char *slash;

    if (n > 0) {
        exe[n] = '\0';
        slash = strrchr(exe, '/');
        if (slash)
            *slash = '\0';
        for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
            snprintf(path, sizeof path, "%s/%s", exe, beside[i]);
            if (is_dir(path))
                return scan_or_refuse(r, path, err);
        }
    }
    if (is_dir(CG_PLUGINDIR))
        return scan_or_refuse(r, CG_PLUGINDIR, err);
    return CG_OK;
}

cg_status cg_registry_open(const cg_host *host, const char *const *files, int32_t n_files,
                           cg_registry **ret_registry, cg_error *err)
{
    cg_registry *r = NULL;
    cg_status st = cg_registry_create(host, &r, err);

    for (int32_t i = 0; i < n_files && st == CG_OK; i++)
        st = cg_registry_add_file(r, files[i], err);
    if (st == CG_OK)
        st = scan_path_variable(r, err);
    if (st == CG_OK)
        st = scan_own_dir(r, err);
    if (st != CG_OK) {
        cg_registry_destroy(r);
        return st;
    }
    *ret_registry = r;
    return CG_OK;
}

/* ---- asking ------------------------------------------------------------------------------ */

static void append(char *text, size_t cap, size_t *n, const char *a, const char *b)
{
    int added = snprintf(text + *n, cap - *n, "%s%s", a, b);

    *n = added < 0 || (size_t)added >= cap - *n ? cap - 1 : *n + (size_t)added;
}

cg_status cg_registry_find(const cg_registry *r, cg_plugin_kind kind, const char *name,
                           const cg_plugin **ret_plugin, cg_error *err)
{
    char names[CG_ERROR_TEXT / 2] = "", refused[CG_ERROR_TEXT / 2] = "";
    size_t n = 0, m = 0;

    for (size_t i = 0; i < r->n_entries; i++) {
        const cg_plugin *p = r->entries[i].plugin;

        if (p->kind != kind)
            continue;
        if (strcmp(p->name, name) == 0) {
            *ret_plugin = p;
            return CG_OK;
        }
        append(names, sizeof names, &n, n ? ", " : "", p->name);
    }
    for (size_t i = 0; i < r->n_refusals; i++) {
        const char *base = strrchr(r->refusals[i].path, '/');

        base = base ? base + 1 : r->refusals[i].path;
        if (strstr(base, name))
            append(refused, sizeof refused, &m, "; ", r->refusals[i].text);
    }
    return cg_fail(err, CG_ERR_USAGE, "%s '%.64s': no such plugin; there %s: %s%s",
                   cg_plugin_kind_name(kind), name, n ? "are" : "is", n ? names : "none", refused);
}

int32_t cg_registry_entries(const cg_registry *r, const cg_registry_entry **ret_entries)
{
    *ret_entries = r->entries;
    return (int32_t)r->n_entries;
}

int32_t cg_registry_dirs(const cg_registry *r, const char *const **ret_dirs)
{
    *ret_dirs = (const char *const *)r->dirs;
    return (int32_t)r->n_dirs;
}

int32_t cg_registry_refusals(const cg_registry *r, const cg_registry_refusal **ret_refusals)
{
    *ret_refusals = r->refusals;
    return (int32_t)r->n_refusals;
}
