/* SPDX-License-Identifier: MIT */
/* Host memory. */
#include "memory.h"

#include <string.h>

#include <confgen/quantise.h>

#include "../../common/elements.h"
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

/* Stores the elements of 8 bits of one head and token, and their scale. */
static void store_scaled(char *to, float *scale, cg_dtype dtype, const float *x, int32_t n)
{
    enum { CHUNK = 64 };
    int32_t largest = 0;
    float numbers[CHUNK];

    for (int32_t i = 0; i < n; i++) {
        int32_t magnitude = (int32_t)(cg_float_bits(x[i]) & 0x7fffffff);

        largest = magnitude > largest ? magnitude : largest;
    }
    *scale = cg_kv_scale((uint32_t)largest, dtype);
    for (int32_t from = 0; from < n; from += CHUNK) {
        int32_t now = n - from < CHUNK ? n - from : CHUNK;

        for (int32_t i = 0; i < now; i++)
            numbers[i] = x[from + i] / *scale;
        cg_elements_store(to + from, dtype, numbers, now);
    }
}

/* Stores the heads of one token's key (0) or value (1). */
static void store_heads(const cg_kv_view *view, int32_t slot, int32_t pos, int32_t value,
                        const float *x)
{
    int32_t n = value ? cg_cache_value_size(view) : view->head_dim;
    int64_t stride = value && view->v_head_stride ? view->v_head_stride : view->head_stride;
    char *to = value ? (char *)view->v + cg_kv_value_offset(view, slot, 0, pos)
                     : (char *)view->k + cg_kv_offset(view, slot, 0, pos);
    char *scale = (char *)(uintptr_t)(value ? view->v_scale : view->k_scale);

    if (scale)
        scale += cg_kv_scale_offset(view, slot, 0, pos);
    for (int32_t h = 0; h < view->n_kv_heads; h++, x += n, to += stride) {
        if (scale)
            store_scaled(to, (float *)(scale + h * view->scale_head_stride), view->dtype, x, n);
        else if (view->dtype == CG_F32)
            memcpy(to, x, (size_t)n * sizeof *x);
        else
            cg_elements_store(to, view->dtype, x, n);
    }
}

/* Item: STORE_TOKENS tokens. */
static void store_item(void *arg, int64_t item, int32_t worker)
{
    const struct store *s = arg;
    const cg_cache_append *a = s->args;
    int32_t first = (int32_t)item * STORE_TOKENS;
    int32_t end = a->n_tokens - first < STORE_TOKENS ? a->n_tokens : first + STORE_TOKENS;

    (void)worker;
    for (int32_t i = first; i < end; i++) {
        if (a->slot[i] < 0)
            continue;
        store_heads(s->view, a->slot[i], a->pos[i], 0,
                    (const float *)((const char *)a->k + i * a->k_stride));
        store_heads(s->view, a->slot[i], a->pos[i], 1,
                    (const float *)((const char *)a->v + i * a->v_stride));
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
