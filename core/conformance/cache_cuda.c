/* SPDX-License-Identifier: MIT */
/* Checks for caches on a GPU. */
#include <stdlib.h>
#include <string.h>

#include "cache_suite.h"

void cache_check_captured_append(cache_suite *s)
{
    cg_cache_config config = cache_config(s);
    enum { ROWS = 400 }; /* bound of the captured call */
    int32_t some[] = { 20, 3, 33, 0, 1 };
    cg_gpu_graph *graph = NULL;
    cg_error err = CG_ERROR_INIT;
    cache_device_rows d;
    cache_rows r;

    if (!test_begin(&s->rec, "append() captured once, then replayed"))
        return;
    if (cache_create(s, &config)) {
        for (int32_t i = 0; i < s->shape.n_slots; i++)
            (void)cache_reserve(s, i, s->shape.max_len);
        cache_rows_random(s, some, CACHE_ORDER_TURNS, ROWS, &r);
        if (cache_device_rows_create(s, &r, ROWS, &d) &&
            gpu_ok(&s->rec, cg_gpu_capture_begin(s->gpu, &err), &err, "a capture")) {
            cache_append(s, 1, &r, &d);
            expect(&s->rec, cg_gpu_capture_end(s->gpu, &graph, &err) == CG_OK,
                   "append() cannot be captured: %s", err.msg);
        }
        for (int i = 0; graph && i < 3 && !s->rec.gpu_lost; i++) {
            cache_rows next = r;

            if (i > 0) { /* other tokens, with the type and the memory of the captured call */
                cache_rows_random(s, some, CACHE_ORDER_TURNS, ROWS, &next);
                next.dtype = r.dtype;
                for (int32_t k = 0; k < next.n; k++)
                    next.token[k] = (next.token[k] & ~3u) | (uint32_t)r.dtype;
                for (int32_t k = 0; k < next.n; k++)
                    if (next.slot[k] >= 0)
                        s->slots[next.slot[k]].token[next.pos[k]] = next.token[k];
                for (int value = 0; value < 2; value++) {
                    guarded_free(next.data[value]);
                    next.data[value] = r.data[value];
                    next.stride[value] = r.stride[value];
                }
            }
            cache_rows_fill(s, &next, 1);
            cache_device_rows_load(&d, &next);
            if (gpu_ok(&s->rec, cg_gpu_replay(s->gpu, graph, &err), &err, "a replay"))
                (void)gpu_wait(&s->rec, s->gpu, "the work of append()");
            for (int32_t layer = 0; layer < s->shape.n_layers;
                 layer += 2) { /* the other layers without a graph */
                cache_rows_fill(s, &next, layer);
                cache_device_rows_load(&d, &next);
                cache_append(s, layer, &next, &d);
                (void)gpu_wait(&s->rec, s->gpu, "the work of append()");
            }
            cache_check_content(s, "a replay");
            if (i > 0) {
                next.data[0] = next.data[1] = NULL;
                cache_rows_free(&next);
            }
        }
        cg_gpu_graph_destroy(graph);
        cache_device_rows_destroy(&d);
        cache_rows_free(&r);
    }
    s->ops->destroy(s->self);
    test_end(&s->rec);
}

/*
 * Compares the GPU's free memory with the bound and the stats of a cache of hundreds of MiB. GPU
 * memory is allocated in steps of some MiB, hence the slack.
 */
void cache_check_device_memory(cache_suite *s)
{
    enum { LARGE_SLOTS = 8, LARGE_LEN = 4096, SLACK = 64 << 20 };
    cg_cache_config config = cache_config(s);
    int64_t token = (int64_t)2 * s->shape.n_layers * 8 * 128 * cg_dtype_size(s->dtype), before = 0;

    config.n_slots = LARGE_SLOTS;
    config.n_kv_heads = 8;
    config.head_dim = 128;
    config.max_len = LARGE_LEN;
    if (!test_begin(&s->rec, "GPU memory is within the bound and freed"))
        return;
    for (int32_t round = 0; round < 12 && !s->rec.gpu_lost; round++) {
        cg_error err = CG_ERROR_INIT;
        void *self = NULL;
        cg_status st;

        if (round == 2)
            before = gpu_free_memory(s->gpu);
        config.max_bytes =
            round % 3 ? token * random_in(&s->rec, 2000, LARGE_SLOTS * LARGE_LEN) : 0;
        st = s->ops->create(&s->test_host.host, &config, &self, &err);
        if (st != CG_OK) {
            expect(&s->rec, cache_is_nomem(s, st) && err.msg[0],
                   "create() with a bound of %lld bytes: status %d, text '%s'",
                   (long long)config.max_bytes, st, err.msg);
            continue;
        }
        for (int32_t i = 0; i < 24; i++) {
            cg_cache_stats stats = { CG_SIZED(cg_cache_stats) };
            int32_t slot = i % LARGE_SLOTS;

            if (random_in(&s->rec, 0, 4) == 0)
                s->ops->release(self, slot);
            st = s->ops->reserve(self, slot, random_in(&s->rec, 1, LARGE_LEN), &err);
            expect(&s->rec,
                   st == CG_OK || (cache_is_nomem(s, st) && config.max_bytes && err.msg[0]),
                   "reserve() with a bound of %lld bytes: status %d, text '%s'",
                   (long long)config.max_bytes, st, err.msg);
            cg_cache_get_stats(s->ops, self, &stats);
            expect(&s->rec, !config.max_bytes || stats.bytes_allocated <= config.max_bytes,
                   "%lld bytes allocated, wanted at most %lld", (long long)stats.bytes_allocated,
                   (long long)config.max_bytes);
            expect(&s->rec,
                   !before || before - gpu_free_memory(s->gpu) <= stats.bytes_allocated + SLACK,
                   "%lld bytes of the GPU are used, but bytes_allocated is %lld",
                   (long long)(before - gpu_free_memory(s->gpu)), (long long)stats.bytes_allocated);
        }
        s->ops->destroy(self);
        (void)gpu_wait(&s->rec, s->gpu, "destroy()");
        expect(&s->rec, !before || before - gpu_free_memory(s->gpu) <= SLACK,
               "%lld bytes of the GPU were not freed",
               (long long)(before - gpu_free_memory(s->gpu)));
    }
    expect_all_freed(&s->rec, &s->test_host, "destroy()");
    test_end(&s->rec);
}
