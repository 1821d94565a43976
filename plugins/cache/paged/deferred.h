/* SPDX-License-Identifier: MIT */
/**
 * @file deferred.h  Work on the memory of pages that waits for flush(): copies, and entries of the
 * page table. Done one by one, they are about four launches for each sequence of a batch.
 */
#ifndef CACHE_PAGED_DEFERRED_H
#define CACHE_PAGED_DEFERRED_H

#include "pool.h"

typedef struct cg_deferred cg_deferred;

/**
 * @param pool   borrowed, as `parts`; has copy_pages(), fewer than 2^31 entries, and all pages
 * @param parts  [n_parts] of a page
 * Out of memory: NULL.
 */
cg_deferred *cg_deferred_create(cg_page_pool *pool, const cg_page_part *parts, int32_t n_parts);
void cg_deferred_destroy(cg_deferred *d); /* accepts NULL */

/**
 * Lets a copy of a page wait. The pages may get other owners before flush(), but not other tokens,
 * except by copies that wait, too. Flushes first if the copy depends on one that waits.
 */
cg_status cg_deferred_copy(cg_deferred *d, const cg_page_copy *copy, cg_error *err);
/** Lets entries [first, first + n) of the host's page table wait: flush() takes their values then.
 */
cg_status cg_deferred_publish(cg_deferred *d, int64_t first, int32_t n, cg_error *err);
/** Enqueues all that waits. After a failure nothing waits: the device is lost. */
cg_status cg_deferred_flush(cg_deferred *d, cg_error *err);

#endif
