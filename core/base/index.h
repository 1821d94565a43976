/* SPDX-License-Identifier: MIT */
/** @file index.h  Hash index into an array owned by the caller, who compares the items. */
#ifndef CG_BASE_INDEX_H
#define CG_BASE_INDEX_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/size.h"

#define CG_INDEX_NONE SIZE_MAX

struct cg_index_bucket {
    uint64_t hash;
    size_t item; /* index into the array; CG_INDEX_NONE: free */
};

/** Zero first; cg_index_finish() releases. */
typedef struct cg_index {
    struct cg_index_bucket *buckets; /* [cap] cap is 0 or a power of two, at least 2 n */
    size_t cap, n;
} cg_index;

/** Hash of a text. */
static inline uint64_t cg_index_hash(const char *text)
{
    return XXH3_64bits(text, strlen(text));
}

static inline void cg_index_finish(cg_index *index)
{
    free(index->buckets);
    *index = (cg_index) { 0 };
}

/**
 * Iterates over the items added under a hash, in the order of addition:
 *
 *   for (size_t probe = 0, i; (i = cg_index_next(&index, hash, &probe)) != CG_INDEX_NONE;)
 */
static inline size_t cg_index_next(const cg_index *index, uint64_t hash, size_t *probe)
{
    while (index->cap) {
        const struct cg_index_bucket *b = &index->buckets[(hash + (*probe)++) & (index->cap - 1)];

        if (b->item == CG_INDEX_NONE)
            break;
        if (b->hash == hash)
            return b->item;
    }
    return CG_INDEX_NONE;
}

static inline void cg_index_put(cg_index *index, struct cg_index_bucket bucket)
{
    size_t at = bucket.hash & (index->cap - 1);

    while (index->buckets[at].item != CG_INDEX_NONE)
        at = (at + 1) & (index->cap - 1);
    index->buckets[at] = bucket;
}

/** Adds an item. Returns 0, or -1 if out of memory; then the index is unchanged. */
static inline int cg_index_add(cg_index *index, uint64_t hash, size_t item)
{
    if (2 * (index->n + 1) > index->cap) {
        cg_index grown = { .cap = index->cap ? 2 * index->cap : 64 };

        grown.buckets = cg_alloc_array(grown.cap, sizeof *grown.buckets);
        if (!grown.buckets)
            return -1;
        for (size_t i = 0; i < grown.cap; i++)
            grown.buckets[i].item = CG_INDEX_NONE;
        /* Items with equal hashes must keep their order: start after a free bucket, so that every
         * run of occupied buckets is read from its start. */
        if (index->cap) {
            size_t start = 0;

            while (index->buckets[start].item != CG_INDEX_NONE)
                start++;
            for (size_t i = 0; i < index->cap; i++) {
                struct cg_index_bucket b = index->buckets[(start + i) & (index->cap - 1)];

                if (b.item != CG_INDEX_NONE)
                    cg_index_put(&grown, b);
            }
        }
        grown.n = index->n;
        free(index->buckets);
        *index = grown;
    }
    cg_index_put(index, (struct cg_index_bucket) { hash, item });
    index->n++;
    return 0;
}

#endif
