/* SPDX-License-Identifier: MIT */
#include "model/attention_problem.h"

#include <math.h>

#include "base/error.h"

uint32_t cg_attention_flags(cg_device device, int32_t deterministic)
{
    uint32_t reproducible = CG_ATTENTION_DETERMINISTIC | CG_ATTENTION_BATCH_INVARIANT;

    if (device == CG_DEVICE_CPU)
        return reproducible;
    return CG_ATTENTION_GRAPH_SAFE | (deterministic ? reproducible : 0);
}

/* Numbers of 8 bits are stored with a scale. */
static int is_scaled(cg_dtype dtype)
{
    return cg_dtype_size(dtype) == 1;
}

/* The window of a layer in a run; 0: none. */
static int32_t window_of_layer(const cg_model_config *c, int32_t max_kv_len, int32_t layer)
{
    return c->layer_flags[layer] & CG_LAYER_WINDOW && c->window < max_kv_len ? c->window : 0;
}

int32_t cg_attention_problem_of_layer(const cg_model_config *c, int32_t max_kv_len, int32_t layer)
{
    return window_of_layer(c, max_kv_len, layer) != window_of_layer(c, max_kv_len, 0);
}

int32_t cg_attention_problems_of_model(const cg_model_config *config,
                                       const cg_attention_shape *shape,
                                       cg_attention_problem ret[CG_MAX_ATTENTION_PROBLEMS])
{
    const cg_attention_problem problem = {
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
        .features = is_scaled(shape->kv_dtype) ? CG_ATTENTION_KV_SCALES : 0,
    };
    int32_t n = 1;

    ret[0] = problem;
    ret[0].window = window_of_layer(config, shape->max_kv_len, 0);
    for (int32_t i = 1; i < config->n_layers && n == 1; i++)
        if (cg_attention_problem_of_layer(config, shape->max_kv_len, i)) {
            ret[1] = problem;
            ret[1].window = window_of_layer(config, shape->max_kv_len, i);
            n = 2;
        }
    return n;
}

int32_t cg_window_of_model(const cg_model_config *config, int32_t max_kv_len)
{
    for (int32_t i = 0; i < config->n_layers; i++)
        if (!window_of_layer(config, max_kv_len, i))
            return 0;
    return config->window;
}

cg_cache_config cg_cache_config_of_model(const cg_model_config *config,
                                         const cg_attention_shape *shape)
{
    int32_t window = cg_window_of_model(config, shape->max_kv_len);
    cg_cache_config c = {
        CG_SIZED(cg_cache_config),
        .device = shape->device,
        .dtype = shape->kv_dtype,
        .n_layers = config->n_layers,
        .n_slots = shape->max_seqs,
        .n_kv_heads = config->n_kv_heads,
        .head_dim = config->head_dim,
        .max_len = shape->max_kv_len,
        .features = is_scaled(shape->kv_dtype) ? CG_CACHE_SCALES : 0,
    };

    if (window && window < shape->max_kv_len - shape->kept_tokens) {
        c.features |= CG_CACHE_WINDOW;
        c.window = window + shape->kept_tokens;
    }
    return c;
}

cg_status cg_attention_problem_check_view(const cg_attention_problem *p, const cg_cache_ops *cache,
                                          const cg_kv_view *v, cg_error *err)
{
    if (v->device != p->device || v->n_kv_heads != p->n_kv_heads || v->head_dim != p->head_dim)
        return cg_fail(err, CG_ERR_PLUGIN,
                       "view() gives %d heads of %d elements on %s, wanted %d of %d on %s",
                       v->n_kv_heads, v->head_dim, cg_device_name(v->device), p->n_kv_heads,
                       p->head_dim, cg_device_name(p->device));
    if (v->block_tokens < 1)
        return cg_fail(err, CG_ERR_PLUGIN, "view() gives %d tokens per block, wanted 1 or more",
                       v->block_tokens);
    if ((v->page_table != NULL) != (cache->paged != 0))
        return cg_fail(err, CG_ERR_PLUGIN, "view() gives %s page table, but `paged` is %d",
                       v->page_table ? "a" : "no", cache->paged);
    return CG_OK;
}

void cg_attention_problem_set_cache(cg_attention_problem *problem, const cg_cache_ops *cache,
                                    const cg_kv_view *view)
{
    problem->kv_dtype = view->dtype;
    problem->paged = cache->paged;
    problem->block_tokens = cache->paged ? view->block_tokens : 0;
    problem->kv_layout = cg_kv_layout(view);
}
