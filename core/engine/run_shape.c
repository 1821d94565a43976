/* SPDX-License-Identifier: MIT */
#include "engine/run_shape.h"

#include <confgen/limits.h>

#include "base/error.h"
#include "model/step_tokens.h"

enum {
    FEW_PROMPT_SLOTS = 4, /* a molecule's sequences live much longer than its prompt */
    /* Many sequences finish between two host polls of a GPU; with few conformers per molecule, that
     * many prompts must be in flight. */
    BATCH_PER_GPU_PROMPT_SLOT = 16,
    MAX_GPU_PROMPT_SLOTS = 64,
    /* Most repairs rewrite at most 16 atoms: about 130 tokens of the default model's text, more in
     * other formats. */
    REPAIRED_TOKENS = 256,
};

static int32_t clamp(int32_t n, int32_t low, int32_t high)
{
    return n < low ? low : n < high ? n : high;
}

cg_status cg_check_max_length(const cg_model_config *config, const char *model, int32_t max_length,
                              cg_error *err)
{
    if (max_length <= config->max_positions)
        return CG_OK;
    if (config->learned_positions)
        return cg_fail(err, CG_ERR_USAGE,
                       "max-length %d: model '%s' has learned positions, %d of them", max_length,
                       model, config->max_positions);
    if (config->rope.kind == CG_ROPE_DYNAMIC)
        return cg_fail(err, CG_ERR_USAGE,
                       "max-length %d: model '%s' has %d positions; beyond them its dynamic rope "
                       "would change the rotation of all tokens, which is not supported",
                       max_length, model, config->max_positions);
    return CG_OK;
}

int32_t cg_context_length(const cg_model_config *config)
{
    return config->max_positions < CG_MAX_CONTEXT ? config->max_positions : CG_MAX_CONTEXT;
}

int32_t cg_kept_tokens(cg_device device, cg_geometry_mode geometry, int32_t max_length)
{
    if (geometry != CG_GEOMETRY_REPAIR)
        return 0;
    return device == CG_DEVICE_CPU ? REPAIRED_TOKENS : max_length;
}

int32_t cg_prompt_slots(cg_device device, int32_t batch_size)
{
    int32_t few = batch_size < FEW_PROMPT_SLOTS ? batch_size : FEW_PROMPT_SLOTS;

    return device == CG_DEVICE_CPU
               ? few
               : clamp(batch_size / BATCH_PER_GPU_PROMPT_SLOT, few, MAX_GPU_PROMPT_SLOTS);
}

int32_t cg_plugin_requirements(const cg_model_config *config, const cg_run_shape *run,
                               cg_attention_problem *ret_problems, cg_cache_config *ret_cache)
{
    int32_t kv_slots = run->batch_size + cg_prompt_slots(run->device, run->batch_size);
    cg_attention_shape shape = {
        .device = run->device,
        .compute_capability = run->compute_capability,
        .dtype = run->dtype,
        .kv_dtype = run->kv_dtype,
        .max_tokens =
            cg_step_tokens(run->device, run->batch_size, run->step_tokens, run->deterministic),
        .max_seqs = kv_slots,
        .max_kv_len = run->max_length,
        .flags = cg_attention_flags(run->device, run->deterministic),
        .kept_tokens = run->kept_tokens,
    };

    *ret_cache = cg_cache_config_of_model(config, &shape);
    return cg_attention_problems_of_model(config, &shape, ret_problems);
}
