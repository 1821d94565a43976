/* SPDX-License-Identifier: MIT */
/** @file tok_cache.h  Interface of the pre-token cache to the encoder. */
#ifndef CG_TOK_CACHE_H
#define CG_TOK_CACHE_H

#include <confgen/tokenizer.h>

#define CG_CACHE_BYTES_MAX 48
#define CG_CACHE_IDS_MAX   16

/**
 * Looks up a pre-token.
 * @param owner  serial number of the tokenizer (cg_tokenizer.serial)
 * @param hash   of the bytes
 * @param ids    [CG_CACHE_IDS_MAX] result
 * @return number of ids, 0 if absent
 */
size_t cg_token_cache_find(const cg_token_cache *cache, uint32_t owner, uint64_t hash,
                           const char *bytes, size_t len, int32_t *ids);

/** Stores a pre-token, unless it is too long or another thread is writing the same entry. */
void cg_token_cache_store(cg_token_cache *cache, uint32_t owner, uint64_t hash, const char *bytes,
                          size_t len, const int32_t *ids, size_t n);

/** Adds the counts of one text, so that shared counters are written once per text. */
void cg_token_cache_count(cg_token_cache *cache, uint64_t hits, uint64_t misses);

#endif
