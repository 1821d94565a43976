/* SPDX-License-Identifier: MIT */
/* Operands of `bench attention`: queries, output, keys and values, in several sets that together
 * exceed the caches of the processor or GPU. */
#include <stdlib.h>
#include <string.h>

#include "attention_bench.h"
#include "base/error.h"

enum {
    L2_TIMES = 16,          /* the sets are this many times larger than the L2 cache of a GPU */
    CPU_BYTES = 256 << 20,  /* of the sets on the CPU: more than its caches hold */
    MAX_GPU_SETS = 64,      /* then the sets of small shapes fit into the L2 cache */
    MAX_CPU_SETS = 12,      /* as many as a small model has layers */
    READ_CHUNK = 1 << 18,   /* bytes per task of the loop that reads */
    SCALES_CHUNK = 1 << 16, /* scales written at once */
    ALIGN = 256,            /* of operands, as the contract wants it on CUDA */
};

static void *host_alloc(size_t n, size_t size)
{
    void *p = calloc(n, size);

    if (!p)
        out_of_memory();
    return p;
}

static int64_t round_up(int64_t x, int64_t to)
{
    return (x + to - 1) / to * to;
}

static void shuffle(int32_t *p, int32_t n)
{
    uint32_t seed = 12345;

    for (int32_t i = 0; i < n; i++)
        p[i] = i;
    for (int32_t i = n - 1; i > 0; i--) {
        int32_t k, x = p[i];

        seed = seed * 1664525u + 1013904223u;
        k = (int32_t)((seed >> 8) % (uint32_t)(i + 1));
        p[i] = p[k];
        p[k] = x;
    }
}

static int has_scales(const struct attention_shape *s)
{
    return cg_dtype_size(s->kv_dtype) == 1;
}

static int64_t set_bytes(const struct bench_data *d)
{
    return d->q_bytes + d->out_bytes + d->k_bytes + d->v_bytes + 2 * d->scale_bytes;
}

static void describe(const struct attention_bench *b, struct bench_data *d)
{
    const struct attention_shape *s = b->shape;
    int64_t element = cg_dtype_size(s->dtype), kv_element = cg_dtype_size(s->kv_dtype), tokens;

    d->n_rows = s->n_seqs * s->rows;
    d->page_tokens = b->page_tokens;
    d->table_stride = (s->kv_max + d->page_tokens - 1) / d->page_tokens;
    d->n_pages = s->n_seqs * d->table_stride;
    d->flops = shape_flops(s);
    d->bytes = shape_kv_bytes(s);
    d->q_row = (int64_t)s->n_heads * s->head_dim * element;
    d->out_row = (int64_t)s->n_heads * s->v_head_dim * element;
    d->q_bytes = round_up(d->n_rows * d->q_row, ALIGN);
    d->out_bytes = round_up(d->n_rows * d->out_row, ALIGN);
    tokens = (int64_t)d->n_pages * d->page_tokens * s->n_kv_heads;
    d->k_bytes = round_up(tokens * s->head_dim * kv_element, ALIGN);
    d->v_bytes = s->latent ? 0 : round_up(tokens * s->v_head_dim * kv_element, ALIGN);
    d->scale_bytes = has_scales(s) ? round_up(tokens * (int64_t)sizeof(float), ALIGN) : 0;
}

/* Sequences in slots and pages in random order. */
static void make_sequences(const struct attention_shape *s, struct bench_data *d)
{
    d->kv_len = host_alloc((size_t)s->n_seqs, sizeof *d->kv_len);
    d->slot = host_alloc((size_t)s->n_seqs, sizeof *d->slot);
    d->q_start = host_alloc((size_t)s->n_seqs + 1, sizeof *d->q_start);
    d->table = host_alloc((size_t)d->n_pages, sizeof *d->table);
    shuffle(d->slot, s->n_seqs);
    shuffle(d->table, d->n_pages);
    for (int32_t i = 0; i < s->n_seqs; i++) {
        d->kv_len[i] = shape_kv_len(s, i);
        d->q_start[i + 1] = d->q_start[i] + s->rows;
    }
}

/* As many sets as exceed the caches, but no more than fit into the memory. */
static cg_status choose_sets(const struct attention_bench *b, struct bench_data *d, cg_error *err)
{
    int64_t bytes = set_bytes(d), available = bench_device_free_bytes(&b->device) / 10 * 9;
    int64_t wanted = b->device.gpu ? L2_TIMES * b->device.info.l2_bytes : CPU_BYTES;
    int64_t most = b->device.gpu ? MAX_GPU_SETS : MAX_CPU_SETS, sets = wanted / bytes + 1;

    if (bytes > available)
        return cg_fail(err, b->device.gpu ? CG_ERR_DEVICE_NOMEM : CG_ERR_NOMEM,
                       "queries, output, keys and values take %.2f GB: more than the %.2f GB of "
                       "memory that are free",
                       (double)bytes * 1e-9, (double)available * 1e-9);
    if (sets > most)
        sets = most;
    if (sets > available / bytes)
        sets = available / bytes;
    d->n_sets = (int32_t)sets;
    return CG_OK;
}

/* On failure *ret may be allocated; bench_data_free() releases it. */
static cg_status upload(struct bench_device *device, const int32_t *src, int32_t n, void **ret,
                        cg_error *err)
{
    int64_t bytes = n * (int64_t)sizeof *src;

    CG_TRY(bench_device_alloc(device, bytes, ret, err));
    return bench_device_write(device, *ret, src, bytes, err);
}

static cg_status random_memory(struct bench_device *device, int64_t bytes, cg_dtype dtype,
                               float range, uint32_t seed, char **ret, cg_error *err)
{
    void *p = NULL;

    CG_TRY(bench_device_alloc(device, bytes, &p, err));
    *ret = p;
    return bench_device_random(device, p, bytes / cg_dtype_size(dtype), dtype, range, seed, err);
}

/* The largest number that is stored of keys and values; scaled elements are below 1 then. */
static float stored_range(cg_dtype dtype)
{
    return dtype == CG_I8 ? 127.0f : dtype == CG_F8_E4M3 ? 448.0f : 1.0f;
}

/* Scales from 1/2 to 1, divided by the range of stored numbers. */
static cg_status make_scales(struct attention_bench *b, cg_error *err)
{
    struct bench_data *d = &b->data;
    int64_t total = 2 * d->n_sets * d->scale_bytes, part = SCALES_CHUNK * (int64_t)sizeof(float);
    float *chunk;
    void *p = NULL;
    cg_status st;

    if (!total)
        return CG_OK;
    CG_TRY(bench_device_alloc(&b->device, total, &p, err));
    d->scales = p;
    chunk = host_alloc(SCALES_CHUNK, sizeof *chunk);
    for (int32_t i = 0; i < SCALES_CHUNK; i++)
        chunk[i] = (float)(64 + i % 65) / 128 / stored_range(b->shape->kv_dtype);
    st = CG_OK;
    for (int64_t at = 0; at < total && st == CG_OK; at += part)
        st = bench_device_write(&b->device, d->scales + at, chunk,
                                total - at < part ? total - at : part, err);
    free(chunk);
    return st;
}

cg_status bench_data_make(struct attention_bench *b, cg_error *err)
{
    const struct attention_shape *s = b->shape;
    struct bench_data *d = &b->data;
    struct bench_device *device = &b->device;

    describe(b, d);
    CG_TRY(choose_sets(b, d, err));
    make_sequences(s, d);
    CG_TRY(upload(device, d->kv_len, s->n_seqs, &d->on_kv_len, err));
    CG_TRY(upload(device, d->slot, s->n_seqs, &d->on_slot, err));
    CG_TRY(upload(device, d->q_start, s->n_seqs + 1, &d->on_q_start, err));
    CG_TRY(upload(device, d->table, d->n_pages, &d->on_table, err));
    CG_TRY(random_memory(device, d->n_sets * d->q_bytes, s->dtype, 1, 1, &d->q, err));
    CG_TRY(random_memory(device, d->n_sets * d->out_bytes, s->dtype, 1, 2, &d->out, err));
    CG_TRY(random_memory(device, d->n_sets * (d->k_bytes + d->v_bytes), s->kv_dtype,
                         stored_range(s->kv_dtype), 3, &d->kv, err));
    return make_scales(b, err);
}

void bench_data_free(struct attention_bench *b)
{
    struct bench_data *d = &b->data;
    void *on_device[] = { d->on_kv_len, d->on_slot, d->on_q_start, d->on_table,
                          d->q,         d->out,     d->kv,         d->scales };

    for (size_t i = 0; i < sizeof on_device / sizeof on_device[0]; i++)
        bench_device_free(&b->device, on_device[i]);
    free(d->kv_len);
    free(d->slot);
    free(d->q_start);
    free(d->table);
    *d = (struct bench_data) { 0 };
}

/* ---- views ---------------------------------------------------------------------------------- */

/* Strides of blocks of `block` tokens of `heads` heads of `size` bytes. */
static void set_strides(int32_t layout, int64_t block, int64_t heads, int64_t size,
                        int64_t *ret_block, int64_t *ret_head, int64_t *ret_token)
{
    *ret_block = size * block * heads;
    *ret_head = layout == CG_KV_NHD ? size : size * block;
    *ret_token = layout == CG_KV_NHD ? size * heads : size;
}

/* Static and paged caches use the same memory, which holds random values. */
static void own_view(const struct attention_bench *b, const struct bench_cache *cache, int32_t set,
                     cg_kv_view *ret)
{
    const struct attention_shape *s = b->shape;
    const struct bench_data *d = &b->data;
    int64_t element = cg_dtype_size(s->kv_dtype);
    int32_t block = cache->paged ? d->page_tokens : d->table_stride * d->page_tokens;
    char *k = d->kv + set * (d->k_bytes + d->v_bytes);
    cg_kv_view v = {
        CG_SIZED(cg_kv_view),
        .device = b->device.gpu ? CG_DEVICE_CUDA : CG_DEVICE_CPU,
        .dtype = s->kv_dtype,
        .n_slots = s->n_seqs,
        .n_kv_heads = s->n_kv_heads,
        .head_dim = s->head_dim,
        .block_tokens = block,
        .table_stride = cache->paged ? d->table_stride : 0,
        .page_table = cache->paged ? d->on_table : NULL,
        .k = k,
        .v = s->latent ? k : k + d->k_bytes,
        .generation = 1,
    };

    set_strides(s->kv_layout, block, s->n_kv_heads, s->head_dim * element, &v.block_stride,
                &v.head_stride, &v.token_stride);
    if (s->v_head_dim != s->head_dim) {
        v.v_head_dim = s->v_head_dim;
        set_strides(s->kv_layout, block, s->n_kv_heads,
                    (s->latent ? s->head_dim : s->v_head_dim) * element, &v.v_block_stride,
                    &v.v_head_stride, &v.v_token_stride);
    }
    if (has_scales(s)) {
        char *scales = d->scales + 2 * set * d->scale_bytes;

        v.k_scale = (const float *)(const void *)scales;
        v.v_scale = s->latent ? v.k_scale : (const float *)(const void *)(scales + d->scale_bytes);
        set_strides(s->kv_layout, block, s->n_kv_heads, sizeof(float), &v.scale_block_stride,
                    &v.scale_head_stride, &v.scale_token_stride);
    }
    *ret = v;
}

cg_status bench_data_view(const struct attention_bench *b, const struct bench_cache *cache,
                          int32_t set, cg_kv_view *ret, cg_error *err)
{
    if (cache->plugin)
        return cg_cache_view(cache->plugin->ops, cache->self, set, ret, err);
    own_view(b, cache, set, ret);
    return CG_OK;
}

int64_t bench_data_kv_bytes(const struct attention_bench *b, const struct bench_cache *cache)
{
    const struct bench_data *d = &b->data;
    cg_cache_stats stats = { CG_SIZED(cg_cache_stats) };

    if (!cache->plugin)
        return d->k_bytes + d->v_bytes + (b->shape->latent ? 1 : 2) * d->scale_bytes;
    cg_cache_get_stats(cache->plugin->ops, cache->self, &stats);
    return stats.bytes_allocated / d->n_sets;
}

/* ---- the loop that reads -------------------------------------------------------------------- */

struct read_range {
    const char *from;
    int64_t bytes;
};

static void read_chunk(void *arg, int64_t i, int32_t worker)
{
    const struct read_range *r = arg;
    int64_t from = i * READ_CHUNK, n = r->bytes - from < READ_CHUNK ? r->bytes - from : READ_CHUNK;
    const uint64_t *p = (const uint64_t *)(const void *)(r->from + from);
    volatile uint64_t sink;
    uint64_t sum = 0;

    (void)worker;
    for (int64_t k = 0; k < n / 8; k++)
        sum += p[k];
    sink = sum;
    (void)sink;
}

void bench_data_read(struct attention_bench *b)
{
    const struct bench_data *d = &b->data;
    struct read_range r = { d->kv, d->n_sets * (d->k_bytes + d->v_bytes) };
    double start = cg_now();

    b->host->parallel_for(b->host->ctx, (r.bytes + READ_CHUNK - 1) / READ_CHUNK, read_chunk, &r);
    samples_add(&b->memory_rate, (double)r.bytes / (cg_now() - start));
}
