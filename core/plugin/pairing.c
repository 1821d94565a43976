/* SPDX-License-Identifier: MIT */
#include "plugin/pairing.h"

#include <stdlib.h>
#include <string.h>

#include "base/cache_window.h"
#include "base/error.h"
#include "base/plugin_call.h"
#include "base/size.h"
#include "plugin/loader.h"

/* Both must describe the keys and values of one model. */
static cg_status check_agreement(const cg_attention_problem *p, const cg_cache_config *c,
                                 cg_error *err)
{
    if (p->device != c->device)
        return cg_fail(err, CG_ERR_MISMATCH, "attention on device %s over a cache on device %s",
                       cg_device_name(p->device), cg_device_name(c->device));
    if (p->n_kv_heads != c->n_kv_heads || p->head_dim != c->head_dim)
        return cg_fail(err, CG_ERR_MISMATCH,
                       "attention over %d key/value heads of %d elements, but the cache holds %d "
                       "of %d",
                       p->n_kv_heads, p->head_dim, c->n_kv_heads, c->head_dim);
    if ((p->v_head_dim ? p->v_head_dim : p->head_dim) !=
        (c->v_head_dim ? c->v_head_dim : c->head_dim))
        return cg_fail(err, CG_ERR_MISMATCH,
                       "attention over values of %d elements, but the cache holds values of %d",
                       p->v_head_dim ? p->v_head_dim : p->head_dim,
                       c->v_head_dim ? c->v_head_dim : c->head_dim);
    if (p->max_kv_len > c->max_len)
        return cg_fail(err, CG_ERR_MISMATCH,
                       "attention over up to %d cached tokens, but a slot of the cache holds %d",
                       p->max_kv_len, c->max_len);
    return CG_OK;
}

/* A plugin of an older minor ignores members that it does not know, so it gets none of a feature.
 */
static cg_status check_features(const char *kind, const cg_plugin *plugin, uint32_t known,
                                uint32_t wanted, const char *const *names, int32_t n_names,
                                cg_error *err)
{
    for (int32_t i = 0; i < 32; i++)
        if (wanted & ~known & 1u << i)
            return cg_fail(err, CG_ERR_UNSUPPORTED,
                           "%s '%s' (plugin ABI %d.%d): does not have the feature \"%s\" that the "
                           "run needs",
                           kind, plugin->name, plugin->abi_major, plugin->abi_minor,
                           i < n_names ? names[i] : "of a newer confgen");
    return CG_OK;
}

static cg_status check_cache_features(const cg_plugin *plugin, uint32_t wanted, cg_error *err)
{
    static const char *const names[] = { "values of another size", "scaled types of 8 bits",
                                         "sliding window", "gather" };
    const cg_cache_ops *ops = plugin->ops;

    return check_features("cache", plugin, CG_HAS_SIZE(ops, features) ? ops->features : 0, wanted,
                          names, sizeof names / sizeof *names, err);
}

cg_status cg_pairing_check_attention_features(const cg_plugin *plugin, uint32_t wanted,
                                              cg_error *err)
{
    static const char *const names[] = { "logit soft-cap",
                                         "ALiBi",
                                         "sink logits",
                                         "sink tokens",
                                         "additive bias",
                                         "no causal mask",
                                         "values of another size",
                                         "scaled types of 8 bits",
                                         "row positions",
                                         "tree mask" };
    const cg_attention_ops *ops = plugin->ops;

    return check_features("attention", plugin, CG_HAS_SIZE(ops, features) ? ops->features : 0,
                          wanted, names, sizeof names / sizeof *names, err);
}

cg_status cg_pairing_check(const cg_host *host, const cg_plugin *attention, const cg_plugin *cache,
                           const cg_attention_problem *problems, int32_t n,
                           const cg_cache_config *config, cg_attention_problem *ret_problems,
                           cg_error *err)
{
    const cg_attention_ops *attention_ops = attention->ops;
    const cg_cache_ops *cache_ops = cache->ops;
    cg_plugin_call to_attention = { "attention", attention->name, -1, -1 };
    cg_plugin_call to_cache = { "cache", cache->name, -1, -1 };
    cg_cache_config offered = *config;
    cg_error why = CG_ERROR_INIT;

    if (attention->kind != CG_PLUGIN_ATTENTION || cache->kind != CG_PLUGIN_CACHE)
        return cg_fail(err, CG_ERR_INTERNAL, "match: '%s' and '%s' are of kinds %s and %s",
                       attention->name, cache->name, cg_plugin_kind_name(attention->kind),
                       cg_plugin_kind_name(cache->kind));
    for (int32_t i = 0; i < n; i++)
        CG_TRY(check_agreement(&problems[i], config, err));
    cg_cache_config_offer_window(&offered, cache_ops);
    CG_TRY(check_cache_features(cache, offered.features, err));
    CG_TRY(cg_plugin_call_status(&to_cache, cache_ops->supports(host, &offered, &why), &why, err));
    for (int32_t i = 0; i < n; i++) {
        cg_attention_problem p = problems[i];

        p.kv_dtype = config->dtype;
        p.paged = cache_ops->paged != 0;
        p.block_tokens = CG_HAS_SIZE(cache_ops, block_tokens) ? cache_ops->block_tokens : 0;
        p.kv_layout = CG_HAS_SIZE(cache_ops, kv_layout) ? cache_ops->kv_layout : CG_KV_HND;
        CG_TRY(cg_pairing_check_attention_features(attention, p.features, err));
        CG_TRY(cg_plugin_call_status(&to_attention, attention_ops->supports(host, &p, &why), &why,
                                     err));
        if (ret_problems)
            ret_problems[i] = p;
    }
    return CG_OK;
}

cg_status cg_pairing_matrix(const cg_registry *registry, const cg_host *host,
                            const cg_attention_problem *problems, int32_t n_problems,
                            const cg_cache_config *config, cg_pairing **ret_cells, int32_t *ret_n,
                            cg_error *err)
{
    const cg_registry_entry *entries;
    int32_t n_entries = cg_registry_entries(registry, &entries);
    size_t n_attention = 0, n_cache = 0, n_cells, n = 0;
    cg_pairing *cells;

    for (int32_t i = 0; i < n_entries; i++) {
        n_attention += entries[i].plugin->kind == CG_PLUGIN_ATTENTION;
        n_cache += entries[i].plugin->kind == CG_PLUGIN_CACHE;
    }
    if (cg_mul(n_attention, n_cache, &n_cells) || n_cells > INT32_MAX ||
        !(cells = cg_alloc_array(n_cells, sizeof *cells)))
        return cg_fail_nomem(err, "plugin matrix");
    for (int32_t i = 0; i < n_entries; i++) {
        const cg_plugin *a = entries[i].plugin;

        for (int32_t j = 0; j < n_entries && a->kind == CG_PLUGIN_ATTENTION; j++) {
            const cg_plugin *c = entries[j].plugin;
            cg_error why = CG_ERROR_INIT;
            cg_status st;

            if (c->kind != CG_PLUGIN_CACHE)
                continue;
            st = cg_pairing_check(host, a, c, problems, n_problems, config, NULL, &why);
            cells[n] = (cg_pairing) { a, c, st, strdup(why.msg) };
            if (!cells[n++].reason) {
                cg_pairing_matrix_free(cells, (int32_t)n);
                return cg_fail_nomem(err, "plugin matrix");
            }
        }
    }
    *ret_cells = cells;
    *ret_n = (int32_t)n;
    return CG_OK;
}

void cg_pairing_matrix_free(cg_pairing *cells, int32_t n)
{
    if (!cells)
        return;
    for (int32_t i = 0; i < n; i++)
        free(cells[i].reason);
    free(cells);
}
