/* SPDX-License-Identifier: MIT */
/** @file tok_cache.h  The pre-token cache as the encoder sees it. */
#ifndef CG_TOK_CACHE_H
#define CG_TOK_CACHE_H

#include <confgen/tokenizer.h>

#define CG_CACHE_BYTES_MAX 48
#define CG_CACHE_IDS_MAX   16

/**
 * Look a pre-token up.
 * @param owner  number of the tokenizer (cg_tokenizer.serial)
 * @param hash   of the bytes
 * @param ids    [CG_CACHE_IDS_MAX]
 * @return number of ids, 0 if it is not there
 */
size_t cg_token_cache_find(const cg_token_cache *cache, uint32_t owner, uint64_t hash,
                           const char *bytes, size_t len, int32_t *ids);

/** Put a pre-token in; does nothing if it is too long or the place is being written just now. */
void cg_token_cache_store(cg_token_cache *cache, uint32_t owner, uint64_t hash, const char *bytes,
                          size_t len, const int32_t *ids, size_t n);

/** Add what one call counted: a shared counter touched once a text, not once a pre-token. */
void cg_token_cache_count(cg_token_cache *cache, uint64_t hits, uint64_t misses);

#endif
