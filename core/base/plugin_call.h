/* SPDX-License-Identifier: MIT */
/** @file plugin_call.h  Error texts of calls into plugins. */
#ifndef CG_BASE_PLUGIN_CALL_H
#define CG_BASE_PLUGIN_CALL_H

#include <confgen/status.h>

/** A call into a plugin, for error texts. */
typedef struct cg_plugin_call {
    const char *kind; /* "attention", "cache" or "constraint" */
    const char *name; /* of the plugin; NULL: unknown */
    int32_t layer;    /* from 0; negative: of no layer */
    int64_t step;     /* from 0; negative: of no step */
} cg_plugin_call;

/**
 * Returns CG_OK if a call into a plugin has returned CG_OK. Otherwise writes a text that names the
 * plugin, the layer and the step before the plugin's own text:
 *
 *   attention 'naive', layer 3, step 17: the moon is full
 *
 * Statuses of memory are returned as they are, and with a text also those of limits, mismatches,
 * files, CUDA and unsupported requests. Every other status becomes CG_ERR_PLUGIN.
 *
 * @param why  the error record that the plugin was given; an empty text if it wrote none
 */
cg_status cg_plugin_call_status(const cg_plugin_call *call, cg_status st, const cg_error *why,
                                cg_error *err);

#endif
