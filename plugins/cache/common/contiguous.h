/* SPDX-License-Identifier: MIT */
/**
 * @file contiguous.h  A cache in which a slot is one block: the body of `dynamic` and `static`.
 *
 * Keys, then values, each [layer][slot][kv head][capacity][head_dim]: the tokens of one head of one
 * slot lie together, so a pass over them is one stream. All slots have the same capacity; where it
 * grows, it doubles for all, and what slots hold moves.
 */
#ifndef CACHE_COMMON_CONTIGUOUS_H
#define CACHE_COMMON_CONTIGUOUS_H

#include <confgen/cache.h>

typedef struct cg_contiguous cg_contiguous;

/**
 * @param capacity  tokens of a slot to begin with; clipped to config->max_len
 * @return CG_OK; CG_ERR_UNSUPPORTED as cg_cache_check_config(); CG_ERR_NOMEM beyond
 *         config->max_bytes or if there is no memory
 */
cg_status cg_contiguous_create(const cg_host *host, const cg_cache_config *config, int32_t capacity,
                               void **ret_self, cg_error *err);

/* Members of cg_cache_ops. */
void cg_contiguous_destroy(void *self);
cg_status cg_contiguous_reserve(void *self, int32_t slot, int32_t len, cg_error *err);
cg_status cg_contiguous_append(void *self, int32_t layer, const cg_cache_append *args,
                               cg_error *err);
cg_status cg_contiguous_share_prefix(void *self, int32_t dst, int32_t src, int32_t len,
                                     cg_error *err);
cg_status cg_contiguous_truncate(void *self, int32_t slot, int32_t len, cg_error *err);
void cg_contiguous_release(void *self, int32_t slot);
cg_status cg_contiguous_view(void *self, int32_t layer, cg_kv_view *ret_view, cg_error *err);
void cg_contiguous_stats(const void *self, cg_cache_stats *ret_stats);

#endif
