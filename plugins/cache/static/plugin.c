/* SPDX-License-Identifier: MIT */
/* static: contiguous slots of full length from the start; nothing ever moves. */
#include <confgen/cache.h>

#include "cache_checks.h"
#include "contiguous.h"

static cg_status create(const cg_host *host, const cg_cache_config *config, void **ret_self,
                        cg_error *err)
{
    return cg_contiguous_create(host, config, config->max_len, ret_self, err);
}

static const cg_cache_ops ops = {
    CG_SIZED(cg_cache_ops),
    .paged = 0,
    .supports = cg_cache_check_config,
    .create = create,
    .destroy = cg_contiguous_destroy,
    .reserve = cg_contiguous_reserve,
    .append = cg_contiguous_append,
    .share_prefix = cg_contiguous_share_prefix,
    .truncate = cg_contiguous_truncate,
    .release = cg_contiguous_release,
    .view = cg_contiguous_view,
    .stats = cg_contiguous_stats,
    .flags = CG_CACHE_STORE_BY_VIEW,
};

static const cg_plugin plugin = {
    CG_PLUGIN_HEADER(CG_PLUGIN_CACHE),
    .name = "static",
    .version = CG_VERSION_STRING,
    .description = "contiguous KV cache of full length, allocated at once (" CG_CACHE_DEVICES ")",
    .ops = &ops,
};

cg_status cg_plugin_entry_v1(const cg_host *host, const cg_plugin **ret_plugin, cg_error *err)
{
    return cg_plugin_enter(host, &plugin, ret_plugin, err);
}
