/* SPDX-License-Identifier: MIT */
/*
 * leaves: a KV cache of pages in host memory, written from the public headers, with one planted
 * fault: -DBUG=n. BUG 0 is without a fault. cache_paged.txt names the check that must detect each.
 *
 *     cc -O2 -fPIC -shared -fvisibility=hidden -DBUG=4 cache_paged.c -o mutant.so
 *     confgen plugins check ./mutant.so
 *
 * A page has PAGE tokens of all layers: [layer][keys, values][head][token][size]. The pool grows,
 * up to config.max_bytes. Slots share the whole pages of a prefix and copy the rest of it.
 */
#include <stdlib.h>
#include <string.h>

#include <confgen/cache.h>

#ifndef BUG
#define BUG 0
#endif

enum { PAGE = 16, FIRST_PAGES = 4 };

#if BUG == 4 /* counts 255 owners at most */
typedef unsigned char owners;
#else
typedef int32_t owners;
#endif

struct leaves {
    const cg_host *host;
    cg_cache_config config;
    char *data;
    owners *refs;      /* [max_pages] slots that have a page */
    int32_t *table;    /* [n_slots, stride] */
    int32_t *reserved; /* [n_slots] tokens */
    int32_t stride, n_pages, max_pages;
    int64_t row, plane, page; /* bytes of a head and token, of a page's heads, of a page */
    int64_t grown;
};

static cg_status supports(const cg_host *host, const cg_cache_config *config, cg_error *err)
{
    if (!CG_HAS_SIZE(config, stream))
        return host->fail(err, CG_ERR_UNSUPPORTED, "a configuration of %u bytes",
                          config->struct_size);
    if (config->device != CG_DEVICE_CPU || config->dtype != CG_F32)
        return host->fail(err, CG_ERR_UNSUPPORTED, "leaves holds f32 on the CPU");
    if (config->n_layers < 1 || config->n_slots < 1 || config->n_kv_heads < 1 ||
        config->head_dim < 1 || config->max_len < 1 || config->max_bytes < 0)
        return host->fail(err, CG_ERR_UNSUPPORTED, "leaves: sizes must be positive");
    return CG_OK;
}

static void destroy(void *self)
{
    struct leaves *s = self;

    if (!s)
        return;
    s->host->free(s->host->ctx, s->data);
    s->host->free(s->host->ctx, s->refs);
    s->host->free(s->host->ctx, s->table);
    s->host->free(s->host->ctx, s->reserved);
    s->host->free(s->host->ctx, s);
}

static int32_t pages_for(int32_t tokens)
{
    return (tokens + PAGE - 1) / PAGE;
}

/* Makes the pool n pages large. On failure it is unchanged. */
static cg_status grow(struct leaves *s, int32_t n, cg_error *err)
{
    char *data = NULL;

    if (BUG == 7 && n > 64) /* a pool that does not grow as it should */
        return s->host->fail(err, CG_ERR_NOMEM, "leaves: %d pages", n);
    if (n <= s->max_pages)
        data = s->host->alloc(s->host->ctx, (size_t)(n * s->page));
    if (!data)
        return s->host->fail(err, CG_ERR_NOMEM, "leaves: %d pages, allowed %d", n, s->max_pages);
    memset(data, 0, (size_t)(n * s->page));
    if (s->data)
        memcpy(data, s->data, (size_t)(s->n_pages * s->page));
    s->host->free(s->host->ctx, s->data);
    s->data = data;
    s->n_pages = n;
    s->grown++;
    return CG_OK;
}

static cg_status create(const cg_host *host, const cg_cache_config *config, void **ret_self,
                        cg_error *err)
{
    struct leaves *s;
    int64_t most;
    cg_status st = CG_OK;

    CG_TRY(supports(host, config, err));
    s = host->alloc(host->ctx, sizeof *s);
    if (!s)
        return host->fail(err, CG_ERR_NOMEM, "leaves: out of memory");
    memset(s, 0, sizeof *s);
    s->host = host;
    s->config.struct_size = sizeof s->config;
    cg_fill_struct(&s->config, config);
    s->row = config->head_dim * (int64_t)sizeof(float);
    s->plane = s->row * PAGE * config->n_kv_heads;
    s->page = s->plane * 2 * config->n_layers;
    s->stride = pages_for(config->max_len);
    most = (int64_t)s->stride * config->n_slots;
    if (config->max_bytes && most > config->max_bytes / s->page)
        most = config->max_bytes / s->page;
    s->max_pages = (int32_t)most;
    s->refs = host->alloc(host->ctx, (size_t)(most + 1) * sizeof *s->refs);
    s->table = host->alloc(host->ctx, (size_t)s->stride * config->n_slots * sizeof *s->table);
    s->reserved = host->alloc(host->ctx, (size_t)config->n_slots * sizeof *s->reserved);
    if (!s->refs || !s->table || !s->reserved) {
        st = host->fail(err, CG_ERR_NOMEM, "leaves: out of memory");
        goto out;
    }
    memset(s->refs, 0, (size_t)(most + 1) * sizeof *s->refs);
    memset(s->table, 0xff, (size_t)s->stride * config->n_slots * sizeof *s->table);
    memset(s->reserved, 0, (size_t)config->n_slots * sizeof *s->reserved);
    st = grow(s, most < FIRST_PAGES && most > 0 ? (int32_t)most : FIRST_PAGES, err);
    if (st != CG_OK)
        goto out;
    *ret_self = s;
    s = NULL;
out:
    destroy(s);
    return st;
}

static cg_status check_slot(const struct leaves *s, int32_t slot, int32_t len, cg_error *err)
{
    if (slot < 0 || slot >= s->config.n_slots)
        return s->host->fail(err, CG_ERR_USAGE, "slot %d of %d", slot, s->config.n_slots);
    if (len < 0 || len > s->config.max_len)
        return s->host->fail(err, CG_ERR_USAGE, "%d tokens, at most %d", len, s->config.max_len);
    return CG_OK;
}

static int32_t *entry(const struct leaves *s, int32_t slot, int32_t pos)
{
    return s->table + (int64_t)slot * s->stride + pos / PAGE;
}

static char *at(const struct leaves *s, int32_t layer, int value, int32_t page)
{
    if (BUG == 6) /* offsets of 32 bits */
        return s->data + (int32_t)((uint32_t)page * (uint32_t)s->page) +
               (2 * (int64_t)layer + value) * s->plane;
    return s->data + page * s->page + (2 * (int64_t)layer + value) * s->plane;
}

/* Makes `n` pages free: the pool grows if it must. */
static cg_status make_free(struct leaves *s, int32_t n, cg_error *err)
{
    int32_t n_free = 0, wanted, twice;

    for (int32_t i = 0; i < s->n_pages; i++)
        n_free += s->refs[i] == 0;
    if (n_free >= n)
        return CG_OK;
    wanted = s->n_pages + n - n_free;
    twice = 2 * s->n_pages < s->max_pages ? 2 * s->n_pages : s->max_pages;
    return grow(s, wanted > twice ? wanted : twice, err);
}

/* A free page, which must exist. */
static int32_t take(struct leaves *s)
{
    int32_t page = 0;

    while (s->refs[page])
        page++;
    s->refs[page] = 1;
    return page;
}

static cg_status reserve(void *self, int32_t slot, int32_t len, cg_error *err)
{
    struct leaves *s = self;
    int32_t have, need, copied = -1;

    CG_TRY(check_slot(s, slot, len, err));
    if (len <= s->reserved[slot])
        return CG_OK;
    have = pages_for(s->reserved[slot]);
    need = pages_for(len);
    if (BUG == 1) /* before the memory is there */
        s->reserved[slot] = len;
    if (s->reserved[slot] % PAGE && have && s->refs[*entry(s, slot, (have - 1) * PAGE)] > 1)
        copied = *entry(s, slot, (have - 1) * PAGE); /* new tokens go to a copy of it */
    CG_TRY(make_free(s, need - have + (copied >= 0), err));
    if (copied >= 0) {
        int32_t page = take(s);

        memcpy(at(s, 0, 0, page), at(s, 0, 0, copied), (size_t)s->page);
        if (BUG != 11) /* else nobody frees the page */
            s->refs[copied]--;
        *entry(s, slot, (have - 1) * PAGE) = page;
    }
    for (int32_t i = have; i < need; i++)
        *entry(s, slot, i * PAGE) = BUG == 5 ? (uint16_t)take(s) : take(s);
    s->reserved[slot] = len;
    return CG_OK;
}

static cg_status append(void *self, int32_t layer, const cg_cache_append *args, cg_error *err)
{
    struct leaves *s = self;

    if (layer < 0 || layer >= s->config.n_layers)
        return s->host->fail(err, CG_ERR_USAGE, "layer %d of %d", layer, s->config.n_layers);
    if (!CG_HAS_SIZE(args, dtype) || args->dtype != CG_F32)
        return s->host->fail(err, CG_ERR_UNSUPPORTED, "append() takes f32");
    for (int32_t i = 0; i < args->n_tokens; i++) {
        int32_t slot = args->slot[i], pos = args->pos[i];

        if (slot < 0)
            continue;
        for (int value = 0; value < 2; value++)
            for (int32_t head = 0; head < s->config.n_kv_heads; head++)
                memcpy(at(s, layer, value, *entry(s, slot, pos)) +
                           ((int64_t)head * PAGE + pos % PAGE) * s->row,
                       (const char *)(value ? args->v : args->k) +
                           i * (value ? args->v_stride : args->k_stride) + head * s->row,
                       (size_t)s->row);
    }
    return CG_OK;
}

static cg_status share_prefix(void *self, int32_t dst, int32_t src, int32_t len, cg_error *err)
{
    struct leaves *s = self;
    int32_t whole = len / PAGE;

    CG_TRY(check_slot(s, dst, len, err));
    CG_TRY(check_slot(s, src, len, err));
    if (dst == src || s->reserved[dst] || len > s->reserved[src])
        return s->host->fail(err, CG_ERR_USAGE, "share %d of slot %d (%d) with slot %d (%d)", len,
                             src, s->reserved[src], dst, s->reserved[dst]);
    if (BUG == 12 && len % PAGE) /* shares whole pages alone */
        return s->host->fail(err, CG_ERR_NOMEM, "leaves: no page for a part of one");
    CG_TRY(make_free(s, len % PAGE != 0, err));
    for (int32_t i = 0; i < whole; i++) {
        int32_t page = *entry(s, src, i * PAGE);

        *entry(s, dst, i * PAGE) = page;
        s->refs[page] += 1 + (BUG == 10 && i == 0 && dst > src);
    }
    if (len % PAGE) {
        int32_t page = take(s);

        memcpy(at(s, 0, 0, page), at(s, 0, 0, *entry(s, src, len - 1)), (size_t)s->page);
        *entry(s, dst, len - 1) = page;
    }
    s->reserved[dst] = len;
    return CG_OK;
}

static cg_status truncate_slot(void *self, int32_t slot, int32_t len, cg_error *err)
{
    struct leaves *s = self;

    CG_TRY(check_slot(s, slot, len, err));
    if (BUG == 8 && len > s->reserved[slot]) /* gives room without pages */
        s->reserved[slot] = len;
    for (int32_t i = pages_for(len); i < pages_for(s->reserved[slot]); i++) {
        int32_t *page = entry(s, slot, i * PAGE);

        if (*page >= 0 && (BUG != 9 || len % PAGE || !len)) /* 9: nobody frees them */
            s->refs[*page]--;
        *page = -1;
    }
    if (len < s->reserved[slot])
        s->reserved[slot] = len;
    return CG_OK;
}

static void release(void *self, int32_t slot)
{
    (void)truncate_slot(self, slot, 0, NULL);
}

static cg_status view(void *self, int32_t layer, cg_kv_view *ret_view, cg_error *err)
{
    struct leaves *s = self;

    if (layer < 0 || layer >= s->config.n_layers)
        return s->host->fail(err, CG_ERR_USAGE, "layer %d of %d", layer, s->config.n_layers);
    cg_fill_struct(ret_view, &(cg_kv_view) {
                                 CG_SIZED(cg_kv_view),
                                 .device = CG_DEVICE_CPU,
                                 .dtype = CG_F32,
                                 .n_slots = s->config.n_slots,
                                 .n_kv_heads = s->config.n_kv_heads,
                                 .head_dim = s->config.head_dim,
                                 .block_tokens = PAGE,
                                 .table_stride = s->stride,
                                 .page_table = s->table,
                                 .k = at(s, layer, 0, 0),
                                 .v = at(s, layer, 1, 0),
                                 .block_stride = s->page,
                                 .head_stride = PAGE * s->row,
                                 .token_stride = s->row,
                                 .generation = (uint64_t)s->grown,
                             });
    return CG_OK;
}

/* Statistics from the tables, which do not know of pages that nobody frees. */
static void count_by_tables(const struct leaves *s, cg_cache_stats *t)
{
    int32_t *owners_of = calloc((size_t)s->max_pages + 1, sizeof *owners_of);

    for (int32_t slot = 0; slot < s->config.n_slots; slot++)
        for (int32_t i = 0; i < pages_for(s->reserved[slot]); i++)
            owners_of[*entry(s, slot, i * PAGE)]++;
    t->bytes_used = t->blocks_shared = 0;
    for (int32_t i = 0; i < s->max_pages; i++) {
        t->bytes_used += owners_of[i] ? s->page : 0;
        t->blocks_shared += owners_of[i] > 1;
    }
    free(owners_of);
}

static void stats(const void *self, cg_cache_stats *ret_stats)
{
    const struct leaves *s = self;
    cg_cache_stats t = { CG_SIZED(cg_cache_stats) };

    t.bytes_allocated = s->n_pages * s->page;
    for (int32_t i = 0; i < s->n_pages; i++) {
        t.bytes_used += s->refs[i] ? s->page : 0;
        t.blocks_shared += s->refs[i] > 1 && BUG != 2; /* BUG 2: never says so */
        if (BUG == 3 && s->refs[i] > 1 && t.bytes_used < t.bytes_allocated - s->page)
            t.bytes_used += s->page; /* counts a page for two owners */
    }
    if (BUG >= 8 && BUG <= 11)
        count_by_tables(s, &t);
    t.grown = s->grown;
    cg_fill_struct(ret_stats, &t);
}

static const cg_cache_ops ops = {
    CG_SIZED(cg_cache_ops),
    .paged = 1,
    .supports = supports,
    .create = create,
    .destroy = destroy,
    .reserve = reserve,
    .append = append,
    .share_prefix = share_prefix,
    .truncate = truncate_slot,
    .release = release,
    .view = view,
    .stats = stats,
    .block_tokens = PAGE,
    .kv_layout = CG_KV_HND,
};

static const cg_plugin plugin = {
    CG_PLUGIN_HEADER(CG_PLUGIN_CACHE),        .name = "leaves", .version = "0.1",
    .description = "paged KV cache of tests", .ops = &ops,
};

CG_EXPORT cg_status cg_plugin_entry_v1(const cg_host *host, const cg_plugin **ret_plugin,
                                       cg_error *err)
{
    return cg_plugin_enter(host, &plugin, ret_plugin, err);
}
