/* SPDX-License-Identifier: MIT */
#include "test_case.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- verdicts ------------------------------------------------------------------------------ */

void checker_init(checker *c, const cg_conformance_options *options)
{
    memset(c, 0, sizeof *c);
    c->options = options;
    c->random = options->seed;
}

void checker_begin(checker *c, const char *check)
{
    c->check = check;
    c->cases = c->bad = 0;
    c->detail[0] = '\0';
}

void checker_end(checker *c)
{
    char text[sizeof c->detail + 64];

    if (c->cases == 0) /* nothing was tried: the plugin serves none of it */
        snprintf(text, sizeof text, "no case: nothing of this is supported");
    else if (c->bad)
        snprintf(text, sizeof text, "%d of %d cases: %s", c->bad, c->cases, c->detail);
    else
        snprintf(text, sizeof text, "%d cases", c->cases);
    c->failures += c->bad > 0;
    if (c->options->report)
        c->options->report(c->options->ctx, c->bad == 0, c->check, text);
}

int expect(checker *c, int ok, const char *fmt, ...)
{
    va_list ap;

    c->cases++;
    if (ok)
        return 1;
    if (c->bad++ == 0) {
        va_start(ap, fmt);
        vsnprintf(c->detail, sizeof c->detail, fmt, ap);
        va_end(ap);
    }
    return 0;
}

int expect_refused(checker *c, cg_status st, const cg_error *err, const char *what)
{
    return expect(c, st != CG_OK, "%s was accepted", what) &&
           expect(c, err->msg[0] != '\0', "%s was refused (%d) without a text", what, st) &&
           expect(c, err->code == st, "%s: status %d, but the record says %d", what, st, err->code);
}

int32_t checker_rounds(const checker *c, int32_t standard)
{
    return c->options->rounds > 0 ? c->options->rounds : standard;
}

/* ---- random numbers ------------------------------------------------------------------------ */

/* splitmix64 (Steele, Lea and Flood 2014) */
uint64_t random_u64(checker *c)
{
    uint64_t z = c->random += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

int32_t random_in(checker *c, int32_t lo, int32_t hi)
{
    return lo + (int32_t)(random_u64(c) % ((uint64_t)(hi - lo) + 1));
}

float random_normal(checker *c)
{
    uint64_t a = random_u64(c), b = random_u64(c);
    int32_t sum = 0; /* of 8 uniform numbers in [0, 2^16): variance 8 / 12 * 2^32 */

    for (int i = 0; i < 64; i += 16)
        sum += (int32_t)(a >> i & 0xffff) + (int32_t)(b >> i & 0xffff);
    return (float)(sum - 4 * 0xffff) * (0x1p-16f * sqrtf(12.0f / 8.0f));
}

/* ---- memory with guards -------------------------------------------------------------------- */

/* In front of the guard: where the allocation begins and how long it is. */
struct guarded {
    void *start;
    size_t bytes;
};

enum { GUARD_BYTE = 0xc3, FILL_BYTE = 0xff };

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
    memset(p, FILL_BYTE, bytes);
    memset(p + bytes, GUARD_BYTE, GUARD);
    return p;
}

int guarded_intact(const void *ptr)
{
    const unsigned char *p = ptr;
    struct guarded g;

    memcpy(&g, p - GUARD - sizeof g, sizeof g);
    for (size_t i = 0; i < GUARD; i++)
        if (p[i - GUARD] != GUARD_BYTE || p[g.bytes + i] != GUARD_BYTE)
            return 0;
    return 1;
}

void guarded_free(void *ptr)
{
    struct guarded g;

    if (!ptr)
        return;
    memcpy(&g, (char *)ptr - GUARD - sizeof g, sizeof g);
    memset(ptr, FILL_BYTE, g.bytes); /* use after free reads NaN */
    free(g.start);
}

/* ---- a host that watches ------------------------------------------------------------------- */

static void *watch_alloc(void *ctx, size_t bytes)
{
    watch_host *w = ctx;
    void *p = NULL;

    if (atomic_load(&w->until_failure) < 0 || atomic_fetch_sub(&w->until_failure, 1) > 0)
        p = guarded_alloc(bytes, 64);
    else
        atomic_store(&w->until_failure, -1); /* just this one */
    if (p)
        atomic_fetch_add(&w->live, 1);
    return p;
}

static void watch_free(void *ctx, void *ptr)
{
    watch_host *w = ctx;

    if (!ptr)
        return;
    if (!guarded_intact(ptr))
        atomic_fetch_add(&w->overwritten, 1);
    atomic_fetch_sub(&w->live, 1);
    guarded_free(ptr);
}

static void watch_log(void *ctx, int32_t level, const char *text)
{
    watch_host *w = ctx;

    w->base->log(w->base->ctx, level, text);
}

static void watch_parallel_for(void *ctx, int64_t n, cg_host_loop_fn fn, void *arg)
{
    watch_host *w = ctx;

    if (!w->scramble) {
        w->base->parallel_for(w->base->ctx, n, fn, arg);
        return;
    }
    for (int64_t i = n - 1; i >= 0; i--)
        fn(arg, i, (int32_t)((uint64_t)i * 7 % (uint64_t)w->host.workers));
}

void watch_host_init(watch_host *w, const cg_host *base)
{
    memset(w, 0, sizeof *w);
    w->base = base;
    w->host = (cg_host) {
        CG_SIZED(cg_host),
        .workers = base->workers,
        .ctx = w,
        .alloc = watch_alloc,
        .free = watch_free,
        .log = watch_log,
        .parallel_for = watch_parallel_for,
        .fail = base->fail,
    };
    atomic_store(&w->until_failure, -1);
}

void expect_clean(checker *c, watch_host *w, const char *what)
{
    expect(c, atomic_load(&w->live) == 0, "%s: %d allocations were not given back", what,
           atomic_load(&w->live));
    expect(c, atomic_load(&w->overwritten) == 0, "%s: wrote outside of %d allocations", what,
           atomic_load(&w->overwritten));
}
