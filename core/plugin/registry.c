/* SPDX-License-Identifier: MIT */
#include "plugin/registry.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/own_dir.h"
#include "base/size.h"
#include "base/trusted_path.h"
#include "plugin/host.h"
#include "plugin/loader.h"

enum {
    MAX_PLUGINS = 256,
    MAX_DIR_ENTRIES = 4096, /* names in one directory */
    MAX_DIRS = 512,         /* directories below one root */
};

/* Identity of a file, which several paths may name. */
struct file_id {
    dev_t dev;
    ino_t ino;
    int is_taken; /* its plugin was refused because another has its name */
};

struct cg_registry {
    const cg_host *host;
    cg_registry_entry *entries; /* by kind, then name */
    struct file_id *ids;        /* of all files that were tried */
    cg_registry_refusal *refusals;
    char **dirs;  /* searched */
    char **texts; /* owned: the strings of entries and refusals */
    size_t n_dirs, cap_dirs;
    size_t n_texts, cap_texts;
    size_t n_entries, cap_entries;
    size_t n_ids, cap_ids;
    size_t n_refusals, cap_refusals;
    int is_own; /* the program's own directory is being searched */
};

/* Out of memory while handling a plugin's file. */
static cg_status nomem(const char *path, cg_error *err)
{
    return cg_fail(err, CG_ERR_NOMEM, "plugin '%s': out of memory", path);
}

static cg_status nomem_dir(const char *dir, cg_error *err)
{
    return cg_fail(err, CG_ERR_NOMEM, "plugin directory '%s': out of memory", dir);
}

/* A copy of `text` that the registry owns; NULL when out of memory. */
static const char *keep_text(cg_registry *r, const char *text)
{
    char *copy;

    if (cg_grow((void **)&r->texts, &r->cap_texts, r->n_texts + 1, sizeof *r->texts) ||
        !(copy = strdup(text)))
        return NULL;
    r->texts[r->n_texts++] = copy;
    return copy;
}

cg_status cg_registry_create(const cg_host *host, cg_registry **ret_registry, cg_error *err)
{
    cg_registry *r = calloc(1, sizeof *r);

    if (!r)
        return cg_fail_nomem(err, "plugin registry");
    r->host = host;
    *ret_registry = r;
    return CG_OK;
}

void cg_registry_destroy(cg_registry *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n_texts; i++)
        free(r->texts[i]);
    for (size_t i = 0; i < r->n_dirs; i++)
        free(r->dirs[i]);
    free(r->texts);
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

/*
 * Returns the identity of a file, valid until the next one is recorded, and whether the file was
 * tried before. NULL for a file that does not exist, which the loader reports.
 */
static cg_status identify(cg_registry *r, const char *path, struct file_id **ret_id, int *ret_seen,
                          cg_error *err)
{
    struct stat info;

    *ret_id = NULL;
    *ret_seen = 0;
    if (stat(path, &info))
        return CG_OK;
    for (size_t i = 0; i < r->n_ids; i++)
        if (r->ids[i].dev == info.st_dev && r->ids[i].ino == info.st_ino) {
            *ret_id = &r->ids[i];
            *ret_seen = 1;
            return CG_OK;
        }
    if (cg_grow((void **)&r->ids, &r->cap_ids, r->n_ids + 1, sizeof *r->ids))
        return nomem(path, err);
    *ret_id = &r->ids[r->n_ids++];
    **ret_id = (struct file_id) { info.st_dev, info.st_ino, 0 };
    return CG_OK;
}

/* Keeps and logs that an entry takes the place of the program's own plugin of that name. */
static cg_status hide(cg_registry *r, cg_registry_entry *entry, const char *path, cg_error *err)
{
    entry->hides = keep_text(r, path);
    if (!entry->hides)
        return nomem(path, err);
    cg_host_log(r->host, CG_LOG_WARNING,
                "confgen's own %s '%s' (%s) is hidden by '%s', which has the same name",
                cg_plugin_kind_name(entry->plugin->kind), entry->plugin->name, path, entry->path);
    return CG_OK;
}

static cg_status insert(cg_registry *r, const cg_plugin *plugin, const char *path, uint64_t hash,
                        struct file_id *id, cg_error *err)
{
    size_t at = 0;
    const char *kept;

    while (at < r->n_entries && compare(r->entries[at].plugin, plugin) < 0)
        at++;
    if (at < r->n_entries && compare(r->entries[at].plugin, plugin) == 0) {
        if (r->is_own && !r->entries[at].is_own && !r->entries[at].hides)
            return hide(r, &r->entries[at], path, err);
        if (id)
            id->is_taken = 1;
        return cg_fail(err, CG_ERR_PLUGIN,
                       "plugin '%s': the name '%s' is already taken by the %s plugin '%s'; rename "
                       "one of them",
                       path, plugin->name, cg_plugin_kind_name(plugin->kind), r->entries[at].path);
    }
    if (r->n_entries >= MAX_PLUGINS)
        return cg_fail(err, CG_ERR_LIMIT, "plugin '%s': %d plugins are loaded already, the limit",
                       path, MAX_PLUGINS);
    kept = keep_text(r, path);
    if (!kept ||
        cg_grow((void **)&r->entries, &r->cap_entries, r->n_entries + 1, sizeof *r->entries))
        return nomem(path, err);
    memmove(&r->entries[at + 1], &r->entries[at], (r->n_entries - at) * sizeof *r->entries);
    r->entries[at] = (cg_registry_entry) { plugin, kept, hash, r->is_own, NULL };
    r->n_entries++;
    if (cg_plugin_alias_find(plugin->kind, plugin->name))
        cg_host_log(r->host, CG_LOG_WARNING,
                    "%s '%s' is the plugin '%s', not the alias of that name",
                    cg_plugin_kind_name(plugin->kind), plugin->name, kept);
    return CG_OK;
}

/* Marks the plugin that was loaded from this file or a copy of it. 0 if there is none. */
static int mark_own(cg_registry *r, uint64_t hash)
{
    for (size_t i = 0; i < r->n_entries; i++)
        if (r->entries[i].hash == hash) {
            r->entries[i].is_own = 1;
            return 1;
        }
    return 0;
}

cg_status cg_registry_add_file(cg_registry *r, const char *path, cg_error *err)
{
    cg_error unread = CG_ERROR_INIT;
    const cg_plugin *plugin = NULL;
    struct file_id *id;
    uint64_t hash = 0;
    int seen;

    CG_TRY(identify(r, path, &id, &seen, err));
    /* before its code runs; the loader explains most failures better */
    cg_file_hash(path, &hash, &unread);
    if (r->is_own && unread.code == CG_OK && mark_own(r, hash))
        return CG_OK;
    if (seen && !(r->is_own && id->is_taken))
        return CG_OK;
    CG_TRY(cg_plugin_load(path, r->host, &plugin, err));
    if (unread.code != CG_OK)
        return cg_fail(err, unread.code, "plugin %s", unread.msg);
    return insert(r, plugin, path, hash, id, err);
}

/* Records and logs the reason why `path` was refused. */
static cg_status refuse(cg_registry *r, const char *path, const char *text, cg_error *err)
{
    cg_registry_refusal refusal = { keep_text(r, path), keep_text(r, text) };

    if (!refusal.path || !refusal.text ||
        cg_grow((void **)&r->refusals, &r->cap_refusals, r->n_refusals + 1, sizeof *r->refusals))
        return nomem(path, err);
    r->refusals[r->n_refusals++] = refusal;
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

struct plugin_names {
    char **items; /* [n] owned */
    size_t n, cap;
};

static void finish_names(struct plugin_names *names)
{
    for (size_t i = 0; i < names->n; i++)
        free(names->items[i]);
    free(names->items);
}

static cg_status read_names(const char *path, DIR *dir, struct plugin_names *names, cg_error *err)
{
    struct dirent *e;

    while ((e = readdir(dir)) != NULL) {
        if (e->d_name[0] == '.')
            continue;
        if (names->n >= MAX_DIR_ENTRIES)
            return cg_fail(err, CG_ERR_LIMIT,
                           "plugin directory '%s': more than %d names; wanted a directory that "
                           "holds plugins only",
                           path, MAX_DIR_ENTRIES);
        if (cg_grow((void **)&names->items, &names->cap, names->n + 1, sizeof *names->items) ||
            !(names->items[names->n] = strdup(e->d_name)))
            return nomem_dir(path, err);
        names->n++;
    }
    return CG_OK;
}

/* Names in a directory, sorted: precedence must not depend on the file system's order. */
static cg_status list_dir(const char *path, struct plugin_names *names, cg_error *err)
{
    DIR *dir = opendir(path);
    cg_status st;

    if (!dir)
        return cg_fail(err, errno == ENOMEM ? CG_ERR_NOMEM : CG_ERR_IO,
                       "plugin directory '%s': %s; wanted a readable directory", path,
                       strerror(errno));
    st = read_names(path, dir, names, err);
    closedir(dir);
    if (st == CG_OK && names->n)
        qsort(names->items, names->n, sizeof *names->items, by_name);
    return st;
}

/* Whether the process is short of descriptors, of which loading a file needs up to N. */
static int lacks_descriptors(void)
{
    enum { N = 3 };
    int fds[N], n = 0, lacks;

    while (n < N && (fds[n] = open("/", O_PATH | O_CLOEXEC)) >= 0)
        n++;
    lacks = n < N && (errno == EMFILE || errno == ENFILE);
    while (n)
        close(fds[--n]);
    return lacks;
}

/* A failure to load or to scan becomes a refusal, except a shortage of memory or descriptors:
 * without the plugin another would be selected, with other bits. */
static cg_status refuse_or_fail(cg_registry *r, const char *path, cg_status st, const char *why,
                                cg_error *err)
{
    if (st == CG_OK)
        return CG_OK;
    if (st == CG_ERR_NOMEM)
        return cg_fail(err, st, "%s", why);
    if (lacks_descriptors())
        return cg_fail(err, CG_ERR_IO, "%s", why);
    return refuse(r, path, why, err);
}

static cg_status scan(cg_registry *r, const char *dir, int depth, int *n_dirs, cg_error *err);

/* Loads a plugin or scans a directory. */
static cg_status scan_entry(cg_registry *r, const char *dir, const char *name, int depth,
                            int *n_dirs, cg_error *err)
{
    cg_error why = CG_ERROR_INIT;
    cg_status st = CG_OK;
    char path[PATH_MAX];
    struct stat info;

    if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, name) >= sizeof path || stat(path, &info))
        return CG_OK; /* vanished, a dangling link, or a path too long for any call */
    if (S_ISDIR(info.st_mode)) {
        if (depth < CG_REGISTRY_DEPTH)
            st = scan(r, path, depth + 1, n_dirs, &why);
    } else if (is_plugin_name(name)) {
        st = cg_registry_add_file(r, path, &why);
    }
    return refuse_or_fail(r, path, st, why.msg, err);
}

static cg_status scan(cg_registry *r, const char *dir, int depth, int *n_dirs, cg_error *err)
{
    struct plugin_names names = { .n = 0 };
    cg_status st;

    if (++*n_dirs > MAX_DIRS)
        return cg_fail(err, CG_ERR_LIMIT,
                       "plugin directory '%s': more than %d directories; wanted a directory that "
                       "holds plugins only",
                       dir, MAX_DIRS);
    CG_TRY_GOTO(st, list_dir(dir, &names, err), out);
    CG_TRY_GOTO(st, cg_trusted_path_check("plugin directory", dir, err), out);
    for (size_t i = 0; i < names.n; i++)
        CG_TRY_GOTO(st, scan_entry(r, dir, names.items[i], depth, n_dirs, err), out);
out:
    finish_names(&names);
    return st;
}

cg_status cg_registry_add_dir(cg_registry *r, const char *dir, cg_error *err)
{
    char *copy = strdup(dir);
    int n_dirs = 0;

    if (!copy || cg_grow((void **)&r->dirs, &r->cap_dirs, r->n_dirs + 1, sizeof *r->dirs)) {
        free(copy);
        return nomem_dir(dir, err);
    }
    r->dirs[r->n_dirs++] = copy;
    return scan(r, dir, 0, &n_dirs, err);
}

/* ---- search path ------------------------------------------------------------------------- */

/* Scans a directory of the search path. */
static cg_status scan_or_refuse(cg_registry *r, const char *dir, cg_error *err)
{
    cg_error why = CG_ERROR_INIT;
    cg_status st;

    st = cg_registry_add_dir(r, dir, &why);
    return refuse_or_fail(r, dir, st, why.msg, err);
}

static cg_status scan_path_variable(cg_registry *r, cg_error *err)
{
    const char *value = getenv("CONFGEN_PLUGIN_PATH");

    while (value && *value) {
        size_t n = strcspn(value, ":");
        char *dir = strndup(value, n);
        cg_status st;

        if (!dir)
            return cg_fail_nomem(err, "CONFGEN_PLUGIN_PATH");
        st = n ? scan_or_refuse(r, dir, err) : CG_OK;
        free(dir);
        if (st != CG_OK)
            return st;
        value += n + (value[n] == ':');
    }
    return CG_OK;
}

/*
 * Scans the program's own plugin directory, the first that exists of: `plugins` next to the program
 * (build tree), the plugin directory relative to the program (a relocated installation), the
 * configured directory. Only the first is scanned: the others would hold the same plugins.
 */
static cg_status scan_own_dir(cg_registry *r, cg_error *err)
{
    static const char *const candidates[] = { "plugins", CG_PLUGINDIR_FROM_BINDIR };
    char dir[PATH_MAX], path[PATH_MAX + 256];

    if (cg_own_dir_of_program(dir, sizeof dir))
        for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
            snprintf(path, sizeof path, "%s/%s", dir, candidates[i]);
            if (cg_file_is_directory(path))
                return scan_or_refuse(r, path, err);
        }
    if (cg_file_is_directory(CG_PLUGINDIR))
        return scan_or_refuse(r, CG_PLUGINDIR, err);
    return CG_OK;
}

cg_status cg_registry_open(const cg_host *host, const char *const *files, int32_t n_files,
                           cg_registry **ret_registry, cg_error *err)
{
    cg_registry *r = NULL;
    cg_status st;

    CG_TRY(cg_registry_create(host, &r, err));
    for (int32_t i = 0; i < n_files; i++)
        CG_TRY_GOTO(st, cg_registry_add_file(r, files[i], err), out);
    CG_TRY_GOTO(st, scan_path_variable(r, err), out);
    r->is_own = 1;
    CG_TRY_GOTO(st, scan_own_dir(r, err), out);
    r->is_own = 0;
    *ret_registry = r;
    r = NULL;
out:
    cg_registry_destroy(r);
    return st;
}

/* ---- lookup ------------------------------------------------------------------------------ */

static void append(char *text, size_t cap, size_t *n, const char *a, const char *b)
{
    int added = snprintf(text + *n, cap - *n, "%s%s", a, b);

    *n = added < 0 || (size_t)added >= cap - *n ? cap - 1 : *n + (size_t)added;
}

/* A plugin by its own name; NULL if it is not loaded. */
static const cg_plugin *find_by_name(const cg_registry *r, cg_plugin_kind kind, const char *name)
{
    for (size_t i = 0; i < r->n_entries; i++)
        if (r->entries[i].plugin->kind == kind && !strcmp(r->entries[i].plugin->name, name))
            return r->entries[i].plugin;
    return NULL;
}

const cg_plugin_alias *cg_registry_alias(const cg_registry *r, cg_plugin_kind kind,
                                         const char *name)
{
    return find_by_name(r, kind, name) ? NULL : cg_plugin_alias_find(kind, name);
}

/* Writes why a name finds no plugin. */
static void explain_name(const cg_registry *r, cg_plugin_kind kind, const char *name, char *ret,
                         size_t cap)
{
    const cg_plugin_alias *alias = cg_plugin_alias_find(kind, name);

    if (alias && alias->plugin)
        snprintf(ret, cap, "an alias of '%s', a plugin that is not installed", alias->plugin);
    else if (alias)
        snprintf(ret, cap, "an alias of 'auto', wanted a plugin");
    else
        snprintf(ret, cap, "no such plugin");
    for (size_t i = 0; i < r->n_entries && !alias; i++) {
        const cg_plugin *p = r->entries[i].plugin;

        if (p->kind != kind && !strcmp(p->name, name))
            snprintf(ret, cap, "no such plugin: '%.31s' is %s %s plugin", name,
                     p->kind == CG_PLUGIN_ATTENTION ? "an" : "a", cg_plugin_kind_name(p->kind));
    }
}

cg_status cg_registry_find(const cg_registry *r, cg_plugin_kind kind, const char *name,
                           const cg_plugin **ret_plugin, cg_error *err)
{
    char names[CG_ERROR_TEXT / 2] = "", refused[CG_ERROR_TEXT / 2] = "", why[160];
    const cg_plugin_alias *alias = cg_registry_alias(r, kind, name);
    const cg_plugin *plugin = find_by_name(r, kind, alias && alias->plugin ? alias->plugin : name);
    const cg_plugin_alias *other;
    int n_aliases = 0, is_empty;
    size_t n = 0, m = 0;

    if (plugin) {
        *ret_plugin = plugin;
        return CG_OK;
    }
    for (size_t i = 0; i < r->n_entries; i++)
        if (r->entries[i].plugin->kind == kind)
            append(names, sizeof names, &n, n ? ", " : "", r->entries[i].plugin->name);
    is_empty = !n;
    if (is_empty)
        append(names, sizeof names, &n, "none", "");
    for (int32_t i = 0; (other = cg_plugin_alias_get(i)) != NULL; i++)
        if (other->kind == kind)
            append(names, sizeof names, &n, n_aliases++ ? ", " : "; aliases: ", other->name);
    for (size_t i = 0; i < r->n_refusals; i++) {
        const char *base = strrchr(r->refusals[i].path, '/');

        base = base ? base + 1 : r->refusals[i].path;
        if (strstr(base, name))
            append(refused, sizeof refused, &m, "; ", r->refusals[i].text);
    }
    explain_name(r, kind, name, why, sizeof why);
    return cg_fail(err, CG_ERR_USAGE, "%s '%.64s': %s; there %s: %s%s", cg_plugin_kind_name(kind),
                   name, why, is_empty ? "is" : "are", names, refused);
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
