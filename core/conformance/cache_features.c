/* SPDX-License-Identifier: MIT */
/* Features of ABI 1.2 that a cache has: values of another size, gather, a sliding window, scales,
 * work that waits for flush(); and other types than f32 on the CPU. */
#include "cache_suite.h"

#include <stdlib.h>

enum {
    ROUNDS = 8, /* a large shape and small ones */
    OPERATIONS = 100,
};

/* Operations at random over a cache with the suite's features. */
static void check_shape(cache_suite *s, const cache_shape *shape)
{
    cg_cache_config config;

    if (!cache_open_shape(s, shape, &config))
        return;
    for (int32_t i = 0; i < OPERATIONS && cache_goes_on(s); i++) {
        const char *after = cache_random_operation(s);

        if (s->features & CG_CACHE_DEFER && random_in(&s->rec, 0, 3))
            continue; /* the work of several operations waits for one flush() */
        cache_check_stats(s, &config, after);
        if (!cache_check_content(s, after))
            break;
    }
    cache_check_all(s, "random operations");
    cache_release_all(s, &config);
    cache_destroy(s);
}

static void check_shapes(cache_suite *s)
{
    static const int32_t v_dims[] = { 8, 16, 24, 64, 80, 128, 256 };
    int32_t has_window = s->window;

    for (int32_t round = 0; round < test_rounds(&s->rec, ROUNDS) && cache_goes_on(s); round++) {
        cache_shape shape =
            round || s->gpu
                ? cache_shape_small(&s->rec)
                : cache_shape_large(&s->rec, random_in(&s->rec, 0, CACHE_LARGE_KINDS - 1));

        if (s->features & CG_CACHE_VALUE_SIZE)
            shape.v_head_dim = v_dims[random_in(&s->rec, 0, 6)];
        if (has_window) {
            s->window = random_in(&s->rec, 1, shape.max_len);
            s->sink_tokens = random_in(&s->rec, 0, 1) ? random_in(&s->rec, 1, 8) : 0;
        }
        check_shape(s, &shape);
    }
}

/* gather() of tokens that do not exist, or in another order. */
static void check_gather_refusals(cache_suite *s)
{
    static const struct {
        const char *what;
        int32_t slot, from, keep[2];
    } bad[] = {
        { "gather() of a negative slot", -1, 4, { 5, 6 } },
        { "gather() of a slot that does not exist", 5, 4, { 5, 6 } },
        { "gather() from a negative token", 0, -1, { 5, 6 } },
        { "gather() from a token that does not exist", 0, 200, { 201, 202 } },
        { "gather() of a token before the first one", 0, 4, { 3, 6 } },
        { "gather() of a negative token", 0, 0, { -1, 6 } },
        { "gather() of tokens in descending order", 0, 4, { 6, 5 } },
        { "gather() of a token twice", 0, 4, { 6, 6 } },
        { "gather() of a token that does not exist", 0, 4, { 5, 20 } },
        { "gather() of a token beyond all slots", 0, 4, { 5, INT32_MAX } },
    };
    cache_shape shape = cache_shape_basic(8);
    int32_t n[5] = { 20, 20, 0, 0, 0 };
    cg_cache_config config;

    if (!cache_open_shape(s, &shape, &config))
        return;
    for (int32_t i = 0; i < 2; i++)
        n[i] = cache_reserve(s, i, n[i]) ? n[i] : 0;
    cache_append_all(s, n);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cg_error err = CG_ERROR_INIT;

        expect_refused(&s->rec,
                       s->ops->gather(s->self, bad[i].slot, bad[i].from, bad[i].keep, 2, &err),
                       &err, bad[i].what);
        cache_check_content(s, bad[i].what);
    }
    cache_destroy(s);
}

static void check_gather(cache_suite *s)
{
    if (!test_begin(&s->rec, "gather"))
        return;
    if (expect(&s->rec, CG_HAS(s->ops, gather), "the feature is declared, but gather is NULL")) {
        check_shapes(s);
        check_gather_refusals(s);
    }
    test_end(&s->rec);
}

static int supports_type(cache_suite *s, cg_dtype dtype)
{
    cg_cache_config config = cache_config(s);
    cg_error err = CG_ERROR_INIT;

    config.dtype = dtype;
    return s->ops->supports(&s->test_host.host, &config, &err) == CG_OK;
}

/* On the CPU, where append() takes f32 and converts it; a plugin need not support them there. */
static void check_16_bits(cache_suite *s)
{
    int has_bf16 = supports_type(s, CG_BF16), has_f16 = supports_type(s, CG_F16);

    if ((!has_bf16 && !has_f16) || !test_begin(&s->rec, "types of 16 bits"))
        return;
    s->dtype = CG_BF16;
    if (has_bf16)
        check_shapes(s);
    s->dtype = CG_F16;
    if (has_f16)
        check_shapes(s);
    s->dtype = CG_F32;
    test_end(&s->rec);
}

/* append() takes floats and stores 8 bits. */
static void check_scales(cache_suite *s)
{
    static const cg_dtype types[] = { CG_I8, CG_F8_E4M3, CG_F8_E5M2 };
    const cache_shape basic = cache_shape_basic(64);
    cg_dtype dtype = s->dtype;
    int32_t supported = 0;

    if (!test_begin(&s->rec, "scaled types of 8 bits"))
        return;
    s->features = CG_CACHE_SCALES;
    cache_set_shape(s, &basic);
    for (int i = 0; i < 3 && cache_goes_on(s); i++) {
        s->dtype = types[i];
        if (!cache_is_supported(s))
            continue;
        supported++;
        check_shapes(s);
    }
    s->dtype = dtype;
    expect(&s->rec, supported, "the feature is declared, but no type of 8 bits is supported");
    test_end(&s->rec);
}

/* Moves tokens that a copy which waits is to read or write. */
static void check_gather_before_flush(cache_suite *s)
{
    const cache_shape shape = cache_shape_basic(8);
    int32_t n[5] = { 60, 0, 0, 0, 0 };
    cg_cache_config config;

    if (!cache_open_shape(s, &shape, &config))
        return;
    n[0] = cache_reserve(s, 0, n[0]) ? n[0] : 0;
    cache_append_all(s, n);
    for (int32_t i = 0; i < ROUNDS && cache_goes_on(s); i++) {
        cache_share(s, 1 + i % 4, 0, s->slots[0].valid);
        cache_gather(s, i % 2 ? 1 + i % 4 : 0);
        cache_check_content(s, "share_prefix, then gather");
    }
    cache_destroy(s);
}

/* A prompt that hundreds of slots share before one flush(). */
static void check_many_waiting(cache_suite *s)
{
    cache_shape shape = cache_shape_basic(8);
    cg_cache_config config;
    int32_t *n;

    shape.n_slots = 400;
    shape.max_len = 40;
    if (!cache_open_shape(s, &shape, &config))
        return;
    n = calloc((size_t)s->shape.n_slots, sizeof *n);
    if (!n)
        abort();
    n[0] = cache_reserve(s, 0, 20) ? 20 : 0;
    cache_append_all(s, n);
    for (int32_t slot = 1; slot < s->shape.n_slots; slot++) {
        cache_share(s, slot, 0, s->slots[0].valid);
        (void)cache_reserve(s, slot, s->shape.max_len);
    }
    cache_check_all(s, "a prompt shared with 399 slots");
    free(n);
    cache_destroy(s);
}

/* Operations in a row, then flush(); and prompts that many sequences share before it. */
static void check_defer(cache_suite *s)
{
    cg_cache_config config;

    if (!test_begin(&s->rec, "work that waits for flush()"))
        return;
    check_shapes(s);
    for (int32_t i = 0; i < test_rounds(&s->rec, ROUNDS) && cache_goes_on(s); i++) {
        cache_shape shape = cache_shape_small(&s->rec);

        shape.n_slots = random_in(&s->rec, 40, 80);
        if (!cache_open_shape(s, &shape, &config))
            continue;
        cache_run_like(s);
        cache_release_all(s, &config);
        cache_destroy(s);
    }
    check_many_waiting(s);
    if (s->features & CG_CACHE_GATHER)
        check_gather_before_flush(s);
    test_end(&s->rec);
}

void cache_check_features(cache_suite *s)
{
    cache_shape basic = s->shape;
    uint32_t value_size = cache_has_feature(s, CG_CACHE_VALUE_SIZE) ? CG_CACHE_VALUE_SIZE : 0;

    if (!s->gpu)
        check_16_bits(s);
    if (cache_has_feature(s, CG_CACHE_GATHER)) {
        s->features = CG_CACHE_GATHER | value_size;
        check_gather(s);
    }
    if (value_size && test_begin(&s->rec, "values of another size")) {
        s->features = CG_CACHE_VALUE_SIZE;
        check_shapes(s);
        test_end(&s->rec);
    }
    if (cache_has_feature(s, CG_CACHE_WINDOW) && test_begin(&s->rec, "sliding window")) {
        s->features = CG_CACHE_WINDOW;
        s->window = 1;
        check_shapes(s);
        test_end(&s->rec);
    }
    if (cache_has_feature(s, CG_CACHE_SCALES))
        check_scales(s);
    if (cache_has_feature(s, CG_CACHE_DEFER) && CG_HAS(s->ops, flush)) {
        s->features =
            CG_CACHE_DEFER | (cache_has_feature(s, CG_CACHE_GATHER) ? CG_CACHE_GATHER : 0);
        check_defer(s);
    }
    s->features = 0;
    s->window = s->sink_tokens = 0;
    cache_set_shape(s, &basic);
}
