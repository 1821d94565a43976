/* SPDX-License-Identifier: MIT */
/** @file attention_plans.h  Plans the attention problems of a model over the views of its cache. */
#ifndef CG_MODEL_ATTENTION_PLANS_H
#define CG_MODEL_ATTENTION_PLANS_H

#include <confgen/attention.h>
#include <confgen/cache.h>

/** The plugins of an executor. Names are for error texts; NULL: unknown. */
typedef struct cg_attention_pair {
    const cg_host *host;
    const cg_attention_ops *attention;
    const cg_cache_ops *cache;
    const char *attention_name, *cache_name;
} cg_attention_pair;

/**
 * Completes `problems` with the layout of the cache and plans them.
 *
 * @param view       of any layer of the cache
 * @param problems   [n] of cg_attention_problems_of_model()
 * @param ret_plans  [n] owned by the caller; on failure those before the failing one are set
 * @param ret_bytes  of the largest workspace that a plan needs; 0: none needs one
 * @return CG_OK; as cg_plugin_call_status()
 */
cg_status cg_attention_plans_create(const cg_attention_pair *pair, const cg_kv_view *view,
                                    cg_attention_problem *problems, int32_t n, void **ret_plans,
                                    size_t *ret_bytes, cg_error *err);

#endif
