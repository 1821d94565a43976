/* SPDX-License-Identifier: MIT */
#include "paged.h"

#include <string.h>

#include "cache_checks.h"
#include "memory.h"

enum {
    NO_PAGE = -1,
    SLAB_MIN = 2 << 20, /* bytes of one plane that are opened at a time, at least */
};

typedef struct paged {
    const cg_host *host;
    const cg_cache_memory *memory; /* how pages are copied and stored to */
    cg_cache_config config;
    cg_page_pool pool;
    int32_t table_stride; /* pages of a slot, at most */
    int32_t n_free;       /* entries of free_pages */
    int32_t n_shared;     /* pages that belong to more than one slot */
    int64_t grown;
    int32_t *table;      /* [n_slots, table_stride] page or NO_PAGE */
    int32_t *room;       /* [n_slots] tokens that were reserved */
    int32_t *owners;     /* [n_pages] slots that a page belongs to */
    int32_t *free_pages; /* [n_pages] stack of open pages without an owner */
} paged;

static int32_t pages_for(int32_t tokens)
{
    return tokens / CG_PAGE_TOKENS + (tokens % CG_PAGE_TOKENS != 0);
}

/* How many pages are wanted; `no_memory` if the bound does not hold one or the sizes are absurd. */
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
        return host->fail(err, pool->ops->no_memory,
                          "KV cache: a page of more bytes than there are");
    /* Slots never own more pages together than this: a shared page counts for each. */
    if (c->max_bytes && pages > c->max_bytes / all_planes)
        pages = c->max_bytes / all_planes;
    if (pages < 1 || pages > INT32_MAX)
        return host->fail(err, pool->ops->no_memory,
                          "KV cache: %lld pages of %lld bytes in %lld bytes, wanted 1 to %d pages",
                          (long long)pages, (long long)all_planes, (long long)c->max_bytes,
                          INT32_MAX);
    pool->n_pages = (int32_t)pages;
    return CG_OK;
}

/* Pages [from, n_open) are new and belong to nobody. */
static void add_free_pages(paged *s, int32_t from)
{
    for (int32_t page = s->pool.n_open - 1; page >= from; page--)
        s->free_pages[s->n_free++] = page; /* low numbers are taken first */
}

cg_status cg_paged_create_in(const cg_host *host, const cg_cache_config *config,
                             const cg_page_pool_ops *ops, void **ret_self, cg_error *err)
{
    cg_status st;
    size_t entries;
    paged *s = host->alloc(host->ctx, sizeof *s);

    if (!s)
        return host->fail(err, CG_ERR_NOMEM, "KV cache: out of memory");
    *s = (paged) { .host = host, .memory = cg_cache_memory_of(config), .config = *config };
    s->pool = (cg_page_pool) { .ops = ops, .host = host, .config = &s->config };
    if ((st = s->memory->check(host, err)) != CG_OK || (st = set_sizes(s, err)) != CG_OK ||
        (st = ops->create(&s->pool, err)) != CG_OK)
        goto out;
    entries = (size_t)s->pool.n_entries;
    s->table = host->alloc(host->ctx, entries * sizeof *s->table);
    s->room = host->alloc(host->ctx, (size_t)config->n_slots * sizeof *s->room);
    s->owners = host->alloc(host->ctx, (size_t)s->pool.n_pages * sizeof *s->owners);
    s->free_pages = host->alloc(host->ctx, (size_t)s->pool.n_pages * sizeof *s->free_pages);
    if (!s->table || !s->room || !s->owners || !s->free_pages) {
        st = host->fail(err, CG_ERR_NOMEM, "KV cache: out of memory");
        goto out;
    }
    for (size_t i = 0; i < entries; i++)
        s->table[i] = NO_PAGE;
    memset(s->room, 0, (size_t)config->n_slots * sizeof *s->room);
    memset(s->owners, 0, (size_t)s->pool.n_pages * sizeof *s->owners);
    add_free_pages(s, 0);
    s->pool.entries = s->table;
    if (!ops->publish)
        s->pool.table = s->table;
    *ret_self = s;
    s = NULL;
out:
    cg_paged_destroy(s);
    return st;
}

cg_status cg_paged_create(const cg_host *host, const cg_cache_config *config, void **ret_self,
                          cg_error *err)
{
    cg_status st = cg_cache_check_config(host, config, err);
    const cg_page_pool_ops *ops = &cg_page_pool_host;

    if (st != CG_OK)
        return st;
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
    s->host->free(s->host->ctx, s->room);
    s->host->free(s->host->ctx, s->owners);
    s->host->free(s->host->ctx, s->free_pages);
    s->host->free(s->host->ctx, s);
}

/*
 * Give memory to at least `more` further pages: twice as many as before where that is allowed, or
 * whatever between the two there is memory for.
 */
static cg_status open_pages(paged *s, int32_t more, cg_error *err)
{
    cg_page_pool *pool = &s->pool;
    int32_t before = pool->n_open;
    int64_t wanted = (int64_t)before + more, open = 2 * (int64_t)before;
    cg_error why = CG_ERROR_INIT;
    cg_status st;

    if (wanted > pool->n_pages)
        return s->host->fail(err, pool->ops->no_memory,
                             "KV cache: %lld pages of %d tokens wanted, but there are %d",
                             (long long)wanted, CG_PAGE_TOKENS, pool->n_pages);
    if (pool->step_max && open > before + pool->step_max / (pool->page_bytes * pool->n_planes))
        open = before + pool->step_max / (pool->page_bytes * pool->n_planes);
    if (open < wanted)
        open = wanted;
    if (open * pool->page_bytes < SLAB_MIN)
        open = SLAB_MIN / pool->page_bytes;
    if (open > pool->n_pages)
        open = pool->n_pages;
    while ((st = pool->ops->open(pool, (int32_t)open, &why)) != CG_OK) {
        if (st != pool->ops->no_memory || open == wanted)
            return s->host->fail(err, st, "%s", why.msg);
        open = wanted + (open - wanted) / 2;
    }
    add_free_pages(s, before);
    s->grown++;
    return CG_OK;
}

/* An open page without an owner; there is one. */
static int32_t take_page(paged *s)
{
    int32_t page = s->free_pages[--s->n_free];

    s->owners[page] = 1;
    return page;
}

static void drop_page(paged *s, int32_t page)
{
    if (--s->owners[page] == 0)
        s->free_pages[s->n_free++] = page;
    else if (s->owners[page] == 1)
        s->n_shared--;
}

/* The first `tokens` tokens of a page, in all planes. */
static cg_status copy_page(paged *s, int32_t dst, int32_t src, int32_t tokens, cg_error *err)
{
    const cg_page_pool *pool = &s->pool;
    int64_t head = pool->page_bytes / s->config.n_kv_heads;

    return s->memory->copy(s->host, &s->config,
                           &(cg_cache_rows) {
                               .to = pool->base + dst * pool->page_bytes,
                               .from = pool->base + src * pool->page_bytes,
                               .n_planes = pool->n_planes,
                               .to_plane = pool->plane_stride,
                               .from_plane = pool->plane_stride,
                               .n_heads = s->config.n_kv_heads,
                               .to_head = head,
                               .from_head = head,
                               .bytes = head / CG_PAGE_TOKENS * tokens,
                           },
                           err);
}

/* Pages [from, to) of a slot have changed in the table. */
static cg_status publish(paged *s, int32_t slot, int32_t from, int32_t to, cg_error *err)
{
    if (!s->pool.ops->publish || from >= to)
        return CG_OK;
    return s->pool.ops->publish(&s->pool, (int64_t)slot * s->table_stride + from, to - from, err);
}

/*
 * reserve(), share_prefix() and truncate() change the books first and then tell the device. If that
 * fails (CG_ERR_CUDA: the device is lost) the books still agree with themselves.
 */

cg_status cg_paged_reserve(void *self, int32_t slot, int32_t len, cg_error *err)
{
    paged *s = self;
    int32_t *table, have, need, partial, copy = 0;
    cg_status st = cg_cache_check_slot(s->host, &s->config, slot, len, err), told;

    if (st != CG_OK || len <= s->room[slot])
        return st;
    table = s->table + (int64_t)slot * s->table_stride;
    have = pages_for(s->room[slot]);
    need = pages_for(len);
    /* The slot will write behind its last token: not into a page that others read. */
    partial = s->room[slot] % CG_PAGE_TOKENS;
    if (partial && s->owners[table[have - 1]] > 1)
        copy = 1;
    if (need - have + copy > s->n_free &&
        (st = open_pages(s, need - have + copy - s->n_free, err)) != CG_OK)
        return st;
    if (copy) {
        int32_t page = take_page(s);

        st = copy_page(s, page, table[have - 1], partial, err);
        drop_page(s, table[have - 1]);
        table[have - 1] = page;
    }
    for (int32_t i = have; i < need; i++)
        table[i] = take_page(s);
    s->room[slot] = len;
    told = publish(s, slot, have - copy, need, st == CG_OK ? err : NULL);
    return st == CG_OK ? told : st;
}

cg_status cg_paged_view(void *self, int32_t layer, cg_kv_view *ret_view, cg_error *err)
{
    paged *s = self;
    const cg_cache_config *c = &s->config;
    int64_t token = c->head_dim * cg_dtype_size(c->dtype);
    cg_status st = cg_cache_check_layer(s->host, c, layer, err);

    if (st != CG_OK)
        return st;
    *ret_view = (cg_kv_view) {
        CG_SIZED(cg_kv_view),
        .device = c->device,
        .dtype = c->dtype,
        .n_slots = c->n_slots,
        .n_kv_heads = c->n_kv_heads,
        .head_dim = c->head_dim,
        .block_tokens = CG_PAGE_TOKENS,
        .table_stride = s->table_stride,
        .page_table = s->pool.table,
        .k = s->pool.base + layer * s->pool.plane_stride,
        .v = s->pool.base + ((int64_t)c->n_layers + layer) * s->pool.plane_stride,
        .block_stride = s->pool.page_bytes,
        .head_stride = token * CG_PAGE_TOKENS,
        .token_stride = token,
        .generation = 1, /* nothing ever moves */
    };
    return CG_OK;
}

/* On the CPU, where slots and positions can be read: no token may go to a page of two slots. */
static cg_status check_owners(const paged *s, const cg_cache_append *args, cg_error *err)
{
    for (int32_t i = 0; i < args->n_tokens && s->n_shared; i++) {
        int32_t slot = args->slot[i], page;

        if (slot < 0)
            continue;
        page = s->table[(int64_t)slot * s->table_stride + args->pos[i] / CG_PAGE_TOKENS];
        if (s->owners[page] > 1)
            return s->host->fail(err, CG_ERR_USAGE,
                                 "append: position %d of slot %d belongs to %d slots; truncate to "
                                 "it and reserve first",
                                 args->pos[i], slot, s->owners[page]);
    }
    return CG_OK;
}

cg_status cg_paged_append(void *self, int32_t layer, const cg_cache_append *args, cg_error *err)
{
    paged *s = self;
    cg_kv_view view;
    cg_status st = cg_paged_view(s, layer, &view, err);

    if (st == CG_OK)
        st = s->memory->check_append(s->host, &s->config, args, s->room, err);
    if (st == CG_OK && s->config.device == CG_DEVICE_CPU)
        st = check_owners(s, args, err);
    if (st == CG_OK)
        st = s->memory->store(s->host, &view, s->pool.n_pages, args, err);
    return st;
}

cg_status cg_paged_share_prefix(void *self, int32_t dst, int32_t src, int32_t len, cg_error *err)
{
    paged *s = self;
    const cg_cache_config *c = &s->config;
    int32_t whole = len / CG_PAGE_TOKENS, rest = len % CG_PAGE_TOKENS;
    int32_t *to, *from;
    cg_status st, told;

    if ((st = cg_cache_check_slot(s->host, c, dst, len, err)) != CG_OK ||
        (st = cg_cache_check_slot(s->host, c, src, len, err)) != CG_OK)
        return st;
    if (dst == src || s->room[dst] || len > s->room[src])
        return s->host->fail(err, CG_ERR_USAGE,
                             "share %d tokens of slot %d (which has %d) with slot %d (which has "
                             "%d), wanted another, empty slot",
                             len, src, s->room[src], dst, s->room[dst]);
    if (rest && !s->n_free && (st = open_pages(s, 1, err)) != CG_OK)
        return st;
    to = s->table + (int64_t)dst * s->table_stride;
    from = s->table + (int64_t)src * s->table_stride;
    for (int32_t i = 0; i < whole; i++) {
        to[i] = from[i];
        s->n_shared += ++s->owners[to[i]] == 2;
    }
    if (rest) {
        to[whole] = take_page(s);
        st = copy_page(s, to[whole], from[whole], rest, err);
    }
    s->room[dst] = len;
    told = publish(s, dst, 0, pages_for(len), st == CG_OK ? err : NULL);
    return st == CG_OK ? told : st;
}

cg_status cg_paged_truncate(void *self, int32_t slot, int32_t len, cg_error *err)
{
    paged *s = self;
    int32_t from, to;
    cg_status st = cg_cache_check_slot(s->host, &s->config, slot, len, err);

    if (st != CG_OK || len >= s->room[slot])
        return st;
    from = pages_for(len);
    to = pages_for(s->room[slot]);
    for (int32_t i = from; i < to; i++) {
        int32_t *entry = &s->table[(int64_t)slot * s->table_stride + i];

        drop_page(s, *entry);
        *entry = NO_PAGE;
    }
    s->room[slot] = len;
    return publish(s, slot, from, to, err);
}

void cg_paged_release(void *self, int32_t slot)
{
    paged *s = self;

    if (slot < 0 || slot >= s->config.n_slots)
        return;
    if (cg_paged_truncate(s, slot, 0, NULL) != CG_OK) /* there is no status to say it with */
        s->host->log(s->host->ctx, CG_LOG_ERROR,
                     "KV cache: the GPU was not told that a slot is empty; it is lost");
}

void cg_paged_stats(const void *self, cg_cache_stats *ret_stats)
{
    const paged *s = self;
    const cg_page_pool *pool = &s->pool;

    *ret_stats = (cg_cache_stats) {
        CG_SIZED(cg_cache_stats),
        .bytes_allocated = pool->bytes,
        .bytes_used = pool->page_bytes * pool->n_planes * (pool->n_open - s->n_free),
        .blocks_shared = s->n_shared,
        .grown = s->grown,
    };
}
