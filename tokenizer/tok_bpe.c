/* SPDX-License-Identifier: MIT */
#include "tok_bpe.h"

#include <stdlib.h>

#include "base/size.h"

/* Up to this length all pairs are scanned for the best one; longer pre-tokens use a heap. */
#define SHORT_LEN 48
#define NO_RANK   UINT32_MAX

struct cg_bpe_symbol {
    int32_t id; /* -1: merged into a symbol to the left */
    int32_t prev, next;
    uint32_t width;
};

/* A queued merge; ordered by rank, then position. */
struct cg_bpe_entry {
    uint64_t order; /* rank << 32 | position of the left symbol */
    int32_t id;     /* the merged token; detects stale entries */
};

void cg_bpe_memory_finish(cg_bpe_memory *memory)
{
    free(memory->symbols);
    free(memory->heap);
    *memory = (cg_bpe_memory) { NULL, NULL, 0, 0 };
}

static uint32_t pair_rank(const cg_vocab *v, int32_t left, int32_t right, int32_t *ret_id)
{
    const cg_merge_bucket *m = cg_merge_find(v, left, right);

    if (!m)
        return NO_RANK;
    *ret_id = m->id;
    return m->rank;
}

/* Merges up to SHORT_LEN ids by scanning for the pair of lowest rank, leftmost first. Returns the
 * number of ids. */
static size_t merge_short(const cg_vocab *v, int32_t *ids, uint32_t *widths, size_t n)
{
    uint32_t rank[SHORT_LEN]; /* of (ids[i], ids[i + 1]) */
    int32_t merged[SHORT_LEN];

    for (size_t i = 0; i + 1 < n; i++)
        rank[i] = pair_rank(v, ids[i], ids[i + 1], &merged[i]);
    while (n > 1) {
        size_t best = 0;

        for (size_t i = 1; i + 1 < n; i++)
            if (rank[i] < rank[best])
                best = i;
        if (rank[best] == NO_RANK)
            break;
        ids[best] = merged[best];
        n--;
        for (size_t i = best + 1; i < n; i++)
            ids[i] = ids[i + 1];
        if (widths) {
            widths[best] += widths[best + 1];
            for (size_t i = best + 1; i < n; i++)
                widths[i] = widths[i + 1];
        }
        for (size_t i = best + 1; i + 1 < n; i++) {
            rank[i] = rank[i + 1];
            merged[i] = merged[i + 1];
        }
        if (best)
            rank[best - 1] = pair_rank(v, ids[best - 1], ids[best], &merged[best - 1]);
        if (best + 1 < n)
            rank[best] = pair_rank(v, ids[best], ids[best + 1], &merged[best]);
    }
    return n;
}

/* Adds an entry to the min-heap of n entries; -1 if out of memory. */
static int heap_push(cg_bpe_memory *m, size_t *n, struct cg_bpe_entry e)
{
    size_t i = *n;

    if (cg_grow((void **)&m->heap, &m->heap_cap, i + 1, sizeof *m->heap))
        return -1;
    for (; i && m->heap[(i - 1) / 2].order > e.order; i = (i - 1) / 2)
        m->heap[i] = m->heap[(i - 1) / 2];
    m->heap[i] = e;
    ++*n;
    return 0;
}

/* Removes the least entry of a heap that is not empty. */
static struct cg_bpe_entry heap_pop(cg_bpe_memory *m, size_t *n)
{
    struct cg_bpe_entry top = m->heap[0], e = m->heap[--*n];
    size_t i = 0, child;

    while ((child = 2 * i + 1) < *n) {
        if (child + 1 < *n && m->heap[child + 1].order < m->heap[child].order)
            child++;
        if (m->heap[child].order >= e.order)
            break;
        m->heap[i] = m->heap[child];
        i = child;
    }
    m->heap[i] = e;
    return top;
}

/* Queues the pair that starts at symbol `left` if it merges. */
static int queue_pair(const cg_vocab *v, cg_bpe_memory *m, size_t *n, int32_t left)
{
    const struct cg_bpe_symbol *s = &m->symbols[left];
    struct cg_bpe_entry e;
    uint32_t rank;

    if (s->next < 0)
        return 0;
    rank = pair_rank(v, s->id, m->symbols[s->next].id, &e.id);
    if (rank == NO_RANK)
        return 0;
    e.order = (uint64_t)rank << 32 | (uint32_t)left;
    return heap_push(m, n, e);
}

/* As merge_short() for any length: a linked list of symbols and a heap of mergeable pairs by rank,
 * then position. Entries whose pair has changed are skipped when popped. */
static int merge_long(const cg_vocab *v, cg_bpe_memory *m, int32_t *ids, uint32_t *widths,
                      size_t len, size_t *ret_n)
{
    size_t queued = 0, n = 0;

    if (cg_grow((void **)&m->symbols, &m->symbols_cap, len, sizeof *m->symbols))
        return -1;
    for (size_t i = 0; i < len; i++)
        m->symbols[i] =
            (struct cg_bpe_symbol) { ids[i], (int32_t)i - 1, i + 1 < len ? (int32_t)i + 1 : -1,
                                     widths ? widths[i] : 1 };
    for (size_t i = 0; i + 1 < len; i++)
        if (queue_pair(v, m, &queued, (int32_t)i))
            return -1;
    while (queued) {
        struct cg_bpe_entry e = heap_pop(m, &queued);
        int32_t at = (int32_t)(uint32_t)e.order, right, id;
        struct cg_bpe_symbol *s = &m->symbols[at];

        if (s->id < 0 || s->next < 0)
            continue;
        right = s->next;
        if (pair_rank(v, s->id, m->symbols[right].id, &id) == NO_RANK || id != e.id)
            continue; /* stale: a neighbour has changed */
        s->id = e.id;
        s->next = m->symbols[right].next;
        s->width += m->symbols[right].width;
        m->symbols[right].id = -1;
        if (s->next >= 0)
            m->symbols[s->next].prev = at;
        if (s->prev >= 0 && queue_pair(v, m, &queued, s->prev))
            return -1;
        if (queue_pair(v, m, &queued, at))
            return -1;
    }
    for (int32_t i = 0; i >= 0; i = m->symbols[i].next) {
        if (widths)
            widths[n] = m->symbols[i].width;
        ids[n++] = m->symbols[i].id;
    }
    *ret_n = n;
    return 0;
}

int cg_bpe_merge(const cg_vocab *vocab, cg_bpe_memory *memory, int32_t *ids, uint32_t *widths,
                 size_t n, size_t *ret_n)
{
    if (n > SHORT_LEN)
        return merge_long(vocab, memory, ids, widths, n, ret_n);
    *ret_n = merge_short(vocab, ids, widths, n);
    return 0;
}

int cg_bpe_encode(const cg_vocab *vocab, cg_bpe_memory *memory, const char *bytes, size_t len,
                  int32_t *ids, size_t *ret_n)
{
    for (size_t i = 0; i < len; i++)
        ids[i] = vocab->byte_id[(uint8_t)bytes[i]];
    return cg_bpe_merge(vocab, memory, ids, NULL, len, ret_n);
}
