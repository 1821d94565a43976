/* SPDX-License-Identifier: MIT */
/*
 * A cache with one block per slot, as an outsider wrote it: view() and stats() assign a whole
 * struct of the plugin's headers to that of the caller, which rule 2 of plugin.h forbids since 1.2.
 * For the headers of every minor.
 */
#include <string.h>

#include <confgen/cache.h>

#include "unasked.h"

#if CG_PLUGIN_ABI_MINOR >= 3 /* what a newer minor adds is set: nobody may stumble over it */
#define NEWER , .next_0 = UINT64_MAX, .next_1 = UINT64_MAX
#else
#define NEWER
#endif

struct flat {
    const cg_host *host;
    cg_cache_config config;
    float *memory;
    int32_t *reserved;              /* [n_slots] */
    int64_t head, slot, layer, all; /* elements of the keys */
};

static cg_status supports(const cg_host *host, const cg_cache_config *c, cg_error *err)
{
    if (!CG_HAS_SIZE(c, stream))
        return host->fail(err, CG_ERR_UNSUPPORTED, NAME ": a config of %u bytes", c->struct_size);
#if CG_PLUGIN_ABI_MINOR < 2
    unasked(word_at(c, c->struct_size, CONFIG_FEATURES) != 0, "features of a cache");
#endif
    if (c->device != CG_DEVICE_CPU || c->dtype != CG_F32)
        return host->fail(err, CG_ERR_UNSUPPORTED, NAME " stores f32 on the CPU");
    if (c->n_layers < 1 || c->n_slots < 1 || c->n_kv_heads < 1 || c->head_dim < 1 ||
        c->max_len < 1 || c->max_bytes < 0)
        return host->fail(err, CG_ERR_UNSUPPORTED, NAME ": sizes are not positive");
    return CG_OK;
}

static void destroy(void *self)
{
    struct flat *s = self;

    if (!s)
        return;
    s->host->free(s->host->ctx, s->memory);
    s->host->free(s->host->ctx, s->reserved);
    s->host->free(s->host->ctx, s);
}

static cg_status create(const cg_host *host, const cg_cache_config *c, void **ret_self,
                        cg_error *err)
{
    cg_status st = supports(host, c, err);
    struct flat *s;
    __int128 bytes;

    if (st != CG_OK)
        return st;
    bytes = (__int128)c->n_layers * c->n_slots * c->n_kv_heads;
    bytes = bytes > INT64_MAX ? INT64_MAX : bytes * 8 * c->head_dim;
    bytes = bytes > INT64_MAX ? INT64_MAX : bytes * c->max_len;
    if (bytes >= INT64_MAX || (c->max_bytes && bytes > c->max_bytes))
        return host->fail(err, CG_ERR_NOMEM, NAME ": more bytes than are allowed or possible");
    s = host->alloc(host->ctx, sizeof *s);
    if (!s)
        return host->fail(err, CG_ERR_NOMEM, NAME ": out of memory");
    memset(s, 0, sizeof *s);
    s->host = host;
    memcpy(&s->config, c, c->struct_size < sizeof s->config ? c->struct_size : sizeof s->config);
    s->head = (int64_t)c->max_len * c->head_dim;
    s->slot = s->head * c->n_kv_heads;
    s->layer = s->slot * c->n_slots;
    s->all = s->layer * c->n_layers;
    s->memory = host->alloc(host->ctx, (size_t)bytes);
    s->reserved = host->alloc(host->ctx, (size_t)c->n_slots * sizeof *s->reserved);
    if (!s->memory || !s->reserved) {
        destroy(s);
        return host->fail(err, CG_ERR_NOMEM, NAME ": out of memory");
    }
    memset(s->reserved, 0, (size_t)c->n_slots * sizeof *s->reserved);
    *ret_self = s;
    return CG_OK;
}

static cg_status check_slot(const struct flat *s, int32_t slot, int32_t len, cg_error *err)
{
    if (slot < 0 || slot >= s->config.n_slots || len < 0 || len > s->config.max_len)
        return s->host->fail(err, CG_ERR_USAGE, NAME ": %d tokens of slot %d", len, slot);
    return CG_OK;
}

static cg_status reserve(void *self, int32_t slot, int32_t len, cg_error *err)
{
    struct flat *s = self;
    cg_status st = check_slot(s, slot, len, err);

    if (st == CG_OK && len > s->reserved[slot])
        s->reserved[slot] = len;
    return st;
}

static float *row(const struct flat *s, int64_t half, int32_t layer, int32_t slot, int32_t head,
                  int32_t pos)
{
    return s->memory + half * s->all + layer * s->layer + slot * s->slot + head * s->head +
           (int64_t)pos * s->config.head_dim;
}

static cg_status append(void *self, int32_t layer, const cg_cache_append *a, cg_error *err)
{
    struct flat *s = self;
    size_t bytes = (size_t)s->config.head_dim * sizeof(float);

    if (layer < 0 || layer >= s->config.n_layers || a->n_tokens < 0 || a->dtype != CG_F32)
        return s->host->fail(err, CG_ERR_USAGE, NAME ": %d tokens of layer %d", a->n_tokens, layer);
    for (int32_t i = 0; i < a->n_tokens; i++)
        if (a->slot[i] >= s->config.n_slots ||
            (a->slot[i] >= 0 && (a->pos[i] < 0 || a->pos[i] >= s->reserved[a->slot[i]])))
            return s->host->fail(err, CG_ERR_USAGE, NAME ": token %d of slot %d", a->pos[i],
                                 a->slot[i]);
    for (int32_t i = 0; i < a->n_tokens; i++)
        for (int32_t h = 0; h < s->config.n_kv_heads && a->slot[i] >= 0; h++) {
            memcpy(row(s, 0, layer, a->slot[i], h, a->pos[i]),
                   (const char *)a->k + i * a->k_stride + (size_t)h * bytes, bytes);
            memcpy(row(s, 1, layer, a->slot[i], h, a->pos[i]),
                   (const char *)a->v + i * a->v_stride + (size_t)h * bytes, bytes);
        }
    return CG_OK;
}

static cg_status share_prefix(void *self, int32_t dst, int32_t src, int32_t len, cg_error *err)
{
    struct flat *s = self;
    size_t bytes = (size_t)len * (size_t)s->config.head_dim * sizeof(float);

    if (check_slot(s, dst, len, err) != CG_OK || check_slot(s, src, len, err) != CG_OK ||
        dst == src || s->reserved[dst] || len > s->reserved[src])
        return s->host->fail(err, CG_ERR_USAGE, NAME ": %d tokens of slot %d for %d", len, src,
                             dst);
    for (int32_t i = 0; i < 2 * s->config.n_layers; i++)
        for (int32_t h = 0; h < s->config.n_kv_heads; h++)
            memcpy(row(s, i % 2, i / 2, dst, h, 0), row(s, i % 2, i / 2, src, h, 0), bytes);
    s->reserved[dst] = len;
    return CG_OK;
}

static cg_status truncate_slot(void *self, int32_t slot, int32_t len, cg_error *err)
{
    struct flat *s = self;
    cg_status st = check_slot(s, slot, len, err);

    if (st == CG_OK && len < s->reserved[slot])
        s->reserved[slot] = len;
    return st;
}

static void release(void *self, int32_t slot)
{
    struct flat *s = self;

    if (slot >= 0 && slot < s->config.n_slots)
        s->reserved[slot] = 0;
}

static cg_status view(void *self, int32_t layer, cg_kv_view *ret_view, cg_error *err)
{
    struct flat *s = self;

    if (layer < 0 || layer >= s->config.n_layers)
        return s->host->fail(err, CG_ERR_USAGE, NAME ": layer %d", layer);
    *ret_view = (cg_kv_view) { CG_SIZED(cg_kv_view),
                               .device = CG_DEVICE_CPU,
                               .dtype = CG_F32,
                               .n_slots = s->config.n_slots,
                               .n_kv_heads = s->config.n_kv_heads,
                               .head_dim = s->config.head_dim,
                               .block_tokens = s->config.max_len,
                               .k = row(s, 0, layer, 0, 0, 0),
                               .v = row(s, 1, layer, 0, 0, 0),
                               .block_stride = s->slot * 4,
                               .head_stride = s->head * 4,
                               .token_stride = (int64_t)s->config.head_dim * 4,
                               .generation = 1 NEWER };
    return CG_OK;
}

static void stats(const void *self, cg_cache_stats *ret_stats)
{
    const struct flat *s = self;
    int64_t used = 0;

    for (int32_t i = 0; i < s->config.n_slots; i++)
        used += s->reserved[i] ? s->slot * 8 * s->config.n_layers : 0;
    *ret_stats = (cg_cache_stats) { CG_SIZED(cg_cache_stats), .bytes_allocated = s->all * 8,
                                    .bytes_used = used NEWER };
}

static const cg_cache_ops ops = {
    CG_SIZED(cg_cache_ops),
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
#if CG_PLUGIN_ABI_MINOR >= 3
    .features = UINT32_C(1) << 31,
#endif
};

static const cg_plugin plugin = {
    CG_SIZED(cg_plugin),
    .kind = CG_PLUGIN_CACHE,
    .abi_major = CG_PLUGIN_ABI_MAJOR,
    .abi_minor = CG_PLUGIN_ABI_MINOR,
    .name = NAME,
    .version = "1.0",
    .description = "one block per slot",
    .ops = &ops,
};

cg_status cg_plugin_entry_v1(const cg_host *host, const cg_plugin **ret_plugin, cg_error *err)
{
    (void)err;
    if (!cg_host_is_complete(host))
        return CG_ERR_PLUGIN;
    *ret_plugin = &plugin;
    return CG_OK;
}
