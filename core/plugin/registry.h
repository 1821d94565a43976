/* SPDX-License-Identifier: MIT */
/**
 * @file registry.h  The plugins of a run: found, loaded, named.
 *
 * Order of precedence: the files of the command line, the directories of CONFGEN_PLUGIN_PATH, the
 * program's own directory of plugins. The first plugin of a kind to claim a name keeps it.
 */
#ifndef CG_PLUGIN_REGISTRY_H
#define CG_PLUGIN_REGISTRY_H

#include <confgen/attention.h>
#include <confgen/cache.h>
#include <confgen/constraint.h>
#include <confgen/plugin.h>

/** Directories below a root that are searched. */
enum { CG_REGISTRY_DEPTH = 3 };

typedef struct cg_registry cg_registry;

/** A loaded plugin, owned by the registry. */
typedef struct cg_registry_entry {
    const cg_plugin *plugin;
    const char *path;
} cg_registry_entry;

/** A file or directory that was looked at and not taken, with the sentence why. */
typedef struct cg_registry_refusal {
    const char *path;
    const char *text;
} cg_registry_refusal;

/** An empty registry. The host is borrowed. */
cg_status cg_registry_create(const cg_host *host, cg_registry **ret_registry, cg_error *err);
/** Accepts NULL. Plugins stay loaded. */
void cg_registry_destroy(cg_registry *registry);

/**
 * The registry of a run: each of `files` (a refusal of one of them is the caller's error), then the
 * directories of CONFGEN_PLUGIN_PATH (separated by colons), then the program's own directory. What
 * is refused in a directory is logged as a warning and kept as a refusal.
 */
cg_status cg_registry_open(const cg_host *host, const char *const *files, int32_t n_files,
                           cg_registry **ret_registry, cg_error *err);

/** Load one file. A file that is there already, by whatever path, is not an error. */
cg_status cg_registry_add_file(cg_registry *registry, const char *path, cg_error *err);

/**
 * Load what is named attention_*.so, cache_*.so or constraint_*.so in `dir` and at most
 * CG_REGISTRY_DEPTH levels of directories below it, in the order of their names. Plugins that are
 * refused become refusals. CG_ERR_IO if the directory cannot be read, CG_ERR_LIMIT if it holds
 * unreasonably much.
 */
cg_status cg_registry_add_dir(cg_registry *registry, const char *dir, cg_error *err);

/**
 * The plugin of this kind and name. CG_ERR_USAGE with a text that lists the names there are, and
 * the refusals of files that may have held it.
 */
cg_status cg_registry_find(const cg_registry *registry, cg_plugin_kind kind, const char *name,
                           const cg_plugin **ret_plugin, cg_error *err);

/**
 * Entries ordered by kind, then name. *ret_entries is owned by the registry and valid until
 * something is added.
 */
int32_t cg_registry_entries(const cg_registry *registry, const cg_registry_entry **ret_entries);
/** Directories that were searched, in their order; ownership as above. */
int32_t cg_registry_dirs(const cg_registry *registry, const char *const **ret_dirs);
/** Refusals in the order they came; ownership as above. */
int32_t cg_registry_refusals(const cg_registry *registry, const cg_registry_refusal **ret_refusals);

#endif
