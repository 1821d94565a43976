/* SPDX-License-Identifier: MIT */
/** @file selection.h  What a worker runs with: attention, KV cache, batch; and why. */
#ifndef CG_ENGINE_SELECTION_H
#define CG_ENGINE_SELECTION_H

#include "engine/engine.h"

/**
 * Choose for all workers of an engine, which are of one device kind. What was asked for stands;
 * what is "auto" is fixed on the CPU and measured on a GPU, once for each kind of GPU. The engine's
 * reasons are the first worker's. The constraint must be open.
 *
 * @return CG_OK; CG_ERR_USAGE for a plugin that does not exist; CG_ERR_UNSUPPORTED with the reasons
 *         if no attention and cache serve the model together
 */
cg_status cg_select_plugins(cg_engine *engine, const cg_engine_options *options, cg_error *err);

/** Nothing, or "auto", was given. */
int cg_is_auto(const char *name);

#endif
