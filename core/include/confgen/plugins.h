/* SPDX-License-Identifier: MIT */
/**
 * @file plugins.h  The plugins of this machine, for applications that list, check or time them. (A
 * plugin itself needs plugin.h and the header of its kind.)
 */
#ifndef CONFGEN_PLUGINS_H
#define CONFGEN_PLUGINS_H

#include <confgen/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Loaded plugins, and a host to run them with. */
typedef struct cg_plugin_set cg_plugin_set;

/** Zero or NULL is the default of every member. Strings are copied. */
typedef struct cg_plugin_set_options {
    uint32_t struct_size;
    int32_t threads;          /* of the host's loops; 0: the cores available to this process */
    int32_t files_only;       /* nonzero: only `files`; no directory is searched */
    int32_t n_files;          /* number of files */
    const char *const *files; /* [n_files] loaded first; a refused one is an error */
    /** Receives log lines, NULL: none. Thread: any. */
    void (*log)(void *ctx, int32_t level, const char *text);
    void *log_ctx; /* first argument of log() */
} cg_plugin_set_options;

/** A plugin that was loaded. */
typedef struct cg_loaded_plugin {
    uint32_t struct_size;
    uint32_t reserved;
    const cg_plugin *plugin; /* its descriptor */
    const char *kind;        /* "attention", "cache", "constraint" */
    const char *path;        /* file it was loaded from */
    const char *hides;       /* file of confgen's own plugin of this kind and name, which is not
                                used; NULL: none */
} cg_loaded_plugin;

/** A file or directory that was found and refused. */
typedef struct cg_refused_plugin {
    uint32_t struct_size;
    uint32_t reserved;
    const char *path;   /* file or directory */
    const char *reason; /* one sentence that names the path */
} cg_refused_plugin;

/**
 * An alias of a plugin, as other software names it, for `--attention` or `--kv-cache`. A loaded
 * plugin of that kind and name takes precedence.
 */
typedef struct cg_aliased_plugin {
    uint32_t struct_size;
    int32_t is_installed;  /* its plugin is loaded, or it means "auto" */
    const char *kind;      /* "attention", "cache" */
    const char *name;      /* the alias */
    const char *plugin;    /* that it means, or "auto" */
    const char *kv_dtype;  /* the value of --kv-dtype that it includes; NULL: none */
    const char *limits;    /* where it may be used, a phrase; NULL: wherever its plugin may */
    const char *hidden_by; /* file of the plugin that has this name and comes first; NULL: none */
} cg_aliased_plugin;

/**
 * Loads plugins from `files`, the directories of CONFGEN_PLUGIN_PATH and the program's own
 * directory. Loading runs a plugin's code. A file or directory that others than root, this user and
 * the program's owner may write is refused, unless CONFGEN_ALLOW_WRITABLE_PLUGINS=1 is in the
 * environment.
 *
 * @param ret_set  owned by the caller, cg_plugin_set_close(); plugins stay loaded until the process
 *                 ends
 * @return CG_OK; CG_ERR_IO, CG_ERR_PLUGIN if one of `files` is refused; CG_ERR_NOMEM
 * Thread: one at a time uses a set.
 */
CG_EXPORT cg_status cg_plugin_set_open(const cg_plugin_set_options *options,
                                       cg_plugin_set **ret_set, cg_error *err);
CG_EXPORT void cg_plugin_set_close(cg_plugin_set *set); /* accepts NULL */

/** The services to run the plugins with; live with the set. */
CG_EXPORT const cg_host *cg_plugin_set_host(const cg_plugin_set *set);

/**
 * Describes plugin `i`, counted from 0, by kind, then name. Its texts live with the set.
 *
 * @return 1; 0 after the last, with *ret_plugin unchanged
 */
CG_EXPORT int32_t cg_plugin_set_loaded(const cg_plugin_set *set, int32_t i,
                                       cg_loaded_plugin *ret_plugin);
/** Describes refusal `i` in the order they occurred; as above. */
CG_EXPORT int32_t cg_plugin_set_refused(const cg_plugin_set *set, int32_t i,
                                        cg_refused_plugin *ret_refused);
/** Describes alias `i`, counted from 0, by kind; as above. */
CG_EXPORT int32_t cg_plugin_set_alias(const cg_plugin_set *set, int32_t i,
                                      cg_aliased_plugin *ret_alias);

/** Lists the searched directories in their order and returns their number. Storage of the set. */
CG_EXPORT int32_t cg_plugin_set_dirs(const cg_plugin_set *set, const char *const **ret_dirs);

/** Finds a plugin by kind and name or alias. CG_ERR_USAGE with a text that lists the names. */
CG_EXPORT cg_status cg_plugin_set_find(const cg_plugin_set *set, cg_plugin_kind kind,
                                       const char *name, const cg_plugin **ret_plugin,
                                       cg_error *err);

/** The run that attention and cache have to support. Zero or NULL is the default. */
typedef struct cg_match_options {
    uint32_t struct_size;
    int32_t batch_size; /* sequences decoded at once; 0: 64 */
    const char *model;  /* directory, of which only config.json is read; NULL: the default model */
    const char *shape;  /* instead of a model, as cg_engine_options.shape */
    const char *device; /* "cpu" (default), "cuda" (the first GPU) or "cuda:I" */
    /* CUDA: nonzero: tokens do not depend on the batch, as with --deterministic */
    int32_t deterministic;
    int32_t reserved;  /* 0 */
    const char *dtype; /* of activations, as cg_engine_options.dtype */
    /** Of the KV cache. NULL, "auto": that of the activations, whatever confgen.json names. */
    const char *kv_dtype;
} cg_match_options;

/** An attention plugin over a cache plugin. */
typedef struct cg_plugin_pair {
    uint32_t struct_size;
    cg_status status;           /* CG_OK: they work together */
    const cg_plugin *attention; /* its descriptor */
    const cg_plugin *cache;     /* its descriptor */
    const char *reason;         /* of a status other than CG_OK, else "" */
} cg_plugin_pair;

/**
 * Checks for every attention plugin and every cache plugin whether they support a model together,
 * by the problem that a run of this batch would plan. Allocates nothing on a device and reads no
 * weights. Without a GPU all pairs are refused for CUDA, with that reason.
 * cg_plugin_set_pair() describes the pairs.
 *
 * @return CG_OK; CG_ERR_USAGE for an unknown shape or device; the status of reading the model's
 *         config.json
 */
CG_EXPORT cg_status cg_plugin_set_match(cg_plugin_set *set, const cg_match_options *options,
                                        cg_error *err);
/**
 * Describes pair `i` of the last match, counted from 0, by attention, then cache. Its reason is
 * valid until the next match.
 *
 * @return 1; 0 after the last, with *ret_pair unchanged
 */
CG_EXPORT int32_t cg_plugin_set_pair(const cg_plugin_set *set, int32_t i, cg_plugin_pair *ret_pair);

#ifdef __cplusplus
}
#endif

#endif
