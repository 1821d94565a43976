/* SPDX-License-Identifier: MIT */
/** @file version.h  Release number and plugin ABI numbers. */
#ifndef CONFGEN_VERSION_H
#define CONFGEN_VERSION_H

#include <confgen/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Release of these headers. */
#define CG_VERSION_MAJOR  0
#define CG_VERSION_MINOR  1       /* of the release */
#define CG_VERSION_PATCH  0       /* of the release */
#define CG_VERSION_STRING "0.1.0" /* the release as a text */

/** ABI of plugins, major number: also part of the entry symbol's name. */
#define CG_PLUGIN_ABI_MAJOR 1
/**
 * ABI of plugins, minor number: it grows with members at the end of structs, whose presence
 * CG_HAS() and CG_HAS_SIZE() test. plugin.h has the rules by which a host and a plugin of different
 * minors work together.
 */
#define CG_PLUGIN_ABI_MINOR 2

/** Release of the loaded library, e.g. "0.1.0". Static storage. */
CG_EXPORT const char *cg_version(void);

#ifdef __cplusplus
}
#endif

#endif
