/* SPDX-License-Identifier: MIT */
/** @file index.h  From hashes to places in an array; what is equal is for the caller to say. */
#ifndef CG_EVAL_INDEX_H
#define CG_EVAL_INDEX_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/size.h"

#define CG_INDEX_NONE SIZE_MAX

struct cg_index_bucket {
    uint64_t hash;
    size_t place; /* CG_INDEX_NONE: free */
};

/** Zero first; cg_index_finish() releases. */
typedef struct cg_index {
    struct cg_index_bucket *slots; /* [cap] cap is 0 or a power of two, at least twice n */
    size_t cap, n;
} cg_index;

/** The hash of a text. */
static inline uint64_t cg_index_hash(const char *text)
{
    return XXH3_64bits(text, strlen(text));
}

static inline void cg_index_finish(cg_index *index)
{
    free(index->slots);
    *index = (cg_index) { 0 };
}

/**
 * The places that were added under a hash, in the order of their addition:
 *
 *   for (size_t probe = 0, i; (i = cg_index_next(&index, hash, &probe)) != CG_INDEX_NONE;)
 */
static inline size_t cg_index_next(const cg_index *index, uint64_t hash, size_t *probe)
{
    while (index->cap) {
        const struct cg_index_bucket *s = &index->slots[(hash + (*probe)++) & (index->cap - 1)];

        if (s->place == CG_INDEX_NONE)
            break;
        if (s->hash == hash)
            return s->place;
    }
    return CG_INDEX_NONE;
}

static inline void cg_index_put(cg_index *index, struct cg_index_bucket slot)
{
    size_t at = slot.hash & (index->cap - 1);

    while (index->slots[at].place != CG_INDEX_NONE)
        at = (at + 1) & (index->cap - 1);
    index->slots[at] = slot;
}

/** 0, or -1 without memory: then the index is as before. */
static inline int cg_index_add(cg_index *index, uint64_t hash, size_t place)
{
    if (2 * (index->n + 1) > index->cap) {
        cg_index grown = { .cap = index->cap ? 2 * index->cap : 64 };

        grown.slots = cg_alloc_array(grown.cap, sizeof *grown.slots);
        if (!grown.slots)
            return -1;
        for (size_t i = 0; i < grown.cap; i++)
            grown.slots[i].place = CG_INDEX_NONE;
        /* From the end of a run to its beginning would turn equal hashes around: begin behind a
         * free slot, so that runs are met from their beginnings. */
        if (index->cap) {
            size_t start = 0;

            while (index->slots[start].place != CG_INDEX_NONE)
                start++;
            for (size_t i = 0; i < index->cap; i++) {
                struct cg_index_bucket s = index->slots[(start + i) & (index->cap - 1)];

                if (s.place != CG_INDEX_NONE)
                    cg_index_put(&grown, s);
            }
        }
        grown.n = index->n;
        free(index->slots);
        *index = grown;
    }
    cg_index_put(index, (struct cg_index_bucket) { hash, place });
    index->n++;
    return 0;
}

#endif
