/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "cache_suite.h"
#include "fenced_memory.h"
#include "watched_ops.h"

/* ---- checks -------------------------------------------------------------------------------- */

static void check_refusals(cache_suite *s)
{
    cg_cache_config good = cache_config(s);
    struct {
        const char *what;
        cg_cache_config config;
    } bad[] = {
        { "a configuration of 8 bytes", good },
        { "no layers", good },
        { "no slots", good },
        { "no heads", good },
        { "a head size of 0", good },
        { "no tokens", good },
        { "a negative bound", good },
        { "an unknown device", good },
        { "an unknown element type", good },
        { "a negative number of slots", good },
        { "a type of 8 bits without the feature of scales", good },
    };

    bad[0].config.struct_size = 8;
    bad[1].config.n_layers = 0;
    bad[2].config.n_slots = 0;
    bad[3].config.n_kv_heads = 0;
    bad[4].config.head_dim = 0;
    bad[5].config.max_len = 0;
    bad[6].config.max_bytes = -1;
    bad[7].config.device = 77;
    bad[8].config.dtype = 99;
    bad[9].config.n_slots = -3;
    bad[10].config.dtype = CG_F8_E4M3;
    bad[10].config.features &= ~(uint32_t)CG_CACHE_SCALES;
    if (!test_begin(&s->rec, "invalid configurations are refused"))
        return;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cg_error err = CG_ERROR_INIT;
        void *self = NULL;

        expect_refused(&s->rec, s->ops->supports(&s->test_host.host, &bad[i].config, &err), &err,
                       bad[i].what);
        err = (cg_error)CG_ERROR_INIT;
        expect_refused(&s->rec, s->ops->create(&s->test_host.host, &bad[i].config, &self, &err),
                       &err, bad[i].what);
        expect(&s->rec, self == NULL, "%s: *ret_self was set", bad[i].what);
    }
    expect_all_freed(&s->rec, &s->test_host, "refusals");
    test_end(&s->rec);
}

/* A length beyond the slot's tokens is refused or changes nothing: it gives no room. */
static void check_long_truncate(cache_suite *s, int32_t slot, int32_t len)
{
    int32_t n[5] = { 0 };
    cg_error err = CG_ERROR_INIT;
    cg_status st = s->ops->truncate(s->self, slot, len, &err);

    if (st != CG_OK)
        expect_refused(&s->rec, st, &err, "truncate() to more tokens than the slot has");
    n[slot] = len - s->slots[slot].valid;
    if (cache_reserve(s, slot, len))
        cache_append_all(s, n);
    cache_check_content(s, "truncate() to more tokens than the slot has, and an append");
}

static void check_range(cache_suite *s)
{
    const int32_t bad_slots[] = { -1, s->shape.n_slots, INT32_MAX, INT32_MIN };
    const int32_t bad_lens[] = { -1, s->shape.max_len + 1, INT32_MAX, INT32_MIN };
    const int32_t bad_layers[] = { -1, s->shape.n_layers, INT32_MAX, INT32_MIN };
    cg_cache_config config = cache_config(s);
    int32_t some[] = { 20, 0, 33, 0, 0 };

    if (!test_begin(&s->rec, "arguments out of range are refused"))
        return;
    if (cache_create(s, &config) && cache_reserve(s, 0, 20) && cache_reserve(s, 2, 33)) {
        cache_append_all(s, some);
        for (int32_t i = 0; i < 4; i++) {
            cg_error err = CG_ERROR_INIT;
            cg_kv_view view = { CG_SIZED(cg_kv_view) };

            expect_refused(&s->rec, s->ops->reserve(s->self, bad_slots[i], 1, &err), &err,
                           "reserve() of an invalid slot");
            expect_refused(&s->rec, s->ops->reserve(s->self, 0, bad_lens[i], &err), &err,
                           "reserve() of an invalid length");
            expect_refused(&s->rec, s->ops->reserve(s->self, 1, bad_lens[i], &err), &err,
                           "reserve() of an invalid length");
            expect_refused(&s->rec, s->ops->truncate(s->self, bad_slots[i], 0, &err), &err,
                           "truncate() of an invalid slot");
            expect_refused(&s->rec, s->ops->truncate(s->self, 0, bad_lens[i], &err), &err,
                           "truncate() to an invalid length");
            expect_refused(&s->rec, s->ops->share_prefix(s->self, bad_slots[i], 0, 1, &err), &err,
                           "share_prefix() to an invalid slot");
            expect_refused(&s->rec, s->ops->share_prefix(s->self, 1, bad_slots[i], 1, &err), &err,
                           "share_prefix() of an invalid slot");
            expect_refused(&s->rec, s->ops->share_prefix(s->self, 1, 0, bad_lens[i], &err), &err,
                           "share_prefix() of an invalid length");
            expect_refused(&s->rec, cg_cache_view(s->ops, s->self, bad_layers[i], &view, &err),
                           &err, "view() of an invalid layer");
            s->ops->release(s->self, bad_slots[i]); /* returns no status: must do nothing */
        }
        check_long_truncate(s, 0, 90);
        cache_check_content(s, "refusals");
        cache_check_stats(s, &config, "refusals");
        cache_check_slot_use(s, 0, 1);
    }
    cache_destroy(s);
    test_end(&s->rec);
}

/* Runs `n` operations at random, with checks between. */
static void operate(cache_suite *s, const cg_cache_config *config, int32_t n)
{
    for (int32_t i = 0; i < n && cache_goes_on(s); i++) {
        const char *after = cache_random_operation(s);

        cache_check_stats(s, config, after);
        if (!cache_check_content(s, after))
            break;
    }
}

/* The configured shape first, then others at random. */
static void check_random(cache_suite *s)
{
    cache_shape basic = s->shape;

    if (!test_begin(&s->rec, "content after random operations"))
        return;
    for (int32_t round = 0; round < test_rounds(&s->rec, s->gpu ? 6 : 48) && cache_goes_on(s);
         round++) {
        cache_shape shape = round % 3 && !s->gpu ? cache_shape_small(&s->rec) : basic;
        cg_cache_config config;

        if (round % 6 == 5 && !s->gpu)
            shape.head_dim = shape.v_head_dim = random_in(&s->rec, 1, 130);
        cache_set_shape(s, &shape);
        s->test_host.reverse_loops = random_in(&s->rec, 0, 3) == 0;
        config = cache_config(s);
        if (!cache_is_supported(s))
            continue;
        if (!cache_create(s, &config))
            break;
        operate(s, &config, 150);
        cache_check_all(s, "random operations");
        cache_release_all(s, &config);
        cache_destroy(s);
    }
    s->test_host.reverse_loops = 0;
    cache_set_shape(s, &basic);
    test_end(&s->rec);
}

/* A run and random operations in one shape. Returns 0 if no other shape is to be tried. */
static int check_run(cache_suite *s, const cache_shape *shape)
{
    cg_cache_config config;

    cache_set_shape(s, shape);
    config = cache_config(s);
    if (!cache_is_supported(s))
        return 1;
    if (!cache_create(s, &config))
        return 0;
    cache_run_like(s);
    operate(s, &config, 25);
    cache_check_all(s, "a run");
    cache_release_all(s, &config);
    cache_destroy(s);
    return cache_goes_on(s);
}

/* Sizes of a model and a batch: many layers, slots, heads, tokens; see cache_shapes.c. */
static void check_large(cache_suite *s)
{
    int32_t rounds = s->gpu ? CACHE_LARGE_KINDS : 4 * CACHE_LARGE_KINDS, ok = 1;
    cache_shape basic = s->shape, shape;

    if (!test_begin(&s->rec, "content in shapes of real runs"))
        return;
    for (int32_t kind = 0; kind < CACHE_EXTREME_KINDS && ok; kind++) {
        shape = cache_shape_extreme(&s->rec, kind);
        ok = check_run(s, &shape);
    }
    for (int32_t round = 0; round < test_rounds(&s->rec, rounds) && ok; round++) {
        shape = cache_shape_large(&s->rec, round);
        ok = check_run(s, &shape);
    }
    cache_set_shape(s, &basic);
    test_end(&s->rec);
}

/* Creates a cache of a huge shape; this machine may have less memory. */
static int create_huge(cache_suite *s, const cache_shape *shape)
{
    cg_cache_config config;
    cg_error err = CG_ERROR_INIT;
    cg_status st;

    cache_set_shape(s, shape);
    config = cache_config(s);
    if (!cache_is_supported(s))
        return 0;
    st = s->ops->create(&s->test_host.host, &config, &s->self, &err);
    expect(&s->rec, st == CG_OK || cache_is_nomem(s, st), "create() failed (%d): %s", st, err.msg);
    return st == CG_OK;
}

/* Stores tokens at the end of every slot and layer; each has its own memory. */
static void check_huge_slots(cache_suite *s)
{
    cache_shape shape = cache_shape_huge();
    int32_t *n = calloc((size_t)shape.n_slots, sizeof *n);

    if (!n)
        abort();
    if (create_huge(s, &shape)) {
        for (int32_t i = 0; i < shape.n_slots; i++) {
            int is_end = i == 0 || i == shape.n_slots - 1;

            n[i] = cache_reserve(s, i, is_end ? shape.max_len : 3) ? 3 : 0;
        }
        cache_append_all(s, n);
        cache_check_all(s, "append");
        cache_destroy(s);
    }
    free(n);
}

/* Stores the last tokens of a slot whose pages are many, or exceed 2 GiB. */
static void check_huge_pages(cache_suite *s, const cache_shape *shape)
{
    cg_cache_config config;
    int32_t n = 3;

    if (!create_huge(s, shape))
        return;
    config = cache_config(s);
    if (cache_reserve(s, 0, shape->max_len)) {
        cache_slot *t = &s->slots[0];

        t->valid = t->unchecked = t->lost = shape->max_len - n; /* these are not there */
        cache_append_all(s, &n);
        cache_check_content(s, "append to the last pages");
        cache_check_stats(s, &config, "append to the last pages");
    }
    cache_destroy(s);
}

/* Offsets in keys and values that 32 bits do not hold, numbers of pages that 16 bits do not hold.
 */
static void check_huge(cache_suite *s)
{
    static const cache_shape pages[] = {
        { 2, 1, 8, 256, 256, 70000 },
        { 1, 1, 1, 8, 8, 2200000 },
    };
    cache_shape basic = s->shape;

    if (!test_begin(&s->rec, "a cache of more than 2 GiB"))
        return;
    if (!s->ops->paged)
        check_huge_slots(s);
    for (int i = 0; i < 2 && s->ops->paged && cache_goes_on(s); i++)
        check_huge_pages(s, &pages[i]);
    cache_set_shape(s, &basic);
    test_end(&s->rec);
}

/* Least bytes of one token of one slot. */
static int64_t token_bytes(const cache_suite *s)
{
    return (int64_t)s->shape.n_layers * s->shape.n_kv_heads *
           (s->shape.head_dim + s->shape.v_head_dim) * cg_dtype_size(s->dtype);
}

/* Less memory than all slots need: a failed call must leave the contents unchanged. */
static void check_bound(cache_suite *s)
{
    cache_shape basic = s->shape;

    if (!test_begin(&s->rec, "the memory bound is kept"))
        return;
    s->is_bounded = 1;
    for (int32_t round = 0; round < test_rounds(&s->rec, 12) && cache_goes_on(s); round++) {
        cache_shape shape =
            s->gpu || round % 4 ? basic
            : round == 0 ? cache_shape_large(&s->rec, random_in(&s->rec, 0, CACHE_LARGE_KINDS - 1))
                         : cache_shape_small(&s->rec);
        int64_t all = (int64_t)shape.n_slots * shape.max_len;
        cg_error err = CG_ERROR_INIT;
        cg_cache_config config;
        cg_status st;

        cache_set_shape(s, &shape);
        if (!cache_is_supported(s))
            continue;
        config = cache_config(s);
        /* what contiguous slots need, or less */
        config.max_bytes =
            token_bytes(s) *
            (round % 3 ? random_in(&s->rec, all > 64 ? 16 : 1, (int32_t)all) : (int32_t)all);
        s->self = NULL;
        st = s->ops->create(&s->test_host.host, &config, &s->self, &err);
        if (st != CG_OK) { /* the bound is too small for any cache */
            expect(&s->rec, cache_is_nomem(s, st) && err.msg[0] && !s->self,
                   "create() with a bound of %lld bytes: status %d, text '%s'",
                   (long long)config.max_bytes, st, err.msg);
            expect_all_freed(&s->rec, &s->test_host, "a refusal");
            continue;
        }
        operate(s, &config, 80);
        cache_destroy(s);
    }
    s->is_bounded = 0;
    cache_set_shape(s, &basic);
    test_end(&s->rec);
}

static void check_no_memory(cache_suite *s)
{
    cg_cache_config config = cache_config(s);
    int32_t some[] = { 9, 9, 9, 9, 9 };

    if (!test_begin(&s->rec, "create() and reserve() when out of memory"))
        return;
    s->ops->destroy(NULL);
    expect_all_freed(&s->rec, &s->test_host, "destroy(NULL)");
    for (int32_t k = 0; k < 100 && !s->rec.gpu_lost; k++) {
        cg_error err = CG_ERROR_INIT;
        cg_status st;
        int injected;

        cache_model_clear(s);
        s->self = NULL;
        atomic_store(&s->test_host.until_failure, k);
        st = s->ops->create(&s->test_host.host, &config, &s->self, &err);
        if (st != CG_OK) {
            expect(&s->rec, cache_is_nomem(s, st) && err.msg[0] && !s->self,
                   "allocation %d failed: status %d, text '%s'", k, st, err.msg);
        } else {
            for (int32_t i = 0; i < s->shape.n_slots; i++)
                some[i] = cache_reserve(s, i, 9 + 30 * i) ? 9 : 0;
            cache_append_all(s, some);
            (void)cache_reserve(s, 0, s->shape.max_len);
            cache_check_content(s, "an allocation failed");
            s->ops->destroy(s->self);
        }
        injected = atomic_exchange(&s->test_host.until_failure, -1) < 0;
        expect_all_freed(&s->rec, &s->test_host, "a failed allocation");
        if (!injected)
            break;
    }
    test_end(&s->rec);
}

/* ---- suite --------------------------------------------------------------------------------- */

/* Checks of every element type and head size. */
static void check_type(cache_suite *s)
{
    check_range(s);
    check_random(s);
    check_bound(s);
    cache_check_failed_reserve(s);
    cache_check_addresses(s);
    if (!s->rec.gpu_lost)
        check_no_memory(s);
    if (s->gpu && !s->rec.gpu_lost)
        cache_check_captured_append(s);
    if (s->gpu && !s->rec.gpu_lost)
        cache_check_held_append(s);
}

/* Checks of one element type and head size of the device. */
static void check_once(cache_suite *s)
{
    check_refusals(s);
    cache_check_structs(s);
    check_large(s);
    cache_check_many_owners(s);
    if (!s->gpu) {
        check_huge(s);
        cache_check_threads(s);
        cache_check_workers(s);
        cache_check_reuse(s);
    }
    cache_check_append_allocations(s);
    cache_check_features(s);
    if (s->gpu && !s->rec.gpu_lost)
        cache_check_device_memory(s);
}

static void set_basic_shape(cache_suite *s, int32_t dim)
{
    cache_shape shape = cache_shape_basic(dim);

    cache_set_shape(s, &shape);
}

static void find_typical_heads(cache_suite *s)
{
    cg_error reason = CG_ERROR_INIT;

    s->typical_dim = s->typical_heads = 0;
    (void)cache_typical_heads(s->ops, &s->test_host.host, s->gpu, s->dtype, &s->typical_dim,
                              &s->typical_heads, &reason);
}

/* On the CPU a cache must support f32. */
static void run_on_cpu(cache_suite *s)
{
    cg_cache_config config;
    cg_error err = CG_ERROR_INIT;
    cg_status st;

    s->dtype = CG_F32;
    find_typical_heads(s);
    set_basic_shape(s, 8);
    config = cache_config(s);
    st = s->ops->supports(&s->test_host.host, &config, &err);
    if (st != CG_OK) {
        if (!test_begin(&s->rec, "f32 on the CPU"))
            return;
        expect_refused(&s->rec, st, &err, "f32 on the CPU");
        expect(&s->rec, 0, "f32 on the CPU is not supported, no further checks: %s", err.msg);
        test_end(&s->rec);
        return;
    }
    check_once(s);
    check_type(s);
}

static void run_on_gpu(cache_suite *s)
{
    static const cg_dtype types[] = { CG_BF16, CG_F16, CG_F32 };
    int32_t supported = 0, first = 1;

    for (int i = 0; i < 6 && !s->rec.gpu_lost; i++) {
        cg_error err = CG_ERROR_INIT;
        cg_cache_config config;
        cg_status st;
        char name[64];

        s->dtype = types[i % 3];
        find_typical_heads(s);
        set_basic_shape(s, i < 3 ? 64 : 8);
        if (i >= 3 && s->shape.head_dim != 8)
            continue; /* it has been checked with its typical heads */
        config = cache_config(s);
        st = s->ops->supports(&s->test_host.host, &config, &err);
        snprintf(name, sizeof name, "%s, heads of %d", cg_dtype_name(s->dtype), s->shape.head_dim);
        if (test_begin(&s->rec, name)) {
            if (st != CG_OK) {
                expect_refused(&s->rec, st, &err, name);
                expect(&s->rec, st == CG_ERR_UNSUPPORTED, "%s: refused with status %d, wanted %d",
                       name, st, CG_ERR_UNSUPPORTED);
            } else {
                expect(&s->rec, 1, "%s", name);
            }
            test_end(&s->rec);
        }
        if (st != CG_OK)
            continue;
        supported++;
        if (first)
            check_once(s);
        check_type(s);
        first = 0;
    }
    if (!test_begin(&s->rec, "some configuration is supported"))
        return;
    expect(&s->rec, supported > 0, "neither bf16, f16 nor f32 is supported");
    test_end(&s->rec);
}

int32_t cg_conformance_cache(const cg_cache_ops *ops, const cg_host *host,
                             const cg_conformance_options *options)
{
    cache_suite *s = calloc(1, sizeof *s);
    int32_t failures;

    if (!s)
        abort();
    s->ops = watch_cache(ops, options->gpu != NULL);
    s->gpu = options->gpu;
    s->fenced = !s->gpu;
    if (s->fenced)
        fenced_memory_start();
    test_recorder_init(&s->rec, options);
    test_host_init(&s->test_host, host);
    if (s->gpu)
        run_on_gpu(s);
    else
        run_on_cpu(s);
    failures = s->rec.failures;
    cache_model_free(s);
    free(s);
    return failures;
}
