/* SPDX-License-Identifier: MIT */
/* Host memory. */
#include "memory.h"

#include <string.h>

#include "cache_checks.h"

enum {
    STORE_TOKENS = 32, /* tokens per item of work */
    /* Bytes from which the thread team is used: a step of plain decode (64 tokens of 1 KiB) is
     * copied in less time than it takes to wake threads. */
    PARALLEL_FROM = 512 << 10,
};

static cg_status check(const cg_host *host, cg_error *err)
{
    (void)host;
    (void)err;
    return CG_OK;
}

static cg_status host_alloc(const cg_host *host, int64_t bytes, void **ret_ptr, cg_error *err)
{
    (void)err;
    *ret_ptr = host->alloc(host->ctx, (size_t)bytes);
    return *ret_ptr ? CG_OK : CG_ERR_NOMEM;
}

static void host_free(const cg_host *host, void *ptr)
{
    host->free(host->ctx, ptr);
}

/* Item: a plane. */
static void copy_item(void *arg, int64_t plane, int32_t worker)
{
    const cg_cache_rows *r = arg;
    char *to = (char *)r->to + plane * r->to_plane_stride;
    const char *from = (const char *)r->from + plane * r->from_plane_stride;

    (void)worker;
    for (int64_t h = 0; h < r->n_heads; h++)
        memcpy(to + h * r->to_head_stride, from + h * r->from_head_stride, (size_t)r->bytes);
}

static cg_status copy(const cg_host *host, const cg_cache_config *config, const cg_cache_rows *rows,
                      cg_error *err)
{
    cg_cache_rows r = *rows;

    (void)config;
    (void)err;
    if (r.n_planes * r.n_heads * r.bytes >= PARALLEL_FROM) {
        host->parallel_for(host->ctx, r.n_planes, copy_item, &r);
        return CG_OK;
    }
    for (int64_t plane = 0; plane < r.n_planes; plane++)
        copy_item(&r, plane, 0);
    return CG_OK;
}

static cg_status synchronize(const cg_host *host, const cg_cache_config *config, cg_error *err)
{
    (void)host;
    (void)config;
    (void)err;
    return CG_OK;
}

static void drain(void)
{
}

struct store {
    const cg_kv_view *view;
    const cg_cache_append *args;
};

/* Item: STORE_TOKENS tokens. */
static void store_item(void *arg, int64_t item, int32_t worker)
{
    const struct store *s = arg;
    const cg_kv_view *view = s->view;
    const cg_cache_append *a = s->args;
    size_t k_row = (size_t)view->head_dim * sizeof(float);
    size_t v_row = (size_t)cg_cache_value_size(view) * sizeof(float);
    int64_t v_head_stride = view->v_head_stride ? view->v_head_stride : view->head_stride;
    int32_t first = (int32_t)item * STORE_TOKENS;
    int32_t end = a->n_tokens - first < STORE_TOKENS ? a->n_tokens : first + STORE_TOKENS;

    (void)worker;
    for (int32_t i = first; i < end; i++) {
        const char *k = (const char *)a->k + i * a->k_stride;
        const char *v = (const char *)a->v + i * a->v_stride;
        char *to_k, *to_v;

        if (a->slot[i] < 0)
            continue;
        to_k = (char *)view->k + cg_kv_offset(view, a->slot[i], 0, a->pos[i]);
        to_v = (char *)view->v + cg_kv_value_offset(view, a->slot[i], 0, a->pos[i]);
        for (int32_t h = 0; h < view->n_kv_heads; h++) {
            memcpy(to_k + h * view->head_stride, k + (size_t)h * k_row, k_row);
            memcpy(to_v + h * v_head_stride, v + (size_t)h * v_row, v_row);
        }
    }
}

static cg_status store(const cg_host *host, const cg_kv_view *view, int32_t n_blocks,
                       const cg_cache_append *a, cg_error *err)
{
    struct store s = { view, a };
    int64_t items = ((int64_t)a->n_tokens + STORE_TOKENS - 1) / STORE_TOKENS;
    int64_t bytes = (int64_t)a->n_tokens * view->n_kv_heads *
                    (view->head_dim + cg_cache_value_size(view)) * (int64_t)sizeof(float);

    (void)n_blocks;
    (void)err;
    if (bytes >= PARALLEL_FROM) {
        host->parallel_for(host->ctx, items, store_item, &s);
        return CG_OK;
    }
    for (int64_t i = 0; i < items; i++)
        store_item(&s, i, 0);
    return CG_OK;
}

const cg_cache_memory cg_cache_memory_host = {
    .device = CG_DEVICE_CPU,
    .nomem = CG_ERR_NOMEM,
    .check = check,
    .alloc = host_alloc,
    .free = host_free,
    .copy = copy,
    .synchronize = synchronize,
    .drain = drain,
    .check_append = cg_cache_check_append,
    .store = store,
};

const cg_cache_memory *cg_cache_memory_of(const cg_cache_config *config)
{
#ifdef CG_WITH_CUDA
    if (config->device == CG_DEVICE_CUDA)
        return &cg_cache_memory_cuda;
#endif
    (void)config;
    return &cg_cache_memory_host;
}
