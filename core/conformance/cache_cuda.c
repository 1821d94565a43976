/* SPDX-License-Identifier: MIT */
/* Checks for caches on a GPU. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cache_suite.h"
#include "element.h"

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

/* True if no token of the rows is stored at the addresses of the layer's view. */
static int holds_no_row(cache_suite *s, int32_t layer, const cache_rows *r)
{
    char *stored = malloc((size_t)cache_plane_of(s, &s->views[layer], 0).row);
    cg_error err = CG_ERROR_INIT;
    cg_kv_view v = s->views[layer];
    int found = 0;

    if (!stored)
        abort();
    v.page_table = s->table_copied ? s->table : v.page_table;
    for (int32_t i = 0; i < r->n && !found && !s->rec.gpu_lost; i++) {
        cache_plane keys = cache_plane_of(s, &v, 0);
        size_t row = (size_t)keys.row;
        float first, wanted;

        if (r->slot[i] < 0)
            continue;
        gpu_ok(&s->rec,
               cg_gpu_read_now(s->gpu, stored,
                               keys.base + cg_kv_offset(&v, r->slot[i], 0, r->pos[i]), row, &err),
               &err, "a read of keys");
        first = element_load(stored, s->dtype);
        cache_elements(s, r->token[i], layer, 0, 0, 0, 1, &wanted);
        found = first == element_round(wanted, s->dtype);
    }
    free(stored);
    return !found;
}

/* Appends to a layer while the stream is held. */
static void append_held(cache_suite *s, int32_t layer, const cache_rows *r,
                        const cache_device_rows *d)
{
    const double limit = 1; /* seconds */
    const struct timespec pause = { 0, 5000000 };
    struct timespec start, end;
    cg_error err = CG_ERROR_INIT;
    /* memory of an earlier cache may hold the same rows: then nothing can be seen here */
    int32_t was_empty = holds_no_row(s, layer, r), was_held, untouched;
    int64_t taken = 1;

    if (!gpu_ok(&s->rec, cg_gpu_hold(s->gpu, limit, &err), &err, "a hold of the stream"))
        return;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (int i = 0; i < 3 && taken > 0; i++) { /* other processes allocate too, but not always */
        taken = gpu_free_memory(s->gpu);
        cache_append(s, layer, r, d);
        taken -= gpu_free_memory(s->gpu);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    nanosleep(&pause, NULL); /* for work on another stream */
    untouched = holds_no_row(s, layer, r);
    was_held = cg_gpu_release(s->gpu);
    expect(&s->rec, taken <= 0, "append() allocated memory of the GPU: %lld bytes",
           (long long)taken);
    if (was_held)
        expect(&s->rec, untouched || !was_empty,
               "append() works on another stream: it stored tokens while its stream was held");
    else
        expect(&s->rec, end.tv_sec == start.tv_sec,
               "append() waited for the stream, which was held for %g s", limit);
}

/* append() works on no other stream, and does not wait or allocate. */
void cache_check_held_append(cache_suite *s)
{
    cg_cache_config config = cache_config(s);
    int32_t some[] = { 20, 3, 33, 0, 1 };
    cache_device_rows d = { .n = 0 };
    cache_rows r;

    if (!test_begin(&s->rec, "append() works on its stream, and does not wait or allocate"))
        return;
    if (cache_create(s, &config)) {
        for (int32_t i = 0; i < s->shape.n_slots; i++)
            (void)cache_reserve(s, i, s->shape.max_len);
        cache_append_all(s, some);
        cache_rows_random(s, some, CACHE_ORDER_SHUFFLED, 0, &r);
        for (int32_t layer = 0; layer < s->shape.n_layers && !s->rec.gpu_lost; layer++) {
            cache_rows_fill(s, &r, layer);
            if (!cache_check_views(s, "reserve") || !cache_device_rows_create(s, &r, r.n + 3, &d))
                break;
            (void)cache_host_table(s, &s->views[layer]);
            cache_device_rows_load(&d, &r);
            if (layer) /* the first launch of a kernel may wait */
                append_held(s, layer, &r, &d);
            else
                cache_append(s, layer, &r, &d);
            if (gpu_wait(&s->rec, s->gpu, "the work of append()"))
                expect(&s->rec, cache_device_rows_unchanged(&d),
                       "append() wrote to its arguments, or around");
            cache_device_rows_destroy(&d);
        }
        cache_check_content(s, "appends on a held stream");
        cache_rows_free(&r);
        cache_destroy(s);
    }
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
    int64_t token, before = 0;

    config.n_slots = LARGE_SLOTS;
    config.n_kv_heads = 8;
    config.head_dim = 128;
    config.max_len = LARGE_LEN;
    if (s->ops->supports(&s->test_host.host, &config, NULL) != CG_OK) {
        config.n_kv_heads = s->shape.n_kv_heads;
        config.head_dim = s->shape.head_dim;
    }
    token = (int64_t)2 * config.n_layers * config.n_kv_heads * config.head_dim *
            cg_dtype_size(s->dtype);
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
