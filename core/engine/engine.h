/* SPDX-License-Identifier: MIT */
/** @file engine.h  The state of an open engine; for this module and core/api. */
#ifndef CG_ENGINE_ENGINE_H
#define CG_ENGINE_ENGINE_H

#include <confgen/confgen.h>

#include "base/pool.h"
#include "engine/code_decoder.h"
#include "engine/device_request.h"
#include "engine/selection.h"
#include "engine/worker.h"
#include "format/number_list.h"
#include "model/model.h"
#include "plugin/host.h"
#include "plugin/registry.h"
#include "template/template.h"

/** Test hooks; zero-initialise for the defaults. */
typedef struct cg_engine_test_hooks {
    int32_t n_cpu_executors;    /* each with a team of its own; 0: one */
    double cpu_attempt_seconds; /* see cg_selection_request */
    cg_executor_factory factory;
} cg_engine_test_hooks;

struct cg_engine {
    cg_engine_info info; /* its texts live in the members below */
    cg_sampling sampling;
    cg_sampling_sources sampling_from;
    cg_engine_test_hooks hooks;

    /** Services for plugins. */
    cg_team *team;
    cg_plugin_host host;
    cg_registry *registry;
    /* that the options name; NULL: none */
    const cg_plugin_alias *attention_alias, *kv_cache_alias;

    /** Weights and text; see open_model.c. */
    struct {
        char *name; /* directory, or shape:NAME */
        cg_model *weights;
        cg_tokenizer *tokenizer;
        cg_token_cache *token_cache; /* NULL: none */
        cg_vocabulary_adapter vocabulary;
        cg_prompt_tokens around_prompt; /* its arrays are `bos` or the tokenizer's */
        int32_t bos;
        char format_text[512], format_reason[CG_REASON_TEXT];
        int32_t stop[CG_MAX_EOS + CG_MAX_STOP]; /* of constraint.format.stop_tokens */
    } model;

    struct {
        const cg_plugin *plugin;
        void *self;
        cg_checked_constraint *checked;
        cg_text_format format;
        cg_number_list numbers; /* of the format */
    } constraint;
    cg_template_builder builder;
    cg_token_number *token_numbers; /* [vocabulary]; NULL while geometry is off */

    cg_code_decoder *codes; /* of a format with codes, else NULL */
    int32_t max_retries;    /* rounds of a molecule after the first */

    /** Executors; see open_device.c. */
    struct {
        char name[64 + 4 * CG_MAX_GPUS]; /* "cpu", "cuda:0,1" */
        char reason[CG_REASON_TEXT], dtype_reason[CG_REASON_TEXT];
        cg_executor_prototype prototype;
        cg_worker *workers; /* [n_workers] one per GPU; one on the CPU */
        int32_t n_workers;
        cg_selection selection;                        /* of the first worker */
        cg_engine_gpu gpus[CG_MAX_GPUS];               /* [info.n_gpus] */
        cg_engine_plugin plugins[2 * CG_MAX_GPUS + 1]; /* [info.n_plugins] */
    } device;
};

/** cg_engine_open() with hooks. */
cg_status cg_engine_open_with(const cg_engine_options *options, const cg_engine_test_hooks *hooks,
                              cg_engine **ret_engine, cg_error *err);

/* ---- steps of opening, each in a file of its own ------------------------------------------ */

/** Opens engine->model: model directory or random weights, tokenizer, vocabulary. */
cg_status cg_engine_open_model(cg_engine *engine, const cg_engine_options *options, cg_error *err);
void cg_engine_close_model(cg_engine *engine);

/**
 * Sets engine->sampling and sampling_from; the model is open. CG_ERR_USAGE for the caller's
 * values; CG_ERR_FORMAT, CG_ERR_UNSUPPORTED for the model's.
 */
cg_status cg_engine_select_sampling(cg_engine *engine, const cg_engine_options *options,
                                    cg_error *err);

/**
 * Sets the conformer format of the weights where confgen.json describes none, and
 * model.format_reason; model.around_prompt is set.
 */
cg_status cg_engine_detect_format(cg_engine *engine, cg_error *err);

/** Sets constraint.format but max_new_tokens, and model.around_prompt; the model is open. */
cg_status cg_engine_open_text(cg_engine *engine, cg_error *err);

/** Opens the network behind the codes of a format that has them, or makes a random one for a shape;
 * the format is known. */
cg_status cg_engine_open_codes(cg_engine *engine, const cg_engine_options *options, cg_error *err);

/** Sets builder.geometry, token_numbers and max_retries; the constraint is open. */
cg_status cg_engine_select_geometry(cg_engine *engine, const cg_engine_options *options,
                                    cg_error *err);

/** Opens engine->device: workers, selection, executors. Comes last. */
cg_status cg_engine_open_device(cg_engine *engine, const cg_engine_options *options,
                                const cg_device_request *request, cg_error *err);
void cg_engine_close_device(cg_engine *engine);

#endif
