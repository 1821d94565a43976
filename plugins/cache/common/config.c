/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <string.h>

enum {
    /* Tokens of one piece of work, and from how many bytes on threads are worth waking: a step of
     * plain decode (64 tokens of 1 KiB) is copied in less time than that takes. */
    STORE_TOKENS = 32,
    STORE_THREADS_FROM = 512 << 10,
};

cg_status cg_cache_check_config(const cg_host *host, const cg_cache_config *c, cg_error *err)
{
    if (c->struct_size < offsetof(cg_cache_config, stream) + sizeof c->stream)
        return host->fail(err, CG_ERR_UNSUPPORTED, "cache configuration of %u bytes, wanted %u",
                          c->struct_size, (unsigned)sizeof *c);
    if (c->n_layers < 1 || c->n_slots < 1 || c->n_kv_heads < 1 || c->head_dim < 1 ||
        c->max_len < 1 || c->max_bytes < 0)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "%d layers, %d slots, %d heads of %d, %d tokens, %lld bytes: wanted "
                          "positive numbers (bytes: or 0)",
                          c->n_layers, c->n_slots, c->n_kv_heads, c->head_dim, c->max_len,
                          (long long)c->max_bytes);
    if (c->device != CG_DEVICE_CPU)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "device %d: this cache was built for CPU memory only", c->device);
    if (c->dtype != CG_F32)
        return host->fail(err, CG_ERR_UNSUPPORTED, "element type %d: this cache holds f32 only",
                          c->dtype);
    return CG_OK;
}

cg_status cg_cache_check_slot(const cg_host *host, const cg_cache_config *c, int32_t slot,
                              int32_t len, cg_error *err)
{
    if (slot < 0 || slot >= c->n_slots)
        return host->fail(err, CG_ERR_USAGE, "cache slot %d, wanted 0 to %d", slot, c->n_slots - 1);
    if (len < 0 || len > c->max_len)
        return host->fail(err, CG_ERR_USAGE, "%d tokens for cache slot %d, wanted 0 to %d", len,
                          slot, c->max_len);
    return CG_OK;
}

cg_status cg_cache_check_layer(const cg_host *host, const cg_cache_config *c, int32_t layer,
                               cg_error *err)
{
    if (layer < 0 || layer >= c->n_layers)
        return host->fail(err, CG_ERR_USAGE, "cache layer %d, wanted 0 to %d", layer,
                          c->n_layers - 1);
    return CG_OK;
}

cg_status cg_cache_check_append(const cg_host *host, const cg_cache_config *c,
                                const cg_cache_append *a, const int32_t *room, cg_error *err)
{
    if (a->struct_size < offsetof(cg_cache_append, stream) + sizeof a->stream)
        return host->fail(err, CG_ERR_USAGE, "append arguments of %u bytes, wanted %u",
                          a->struct_size, (unsigned)sizeof *a);
    if (a->n_tokens < 0 || a->dtype != CG_F32)
        return host->fail(err, CG_ERR_USAGE,
                          "append of %d tokens of element type %d, wanted f32 (%d)", a->n_tokens,
                          a->dtype, CG_F32);
    for (int32_t i = 0; i < a->n_tokens; i++) {
        if (a->slot[i] < 0)
            continue;
        if (a->slot[i] >= c->n_slots)
            return host->fail(err, CG_ERR_USAGE, "append: token %d goes to slot %d, wanted 0 to %d",
                              i, a->slot[i], c->n_slots - 1);
        if (a->pos[i] < 0 || a->pos[i] >= room[a->slot[i]])
            return host->fail(err, CG_ERR_USAGE,
                              "append: token %d goes to position %d of slot %d, which has room for "
                              "%d; reserve first",
                              i, a->pos[i], a->slot[i], room[a->slot[i]]);
    }
    return CG_OK;
}

struct store {
    const cg_kv_view *view;
    const cg_cache_append *args;
};

/* Item: STORE_TOKENS tokens. */
static void store_item(void *arg, int64_t item, int32_t worker)
{
    const struct store *s = arg;
    const cg_kv_view *view = s->view;
    const cg_cache_append *a = s->args;
    size_t row = (size_t)view->head_dim * sizeof(float);
    int32_t first = (int32_t)item * STORE_TOKENS;
    int32_t end = a->n_tokens - first < STORE_TOKENS ? a->n_tokens : first + STORE_TOKENS;

    (void)worker;
    for (int32_t i = first; i < end; i++) {
        const char *k = (const char *)a->k + i * a->k_stride;
        const char *v = (const char *)a->v + i * a->v_stride;
        int64_t to;

        if (a->slot[i] < 0)
            continue;
        to = cg_kv_offset(view, a->slot[i], 0, a->pos[i]);
        for (int32_t h = 0; h < view->n_kv_heads; h++, to += view->head_stride) {
            memcpy((char *)view->k + to, k + (size_t)h * row, row);
            memcpy((char *)view->v + to, v + (size_t)h * row, row);
        }
    }
}

void cg_cache_store(const cg_host *host, const cg_kv_view *view, const cg_cache_append *a)
{
    struct store s = { view, a };
    int64_t items = ((int64_t)a->n_tokens + STORE_TOKENS - 1) / STORE_TOKENS;
    int64_t bytes = (int64_t)a->n_tokens * view->n_kv_heads * view->head_dim * 8;

    if (bytes >= STORE_THREADS_FROM) {
        host->parallel_for(host->ctx, items, store_item, &s);
        return;
    }
    for (int64_t i = 0; i < items; i++)
        store_item(&s, i, 0);
}
