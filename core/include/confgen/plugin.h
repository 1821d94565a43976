/* SPDX-License-Identifier: MIT */
/**
 * @file plugin.h  The entry of a plugin: its one exported symbol, descriptor and host services.
 *
 * A plugin is a shared object that exports only cg_plugin_entry_v1. It includes only the headers of
 * this folder and does not link against confgen: it calls the host through `cg_host`. One plugin
 * file implements one strategy: attention, KV cache or constraint. `confgen plugins new` writes a
 * complete example of each kind.
 *
 * Minors. A host and a plugin of one ABI major work together whatever their minors. Both keep four
 * rules:
 *
 *  1. A member is read only if the other side's struct is long enough: CG_HAS(), CG_HAS_SIZE().
 *  2. A struct that a function fills for its caller (ret_*) has the caller's struct_size when the
 *     function is called. The function writes no byte behind it: cg_fill_struct().
 *  3. Zero is the meaning that an older side assumes: a member that the other side lacks reads as
 *     zero.
 *  4. A member that changes a result belongs to a *feature*. The host uses a feature only if the
 *     `features` of the plugin's operation table hold its bit, else it refuses the plugin for that
 *     task. A plugin may therefore ignore every member that it does not know.
 *
 * Threads. The host calls the functions of one object (plan, cache, constraint) from one thread at
 * a time, except where a function says otherwise. Several objects of one plugin may be in use on
 * several threads at once, so a plugin has no writable global state without a lock. Only
 * cg_host.parallel_for makes threads.
 *
 * Devices. For an object of a CUDA device the host makes that device current on the calling thread
 * before every call, destroy() included, and a function leaves it current. plan() and create() may
 * use streams of their own and wait for them; later functions use only the stream that they are
 * given and do not wait, except where a function says otherwise.
 *
 * A function leaves the floating-point environment and the locale of its thread as they were, and
 * of the process: signal handlers and masks, file descriptors, the current directory, umask, locale
 * and environment variables. So does loading: a plugin is not linked with -ffast-math.
 */
#ifndef CONFGEN_PLUGIN_H
#define CONFGEN_PLUGIN_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <confgen/sized.h>
#include <confgen/status.h>
#include <confgen/tensor.h>
#include <confgen/version.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Level of a log line. */
enum {
    CG_LOG_ERROR = 0,   /* something failed */
    CG_LOG_WARNING = 1, /* the result may not be what was wanted */
    CG_LOG_INFO = 2,    /* choices and progress */
    CG_LOG_DEBUG = 3,   /* for developers */
};

/** Loop body of cg_host.parallel_for: item i, on worker [0, workers). */
typedef void (*cg_host_loop_fn)(void *arg, int64_t i, int32_t worker);

/**
 * Services of the host, valid from create() or plan() to destroy() of the object that received
 * them. `ctx` is passed back unchanged.
 */
typedef struct cg_host {
    uint32_t struct_size;
    int32_t workers; /* size of the thread team behind parallel_for, >= 1 */
    void *ctx;       /* first argument of the functions below */

    /** Returns 64-byte aligned host memory, NULL when out of memory. Thread: any. */
    void *(*alloc)(void *ctx, size_t bytes);
    /** Frees memory of alloc(); accepts NULL. Thread: any. */
    void (*free)(void *ctx, void *ptr);
    /** Writes one line to the log. Thread: any. */
    void (*log)(void *ctx, int32_t level, const char *text);
    /**
     * Calls fn(arg, i, worker) once for every i in [0, n), on any worker and in any order; returns
     * when all calls are complete. Results must not depend on the worker. Must not be nested.
     * Thread: one that the host calls the plugin on, in any function with a host; not a worker.
     */
    void (*parallel_for)(void *ctx, int64_t n, cg_host_loop_fn fn, void *arg);
    /** Writes an error text (printf format) and returns `code`. Thread: any. */
    cg_status (*fail)(cg_error *err, cg_status code, const char *fmt, ...) CG_PRINTF(3, 4);
    /* Since 1.2 */
    int32_t abi_minor; /* CG_PLUGIN_ABI_MINOR at the host's build */
    int32_t reserved;  /* 0 */
    /**
     * Returns a service or fact of the host by name, NULL if the host does not have it.
     * CG_HOST_RELEASE: const char *, the release of confgen. Owned by the host. Thread: any.
     */
    const void *(*query)(void *ctx, const char *name);
} cg_host;

/** Names for cg_host.query. */
#define CG_HOST_RELEASE "confgen.release"

/** ABI minor of a host; 0 if it is older than 1.2, whose cg_host does not hold it. */
static inline int32_t cg_host_abi_minor(const cg_host *host)
{
    return CG_HAS_SIZE(host, abi_minor) ? host->abi_minor : 0;
}

/** True if `host` offers all services of ABI 1.0. cg_plugin_enter() calls this. */
static inline int cg_host_is_complete(const cg_host *host)
{
    return host && CG_HAS(host, fail) && host->alloc && host->free && host->log &&
           host->parallel_for && host->workers >= 1;
}

/** Kind of a plugin. Numbers are part of the ABI. */
typedef int32_t cg_plugin_kind;
/** cg_plugin_kind */
enum {
    CG_PLUGIN_ATTENTION = 1,  /* attention.h */
    CG_PLUGIN_CACHE = 2,      /* cache.h */
    CG_PLUGIN_CONSTRAINT = 3, /* constraint.h */
};

/** Descriptor of a plugin: static storage of the plugin, never changed. */
typedef struct cg_plugin {
    uint32_t struct_size;
    cg_plugin_kind kind;     /* CG_PLUGIN_ATTENTION, CG_PLUGIN_CACHE or CG_PLUGIN_CONSTRAINT */
    int32_t abi_major;       /* CG_PLUGIN_ABI_MAJOR at its build */
    int32_t abi_minor;       /* CG_PLUGIN_ABI_MINOR at its build */
    const char *name;        /* [a-z0-9_]+, at most 31 characters; the NAME of --attention NAME */
    const char *version;     /* of the plugin, free form */
    const char *description; /* one line */
    const void *ops;         /* cg_attention_ops, cg_cache_ops or cg_constraint_ops, by kind */
} cg_plugin;

/** First members of a descriptor: `{ CG_PLUGIN_HEADER(CG_PLUGIN_CACHE), .name = ... }`. */
#define CG_PLUGIN_HEADER(plugin_kind)                                                              \
    CG_SIZED(cg_plugin), .kind = (plugin_kind), .abi_major = CG_PLUGIN_ABI_MAJOR,                  \
                         .abi_minor = CG_PLUGIN_ABI_MINOR

/**
 * Body of a plugin's entry: checks the host and returns the descriptor in *ret_plugin.
 *
 * @return CG_OK; CG_ERR_PLUGIN with a text in `err` if `host` is NULL, too short or lacks a service
 */
static inline cg_status cg_plugin_enter(const cg_host *host, const cg_plugin *plugin,
                                        const cg_plugin **ret_plugin, cg_error *err)
{
    const unsigned wanted = (unsigned)(offsetof(cg_host, fail) + sizeof host->fail);

    if (cg_host_is_complete(host)) {
        *ret_plugin = plugin;
        return CG_OK;
    }
    if (!err)
        return CG_ERR_PLUGIN;
    err->code = CG_ERR_PLUGIN; /* by hand: host->fail may be missing */
    if (!host)
        snprintf(err->msg, sizeof err->msg, "host services: found NULL, wanted a cg_host");
    else if (host->struct_size < wanted)
        snprintf(err->msg, sizeof err->msg,
                 "host services: found %u bytes, wanted at least %u (plugin ABI %d.0)",
                 (unsigned)host->struct_size, wanted, CG_PLUGIN_ABI_MAJOR);
    else
        snprintf(err->msg, sizeof err->msg,
                 "host services: incomplete, wanted alloc, free, log, parallel_for, fail and at "
                 "least one worker");
    return CG_ERR_PLUGIN;
}

/**
 * Type of the one exported symbol. Checks that `host` offers what the plugin needs and returns the
 * descriptor; usually one call of cg_plugin_enter(). Must not touch a device: plugins load on
 * machines without a GPU.
 */
typedef cg_status (*cg_plugin_entry_fn)(const cg_host *host, const cg_plugin **ret_plugin,
                                        cg_error *err);

/** Name of that symbol. */
#define CG_PLUGIN_ENTRY_SYMBOL "cg_plugin_entry_v1"

/** The entry itself, which every plugin defines: see cg_plugin_entry_fn. */
CG_EXPORT cg_status cg_plugin_entry_v1(const cg_host *host, const cg_plugin **ret_plugin,
                                       cg_error *err);

#ifdef __cplusplus
}
#endif

#endif
