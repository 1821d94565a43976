/* SPDX-License-Identifier: MIT */
/* paged: slots are lists of pages from one pool and share the pages of a common prefix. */
#include <confgen/cache.h>

#include "cache_checks.h"
#include "paged.h"

static const cg_cache_ops ops = {
    CG_SIZED(cg_cache_ops),
    .paged = 1,
    .supports = cg_cache_check_config,
    .create = cg_paged_create,
    .destroy = cg_paged_destroy,
    .reserve = cg_paged_reserve,
    .append = cg_paged_append,
    .share_prefix = cg_paged_share_prefix,
    .truncate = cg_paged_truncate,
    .release = cg_paged_release,
    .view = cg_paged_view,
    .stats = cg_paged_stats,
    .block_tokens = CG_PAGE_TOKENS,
    .flags = CG_CACHE_STORE_BY_VIEW | CG_CACHE_STORE_SCALED,
    .kv_layout = CG_KV_HND,
    .features =
        CG_CACHE_VALUE_SIZE | CG_CACHE_SCALES | CG_CACHE_WINDOW | CG_CACHE_GATHER | CG_CACHE_DEFER,
    .gather = cg_paged_gather,
    .flush = cg_paged_flush,
};

static const cg_plugin plugin = {
    CG_PLUGIN_HEADER(CG_PLUGIN_CACHE),
    .name = "paged",
    .version = CG_VERSION_STRING,
    .description =
        "KV cache of pages from one pool, prefixes shared by reference (" CG_CACHE_DEVICES ")",
    .ops = &ops,
};

cg_status cg_plugin_entry_v1(const cg_host *host, const cg_plugin **ret_plugin, cg_error *err)
{
    return cg_plugin_enter(host, &plugin, ret_plugin, err);
}
