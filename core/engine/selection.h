/* SPDX-License-Identifier: MIT */
/** @file selection.h  Selects attention, KV cache and batch size for a worker, with reasons. */
#ifndef CG_ENGINE_SELECTION_H
#define CG_ENGINE_SELECTION_H

#include <confgen/confgen.h>

#include "engine/tuning.h"
#include "engine/worker.h"
#include "plugin/registry.h"
#include "template/template.h"

enum { CG_REASON_TEXT = 1024 };

/** Input of the selections of an engine, the same for all its workers. Borrowed. */
typedef struct cg_selection_request {
    const cg_engine_options *options; /* attention, kv_cache, batch_size, tuning, workload */
    const cg_registry *registry;
    const cg_template_builder *builder; /* builds the molecules that are measured */
    int32_t n_workers;                  /* which share the workload */
    /* parts of the key of a remembered tuning, in addition to the worker's own */
    const char *constraint, *geometry, *dtype, *kv_dtype;
    const cg_plugin_alias *attention_alias, *kv_cache_alias; /* of the names; NULL: none */
    uint64_t tokenizer_fingerprint;
    double cpu_attempt_seconds; /* per attempt; for tests: if > 0, the CPU is measured too */
} cg_selection_request;

typedef struct cg_selection {
    const cg_plugin *attention, *cache;
    int32_t batch_size;
    char attention_reason[CG_REASON_TEXT];
    char kv_cache_reason[CG_REASON_TEXT];
    char batch_reason[CG_REASON_TEXT];
    cg_tuning tuning;                   /* measured or remembered, if any */
    char tuning_source[CG_REASON_TEXT]; /* its origin, or why there is none */
} cg_selection;

/**
 * Selects for one worker. Options given by name or number are kept. Those that are "auto" follow a
 * fixed rule on the CPU, unless CG_TUNING_ALWAYS measures them; on a GPU they are measured, or
 * taken from the file of remembered tunings.
 *
 * @return CG_OK; CG_ERR_USAGE for a plugin that does not exist; CG_ERR_UNSUPPORTED with the reasons
 *         if no pair of attention and cache supports the model
 */
cg_status cg_select(const cg_selection_request *request, const cg_worker *worker,
                    cg_selection *ret_selection, cg_error *err);

/** Whether `name` is NULL or "auto". */
int cg_is_auto(const char *name);

#endif
