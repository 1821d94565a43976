/* SPDX-License-Identifier: MIT */
#include "deferred.h"

#include <string.h>

enum { MAX_COPIES = 1024, MAX_ENTRIES = 8192 };

/* Part of a page in the copies that wait. */
enum { UNUSED, SOURCE, TARGET };

struct cg_deferred {
    cg_page_pool *pool;
    const cg_page_part *parts;
    int32_t n_parts;
    int32_t n_copies;
    int32_t n_entries;
    cg_page_copy copy[MAX_COPIES]; /* none depends on another */
    int32_t entry[MAX_ENTRIES];    /* of the page table; may repeat */
    uint8_t role[];                /* [pool->n_pages] UNUSED, SOURCE or TARGET */
};

cg_deferred *cg_deferred_create(cg_page_pool *pool, const cg_page_part *parts, int32_t n_parts)
{
    cg_deferred *d =
        pool->host->alloc(pool->host->ctx, sizeof *d + (size_t)pool->n_pages * sizeof d->role[0]);

    if (!d)
        return NULL;
    d->pool = pool;
    d->parts = parts;
    d->n_parts = n_parts;
    d->n_copies = d->n_entries = 0;
    memset(d->role, UNUSED, (size_t)pool->n_pages);
    return d;
}

void cg_deferred_destroy(cg_deferred *d)
{
    if (d)
        d->pool->host->free(d->pool->host->ctx, d);
}

static cg_status flush_copies(cg_deferred *d, cg_error *err)
{
    int32_t n = d->n_copies;

    d->n_copies = 0;
    for (int32_t i = 0; i < n; i++)
        d->role[d->copy[i].to] = d->role[d->copy[i].from] = UNUSED;
    for (int32_t i = 0; i < d->n_parts && n; i++)
        CG_TRY(d->pool->ops->copy_pages(d->pool, &d->parts[i], d->copy, n, err));
    return CG_OK;
}

static cg_status flush_entries(cg_deferred *d, cg_error *err)
{
    int32_t n = d->n_entries;

    d->n_entries = 0;
    return n ? d->pool->ops->publish_entries(d->pool, d->entry, n, err) : CG_OK;
}

cg_status cg_deferred_copy(cg_deferred *d, const cg_page_copy *copy, cg_error *err)
{
    if (d->role[copy->to] != UNUSED || d->role[copy->from] == TARGET || d->n_copies == MAX_COPIES)
        CG_TRY(flush_copies(d, err));
    d->copy[d->n_copies++] = *copy;
    d->role[copy->to] = TARGET;
    d->role[copy->from] = SOURCE;
    return CG_OK;
}

cg_status cg_deferred_publish(cg_deferred *d, int64_t first, int32_t n, cg_error *err)
{
    for (int32_t i = 0; i < n; i++) {
        if (d->n_entries == MAX_ENTRIES)
            CG_TRY(flush_entries(d, err));
        d->entry[d->n_entries++] = (int32_t)(first + i);
    }
    return CG_OK;
}

cg_status cg_deferred_flush(cg_deferred *d, cg_error *err)
{
    cg_status copied = flush_copies(d, err);
    cg_status published = flush_entries(d, copied == CG_OK ? err : NULL);

    return copied == CG_OK ? published : copied;
}
