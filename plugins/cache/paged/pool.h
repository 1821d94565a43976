/* SPDX-License-Identifier: MIT */
/**
 * @file pool.h  Memory of pages and the device's page table: the part of the paged cache that
 * differs between CPU and GPU. paged.c tracks which slots own a page.
 *
 * A plane holds equal parts of all pages, e.g. the keys of one layer. Page p is at base + plane *
 * plane_stride + p * page_bytes for the life of the pool. Address space is reserved at creation;
 * memory is committed to pages later.
 */
#ifndef CACHE_PAGED_POOL_H
#define CACHE_PAGED_POOL_H

#include <confgen/cache.h>

typedef struct cg_page_pool cg_page_pool;

/** Rows of a page that are copied together: [row][token] of token_bytes, in n_planes planes. */
typedef struct cg_page_part {
    int64_t n_planes;
    int64_t offset; /* bytes from the start of the page */
    int64_t n_rows;
    int64_t token_bytes; /* of one head, or a scale */
} cg_page_part;

/** A copy of the first n_tokens tokens of page `from` to page `to`. */
typedef struct cg_page_copy {
    int32_t to, from, n_tokens;
} cg_page_copy;

typedef struct cg_page_pool_ops {
    cg_status nomem; /* status when out of memory: CG_ERR_NOMEM or CG_ERR_DEVICE_NOMEM */

    /**
     * Sets base, plane_stride and ahead_max, and view_table if there is a publish(). May lower
     * n_pages and commit pages. The caller calls destroy() after a failure too.
     */
    cg_status (*create)(cg_page_pool *pool, cg_error *err);
    void (*destroy)(cg_page_pool *pool); /* accepts a partly created pool */
    /**
     * Commits memory to pages [0, pages), n_committed < pages <= n_pages, possibly to a few more:
     * sets n_committed. On `nomem` nothing changes.
     */
    cg_status (*commit)(cg_page_pool *pool, int32_t pages, cg_error *err);
    /**
     * Copies entries [first, first + n) of host_table to view_table, after the work enqueued so
     * far. NULL: views use host_table.
     */
    cg_status (*publish)(cg_page_pool *pool, int64_t first, int32_t n, cg_error *err);
    /**
     * For a cache that defers work; NULL: there is no such. Copies a part of pages, of which none
     * is both copied to and used by another copy, after the work enqueued so far.
     */
    cg_status (*copy_pages)(cg_page_pool *pool, const cg_page_part *part,
                            const cg_page_copy *copies, int32_t n, cg_error *err);
    /** Copies entries entry[0..n) of host_table to view_table, after the work enqueued so far. */
    cg_status (*publish_entries)(cg_page_pool *pool, const int32_t *entry, int32_t n,
                                 cg_error *err);
    /**
     * For a cache with a window whose appends run later than their calls; NULL: they do not. After
     * the appended tokens are stored, sets progress[slot] of their slots.
     */
    cg_status (*track)(cg_page_pool *pool, const cg_cache_append *args, cg_error *err);
    /** After the work enqueued so far, sets the epoch of a slot. */
    cg_status (*set_epoch)(cg_page_pool *pool, int32_t slot, int32_t epoch, cg_error *err);
} cg_page_pool_ops;

struct cg_page_pool {
    /* set before create() */
    const cg_page_pool_ops *ops;
    const cg_host *host;
    const cg_cache_config *config;
    int32_t page_tokens;
    int64_t page_bytes; /* of one page in one plane */
    int64_t n_planes;
    int64_t n_entries; /* of the page table */

    int32_t n_pages;           /* maximum pages; create() may lower it */
    int32_t n_committed;       /* pages [0, n_committed) have memory */
    int64_t bytes;             /* memory held */
    int64_t ahead_max;         /* maximum bytes committed ahead of need; 0: unlimited */
    char *base;                /* device address */
    int64_t plane_stride;      /* bytes between planes */
    const int32_t *host_table; /* [n_entries] set after create() */
    int32_t *view_table;       /* [n_entries] device memory: the page table of views */
    /* [n_slots] with track() and a window: epoch << 32 | the least position among the new tokens
     * of the last append to the slot that has run; 0 at first. Written while the host reads it. */
    const uint64_t *progress;
    void *state; /* of the implementation */
};

extern const cg_page_pool_ops cg_page_pool_host;
#ifdef CG_WITH_CUDA
extern const cg_page_pool_ops cg_page_pool_cuda;
#endif

#endif
