/* SPDX-License-Identifier: MIT */
/* Addresses that the views of a cache allow, and allocations of append(). */
#include "cache_suite.h"

#include <stdlib.h>
#include <string.h>

/* ---- addresses ----------------------------------------------------------------------------- */

/* Stores bytes at token `pos` of a slot: all heads of its key and its value. */
static void store_token(cache_suite *s, int32_t layer, int32_t slot, int32_t pos, const char *bytes)
{
    cg_kv_view v = s->views[layer];

    v.page_table = cache_host_table(s, &v);
    for (int32_t value = 0; value < 2 && !s->rec.gpu_lost; value++) {
        cache_plane p = cache_plane_of(s, &v, value);
        int64_t block = cg_kv_block(&v, slot, pos);

        if (!expect(&s->rec, block >= 0, "token %d of slot %d, with room for %d, is in page %lld",
                    pos, slot, s->slots[slot].reserved, (long long)block))
            return;
        for (int32_t head = 0; head < s->shape.n_kv_heads; head++)
            cache_store(s,
                        p.base + block * p.block_stride + head * p.head_stride +
                            pos % v.block_tokens * p.token_stride,
                        bytes, (size_t)p.row);
    }
}

/*
 * Stores NaN at the first and the last token of a slot's room that holds no token, and at the last
 * one of its block: without a page table the whole block belongs to the slot.
 */
static void store_in_room(cache_suite *s, int32_t layer, int32_t slot, const char *bytes)
{
    const cg_kv_view *v = &s->views[layer];
    const cache_slot *t = &s->slots[slot];

    if (t->reserved > t->valid) {
        store_token(s, layer, slot, t->valid, bytes);
        store_token(s, layer, slot, t->reserved - 1, bytes);
    }
    if (!v->page_table && v->block_tokens > t->valid)
        store_token(s, layer, slot, v->block_tokens - 1, bytes);
}

/*
 * Stores to addresses of the views' formula that hold no token. No token of any layer, slot,
 * head or plane may change, and no memory around the cache.
 */
static void check_shape(cache_suite *s, const cache_shape *shape, const char *bytes)
{
    cg_cache_config config;
    int32_t *n;

    cache_set_shape(s, shape);
    n = calloc((size_t)shape->n_slots, sizeof *n);
    if (!n)
        abort();
    config = cache_config(s);
    if (cache_is_supported(s) && cache_create(s, &config)) {
        for (int32_t i = 0; i < shape->n_slots; i++) {
            int32_t room = random_in(&s->rec, 0, shape->max_len);

            if (i == 0 || i == shape->n_slots - 1)
                room = shape->max_len;
            n[i] = cache_reserve(s, i, room) ? random_in(&s->rec, 0, room < 20 ? room : 20) : 0;
        }
        cache_append_all(s, n);
        if (cache_check_all(s, "append"))
            for (int32_t layer = 0; layer < s->shape.n_layers; layer++)
                for (int32_t slot = 0; slot < shape->n_slots && !s->rec.gpu_lost; slot++)
                    store_in_room(s, layer, slot, bytes);
        cache_check_all(s, "stores, by the views' formula, where no token is");
        cache_destroy(s);
    }
    free(n);
}

void cache_check_addresses(cache_suite *s)
{
    cache_shape basic = s->shape;
    char bytes[4096];

    if (!test_begin(&s->rec, "memory that the views allow"))
        return;
    memset(bytes, 0xff, sizeof bytes);
    check_shape(s, &basic, bytes);
    for (int32_t round = 0; round < test_rounds(&s->rec, s->gpu ? 1 : 12) && cache_goes_on(s);
         round++) {
        cache_shape shape = cache_shape_small(&s->rec);

        check_shape(s, &shape, bytes);
    }
    cache_set_shape(s, &basic);
    test_end(&s->rec);
}

/* ---- allocations --------------------------------------------------------------------------- */

/* Room is reserved before append(), so that it needs no memory; a GPU's graph could give none. */
void cache_check_append_allocations(cache_suite *s)
{
    static const int32_t counts[] = { 1, 5, 0, 64, 65, 200, 3 };
    cache_shape basic = s->shape, shape = cache_shape_basic(16);

    if (!test_begin(&s->rec, "append() does not allocate"))
        return;
    shape.max_len = 600;
    cache_set_shape(s, &shape);
    if (cache_is_supported(s)) {
        cg_cache_config config = cache_config(s);
        int32_t reserved[5];

        if (cache_create(s, &config)) {
            for (int32_t i = 0; i < shape.n_slots; i++)
                reserved[i] = cache_reserve(s, i, shape.max_len);
            for (size_t i = 0; i < sizeof counts / sizeof *counts && !s->rec.gpu_lost; i++) {
                int32_t n[5] = { counts[i], i % 2 ? counts[i] : 0, 1, 0, 2 };

                for (int32_t k = 0; k < shape.n_slots; k++)
                    n[k] = reserved[k] ? n[k] : 0;
                cache_append_all(s, n);
            }
            cache_check_content(s, "append");
            cache_destroy(s);
        }
    }
    cache_set_shape(s, &basic);
    test_end(&s->rec);
}
