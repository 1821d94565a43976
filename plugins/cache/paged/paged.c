/* SPDX-License-Identifier: MIT */
#include "paged.h"

#include <string.h>

#include <confgen/quantise.h>

#include "cache_checks.h"
#include "deferred.h"
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
    cg_page_part
        parts[3]; /* keys and values in planes of their own; or keys, values, scales of a page */
    int32_t n_parts;
    int32_t table_stride; /* maximum pages of a slot */
    int32_t n_free;       /* entries of free_pages */
    int32_t n_shared;     /* pages with more than one reference */
    int64_t n_grows;
    int32_t *table;           /* [n_slots, table_stride] page or NO_PAGE */
    int32_t *reserved_tokens; /* [n_slots] */
    int32_t *first_pos;       /* [n_slots] INT32_MAX; of an append's tokens while it runs */
    int32_t *epoch;           /* [n_slots] times that tokens were dropped: see collect_pages() */
    int32_t *refs;            /* [n_pages] slots that own a page */
    int32_t *free_pages;      /* [n_pages] stack of committed pages without an owner */
    cg_deferred *deferred;    /* NULL: no work waits for flush() */
} paged;

static int32_t pages_for(int32_t tokens)
{
    return tokens / CG_PAGE_TOKENS + (tokens % CG_PAGE_TOKENS != 0);
}

/* Adds a part behind the others of a page. `nomem` on overflow. */
static cg_status add_part(paged *s, int64_t n_planes, int64_t n_rows, int64_t token_bytes,
                          cg_error *err)
{
    const cg_cache_config *c = &s->config;
    cg_page_pool *pool = &s->pool;
    cg_page_part p = { n_planes, pool->page_bytes, n_rows, token_bytes };
    int64_t bytes, all_planes;

    if (__builtin_mul_overflow(n_rows * CG_PAGE_TOKENS, token_bytes, &bytes) ||
        __builtin_add_overflow(pool->page_bytes, bytes, &pool->page_bytes) ||
        __builtin_mul_overflow(pool->page_bytes, n_planes, &all_planes))
        return s->host->fail(err, pool->ops->nomem,
                             "KV cache: pages of %d tokens of %d layers, %d heads of %d exceed "
                             "2^63 bytes",
                             CG_PAGE_TOKENS, c->n_layers, c->n_kv_heads, c->head_dim);
    pool->n_planes = n_planes;
    s->parts[s->n_parts++] = p;
    return CG_OK;
}

/* Divides a page into parts; sets the page size and the number of planes. */
static cg_status set_parts(paged *s, cg_error *err)
{
    const cg_cache_config *c = &s->config;
    int64_t element = cg_dtype_size(c->dtype), key = c->head_dim * element,
            value = c->v_head_dim * element;

    if (key == value && !cg_kv_is_scaled(c->dtype))
        return add_part(s, 2 * (int64_t)c->n_layers, c->n_kv_heads, key, err);
    CG_TRY(add_part(s, c->n_layers, c->n_kv_heads, key, err));
    CG_TRY(add_part(s, c->n_layers, c->n_kv_heads, value, err));
    return cg_kv_is_scaled(c->dtype)
               ? add_part(s, c->n_layers, 2 * (int64_t)c->n_kv_heads, sizeof(float), err)
               : CG_OK;
}

/* Computes the maximum page count. `nomem` if max_bytes holds no page. */
static cg_status set_sizes(paged *s, cg_error *err)
{
    const cg_cache_config *c = &s->config;
    cg_page_pool *pool = &s->pool;
    const cg_host *host = s->host;
    int64_t pages, all_planes = pool->page_bytes * pool->n_planes;

    s->table_stride = pages_for(c->max_len);
    pool->n_entries = pages = (int64_t)c->n_slots * s->table_stride;
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

/*
 * A window takes pages from the host's tables by what has run on the device, so it needs the work
 * in its order.
 */
static int may_defer(const paged *s)
{
    return (s->config.features & CG_CACHE_DEFER) && s->pool.ops->copy_pages && !s->config.window &&
           s->pool.n_entries <= INT32_MAX;
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
                   .config = cg_cache_full_config(config) };
    s->pool = (cg_page_pool) {
        .ops = ops, .host = host, .config = &s->config, .page_tokens = CG_PAGE_TOKENS
    };
    CG_TRY_GOTO(st, s->memory->check(host, err), out);
    CG_TRY_GOTO(st, set_parts(s, err), out);
    CG_TRY_GOTO(st, set_sizes(s, err), out);
    CG_TRY_GOTO(st, ops->create(&s->pool, err), out);
    entries = (size_t)s->pool.n_entries;
    s->table = host->alloc(host->ctx, entries * sizeof *s->table);
    s->reserved_tokens =
        host->alloc(host->ctx, (size_t)config->n_slots * sizeof *s->reserved_tokens);
    s->first_pos = host->alloc(host->ctx, (size_t)config->n_slots * sizeof *s->first_pos);
    s->epoch = host->alloc(host->ctx, (size_t)config->n_slots * sizeof *s->epoch);
    s->refs = host->alloc(host->ctx, (size_t)s->pool.n_pages * sizeof *s->refs);
    s->free_pages = host->alloc(host->ctx, (size_t)s->pool.n_pages * sizeof *s->free_pages);
    if (may_defer(s))
        s->deferred = cg_deferred_create(&s->pool, s->parts, s->n_parts);
    if (!s->table || !s->reserved_tokens || !s->first_pos || !s->epoch || !s->refs ||
        !s->free_pages || (may_defer(s) && !s->deferred)) {
        st = host->fail(err, CG_ERR_NOMEM, "KV cache: out of host memory");
        goto out;
    }
    for (size_t i = 0; i < entries; i++)
        s->table[i] = NO_PAGE;
    for (int32_t i = 0; i < config->n_slots; i++)
        s->first_pos[i] = INT32_MAX;
    memset(s->reserved_tokens, 0, (size_t)config->n_slots * sizeof *s->reserved_tokens);
    memset(s->epoch, 0, (size_t)config->n_slots * sizeof *s->epoch);
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
    s->host->free(s->host->ctx, s->first_pos);
    s->host->free(s->host->ctx, s->epoch);
    s->host->free(s->host->ctx, s->refs);
    s->host->free(s->host->ctx, s->free_pages);
    cg_deferred_destroy(s->deferred);
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

/*
 * Gives back the pages of a slot whose tokens are all before token `end`, but not those of sink
 * tokens. Pages that it has no longer come before those that it has: the loop ends there.
 */
static void give_back_pages(paged *s, int32_t slot, int32_t end)
{
    int32_t *table = s->table + (int64_t)slot * s->table_stride;
    int32_t first = pages_for(s->config.sink_tokens);

    for (int32_t i = end / CG_PAGE_TOKENS - 1; i >= first && table[i] != NO_PAGE; i--) {
        unref_page(s, table[i]);
        table[i] = NO_PAGE;
    }
}

/*
 * Gives back what the windows have passed, as far as the host knows: the appends that have run on
 * the device say how far they were. A page may then get new tokens: they are stored by work that is
 * enqueued later than all that reads the old ones. An append that ran after its slot was shortened
 * says nothing of the tokens that the slot has since: it was enqueued before the slot's epoch. Page
 * table entries on the device stay, since no later query reads them.
 */
static void collect_pages(paged *s)
{
    for (int32_t slot = 0; slot < s->config.n_slots && s->pool.progress; slot++) {
        uint64_t progress = __atomic_load_n(&s->pool.progress[slot], __ATOMIC_RELAXED);
        int32_t pos = (int32_t)(progress & UINT32_MAX);

        if (progress >> 32 == (uint32_t)s->epoch[slot] && pos < s->reserved_tokens[slot])
            give_back_pages(s, slot, pos + 1 - s->config.window);
    }
}

/* Makes at least n pages free. */
static cg_status make_free(paged *s, int32_t n, cg_error *err)
{
    cg_error why = CG_ERROR_INIT;
    cg_status st;

    if (n <= s->n_free)
        return CG_OK;
    st = commit_pages(s, n - s->n_free, &why);
    if (st == s->pool.ops->nomem && s->pool.progress) {
        /* appends in flight may pass further pages */
        CG_TRY(s->memory->synchronize(s->host, &s->config, err));
        collect_pages(s);
        st = n <= s->n_free ? CG_OK : commit_pages(s, n - s->n_free, &why);
    }
    return st == CG_OK ? CG_OK : s->host->fail(err, st, "%s", why.msg);
}

/* Copies n tokens of page `src` from token `src_pos` on to token `dst_pos` of page `dst`. */
static cg_status copy_tokens(paged *s, int32_t dst, int32_t dst_pos, int32_t src, int32_t src_pos,
                             int32_t n, cg_error *err)
{
    const cg_page_pool *pool = &s->pool;

    for (int32_t i = 0; i < s->n_parts; i++) {
        const cg_page_part *p = &s->parts[i];
        int64_t row = CG_PAGE_TOKENS * p->token_bytes;

        CG_TRY(s->memory->copy(
            s->host, &s->config,
            &(cg_cache_rows) {
                .to = pool->base + dst * pool->page_bytes + p->offset + dst_pos * p->token_bytes,
                .from = pool->base + src * pool->page_bytes + p->offset + src_pos * p->token_bytes,
                .n_planes = p->n_planes,
                .to_plane_stride = pool->plane_stride,
                .from_plane_stride = pool->plane_stride,
                .n_heads = p->n_rows,
                .to_head_stride = row,
                .from_head_stride = row,
                .bytes = n * p->token_bytes,
            },
            err));
    }
    return CG_OK;
}

/* Copies the first n tokens of page `src` to page `dst`, at once or by flush(). */
static cg_status copy_page(paged *s, int32_t dst, int32_t src, int32_t n, cg_error *err)
{
    return s->deferred ? cg_deferred_copy(s->deferred, &(cg_page_copy) { dst, src, n }, err)
                       : copy_tokens(s, dst, 0, src, 0, n, err);
}

/* Publishes changed entries [from, to) of a slot, at once or by flush(). */
static cg_status publish(paged *s, int32_t slot, int32_t from, int32_t to, cg_error *err)
{
    int64_t first = (int64_t)slot * s->table_stride + from;

    if (!s->pool.ops->publish || from >= to)
        return CG_OK;
    return s->deferred ? cg_deferred_publish(s->deferred, first, to - from, err)
                       : s->pool.ops->publish(&s->pool, first, to - from, err);
}

cg_status cg_paged_flush(void *self, cg_error *err)
{
    paged *s = self;

    return s->deferred ? cg_deferred_flush(s->deferred, err) : CG_OK;
}

/*
 * reserve(), share_prefix(), truncate() and gather() update the host's tables first and then the
 * device's. If the latter fails (CG_ERR_CUDA: the device is lost) the host's tables remain
 * consistent.
 */

cg_status cg_paged_reserve(void *self, int32_t slot, int32_t len, cg_error *err)
{
    paged *s = self;
    int32_t *table, have, need, partial, first;
    cg_status st = CG_OK, published;

    CG_TRY(cg_cache_check_slot(s->host, &s->config, slot, len, err));
    collect_pages(s);
    if (len <= s->reserved_tokens[slot])
        return CG_OK;
    table = s->table + (int64_t)slot * s->table_stride;
    have = first = pages_for(s->reserved_tokens[slot]);
    need = pages_for(len);
    partial = s->reserved_tokens[slot] % CG_PAGE_TOKENS;
    /* Copy on write: the slot will write after its last token, into a page that others read. */
    if (partial && (table[have - 1] == NO_PAGE || s->refs[table[have - 1]] > 1))
        first = have - 1;
    CG_TRY(make_free(s, need - first, err));
    for (int32_t i = first; i < need; i++) {
        int32_t old = table[i];

        table[i] = alloc_page(s);
        if (old != NO_PAGE) {
            st = copy_page(s, table[i], old, partial, err);
            unref_page(s, old);
        }
    }
    s->reserved_tokens[slot] = len;
    published = publish(s, slot, first, need, st == CG_OK ? err : NULL);
    return st == CG_OK ? published : st;
}

cg_status cg_paged_view(void *self, int32_t layer, cg_kv_view *ret_view, cg_error *err)
{
    paged *s = self;
    const cg_cache_config *c = &s->config;
    const cg_page_part *keys = &s->parts[0], *values = &s->parts[1], *scales = &s->parts[2];
    cg_kv_view v = { CG_SIZED(cg_kv_view) };
    char *plane;

    CG_TRY(cg_cache_check_layer(s->host, c, layer, err));
    plane = s->pool.base + layer * s->pool.plane_stride;
    v.device = c->device;
    v.dtype = c->dtype;
    v.n_slots = c->n_slots;
    v.n_kv_heads = c->n_kv_heads;
    v.head_dim = c->head_dim;
    v.block_tokens = CG_PAGE_TOKENS;
    v.table_stride = s->table_stride;
    v.page_table = s->pool.view_table;
    v.block_stride = s->pool.page_bytes;
    v.head_stride = keys->token_bytes * CG_PAGE_TOKENS;
    v.token_stride = keys->token_bytes;
    v.generation = 1; /* addresses never change */
    v.k = plane;
    v.v = plane + c->n_layers * s->pool.plane_stride;
    if (s->n_parts > 1) {
        v.v = plane + values->offset;
        v.v_head_dim = c->v_head_dim;
        v.v_block_stride = s->pool.page_bytes;
        v.v_head_stride = values->token_bytes * CG_PAGE_TOKENS;
        v.v_token_stride = values->token_bytes;
    }
    if (s->n_parts > 2) {
        v.k_scale = (const float *)(plane + scales->offset);
        v.v_scale = v.k_scale + c->n_kv_heads * CG_PAGE_TOKENS;
        v.scale_block_stride = s->pool.page_bytes;
        v.scale_head_stride = CG_PAGE_TOKENS * (int64_t)sizeof(float);
        v.scale_token_stride = sizeof(float);
    }
    cg_fill_struct(ret_view, &v);
    return CG_OK;
}

/*
 * Checks that no token is stored to a shared page, or to one that was given back; on the CPU only,
 * where slots are host memory.
 */
static cg_status check_pages(const paged *s, const cg_cache_append *args, cg_error *err)
{
    for (int32_t i = 0; i < args->n_tokens && (s->n_shared || s->config.window); i++) {
        int32_t slot = args->slot[i], page;

        if (slot < 0)
            continue;
        page = s->table[(int64_t)slot * s->table_stride + args->pos[i] / CG_PAGE_TOKENS];
        if (page == NO_PAGE)
            return s->host->fail(
                err, CG_ERR_USAGE,
                "append: position %d of slot %d is behind a window of %d tokens; truncate to it "
                "and reserve first",
                args->pos[i], slot, s->config.window);
        if (s->refs[page] > 1)
            return s->host->fail(
                err, CG_ERR_USAGE,
                "append: position %d of slot %d is shared by %d slots; truncate to "
                "it and reserve first",
                args->pos[i], slot, s->refs[page]);
    }
    return CG_OK;
}

/* Gives back the pages that no query of the appended tokens, or of later ones, reads. */
static void slide_windows(paged *s, const cg_cache_append *args)
{
    for (int32_t i = 0; i < args->n_tokens; i++)
        if (args->slot[i] >= 0 && args->pos[i] < s->first_pos[args->slot[i]])
            s->first_pos[args->slot[i]] = args->pos[i];
    for (int32_t i = 0; i < args->n_tokens; i++) {
        int32_t slot = args->slot[i];

        if (slot < 0 || s->first_pos[slot] == INT32_MAX)
            continue;
        give_back_pages(s, slot, s->first_pos[slot] + 1 - s->config.window);
        s->first_pos[slot] = INT32_MAX;
    }
}

/* The pages of all layers are the same: the first layer's appends say how far a slot is. */
static cg_status append_to_progress(paged *s, int32_t layer, const cg_cache_append *args,
                                    cg_error *err)
{
    if (layer)
        return CG_OK;
    collect_pages(s);
    return s->pool.ops->track(&s->pool, args, err);
}

cg_status cg_paged_append(void *self, int32_t layer, const cg_cache_append *args, cg_error *err)
{
    paged *s = self;
    int is_cpu = s->config.device == CG_DEVICE_CPU;
    cg_kv_view view = { CG_SIZED(cg_kv_view) };

    CG_TRY(cg_paged_view(s, layer, &view, err));
    CG_TRY(s->memory->check_append(s->host, &s->config, args, s->reserved_tokens, err));
    if (is_cpu)
        CG_TRY(check_pages(s, args, err));
    CG_TRY(s->memory->store(s->host, &view, s->pool.n_pages, args, err));
    if (s->pool.progress)
        return append_to_progress(s, layer, args, err);
    if (s->config.window)
        slide_windows(s, args);
    return CG_OK;
}

cg_status cg_paged_share_prefix(void *self, int32_t dst, int32_t src, int32_t len, cg_error *err)
{
    paged *s = self;
    int32_t whole = len / CG_PAGE_TOKENS, rest = len % CG_PAGE_TOKENS;
    int32_t *to, *from;
    cg_status st = CG_OK, published;

    CG_TRY(cg_cache_check_share(s->host, &s->config, s->reserved_tokens, dst, src, len, err));
    to = s->table + (int64_t)dst * s->table_stride;
    from = s->table + (int64_t)src * s->table_stride;
    collect_pages(s);
    if (rest && from[whole] != NO_PAGE)
        CG_TRY(make_free(s, 1, err));
    for (int32_t i = 0; i < whole; i++) {
        to[i] = from[i];
        if (to[i] != NO_PAGE)
            s->n_shared += ++s->refs[to[i]] == 2;
    }
    if (rest && from[whole] != NO_PAGE) {
        to[whole] = alloc_page(s);
        st = copy_page(s, to[whole], from[whole], rest, err);
    }
    s->reserved_tokens[dst] = len;
    published = publish(s, dst, 0, pages_for(len), st == CG_OK ? err : NULL);
    return st == CG_OK ? published : st;
}

/* Drops the pages of tokens from `len` on, which is less than the reserved tokens. */
static void drop_pages(paged *s, int32_t slot, int32_t len)
{
    int32_t *table = s->table + (int64_t)slot * s->table_stride;

    for (int32_t i = pages_for(len); i < pages_for(s->reserved_tokens[slot]); i++) {
        if (table[i] != NO_PAGE)
            unref_page(s, table[i]);
        table[i] = NO_PAGE;
    }
    s->reserved_tokens[slot] = len;
    s->epoch[slot] = (int32_t)((uint32_t)s->epoch[slot] + 1);
}

/* Publishes entries [from, to) of a slot whose tokens were dropped, and that they were. */
static cg_status publish_dropped(paged *s, int32_t slot, int32_t from, int32_t to, cg_error *err)
{
    CG_TRY(publish(s, slot, from, to, err));
    return s->pool.progress ? s->pool.ops->set_epoch(&s->pool, slot, s->epoch[slot], err) : CG_OK;
}

cg_status cg_paged_truncate(void *self, int32_t slot, int32_t len, cg_error *err)
{
    paged *s = self;
    int32_t end;

    CG_TRY(cg_cache_check_slot(s->host, &s->config, slot, len, err));
    collect_pages(s);
    if (len >= s->reserved_tokens[slot])
        return CG_OK;
    end = pages_for(s->reserved_tokens[slot]);
    drop_pages(s, slot, len);
    return publish_dropped(s, slot, pages_for(len), end, err);
}

/* Checks that a slot has the pages of the kept tokens and of their new places; counts those of the
 * latter that other slots share. */
static cg_status count_shared(const paged *s, int32_t slot, int32_t from, const int32_t *keep,
                              int32_t n_keep, int32_t *ret_n, cg_error *err)
{
    const int32_t *table = s->table + (int64_t)slot * s->table_stride;
    int32_t n = 0;

    for (int32_t i = 0; i < n_keep; i++) {
        int32_t page = table[(from + i) / CG_PAGE_TOKENS];

        if (page == NO_PAGE || table[keep[i] / CG_PAGE_TOKENS] == NO_PAGE)
            return s->host->fail(
                err, CG_ERR_USAGE,
                "gather: token %d or %d of slot %d is behind a window of %d tokens", from + i,
                keep[i], slot, s->config.window);
        n += s->refs[page] > 1 && (i == 0 || (from + i) % CG_PAGE_TOKENS == 0);
    }
    *ret_n = n;
    return CG_OK;
}

/*
 * Moves tokens to page number `p` of a slot: those of keep [n_keep] whose new place, from `from`
 * on, is there. Sources are in this page or later ones. A shared page is replaced by a copy.
 */
static cg_status gather_page(paged *s, int32_t slot, int32_t p, int32_t from, const int32_t *keep,
                             int32_t n_keep, cg_error *err)
{
    int32_t *table = s->table + (int64_t)slot * s->table_stride;
    int32_t start = p * CG_PAGE_TOKENS, end = start + CG_PAGE_TOKENS;
    int32_t old = table[p], page = s->refs[old] > 1 ? alloc_page(s) : old;
    cg_status st = CG_OK;

    if (page != old && from > start)
        st = copy_tokens(s, page, 0, old, 0, from - start, err);
    for (int32_t i = from > start ? 0 : start - from, n; i < n_keep && from + i < end; i += n) {
        int32_t source = table[keep[i] / CG_PAGE_TOKENS], pos = keep[i] % CG_PAGE_TOKENS;

        n = cg_cache_gather_run(from, keep, n_keep, i);
        if (n > end - (from + i))
            n = end - (from + i);
        if (n > CG_PAGE_TOKENS - pos)
            n = CG_PAGE_TOKENS - pos;
        if (st == CG_OK)
            st = copy_tokens(s, page, from + i - start, source, pos, n, err);
    }
    if (page != old) {
        table[p] = page;
        unref_page(s, old);
    }
    return st;
}

cg_status cg_paged_gather(void *self, int32_t slot, int32_t from, const int32_t *keep,
                          int32_t n_keep, cg_error *err)
{
    paged *s = self;
    int32_t n_shared = 0, first, end, last;
    cg_status st = CG_OK, published;

    CG_TRY(cg_cache_check_gather(s->host, &s->config, s->reserved_tokens, slot, from, keep, n_keep,
                                 err));
    while (n_keep && keep[0] == from) /* tokens that stay where they are */
        from++, keep++, n_keep--;
    CG_TRY(cg_paged_flush(s, err)); /* copies that wait may read or write these tokens */
    collect_pages(s);
    CG_TRY(count_shared(s, slot, from, keep, n_keep, &n_shared, err));
    CG_TRY(make_free(s, n_shared, err)); /* may pass the window over kept tokens: check again */
    CG_TRY(count_shared(s, slot, from, keep, n_keep, &n_shared, err));
    end = from + n_keep;
    last = pages_for(s->reserved_tokens[slot]);
    first = n_shared ? from / CG_PAGE_TOKENS : pages_for(end);
    for (int32_t p = from / CG_PAGE_TOKENS; p < pages_for(end) && n_keep; p++) {
        cg_status moved = gather_page(s, slot, p, from, keep, n_keep, st == CG_OK ? err : NULL);

        st = st == CG_OK ? moved : st;
    }
    drop_pages(s, slot, end);
    published = publish_dropped(s, slot, first, last, st == CG_OK ? err : NULL);
    return st == CG_OK ? published : st;
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
