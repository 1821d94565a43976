/* SPDX-License-Identifier: MIT */
/**
 * @file alias.h  Names that users of other software know, and the plugins and settings they mean.
 *
 * A loaded plugin of the same kind and name comes first: cg_registry_alias().
 */
#ifndef CG_PLUGIN_ALIAS_H
#define CG_PLUGIN_ALIAS_H

#include <confgen/plugin.h>

typedef struct cg_plugin_alias {
    cg_plugin_kind kind;
    const char *name;
    const char *plugin;   /* NULL: the selection of "auto" */
    const char *kv_dtype; /* the value of --kv-dtype that it includes; NULL: none */
    int32_t is_window;    /* only where pages behind a window are given back */
} cg_plugin_alias;

/** Returns alias `i`, counted from 0, by kind; NULL after the last. Static storage. */
const cg_plugin_alias *cg_plugin_alias_get(int32_t i);
/** Returns the alias of a kind and name, NULL if there is none. Static storage. */
const cg_plugin_alias *cg_plugin_alias_find(cg_plugin_kind kind, const char *name);

#endif
