/* SPDX-License-Identifier: MIT */
/* The model of a cache's contents, and the life of the cache. */
#include "cache_suite.h"

#include <stdlib.h>
#include <string.h>

#include "element.h"

enum {
    MAX_DIM = 4096,            /* elements of a head, for the numbers of elements */
    ADAPTED_BYTES = 256 << 20, /* of a shape with the typical heads, in f32 */
};

cg_cache_config cache_config(const cache_suite *s)
{
    return (cg_cache_config) {
        CG_SIZED(cg_cache_config),
        .device = s->gpu ? CG_DEVICE_CUDA : CG_DEVICE_CPU,
        .dtype = s->dtype,
        .n_layers = s->shape.n_layers,
        .n_slots = s->shape.n_slots,
        .n_kv_heads = s->shape.n_kv_heads,
        .head_dim = s->shape.head_dim,
        .max_len = s->shape.max_len,
        .stream = s->gpu ? cg_gpu_stream(s->gpu) : NULL,
        .features = s->features,
        .v_head_dim = s->shape.v_head_dim != s->shape.head_dim ? s->shape.v_head_dim : 0,
        .window = s->window,
        .sink_tokens = s->sink_tokens,
    };
}

int32_t cache_dim(const cache_suite *s, int32_t value)
{
    return value ? s->shape.v_head_dim : s->shape.head_dim;
}

cg_dtype cache_source_type(uint32_t token)
{
    return (cg_dtype)(token & 3);
}

/*
 * 24 significant bits: 16-bit types must round. With scales, tokens and heads are of different
 * size, so that the scale of another one is wrong.
 */
void cache_elements(const cache_suite *s, uint32_t token, int32_t layer, int32_t head,
                    int32_t value, int32_t d, int32_t n, float *ret)
{
    uint32_t first = token * 2654435761u +
                     (uint32_t)(((layer * s->shape.n_kv_heads + head) * MAX_DIM + d) * 2 + value);
    float unit = CACHE_MAX_ELEMENT * 0x1p-23f;

    if (s->features & CG_CACHE_SCALES)
        unit /= (float)(1 << ((token >> 2) + (uint32_t)(head + value)) % 4);
    for (int32_t i = 0; i < n; i++) {
        uint32_t h = first + 2 * (uint32_t)i;

        h ^= h >> 15;
        h *= 2246822519u;
        ret[i] = (float)(int32_t)((h >> 8) - (1u << 23)) * unit;
    }
    elements_round(ret, n, cache_source_type(token));
}

/* ---- model --------------------------------------------------------------------------------- */

static void *resize(void *p, size_t n, size_t size)
{
    free(p);
    p = calloc(n, size);
    if (!p)
        abort();
    return p;
}

int cache_typical_heads(const cg_cache_ops *ops, const cg_host *host, cg_gpu *gpu, cg_dtype dtype,
                        int32_t *ret_dim, int32_t *ret_heads, cg_error *ret_reason)
{
    static const int32_t dims[] = { 8, 64, 128, 32, 16, 96, 80, 256, 192, 112, 72, 48, 40 };
    static const int32_t heads[] = { 2, 4, 1, 8, 3, 5, 6, 16, 32 };
    enum { N_DIMS = sizeof dims / sizeof *dims, N_HEADS = sizeof heads / sizeof *heads };

    for (int32_t i = 0; i < N_DIMS * N_HEADS; i++) {
        cg_cache_config config = {
            CG_SIZED(cg_cache_config),
            .device = gpu ? CG_DEVICE_CUDA : CG_DEVICE_CPU,
            .dtype = dtype,
            .n_layers = 3,
            .n_slots = 5,
            .n_kv_heads = heads[i / N_DIMS],
            .head_dim = dims[i % N_DIMS],
            .max_len = 150,
            .stream = gpu ? cg_gpu_stream(gpu) : NULL,
        };
        cg_error err = CG_ERROR_INIT;

        /* the checks find refusals of another status or without a text */
        if (ops->supports(host, &config, &err) != CG_ERR_UNSUPPORTED || !err.msg[0]) {
            *ret_dim = config.head_dim;
            *ret_heads = config.n_kv_heads;
            return 1;
        }
        if (!ret_reason->msg[0])
            *ret_reason = err;
    }
    return 0;
}

static int64_t bytes_of(const cache_shape *shape)
{
    return (int64_t)shape->n_layers * shape->n_slots * shape->n_kv_heads *
           (shape->head_dim + shape->v_head_dim) * shape->max_len * (int64_t)sizeof(float);
}

/* Sets the shape, with the typical heads if the plugin refuses its own: in as few layers as that
 * takes, and not if it takes too much memory. */
static void adapt(cache_suite *s, const cache_shape *shape)
{
    cg_cache_config config;

    s->shape = *shape;
    config = cache_config(s);
    if (!s->typical_dim || s->ops->supports(&s->test_host.host, &config, NULL) == CG_OK)
        return;
    s->shape.head_dim = s->typical_dim;
    s->shape.n_kv_heads = s->typical_heads;
    if (shape->v_head_dim == shape->head_dim)
        s->shape.v_head_dim = s->typical_dim;
    while (bytes_of(&s->shape) > ADAPTED_BYTES && s->shape.n_layers > 1)
        s->shape.n_layers--;
    if (bytes_of(&s->shape) > ADAPTED_BYTES)
        s->shape = *shape;
}

void cache_set_shape(cache_suite *s, const cache_shape *given)
{
    const cache_shape *shape = &s->shape;
    size_t n_slots, max_len;

    adapt(s, given);
    n_slots = (size_t)shape->n_slots;
    max_len = (size_t)shape->max_len;
    s->slots = resize(s->slots, n_slots, sizeof *s->slots);
    s->tokens = resize(s->tokens, n_slots * max_len, sizeof *s->tokens);
    s->views = resize(s->views, (size_t)shape->n_layers, sizeof *s->views);
    for (size_t i = 0; i < n_slots; i++)
        s->slots[i].token = s->tokens + i * max_len;
    cache_model_clear(s);
}

void cache_model_clear(cache_suite *s)
{
    for (int32_t i = 0; i < s->shape.n_slots; i++)
        s->slots[i] = (cache_slot) { .token = s->slots[i].token };
    memset(s->views, 0, (size_t)s->shape.n_layers * sizeof *s->views);
    s->shares = 0;
    atomic_store(&s->test_host.n_failed, 0);
}

void cache_model_truncate(cache_suite *s, int32_t slot, int32_t len)
{
    cache_slot *t = &s->slots[slot];

    t->valid = t->reserved = len; /* tokens after len need not stay reserved */
    t->shared = t->shared < len ? t->shared : len;
    t->unchecked = t->unchecked < len ? t->unchecked : len;
    t->lost = t->lost < len ? t->lost : len;
}

void cache_model_free(cache_suite *s)
{
    free(s->slots);
    free(s->tokens);
    free(s->views);
    for (int i = 0; i < 4; i++)
        free(s->copy[i]);
    free(s->table);
}

/* ---- the cache ----------------------------------------------------------------------------- */

int cache_create(cache_suite *s, const cg_cache_config *config)
{
    cg_error err = CG_ERROR_INIT;
    cg_status st;

    cache_model_clear(s);
    s->self = NULL;
    st = s->ops->create(&s->test_host.host, config, &s->self, &err);
    return expect(&s->rec, st == CG_OK, "create() failed (%d): %s", st, err.msg) &&
           expect(&s->rec, s->self != NULL, "create() succeeded but gave NULL");
}

int cache_is_supported(cache_suite *s)
{
    cg_cache_config config = cache_config(s);
    cg_error err = CG_ERROR_INIT;
    cg_status st = s->ops->supports(&s->test_host.host, &config, &err);

    if (st == CG_OK)
        return 1;
    expect_refused(&s->rec, st, &err, "a configuration");
    expect(&s->rec, st == CG_ERR_UNSUPPORTED, "a configuration: refused with status %d, wanted %d",
           st, CG_ERR_UNSUPPORTED);
    return 0;
}

int cache_open_shape(cache_suite *s, const cache_shape *shape, cg_cache_config *ret_config)
{
    cache_set_shape(s, shape);
    *ret_config = cache_config(s);
    return cache_is_supported(s) && cache_create(s, ret_config);
}

void cache_destroy(cache_suite *s)
{
    s->ops->destroy(s->self);
    s->self = NULL;
    expect_all_freed(&s->rec, &s->test_host, "destroy()");
}

int cache_goes_on(const cache_suite *s)
{
    return !s->rec.bad && !s->rec.gpu_lost;
}

int cache_is_nomem(const cache_suite *s, cg_status st)
{
    if (s->gpu)
        return st == CG_ERR_NOMEM || st == CG_ERR_DEVICE_NOMEM;
    return st == CG_ERR_NOMEM && (s->is_bounded || atomic_load(&s->test_host.n_failed));
}

int cache_has_feature(const cache_suite *s, uint32_t feature)
{
    return CG_HAS_SIZE(s->ops, features) && (s->ops->features & feature);
}
