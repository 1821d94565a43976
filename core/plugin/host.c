/* SPDX-License-Identifier: MIT */
#include "plugin/host.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/error.h"
#include "base/size.h"

enum {
    ALIGN = 64,
    LOG_LINE = 1280,
    /* Blocks of at least HUGE_FROM bytes use huge pages: a decode step streams through the whole
     * cache, and with 4 KiB pages it would miss the TLB for every head of every block. */
    HUGE_PAGE = 2 << 20,
    HUGE_FROM = 4 * HUGE_PAGE,
};

static void *host_alloc(void *ctx, size_t bytes)
{
    size_t align = bytes >= HUGE_FROM ? HUGE_PAGE : ALIGN;
    size_t rounded;
    void *p;

    (void)ctx;
    if (bytes == 0)
        bytes = 1;
    if (cg_add(bytes, align - 1, &rounded))
        return NULL;
    rounded &= ~(align - 1);
    p = aligned_alloc(align, rounded);
#ifdef MADV_HUGEPAGE
    if (p && align == HUGE_PAGE)
        (void)madvise(p, rounded, MADV_HUGEPAGE); /* only advice: failure is harmless */
#endif
    return p;
}

static void host_free(void *ctx, void *ptr)
{
    (void)ctx;
    free(ptr);
}

static void host_log(void *ctx, int32_t level, const char *text)
{
    cg_plugin_host *h = ctx;

    if (h->log && level <= h->log_level)
        h->log(h->log_ctx, level, text);
}

static void host_parallel_for(void *ctx, int64_t n, cg_host_loop_fn fn, void *arg)
{
    cg_plugin_host *h = ctx;

    if (h->team) {
        cg_team_loop(h->team, n, fn, arg);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        fn(arg, i, 0);
}

static const void *host_query(void *ctx, const char *name)
{
    (void)ctx;
    return !strcmp(name, CG_HOST_RELEASE) ? CG_VERSION_STRING : NULL;
}

void cg_host_log(const cg_host *host, int32_t level, const char *fmt, ...)
{
    char text[LOG_LINE];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    host->log(host->ctx, level, text);
}

void cg_plugin_host_init(cg_plugin_host *ret_host, cg_team *team, cg_log_fn log, void *log_ctx,
                         int32_t log_level)
{
    memset(ret_host, 0, sizeof *ret_host);
    ret_host->host = (cg_host) {
        CG_SIZED(cg_host),
        .workers = team ? cg_team_size(team) : 1,
        .ctx = ret_host,
        .alloc = host_alloc,
        .free = host_free,
        .log = host_log,
        .parallel_for = host_parallel_for,
        .fail = cg_fail,
        .abi_minor = CG_PLUGIN_ABI_MINOR,
        .query = host_query,
    };
    ret_host->team = team;
    ret_host->log = log;
    ret_host->log_ctx = log_ctx;
    ret_host->log_level = log_level;
}
