/* SPDX-License-Identifier: MIT */
/** @file run_shape.h  The sizes of a run, and the plugin requirements that follow from them. */
#ifndef CG_ENGINE_RUN_SHAPE_H
#define CG_ENGINE_RUN_SHAPE_H

#include <confgen/attention.h>
#include <confgen/cache.h>

#include "model/attention_problem.h"
#include "sequence/atom_tests.h"

enum {
    CG_DEFAULT_BATCH = 64, /* on the CPU, and for listings */
};

/**
 * Checks a length that was asked for. More positions than the model was trained with are possible
 * unless they are learned, or the rotation of all tokens changes with the length of the text.
 *
 * @param model       its name, for the message
 * @param max_length  tokens of a sequence, prompt included; 0: the default
 * @return CG_OK; CG_ERR_USAGE
 */
cg_status cg_check_max_length(const cg_model_config *config, const char *model, int32_t max_length,
                              cg_error *err);

/** Default length of a sequence, prompt included: the model's positions, at most CG_MAX_CONTEXT. */
int32_t cg_context_length(const cg_model_config *config);

/** cg_executor_config.kept_tokens of a run with texts of up to max_length tokens. */
int32_t cg_kept_tokens(cg_device device, cg_geometry_mode geometry, int32_t max_length);

/** Prompts that an executor computes and keeps at once. */
int32_t cg_prompt_slots(cg_device device, int32_t batch_size);

/** Sizes of a run of a model on one executor. */
typedef struct cg_run_shape {
    cg_device device;
    int32_t compute_capability; /* CUDA: 10 * major + minor; CPU: 0 */
    cg_dtype dtype;             /* of activations */
    cg_dtype kv_dtype;          /* of the KV cache */
    int32_t deterministic;      /* CUDA: tokens do not depend on the batch */
    int32_t batch_size;         /* sequence slots */
    int32_t max_length;         /* tokens of a sequence, prompt included */
    int32_t step_tokens;        /* requested token budget of a step; 0: derived */
    int32_t kept_tokens;        /* cg_executor_config.kept_tokens */
} cg_run_shape;

/**
 * The attention problems and the cache configuration that an executor of this shape will plan and
 * create, for cg_pairing_check(): it completes the problems with the layout of the cache.
 *
 * @param ret_problems  [CG_MAX_ATTENTION_PROBLEMS]
 * @return the number of problems
 */
int32_t cg_plugin_requirements(const cg_model_config *config, const cg_run_shape *shape,
                               cg_attention_problem *ret_problems, cg_cache_config *ret_cache);

#endif
