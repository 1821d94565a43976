/* SPDX-License-Identifier: MIT */
/* The model of a cache's contents, and the life of the cache. */
#include "cache_suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "element.h"

enum { MAX_DIM = 4096 }; /* elements of a head, for the numbers of elements */

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
float cache_element(const cache_suite *s, uint32_t token, int32_t layer, int32_t head, int32_t d,
                    int32_t value)
{
    uint32_t h = token * 2654435761u +
                 (uint32_t)(((layer * s->shape.n_kv_heads + head) * MAX_DIM + d) * 2 + value);

    float x;

    h ^= h >> 15;
    h *= 2246822519u;
    x = (float)(int32_t)((h >> 8) - (1u << 23)) * 0x1p-23f * CACHE_MAX_ELEMENT;
    if (s->features & CG_CACHE_SCALES)
        x = ldexpf(x, -(int)((token >> 2) + (uint32_t)(head + value)) % 4);
    return element_round(x, cache_source_type(token));
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

void cache_set_shape(cache_suite *s, const cache_shape *shape)
{
    size_t n_slots = (size_t)shape->n_slots, max_len = (size_t)shape->max_len;

    s->shape = *shape;
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
    return st == CG_ERR_NOMEM || (s->gpu && st == CG_ERR_DEVICE_NOMEM);
}

int cache_has_feature(const cache_suite *s, uint32_t feature)
{
    return CG_HAS_SIZE(s->ops, features) && (s->ops->features & feature);
}
