/* SPDX-License-Identifier: MIT */
/** @file settings.h  What a model needs of plugins, as far as its config.json tells. */
#ifndef CG_ENGINE_SETTINGS_H
#define CG_ENGINE_SETTINGS_H

#include <confgen/attention.h>
#include <confgen/cache.h>
#include <confgen/limits.h>

#include "model/config.h"

enum {
    CG_DEFAULT_BATCH = 64,
    CG_PROMPT_SLOTS =
        4, /* prompts under way at once; a molecule lives much longer than its prompt */
};

/** config.json of a model directory. As cg_model_config_parse(), and CG_ERR_IO. */
cg_status cg_read_model_config(const char *dir, cg_model_config *ret, cg_error *err);
/** confgen.json of a directory, or what stands when there is none. As above. */
cg_status cg_read_format_config(const char *dir, cg_format_config *ret, cg_error *err);

/** Tokens of a sequence, prompt included: the model's positions, at most CG_MAX_CONTEXT. */
int32_t cg_context_length(const cg_model_config *config);
/** Prompts under way at once. */
int32_t cg_prompt_slots_for(int32_t batch_size);

/**
 * What a run of a model asks of attention and cache, for cg_pairing_check(). Neither knows the
 * other's layout yet.
 *
 * @param compute_capability  of the GPU, 10 * major + minor; CPU: 0
 * @param flags               cg_attention_flags()
 */
void cg_model_needs(const cg_model_config *config, cg_device device, int32_t compute_capability,
                    uint32_t flags, int32_t batch_size, cg_attention_problem *ret_problem,
                    cg_cache_config *ret_cache);

#endif
