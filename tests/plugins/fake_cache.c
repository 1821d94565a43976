/* SPDX-License-Identifier: MIT */
/* A CPU cache presented as a CUDA cache on the GPU of fake_gpu.h; it stores f32. */
#include <stdlib.h>
#include <string.h>

#include "conformance/element.h"
#include "fake_gpu.h"
#include "fake_plugins.h"

const cg_cache_ops *fake_cache_base;

struct append_call {
    void *self;
    int32_t layer;
    cg_cache_append args;
};

/* Host services and configuration of the wrapped cache. */
static const cg_host *services;
static cg_cache_config shape;

enum { MAX_LEAKS = 4096 };
static void *leaks[MAX_LEAKS];
static int n_leaks;

static cg_cache_config on_cpu(const cg_cache_config *config)
{
    cg_cache_config c = { CG_SIZED(cg_cache_config) };

    cg_fill_struct(&c, config);
    c.device = c.device == CG_DEVICE_CUDA ? CG_DEVICE_CPU : 99;
    if (config->struct_size < sizeof c)
        c.struct_size = config->struct_size;
    return c;
}

static cg_status supports(const cg_host *h, const cg_cache_config *config, cg_error *err)
{
    cg_cache_config c = on_cpu(config);

    return fake_cache_base->supports(h, &c, err);
}

static cg_status create(const cg_host *h, const cg_cache_config *config, void **ret_self,
                        cg_error *err)
{
    cg_cache_config c = on_cpu(config);

    if (fake_mutant == 1 && c.max_bytes > 0)
        c.max_bytes = 0; /* ignores the bound */
    services = h;
    shape = c;
    return fake_cache_base->create(h, &c, ret_self, err);
}

static cg_status view(void *self, int32_t layer, cg_kv_view *ret_view, cg_error *err)
{
    cg_status st = fake_cache_base->view(self, layer, ret_view, err);

    ret_view->device = CG_DEVICE_CUDA;
    return st;
}

/* Tokens that kernels with a limit do not store. */
static int is_dropped(const struct append_call *c, int32_t i)
{
    const cg_cache_append *a = &c->args;

    return a->slot[i] < 0      ? fake_mutant != 18
           : fake_mutant == 7  ? i >= 256
           : fake_mutant == 8  ? c->layer >= 8
           : fake_mutant == 9  ? a->slot[i] >= 64
           : fake_mutant == 11 ? a->pos[i] >= 1024
                               : 0;
}

/* 12: reads keys of f16 as bf16 */
static cg_dtype source_type(const cg_cache_append *a)
{
    return fake_mutant == 12 && a->dtype == CG_F16 ? CG_BF16 : a->dtype;
}

/* Converts to f32, for tokens with a slot: the wrapped cache accepts only f32. */
static void append_kernel(const void *at)
{
    const struct append_call *c = at;
    const cg_cache_append *a = &c->args;
    cg_cache_append f32 = *a;
    size_t n = (size_t)(shape.n_kv_heads * shape.head_dim), size = cg_dtype_size(a->dtype);
    float *k = calloc((size_t)a->n_tokens + 1, n * sizeof *k);
    float *v = calloc((size_t)a->n_tokens + 1, n * sizeof *v);
    int32_t *slot = calloc((size_t)a->n_tokens + 1, sizeof *slot);
    int32_t *pos = calloc((size_t)a->n_tokens + 1, sizeof *pos);
    cg_error err = CG_ERROR_INIT;

    for (int32_t i = 0; i < a->n_tokens; i++) {
        slot[i] = is_dropped(c, i) ? -1 : fake_mutant == 18 && a->slot[i] < 0 ? 0 : a->slot[i];
        pos[i] = a->slot[i] < 0 ? 0 : a->pos[i]; /* 18: stores what is to be skipped */
        for (size_t d = 0; d < n && a->slot[i] >= 0; d++) {
            k[(size_t)i * n + d] =
                element_load((const char *)a->k + i * a->k_stride + d * size, source_type(a));
            v[(size_t)i * n + d] = element_load(
                (const char *)a->v + i * (fake_mutant == 17 ? a->k_stride : a->v_stride) + d * size,
                fake_mutant == 2 ? CG_BF16 : a->dtype); /* uses the wrong type */
            if (fake_mutant == 10 && d % (size_t)shape.head_dim >= 128)
                v[(size_t)i * n + d] = 0; /* heads of 128 elements at most */
        }
    }
    f32.slot = slot;
    f32.pos = pos;
    f32.k = k;
    f32.v = v;
    f32.k_stride = f32.v_stride = (int64_t)(n * sizeof *k);
    f32.dtype = CG_F32;
    fake_cache_base->append(c->self, c->layer, &f32, &err);
    if (fake_mutant == 3)
        ((char *)(uintptr_t)a->v)[a->n_tokens * a->v_stride] = 1; /* writes past its arguments */
    if (fake_mutant == 19 && a->n_tokens)
        *(char *)(uintptr_t)a->k ^= 1; /* writes to them */
    if (fake_mutant == 20 && a->n_tokens)
        ((char *)(uintptr_t)a->v)[a->n_tokens * a->v_stride + 20000] = 1;
    free(k);
    free(v);
    free(slot);
    free(pos);
}

static cg_status append(void *self, int32_t layer, const cg_cache_append *args, cg_error *err)
{
    struct append_call c = { self, layer, *args };
    void *memory;

    if (fake_mutant == 13) /* allocates */
        services->free(services->ctx, services->alloc(services->ctx, 64));
    if (fake_mutant == 14 && n_leaks < MAX_LEAKS &&
        cg_gpu_alloc(args->stream, 64, &memory, err) == CG_OK)
        leaks[n_leaks++] = memory;
    if (fake_mutant == 16) /* waits */
        (void)cg_gpu_synchronize(args->stream, err);
    if (fake_mutant == 4 && layer == 1 && args->n_tokens > 300)
        append_kernel(&c); /* runs immediately, even in a capture */
    else if (fake_mutant == 15)
        append_kernel(&c); /* on another stream */
    else
        fake_launch(append_kernel, &c, sizeof c);
    return CG_OK;
}

static cg_status reserve(void *self, int32_t slot, int32_t len, cg_error *err)
{
    static void *kept[4096] __attribute__((used)); /* reachable for leak checkers */
    static int n;
    cg_status st = fake_cache_base->reserve(self, slot, len, err);

    if (fake_mutant == 5 && st == CG_OK && n < 4096) /* leaks the host's allocation */
        kept[n++] = services->alloc(services->ctx, 8);
    return st;
}

static void destroy(void *self)
{
    while (n_leaks)
        cg_gpu_free(shape.stream, leaks[--n_leaks]);
    fake_cache_base->destroy(self);
}

static cg_status share_prefix(void *self, int32_t dst, int32_t src, int32_t len, cg_error *err)
{
    return fake_cache_base->share_prefix(self, dst, src,
                                         fake_mutant == 6 && len > 1 ? len - 1 : len, err);
}

static cg_status truncate_slot(void *self, int32_t slot, int32_t len, cg_error *err)
{
    return fake_cache_base->truncate(self, slot, len, err);
}

static void release(void *self, int32_t slot)
{
    fake_cache_base->release(self, slot);
}

static void stats(const void *self, cg_cache_stats *ret_stats)
{
    fake_cache_base->stats(self, ret_stats);
}

cg_cache_ops fake_cache(void)
{
    return (cg_cache_ops) {
        CG_SIZED(cg_cache_ops),
        .paged = fake_cache_base->paged,
        .supports = supports,
        .create = create,
        .destroy = destroy,
        .reserve = reserve,
        .append = append,
        .share_prefix = share_prefix,
        .truncate = truncate_slot,
        .release = release,
        .view = view,
        .stats = stats,
        .block_tokens = fake_cache_base->block_tokens,
        .flags = CG_CACHE_STORE_BY_VIEW,
    };
}
