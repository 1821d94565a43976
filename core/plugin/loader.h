/* SPDX-License-Identifier: MIT */
/** @file loader.h  Loads a plugin from a file and checks its descriptor. */
#ifndef CG_PLUGIN_LOADER_H
#define CG_PLUGIN_LOADER_H

#include <confgen/plugin.h>

/** Length of a plugin's name, at most, without the NUL. */
enum { CG_PLUGIN_NAME_MAX = 31 };

/** "attention", "cache", "constraint"; "unknown" for another value. Static storage. */
const char *cg_plugin_kind_name(cg_plugin_kind kind);

/**
 * Loads the plugin in the file `path` and checks everything that can be checked without running it:
 * file, symbol, ABI, descriptor, operation table. A file that another user may write is refused
 * before it is loaded (base/trusted_path.h). A file that was loaded stays loaded until the process
 * ends, refused or not, because its initialisers have run.
 *
 * @param ret_plugin  descriptor, storage of the plugin, valid until the process ends
 * @return CG_OK; CG_ERR_IO if the file is missing or unreadable; CG_ERR_USAGE for an empty or too
 *         long path; CG_ERR_PLUGIN if it is no plugin for this program. The text names path, found,
 *         wanted, remedy.
 */
cg_status cg_plugin_load(const char *path, const cg_host *host, const cg_plugin **ret_plugin,
                         cg_error *err);

/**
 * Checks what can be checked before a file is loaded: a readable regular file that no other user
 * may write, and if it is ELF, all of its segments inside it. CG_ERR_IO, CG_ERR_USAGE,
 * CG_ERR_PLUGIN as cg_plugin_load().
 */
cg_status cg_plugin_check_file(const char *path, cg_error *err);

/**
 * Checks descriptor and operation table, as cg_plugin_load() does; for plugins that are not in a
 * file. `path` is used in texts only.
 */
cg_status cg_plugin_check(const cg_plugin *plugin, const char *path, cg_error *err);

#endif
