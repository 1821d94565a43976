/* SPDX-License-Identifier: MIT */
/* Host memory: address space reserved at creation with mmap(), made accessible with mprotect(). */
#include <sys/mman.h>
#include <unistd.h>

#include "pool.h"

static int64_t round_up(int64_t x, int64_t to)
{
    return (x + to - 1) / to * to;
}

static cg_status create(cg_page_pool *pool, cg_error *err)
{
    const cg_cache_config *c = pool->config;
    int64_t os_page = sysconf(_SC_PAGESIZE), total, all_planes;
    void *p;

    if (__builtin_mul_overflow((int64_t)pool->n_pages, pool->page_bytes, &total) ||
        total > INT64_MAX - os_page ||
        __builtin_mul_overflow(round_up(total, os_page), pool->n_planes, &all_planes))
        return pool->host->fail(err, CG_ERR_NOMEM,
                                "KV cache: %lld pages of %lld bytes are too many",
                                (long long)pool->n_pages, (long long)pool->page_bytes);
    pool->plane_stride = round_up(total, os_page);
    p = mmap(NULL, (size_t)all_planes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
             0);
    if (p == MAP_FAILED)
        return pool->host->fail(err, CG_ERR_NOMEM,
                                "KV cache: no address space for %lld bytes (%d slots of %d "
                                "tokens); limit the cache's bytes or raise the limit of address "
                                "space",
                                (long long)all_planes, c->n_slots, c->max_len);
    pool->base = p;
#ifdef MADV_HUGEPAGE
    /* Optional: a step reads all used pages; with 4 KiB pages every head would miss the TLB. */
    (void)madvise(p, (size_t)all_planes, MADV_HUGEPAGE);
#endif
    return CG_OK;
}

static void destroy(cg_page_pool *pool)
{
    if (pool->base)
        munmap(pool->base, (size_t)(pool->plane_stride * pool->n_planes));
}

static cg_status commit(cg_page_pool *pool, int32_t pages, cg_error *err)
{
    int64_t os_page = sysconf(_SC_PAGESIZE);
    int64_t from = pool->n_committed * pool->page_bytes / os_page * os_page;
    int64_t to = round_up(pages * pool->page_bytes, os_page);

    for (int64_t plane = 0; plane < pool->n_planes; plane++) {
        char *at = pool->base + plane * pool->plane_stride + from;

        if (mprotect(at, (size_t)(to - from), PROT_READ | PROT_WRITE))
            return pool->host->fail(err, CG_ERR_NOMEM,
                                    "KV cache: out of memory for %d pages of %lld bytes", pages,
                                    (long long)(pool->page_bytes * pool->n_planes));
    }
    pool->n_committed = pages;
    pool->bytes = pool->page_bytes * pool->n_planes * pages;
    return CG_OK;
}

const cg_page_pool_ops cg_page_pool_host = {
    .nomem = CG_ERR_NOMEM,
    .create = create,
    .destroy = destroy,
    .commit = commit,
};
