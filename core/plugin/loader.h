/* SPDX-License-Identifier: MIT */
/** @file loader.h  From a file to a checked plugin descriptor, or a sentence that says why not. */
#ifndef CG_PLUGIN_LOADER_H
#define CG_PLUGIN_LOADER_H

#include <confgen/plugin.h>

/** Longest name of a plugin, without the end of string. */
enum { CG_PLUGIN_NAME_MAX = 31 };

/** "attention", "cache", "constraint"; "unknown" for another number. Static storage. */
const char *cg_plugin_kind_name(cg_plugin_kind kind);

/**
 * Load the plugin in the file `path` and check all that can be checked without running it: file,
 * symbol, ABI, descriptor, operation table. The file stays loaded until the process ends, refused
 * or not: code of it has run.
 *
 * @param ret_plugin  descriptor, storage of the plugin, valid until the process ends
 * @return CG_OK; CG_ERR_IO if there is no such file or it cannot be read; CG_ERR_PLUGIN if it is
 *         no plugin for this program. The text names path, found, wanted, remedy.
 */
cg_status cg_plugin_load(const char *path, const cg_host *host, const cg_plugin **ret_plugin,
                         cg_error *err);

/**
 * The checks of cg_plugin_load() that come after the entry; for plugins that did not come from a
 * file. `path` is only shown.
 */
cg_status cg_plugin_check(const cg_plugin *plugin, const char *path, cg_error *err);

#endif
