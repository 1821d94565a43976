/* SPDX-License-Identifier: MIT */
#include "paged.h"

#include <string.h>

#include "cache_checks.h"
#include "memory.h"

enum {
    NO_PAGE = -1,
    SLAB_MIN = 2 << 20, /* minimum bytes of one plane to commit at a time */
};

typedef struct paged {
    const cg_host *host;
    const cg_cache_memory *memory; /* operations of the device's memory */
    cg_cache_config config;
    cg_page_pool pool;
    int32_t table_stride; /* maximum pages of a slot */
    int32_t n_free;       /* entries of free_pages */
    int32_t n_shared;     /* pages with more than one reference */
    int64_t n_grows;
    int32_t *table;           /* [n_slots, table_stride] page or NO_PAGE */
    int32_t *reserved_tokens; /* [n_slots] */
    int32_t *refs;            /* [n_pages] slots that own a page */
    int32_t *free_pages;      /* [n_pages] stack of committed pages without an owner */
} paged;

static int32_t pages_for(int32_t tokens)
{
    return tokens / CG_PAGE_TOKENS + (tokens % CG_PAGE_TOKENS != 0);
}

/* Computes the page size and the maximum page count. `nomem` if max_bytes holds no page, or on
 * overflow. */
static cg_status set_sizes(paged *s, cg_error *err)
{
    const cg_cache_config *c = &s->config;
    cg_page_pool *pool = &s->pool;
    const cg_host *host = s->host;
    int64_t pages, all_planes;

    s->table_stride = pages_for(c->max_len);
    pool->n_planes = (int64_t)c->n_layers * 2;
    pool->n_entries = pages = (int64_t)c->n_slots * s->table_stride;
    if (__builtin_mul_overflow((int64_t)c->n_kv_heads * CG_PAGE_TOKENS,
                               (int64_t)c->head_dim * cg_dtype_size(c->dtype), &pool->page_bytes) ||
        __builtin_mul_overflow(pool->page_bytes, pool->n_planes, &all_planes))
        return host->fail(err, pool->ops->nomem,
                          "KV cache: pages of %d tokens of %d layers, %d heads of %d exceed 2^63 "
                          "bytes",
                          CG_PAGE_TOKENS, c->n_layers, c->n_kv_heads, c->head_dim);
    /* n_entries pages are enough: that is every slot at full length without sharing. */
    if (c->max_bytes && pages > c->max_bytes / all_planes)
        pages = c->max_bytes / all_planes;
    if (pages < 1)
        return host->fail(err, pool->ops->nomem,
                          "KV cache: the limit of %lld bytes holds no page of %lld bytes",
                          (long long)c->max_bytes, (long long)all_planes);
    if (pages > INT32_MAX)
        return host->fail(err, pool->ops->nomem,
                          "KV cache: %lld pages of %lld bytes, wanted at most %d pages",
                          (long long)pages, (long long)all_planes, INT32_MAX);
    pool->n_pages = (int32_t)pages;
    return CG_OK;
}

/* Pushes the newly committed pages [from, n_committed). */
static void add_free_pages(paged *s, int32_t from)
{
    for (int32_t page = s->pool.n_committed - 1; page >= from; page--)
        s->free_pages[s->n_free++] = page; /* low numbers are allocated first */
}

cg_status cg_paged_create_in(const cg_host *host, const cg_cache_config *config,
                             const cg_page_pool_ops *ops, void **ret_self, cg_error *err)
{
    cg_status st;
    size_t entries;
    paged *s = host->alloc(host->ctx, sizeof *s);

    if (!s)
        return host->fail(err, CG_ERR_NOMEM, "KV cache: out of host memory");
    *s = (paged) { .host = host,
                   .memory = cg_cache_memory_of(config),
                   .config = { CG_SIZED(cg_cache_config) } };
    cg_fill_struct(&s->config, config);
    s->pool = (cg_page_pool) { .ops = ops, .host = host, .config = &s->config };
    CG_TRY_GOTO(st, s->memory->check(host, err), out);
    CG_TRY_GOTO(st, set_sizes(s, err), out);
    CG_TRY_GOTO(st, ops->create(&s->pool, err), out);
    entries = (size_t)s->pool.n_entries;
    s->table = host->alloc(host->ctx, entries * sizeof *s->table);
    s->reserved_tokens =
        host->alloc(host->ctx, (size_t)config->n_slots * sizeof *s->reserved_tokens);
    s->refs = host->alloc(host->ctx, (size_t)s->pool.n_pages * sizeof *s->refs);
    s->free_pages = host->alloc(host->ctx, (size_t)s->pool.n_pages * sizeof *s->free_pages);
    if (!s->table || !s->reserved_tokens || !s->refs || !s->free_pages) {
        st = host->fail(err, CG_ERR_NOMEM, "KV cache: out of host memory");
        goto out;
    }
    for (size_t i = 0; i < entries; i++)
        s->table[i] = NO_PAGE;
    memset(s->reserved_tokens, 0, (size_t)config->n_slots * sizeof *s->reserved_tokens);
    memset(s->refs, 0, (size_t)s->pool.n_pages * sizeof *s->refs);
    add_free_pages(s, 0);
    s->pool.host_table = s->table;
    if (!ops->publish)
        s->pool.view_table = s->table;
    *ret_self = s;
    s = NULL;
out:
    cg_paged_destroy(s);
    return st;
}

cg_status cg_paged_create(const cg_host *host, const cg_cache_config *config, void **ret_self,
                          cg_error *err)
{
    const cg_page_pool_ops *ops = &cg_page_pool_host;

    CG_TRY(cg_cache_check_config(host, config, err));
#ifdef CG_WITH_CUDA
    if (config->device == CG_DEVICE_CUDA)
        ops = &cg_page_pool_cuda;
#endif
    return cg_paged_create_in(host, config, ops, ret_self, err);
}

void cg_paged_destroy(void *self)
{
    paged *s = self;

    if (!s)
        return;
    s->pool.ops->destroy(&s->pool);
    s->host->free(s->host->ctx, s->table);
    s->host->free(s->host->ctx, s->reserved_tokens);
    s->host->free(s->host->ctx, s->refs);
    s->host->free(s->host->ctx, s->free_pages);
    s->host->free(s->host->ctx, s);
}

/*
 * Commits memory to at least `more` further pages. Tries to double the pool; while that fails for
 * lack of memory, halves the surplus over what is needed until it succeeds.
 */
static cg_status commit_pages(paged *s, int32_t more, cg_error *err)
{
    cg_page_pool *pool = &s->pool;
    int32_t before = pool->n_committed;
    int64_t wanted = (int64_t)before + more, target = 2 * (int64_t)before;
    cg_error why = CG_ERROR_INIT;
    cg_status st;

    if (wanted > pool->n_pages)
        return s->host->fail(err, pool->ops->nomem,
                             "KV cache: %lld pages of %d tokens needed, but the limit is %d",
                             (long long)wanted, CG_PAGE_TOKENS, pool->n_pages);
    if (pool->ahead_max && target > before + pool->ahead_max / (pool->page_bytes * pool->n_planes))
        target = before + pool->ahead_max / (pool->page_bytes * pool->n_planes);
    if (target < wanted)
        target = wanted;
    if (target * pool->page_bytes < SLAB_MIN)
        target = SLAB_MIN / pool->page_bytes;
    if (target > pool->n_pages)
        target = pool->n_pages;
    while ((st = pool->ops->commit(pool, (int32_t)target, &why)) != CG_OK) {
        if (st != pool->ops->nomem || target == wanted)
            return s->host->fail(err, st, "%s", why.msg);
        target = wanted + (target - wanted) / 2;
    }
    add_free_pages(s, before);
    s->n_grows++;
    return CG_OK;
}

/* Pops a free page, which must exist; its reference count becomes 1. */
static int32_t alloc_page(paged *s)
{
    int32_t page = s->free_pages[--s->n_free];

    s->refs[page] = 1;
    return page;
}

static void unref_page(paged *s, int32_t page)
{
    if (--s->refs[page] == 0)
        s->free_pages[s->n_free++] = page;
    else if (s->refs[page] == 1)
        s->n_shared--;
}

/* Copies the first `tokens` tokens of a page, in all planes. */
static cg_status copy_page(paged *s, int32_t dst, int32_t src, int32_t tokens, cg_error *err)
{
    const cg_page_pool *pool = &s->pool;
    int64_t head = pool->page_bytes / s->config.n_kv_heads;

    return s->memory->copy(s->host, &s->config,
                           &(cg_cache_rows) {
                               .to = pool->base + dst * pool->page_bytes,
                               .from = pool->base + src * pool->page_bytes,
                               .n_planes = pool->n_planes,
                               .to_plane_stride = pool->plane_stride,
                               .from_plane_stride = pool->plane_stride,
                               .n_heads = s->config.n_kv_heads,
                               .to_head_stride = head,
                               .from_head_stride = head,
                               .bytes = head / CG_PAGE_TOKENS * tokens,
                           },
                           err);
}

/* Publishes changed entries [from, to) of a slot. */
static cg_status publish(paged *s, int32_t slot, int32_t from, int32_t to, cg_error *err)
{
    if (!s->pool.ops->publish || from >= to)
        return CG_OK;
    return s->pool.ops->publish(&s->pool, (int64_t)slot * s->table_stride + from, to - from, err);
}

/*
 * reserve(), share_prefix() and truncate() update the host's tables first and then the device's. If
 * the latter fails (CG_ERR_CUDA: the device is lost) the host's tables remain consistent.
 */

cg_status cg_paged_reserve(void *self, int32_t slot, int32_t len, cg_error *err)
{
    paged *s = self;
    int32_t *table, have, need, partial, copy = 0;
    cg_status st = CG_OK, published;

    CG_TRY(cg_cache_check_slot(s->host, &s->config, slot, len, err));
    if (len <= s->reserved_tokens[slot])
        return CG_OK;
    table = s->table + (int64_t)slot * s->table_stride;
    have = pages_for(s->reserved_tokens[slot]);
    need = pages_for(len);
    /* Copy on write: the slot will write after its last token, into a page that others read. */
    partial = s->reserved_tokens[slot] % CG_PAGE_TOKENS;
    if (partial && s->refs[table[have - 1]] > 1)
        copy = 1;
    if (need - have + copy > s->n_free)
        CG_TRY(commit_pages(s, need - have + copy - s->n_free, err));
    if (copy) {
        int32_t page = alloc_page(s);

        st = copy_page(s, page, table[have - 1], partial, err);
        unref_page(s, table[have - 1]);
        table[have - 1] = page;
    }
    for (int32_t i = have; i < need; i++)
        table[i] = alloc_page(s);
    s->reserved_tokens[slot] = len;
    published = publish(s, slot, have - copy, need, st == CG_OK ? err : NULL);
    return st == CG_OK ? published : st;
}

cg_status cg_paged_view(void *self, int32_t layer, cg_kv_view *ret_view, cg_error *err)
{
    paged *s = self;
    const cg_cache_config *c = &s->config;
    int64_t token = c->head_dim * cg_dtype_size(c->dtype);

    CG_TRY(cg_cache_check_layer(s->host, c, layer, err));
    cg_fill_struct(ret_view,
                   &(cg_kv_view) {
                       CG_SIZED(cg_kv_view), .device = c->device, .dtype = c->dtype,
                       .n_slots = c->n_slots, .n_kv_heads = c->n_kv_heads, .head_dim = c->head_dim,
                       .block_tokens = CG_PAGE_TOKENS, .table_stride = s->table_stride,
                       .page_table = s->pool.view_table,
                       .k = s->pool.base + layer * s->pool.plane_stride,
                       .v = s->pool.base + ((int64_t)c->n_layers + layer) * s->pool.plane_stride,
                       .block_stride = s->pool.page_bytes, .head_stride = token * CG_PAGE_TOKENS,
                       .token_stride = token, .generation = 1, /* addresses never change */
                   });
    return CG_OK;
}

/* Checks that no token is stored to a shared page; on the CPU only, where slots are host memory. */
static cg_status check_not_shared(const paged *s, const cg_cache_append *args, cg_error *err)
{
    for (int32_t i = 0; i < args->n_tokens && s->n_shared; i++) {
        int32_t slot = args->slot[i], page;

        if (slot < 0)
            continue;
        page = s->table[(int64_t)slot * s->table_stride + args->pos[i] / CG_PAGE_TOKENS];
        if (s->refs[page] > 1)
            return s->host->fail(
                err, CG_ERR_USAGE,
                "append: position %d of slot %d is shared by %d slots; truncate to "
                "it and reserve first",
                args->pos[i], slot, s->refs[page]);
    }
    return CG_OK;
}

cg_status cg_paged_append(void *self, int32_t layer, const cg_cache_append *args, cg_error *err)
{
    paged *s = self;
    cg_kv_view view = { CG_SIZED(cg_kv_view) };

    CG_TRY(cg_paged_view(s, layer, &view, err));
    CG_TRY(s->memory->check_append(s->host, &s->config, args, s->reserved_tokens, err));
    if (s->config.device == CG_DEVICE_CPU)
        CG_TRY(check_not_shared(s, args, err));
    return s->memory->store(s->host, &view, s->pool.n_pages, args, err);
}

cg_status cg_paged_share_prefix(void *self, int32_t dst, int32_t src, int32_t len, cg_error *err)
{
    paged *s = self;
    int32_t whole = len / CG_PAGE_TOKENS, rest = len % CG_PAGE_TOKENS;
    int32_t *to, *from;
    cg_status st = CG_OK, published;

    CG_TRY(cg_cache_check_share(s->host, &s->config, s->reserved_tokens, dst, src, len, err));
    if (rest && !s->n_free)
        CG_TRY(commit_pages(s, 1, err));
    to = s->table + (int64_t)dst * s->table_stride;
    from = s->table + (int64_t)src * s->table_stride;
    for (int32_t i = 0; i < whole; i++) {
        to[i] = from[i];
        s->n_shared += ++s->refs[to[i]] == 2;
    }
    if (rest) {
        to[whole] = alloc_page(s);
        st = copy_page(s, to[whole], from[whole], rest, err);
    }
    s->reserved_tokens[dst] = len;
    published = publish(s, dst, 0, pages_for(len), st == CG_OK ? err : NULL);
    return st == CG_OK ? published : st;
}

cg_status cg_paged_truncate(void *self, int32_t slot, int32_t len, cg_error *err)
{
    paged *s = self;
    int32_t from, to;

    CG_TRY(cg_cache_check_slot(s->host, &s->config, slot, len, err));
    if (len >= s->reserved_tokens[slot])
        return CG_OK;
    from = pages_for(len);
    to = pages_for(s->reserved_tokens[slot]);
    for (int32_t i = from; i < to; i++) {
        int32_t *entry = &s->table[(int64_t)slot * s->table_stride + i];

        unref_page(s, *entry);
        *entry = NO_PAGE;
    }
    s->reserved_tokens[slot] = len;
    return publish(s, slot, from, to, err);
}

void cg_paged_release(void *self, int32_t slot)
{
    paged *s = self;

    if (slot < 0 || slot >= s->config.n_slots)
        return;
    if (cg_paged_truncate(s, slot, 0, NULL) != CG_OK) /* release() returns no status: log it */
        s->host->log(s->host->ctx, CG_LOG_ERROR,
                     "KV cache: cannot clear a slot's page table on the GPU; the device is lost");
}

void cg_paged_stats(const void *self, cg_cache_stats *ret_stats)
{
    const paged *s = self;
    const cg_page_pool *pool = &s->pool;

    cg_fill_struct(ret_stats, &(cg_cache_stats) {
                                  CG_SIZED(cg_cache_stats),
                                  .bytes_allocated = pool->bytes,
                                  .bytes_used = pool->page_bytes * pool->n_planes *
                                                (pool->n_committed - s->n_free),
                                  .blocks_shared = s->n_shared,
                                  .grown = s->n_grows,
                              });
}
