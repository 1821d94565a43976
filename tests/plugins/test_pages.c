/* SPDX-License-Identifier: MIT */
/*
 * The books of the paged cache over a pool that is like a GPU's: the table that views show is
 * another than the host's, memory comes in granules, may end, and ends before what was promised.
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

/* How the next pools are to be, and what was asked of them. */
static struct {
    int32_t granule;  /* pages that are opened together */
    int32_t memory;   /* pages there is memory for */
    int32_t forget;   /* every n-th publish() is left out */
    int64_t step_max; /* of the pool */
    int failing;      /* publish() fails */
    int32_t n_publish, n_open;
    int32_t tried[32]; /* pages that open() was asked for */
    cg_page_pool *pool;
} device;

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
    pool->step_max = device.step_max;
    /* A page more in front: there page -1 would lie, for a table that was not told. */
    memory = malloc((size_t)(pool->plane_stride * pool->n_planes + pool->page_bytes));
    pool->table = malloc((size_t)pool->n_entries * sizeof *pool->table);
    ck_assert(memory && pool->table);
    pool->base = memory + pool->page_bytes;
    memset(pool->base, 0x7f, (size_t)(pool->plane_stride * pool->n_planes));
    memset(pool->table, 0xff, (size_t)pool->n_entries * sizeof *pool->table);
    device.pool = pool;
    return CG_OK;
}

static void pool_destroy(cg_page_pool *pool)
{
    if (pool->base)
        free(pool->base - pool->page_bytes);
    free(pool->table);
}

static cg_status pool_open(cg_page_pool *pool, int32_t pages, cg_error *err)
{
    int32_t open = (pages + device.granule - 1) / device.granule * device.granule;

    ck_assert_int_gt(pages, pool->n_open);
    ck_assert_int_le(pages, pool->n_pages);
    if (device.n_open < 32)
        device.tried[device.n_open++] = pages;
    if (pages > device.memory)
        return cg_fail(err, CG_ERR_NOMEM, "no memory for %d pages", pages);
    pool->n_open = open < pool->n_pages ? open : pool->n_pages;
    pool->bytes = pool->n_open * pool->page_bytes * pool->n_planes;
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
    if (!device.forget || device.n_publish % device.forget)
        memcpy(pool->table + first, pool->entries + first, (size_t)n * sizeof *pool->table);
    return CG_OK;
}

static const cg_page_pool_ops pool_ops = {
    .no_memory = CG_ERR_NOMEM,
    .create = pool_create,
    .destroy = pool_destroy,
    .open = pool_open,
    .publish = pool_publish,
};

static cg_status create(const cg_host *h, const cg_cache_config *config, void **ret_self,
                        cg_error *err)
{
    cg_status st = cg_cache_check_config(h, config, err);

    return st == CG_OK ? cg_paged_create_in(h, config, &pool_ops, ret_self, err) : st;
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
};

static void note_failure(void *ctx, int32_t passed, const char *check, const char *detail)
{
    size_t n = strlen(failed_checks);

    (void)ctx;
    if (!passed)
        snprintf(failed_checks + n, sizeof failed_checks - n, "%s: %.200s\n", check, detail);
}

static int32_t conformance(void)
{
    cg_conformance_options options = { .seed = 5, .rounds = 4, .report = note_failure };

    failed_checks[0] = '\0';
    cg_plugin_host_init(&host, NULL, NULL, NULL, 0);
    return cg_conformance_cache(&ops, &host.host, &options);
}

START_TEST(pool_of_another_kind_conforms)
{
    static const struct {
        int32_t granule, memory;
    } kinds[] = { { 1, 1000 }, { 7, 1000 }, { 3, 21 }, { 100, 1000 } };

    set_device(kinds[_i].granule, kinds[_i].memory);
    ck_assert_msg(conformance() == 0, "%s", failed_checks);
}
END_TEST

START_TEST(table_that_is_not_told_is_found)
{
    set_device(1, 1000);
    device.forget = 7;
    ck_assert_int_gt(conformance(), 0);
}
END_TEST

/* 2 layers, 1 head of 8: a page is 512 bytes in a plane, 2048 in all. */
static void *open_cache(int32_t n_slots, int32_t max_len)
{
    const cg_cache_config config = {
        CG_SIZED(cg_cache_config), .device = CG_DEVICE_CPU, .dtype = CG_F32, .n_layers = 2,
        .n_slots = n_slots,        .n_kv_heads = 1,         .head_dim = 8,   .max_len = max_len,
    };
    cg_error err = CG_ERROR_INIT;
    void *self = NULL;

    cg_plugin_host_init(&host, NULL, NULL, NULL, 0);
    ck_assert_msg(create(&host.host, &config, &self, &err) == CG_OK, "%s", err.msg);
    return self;
}

static void check_table(void *self)
{
    ck_assert_int_eq(memcmp(device.pool->table, device.pool->entries,
                            (size_t)device.pool->n_entries * sizeof *device.pool->table),
                     0);
    (void)self;
}

START_TEST(a_call_tells_the_device_once)
{
    cg_error err = CG_ERROR_INIT;
    void *self;

    set_device(1, 1 << 20);
    self = open_cache(4, 4096);
    ck_assert_int_eq(cg_paged_reserve(self, 0, 1000, &err), CG_OK);
    ck_assert_int_eq(device.n_publish, 1);
    ck_assert_int_eq(cg_paged_reserve(self, 0, 1008, &err),
                     CG_OK); /* same pages: nothing to tell */
    ck_assert_int_eq(device.n_publish, 1);
    ck_assert_int_eq(cg_paged_share_prefix(self, 1, 0, 100, &err), CG_OK);
    ck_assert_int_eq(device.n_publish, 2);
    ck_assert_int_eq(cg_paged_share_prefix(self, 2, 1, 0, &err), CG_OK);
    ck_assert_int_eq(device.n_publish, 2);
    ck_assert_int_eq(cg_paged_truncate(self, 1, 90, &err), CG_OK); /* to within a shared page */
    ck_assert_int_eq(device.n_publish, 3);
    ck_assert_int_eq(cg_paged_reserve(self, 1, 96, &err), CG_OK); /* gets a copy of it */
    ck_assert_int_eq(device.n_publish, 4);
    check_table(self);
    cg_paged_release(self, 0);
    ck_assert_int_eq(device.n_publish, 5);
    cg_paged_release(self, 3); /* was empty */
    cg_paged_release(self, 4); /* is none */
    ck_assert_int_eq(device.n_publish, 5);
    check_table(self);
    cg_paged_destroy(self);
}
END_TEST

START_TEST(growth_takes_what_there_is)
{
    cg_cache_stats st = { CG_SIZED(cg_cache_stats) };
    cg_error err = CG_ERROR_INIT;
    void *self;

    /* The first slab is 2 MiB of a plane: 4096 pages. */
    set_device(1, 5000);
    self = open_cache(64, 16 * 1024);
    ck_assert_int_eq(cg_paged_reserve(self, 0, 16, &err), CG_OK);
    ck_assert_int_eq(device.n_open, 1);
    ck_assert_int_eq(device.tried[0], 4096);
    for (int32_t slot = 0; slot < 4; slot++)
        ck_assert_int_eq(cg_paged_reserve(self, slot, 16 * 1024, &err), CG_OK);
    ck_assert_int_eq(device.n_open, 1);
    /* Doubling fails, so does half of that, ...; 4096 + 904 would still go, 4096 + 512 is found. */
    ck_assert_int_eq(cg_paged_reserve(self, 4, 16, &err), CG_OK);
    ck_assert_int_eq(device.tried[1], 8192);
    ck_assert_int_lt(device.tried[device.n_open - 1], 5000);
    ck_assert_int_gt(device.tried[device.n_open - 1], 4096 + 400);
    ck_assert_str_eq(err.msg, "");
    cg_paged_stats(self, &st);
    ck_assert_int_eq(st.bytes_allocated, device.tried[device.n_open - 1] * (int64_t)2048);
    ck_assert_int_eq(st.grown, 2);
    /* Beyond the memory: refused in the pool's words, and nothing has changed. */
    ck_assert_int_eq(cg_paged_reserve(self, 4, 16 * 1024, &err), CG_ERR_NOMEM);
    ck_assert_str_eq(err.msg, "no memory for 5120 pages");
    check_table(self);
    ck_assert_int_eq(cg_paged_reserve(self, 4, 16 * 900, &err), CG_OK);
    check_table(self);
    cg_paged_destroy(self);
}
END_TEST

START_TEST(growth_ahead_of_need_is_bounded)
{
    cg_error err = CG_ERROR_INIT;
    void *self;

    set_device(1, 1 << 20);
    device.step_max = 2048 * 100; /* 100 pages */
    self = open_cache(64, 16 * 1024);
    ck_assert_int_eq(cg_paged_reserve(self, 0, 1, &err), CG_OK);
    for (int32_t slot = 0; slot < 4; slot++)
        ck_assert_int_eq(cg_paged_reserve(self, slot, 16 * 1024, &err), CG_OK);
    ck_assert_int_eq(cg_paged_reserve(self, 4, 16, &err), CG_OK);
    ck_assert_int_eq(device.tried[1], 4096 + 100);
    ck_assert_int_eq(cg_paged_reserve(self, 5, 16 * 512, &err), CG_OK); /* need goes before */
    ck_assert_int_eq(device.tried[2], 4096 + 1 + 512);
    cg_paged_destroy(self);
}
END_TEST

START_TEST(books_agree_after_a_lost_device)
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
    for (int32_t slot = 0; slot < 4; slot++) /* no page was lost */
        ck_assert_int_eq(cg_paged_reserve(self, slot, 1024, &err), CG_OK);
    check_table(self);
    cg_paged_destroy(self);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pages");
    TCase *tc = tcase_create("pages");
    SRunner *sr;
    int failed;

    tcase_add_loop_test(tc, pool_of_another_kind_conforms, 0, 4);
    tcase_add_test(tc, table_that_is_not_told_is_found);
    tcase_add_test(tc, a_call_tells_the_device_once);
    tcase_add_test(tc, growth_takes_what_there_is);
    tcase_add_test(tc, growth_ahead_of_need_is_bounded);
    tcase_add_test(tc, books_agree_after_a_lost_device);
    tcase_set_timeout(tc, 120);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
