/* SPDX-License-Identifier: MIT */
/** @file host.h  The services offered to plugins (cg_host): memory, loops, log, error texts. */
#ifndef CG_PLUGIN_HOST_H
#define CG_PLUGIN_HOST_H

#include <confgen/plugin.h>

#include "base/pool.h"

/** Receives one line of log without a newline. Thread: any, also several at once. */
typedef void (*cg_log_fn)(void *ctx, int32_t level, const char *text);

/**
 * A cg_host over a thread team. Plugins receive `host`, which points into this struct: the struct
 * must not move and must outlive everything created with it.
 */
typedef struct cg_plugin_host {
    cg_host host;
    cg_team *team;     /* borrowed; NULL: loops run on the calling thread */
    cg_log_fn log;     /* NULL: log lines are dropped */
    void *log_ctx;     /* borrowed */
    int32_t log_level; /* lines above this level are dropped: CG_LOG_* */
} cg_plugin_host;

/** Fills `ret_host`. Allocates nothing, so there is no finish function. */
void cg_plugin_host_init(cg_plugin_host *ret_host, cg_team *team, cg_log_fn log, void *log_ctx,
                         int32_t log_level);

/** Logs one formatted line, cut at 1279 bytes. Thread: any. */
void cg_host_log(const cg_host *host, int32_t level, const char *fmt, ...) CG_PRINTF(3, 4);

#endif
