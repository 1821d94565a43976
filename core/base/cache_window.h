/* SPDX-License-Identifier: MIT */
/** @file cache_window.h  The window of a cache's configuration is an offer to caches that have it.
 */
#ifndef CG_BASE_CACHE_WINDOW_H
#define CG_BASE_CACHE_WINDOW_H

#include <confgen/cache.h>

/**
 * Takes the window out of a configuration for a cache without CG_CACHE_WINDOW, which keeps all
 * tokens: no run needs it. Executors and the matching of plugins call it before supports().
 */
static inline void cg_cache_config_offer_window(cg_cache_config *config, const cg_cache_ops *ops)
{
    if (CG_HAS_SIZE(ops, features) && ops->features & CG_CACHE_WINDOW)
        return;
    config->features &= ~(uint32_t)CG_CACHE_WINDOW;
    config->window = config->sink_tokens = 0;
}

#endif
