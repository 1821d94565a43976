/* SPDX-License-Identifier: MIT */
/* Caches of plugins in `bench attention` on the CPU. */
#include <string.h>

#include "attention_bench.h"
#include "base/error.h"
#include "base/plugin_call.h"

static uint32_t features_of(const struct attention_shape *s)
{
    return (s->v_head_dim != s->head_dim ? CG_CACHE_VALUE_SIZE : 0u) |
           (cg_dtype_size(s->kv_dtype) == 1 ? CG_CACHE_SCALES : 0u) |
           (s->window ? CG_CACHE_WINDOW : 0u);
}

static cg_cache_config config_of(const struct attention_bench *b)
{
    const struct attention_shape *s = b->shape;

    return (cg_cache_config) {
        CG_SIZED(cg_cache_config),   .device = CG_DEVICE_CPU, .dtype = s->kv_dtype,
        .n_layers = b->data.n_sets,  .n_slots = s->n_seqs,    .n_kv_heads = s->n_kv_heads,
        .head_dim = s->head_dim,     .max_len = s->kv_max,    .features = features_of(s),
        .v_head_dim = s->v_head_dim, .window = s->window,
    };
}

static cg_status create(const struct attention_bench *b, struct bench_cache *cache, cg_error *err)
{
    const cg_cache_ops *ops = cache->plugin->ops;
    uint32_t known = CG_HAS_SIZE(ops, features) ? ops->features : 0;
    cg_cache_config config = config_of(b);

    if (b->shape->latent)
        return cg_fail(err, CG_ERR_UNSUPPORTED, "no cache holds values in the memory of the keys");
    if (config.features & ~known & CG_CACHE_VALUE_SIZE)
        return cg_fail(err, CG_ERR_UNSUPPORTED, "the cache has no values of another size");
    if (config.features & ~known & CG_CACHE_SCALES)
        return cg_fail(err, CG_ERR_UNSUPPORTED, "the cache has no scaled types of 8 bits");
    config.features &= known; /* a cache without windows keeps all tokens */
    CG_TRY(ops->supports(b->host, &config, err));
    return ops->create(b->host, &config, &cache->self, err);
}

/* Grows all sequences together, as a run does, which shuffles the pages of a paged cache. */
static cg_status reserve(const struct attention_bench *b, const struct bench_cache *cache,
                         cg_error *err)
{
    const cg_cache_ops *ops = cache->plugin->ops;

    for (int32_t len = 8; len < b->shape->kv_max + 8; len += 8)
        for (int32_t i = 0; i < b->shape->n_seqs; i++) {
            int32_t all = b->data.kv_len[i];

            CG_TRY(ops->reserve(cache->self, b->data.slot[i], len < all ? len : all, err));
        }
    return CG_OK;
}

/* Appends the tokens of a sequence to all layers. */
static cg_status append(const struct attention_bench *b, const struct bench_cache *cache,
                        int32_t seq, const float *kv, int32_t *slots, int32_t *pos, cg_error *err)
{
    const cg_cache_ops *ops = cache->plugin->ops;
    const struct attention_shape *s = b->shape;
    cg_cache_append args = {
        CG_SIZED(cg_cache_append),
        .n_tokens = b->data.kv_len[seq],
        .slot = slots,
        .pos = pos,
        .k = kv,
        .v = kv,
        .k_stride = (int64_t)s->n_kv_heads * s->head_dim * (int64_t)sizeof *kv,
        .v_stride = (int64_t)s->n_kv_heads * s->v_head_dim * (int64_t)sizeof *kv,
        .dtype = CG_F32,
    };

    for (int32_t t = 0; t < args.n_tokens; t++) {
        slots[t] = b->data.slot[seq];
        pos[t] = t;
    }
    for (int32_t layer = 0; layer < b->data.n_sets; layer++)
        CG_TRY(ops->append(cache->self, layer, &args, err));
    return CG_OK;
}

static cg_status fill(const struct attention_bench *b, const struct bench_cache *cache,
                      cg_error *err)
{
    const struct attention_shape *s = b->shape;
    int32_t widest = s->head_dim > s->v_head_dim ? s->head_dim : s->v_head_dim;
    int64_t n = (int64_t)s->kv_max * s->n_kv_heads * widest;
    struct bench_device cpu = { 0 };
    void *kv = NULL, *slots = NULL, *pos = NULL;
    cg_status st;

    CG_TRY_GOTO(st, bench_device_alloc(&cpu, n * (int64_t)sizeof(float), &kv, err), out);
    CG_TRY_GOTO(st, bench_device_alloc(&cpu, s->kv_max * (int64_t)sizeof(int32_t), &slots, err),
                out);
    CG_TRY_GOTO(st, bench_device_alloc(&cpu, s->kv_max * (int64_t)sizeof(int32_t), &pos, err), out);
    CG_TRY_GOTO(st, bench_device_random(&cpu, kv, n, CG_F32, 1, 4, err), out);
    for (int32_t i = 0; i < s->n_seqs; i++)
        CG_TRY_GOTO(st, append(b, cache, i, kv, slots, pos, err), out);
out:
    bench_device_free(&cpu, kv);
    bench_device_free(&cpu, slots);
    bench_device_free(&cpu, pos);
    return st;
}

void bench_cache_open(const struct attention_bench *b, struct bench_cache *cache)
{
    cg_plugin_call call = { "cache", cache->name, -1, -1 };
    cg_error why = CG_ERROR_INIT;
    cg_status st = CG_OK;

    cache->refusal = (cg_error)CG_ERROR_INIT;
    cache->self = NULL;
    if (cache->plugin) {
        st = create(b, cache, &why);
        if (st == CG_OK)
            st = reserve(b, cache, &why);
        if (st == CG_OK)
            st = fill(b, cache, &why);
    }
    cache->status = cg_plugin_call_status(&call, st, &why, &cache->refusal);
}

void bench_cache_close(struct bench_cache *cache)
{
    if (cache->self)
        ((const cg_cache_ops *)cache->plugin->ops)->destroy(cache->self);
    cache->self = NULL;
}
