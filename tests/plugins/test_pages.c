/* SPDX-License-Identifier: MIT */
/*
 * The bookkeeping of the paged cache over a pool that behaves as a GPU's: the page table of views
 * is separate from the host's, memory is committed in granules and may run out before n_pages.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache_checks.h"
#include "conformance/conformance.h"
#include "paged.h"
#include "base/error.h"
#include "plugin/host.h"

static cg_plugin_host host;
static char failed_checks[2048];

/* Settings of the next pools, and a record of their calls. */
static struct {
    int32_t granule;   /* pages committed together */
    int32_t memory;    /* pages that memory suffices for */
    int32_t skip;      /* every n-th publish() is skipped; 0: none is */
    int64_t ahead_max; /* of the pool */
    int failing;       /* publish() fails */
    int defers;        /* the pool copies and publishes many pages at once */
    int32_t n_publish, n_commit, n_copies;
    int32_t committed[32]; /* arguments of commit() */
    cg_page_pool *pool;
    /* of a pool whose appends run later than their calls */
    int32_t lag; /* calls of track() and set_epoch() that wait */
    int32_t n_queued;
    struct queued {
        int32_t slot, pos, epoch; /* pos < 0: set_epoch() */
    } queue[4096];
    uint64_t *progress;
    int32_t *epoch;
} device;

/* Runs the oldest queued calls until only `left` wait. */
static void run_device(int32_t left)
{
    int32_t n = device.n_queued - left, i = 0;

    for (; i < n; i++) {
        struct queued *q = &device.queue[i];

        if (q->pos < 0)
            device.epoch[q->slot] = q->epoch;
        else
            device.progress[q->slot] =
                (uint64_t)(uint32_t)device.epoch[q->slot] << 32 | (uint32_t)q->pos;
    }
    memmove(device.queue, device.queue + i, (size_t)(device.n_queued - i) * sizeof *device.queue);
    device.n_queued -= i;
}

static void queue(struct queued q)
{
    ck_assert_int_lt(device.n_queued, 4096);
    device.queue[device.n_queued++] = q;
}

static void set_device(int32_t granule, int32_t memory)
{
    memset(&device, 0, sizeof device);
    device.granule = granule;
    device.memory = memory;
}

static cg_status pool_create(cg_page_pool *pool, cg_error *err)
{
    char *memory;

    (void)err;
    pool->plane_stride = pool->page_bytes * pool->n_pages;
    pool->ahead_max = device.ahead_max;
    /* One page more in front: page -1, which a stale table refers to. */
    memory = malloc((size_t)(pool->plane_stride * pool->n_planes + pool->page_bytes));
    pool->view_table = malloc((size_t)pool->n_entries * sizeof *pool->view_table);
    ck_assert(memory && pool->view_table);
    pool->base = memory + pool->page_bytes;
    if (pool->plane_stride * pool->n_planes <= 1 << 30) /* else more than this machine may have */
        memset(pool->base, 0x7f, (size_t)(pool->plane_stride * pool->n_planes));
    memset(pool->view_table, 0xff, (size_t)pool->n_entries * sizeof *pool->view_table);
    device.pool = pool;
    if (pool->ops->track && pool->config->window) {
        device.progress = calloc((size_t)pool->config->n_slots, sizeof *device.progress);
        device.epoch = calloc((size_t)pool->config->n_slots, sizeof *device.epoch);
        ck_assert(device.progress && device.epoch);
        device.n_queued = 0;
        pool->progress = device.progress;
    }
    return CG_OK;
}

static void pool_destroy(cg_page_pool *pool)
{
    if (pool->progress) {
        free(device.progress);
        free(device.epoch);
        device.progress = NULL;
        device.epoch = NULL;
    }
    if (pool->base)
        free(pool->base - pool->page_bytes);
    free(pool->view_table);
}

static cg_status pool_commit(cg_page_pool *pool, int32_t pages, cg_error *err)
{
    int32_t n = (pages + device.granule - 1) / device.granule * device.granule;

    ck_assert_int_gt(pages, pool->n_committed);
    ck_assert_int_le(pages, pool->n_pages);
    if (device.n_commit < 32)
        device.committed[device.n_commit++] = pages;
    if (pages > device.memory)
        return cg_fail(err, CG_ERR_NOMEM, "no memory for %d pages", pages);
    pool->n_committed = n < pool->n_pages ? n : pool->n_pages;
    pool->bytes = pool->n_committed * pool->page_bytes * pool->n_planes;
    return CG_OK;
}

static cg_status pool_publish(cg_page_pool *pool, int64_t first, int32_t n, cg_error *err)
{
    ck_assert_int_ge(first, 0);
    ck_assert_int_gt(n, 0);
    ck_assert_int_le(first + n, pool->n_entries);
    device.n_publish++;
    if (device.failing)
        return cg_fail(err, CG_ERR_CUDA, "the device is lost");
    if (!device.skip || device.n_publish % device.skip)
        memcpy(pool->view_table + first, pool->host_table + first,
               (size_t)n * sizeof *pool->view_table);
    return CG_OK;
}

/* In any order: here the last one first. */
static cg_status pool_copy_pages(cg_page_pool *pool, const cg_page_part *part,
                                 const cg_page_copy *copies, int32_t n, cg_error *err)
{
    (void)err;
    for (int32_t i = n - 1; i >= 0; i--) {
        for (int32_t other = 0; other < n; other++)
            ck_assert(other == i ||
                      (copies[other].to != copies[i].to && copies[other].from != copies[i].to));
        for (int64_t row = 0; row < part->n_planes * part->n_rows; row++) {
            char *at = pool->base + row / part->n_rows * pool->plane_stride + part->offset +
                       row % part->n_rows * pool->page_tokens * part->token_bytes;

            memcpy(at + copies[i].to * pool->page_bytes, at + copies[i].from * pool->page_bytes,
                   (size_t)(copies[i].n_tokens * part->token_bytes));
        }
    }
    device.n_copies += n;
    return CG_OK;
}

static cg_status pool_publish_entries(cg_page_pool *pool, const int32_t *entry, int32_t n,
                                      cg_error *err)
{
    device.n_publish++;
    if (device.failing)
        return cg_fail(err, CG_ERR_CUDA, "the device is lost");
    for (int32_t i = 0; i < n; i++) {
        ck_assert(entry[i] >= 0 && entry[i] < pool->n_entries);
        pool->view_table[entry[i]] = pool->host_table[entry[i]];
    }
    return CG_OK;
}

/* The least new position of each slot. */
static cg_status pool_track(cg_page_pool *pool, const cg_cache_append *args, cg_error *err)
{
    (void)err;
    for (int32_t slot = 0; slot < pool->config->n_slots; slot++) {
        int32_t least = INT32_MAX;

        for (int32_t i = 0; i < args->n_tokens; i++)
            if (args->slot[i] == slot && args->pos[i] < least)
                least = args->pos[i];
        if (least != INT32_MAX)
            queue((struct queued) { .slot = slot, .pos = least });
    }
    run_device(device.n_queued < device.lag ? device.n_queued : device.lag);
    return CG_OK;
}

static cg_status pool_set_epoch(cg_page_pool *pool, int32_t slot, int32_t epoch, cg_error *err)
{
    (void)err;
    ck_assert(slot >= 0 && slot < pool->config->n_slots);
    queue((struct queued) { .slot = slot, .pos = -1, .epoch = epoch });
    run_device(device.n_queued < device.lag ? device.n_queued : device.lag);
    return CG_OK;
}

static const cg_page_pool_ops pool_ops = {
    .nomem = CG_ERR_NOMEM,
    .create = pool_create,
    .destroy = pool_destroy,
    .commit = pool_commit,
    .publish = pool_publish,
};

static const cg_page_pool_ops deferring_pool_ops = {
    .nomem = CG_ERR_NOMEM,
    .create = pool_create,
    .destroy = pool_destroy,
    .commit = pool_commit,
    .publish = pool_publish,
    .copy_pages = pool_copy_pages,
    .publish_entries = pool_publish_entries,
};

static const cg_page_pool_ops late_pool_ops = {
    .nomem = CG_ERR_NOMEM,
    .create = pool_create,
    .destroy = pool_destroy,
    .commit = pool_commit,
    .publish = pool_publish,
    .track = pool_track,
    .set_epoch = pool_set_epoch,
};

static cg_status create(const cg_host *h, const cg_cache_config *config, void **ret_self,
                        cg_error *err)
{
    const cg_page_pool_ops *pool = device.lag      ? &late_pool_ops
                                   : device.defers ? &deferring_pool_ops
                                                   : &pool_ops;

    CG_TRY(cg_cache_check_config(h, config, err));
    return cg_paged_create_in(h, config, pool, ret_self, err);
}

static const cg_cache_ops ops = {
    CG_SIZED(cg_cache_ops),
    .paged = 1,
    .supports = cg_cache_check_config,
    .create = create,
    .destroy = cg_paged_destroy,
    .reserve = cg_paged_reserve,
    .append = cg_paged_append,
    .share_prefix = cg_paged_share_prefix,
    .truncate = cg_paged_truncate,
    .release = cg_paged_release,
    .view = cg_paged_view,
    .stats = cg_paged_stats,
    .block_tokens = CG_PAGE_TOKENS,
    .kv_layout = CG_KV_HND,
    .features =
        CG_CACHE_VALUE_SIZE | CG_CACHE_SCALES | CG_CACHE_WINDOW | CG_CACHE_GATHER | CG_CACHE_DEFER,
    .gather = cg_paged_gather,
    .flush = cg_paged_flush,
};

static void record_failure(void *ctx, const cg_conformance_verdict *v)
{
    size_t n = strlen(failed_checks);

    (void)ctx;
    if (!v->passed)
        snprintf(failed_checks + n, sizeof failed_checks - n, "%s: %.200s\n", v->check, v->detail);
}

/* only: NULL for all checks. */
static int32_t conformance(const char *only, int32_t rounds)
{
    cg_conformance_options options = {
        .seed = 5, .rounds = rounds, .report = record_failure, .only = &only, .n_only = only != NULL
    };

    failed_checks[0] = '\0';
    cg_plugin_host_init(&host, NULL, NULL, NULL, 0);
    return cg_conformance_cache(&ops, &host.host, &options);
}

START_TEST(cache_over_other_pools_conforms)
{
    static const int32_t granules[] = { 1, 7, 100 };

    set_device(granules[_i], INT32_MAX);
    ck_assert_msg(conformance(NULL, 4) == 0, "%s", failed_checks);
}
END_TEST

START_TEST(windows_over_late_pools_conform)
{
    static const int32_t lags[] = { 1, 5, 100 };

    set_device(3, INT32_MAX);
    device.lag = lags[_i];
    ck_assert_msg(conformance("sliding window", 30) == 0, "%s", failed_checks);
}
END_TEST

START_TEST(work_that_waits_conforms)
{
    set_device(3, INT32_MAX);
    device.defers = 1;
    ck_assert_msg(conformance("work that waits for flush()", 40) == 0, "%s", failed_checks);
    ck_assert_int_gt(device.n_copies, 100);
}
END_TEST

START_TEST(stale_view_table_is_detected)
{
    set_device(1, 1000);
    device.skip = 7;
    ck_assert_int_gt(conformance(NULL, 4), 0);
}
END_TEST

/* 2 layers, 1 head of 8: a page is 512 bytes per plane, 2048 in all. */
enum { DIM = 8, PAGE_BYTES = 2048 };

static cg_cache_config make_config(int32_t n_slots, int32_t max_len)
{
    return (cg_cache_config) {
        CG_SIZED(cg_cache_config), .device = CG_DEVICE_CPU, .dtype = CG_F32, .n_layers = 2,
        .n_slots = n_slots,        .n_kv_heads = 1,         .head_dim = DIM, .max_len = max_len,
    };
}

static void *open_config(cg_cache_config config)
{
    cg_error err = CG_ERROR_INIT;
    void *self = NULL;

    cg_plugin_host_init(&host, NULL, NULL, NULL, 0);
    ck_assert_msg(create(&host.host, &config, &self, &err) == CG_OK, "%s", err.msg);
    return self;
}

static void *open_cache(int32_t n_slots, int32_t max_len)
{
    return open_config(make_config(n_slots, max_len));
}

/* With a window and sink tokens. */
static void *open_window(int32_t n_slots, int32_t max_len, int32_t window, int32_t sink_tokens)
{
    cg_cache_config config = make_config(n_slots, max_len);

    config.features = CG_CACHE_WINDOW;
    config.window = window;
    config.sink_tokens = sink_tokens;
    return open_config(config);
}

/* Appends tokens [from, end) to a slot in one call per layer; elements are the position. */
static cg_status append(void *self, int32_t slot, int32_t from, int32_t end, cg_error *err)
{
    int32_t n = end - from, *slots = calloc((size_t)n, sizeof *slots);
    int32_t *pos = calloc((size_t)n, sizeof *pos);
    float *x = calloc((size_t)n * DIM, sizeof *x);
    cg_status st = CG_OK;

    ck_assert(slots && pos && x);
    for (int32_t i = 0; i < n; i++) {
        slots[i] = slot;
        pos[i] = from + i;
        for (int32_t d = 0; d < DIM; d++)
            x[i * DIM + d] = (float)pos[i];
    }
    for (int32_t layer = 0; layer < 2 && st == CG_OK; layer++)
        st = cg_paged_append(self, layer,
                             &(cg_cache_append) { CG_SIZED(cg_cache_append), .n_tokens = n,
                                                  .slot = slots, .pos = pos, .k = x, .v = x,
                                                  .k_stride = DIM * sizeof *x,
                                                  .v_stride = DIM * sizeof *x, .dtype = CG_F32 },
                             err);
    free(slots);
    free(pos);
    free(x);
    return st;
}

/* Reserves and appends. */
static void add(void *self, int32_t slot, int32_t from, int32_t end)
{
    cg_error err = CG_ERROR_INIT;

    ck_assert_msg(cg_paged_reserve(self, slot, end, &err) == CG_OK, "%s", err.msg);
    ck_assert_msg(append(self, slot, from, end, &err) == CG_OK, "%s", err.msg);
}

/* Page of a token, of the host's table. */
static int32_t page_of(int32_t slot, int32_t pos)
{
    int64_t stride = device.pool->n_entries / device.pool->config->n_slots;

    return device.pool->host_table[slot * stride + pos / CG_PAGE_TOKENS];
}

/* Checks that tokens [from, end) of a slot are those that were appended for [first, ...). */
static void check_tokens(void *self, int32_t slot, int32_t from, int32_t end, int32_t first)
{
    cg_kv_view v = { CG_SIZED(cg_kv_view) };
    cg_error err = CG_ERROR_INIT;

    for (int32_t layer = 0; layer < 2; layer++) {
        ck_assert_int_eq(cg_paged_view(self, layer, &v, &err), CG_OK);
        v.page_table = device.pool->host_table;
        for (int32_t pos = from; pos < end; pos++) {
            int64_t at = cg_kv_offset(&v, slot, 0, pos);

            ck_assert_float_eq(*(float *)((char *)v.k + at), (float)(first + pos - from));
            ck_assert_float_eq(*(float *)((char *)v.v + at), (float)(first + pos - from));
        }
    }
}

static int64_t pages_used(void *self)
{
    cg_cache_stats st = { CG_SIZED(cg_cache_stats) };

    cg_paged_stats(self, &st);
    ck_assert_int_eq(st.bytes_used % PAGE_BYTES, 0);
    return st.bytes_used / PAGE_BYTES;
}

static void check_published(void)
{
    ck_assert_int_eq(memcmp(device.pool->view_table, device.pool->host_table,
                            (size_t)device.pool->n_entries * sizeof *device.pool->view_table),
                     0);
}

START_TEST(each_call_publishes_once)
{
    cg_error err = CG_ERROR_INIT;
    void *self;

    set_device(1, 1 << 20);
    self = open_cache(4, 4096);
    ck_assert_int_eq(cg_paged_reserve(self, 0, 1000, &err), CG_OK);
    ck_assert_int_eq(device.n_publish, 1);
    ck_assert_int_eq(cg_paged_reserve(self, 0, 1008, &err),
                     CG_OK); /* same pages: nothing to publish */
    ck_assert_int_eq(device.n_publish, 1);
    ck_assert_int_eq(cg_paged_share_prefix(self, 1, 0, 100, &err), CG_OK);
    ck_assert_int_eq(device.n_publish, 2);
    ck_assert_int_eq(cg_paged_share_prefix(self, 2, 1, 0, &err), CG_OK);
    ck_assert_int_eq(device.n_publish, 2);
    ck_assert_int_eq(cg_paged_truncate(self, 1, 90, &err), CG_OK); /* into a shared page */
    ck_assert_int_eq(device.n_publish, 3);
    ck_assert_int_eq(cg_paged_reserve(self, 1, 96, &err), CG_OK); /* copies that page */
    ck_assert_int_eq(device.n_publish, 4);
    check_published();
    cg_paged_release(self, 0);
    ck_assert_int_eq(device.n_publish, 5);
    cg_paged_release(self, 3); /* empty */
    cg_paged_release(self, 4); /* out of range */
    ck_assert_int_eq(device.n_publish, 5);
    check_published();
    cg_paged_destroy(self);
}
END_TEST

START_TEST(growth_uses_the_remaining_memory)
{
    cg_cache_stats st = { CG_SIZED(cg_cache_stats) };
    cg_error err = CG_ERROR_INIT;
    void *self;

    /* The first slab is 2 MiB of a plane: 4096 pages. */
    set_device(1, 5000);
    self = open_cache(64, 16 * 1024);
    ck_assert_int_eq(cg_paged_reserve(self, 0, 16, &err), CG_OK);
    ck_assert_int_eq(device.n_commit, 1);
    ck_assert_int_eq(device.committed[0], 4096);
    for (int32_t slot = 0; slot < 4; slot++)
        ck_assert_int_eq(cg_paged_reserve(self, slot, 16 * 1024, &err), CG_OK);
    ck_assert_int_eq(device.n_commit, 1);
    /* Doubling fails, as does half of that, ...; memory holds 4096 + 904, 4096 + 512 is found. */
    ck_assert_int_eq(cg_paged_reserve(self, 4, 16, &err), CG_OK);
    ck_assert_int_eq(device.committed[1], 8192);
    ck_assert_int_lt(device.committed[device.n_commit - 1], 5000);
    ck_assert_int_gt(device.committed[device.n_commit - 1], 4096 + 400);
    ck_assert_str_eq(err.msg, "");
    cg_paged_stats(self, &st);
    ck_assert_int_eq(st.bytes_allocated, device.committed[device.n_commit - 1] * (int64_t)2048);
    ck_assert_int_eq(st.grown, 2);
    /* More than the memory: the pool's error, and nothing changes. */
    ck_assert_int_eq(cg_paged_reserve(self, 4, 16 * 1024, &err), CG_ERR_NOMEM);
    ck_assert_str_eq(err.msg, "no memory for 5120 pages");
    check_published();
    ck_assert_int_eq(cg_paged_reserve(self, 4, 16 * 900, &err), CG_OK);
    check_published();
    cg_paged_destroy(self);
}
END_TEST

START_TEST(growth_ahead_of_need_is_bounded)
{
    cg_error err = CG_ERROR_INIT;
    void *self;

    set_device(1, 1 << 20);
    device.ahead_max = 2048 * 100; /* 100 pages */
    self = open_cache(64, 16 * 1024);
    ck_assert_int_eq(cg_paged_reserve(self, 0, 1, &err), CG_OK);
    for (int32_t slot = 0; slot < 4; slot++)
        ck_assert_int_eq(cg_paged_reserve(self, slot, 16 * 1024, &err), CG_OK);
    ck_assert_int_eq(cg_paged_reserve(self, 4, 16, &err), CG_OK);
    ck_assert_int_eq(device.committed[1], 4096 + 100);
    ck_assert_int_eq(cg_paged_reserve(self, 5, 16 * 512, &err), CG_OK); /* need exceeds the bound */
    ck_assert_int_eq(device.committed[2], 4096 + 1 + 512);
    cg_paged_destroy(self);
}
END_TEST

START_TEST(tables_stay_consistent_after_device_loss)
{
    cg_cache_stats st = { CG_SIZED(cg_cache_stats) };
    cg_error err = CG_ERROR_INIT;
    void *self;

    set_device(1, 1 << 20);
    self = open_cache(4, 1024);
    ck_assert_int_eq(cg_paged_reserve(self, 0, 100, &err), CG_OK);
    device.failing = 1;
    ck_assert_int_eq(cg_paged_reserve(self, 0, 200, &err), CG_ERR_CUDA);
    ck_assert_str_eq(err.msg, "the device is lost");
    ck_assert_int_eq(cg_paged_share_prefix(self, 1, 0, 100, &err), CG_ERR_CUDA);
    ck_assert_int_eq(cg_paged_truncate(self, 0, 20, &err), CG_ERR_CUDA);
    for (int32_t slot = 0; slot < 4; slot++)
        cg_paged_release(self, slot);
    cg_paged_stats(self, &st);
    ck_assert_int_eq(st.bytes_used, 0);
    ck_assert_int_eq(st.blocks_shared, 0);
    device.failing = 0;
    for (int32_t slot = 0; slot < 4; slot++) /* no page is lost */
        ck_assert_int_eq(cg_paged_reserve(self, slot, 1024, &err), CG_OK);
    check_published();
    cg_paged_destroy(self);
}
END_TEST

/* ---- windows -------------------------------------------------------------------------------- */

START_TEST(pages_behind_the_window_are_given_back)
{
    enum { LEN = 500, WINDOW = 20, SINKS = 5 };
    void *self;

    set_device(1, 1 << 20);
    self = open_window(1, LEN, WINDOW, SINKS);
    for (int32_t pos = 0; pos < LEN; pos++) {
        int32_t first = pos + 1 - WINDOW; /* that the token reads */

        add(self, 0, pos, pos + 1);
        ck_assert_int_le(pages_used(self), 1 + WINDOW / CG_PAGE_TOKENS + 2);
        check_tokens(self, 0, 0, pos < SINKS ? pos : SINKS, 0);
        check_tokens(self, 0, first > 0 ? first : 0, pos + 1, first > 0 ? first : 0);
        for (int32_t old = CG_PAGE_TOKENS; old + CG_PAGE_TOKENS <= first; old += CG_PAGE_TOKENS)
            ck_assert_int_eq(page_of(0, old), -1);
    }
    cg_paged_release(self, 0);
    ck_assert_int_eq(pages_used(self), 0);
    cg_paged_destroy(self);
}
END_TEST

START_TEST(tokens_of_one_append_keep_the_window_of_the_first)
{
    void *self;

    set_device(1, 1 << 20);
    self = open_window(2, 1000, 1, 0);
    add(self, 0, 0, 100);
    add(self, 1, 0, 5);
    check_tokens(self, 0, 0, 100, 0);
    add(self, 0, 100, 400); /* token 100 reads itself alone */
    ck_assert_int_eq(page_of(0, 95), -1);
    check_tokens(self, 0, 96, 400, 96);
    check_tokens(self, 1, 0, 5, 0);
    cg_paged_destroy(self);
}
END_TEST

START_TEST(more_tokens_than_max_bytes_pass_through_a_window)
{
    cg_cache_config config = make_config(1, 4096);
    cg_error err = CG_ERROR_INIT;
    void *self;

    config.max_bytes = 4 * PAGE_BYTES;
    set_device(1, 1 << 20);
    self = open_config(config);
    ck_assert_int_eq(cg_paged_reserve(self, 0, 65, &err), CG_ERR_NOMEM);
    cg_paged_destroy(self);
    config.features = CG_CACHE_WINDOW;
    config.window = 32;
    self = open_config(config);
    for (int32_t pos = 0; pos < 4096; pos++)
        add(self, 0, pos, pos + 1);
    check_tokens(self, 0, 4096 - 32, 4096, 4096 - 32);
    cg_paged_destroy(self);
}
END_TEST

START_TEST(shared_pages_pass_out_of_one_window_at_a_time)
{
    cg_cache_stats st = { CG_SIZED(cg_cache_stats) };
    cg_error err = CG_ERROR_INIT;
    void *self;

    set_device(1, 1 << 20);
    self = open_window(2, 400, 16, 0);
    add(self, 0, 0, 70);
    ck_assert_int_eq(cg_paged_share_prefix(self, 1, 0, 64, &err), CG_OK);
    add(self, 0, 70, 200);
    add(self, 0, 200, 201);
    check_tokens(self, 1, 0, 64, 0);
    cg_paged_stats(self, &st);
    ck_assert_int_eq(st.blocks_shared, 0);
    add(self, 1, 64, 65);
    ck_assert_int_eq(page_of(1, 47), -1);
    check_tokens(self, 1, 49, 65, 49);
    /* a prefix of which nothing is left */
    cg_paged_release(self, 1);
    ck_assert_int_eq(cg_paged_share_prefix(self, 1, 0, 20, &err), CG_OK);
    ck_assert_int_eq(page_of(1, 19), -1);
    add(self, 1, 20, 24);
    check_tokens(self, 1, 20, 24, 20);
    cg_paged_release(self, 0);
    cg_paged_release(self, 1);
    ck_assert_int_eq(pages_used(self), 0);
    cg_paged_destroy(self);
}
END_TEST

START_TEST(roll_back_behind_the_window)
{
    cg_error err = CG_ERROR_INIT;
    int32_t keep[] = { 41, 43 };
    void *self;

    set_device(1, 1 << 20);
    self = open_window(1, 400, 16, 0);
    add(self, 0, 0, 100);
    add(self, 0, 100, 101);
    check_tokens(self, 0, 85, 101, 85);
    ck_assert_int_eq(append(self, 0, 40, 41, &err), CG_ERR_USAGE);
    ck_assert_str_eq(err.msg, "append: position 40 of slot 0 is behind a window of 16 tokens; "
                              "truncate to it and reserve first");
    ck_assert_int_eq(cg_paged_gather(self, 0, 40, keep, 2, &err), CG_ERR_USAGE);
    ck_assert_str_eq(err.msg, "gather: token 40 or 41 of slot 0 is behind a window of 16 tokens");
    ck_assert_int_eq(append(self, 0, 85, 86, &err), CG_OK);
    ck_assert_int_eq(cg_paged_truncate(self, 0, 40, &err), CG_OK);
    ck_assert_int_eq(pages_used(self), 0);
    add(self, 0, 40, 60);
    check_tokens(self, 0, 40, 60, 40);
    add(self, 0, 60, 90);
    check_tokens(self, 0, 45, 90, 45);
    cg_paged_release(self, 0);
    ck_assert_int_eq(pages_used(self), 0);
    cg_paged_destroy(self);
}
END_TEST

/* ---- windows whose positions the host learns late -------------------------------------------- */

START_TEST(pages_wait_until_their_appends_have_run)
{
    enum { LEN = 500, WINDOW = 20, LAG = 40 };
    void *self;

    set_device(1, 1 << 20);
    device.lag = LAG;
    self = open_window(1, LEN, WINDOW, 0);
    for (int32_t pos = 0; pos < LEN; pos++) {
        int32_t run = pos - LAG; /* the newest position that the host may know */

        add(self, 0, pos, pos + 1);
        ck_assert_int_le(pages_used(self), (WINDOW + LAG) / CG_PAGE_TOKENS + 3);
        for (int32_t p = run > WINDOW ? run + 1 - WINDOW : 0; p <= pos; p++)
            ck_assert_int_ge(page_of(0, p), 0);
    }
    run_device(0);
    cg_paged_release(self, 0);
    ck_assert_int_eq(pages_used(self), 0);
    cg_paged_destroy(self);
}
END_TEST

START_TEST(late_appends_do_not_pass_a_rolled_back_slot)
{
    cg_error err = CG_ERROR_INIT;
    void *self;

    set_device(1, 1 << 20);
    device.lag = 1000;
    self = open_window(2, 400, 16, 0);
    for (int32_t pos = 0; pos < 300; pos++)
        add(self, 0, pos, pos + 1);
    ck_assert_int_eq(cg_paged_truncate(self, 0, 50, &err), CG_OK);
    add(self, 0, 50, 200);
    run_device(2); /* all that preceded truncate() */
    add(self, 1, 0, 1);
    check_tokens(self, 0, 0, 200, 0);
    run_device(0);
    add(self, 1, 1, 2);
    ck_assert_int_eq(page_of(0, 31), -1); /* token 50 reads from 35 on */
    check_tokens(self, 0, 32, 200, 32);
    /* a slot of another sequence */
    add(self, 0, 200, 380);
    cg_paged_release(self, 0);
    add(self, 0, 0, 390);
    run_device(1);
    add(self, 1, 2, 3);
    check_tokens(self, 0, 0, 390, 0);
    cg_paged_release(self, 0);
    cg_paged_release(self, 1);
    ck_assert_int_eq(pages_used(self), 0);
    cg_paged_destroy(self);
}
END_TEST

/* ---- gather --------------------------------------------------------------------------------- */

START_TEST(gather_copies_shared_pages)
{
    const int32_t keep[] = { 4, 10, 20, 31, 40 };
    cg_error err = CG_ERROR_INIT;
    void *self;

    set_device(1, 1 << 20);
    self = open_cache(2, 100);
    add(self, 0, 0, 48);
    ck_assert_int_eq(cg_paged_share_prefix(self, 1, 0, 48, &err), CG_OK);
    device.n_publish = 0;
    ck_assert_int_eq(cg_paged_gather(self, 1, 4, keep, 5, &err), CG_OK);
    ck_assert_int_eq(device.n_publish, 1);
    check_published();
    ck_assert_int_eq(pages_used(self), 3 + 1);
    check_tokens(self, 0, 0, 48, 0);
    check_tokens(self, 1, 0, 5, 0);
    for (int32_t i = 0; i < 5; i++)
        check_tokens(self, 1, 4 + i, 5 + i, keep[i]);
    add(self, 1, 9, 30);
    check_tokens(self, 1, 9, 30, 9);
    /* tokens that stay where they are leave their pages shared */
    cg_paged_release(self, 1);
    ck_assert_int_eq(cg_paged_share_prefix(self, 1, 0, 48, &err), CG_OK);
    ck_assert_int_eq(cg_paged_gather(self, 1, 4, keep, 1, &err), CG_OK);
    ck_assert_int_eq(page_of(1, 0), page_of(0, 0));
    ck_assert_int_eq(pages_used(self), 3);
    cg_paged_destroy(self);
}
END_TEST

START_TEST(gather_without_memory_changes_nothing)
{
    const int32_t keep[] = { 10 };
    cg_error err = CG_ERROR_INIT;
    void *self;

    set_device(1, 3);
    self = open_cache(2, 48);
    add(self, 0, 0, 48);
    ck_assert_int_eq(cg_paged_share_prefix(self, 1, 0, 48, &err), CG_OK);
    ck_assert_int_eq(cg_paged_gather(self, 1, 4, keep, 1, &err), CG_ERR_NOMEM);
    check_tokens(self, 1, 0, 48, 0);
    check_published();
    cg_paged_release(self, 0);
    ck_assert_int_eq(cg_paged_gather(self, 1, 4, keep, 1, &err), CG_OK);
    check_tokens(self, 1, 4, 5, 10);
    cg_paged_destroy(self);
}
END_TEST

/* ---- work that waits for flush() ------------------------------------------------------------ */

/* A cache with a prompt of 20 tokens in slot 0. */
static void *open_deferring(int32_t n_slots)
{
    cg_cache_config config = make_config(n_slots, 100);
    cg_error err = CG_ERROR_INIT;
    void *self;

    set_device(1, 1 << 20);
    device.defers = 1;
    config.features = CG_CACHE_DEFER;
    self = open_config(config);
    ck_assert_int_eq(cg_paged_reserve(self, 0, 20, &err), CG_OK);
    ck_assert_int_eq(cg_paged_flush(self, &err), CG_OK);
    add(self, 0, 0, 20);
    device.n_publish = 0;
    return self;
}

/* Shares the prompt with all other slots, and reserves their room. */
static void start_sequences(void *self, int32_t n_slots)
{
    cg_error err = CG_ERROR_INIT;

    for (int32_t slot = 1; slot < n_slots; slot++) {
        ck_assert_int_eq(cg_paged_share_prefix(self, slot, 0, 19, &err), CG_OK);
        ck_assert_int_eq(cg_paged_reserve(self, slot, 100, &err), CG_OK);
    }
}

START_TEST(one_flush_starts_many_sequences)
{
    cg_error err = CG_ERROR_INIT;
    void *self = open_deferring(50);

    start_sequences(self, 50);
    cg_paged_release(self, 0); /* what waits reads its last page */
    ck_assert_int_eq(device.n_copies, 0);
    ck_assert_int_eq(device.n_publish, 0);
    ck_assert_int_eq(cg_paged_flush(self, &err), CG_OK);
    ck_assert_int_eq(device.n_copies, 49);
    ck_assert_int_eq(device.n_publish, 1);
    check_published();
    for (int32_t slot = 1; slot < 50; slot++)
        check_tokens(self, slot, 0, 19, 0);
    ck_assert_int_eq(cg_paged_flush(self, &err), CG_OK); /* nothing waits */
    ck_assert_int_eq(device.n_publish, 1);
    cg_paged_destroy(self);
}
END_TEST

/* More than the lists hold: they are flushed in between. */
START_TEST(lists_that_are_full_are_flushed)
{
    cg_error err = CG_ERROR_INIT;
    void *self = open_deferring(1500);

    start_sequences(self, 1500);
    ck_assert_int_gt(device.n_copies, 0);
    ck_assert_int_gt(device.n_publish, 0);
    ck_assert_int_eq(cg_paged_flush(self, &err), CG_OK);
    ck_assert_int_eq(device.n_copies, 1499);
    check_published();
    for (int32_t slot = 1; slot < 1500; slot++)
        check_tokens(self, slot, 0, 19, 0);
    cg_paged_destroy(self);
}
END_TEST

START_TEST(copies_that_depend_on_others_are_done_after_them)
{
    cg_error err = CG_ERROR_INIT;
    void *self = open_deferring(4);

    ck_assert_int_eq(cg_paged_share_prefix(self, 1, 0, 20, &err), CG_OK);
    ck_assert_int_eq(cg_paged_share_prefix(self, 2, 1, 18, &err), CG_OK); /* reads the first copy */
    ck_assert_int_eq(device.n_copies, 1);
    cg_paged_release(self, 1);
    ck_assert_int_eq(cg_paged_share_prefix(self, 3, 0, 17, &err), CG_OK); /* into the page of 1 */
    ck_assert_int_eq(device.n_copies, 2);
    ck_assert_int_eq(cg_paged_flush(self, &err), CG_OK);
    check_published();
    check_tokens(self, 2, 0, 18, 0);
    check_tokens(self, 3, 0, 17, 0);
    cg_paged_destroy(self);
}
END_TEST

START_TEST(flush_says_that_the_device_is_lost)
{
    cg_error err = CG_ERROR_INIT;
    void *self = open_deferring(2);

    ck_assert_int_eq(cg_paged_share_prefix(self, 1, 0, 20, &err), CG_OK);
    device.failing = 1;
    ck_assert_int_eq(cg_paged_flush(self, &err), CG_ERR_CUDA);
    ck_assert_str_eq(err.msg, "the device is lost");
    device.failing = 0;
    ck_assert_int_eq(cg_paged_flush(self, &err), CG_OK); /* nothing waits */
    cg_paged_destroy(self);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pages");
    TCase *tc = tcase_create("pages");
    SRunner *sr;
    int failed;

    tcase_add_loop_test(tc, cache_over_other_pools_conforms, 0, 3);
    tcase_add_loop_test(tc, windows_over_late_pools_conform, 0, 3);
    tcase_add_test(tc, work_that_waits_conforms);
    tcase_add_test(tc, stale_view_table_is_detected);
    tcase_add_test(tc, each_call_publishes_once);
    tcase_add_test(tc, growth_uses_the_remaining_memory);
    tcase_add_test(tc, growth_ahead_of_need_is_bounded);
    tcase_add_test(tc, tables_stay_consistent_after_device_loss);
    tcase_add_test(tc, pages_behind_the_window_are_given_back);
    tcase_add_test(tc, tokens_of_one_append_keep_the_window_of_the_first);
    tcase_add_test(tc, more_tokens_than_max_bytes_pass_through_a_window);
    tcase_add_test(tc, shared_pages_pass_out_of_one_window_at_a_time);
    tcase_add_test(tc, roll_back_behind_the_window);
    tcase_add_test(tc, pages_wait_until_their_appends_have_run);
    tcase_add_test(tc, late_appends_do_not_pass_a_rolled_back_slot);
    tcase_add_test(tc, gather_copies_shared_pages);
    tcase_add_test(tc, gather_without_memory_changes_nothing);
    tcase_add_test(tc, one_flush_starts_many_sequences);
    tcase_add_test(tc, lists_that_are_full_are_flushed);
    tcase_add_test(tc, copies_that_depend_on_others_are_done_after_them);
    tcase_add_test(tc, flush_says_that_the_device_is_lost);
    tcase_set_timeout(tc, 300);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
