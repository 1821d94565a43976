/* SPDX-License-Identifier: MIT */
#include "test_case.h"

#include <malloc.h>
#include <math.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call_watch.h"

/* ---- verdicts ------------------------------------------------------------------------------ */

void test_recorder_init(test_recorder *rec, const cg_conformance_options *options)
{
    memset(rec, 0, sizeof *rec);
    rec->options = options;
    rec->random = options->seed;
}

static int is_selected(const cg_conformance_options *o, const char *check)
{
    int32_t i = 0;

    while (i < o->n_only && !strstr(check, o->only[i]))
        i++;
    return i < o->n_only || o->n_only == 0;
}

int test_begin(test_recorder *rec, const char *check)
{
    const cg_conformance_options *o = rec->options;
    int32_t index = rec->begun++;

    if (!is_selected(o, check)) {
        if (o->leave_out)
            o->leave_out(o->ctx, check);
        return 0;
    }
    if (index < o->first_check || (o->max_checks && rec->run == o->max_checks))
        return 0;
    rec->run++;
    if (o->begin)
        o->begin(o->ctx, index, check);
    rec->random = o->seed;
    for (const char *c = check; *c; c++) /* FNV-1a */
        rec->random = (rec->random ^ (unsigned char)*c) * 0x100000001b3u;
    rec->check = check;
    rec->cases = rec->bad = 0;
    rec->detail[0] = '\0';
    rec->before = process_state_create();
    clock_gettime(CLOCK_MONOTONIC, &rec->began);
    return 1;
}

/* Adds what the calls of the plugin did to the process during the check. */
static void expect_process_as_before(test_recorder *rec)
{
    /* libraries of a GPU keep descriptors and threads, and set variables */
    const uint32_t parts = rec->options->gpu ? 0 : PROCESS_ALL;
    /* the first check answers for the calls that found out whether the device is supported */
    const process_state *before =
        rec->run == 1 && rec->options->before_calls ? rec->options->before_calls : rec->before;
    char text[512];

    if (call_watch_take_fault(text, sizeof text))
        expect(rec, 0, "%s", text);
    if (process_state_changed(before, parts, text, sizeof text))
        expect(rec, 0, "a call leaves the process changed: %s", text);
}

static double seconds_since(const struct timespec *then)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - then->tv_sec) + 1e-9 * (double)(now.tv_nsec - then->tv_nsec);
}

void test_end(test_recorder *rec)
{
    char text[sizeof rec->detail + 64];

    expect_process_as_before(rec);
    process_state_destroy(rec->before);
    rec->before = NULL;
    if (rec->cases == 0 && rec->detail[0])
        snprintf(text, sizeof text, "0 cases: %s", rec->detail);
    else if (rec->cases == 0)
        snprintf(text, sizeof text, "0 cases: none of the problems is supported");
    else if (rec->bad)
        snprintf(text, sizeof text, "%d of %d cases: %s", rec->bad, rec->cases, rec->detail);
    else
        snprintf(text, sizeof text, "%d cases", rec->cases);
    rec->failures += rec->bad > 0;
    if (rec->options->report)
        rec->options->report(rec->options->ctx, &(cg_conformance_verdict) {
                                                    .passed = rec->bad == 0,
                                                    .check = rec->check,
                                                    .device = rec->options->device,
                                                    .detail = text,
                                                    .seconds = seconds_since(&rec->began),
                                                });
}

int expect(test_recorder *rec, int ok, const char *fmt, ...)
{
    va_list ap;

    rec->cases++;
    if (ok)
        return 1;
    if (rec->bad++ == 0) {
        va_start(ap, fmt);
        vsnprintf(rec->detail, sizeof rec->detail, fmt, ap);
        va_end(ap);
    }
    return 0;
}

void test_note(test_recorder *rec, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(rec->detail, sizeof rec->detail, fmt, ap);
    va_end(ap);
}

int expect_refused(test_recorder *rec, cg_status st, const cg_error *err, const char *what)
{
    return expect(rec, st != CG_OK, "%s was accepted", what) &&
           expect(rec, err->msg[0] != '\0', "%s was refused (%d) without a text", what, st) &&
           expect(rec, err->code == st, "%s: status %d, but err->code is %d", what, st, err->code);
}

int test_size_is_sane(test_recorder *rec, size_t bytes, const char *what)
{
    return expect(rec, bytes <= CASE_MAX_BYTES, "%s is %zu bytes, wanted at most %zu for this case",
                  what, bytes, CASE_MAX_BYTES);
}

int32_t test_rounds(const test_recorder *rec, int32_t standard)
{
    return rec->options->rounds > 0 ? rec->options->rounds : standard;
}

/* ---- random numbers ------------------------------------------------------------------------ */

/* splitmix64 (Steele, Lea and Flood 2014) */
uint64_t random_u64(test_recorder *rec)
{
    uint64_t z = rec->random += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

int32_t random_in(test_recorder *rec, int32_t lo, int32_t hi)
{
    return lo + (int32_t)(random_u64(rec) % ((uint64_t)(hi - lo) + 1));
}

float random_normal(test_recorder *rec)
{
    uint64_t a = random_u64(rec), b = random_u64(rec);
    int32_t sum = 0; /* of 8 uniform numbers in [0, 2^16): variance 8 / 12 * 2^32 */

    for (int i = 0; i < 64; i += 16)
        sum += (int32_t)(a >> i & 0xffff) + (int32_t)(b >> i & 0xffff);
    return (float)(sum - 4 * 0xffff) * (0x1p-16f * sqrtf(12.0f / 8.0f));
}

/* ---- guarded memory ------------------------------------------------------------------------ */

/* Header of a guarded allocation: header, guard, bytes, guard. */
struct guarded {
    void *start; /* of the allocation */
    size_t bytes;
};

enum {
    GUARD_BYTE = 0xc3,
    FILL_BYTE = 0xff,
    FILL_MAX = 256 << 20, /* the rest of a huge block takes no memory until it is used */
};

void *guarded_alloc(size_t bytes, size_t align)
{
    struct guarded g = { NULL, bytes };
    size_t head = sizeof g + GUARD, skip;
    char *p;

    if (bytes > SIZE_MAX / 2)
        return NULL;
    g.start = malloc(head + align + bytes + GUARD);
    if (!g.start)
        return NULL;
    skip = ((uintptr_t)g.start + head + align - 1) / align * align - (uintptr_t)g.start;
    p = (char *)g.start + skip;
    memcpy(p - head, &g, sizeof g);
    memset(p - GUARD, GUARD_BYTE, GUARD);
    memset(p, FILL_BYTE, bytes < FILL_MAX ? bytes : FILL_MAX);
    memset(p + bytes, GUARD_BYTE, GUARD);
    return p;
}

size_t guarded_bytes(const void *ptr)
{
    struct guarded g;

    memcpy(&g, (const char *)ptr - GUARD - sizeof g, sizeof g);
    return g.bytes;
}

int guarded_intact(const void *ptr)
{
    const unsigned char *p = ptr, *front = p - GUARD;
    struct guarded g;

    memcpy(&g, front - sizeof g, sizeof g);
    for (size_t i = 0; i < GUARD; i++)
        if (front[i] != GUARD_BYTE || p[g.bytes + i] != GUARD_BYTE)
            return 0;
    return 1;
}

void guarded_free(void *ptr)
{
    struct guarded g;

    if (!ptr)
        return;
    memcpy(&g, (char *)ptr - GUARD - sizeof g, sizeof g);
    /* reads after the free see NaN */
    memset(ptr, FILL_BYTE, g.bytes < FILL_MAX ? g.bytes : FILL_MAX);
    free(g.start);
}

/* Bytes that malloc() has handed out to all threads; 0 where that is not known. */
static size_t heap_bytes(void)
{
#ifdef __GLIBC__
    return mallinfo2().uordblks + mallinfo2().hblkhd;
#else
    return 0;
#endif
}

/* Bytes that each of several calls leaves behind. */
static size_t left_bytes(void (*once)(void *ctx), void *ctx)
{
    enum { N = 8 };
    size_t before = heap_bytes(), after;

    for (int i = 0; i < N; i++)
        once(ctx);
    after = heap_bytes();
    return after > before ? (after - before) / N : 0;
}

void expect_heap_kept(test_recorder *rec, const char *what, void (*once)(void *ctx), void *ctx)
{
    enum { ROUNDS = 16, NEGLIGIBLE = 16 };
    size_t left = left_bytes(once, ctx);

    /* glibc counts a thread's arena (2,912 bytes) at that thread's first malloc(): with a pool that
     * may be in any round. A leak is in each. */
    for (int i = 0; i < ROUNDS && left; i++) {
        left = left_bytes(once, ctx);
        if (left < NEGLIGIBLE)
            break;
    }
    expect(rec, left < NEGLIGIBLE, "each %s leaves %zu bytes of malloc() behind", what, left);
}

/* ---- instrumented host --------------------------------------------------------------------- */

static void *counted_alloc(void *ctx, size_t bytes)
{
    test_host *h = ctx;
    void *p = NULL;

    call_watch_note(CALL_NO_HOST_MEMORY, "calls cg_host.alloc()");
    if (atomic_load(&h->until_failure) < 0 || atomic_fetch_sub(&h->until_failure, 1) > 0)
        p = guarded_alloc(bytes, 64);
    else
        /* until_failure 0: fail this allocation, then stop injecting failures */
        atomic_store(&h->until_failure, -1);
    if (!p)
        atomic_fetch_add(&h->n_failed, 1);
    if (p) {
        atomic_fetch_add(&h->live, 1);
        atomic_fetch_add(&h->live_bytes, (long long)bytes);
    }
    return p;
}

static void counted_free(void *ctx, void *ptr)
{
    test_host *h = ctx;

    if (!ptr)
        return;
    if (!guarded_intact(ptr))
        atomic_fetch_add(&h->overwritten, 1);
    atomic_fetch_sub(&h->live, 1);
    atomic_fetch_sub(&h->live_bytes, (long long)guarded_bytes(ptr));
    guarded_free(ptr);
}

static void forward_log(void *ctx, int32_t level, const char *text)
{
    test_host *h = ctx;

    h->base->log(h->base->ctx, level, text);
}

static const void *forward_query(void *ctx, const char *name)
{
    test_host *h = ctx;

    return CG_HAS(h->base, query) ? h->base->query(h->base->ctx, name) : NULL;
}

/* A loop of the plugin, and the call that it is part of. */
struct watched_loop {
    call_watch caller;
    cg_host_loop_fn fn;
    void *arg;
    test_host *host;
    int32_t shift; /* of the workers, from loop to loop */
};

static void run_item(void *arg, int64_t i, int32_t worker)
{
    const struct watched_loop *loop = arg;

    call_watch_item(&loop->caller, loop->fn, loop->arg, i, worker);
}

/* Runs an item as a worker that is free. Neighbours, which run at once, are half of the workers or
 * 32, 16 or 8 apart: those that share what each should have for itself meet. */
static void run_item_as_another(void *arg, int64_t i, int32_t worker)
{
    const struct watched_loop *loop = arg;
    test_host *h = loop->host;
    int32_t n = h->host.workers, apart = 64 >> loop->shift % 4;
    int32_t w = (int32_t)((i % 2 * (apart < n ? apart : n / 2) + i / 2 + loop->shift) % n);

    (void)worker;
    while (atomic_flag_test_and_set(&h->is_busy[w])) {
        w = (w + 1) % n;
        sched_yield();
    }
    run_item(arg, i, w);
    atomic_flag_clear(&h->is_busy[w]);
}

static void run_loop(void *ctx, int64_t n, cg_host_loop_fn fn, void *arg)
{
    test_host *h = ctx;
    struct watched_loop loop = { call_watch_current(), fn, arg, h, 0 };
    int is_nested = call_watch_note(CALL_NO_LOOPS, "calls cg_host.parallel_for()");

    if (!is_nested && !h->reverse_loops && h->host.workers != h->base->workers) {
        loop.shift = h->n_loops++;
        h->base->parallel_for(h->base->ctx, n, run_item_as_another, &loop);
        return;
    }
    if (!is_nested && !h->reverse_loops) {
        h->base->parallel_for(h->base->ctx, n, run_item, &loop);
        return;
    }
    for (int64_t i = n - 1; i >= 0; i--)
        run_item(&loop, i, (int32_t)((uint64_t)i * 7 % (uint64_t)h->host.workers));
}

void test_host_init(test_host *h, const cg_host *base)
{
    memset(h, 0, sizeof *h);
    h->base = base;
    h->host = (cg_host) {
        CG_SIZED(cg_host),        .workers = base->workers, .ctx = h,
        .alloc = counted_alloc,   .free = counted_free,     .log = forward_log,
        .parallel_for = run_loop, .fail = base->fail,       .abi_minor = cg_host_abi_minor(base),
        .query = forward_query,
    };
    atomic_store(&h->until_failure, -1);
}

void expect_all_freed(test_recorder *rec, test_host *h, const char *what)
{
    expect(rec, atomic_load(&h->live) == 0, "%s: %d allocations not freed", what,
           atomic_load(&h->live));
    expect(rec, atomic_load(&h->overwritten) == 0, "%s: writes outside of %d allocations", what,
           atomic_load(&h->overwritten));
}
