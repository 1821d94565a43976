/* SPDX-License-Identifier: MIT */
/**
 * @file pool.h  The memory of pages, and the page table as kernels see it: what differs between the
 * CPU and a GPU. Which page is whose is the business of paged.c alone.
 *
 * A plane is the keys or the values of one layer; there are 2 n_layers of them, keys first. Page p
 * lies at base + plane * plane_stride + p * page_bytes for as long as the pool lives; it has memory
 * from when it is opened.
 */
#ifndef CACHE_PAGED_POOL_H
#define CACHE_PAGED_POOL_H

#include <confgen/cache.h>

typedef struct cg_page_pool cg_page_pool;

typedef struct cg_page_pool_ops {
    cg_status no_memory; /* what it is called when there is none */

    /**
     * Set base, plane_stride, step_max, and table where there is a publish(). May lower n_pages,
     * and may open pages. On failure destroy() follows.
     */
    cg_status (*create)(cg_page_pool *pool, cg_error *err);
    void (*destroy)(cg_page_pool *pool); /* whatever create() came to */
    /**
     * Memory for pages [0, pages), n_open < pages <= n_pages, or a few more: n_open says.
     * `no_memory` if there is none, and all is as before.
     */
    cg_status (*open)(cg_page_pool *pool, int32_t pages, cg_error *err);
    /**
     * Entries [first, first + n) of the table have changed: bring them to where kernels read them,
     * after what was queued before. NULL: kernels read the host's table.
     */
    cg_status (*publish)(cg_page_pool *pool, int64_t first, int32_t n, cg_error *err);
} cg_page_pool_ops;

struct cg_page_pool {
    /* set before create() */
    const cg_page_pool_ops *ops;
    const cg_host *host;
    const cg_cache_config *config;
    int64_t page_bytes; /* of one page in one plane */
    int64_t n_planes;
    int64_t n_entries; /* of the page table */

    int32_t n_pages;        /* pages there may ever be; before create(): that are wanted at most */
    int32_t n_open;         /* pages [0, n_open) have memory */
    int64_t bytes;          /* memory held */
    int64_t step_max;       /* bytes that are opened ahead of need, at most; 0: no bound */
    char *base;             /* of the device */
    int64_t plane_stride;   /* bytes between planes */
    const int32_t *entries; /* [n_entries] the table on the host; set after create() */
    int32_t *table;         /* [n_entries] of the device: what views show */
    void *state;            /* of the implementation */
};

extern const cg_page_pool_ops cg_page_pool_host;
#ifdef CG_WITH_CUDA
extern const cg_page_pool_ops cg_page_pool_cuda;
#endif

#endif
