/* SPDX-License-Identifier: MIT */
/**
 * @file paged.h  A cache of pages from one pool, which slots may share.
 *
 * Keys, then values, each [layer][page][kv head][token][head_dim]: the tokens of one head of a page
 * lie together. A page number stands for the same place in every layer, so one table serves all.
 *
 * Addresses must be base + page * stride for as long as the cache lives, yet memory should be taken
 * as it is needed: address space for all pages that can ever be used is reserved at the start
 * (inaccessible, costs nothing), and given memory slab by slab (pool.h).
 *
 * A page has a count of the slots it belongs to. Only a page of count 1 is ever written: where a
 * slot was cut back into a page that it shares, the next reserve() gives it a copy.
 */
#ifndef CACHE_PAGED_H
#define CACHE_PAGED_H

#include <confgen/cache.h>

#include "pool.h"

enum {
    /*
     * Tokens of a page. 16 is what the flash kernels take at a time from one place, and with 64
     * elements a head it makes 4 KiB of keys of one head, a page of the machine. Larger pages waste
     * more at the end of every slot and copy more at the end of a shared prompt; smaller ones cut
     * the kernels' loads.
     */
    CG_PAGE_TOKENS = 16,
};

cg_status cg_paged_create(const cg_host *host, const cg_cache_config *config, void **ret_self,
                          cg_error *err);

/** The same over a given pool; `config` was checked. */
cg_status cg_paged_create_in(const cg_host *host, const cg_cache_config *config,
                             const cg_page_pool_ops *ops, void **ret_self, cg_error *err);

/* Members of cg_cache_ops. */
void cg_paged_destroy(void *self);
cg_status cg_paged_reserve(void *self, int32_t slot, int32_t len, cg_error *err);
cg_status cg_paged_append(void *self, int32_t layer, const cg_cache_append *args, cg_error *err);
cg_status cg_paged_share_prefix(void *self, int32_t dst, int32_t src, int32_t len, cg_error *err);
cg_status cg_paged_truncate(void *self, int32_t slot, int32_t len, cg_error *err);
void cg_paged_release(void *self, int32_t slot);
cg_status cg_paged_view(void *self, int32_t layer, cg_kv_view *ret_view, cg_error *err);
void cg_paged_stats(const void *self, cg_cache_stats *ret_stats);

#endif
