/* SPDX-License-Identifier: MIT */
/**
 * @file plugin.h  The entry of a plugin: its one exported symbol, descriptor and host services.
 *
 * A plugin is a shared object that exports cg_plugin_entry_v1 and nothing else. It includes only
 * the headers of this folder and links against nothing of confgen's: what it needs from the host
 * comes in through `cg_host`. One plugin file offers one strategy: attention, KV cache or
 * constraint. tests/out_of_tree shows a whole one.
 */
#ifndef CONFGEN_PLUGIN_H
#define CONFGEN_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#include <confgen/status.h>
#include <confgen/tensor.h>
#include <confgen/version.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * True if the struct behind `ptr` is long enough to hold `field` and the field is not NULL. The
 * only way a member that may be younger than the other side is reached.
 */
#define CG_HAS(ptr, field)                                                                         \
    ((ptr)->struct_size >= offsetof(__typeof__(*(ptr)), field) + sizeof((ptr)->field) &&           \
     (ptr)->field != NULL)

/** CG_HAS() for a member that is not a pointer: true if the struct is long enough to hold it. */
#define CG_HAS_SIZE(ptr, field)                                                                    \
    ((ptr)->struct_size >= offsetof(__typeof__(*(ptr)), field) + sizeof((ptr)->field))

/** First member of every sized struct: `{ CG_SIZED(struct cg_foo), .x = ... }`. */
#define CG_SIZED(type) .struct_size = sizeof(type)

enum { CG_LOG_ERROR = 0, CG_LOG_WARNING = 1, CG_LOG_INFO = 2, CG_LOG_DEBUG = 3 };

/** Loop body of cg_host.parallel_for: item i, on worker [0, workers). */
typedef void (*cg_host_loop_fn)(void *arg, int64_t i, int32_t worker);

/**
 * Services of the host, valid from create() to destroy() of whatever was given it. `ctx` is passed
 * back unchanged.
 */
typedef struct cg_host {
    uint32_t struct_size;
    int32_t workers; /* size of the thread team behind parallel_for, >= 1 */
    void *ctx;

    /** 64-byte aligned host memory, NULL if there is none. Thread: any. */
    void *(*alloc)(void *ctx, size_t bytes);
    /** Gives alloc()'s memory back; NULL is allowed. Thread: any. */
    void (*free)(void *ctx, void *ptr);
    /** One line of log. Thread: any. */
    void (*log)(void *ctx, int32_t level, const char *text);
    /**
     * Calls fn(arg, i, worker) once for every i in [0, n), on any worker and in any order; returns
     * when all are done. A result must not depend on the worker. Not to be nested. Thread: the one
     * that calls run().
     */
    void (*parallel_for)(void *ctx, int64_t n, cg_host_loop_fn fn, void *arg);
    /** Writes an error text (printf rules) and returns code. Thread: any. */
    cg_status (*fail)(cg_error *err, cg_status code, const char *fmt, ...) CG_PRINTF(3, 4);
} cg_host;

/** True if `host` offers all services of ABI 1.0: for a plugin's entry. */
static inline int cg_host_is_complete(const cg_host *host)
{
    return host && CG_HAS(host, fail) && host->alloc && host->free && host->log &&
           host->parallel_for && host->workers >= 1;
}

typedef int32_t cg_plugin_kind;
enum { CG_PLUGIN_ATTENTION = 1, CG_PLUGIN_CACHE = 2, CG_PLUGIN_CONSTRAINT = 3 };

/** What a plugin says of itself. Static storage of the plugin, never changed. */
typedef struct cg_plugin {
    uint32_t struct_size;
    cg_plugin_kind kind;
    int32_t abi_major;       /* CG_PLUGIN_ABI_MAJOR at its build */
    int32_t abi_minor;       /* CG_PLUGIN_ABI_MINOR at its build */
    const char *name;        /* [a-z0-9_]+, at most 31 characters: what --attention NAME says */
    const char *version;     /* of the plugin, free form */
    const char *description; /* one line */
    const void *ops;         /* cg_attention_ops, cg_cache_ops or cg_constraint_ops, by kind */
} cg_plugin;

/**
 * The one exported symbol. Checks that `host` offers what the plugin needs and hands its descriptor
 * out. Must not touch a device: loading works on a machine without a GPU.
 */
typedef cg_status (*cg_plugin_entry_fn)(const cg_host *host, const cg_plugin **ret_plugin,
                                        cg_error *err);

#define CG_PLUGIN_ENTRY_SYMBOL "cg_plugin_entry_v1"

CG_EXPORT cg_status cg_plugin_entry_v1(const cg_host *host, const cg_plugin **ret_plugin,
                                       cg_error *err);

#ifdef __cplusplus
}
#endif

#endif
