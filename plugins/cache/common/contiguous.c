/* SPDX-License-Identifier: MIT */
#include "contiguous.h"

#include <string.h>

#include "cache_checks.h"
#include "memory.h"

struct cg_contiguous {
    const cg_host *host;
    const cg_cache_memory *in; /* where `memory` lies */
    cg_cache_config config;
    int32_t capacity; /* tokens of a slot */
    int64_t grown;
    uint64_t generation;
    char *memory;  /* keys of all layers, then values; of the device */
    int32_t *room; /* [n_slots] tokens that were reserved; 0: the slot is empty */
};

/* Bytes of keys and values at a capacity; -1 if no machine has that many. */
static int64_t size_at(const cg_cache_config *c, int32_t capacity)
{
    int64_t bytes;

    if (__builtin_mul_overflow((int64_t)c->n_layers * 2, (int64_t)c->n_slots, &bytes) ||
        __builtin_mul_overflow(bytes, (int64_t)c->n_kv_heads, &bytes) ||
        __builtin_mul_overflow(bytes, (int64_t)capacity, &bytes) ||
        __builtin_mul_overflow(bytes, (int64_t)c->head_dim * cg_dtype_size(c->dtype), &bytes))
        return -1;
    return bytes;
}

static int64_t head_bytes(const cg_contiguous *s, int32_t tokens)
{
    return (int64_t)tokens * s->config.head_dim * cg_dtype_size(s->config.dtype);
}

/* Memory for a capacity, beside `held` bytes that are in use. */
static cg_status allocate(const cg_contiguous *s, int32_t capacity, int64_t held, char **ret_memory,
                          cg_error *err)
{
    const cg_cache_config *c = &s->config;
    int64_t bytes = size_at(c, capacity);
    void *memory = NULL;
    cg_status st;

    if (bytes < 0 || (c->max_bytes && bytes > c->max_bytes - held))
        return s->host->fail(err, s->in->no_memory,
                             "KV cache: %lld bytes for %d slots of %d tokens (%lld more while it "
                             "moves), but the bound is %lld",
                             (long long)bytes, c->n_slots, capacity, (long long)held,
                             (long long)c->max_bytes);
    st = s->in->alloc(s->host, bytes, &memory, err);
    if (st == s->in->no_memory)
        return s->host->fail(
            err, st, "KV cache: no %smemory for %lld bytes (%d slots of %d tokens)",
            c->device == CG_DEVICE_CUDA ? "GPU " : "", (long long)bytes, c->n_slots, capacity);
    if (st == CG_OK)
        *ret_memory = memory;
    return st;
}

cg_status cg_contiguous_create(const cg_host *host, const cg_cache_config *config, int32_t capacity,
                               void **ret_self, cg_error *err)
{
    cg_status st = cg_cache_check_config(host, config, err);
    const cg_cache_memory *in;
    cg_contiguous *s;

    if (st != CG_OK)
        return st;
    in = cg_cache_memory_of(config);
    if ((st = in->check(host, err)) != CG_OK)
        return st;
    s = host->alloc(host->ctx, sizeof *s);
    if (!s)
        return host->fail(err, CG_ERR_NOMEM, "KV cache: out of memory");
    *s = (cg_contiguous) { .host = host, .in = in, .config = *config, .generation = 1 };
    s->capacity = capacity < config->max_len ? capacity : config->max_len;
    s->room = host->alloc(host->ctx, (size_t)config->n_slots * sizeof *s->room);
    if (!s->room)
        st = host->fail(err, CG_ERR_NOMEM, "KV cache: out of memory");
    else
        st = allocate(s, s->capacity, 0, &s->memory, err);
    if (st != CG_OK) {
        cg_contiguous_destroy(s);
        return st;
    }
    memset(s->room, 0, (size_t)config->n_slots * sizeof *s->room);
    *ret_self = s;
    return CG_OK;
}

void cg_contiguous_destroy(void *self)
{
    cg_contiguous *s = self;

    if (!s)
        return;
    if (s->memory)
        s->in->settle();
    s->in->free(s->host, s->memory);
    s->host->free(s->host->ctx, s->room);
    s->host->free(s->host->ctx, s);
}

/* What slots hold, to memory of another capacity. */
static cg_status move(const cg_contiguous *s, char *to, int32_t capacity, cg_error *err)
{
    const cg_cache_config *c = &s->config;
    int64_t to_head = head_bytes(s, capacity), from_head = head_bytes(s, s->capacity);
    int64_t to_slot = to_head * c->n_kv_heads, from_slot = from_head * c->n_kv_heads;
    cg_status st = CG_OK;

    for (int32_t slot = 0; slot < c->n_slots && st == CG_OK; slot++)
        if (s->room[slot])
            st = s->in->copy(s->host, c,
                             &(cg_cache_rows) {
                                 .to = to + slot * to_slot,
                                 .from = s->memory + slot * from_slot,
                                 .n_planes = (int64_t)c->n_layers * 2,
                                 .to_plane = to_slot * c->n_slots,
                                 .from_plane = from_slot * c->n_slots,
                                 .n_heads = c->n_kv_heads,
                                 .to_head = to_head,
                                 .from_head = from_head,
                                 .bytes = head_bytes(s, s->room[slot]),
                             },
                             err);
    return st;
}

/*
 * Double the capacity, or at least reach `len`, for all slots. On a GPU this waits for the stream:
 * it happens a handful of times in the life of a cache and voids captured graphs anyway, and
 * max_bytes is kept only if the old memory is gone when the call returns (cudaFreeAsync() would
 * leave it in a pool that other allocations do not see).
 */
static cg_status grow(cg_contiguous *s, int32_t len, cg_error *err)
{
    const cg_cache_config *c = &s->config;
    int64_t held = size_at(c, s->capacity);
    int64_t wanted = s->capacity;
    int32_t capacity;
    char *to = NULL;
    cg_status st, waited;

    while (wanted < len)
        wanted *= 2;
    capacity = wanted < c->max_len ? (int32_t)wanted : c->max_len;
    if (allocate(s, capacity, held, &to, NULL) != CG_OK) {
        capacity = len; /* no room for twice as much: just what is needed */
        if ((st = allocate(s, capacity, held, &to, err)) != CG_OK)
            return st;
    }
    st = move(s, to, capacity, err);
    waited = s->in->wait(s->host, c, st == CG_OK ? err : NULL);
    if (st != CG_OK || waited != CG_OK) {
        s->in->free(s->host, to);
        return st != CG_OK ? st : waited;
    }
    s->in->free(s->host, s->memory);
    s->memory = to;
    s->capacity = capacity;
    s->generation++;
    s->grown++;
    return CG_OK;
}

cg_status cg_contiguous_reserve(void *self, int32_t slot, int32_t len, cg_error *err)
{
    cg_contiguous *s = self;
    cg_status st = cg_cache_check_slot(s->host, &s->config, slot, len, err);

    if (st == CG_OK && len > s->capacity)
        st = grow(s, len, err);
    if (st == CG_OK && len > s->room[slot])
        s->room[slot] = len;
    return st;
}

cg_status cg_contiguous_view(void *self, int32_t layer, cg_kv_view *ret_view, cg_error *err)
{
    cg_contiguous *s = self;
    const cg_cache_config *c = &s->config;
    int64_t slot_bytes = head_bytes(s, s->capacity) * c->n_kv_heads;
    cg_status st = cg_cache_check_layer(s->host, c, layer, err);

    if (st != CG_OK)
        return st;
    *ret_view = (cg_kv_view) {
        CG_SIZED(cg_kv_view),
        .device = c->device,
        .dtype = c->dtype,
        .n_slots = c->n_slots,
        .n_kv_heads = c->n_kv_heads,
        .head_dim = c->head_dim,
        .block_tokens = s->capacity,
        .k = s->memory + slot_bytes * c->n_slots * layer,
        .v = s->memory + slot_bytes * c->n_slots * (c->n_layers + layer),
        .block_stride = slot_bytes,
        .head_stride = head_bytes(s, s->capacity),
        .token_stride = head_bytes(s, 1),
        .generation = s->generation,
    };
    return CG_OK;
}

cg_status cg_contiguous_append(void *self, int32_t layer, const cg_cache_append *args,
                               cg_error *err)
{
    cg_contiguous *s = self;
    cg_kv_view view;
    cg_status st = cg_contiguous_view(s, layer, &view, err);

    if (st == CG_OK)
        st = s->in->check_append(s->host, &s->config, args, s->room, err);
    if (st == CG_OK)
        st = s->in->store(s->host, &view, s->config.n_slots, args, err);
    return st;
}

cg_status cg_contiguous_share_prefix(void *self, int32_t dst, int32_t src, int32_t len,
                                     cg_error *err)
{
    cg_contiguous *s = self;
    const cg_cache_config *c = &s->config;
    int64_t head = head_bytes(s, s->capacity), slot_bytes = head * c->n_kv_heads;
    cg_status st;

    if ((st = cg_cache_check_slot(s->host, c, dst, len, err)) != CG_OK ||
        (st = cg_cache_check_slot(s->host, c, src, len, err)) != CG_OK)
        return st;
    if (dst == src || s->room[dst] || len > s->room[src])
        return s->host->fail(err, CG_ERR_USAGE,
                             "share %d tokens of slot %d (which has %d) with slot %d (which has "
                             "%d), wanted another, empty slot",
                             len, src, s->room[src], dst, s->room[dst]);
    if (len)
        st = s->in->copy(s->host, c,
                         &(cg_cache_rows) {
                             .to = s->memory + dst * slot_bytes,
                             .from = s->memory + src * slot_bytes,
                             .n_planes = (int64_t)c->n_layers * 2,
                             .to_plane = slot_bytes * c->n_slots,
                             .from_plane = slot_bytes * c->n_slots,
                             .n_heads = c->n_kv_heads,
                             .to_head = head,
                             .from_head = head,
                             .bytes = head_bytes(s, len),
                         },
                         err);
    if (st != CG_OK)
        return st;
    s->room[dst] = len;
    return CG_OK;
}

cg_status cg_contiguous_truncate(void *self, int32_t slot, int32_t len, cg_error *err)
{
    cg_contiguous *s = self;
    cg_status st = cg_cache_check_slot(s->host, &s->config, slot, len, err);

    if (st == CG_OK && len < s->room[slot])
        s->room[slot] = len;
    return st;
}

void cg_contiguous_release(void *self, int32_t slot)
{
    cg_contiguous *s = self;

    if (slot >= 0 && slot < s->config.n_slots)
        s->room[slot] = 0;
}

void cg_contiguous_stats(const void *self, cg_cache_stats *ret_stats)
{
    const cg_contiguous *s = self;
    int64_t all = size_at(&s->config, s->capacity), used = 0;

    for (int32_t i = 0; i < s->config.n_slots; i++)
        used += s->room[i] > 0;
    *ret_stats = (cg_cache_stats) {
        CG_SIZED(cg_cache_stats),
        .bytes_allocated = all,
        .bytes_used = all / s->config.n_slots * used,
        .grown = s->grown,
    };
}
