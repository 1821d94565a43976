/* SPDX-License-Identifier: MIT */
#include "tok_cache.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"

/*
 * A 4-way set-associative table; a cache_entry has two cache lines. Entries are read without a
 * lock (seqlock): the sequence number is odd while a cache_entry is written and changes with every
 * write. A reader that finds the same even number before and after copying has a consistent
 * cache_entry; otherwise the lookup is a miss. All words are atomic; acquire loads and release
 * stores give the order.
 */
#define WAYS      4
#define KEY_WORDS (CG_CACHE_BYTES_MAX / 8)
#define ID_WORDS  (CG_CACHE_IDS_MAX / 2)
#define WORDS     (1 + KEY_WORDS + ID_WORDS)

typedef struct cache_entry {
    _Atomic uint64_t sequence;
    /* header: owner << 32 | len << 16 | ids, 0: empty; then the key, zero-padded; then the ids */
    _Atomic uint64_t word[WORDS];
} cache_entry;

_Static_assert(sizeof(cache_entry) == 128, "a cache_entry is two cache lines");

struct cg_token_cache {
    cache_entry *table; /* [(set_mask + 1) * WAYS] */
    uint64_t set_mask;
    _Alignas(64) _Atomic uint64_t hits;
    _Atomic uint64_t misses;
    _Atomic uint64_t n_entries;
};

cg_status cg_token_cache_create(size_t capacity, cg_token_cache **ret_cache, cg_error *err)
{
    cg_token_cache *c;
    size_t sets = 1;

    if (!capacity || capacity > (size_t)1 << 24)
        return cg_fail(err, CG_ERR_USAGE, "token cache: found a capacity of %zu, wanted 1 to %d",
                       capacity, 1 << 24);
    while (sets * WAYS < capacity)
        sets *= 2;
    c = aligned_alloc(64, sizeof *c);
    if (!c)
        goto nomem;
    memset(c, 0, sizeof *c);
    c->set_mask = sets - 1;
    c->table = aligned_alloc(128, sets * WAYS * sizeof(cache_entry));
    if (!c->table)
        goto nomem;
    memset(c->table, 0, sets * WAYS * sizeof(cache_entry));
    *ret_cache = c;
    return CG_OK;
nomem:
    free(c);
    return cg_fail(err, CG_ERR_NOMEM, "token cache of %zu entries: out of memory", capacity);
}

void cg_token_cache_destroy(cg_token_cache *cache)
{
    if (!cache)
        return;
    free(cache->table);
    free(cache);
}

void cg_token_cache_get_stats(const cg_token_cache *cache, cg_token_cache_stats *ret_stats)
{
    cg_token_cache_stats stats = CG_TOKEN_CACHE_STATS_INIT;

    stats.hits = atomic_load_explicit(&cache->hits, memory_order_relaxed);
    stats.misses = atomic_load_explicit(&cache->misses, memory_order_relaxed);
    stats.entries = atomic_load_explicit(&cache->n_entries, memory_order_relaxed);
    stats.capacity = (cache->set_mask + 1) * WAYS;
    cg_fill_struct(ret_stats, &stats);
}

void cg_token_cache_count(cg_token_cache *cache, uint64_t hits, uint64_t misses)
{
    if (hits)
        atomic_fetch_add_explicit(&cache->hits, hits, memory_order_relaxed);
    if (misses)
        atomic_fetch_add_explicit(&cache->misses, misses, memory_order_relaxed);
}

static uint64_t header(uint32_t owner, size_t len, size_t n)
{
    return (uint64_t)owner << 32 | (uint64_t)len << 16 | n;
}

static uint64_t get(const cache_entry *s, size_t word)
{
    return atomic_load_explicit(&s->word[word], memory_order_acquire);
}

size_t cg_token_cache_find(const cg_token_cache *cache, uint32_t owner, uint64_t hash,
                           const char *bytes, size_t len, int32_t *ids)
{
    const cache_entry *set = &cache->table[(hash & cache->set_mask) * WAYS];
    uint64_t key[KEY_WORDS] = { 0 };
    size_t n_key = (len + 7) / 8;

    if (len > CG_CACHE_BYTES_MAX)
        return 0;
    memcpy(key, bytes, len);
    for (const cache_entry *s = set; s < set + WAYS; s++) {
        uint64_t before = atomic_load_explicit(&s->sequence, memory_order_acquire), head, diff = 0;
        size_t n;

        if (before & 1)
            continue;
        head = get(s, 0);
        n = head & 0xffff;
        if (head != header(owner, len, n) || !n || n > CG_CACHE_IDS_MAX)
            continue;
        for (size_t i = 0; i < n_key; i++)
            diff |= key[i] ^ get(s, 1 + i);
        if (diff)
            continue;
        for (size_t i = 0; i < (n + 1) / 2; i++) {
            uint64_t two = get(s, 1 + KEY_WORDS + i);

            ids[2 * i] = (int32_t)(uint32_t)two;
            ids[2 * i + 1] = (int32_t)(uint32_t)(two >> 32);
        }
        if (atomic_load_explicit(&s->sequence, memory_order_relaxed) == before)
            return n;
    }
    return 0;
}

/* The cache_entry to write: an empty one, otherwise one selected by the hash. */
static cache_entry *select_entry(cache_entry *set, uint64_t hash)
{
    for (cache_entry *s = set; s < set + WAYS; s++)
        if (!get(s, 0))
            return s;
    return &set[hash >> 62];
}

void cg_token_cache_store(cg_token_cache *cache, uint32_t owner, uint64_t hash, const char *bytes,
                          size_t len, const int32_t *ids, size_t n)
{
    cache_entry *s = select_entry(&cache->table[(hash & cache->set_mask) * WAYS], hash);
    uint64_t sequence = atomic_load_explicit(&s->sequence, memory_order_relaxed);
    uint64_t key[KEY_WORDS] = { 0 };

    if (len > CG_CACHE_BYTES_MAX || !n || n > CG_CACHE_IDS_MAX || (sequence & 1) ||
        !atomic_compare_exchange_strong_explicit(&s->sequence, &sequence, sequence + 1,
                                                 memory_order_acquire, memory_order_relaxed))
        return;
    if (!get(s, 0))
        atomic_fetch_add_explicit(&cache->n_entries, 1, memory_order_relaxed);
    memcpy(key, bytes, len);
    atomic_store_explicit(&s->word[0], header(owner, len, n), memory_order_release);
    for (size_t i = 0; i < (len + 7) / 8; i++)
        atomic_store_explicit(&s->word[1 + i], key[i], memory_order_release);
    for (size_t i = 0; i < n; i += 2) {
        uint64_t two = (uint32_t)ids[i];

        if (i + 1 < n)
            two |= (uint64_t)(uint32_t)ids[i + 1] << 32;
        atomic_store_explicit(&s->word[1 + KEY_WORDS + i / 2], two, memory_order_release);
    }
    atomic_store_explicit(&s->sequence, sequence + 2, memory_order_release);
}
