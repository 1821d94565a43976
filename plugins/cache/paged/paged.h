/* SPDX-License-Identifier: MIT */
/**
 * @file paged.h  A cache of pages from one pool, which slots may share.
 *
 * Keys, then values, each [layer][page][kv head][token][head_dim]: the tokens of one head of a page
 * are adjacent. If values have another size, a page has both: [layer][page] of [kv
 * head][token][size] of keys, then of values. A page has the same number in every layer, so all
 * layers use one table.
 *
 * Addresses must remain base + page * stride for the life of the cache, yet memory should be used
 * only as needed: address space for all pages that can ever be used is reserved at creation
 * (inaccessible, free of charge), and memory is committed to it in slabs (pool.h).
 *
 * Pages are reference-counted by the slots that own them. Only a page with a count of 1 is written:
 * if a slot is truncated into a page that it shares, the next reserve() gives it a copy.
 *
 * With a window the pages that no later query reads are given back: on the CPU by append(), on a
 * GPU by the next call after an append has run, which tells the host its positions.
 *
 * On a GPU the copies of pages and the changes of the page table may wait for flush() (deferred.h).
 */
#ifndef CACHE_PAGED_H
#define CACHE_PAGED_H

#include <confgen/cache.h>

#include "pool.h"

enum {
    /*
     * Tokens per page. The flash kernels load 16 tokens of consecutive memory at a time, and with a
     * head size of 64 the f32 keys of one head fill 4 KiB, a page of the machine. Larger pages
     * waste more at the end of every slot and copy more at the end of a shared prompt; smaller ones
     * split the kernels' loads.
     */
    CG_PAGE_TOKENS = 16,
};

cg_status cg_paged_create(const cg_host *host, const cg_cache_config *config, void **ret_self,
                          cg_error *err);

/** Creates the cache over a given pool; `config` has been checked. */
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
cg_status cg_paged_flush(void *self, cg_error *err);
cg_status cg_paged_gather(void *self, int32_t slot, int32_t from, const int32_t *keep,
                          int32_t n_keep, cg_error *err);
void cg_paged_stats(const void *self, cg_cache_stats *ret_stats);

#endif
