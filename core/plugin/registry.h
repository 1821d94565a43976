/* SPDX-License-Identifier: MIT */
/**
 * @file registry.h  Finds and loads plugins, and looks them up by kind and name.
 *
 * Order of precedence: the files of the command line, the directories of CONFGEN_PLUGIN_PATH, the
 * program's own plugin directory. Of plugins with one kind and name the first is kept; the others
 * are refused, except that one of the program's own is hidden (cg_registry_entry.hides).
 */
#ifndef CG_PLUGIN_REGISTRY_H
#define CG_PLUGIN_REGISTRY_H

#include <confgen/attention.h>
#include <confgen/cache.h>
#include <confgen/constraint.h>
#include <confgen/plugin.h>

#include "plugin/alias.h"

enum { CG_REGISTRY_DEPTH = 3 }; /* levels of directories searched below a root */

typedef struct cg_registry cg_registry;

/** A loaded plugin. Storage of the registry. */
typedef struct cg_registry_entry {
    const cg_plugin *plugin;
    const char *path;
    uint64_t hash; /* XXH3 of the file */
    int is_own;    /* in the program's own directory, or a copy of such a file */
    /* The program's own plugin of this kind and name, which this one takes the place of; NULL: none
     */
    const char *hides;
} cg_registry_entry;

/** A file or directory that was refused. Storage of the registry. */
typedef struct cg_registry_refusal {
    const char *path;
    const char *text; /* one sentence that names the path */
} cg_registry_refusal;

/** Creates an empty registry. The host is borrowed. */
cg_status cg_registry_create(const cg_host *host, cg_registry **ret_registry, cg_error *err);
void cg_registry_destroy(cg_registry *registry); /* plugins stay loaded; accepts NULL */

/**
 * Creates the registry of a run: loads each of `files`, then the directories of CONFGEN_PLUGIN_PATH
 * (separated by colons), then the program's own directory. A refused file of `files` is an error; a
 * file or directory refused during the search is logged as a warning and kept as a refusal.
 */
cg_status cg_registry_open(const cg_host *host, const char *const *files, int32_t n_files,
                           cg_registry **ret_registry, cg_error *err);

/** Loads one file. A file that is already loaded, by any path, is skipped. */
cg_status cg_registry_add_file(cg_registry *registry, const char *path, cg_error *err);

/**
 * Loads the files named attention_*.so, cache_*.so or constraint_*.so in `dir` and at most
 * CG_REGISTRY_DEPTH levels of directories below it, in the order of their names. Refused files
 * become refusals. CG_ERR_IO if the directory cannot be read, CG_ERR_PLUGIN if others may write it
 * (base/trusted_path.h), CG_ERR_LIMIT if it holds too many entries.
 */
cg_status cg_registry_add_dir(cg_registry *registry, const char *dir, cg_error *err);

/**
 * Returns the alias of this kind and name; NULL if there is none, or if a plugin has the name and
 * therefore comes first.
 */
const cg_plugin_alias *cg_registry_alias(const cg_registry *registry, cg_plugin_kind kind,
                                         const char *name);

/**
 * Finds a plugin by kind and name, or by an alias of its name. CG_ERR_USAGE with a text that lists
 * the known names, and the refusals of files whose name contains `name`; also for an alias of
 * "auto", or of a plugin that is not loaded, which the text names.
 */
cg_status cg_registry_find(const cg_registry *registry, cg_plugin_kind kind, const char *name,
                           const cg_plugin **ret_plugin, cg_error *err);

/**
 * Lists the plugins by kind, then name, and returns their number. The list is storage of the
 * registry, valid until something is added.
 */
int32_t cg_registry_entries(const cg_registry *registry, const cg_registry_entry **ret_entries);
/** The searched directories in their order; as above. */
int32_t cg_registry_dirs(const cg_registry *registry, const char *const **ret_dirs);
/** The refusals in the order they occurred; as above. */
int32_t cg_registry_refusals(const cg_registry *registry, const cg_registry_refusal **ret_refusals);

#endif
