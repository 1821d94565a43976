/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache_suite.h"
#include "element.h"

/* ---- operations ---------------------------------------------------------------------------- */

static int32_t random_slot(cache_suite *s)
{
    return random_in(&s->rec, 0, CACHE_SLOTS - 1);
}

static void do_append(cache_suite *s)
{
    int32_t n[CACHE_SLOTS] = { 0 };

    for (int32_t i = 0; i < CACHE_SLOTS; i++) {
        int32_t more =
            random_in(&s->rec, 0, 2) ? random_in(&s->rec, 0, 3) : random_in(&s->rec, 0, 40);

        if (more > CACHE_MAX_LEN - s->valid[i])
            more = CACHE_MAX_LEN - s->valid[i];
        if (s->valid[i] + more <= s->reserved_tokens[i] ||
            (random_in(&s->rec, 0, 1) && cache_reserve(s, i, s->valid[i] + more)))
            n[i] = more;
    }
    cache_append_all(s, n);
}

static void do_share(cache_suite *s)
{
    int32_t dst = random_slot(s), src = random_slot(s), len;
    cg_error err = CG_ERROR_INIT;
    cg_status st;

    if (dst == src)
        return;
    len = random_in(&s->rec, 0, s->valid[src]);
    s->ops->release(s->self, dst);
    s->valid[dst] = s->reserved_tokens[dst] = 0;
    st = s->ops->share_prefix(s->self, dst, src, len, &err);
    if (st != CG_OK) {
        expect(&s->rec, cache_is_nomem(s, st) && err.msg[0],
               "share_prefix(%d, %d, %d): status %d, text '%s'", dst, src, len, st, err.msg);
        return;
    }
    memcpy(s->token[dst], s->token[src], (size_t)len * sizeof **s->token);
    s->valid[dst] = s->reserved_tokens[dst] = len;
    s->shares += len > 0;
}

static const char *random_operation(cache_suite *s)
{
    int32_t slot = random_slot(s);
    cg_error err = CG_ERROR_INIT;

    switch (random_in(&s->rec, 0, 9)) {
    case 0:
    case 1:
        (void)cache_reserve(s, slot, random_in(&s->rec, 0, CACHE_MAX_LEN));
        return "reserve";
    case 2:
        s->ops->release(s->self, slot);
        s->valid[slot] = s->reserved_tokens[slot] = 0;
        return "release";
    case 3: {
        int32_t len = random_in(&s->rec, 0, s->valid[slot]);

        expect(&s->rec, s->ops->truncate(s->self, slot, len, &err) == CG_OK,
               "truncate(%d, %d) failed: %s", slot, len, err.msg);
        s->valid[slot] = s->reserved_tokens[slot] =
            len; /* tokens after len need not stay reserved */
        return "truncate";
    }
    case 4:
    case 5:
        do_share(s);
        return "share_prefix";
    default:
        do_append(s);
        return "append";
    }
}

static void release_all(cache_suite *s, const cg_cache_config *config)
{
    for (int32_t i = 0; i < CACHE_SLOTS; i++)
        s->ops->release(s->self, i);
    memset(s->valid, 0, sizeof s->valid);
    memset(s->reserved_tokens, 0, sizeof s->reserved_tokens);
    s->shares = 0;
    cache_check_stats(s, config, "the release of all slots");
}

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

static void check_range(cache_suite *s)
{
    static const int32_t bad_slots[] = { -1, CACHE_SLOTS, INT32_MAX, INT32_MIN };
    static const int32_t bad_lens[] = { -1, CACHE_MAX_LEN + 1, INT32_MAX, INT32_MIN };
    static const int32_t bad_layers[] = { -1, CACHE_LAYERS, INT32_MAX, INT32_MIN };
    cg_cache_config config = cache_config(s);
    int32_t some[CACHE_SLOTS] = { 20, 0, 33, 0, 0 };

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
            expect_refused(&s->rec, s->ops->view(s->self, bad_layers[i], &view, &err), &err,
                           "view() of an invalid layer");
            s->ops->release(s->self, bad_slots[i]); /* returns no status: must do nothing */
        }
        cache_check_content(s, "refusals");
        cache_check_stats(s, &config, "refusals");
    }
    s->ops->destroy(s->self);
    expect_all_freed(&s->rec, &s->test_host, "destroy()");
    test_end(&s->rec);
}

static void check_random(cache_suite *s)
{
    cg_cache_config config = cache_config(s);

    if (!test_begin(&s->rec, "content after random operations"))
        return;
    for (int32_t round = 0; round < test_rounds(&s->rec, 6) && !s->rec.gpu_lost; round++) {
        if (!cache_create(s, &config))
            break;
        for (int32_t i = 0; i < 150; i++) {
            const char *after = random_operation(s);

            cache_check_stats(s, &config, after);
            if (!cache_check_content(s, after))
                break;
        }
        release_all(s, &config);
        s->ops->destroy(s->self);
        expect_all_freed(&s->rec, &s->test_host, "destroy()");
    }
    test_end(&s->rec);
}

/* Least bytes of one token of one slot. */
static int64_t token_bytes(const cache_suite *s)
{
    return (int64_t)CACHE_LAYERS * 2 * CACHE_HEADS * (int64_t)cache_row_bytes(s);
}

/* Less memory than all slots need: a failed call must leave the contents unchanged. */
static void check_bound(cache_suite *s)
{
    if (!test_begin(&s->rec, "the memory bound is kept"))
        return;
    for (int32_t round = 0; round < test_rounds(&s->rec, 8) && !s->rec.gpu_lost; round++) {
        cg_cache_config config = cache_config(s);
        cg_error err = CG_ERROR_INIT;
        cg_status st;

        config.max_bytes = token_bytes(s) * random_in(&s->rec, 16, CACHE_SLOTS * CACHE_MAX_LEN);
        cache_model_clear(s);
        s->self = NULL;
        st = s->ops->create(&s->test_host.host, &config, &s->self, &err);
        if (st != CG_OK) { /* the bound is too small for any cache */
            expect(&s->rec, cache_is_nomem(s, st) && err.msg[0] && !s->self,
                   "create() with a bound of %lld bytes: status %d, text '%s'",
                   (long long)config.max_bytes, st, err.msg);
            continue;
        }
        for (int32_t i = 0; i < 80; i++) {
            const char *after = random_operation(s);

            cache_check_stats(s, &config, after);
            if (!cache_check_content(s, after))
                break;
        }
        s->ops->destroy(s->self);
        expect_all_freed(&s->rec, &s->test_host, "destroy()");
    }
    test_end(&s->rec);
}

static void check_no_memory(cache_suite *s)
{
    cg_cache_config config = cache_config(s);
    int32_t some[CACHE_SLOTS] = { 9, 9, 9, 9, 9 };

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
            for (int32_t i = 0; i < CACHE_SLOTS; i++)
                some[i] = cache_reserve(s, i, 9 + 30 * i) ? 9 : 0;
            cache_append_all(s, some);
            (void)cache_reserve(s, 0, CACHE_MAX_LEN);
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

/* All checks for one element type and head size. */
static void check_all(cache_suite *s)
{
    check_range(s);
    check_random(s);
    check_bound(s);
    if (!s->rec.gpu_lost)
        check_no_memory(s);
    if (s->gpu && !s->rec.gpu_lost)
        cache_check_captured_append(s);
}

/* On the CPU a cache must support f32. */
static void run_on_cpu(cache_suite *s)
{
    cg_cache_config config;
    cg_error err = CG_ERROR_INIT;
    cg_status st;

    s->dtype = CG_F32;
    s->dim = 8;
    config = cache_config(s);
    check_refusals(s);
    st = s->ops->supports(&s->test_host.host, &config, &err);
    if (st != CG_OK) {
        if (!test_begin(&s->rec, "f32 on the CPU"))
            return;
        expect_refused(&s->rec, st, &err, "f32 on the CPU");
        expect(&s->rec, 0, "f32 on the CPU is not supported, no further checks: %s", err.msg);
        test_end(&s->rec);
        return;
    }
    check_all(s);
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
        s->dim = i < 3 ? 64 : 8;
        config = cache_config(s);
        st = s->ops->supports(&s->test_host.host, &config, &err);
        snprintf(name, sizeof name, "%s, heads of %d", cg_dtype_name(s->dtype), s->dim);
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
            check_refusals(s);
        check_all(s);
        if (first && !s->rec.gpu_lost)
            cache_check_device_memory(s);
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
    s->ops = ops;
    s->gpu = options->gpu;
    test_recorder_init(&s->rec, options);
    test_host_init(&s->test_host, host);
    if (s->gpu)
        run_on_gpu(s);
    else
        run_on_cpu(s);
    failures = s->rec.failures;
    free(s->copy[0]);
    free(s->copy[1]);
    free(s->table);
    free(s);
    return failures;
}
