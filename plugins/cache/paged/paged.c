/* SPDX-License-Identifier: MIT */
#include "paged.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config.h"

enum {
    NO_PAGE = -1,
    SLAB_MIN = 2 << 20, /* bytes of one plane that are made accessible at a time, at least */
};

/* A plane is the keys or the values of one layer; the cache has 2 n_layers of them, one behind the
 * other, keys first. */
typedef struct paged {
    const cg_host *host;
    cg_cache_config config;
    int64_t page_bytes;   /* of one page in one plane */
    int64_t plane_stride; /* bytes between planes */
    int64_t n_planes;
    int32_t table_stride; /* pages of a slot, at most */
    int32_t n_pages;      /* pages there may ever be */
    int32_t n_open;       /* pages [0, n_open) have memory */
    int32_t n_free;       /* entries of free_pages */
    int32_t n_shared;     /* pages that belong to more than one slot */
    int64_t grown;
    char *memory;        /* n_planes * plane_stride bytes of address space */
    int32_t *table;      /* [n_slots, table_stride] page or NO_PAGE */
    int32_t *room;       /* [n_slots] tokens that were reserved */
    int32_t *owners;     /* [n_pages] slots that a page belongs to */
    int32_t *free_pages; /* [n_pages] stack of open pages without an owner */
} paged;

static int32_t pages_for(int32_t tokens)
{
    return tokens / CG_PAGE_TOKENS + (tokens % CG_PAGE_TOKENS != 0);
}

static int64_t round_up(int64_t x, int64_t to)
{
    return (x + to - 1) / to * to;
}

/* Fill in the sizes; CG_ERR_NOMEM if the bound does not hold one page or the sizes are absurd. */
static cg_status set_sizes(paged *s, cg_error *err)
{
    const cg_cache_config *c = &s->config;
    const cg_host *host = s->host;
    int64_t pages, total, all_planes;

    s->n_planes = (int64_t)c->n_layers * 2;
    s->table_stride = pages_for(c->max_len);
    pages = (int64_t)c->n_slots * s->table_stride;
    if (__builtin_mul_overflow((int64_t)c->n_kv_heads * CG_PAGE_TOKENS,
                               (int64_t)c->head_dim * (int64_t)sizeof(float), &s->page_bytes) ||
        __builtin_mul_overflow(s->page_bytes, s->n_planes, &all_planes))
        return host->fail(err, CG_ERR_NOMEM, "KV cache: a page of more bytes than there are");
    /* Slots never own more pages together than this: a shared page counts for each. */
    if (c->max_bytes && pages > c->max_bytes / all_planes)
        pages = c->max_bytes / all_planes;
    if (pages < 1 || pages > INT32_MAX)
        return host->fail(err, CG_ERR_NOMEM,
                          "KV cache: %lld pages of %lld bytes in %lld bytes, wanted 1 to %d pages",
                          (long long)pages, (long long)all_planes, (long long)c->max_bytes,
                          INT32_MAX);
    if (__builtin_mul_overflow(pages, s->page_bytes, &total) || total > INT64_MAX - SLAB_MIN ||
        __builtin_mul_overflow(round_up(total, sysconf(_SC_PAGESIZE)), s->n_planes, &all_planes))
        return host->fail(err, CG_ERR_NOMEM, "KV cache: %lld pages of %lld bytes are too many",
                          (long long)pages, (long long)s->page_bytes);
    s->n_pages = (int32_t)pages;
    s->plane_stride = round_up(total, sysconf(_SC_PAGESIZE));
    return CG_OK;
}

cg_status cg_paged_create(const cg_host *host, const cg_cache_config *config, void **ret_self,
                          cg_error *err)
{
    cg_status st = cg_cache_check_config(host, config, err);
    size_t entries;
    paged *s;
    void *p;

    if (st != CG_OK)
        return st;
    s = host->alloc(host->ctx, sizeof *s);
    if (!s)
        return host->fail(err, CG_ERR_NOMEM, "KV cache: out of memory");
    *s = (paged) { .host = host, .config = *config };
    if ((st = set_sizes(s, err)) != CG_OK)
        goto out;
    entries = (size_t)config->n_slots * (size_t)s->table_stride;
    s->table = host->alloc(host->ctx, entries * sizeof *s->table);
    s->room = host->alloc(host->ctx, (size_t)config->n_slots * sizeof *s->room);
    s->owners = host->alloc(host->ctx, (size_t)s->n_pages * sizeof *s->owners);
    s->free_pages = host->alloc(host->ctx, (size_t)s->n_pages * sizeof *s->free_pages);
    if (!s->table || !s->room || !s->owners || !s->free_pages) {
        st = host->fail(err, CG_ERR_NOMEM, "KV cache: out of memory");
        goto out;
    }
    p = mmap(NULL, (size_t)(s->plane_stride * s->n_planes), PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        st = host->fail(err, CG_ERR_NOMEM,
                        "KV cache: no address space for %lld bytes (%d slots of %d tokens); bound "
                        "the cache's bytes or raise the limit of address space",
                        (long long)(s->plane_stride * s->n_planes), config->n_slots,
                        config->max_len);
        goto out;
    }
    s->memory = p;
#ifdef MADV_HUGEPAGE
    /* Advice. A step reads all that is used, and 4 KiB pages would miss the TLB for every head. */
    (void)madvise(p, (size_t)(s->plane_stride * s->n_planes), MADV_HUGEPAGE);
#endif
    for (size_t i = 0; i < entries; i++)
        s->table[i] = NO_PAGE;
    memset(s->room, 0, (size_t)config->n_slots * sizeof *s->room);
    memset(s->owners, 0, (size_t)s->n_pages * sizeof *s->owners);
    *ret_self = s;
    s = NULL;
out:
    cg_paged_destroy(s);
    return st;
}

void cg_paged_destroy(void *self)
{
    paged *s = self;

    if (!s)
        return;
    if (s->memory)
        munmap(s->memory, (size_t)(s->plane_stride * s->n_planes));
    s->host->free(s->host->ctx, s->table);
    s->host->free(s->host->ctx, s->room);
    s->host->free(s->host->ctx, s->owners);
    s->host->free(s->host->ctx, s->free_pages);
    s->host->free(s->host->ctx, s);
}

/* Give memory to at least `more` further pages: twice as many as before where that is allowed. */
static cg_status open_pages(paged *s, int32_t more, cg_error *err)
{
    int64_t os_page = sysconf(_SC_PAGESIZE);
    int64_t wanted = (int64_t)s->n_open + more, open = 2 * (int64_t)s->n_open;
    int64_t from, to;

    if (wanted > s->n_pages)
        return s->host->fail(err, CG_ERR_NOMEM,
                             "KV cache: %lld pages of %d tokens wanted, but there are %d",
                             (long long)wanted, CG_PAGE_TOKENS, s->n_pages);
    if (open < wanted)
        open = wanted;
    if (open * s->page_bytes < SLAB_MIN)
        open = SLAB_MIN / s->page_bytes;
    if (open > s->n_pages)
        open = s->n_pages;
    from = s->n_open * s->page_bytes / os_page * os_page;
    to = round_up(open * s->page_bytes, os_page);
    for (int64_t plane = 0; plane < s->n_planes; plane++) {
        char *at = s->memory + plane * s->plane_stride + from;

        if (mprotect(at, (size_t)(to - from), PROT_READ | PROT_WRITE))
            return s->host->fail(err, CG_ERR_NOMEM,
                                 "KV cache: no memory for %lld pages of %lld "
                                 "bytes",
                                 (long long)open, (long long)(s->page_bytes * s->n_planes));
    }
    for (int64_t page = open - 1; page >= s->n_open; page--)
        s->free_pages[s->n_free++] = (int32_t)page; /* low numbers are taken first */
    s->n_open = (int32_t)open;
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
static void copy_page(paged *s, int32_t dst, int32_t src, int32_t tokens)
{
    int64_t head = s->page_bytes / s->config.n_kv_heads;
    size_t bytes = (size_t)(head / CG_PAGE_TOKENS * tokens);

    for (int64_t plane = 0; plane < s->n_planes; plane++) {
        char *base = s->memory + plane * s->plane_stride;

        for (int32_t h = 0; h < s->config.n_kv_heads; h++)
            memcpy(base + dst * s->page_bytes + h * head, base + src * s->page_bytes + h * head,
                   bytes);
    }
}

cg_status cg_paged_reserve(void *self, int32_t slot, int32_t len, cg_error *err)
{
    paged *s = self;
    int32_t *table, have, need, partial, copy = 0;
    cg_status st = cg_cache_check_slot(s->host, &s->config, slot, len, err);

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

        copy_page(s, page, table[have - 1], partial);
        drop_page(s, table[have - 1]);
        table[have - 1] = page;
    }
    for (int32_t i = have; i < need; i++)
        table[i] = take_page(s);
    s->room[slot] = len;
    return CG_OK;
}

cg_status cg_paged_view(void *self, int32_t layer, cg_kv_view *ret_view, cg_error *err)
{
    paged *s = self;
    const cg_cache_config *c = &s->config;
    int64_t token = c->head_dim * (int64_t)sizeof(float);
    cg_status st = cg_cache_check_layer(s->host, c, layer, err);

    if (st != CG_OK)
        return st;
    *ret_view = (cg_kv_view) {
        CG_SIZED(cg_kv_view),
        .device = CG_DEVICE_CPU,
        .dtype = CG_F32,
        .n_slots = c->n_slots,
        .n_kv_heads = c->n_kv_heads,
        .head_dim = c->head_dim,
        .block_tokens = CG_PAGE_TOKENS,
        .table_stride = s->table_stride,
        .page_table = s->table,
        .k = s->memory + layer * s->plane_stride,
        .v = s->memory + ((int64_t)c->n_layers + layer) * s->plane_stride,
        .block_stride = s->page_bytes,
        .head_stride = token * CG_PAGE_TOKENS,
        .token_stride = token,
        .generation = 1, /* nothing ever moves */
    };
    return CG_OK;
}

cg_status cg_paged_append(void *self, int32_t layer, const cg_cache_append *args, cg_error *err)
{
    paged *s = self;
    cg_kv_view view;
    cg_status st = cg_paged_view(s, layer, &view, err);

    if (st != CG_OK ||
        (st = cg_cache_check_append(s->host, &s->config, args, s->room, err)) != CG_OK)
        return st;
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
    cg_cache_store(s->host, &view, args);
    return CG_OK;
}

cg_status cg_paged_share_prefix(void *self, int32_t dst, int32_t src, int32_t len, cg_error *err)
{
    paged *s = self;
    const cg_cache_config *c = &s->config;
    int32_t whole = len / CG_PAGE_TOKENS, rest = len % CG_PAGE_TOKENS;
    int32_t *to, *from;
    cg_status st;

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
        copy_page(s, to[whole], from[whole], rest);
    }
    s->room[dst] = len;
    return CG_OK;
}

cg_status cg_paged_truncate(void *self, int32_t slot, int32_t len, cg_error *err)
{
    paged *s = self;
    cg_status st = cg_cache_check_slot(s->host, &s->config, slot, len, err);

    if (st != CG_OK || len >= s->room[slot])
        return st;
    for (int32_t i = pages_for(len); i < pages_for(s->room[slot]); i++) {
        int32_t *entry = &s->table[(int64_t)slot * s->table_stride + i];

        drop_page(s, *entry);
        *entry = NO_PAGE;
    }
    s->room[slot] = len;
    return CG_OK;
}

void cg_paged_release(void *self, int32_t slot)
{
    paged *s = self;

    if (slot >= 0 && slot < s->config.n_slots)
        (void)cg_paged_truncate(s, slot, 0, NULL); /* arguments are right: cannot fail */
}

void cg_paged_stats(const void *self, cg_cache_stats *ret_stats)
{
    const paged *s = self;
    int64_t page = s->page_bytes * s->n_planes;

    *ret_stats = (cg_cache_stats) {
        CG_SIZED(cg_cache_stats),
        .bytes_allocated = page * s->n_open,
        .bytes_used = page * (s->n_open - s->n_free),
        .blocks_shared = s->n_shared,
        .grown = s->grown,
    };
}
