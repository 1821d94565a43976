/* SPDX-License-Identifier: MIT */
#include "model/attention_problem.h"

#include <math.h>

uint32_t cg_attention_flags(cg_device device, int32_t deterministic)
{
    uint32_t reproducible = CG_ATTENTION_DETERMINISTIC | CG_ATTENTION_BATCH_INVARIANT;

    if (device == CG_DEVICE_CPU)
        return reproducible;
    return CG_ATTENTION_GRAPH_SAFE | (deterministic ? reproducible : 0);
}

cg_attention_problem cg_attention_problem_of_model(const cg_model_config *config,
                                                   const cg_attention_shape *shape)
{
    return (cg_attention_problem) {
        CG_SIZED(cg_attention_problem),
        .device = shape->device,
        .compute_capability = shape->compute_capability,
        .dtype = shape->dtype,
        .kv_dtype = shape->kv_dtype,
        .n_heads = config->n_heads,
        .n_kv_heads = config->n_kv_heads,
        .head_dim = config->head_dim,
        .max_tokens = shape->max_tokens,
        .max_seqs = shape->max_seqs,
        .max_kv_len = shape->max_kv_len,
        .scale = 1.0f / sqrtf((float)config->head_dim),
        .flags = shape->flags,
    };
}

void cg_attention_problem_set_cache(cg_attention_problem *problem, const cg_cache_ops *cache,
                                    const cg_kv_view *view)
{
    problem->kv_dtype = view->dtype;
    problem->paged = cache->paged;
    problem->block_tokens = cache->paged ? view->block_tokens : 0;
    problem->kv_layout = cg_kv_layout(view);
}
