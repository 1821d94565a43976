/* SPDX-License-Identifier: MIT */
#include "plugin/loader.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <confgen/attention.h>
#include <confgen/cache.h>
#include <confgen/constraint.h>

#include "base/error.h"
#include "base/size.h"
#include "base/trusted_path.h"
#include "plugin/host.h"

/* Entry symbols of other majors are tried up to this one, to name the ABI of a refused file. */
enum { MAX_MAJOR = 99 };

/* A required function pointer of an operation table. */
struct member {
    const char *name;
    size_t offset;
};

#define MEMBER(type, field)                                                                        \
    {                                                                                              \
#field, offsetof(type, field)                                                              \
    }

static const struct member attention_members[] = {
    MEMBER(cg_attention_ops, supports),       MEMBER(cg_attention_ops, plan),
    MEMBER(cg_attention_ops, workspace_size), MEMBER(cg_attention_ops, run),
    MEMBER(cg_attention_ops, destroy),
};

static const struct member cache_members[] = {
    MEMBER(cg_cache_ops, supports), MEMBER(cg_cache_ops, create),
    MEMBER(cg_cache_ops, destroy),  MEMBER(cg_cache_ops, reserve),
    MEMBER(cg_cache_ops, append),   MEMBER(cg_cache_ops, share_prefix),
    MEMBER(cg_cache_ops, truncate), MEMBER(cg_cache_ops, release),
    MEMBER(cg_cache_ops, view),     MEMBER(cg_cache_ops, stats),
};

static const struct member constraint_members[] = {
    MEMBER(cg_constraint_ops, create),    MEMBER(cg_constraint_ops, destroy),
    MEMBER(cg_constraint_ops, automaton), MEMBER(cg_constraint_ops, compile),
    MEMBER(cg_constraint_ops, release),
};

const char *cg_plugin_kind_name(cg_plugin_kind kind)
{
    switch (kind) {
    case CG_PLUGIN_ATTENTION:
        return "attention";
    case CG_PLUGIN_CACHE:
        return "cache";
    case CG_PLUGIN_CONSTRAINT:
        return "constraint";
    }
    return "unknown";
}

static cg_status check_kind(const char *path, cg_error *err)
{
    struct stat info;

    if (!*path)
        return cg_fail(err, CG_ERR_USAGE,
                       "plugin '': empty path; wanted the path of a plugin's shared object");
    if (stat(path, &info))
        return cg_fail(err, CG_ERR_IO,
                       "plugin '%s': %s; wanted the path of a plugin's shared object", path,
                       strerror(errno));
    if (S_ISDIR(info.st_mode))
        return cg_fail(err, CG_ERR_PLUGIN,
                       "plugin '%s': is a directory; wanted one shared object, or name the "
                       "directory in CONFGEN_PLUGIN_PATH",
                       path);
    if (!S_ISREG(info.st_mode))
        return cg_fail(err, CG_ERR_PLUGIN,
                       "plugin '%s': not a regular file; wanted a plugin's shared object", path);
    if (access(path, R_OK))
        return cg_fail(err, CG_ERR_IO, "plugin '%s': %s; wanted a file that this user may read",
                       path, strerror(errno));
    return CG_OK;
}

/*
 * Refuses a truncated file: dlopen maps the segments that a file declares, and touching one beyond
 * the end of the file raises SIGBUS. A file that is not ELF of this machine's word size is left to
 * dlopen, which refuses it.
 */
static cg_status check_not_truncated(const char *path, cg_error *err)
{
    ElfW(Ehdr) head;
    ElfW(Phdr) segment;
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint64_t size, end = 0;

    if (fd < 0 || fstat(fd, &info) || pread(fd, &head, sizeof head, 0) != (ssize_t)sizeof head ||
        memcmp(head.e_ident, ELFMAG, SELFMAG) || head.e_phentsize != sizeof segment) {
        if (fd >= 0)
            close(fd);
        return CG_OK;
    }
    size = (uint64_t)info.st_size;
    for (unsigned i = 0; i < head.e_phnum && end <= size; i++) {
        uint64_t at = head.e_phoff + (uint64_t)i * sizeof segment;

        if (at > size || pread(fd, &segment, sizeof segment, (off_t)at) != (ssize_t)sizeof segment)
            end = UINT64_MAX;
        else if (segment.p_type == PT_LOAD && segment.p_filesz > UINT64_MAX - segment.p_offset)
            end = UINT64_MAX;
        else if (segment.p_type == PT_LOAD && segment.p_offset + segment.p_filesz > end)
            end = segment.p_offset + segment.p_filesz;
    }
    close(fd);
    if (end > size)
        return cg_fail(
            err, CG_ERR_PLUGIN,
            "plugin '%s': truncated: its segments end after the file's %llu bytes; wanted "
            "the whole shared object",
            path, (unsigned long long)size);
    return CG_OK;
}

cg_status cg_plugin_check_file(const char *path, cg_error *err)
{
    CG_TRY(check_kind(path, err));
    CG_TRY(cg_trusted_path_check("plugin", path, err));
    return check_not_truncated(path, err);
}

/* What to do about a plugin of another major. */
static const char *advice(int32_t major)
{
    return major > CG_PLUGIN_ABI_MAJOR
               ? "use a newer confgen, or rebuild it against the headers of "
                 "confgen " CG_VERSION_STRING
               : "rebuild it against the headers of confgen " CG_VERSION_STRING;
}

static cg_status fail_no_symbol(void *handle, const char *path, cg_error *err)
{
    for (int major = 0; major <= MAX_MAJOR; major++) {
        char symbol[40];

        snprintf(symbol, sizeof symbol, "cg_plugin_entry_v%d", major);
        if (major != CG_PLUGIN_ABI_MAJOR && dlsym(handle, symbol))
            return cg_fail(err, CG_ERR_PLUGIN,
                           "plugin '%s': found plugin ABI %d (symbol %s), this confgen has %d; %s",
                           path, major, symbol, CG_PLUGIN_ABI_MAJOR, advice(major));
    }
    return cg_fail(err, CG_ERR_PLUGIN,
                   "plugin '%s': found no symbol " CG_PLUGIN_ENTRY_SYMBOL
                   "; wanted a confgen plugin, which exports it (confgen/plugin.h, CG_EXPORT)",
                   path);
}

/* Names are used on the command line and in reports. */
static cg_status check_name(const cg_plugin *p, const char *path, cg_error *err)
{
    size_t n;

    if (!p->name)
        return cg_fail(err, CG_ERR_PLUGIN,
                       "plugin '%s': its descriptor has no name; wanted 1 to %d of [a-z0-9_]", path,
                       CG_PLUGIN_NAME_MAX);
    n = strnlen(p->name, CG_PLUGIN_NAME_MAX + 1);
    if (n == 0 || n > CG_PLUGIN_NAME_MAX)
        return cg_fail(err, CG_ERR_PLUGIN,
                       "plugin '%s': its name '%.40s' is %s; wanted 1 to %d of [a-z0-9_]", path,
                       p->name, n ? "too long" : "empty", CG_PLUGIN_NAME_MAX);
    if (strspn(p->name, "abcdefghijklmnopqrstuvwxyz0123456789_") != n)
        return cg_fail(err, CG_ERR_PLUGIN,
                       "plugin '%s': its name '%s' holds a character outside [a-z0-9_]", path,
                       p->name);
    if (!p->version || !p->description)
        return cg_fail(err, CG_ERR_PLUGIN,
                       "plugin '%s' (%s): its descriptor has no %s; wanted a string", path, p->name,
                       p->version ? "description" : "version");
    return CG_OK;
}

static cg_status check_ops(const cg_plugin *p, const char *path, cg_error *err)
{
    const char *kind = cg_plugin_kind_name(p->kind);
    const struct member *members;
    uint32_t size;
    size_t n;

    switch (p->kind) {
    case CG_PLUGIN_ATTENTION:
        members = attention_members;
        n = sizeof attention_members / sizeof *members;
        break;
    case CG_PLUGIN_CACHE:
        members = cache_members;
        n = sizeof cache_members / sizeof *members;
        break;
    default:
        members = constraint_members;
        n = sizeof constraint_members / sizeof *members;
        break;
    }
    if (!p->ops)
        return cg_fail(err, CG_ERR_PLUGIN,
                       "plugin '%s' (%s): its operation table is NULL; wanted a cg_%s_ops", path,
                       p->name, kind);
    memcpy(&size, p->ops, sizeof size); /* struct_size leads every table */
    for (size_t i = 0; i < n; i++) {
        void (*fn)(void);

        if (size < members[i].offset + sizeof fn)
            return cg_fail(err, CG_ERR_PLUGIN,
                           "plugin '%s' (%s): its cg_%s_ops has %u bytes and ends before '%s', "
                           "wanted at least %zu; set struct_size with CG_SIZED(cg_%s_ops)",
                           path, p->name, kind, size, members[i].name,
                           members[n - 1].offset + sizeof fn, kind);
        memcpy(&fn, (const char *)p->ops + members[i].offset, sizeof fn);
        if (!fn)
            return cg_fail(err, CG_ERR_PLUGIN,
                           "plugin '%s' (%s): '%s' of its cg_%s_ops is NULL; wanted a function",
                           path, p->name, members[i].name, kind);
    }
    return CG_OK;
}

cg_status cg_plugin_check(const cg_plugin *p, const char *path, cg_error *err)
{
    const size_t wanted = offsetof(cg_plugin, ops) + sizeof p->ops;

    if (!p)
        return cg_fail(err, CG_ERR_PLUGIN,
                       "plugin '%s': its entry returned success but no descriptor; wanted a "
                       "cg_plugin in *ret_plugin",
                       path);
    if (p->struct_size < wanted)
        return cg_fail(err, CG_ERR_PLUGIN,
                       "plugin '%s': its descriptor has %u bytes, wanted at least %zu; set "
                       "struct_size with CG_SIZED(cg_plugin)",
                       path, p->struct_size, wanted);
    if (p->abi_major != CG_PLUGIN_ABI_MAJOR)
        return cg_fail(err, CG_ERR_PLUGIN,
                       "plugin '%s': found plugin ABI %d.%d in its descriptor, this confgen has "
                       "%d.%d; %s",
                       path, p->abi_major, p->abi_minor, CG_PLUGIN_ABI_MAJOR, CG_PLUGIN_ABI_MINOR,
                       advice(p->abi_major));
    if (p->kind != CG_PLUGIN_ATTENTION && p->kind != CG_PLUGIN_CACHE &&
        p->kind != CG_PLUGIN_CONSTRAINT)
        return cg_fail(err, CG_ERR_PLUGIN,
                       "plugin '%s': found kind %d, wanted %d (attention), %d (cache) or %d "
                       "(constraint)",
                       path, p->kind, CG_PLUGIN_ATTENTION, CG_PLUGIN_CACHE, CG_PLUGIN_CONSTRAINT);
    CG_TRY(check_name(p, path, err));
    return check_ops(p, path, err);
}

cg_status cg_plugin_load(const char *path, const cg_host *host, const cg_plugin **ret_plugin,
                         cg_error *err)
{
    char with_slash[4096];
    const cg_plugin *plugin = NULL;
    cg_error inner = CG_ERROR_INIT;
    cg_plugin_entry_fn entry;
    void *handle, *symbol;
    cg_status st;

    CG_TRY(cg_plugin_check_file(path, err));
    /* without a slash, dlopen searches the library path instead of the current directory */
    if ((size_t)snprintf(with_slash, sizeof with_slash, "%s%s", strchr(path, '/') ? "" : "./",
                         path) >= sizeof with_slash)
        return cg_fail(err, CG_ERR_USAGE, "plugin '%.200s...': path of %zu bytes, wanted under %zu",
                       path, strlen(path), sizeof with_slash);
    errno = 0;
    handle = dlopen(with_slash, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        int is_shortage = errno == ENOMEM;
        const char *why = dlerror();

        /* The loader's own errno is not visible; its text ends in the system's words. */
        if (is_shortage || (why && strstr(why, strerror(ENOMEM))))
            return cg_fail(err, CG_ERR_NOMEM, "plugin '%s': out of memory", path);
        return cg_fail(err, CG_ERR_PLUGIN,
                       "plugin '%s': cannot be loaded (%s); wanted a shared object for this "
                       "machine, all of its symbols and libraries present",
                       path, why ? why : "no reason given");
    }
    symbol = dlsym(handle, CG_PLUGIN_ENTRY_SYMBOL);
    if (!symbol)
        return fail_no_symbol(handle, path, err);
    memcpy(&entry, &symbol, sizeof entry); /* ISO C has no cast from object to function pointer */
    st = entry(host, &plugin, &inner);
    if (st != CG_OK)
        return cg_fail(err, st == CG_ERR_NOMEM ? st : CG_ERR_PLUGIN,
                       "plugin '%s': its entry refused (%s): %s", path, cg_status_name(st),
                       inner.msg[0] ? inner.msg : "without a reason");
    CG_TRY(cg_plugin_check(plugin, path, err));
    if (plugin->abi_minor > CG_PLUGIN_ABI_MINOR)
        cg_host_log(host, CG_LOG_INFO,
                    "plugin '%s' (%s): built for plugin ABI %d.%d, this confgen has %d.%d: what is "
                    "newer is not used",
                    path, plugin->name, plugin->abi_major, plugin->abi_minor, CG_PLUGIN_ABI_MAJOR,
                    CG_PLUGIN_ABI_MINOR);
    *ret_plugin = plugin;
    return CG_OK;
}
