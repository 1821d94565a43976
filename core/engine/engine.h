/* SPDX-License-Identifier: MIT */
/** @file engine.h  What an open engine holds; for the files of this room. */
#ifndef CG_ENGINE_ENGINE_H
#define CG_ENGINE_ENGINE_H

#include <confgen/confgen.h>

#include "base/buf.h"
#include "base/pool.h"
#include "decode/executor.h"
#include "engine/tuning.h"
#include "engine/worker.h"
#include "model/model.h"
#include "plugin/host.h"
#include "plugin/registry.h"
#include "template/template.h"

/** How an engine comes by its executors, for tests: zero is how it always does. */
typedef struct cg_engine_test_hooks {
    int32_t n_cpu; /* executors on the CPU, each with threads of its own; 0: one */
    /* > 0: on the CPU too what is "auto" is measured, for so many seconds an attempt */
    double tuning_seconds;
    /** In place of cg_executor_cpu_create(), cg_cuda_loader_create_executor(). */
    cg_status (*create)(void *ctx, const cg_executor_config *config, cg_team *team,
                        cg_executor **ret_executor, cg_error *err);
    void *ctx;
} cg_engine_test_hooks;

enum { CG_REASON_TEXT = 1024 };

struct cg_engine {
    cg_engine_info info;
    cg_engine_test_hooks hooks;
    char *model_dir;
    char device[64 + 4 * CG_MAX_GPUS];
    char device_reason[CG_REASON_TEXT], attention_reason[CG_REASON_TEXT],
        kv_cache_reason[CG_REASON_TEXT], batch_reason[CG_REASON_TEXT];
    cg_team *team;
    cg_plugin_host host;
    cg_registry *registry;
    const cg_plugin *constraint;
    cg_model *model;
    cg_tokenizer *tokenizer;
    cg_token_cache *token_cache;
    cg_vocabulary_adapter vocabulary;
    cg_text_format format;
    void *constraint_self;
    cg_template_builder builder;
    cg_token_number *token_numbers; /* by token id, while geometry is looked at */
    cg_dtype dtype;
    cg_worker *workers; /* [n_workers] one a GPU; on the CPU one */
    int32_t n_workers;
    cg_engine_gpu gpus[CG_MAX_GPUS]; /* of the workers, as info shows them */
    cg_tuning tuning;                /* behind the first worker's choice */
    char tuning_source[CG_REASON_TEXT];
};

/** cg_engine_open() with hooks. */
cg_status cg_engine_open_with(const cg_engine_options *options, const cg_engine_test_hooks *hooks,
                              cg_engine **ret_engine, cg_error *err);

/** Whether geometry is looked at while it is written; the constraint is open. */
cg_status cg_engine_select_geometry(cg_engine *engine, const cg_engine_options *options,
                                    cg_error *err);

#endif
