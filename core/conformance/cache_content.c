/* SPDX-License-Identifier: MIT */
#include "cache_suite.h"

#include <stdlib.h>
#include <string.h>

#include "element.h"

cg_cache_config cache_config(const cache_suite *s)
{
    return (cg_cache_config) {
        CG_SIZED(cg_cache_config),
        .device = s->gpu ? CG_DEVICE_CUDA : CG_DEVICE_CPU,
        .dtype = s->dtype,
        .n_layers = CACHE_LAYERS,
        .n_slots = CACHE_SLOTS,
        .n_kv_heads = CACHE_HEADS,
        .head_dim = s->dim,
        .max_len = CACHE_MAX_LEN,
        .stream = s->gpu ? cg_gpu_stream(s->gpu) : NULL,
    };
}

size_t cache_row_bytes(const cache_suite *s)
{
    return (size_t)s->dim * cg_dtype_size(s->dtype);
}

cg_dtype cache_source_type(uint32_t token)
{
    return (cg_dtype)(token & 3);
}

/* 24 significant bits: 16-bit types must round. */
float cache_element(const cache_suite *s, uint32_t token, int32_t layer, int32_t head, int32_t d,
                    int32_t value)
{
    uint32_t h =
        token * 2654435761u + (uint32_t)(((layer * CACHE_HEADS + head) * s->dim + d) * 2 + value);

    h ^= h >> 15;
    h *= 2246822519u;
    return element_round((float)(h >> 8) * 0x1p-12f, cache_source_type(token)); /* below 4096 */
}

/* ---- model --------------------------------------------------------------------------------- */

void cache_model_clear(cache_suite *s)
{
    memset(s->valid, 0, sizeof s->valid);
    memset(s->reserved_tokens, 0, sizeof s->reserved_tokens);
    memset(s->view, 0, sizeof s->view);
    s->shares = 0;
}

int cache_create(cache_suite *s, const cg_cache_config *config)
{
    cg_error err = CG_ERROR_INIT;
    cg_status st;

    cache_model_clear(s);
    s->self = NULL;
    st = s->ops->create(&s->test_host.host, config, &s->self, &err);
    return expect(&s->rec, st == CG_OK, "create() failed (%d): %s", st, err.msg) &&
           expect(&s->rec, s->self != NULL, "create() succeeded but gave NULL");
}

int cache_is_nomem(const cache_suite *s, cg_status st)
{
    return st == CG_ERR_NOMEM || (s->gpu && st == CG_ERR_DEVICE_NOMEM);
}

/* ---- views --------------------------------------------------------------------------------- */

static int same_addresses(const cg_kv_view *a, const cg_kv_view *b)
{
    return a->k == b->k && a->v == b->v && a->page_table == b->page_table &&
           a->block_tokens == b->block_tokens && a->table_stride == b->table_stride &&
           a->block_stride == b->block_stride && a->head_stride == b->head_stride &&
           a->token_stride == b->token_stride;
}

static int check_view(cache_suite *s, int32_t layer, const cg_kv_view *v)
{
    const cg_kv_view *old = &s->view[layer];
    int64_t row = (int64_t)cache_row_bytes(s), size = cg_dtype_size(s->dtype);

    expect(&s->rec,
           v->struct_size >= offsetof(cg_kv_view, generation) + sizeof v->generation &&
               v->device == (s->gpu ? CG_DEVICE_CUDA : CG_DEVICE_CPU) && v->dtype == s->dtype &&
               v->n_slots == CACHE_SLOTS && v->n_kv_heads == CACHE_HEADS && v->head_dim == s->dim,
           "view of layer %d: not the configured shape", layer);
    if (!expect(&s->rec,
                v->block_tokens >= 1 && v->k && v->v &&
                    (v->page_table != NULL) == (s->ops->paged != 0),
                "view of layer %d: %d tokens per block, k %p, v %p, page table %p, but paged is %d",
                layer, v->block_tokens, v->k, v->v, (const void *)v->page_table, s->ops->paged))
        return 0;
    expect(&s->rec,
           (v->token_stride >= row || v->token_stride <= -row) &&
               (v->head_stride >= row || v->head_stride <= -row) && v->token_stride % size == 0 &&
               v->head_stride % size == 0 && v->block_stride % size == 0,
           "view of layer %d: strides %lld, %lld, %lld", layer, (long long)v->block_stride,
           (long long)v->head_stride, (long long)v->token_stride);
    if (CG_HAS_SIZE(s->ops, block_tokens) && s->ops->block_tokens)
        expect(&s->rec, v->block_tokens == s->ops->block_tokens,
               "view of layer %d: %d tokens per block, but block_tokens of the plugin is %d", layer,
               v->block_tokens, s->ops->block_tokens);
    if (old->struct_size && old->generation == v->generation)
        expect(&s->rec, same_addresses(old, v),
               "layer %d: a pointer or stride changed, but generation %llu did not", layer,
               (unsigned long long)v->generation);
    s->view[layer] = *v;
    return 1;
}

const int32_t *cache_host_table(cache_suite *s, const cg_kv_view *v)
{
    size_t n = (size_t)v->n_slots * (size_t)v->table_stride;
    cg_error err = CG_ERROR_INIT;

    if (!s->gpu || !v->page_table)
        return v->page_table;
    if (n > s->table_entries) {
        free(s->table);
        s->table = malloc(n * sizeof *s->table);
        if (!s->table)
            abort();
        s->table_entries = n;
    }
    return gpu_ok(&s->rec, cg_gpu_read(s->gpu, s->table, v->page_table, n * sizeof *s->table, &err),
                  &err, "a read of the page table")
               ? s->table
               : NULL;
}

/*
 * Returns keys (0) or values (1) of the first n tokens of a block in host memory; head h and token
 * t are at ret + h * head_stride + t * token_stride. NULL on failure.
 */
static const char *host_block(cache_suite *s, const cg_kv_view *v, int32_t values, int64_t block,
                              int32_t n)
{
    const char *base = (const char *)(values ? v->v : v->k) + block * v->block_stride;
    int64_t heads = (CACHE_HEADS - 1) * v->head_stride, tokens = (n - 1) * v->token_stride;
    int64_t lo = (heads < 0 ? heads : 0) + (tokens < 0 ? tokens : 0);
    int64_t hi = (heads > 0 ? heads : 0) + (tokens > 0 ? tokens : 0) + (int64_t)cache_row_bytes(s);
    cg_error err = CG_ERROR_INIT;

    if (!s->gpu)
        return base;
    if ((size_t)(hi - lo) > s->copy_bytes) {
        s->copy_bytes = (size_t)(hi - lo);
        for (int i = 0; i < 2; i++) {
            free(s->copy[i]);
            s->copy[i] = malloc(s->copy_bytes);
            if (!s->copy[i])
                abort();
        }
    }
    return gpu_ok(&s->rec, cg_gpu_read(s->gpu, s->copy[values], base + lo, (size_t)(hi - lo), &err),
                  &err, "a read of keys and values")
               ? s->copy[values] - lo
               : NULL;
}

/* Compares tokens [from, from + n) of a slot, all in one block, with the model. */
static int check_block(cache_suite *s, const cg_kv_view *v, int32_t layer, int32_t slot,
                       int64_t block, int32_t from, int32_t n, const char *after)
{
    int64_t size = cg_dtype_size(s->dtype);

    for (int32_t value = 0; value < 2; value++) {
        const char *data = host_block(s, v, value, block, n);

        if (!data)
            return 0;
        for (int32_t t = 0; t < n; t++)
            for (int32_t head = 0; head < CACHE_HEADS; head++)
                for (int32_t d = 0; d < s->dim; d++) {
                    float expected = element_round(
                        cache_element(s, s->token[slot][from + t], layer, head, d, value),
                        s->dtype);
                    float got = element_load(
                        data + head * v->head_stride + t * v->token_stride + d * size, s->dtype);

                    if (got != expected)
                        return expect(
                            &s->rec, 0,
                            "after %s: layer %d, slot %d, head %d, token %d of %d (appended "
                            "as %s), element %d of the %s is %.9g, stored was %.9g",
                            after, layer, slot, head, from + t, s->valid[slot],
                            cg_dtype_name(cache_source_type(s->token[slot][from + t])), d,
                            value ? "values" : "keys", (double)got, (double)expected);
                }
    }
    return 1;
}

static int check_slot(cache_suite *s, const cg_kv_view *v, const int32_t *table, int32_t layer,
                      int32_t slot, const char *after)
{
    if (!table && !expect(&s->rec, s->reserved_tokens[slot] <= v->block_tokens,
                          "slot %d has room for %d tokens in blocks of %d", slot,
                          s->reserved_tokens[slot], v->block_tokens))
        return 0;
    for (int32_t pos = 0; pos < s->reserved_tokens[slot]; pos += v->block_tokens) {
        int64_t block = table ? table[slot * v->table_stride + pos / v->block_tokens] : slot;
        int32_t n = s->valid[slot] - pos;

        if (!expect(&s->rec, block >= 0, "after %s: token %d of slot %d is in page %lld", after,
                    pos, slot, (long long)block))
            return 0;
        if (n > 0 && !check_block(s, v, layer, slot, block, pos,
                                  n < v->block_tokens ? n : v->block_tokens, after))
            return 0;
    }
    return 1;
}

int cache_check_content(cache_suite *s, const char *after)
{
    for (int32_t layer = 0; layer < CACHE_LAYERS; layer++) {
        cg_error err = CG_ERROR_INIT;
        const int32_t *table;
        cg_kv_view v = { CG_SIZED(cg_kv_view) };

        if (!expect(&s->rec, s->ops->view(s->self, layer, &v, &err) == CG_OK,
                    "view() of layer %d failed: %s", layer, err.msg) ||
            !check_view(s, layer, &v))
            return 0;
        table = cache_host_table(s, &v);
        if (s->rec.gpu_lost)
            return 0;
        for (int32_t slot = 0; slot < CACHE_SLOTS; slot++)
            if (!check_slot(s, &v, table, layer, slot, after))
                return 0;
    }
    return expect(&s->rec, 1, "%s", after);
}

void cache_check_stats(cache_suite *s, const cg_cache_config *config, const char *after)
{
    cg_cache_stats st = { CG_SIZED(cg_cache_stats) };
    int32_t used = 0;

    s->ops->stats(s->self, &st);
    for (int32_t i = 0; i < CACHE_SLOTS; i++)
        used += s->reserved_tokens[i];
    expect(&s->rec,
           st.bytes_used >= 0 && st.bytes_used <= st.bytes_allocated && st.blocks_shared >= 0 &&
               st.grown >= 0,
           "after %s: %lld of %lld bytes used, %lld blocks shared, grown %lld times", after,
           (long long)st.bytes_used, (long long)st.bytes_allocated, (long long)st.blocks_shared,
           (long long)st.grown);
    expect(&s->rec, (used > 0) == (st.bytes_used > 0),
           "after %s: %d tokens are reserved, but %lld bytes are used", after, used,
           (long long)st.bytes_used);
    expect(&s->rec, s->shares || st.blocks_shared == 0,
           "after %s: %lld blocks shared, wanted 0: no prefix was shared", after,
           (long long)st.blocks_shared);
    expect(&s->rec, !config->max_bytes || st.bytes_allocated <= config->max_bytes,
           "after %s: %lld bytes allocated, wanted at most %lld", after,
           (long long)st.bytes_allocated, (long long)config->max_bytes);
}
