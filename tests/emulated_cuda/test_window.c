/* SPDX-License-Identifier: MIT */
/* Pages behind a window are given back on the emulated GPU, whose appends run after their calls. */
#include <check.h>
#include <confgen/gpu.h>
#include <cuda_runtime_api.h>
#include <stdlib.h>
#include <string.h>

#include "paged.h"
#include "plugin/host.h"

enum { N_SLOTS = 3, LEN = 800, DIM = 8, WINDOW = 40, ROWS = 64 };

static cg_plugin_host host;
static cg_gpu *gpu;

/* Device memory of one append. */
static struct {
    int32_t slot[ROWS], pos[ROWS];
    float x[ROWS][DIM];
} * rows;

static void *open_cache(int64_t max_bytes)
{
    cg_error err = CG_ERROR_INIT;
    void *self = NULL;

    cg_plugin_host_init(&host, NULL, NULL, NULL, 0);
    ck_assert(cg_gpu_open(0, &gpu, &err) == CG_OK);
    ck_assert(cudaMalloc((void **)&rows, sizeof *rows) == cudaSuccess);
    ck_assert_msg(
        cg_paged_create(&host.host,
                        &(cg_cache_config) { CG_SIZED(cg_cache_config), .device = CG_DEVICE_CUDA,
                                             .dtype = CG_F32, .n_layers = 2, .n_slots = N_SLOTS,
                                             .n_kv_heads = 1, .head_dim = DIM, .max_len = LEN,
                                             .max_bytes = max_bytes, .stream = cg_gpu_stream(gpu),
                                             .features = CG_CACHE_WINDOW, .window = WINDOW },
                        &self, &err) == CG_OK,
        "%s", err.msg);
    return self;
}

static void close_cache(void *self)
{
    cg_paged_destroy(self);
    cudaFree(rows);
    cg_gpu_close(gpu);
}

static void wait_for_device(void)
{
    ck_assert(cudaStreamSynchronize(cg_gpu_stream(gpu)) == cudaSuccess);
}

/* Appends tokens [from, end) of a slot, the last one first, and waits for the device. */
static void add(void *self, int32_t slot, int32_t from, int32_t end)
{
    cg_error err = CG_ERROR_INIT;

    ck_assert_int_le(end - from, ROWS);
    for (int32_t i = 0; i < ROWS; i++) {
        rows->slot[i] = from + i < end ? slot : -1;
        rows->pos[i] = end - 1 - i;
        for (int32_t d = 0; d < DIM; d++)
            rows->x[i][d] = (float)(slot * LEN + rows->pos[i]);
    }
    ck_assert_msg(cg_paged_reserve(self, slot, end, &err) == CG_OK, "%s", err.msg);
    for (int32_t layer = 0; layer < 2; layer++)
        ck_assert_msg(
            cg_paged_append(self, layer,
                            &(cg_cache_append) { CG_SIZED(cg_cache_append), .n_tokens = ROWS,
                                                 .slot = rows->slot, .pos = rows->pos, .k = rows->x,
                                                 .v = rows->x, .k_stride = sizeof rows->x[0],
                                                 .v_stride = sizeof rows->x[0], .dtype = CG_F32,
                                                 .stream = cg_gpu_stream(gpu) },
                            &err) == CG_OK,
            "%s", err.msg);
    wait_for_device();
}

/* Bytes of pages that belong to a slot. */
static int64_t bytes_used(const void *self)
{
    cg_cache_stats st = { CG_SIZED(cg_cache_stats) };

    cg_paged_stats(self, &st);
    return st.bytes_used;
}

/* Both layers, keys and values. */
static int64_t page_bytes(void)
{
    return (int64_t)CG_PAGE_TOKENS * DIM * (int64_t)sizeof(float) * 4;
}

static void check_tokens(void *self, int32_t slot, int32_t from, int32_t end)
{
    cg_kv_view v = { CG_SIZED(cg_kv_view) };

    for (int32_t layer = 0; layer < 2; layer++) {
        ck_assert(cg_paged_view(self, layer, &v, NULL) == CG_OK);
        for (int32_t pos = from; pos < end; pos++) {
            int64_t at = cg_kv_offset(&v, slot, 0, pos);

            ck_assert_float_eq(*(float *)((char *)v.k + at), (float)(slot * LEN + pos));
            ck_assert_float_eq(*(float *)((char *)v.v + at), (float)(slot * LEN + pos));
        }
    }
}

START_TEST(decoding_holds_the_pages_of_the_window)
{
    void *self = open_cache(0);

    for (int32_t pos = 0; pos < LEN; pos++) {
        add(self, pos % 2, pos / 2, pos / 2 + 1);
        ck_assert_int_le(bytes_used(self), 2 * (WINDOW / CG_PAGE_TOKENS + 3) * page_bytes());
        for (int32_t slot = 0; slot < 2 && pos; slot++) {
            int32_t end = (pos + 1 - slot + 1) / 2;

            check_tokens(self, slot, end > WINDOW ? end - WINDOW : 0, end);
        }
    }
    ck_assert_int_ge(bytes_used(self), 2 * WINDOW / CG_PAGE_TOKENS * page_bytes());
    cg_paged_release(self, 0);
    cg_paged_release(self, 1);
    ck_assert_int_eq(bytes_used(self), 0);
    close_cache(self);
}
END_TEST

/* The least position counts, whatever the order of the tokens. */
START_TEST(a_prompt_keeps_what_its_first_token_reads)
{
    const int32_t first = 640 - ROWS + 1 - WINDOW;
    void *self = open_cache(0);

    for (int32_t from = 0; from < 640; from += ROWS)
        add(self, 0, from, from + ROWS);
    cg_paged_release(self, 2); /* any call */
    check_tokens(self, 0, first, 640);
    ck_assert_int_eq(bytes_used(self),
                     (640 / CG_PAGE_TOKENS - first / CG_PAGE_TOKENS) * page_bytes());
    close_cache(self);
}
END_TEST

/* Within room for 8 pages the whole length of slot after slot is stored. */
START_TEST(memory_that_is_given_back_suffices)
{
    void *self = open_cache(8 * page_bytes());

    for (int32_t slot = 0; slot < N_SLOTS; slot++) {
        for (int32_t pos = 0; pos < LEN; pos++)
            add(self, slot, pos, pos + 1);
        check_tokens(self, slot, LEN - WINDOW, LEN);
        if (slot)
            check_tokens(self, slot - 1, LEN - WINDOW, LEN);
        cg_paged_release(self, slot - 1);
    }
    close_cache(self);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("window");
    TCase *tc = tcase_create("window");
    SRunner *sr;
    int failed;

    setenv("CONFGEN_CUDA_MODULE", EMULATED_MODULE, 0);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, decoding_holds_the_pages_of_the_window);
    tcase_add_test(tc, a_prompt_keeps_what_its_first_token_reads);
    tcase_add_test(tc, memory_that_is_given_back_suffices);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
