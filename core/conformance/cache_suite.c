/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache_suite.h"
#include "element.h"

/* ---- operations ---------------------------------------------------------------------------- */

static int32_t random_slot(cache_suite *s)
{
    return random_in(&s->c, 0, CACHE_SLOTS - 1);
}

static void do_append(cache_suite *s)
{
    int32_t n[CACHE_SLOTS] = { 0 };

    for (int32_t i = 0; i < CACHE_SLOTS; i++) {
        int32_t want = random_in(&s->c, 0, 2) ? random_in(&s->c, 0, 3) : random_in(&s->c, 0, 40);

        if (want > CACHE_MAX_LEN - s->valid[i])
            want = CACHE_MAX_LEN - s->valid[i];
        if (s->valid[i] + want <= s->room[i] ||
            (random_in(&s->c, 0, 1) && cache_reserve(s, i, s->valid[i] + want)))
            n[i] = want;
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
    len = random_in(&s->c, 0, s->valid[src]);
    s->ops->release(s->self, dst);
    s->valid[dst] = s->room[dst] = 0;
    st = s->ops->share_prefix(s->self, dst, src, len, &err);
    if (st != CG_OK) {
        expect(&s->c, cache_is_nomem(s, st) && err.msg[0],
               "share_prefix(%d, %d, %d): status %d, text '%s'", dst, src, len, st, err.msg);
        return;
    }
    memcpy(s->token[dst], s->token[src], (size_t)len * sizeof **s->token);
    s->valid[dst] = s->room[dst] = len;
    s->shares += len > 0;
}

static const char *random_operation(cache_suite *s)
{
    int32_t slot = random_slot(s);
    cg_error err = CG_ERROR_INIT;

    switch (random_in(&s->c, 0, 9)) {
    case 0:
    case 1:
        (void)cache_reserve(s, slot, random_in(&s->c, 0, CACHE_MAX_LEN));
        return "reserve";
    case 2:
        s->ops->release(s->self, slot);
        s->valid[slot] = s->room[slot] = 0;
        return "release";
    case 3: {
        int32_t len = random_in(&s->c, 0, s->valid[slot]);

        expect(&s->c, s->ops->truncate(s->self, slot, len, &err) == CG_OK,
               "truncate(%d, %d) failed: %s", slot, len, err.msg);
        s->valid[slot] = s->room[slot] = len; /* what was behind may be gone */
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
    memset(s->room, 0, sizeof s->room);
    s->shares = 0;
    cache_check_stats(s, config, "all was released");
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
    checker_begin(&s->c, "nonsense is refused");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cg_error err = CG_ERROR_INIT;
        void *self = NULL;

        expect_refused(&s->c, s->ops->supports(&s->watch.host, &bad[i].config, &err), &err,
                       bad[i].what);
        err = (cg_error)CG_ERROR_INIT;
        expect_refused(&s->c, s->ops->create(&s->watch.host, &bad[i].config, &self, &err), &err,
                       bad[i].what);
        expect(&s->c, self == NULL, "%s: a cache was handed out", bad[i].what);
    }
    expect_clean(&s->c, &s->watch, "refusals");
    checker_end(&s->c);
}

static void check_range(cache_suite *s)
{
    static const int32_t bad_slots[] = { -1, CACHE_SLOTS, INT32_MAX, INT32_MIN };
    static const int32_t bad_lens[] = { -1, CACHE_MAX_LEN + 1, INT32_MAX, INT32_MIN };
    static const int32_t bad_layers[] = { -1, CACHE_LAYERS, INT32_MAX, INT32_MIN };
    cg_cache_config config = cache_config(s);
    int32_t some[CACHE_SLOTS] = { 20, 0, 33, 0, 0 };

    checker_begin(&s->c, "what is out of range is refused");
    if (cache_create(s, &config) && cache_reserve(s, 0, 20) && cache_reserve(s, 2, 33)) {
        cache_append_all(s, some);
        for (int32_t i = 0; i < 4; i++) {
            cg_error err = CG_ERROR_INIT;
            cg_kv_view view;

            expect_refused(&s->c, s->ops->reserve(s->self, bad_slots[i], 1, &err), &err,
                           "reserve() in no slot");
            expect_refused(&s->c, s->ops->reserve(s->self, 0, bad_lens[i], &err), &err,
                           "reserve() of no length");
            expect_refused(&s->c, s->ops->truncate(s->self, bad_slots[i], 0, &err), &err,
                           "truncate() of no slot");
            expect_refused(&s->c, s->ops->truncate(s->self, 0, bad_lens[i], &err), &err,
                           "truncate() to no length");
            expect_refused(&s->c, s->ops->share_prefix(s->self, bad_slots[i], 0, 1, &err), &err,
                           "share_prefix() with no slot");
            expect_refused(&s->c, s->ops->share_prefix(s->self, 1, bad_slots[i], 1, &err), &err,
                           "share_prefix() of no slot");
            expect_refused(&s->c, s->ops->share_prefix(s->self, 1, 0, bad_lens[i], &err), &err,
                           "share_prefix() of no length");
            expect_refused(&s->c, s->ops->view(s->self, bad_layers[i], &view, &err), &err,
                           "view() of no layer");
            s->ops->release(s->self, bad_slots[i]); /* has no status: must do nothing */
        }
        cache_check_content(s, "refusals");
        cache_check_stats(s, &config, "refusals");
    }
    s->ops->destroy(s->self);
    expect_clean(&s->c, &s->watch, "destroy()");
    checker_end(&s->c);
}

static void check_random(cache_suite *s)
{
    cg_cache_config config = cache_config(s);

    checker_begin(&s->c, "content after random operations");
    for (int32_t round = 0; round < checker_rounds(&s->c, 6) && !s->c.lost; round++) {
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
        expect_clean(&s->c, &s->watch, "destroy()");
    }
    checker_end(&s->c);
}

/* Bytes that one token of one slot takes at least. */
static int64_t token_bytes(const cache_suite *s)
{
    return (int64_t)CACHE_LAYERS * 2 * CACHE_HEADS * (int64_t)cache_row_bytes(s);
}

/* Less memory than all slots want: what fails leaves what was there. */
static void check_bound(cache_suite *s)
{
    checker_begin(&s->c, "the bound of memory is kept");
    for (int32_t round = 0; round < checker_rounds(&s->c, 8) && !s->c.lost; round++) {
        cg_cache_config config = cache_config(s);
        cg_error err = CG_ERROR_INIT;
        cg_status st;

        config.max_bytes = token_bytes(s) * random_in(&s->c, 16, CACHE_SLOTS * CACHE_MAX_LEN);
        cache_model_clear(s);
        s->self = NULL;
        st = s->ops->create(&s->watch.host, &config, &s->self, &err);
        if (st != CG_OK) { /* so little that there is no beginning */
            expect(&s->c, cache_is_nomem(s, st) && err.msg[0] && !s->self,
                   "create() within %lld bytes: status %d, text '%s'", (long long)config.max_bytes,
                   st, err.msg);
            continue;
        }
        for (int32_t i = 0; i < 80; i++) {
            const char *after = random_operation(s);

            cache_check_stats(s, &config, after);
            if (!cache_check_content(s, after))
                break;
        }
        s->ops->destroy(s->self);
        expect_clean(&s->c, &s->watch, "destroy()");
    }
    checker_end(&s->c);
}

static void check_no_memory(cache_suite *s)
{
    cg_cache_config config = cache_config(s);
    int32_t some[CACHE_SLOTS] = { 9, 9, 9, 9, 9 };

    checker_begin(&s->c, "create() and reserve() without memory");
    s->ops->destroy(NULL);
    for (int32_t k = 0; k < 100 && !s->c.lost; k++) {
        cg_error err = CG_ERROR_INIT;
        cg_status st;
        int met;

        cache_model_clear(s);
        s->self = NULL;
        atomic_store(&s->watch.until_failure, k);
        st = s->ops->create(&s->watch.host, &config, &s->self, &err);
        if (st != CG_OK) {
            expect(&s->c, cache_is_nomem(s, st) && err.msg[0] && !s->self,
                   "allocation %d failed: status %d, text '%s'", k, st, err.msg);
        } else {
            for (int32_t i = 0; i < CACHE_SLOTS; i++)
                some[i] = cache_reserve(s, i, 9 + 30 * i) ? 9 : 0;
            cache_append_all(s, some);
            (void)cache_reserve(s, 0, CACHE_MAX_LEN);
            cache_check_content(s, "an allocation failed");
            s->ops->destroy(s->self);
        }
        met = atomic_exchange(&s->watch.until_failure, -1) < 0;
        expect_clean(&s->c, &s->watch, "a failed allocation");
        if (!met)
            break;
    }
    checker_end(&s->c);
}

/* ---- suite --------------------------------------------------------------------------------- */

/* All checks for one type of the cache and head size. */
static void check_all(cache_suite *s)
{
    check_range(s);
    check_random(s);
    check_bound(s);
    if (!s->c.lost)
        check_no_memory(s);
    if (s->gpu && !s->c.lost)
        cache_check_captured_append(s);
}

/* f32 is all that the CPU is asked for. */
static void run_on_cpu(cache_suite *s)
{
    cg_cache_config config;
    cg_error err = CG_ERROR_INIT;
    cg_status st;

    s->dtype = CG_F32;
    s->dim = 8;
    config = cache_config(s);
    check_refusals(s);
    st = s->ops->supports(&s->watch.host, &config, &err);
    if (st != CG_OK) {
        checker_begin(&s->c, "f32 on the CPU");
        expect_refused(&s->c, st, &err, "f32 on the CPU");
        expect(&s->c, 0, "is not served, and nothing else is tried: %s", err.msg);
        checker_end(&s->c);
        return;
    }
    check_all(s);
}

static void run_on_gpu(cache_suite *s)
{
    static const cg_dtype types[] = { CG_BF16, CG_F16, CG_F32 };
    int32_t served = 0, first = 1;

    for (int i = 0; i < 6 && !s->c.lost; i++) {
        cg_error err = CG_ERROR_INIT;
        cg_cache_config config;
        cg_status st;
        char name[64];

        s->dtype = types[i % 3];
        s->dim = i < 3 ? 64 : 8;
        config = cache_config(s);
        st = s->ops->supports(&s->watch.host, &config, &err);
        snprintf(name, sizeof name, "%s, heads of %d", cg_dtype_name(s->dtype), s->dim);
        checker_begin(&s->c, name);
        if (st != CG_OK) {
            expect_refused(&s->c, st, &err, name);
            expect(&s->c, st == CG_ERR_UNSUPPORTED, "%s: refused with status %d, wanted %d", name,
                   st, CG_ERR_UNSUPPORTED);
        } else {
            expect(&s->c, 1, "%s", name);
        }
        checker_end(&s->c);
        if (st != CG_OK)
            continue;
        served++;
        if (first)
            check_refusals(s);
        check_all(s);
        if (first && !s->c.lost)
            cache_check_device_memory(s);
        first = 0;
    }
    checker_begin(&s->c, "something is served");
    expect(&s->c, served > 0, "neither bf16, f16 nor f32 is served");
    checker_end(&s->c);
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
    checker_init(&s->c, options);
    watch_host_init(&s->watch, host);
    if (s->gpu)
        run_on_gpu(s);
    else
        run_on_cpu(s);
    failures = s->c.failures;
    free(s->copy[0]);
    free(s->copy[1]);
    free(s->table);
    free(s);
    return failures;
}
