/* SPDX-License-Identifier: MIT */
/**
 * @file plugins.h  The plugins that this machine offers, for applications that list, check or time
 * them. (A plugin itself needs plugin.h and the header of its kind.)
 */
#ifndef CONFGEN_PLUGINS_H
#define CONFGEN_PLUGINS_H

#include <confgen/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Plugins that were found and loaded, and a host to run them with. */
typedef struct cg_plugin_set cg_plugin_set;

/** Zero or NULL stands for the default of every member. Strings are copied. */
typedef struct cg_plugin_set_options {
    uint32_t struct_size;
    int32_t threads;    /* of the team behind the host's loops; 0: the cores of this process */
    int32_t files_only; /* nonzero: `files` alone, no directory is searched */
    int32_t n_files;
    const char *const *files; /* [n_files] they come first; one that is refused is an error */
    /** Receives log lines, NULL: none. Thread: any. */
    void (*log)(void *ctx, int32_t level, const char *text);
    void *log_ctx;
} cg_plugin_set_options;

typedef struct cg_loaded_plugin {
    uint32_t struct_size;
    uint32_t reserved;
    const cg_plugin *plugin;
    const char *kind; /* "attention", "cache", "constraint" */
    const char *path;
} cg_loaded_plugin;

/** A file or directory that was looked at and not taken. */
typedef struct cg_refused_plugin {
    uint32_t struct_size;
    uint32_t reserved;
    const char *path;
    const char *reason; /* one sentence that names the path */
} cg_refused_plugin;

/**
 * Find plugins: `files`, the directories of CONFGEN_PLUGIN_PATH, the program's own directory.
 *
 * @param ret_set  owned by the caller, cg_plugin_set_close(); plugins stay loaded all the same
 * @return CG_OK; CG_ERR_IO, CG_ERR_PLUGIN if one of `files` is refused; CG_ERR_NOMEM
 * Thread: one at a time uses a set.
 */
CG_EXPORT cg_status cg_plugin_set_open(const cg_plugin_set_options *options,
                                       cg_plugin_set **ret_set, cg_error *err);
CG_EXPORT void cg_plugin_set_close(cg_plugin_set *set); /* accepts NULL */

/** Services to run the plugins with; lives with the set. */
CG_EXPORT const cg_host *cg_plugin_set_host(const cg_plugin_set *set);

/** Plugins by kind, then name; the number of them. Storage of the set. */
CG_EXPORT int32_t cg_plugin_set_loaded(const cg_plugin_set *set,
                                       const cg_loaded_plugin **ret_plugins);
/** Refusals in the order they came; as above. */
CG_EXPORT int32_t cg_plugin_set_refused(const cg_plugin_set *set,
                                        const cg_refused_plugin **ret_refused);
/** Directories that were searched, in their order; as above. */
CG_EXPORT int32_t cg_plugin_set_dirs(const cg_plugin_set *set, const char *const **ret_dirs);

/** The plugin of this kind and name. CG_ERR_USAGE with a text that lists the names there are. */
CG_EXPORT cg_status cg_plugin_set_find(const cg_plugin_set *set, cg_plugin_kind kind,
                                       const char *name, const cg_plugin **ret_plugin,
                                       cg_error *err);

/** What attention and cache are asked to serve. Zero or NULL stands for the default. */
typedef struct cg_match_options {
    uint32_t struct_size;
    int32_t batch_size; /* sequences at once; 0: 64 */
    const char *model;  /* directory, of which config.json is read; NULL: the default model */
    const char *shape;  /* instead of a model: "default", "llama380m", "qwen3-0.6b" */
    const char *device; /* "cpu" (default), "cuda" (the first GPU) or "cuda:I" */
    /* CUDA: nonzero asks for tokens that do not depend on the batch, as --deterministic does */
    int32_t deterministic;
} cg_match_options;

/** An attention plugin over a cache plugin. */
typedef struct cg_plugin_pair {
    uint32_t struct_size;
    cg_status status; /* CG_OK: they work together */
    const cg_plugin *attention;
    const cg_plugin *cache;
    const char *reason; /* of a status other than CG_OK, else "" */
} cg_plugin_pair;

/**
 * Ask every attention plugin with every cache plugin whether they serve a model together. Nothing
 * is allocated on a device and no weights are read. On a machine without a GPU all pairs are
 * refused for CUDA, with that reason.
 *
 * @param ret_pairs  [*ret_n] by attention, then cache; storage of the set, valid until the next
 *                   match
 * @return CG_OK; CG_ERR_USAGE for a shape or device that is unknown; what reading the model's
 *         config.json fails with
 */
CG_EXPORT cg_status cg_plugin_set_match(cg_plugin_set *set, const cg_match_options *options,
                                        const cg_plugin_pair **ret_pairs, int32_t *ret_n,
                                        cg_error *err);

#ifdef __cplusplus
}
#endif

#endif
