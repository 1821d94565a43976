/* SPDX-License-Identifier: MIT */
#include "model/attention_plans.h"

#include "base/plugin_call.h"
#include "model/attention_problem.h"

cg_status cg_attention_plans_create(const cg_attention_pair *pair, const cg_kv_view *view,
                                    cg_attention_problem *problems, int32_t n, void **ret_plans,
                                    size_t *ret_bytes, cg_error *err)
{
    const cg_plugin_call to_cache = { "cache", pair->cache_name, -1, -1 };
    const cg_plugin_call to_attention = { "attention", pair->attention_name, -1, -1 };
    const cg_attention_ops *ops = pair->attention;
    cg_error why = CG_ERROR_INIT;

    *ret_bytes = 0;
    for (int32_t i = 0; i < n; i++) {
        cg_attention_problem *p = &problems[i];
        size_t bytes;

        CG_TRY(cg_plugin_call_status(
            &to_cache, cg_attention_problem_check_view(p, pair->cache, view, &why), &why, err));
        cg_attention_problem_set_cache(p, pair->cache, view);
        CG_TRY(cg_plugin_call_status(&to_attention, ops->supports(pair->host, p, &why), &why, err));
        CG_TRY(cg_plugin_call_status(&to_attention, ops->plan(pair->host, p, &ret_plans[i], &why),
                                     &why, err));
        bytes = ops->workspace_size(ret_plans[i]);
        *ret_bytes = bytes > *ret_bytes ? bytes : *ret_bytes;
    }
    return CG_OK;
}
