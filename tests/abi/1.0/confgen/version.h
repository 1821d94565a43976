/* SPDX-License-Identifier: MIT */
/** @file version.h  Release number and plugin ABI numbers. */
#ifndef CONFGEN_VERSION_H
#define CONFGEN_VERSION_H

#include <confgen/status.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CG_VERSION_MAJOR  0
#define CG_VERSION_MINOR  1
#define CG_VERSION_PATCH  0
#define CG_VERSION_STRING "0.1.0"

/** Major ABI number: also part of the entry symbol's name. Minor growth: see CG_HAS(). */
#define CG_PLUGIN_ABI_MAJOR 1
#define CG_PLUGIN_ABI_MINOR 0

/** Release of the loaded library, e.g. "0.1.0". Static storage. */
CG_EXPORT const char *cg_version(void);

#ifdef __cplusplus
}
#endif

#endif
