/* SPDX-License-Identifier: MIT */
/* Slots after a call that failed, and a prefix of which every page has many owners. */
#include "cache_suite.h"

#include <stdlib.h>
#include <string.h>

enum {
    N_OWNERS = 300, /* more than a count of 8 bits holds */
    PREFIX = 128,   /* tokens of whole pages, as far as these are not larger */
};

/* What the caller does with a slot after a failed reserve(). */
enum { USE_AS_BEFORE, USE_RELEASE, USE_TRUNCATE, USE_AGAIN, N_USES };

/* ---- failures ------------------------------------------------------------------------------ */

static void append_to(cache_suite *s, int32_t slot, int32_t more)
{
    int32_t *n = calloc((size_t)s->shape.n_slots, sizeof *n);

    if (!n)
        abort();
    n[slot] = more;
    cache_append_all(s, n);
    free(n);
}

/* Reserves `len` tokens and stores them. */
static void fill(cache_suite *s, int32_t slot, int32_t len)
{
    if (cache_reserve(s, slot, len) && len > s->slots[slot].valid)
        append_to(s, slot, len - s->slots[slot].valid);
}

void cache_check_slot_use(cache_suite *s, int32_t filled, int32_t empty)
{
    int32_t len = s->slots[filled].valid;

    cache_share_into(s, empty, filled, len);
    cache_check_content(s, "share_prefix() to a slot that a failed call must leave empty");
    fill(s, filled, s->shape.max_len - 1);
    cache_check_content(s, "append to a slot that a failed call must leave unchanged");
    cache_truncate(s, filled, len / 2);
    fill(s, empty, len + 1);
    cache_check_content(s, "append after a failed call");
}

/* Uses a slot after a failed reserve() of `len` tokens; `other` has tokens. */
static void use(cache_suite *s, int32_t slot, int32_t other, int32_t len, int32_t kind)
{
    cache_slot *t = &s->slots[slot];

    switch (kind) {
    case USE_RELEASE:
        cache_release(s, slot);
        break;
    case USE_TRUNCATE:
        cache_truncate(s, slot, t->valid / 2);
        fill(s, slot, t->valid + 1);
        break;
    case USE_AGAIN:
        fill(s, slot, len);
        break;
    default:
        append_to(s, slot, t->reserved - t->valid);
    }
    cache_check_content(s, "use of a slot after a failed reserve()");
    if (!t->reserved)
        cache_share_into(s, slot, other, s->slots[other].valid);
    cache_check_content(s, "share_prefix() after a failed reserve()");
}

/* Reserves `len` tokens. Returns 0 on failure, after which the stats must be those before. */
static int reserve(cache_suite *s, int32_t slot, int32_t len)
{
    cg_cache_stats before, now;
    int ok;

    cg_cache_get_stats(s->ops, s->self, &before);
    ok = cache_reserve(s, slot, len);
    cg_cache_get_stats(s->ops, s->self, &now);
    if (!ok && now.grown == before.grown && now.bytes_allocated == before.bytes_allocated)
        expect(&s->rec,
               now.bytes_used == before.bytes_used && now.blocks_shared == before.blocks_shared,
               "reserve(%d, %d) failed, but %lld bytes used became %lld and %lld blocks shared "
               "became %lld",
               slot, len, (long long)before.bytes_used, (long long)now.bytes_used,
               (long long)before.blocks_shared, (long long)now.blocks_shared);
    return ok;
}

/*
 * Reserves all tokens of one slot after another, the first ones with tokens, until a call fails,
 * and uses the slot then. k: allocation of a reserve() that fails, or -1. Returns whether one has.
 */
static int check_failure(cache_suite *s, const cg_cache_config *config, int32_t k, int32_t kind)
{
    cg_error err = CG_ERROR_INIT;
    int32_t n_slots = s->shape.n_slots, slot, first = random_in(&s->rec, 0, n_slots - 1);
    int injected = 0;

    cache_model_clear(s);
    s->self = NULL;
    if (s->ops->create(&s->test_host.host, config, &s->self, &err) != CG_OK)
        return 0; /* the bound is too small: another check has that */
    fill(s, 0, 17);
    (void)cache_reserve(s, 0, 25);
    fill(s, 1, 9);
    cache_share(s, 2, 0, s->slots[0].valid ? 16 : 0);
    for (int32_t i = 0; i < n_slots && cache_goes_on(s) && !injected; i++) {
        int ok;

        slot = (first + i) % n_slots;
        if (k >= 0)
            atomic_store(&s->test_host.until_failure, k);
        ok = reserve(s, slot, s->shape.max_len);
        injected = k >= 0 && atomic_exchange(&s->test_host.until_failure, -1) < 0;
        if (!ok) {
            use(s, slot, slot == 0 ? 1 : 0, s->shape.max_len, kind);
            cache_check_stats(s, config, "a failed reserve()");
        }
    }
    if (cache_goes_on(s)) {
        cache_check_all(s, "failed calls of reserve()");
        cache_release_all(s, config);
    }
    cache_destroy(s);
    return injected;
}

void cache_check_failed_reserve(cache_suite *s)
{
    cg_cache_config config = cache_config(s);
    int64_t all = (int64_t)s->shape.n_layers * s->shape.n_slots * s->shape.n_kv_heads *
                  (s->shape.head_dim + s->shape.v_head_dim) * s->shape.max_len *
                  cg_dtype_size(s->dtype);

    if (!test_begin(&s->rec, "a slot after a failed reserve()"))
        return;
    for (int32_t kind = 0; kind < N_USES && cache_goes_on(s); kind++) {
        for (int32_t k = 0, goes_on = 1; k < 20 && goes_on && cache_goes_on(s); k++) {
            goes_on = 0;
            for (int32_t round = 0; round < (s->gpu ? 1 : 8) && cache_goes_on(s); round++)
                goes_on |= check_failure(s, &config, k, kind);
        }
        s->is_bounded = 1;
        for (int32_t round = 0; round < (s->gpu ? 2 : 12) && cache_goes_on(s); round++) {
            config.max_bytes = all / random_in(&s->rec, 2, 5);
            (void)check_failure(s, &config, -1, kind);
            config.max_bytes = 0;
        }
        s->is_bounded = 0;
    }
    test_end(&s->rec);
}

/* ---- memory that is free again ------------------------------------------------------------- */

struct configured {
    cache_suite *suite;
    const cg_cache_config *config;
};

static void create_once(void *ctx)
{
    const struct configured *c = ctx;
    cache_suite *s = c->suite;
    void *self = NULL;

    if (s->ops->create(&s->test_host.host, c->config, &self, NULL) == CG_OK)
        s->ops->destroy(self);
}

/* Shares a prefix; both slots are shortened to a part of a shared page, and grow again. */
static void share_and_shorten(cache_suite *s)
{
    int32_t len = s->shape.max_len < 40 ? s->shape.max_len : 40;

    if (s->shape.n_slots < 2)
        return;
    cache_release(s, 0);
    fill(s, 0, len);
    cache_share(s, 1, 0, s->slots[0].valid);
    for (int32_t slot = 1; slot >= 0; slot--) {
        cache_truncate(s, slot, s->slots[slot].valid / 2);
        fill(s, slot, len);
    }
}

/*
 * The same operations again and again, from an empty cache to an empty one, need no more memory
 * after the first times.
 */
static void check_cycles(cache_suite *s, const cg_cache_config *config)
{
    enum { CYCLES = 24, FIRST = 4, OPERATIONS = 40 };
    uint64_t seed = random_u64(&s->rec), then;
    int64_t held = 0;

    for (int32_t i = 0; i < CYCLES && cache_goes_on(s); i++) {
        cg_cache_stats stats;

        then = s->rec.random;
        s->rec.random = seed;
        for (int32_t k = 0; k < OPERATIONS; k++)
            (void)cache_random_operation(s);
        share_and_shorten(s);
        cache_release_all(s, config);
        s->rec.random = then;
        cg_cache_get_stats(s->ops, s->self, &stats);
        expect(&s->rec, i < FIRST || stats.bytes_allocated <= held,
               "%lld bytes allocated, %lld before the same operations and the release of all slots",
               (long long)stats.bytes_allocated, (long long)held);
        held = stats.bytes_allocated;
    }
}

void cache_check_reuse(cache_suite *s)
{
    cache_shape basic = s->shape;
    cg_cache_config config = cache_config(s);

    if (!test_begin(&s->rec, "released memory is used again"))
        return;
    expect_heap_kept(&s->rec, "cache", create_once, &(struct configured) { s, &config });
    for (int32_t round = 0; round < test_rounds(&s->rec, 8) && cache_goes_on(s); round++) {
        cache_shape shape = cache_shape_small(&s->rec);

        if (!cache_open_shape(s, &shape, &config))
            continue;
        check_cycles(s, &config);
        cache_destroy(s);
    }
    cache_set_shape(s, &basic);
    test_end(&s->rec);
}

/* ---- owners -------------------------------------------------------------------------------- */

void cache_check_many_owners(cache_suite *s)
{
    int32_t block = CG_HAS_SIZE(s->ops, block_tokens) ? s->ops->block_tokens : 0;
    int32_t len = block > PREFIX ? block : PREFIX, order[N_OWNERS];
    cache_shape basic = s->shape, shape = { .n_layers = 1,
                                            .n_slots = N_OWNERS + 1,
                                            .n_kv_heads = 1,
                                            .head_dim = 8,
                                            .v_head_dim = 8,
                                            .max_len = 2 * len };
    cg_cache_config config;

    if (!test_begin(&s->rec, "a prefix of 300 slots"))
        return;
    if (cache_open_shape(s, &shape, &config)) {
        fill(s, N_OWNERS, len);
        for (int32_t i = 0; i < N_OWNERS; i++) {
            int32_t j = random_in(&s->rec, 0, i);

            cache_share(s, i, N_OWNERS, len);
            order[i] = order[j];
            order[j] = i;
        }
        cache_check_stats(s, &config, "share_prefix() to 300 slots");
        cache_check_content(s, "share_prefix() to 300 slots");
        for (int32_t i = 0; i < N_OWNERS && cache_goes_on(s); i++) {
            cache_release(s, order[i]);
            fill(s, order[i], len); /* takes pages that are free */
            cache_check_stats(s, &config, "release() of an owner");
            cache_check_content(s, "release() of an owner");
        }
        cache_check_all(s, "release() of 300 owners");
        cache_release_all(s, &config);
        cache_destroy(s);
    }
    cache_set_shape(s, &basic);
    test_end(&s->rec);
}
