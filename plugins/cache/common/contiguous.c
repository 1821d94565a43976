/* SPDX-License-Identifier: MIT */
/*
 * The plugins `static` (compiled with CG_CACHE_STATIC) and `dynamic`: a cache in which a slot is
 * one block.
 *
 * Keys, then values, each [layer][slot][kv head][capacity][size]: the tokens of one head of one
 * slot are adjacent, so a pass over them is one stream. All slots have the same capacity. `static`
 * allocates max_len tokens per slot; `dynamic` starts small and doubles the capacity of all slots
 * when one of them is full, which moves their contents.
 */
#include <string.h>

#include <confgen/cache.h>
#include <confgen/quantise.h>

#include "cache_checks.h"
#include "memory.h"

#ifdef CG_CACHE_STATIC
#define NAME        "static"
#define DESCRIPTION "contiguous KV cache of full length, allocated at once"
enum { FIRST_CAPACITY = INT32_MAX }; /* max_len */
#else
#define NAME        "dynamic"
#define DESCRIPTION "contiguous KV cache that doubles when a slot is full"
enum { FIRST_CAPACITY = 64 }; /* tokens per slot at creation, at most max_len */
#endif

enum { PART_ALIGN = 16 }; /* bytes that a part begins at a multiple of */

/* Planes of one size, each [slot][kv head][capacity] of token_bytes. */
typedef struct slot_part {
    int64_t n_planes;
    int64_t token_bytes;
} slot_part;

typedef struct contiguous {
    const cg_host *host;
    const cg_cache_memory *memory; /* operations of the device's memory */
    cg_cache_config config;
    slot_part parts[3]; /* keys, and values with them or behind; scales */
    int32_t n_parts;
    int32_t values;   /* part of values */
    int32_t scales;   /* part of scales; -1: none */
    int32_t capacity; /* tokens per slot */
    int64_t n_grows;
    uint64_t generation;
    char *data;               /* the parts one after another; device memory */
    int32_t *reserved_tokens; /* [n_slots]; 0: the slot is empty */
} contiguous;

static void set_parts(contiguous *s)
{
    const cg_cache_config *c = &s->config;
    int64_t element = cg_dtype_size(c->dtype), key = c->head_dim * element,
            value = c->v_head_dim * element;

    s->scales = -1;
    s->parts[s->n_parts++] = (slot_part) { (key == value ? 2 : 1) * (int64_t)c->n_layers, key };
    if (key != value) {
        s->values = s->n_parts;
        s->parts[s->n_parts++] = (slot_part) { c->n_layers, value };
    }
    if (cg_kv_is_scaled(c->dtype)) {
        s->scales = s->n_parts;
        s->parts[s->n_parts++] = (slot_part) { 2 * (int64_t)c->n_layers, sizeof(float) };
    }
}

/* Bytes of the first n parts at a capacity, and before the next part; -1 on overflow. */
static int64_t size_at(const contiguous *s, int32_t n, int32_t capacity)
{
    const cg_cache_config *c = &s->config;
    int64_t sum = 0, bytes;

    for (int32_t i = 0; i < n; i++) {
        if (__builtin_mul_overflow(s->parts[i].n_planes, (int64_t)c->n_slots, &bytes) ||
            __builtin_mul_overflow(bytes, (int64_t)c->n_kv_heads, &bytes) ||
            __builtin_mul_overflow(bytes, (int64_t)capacity, &bytes) ||
            __builtin_mul_overflow(bytes, s->parts[i].token_bytes, &bytes) ||
            __builtin_add_overflow(sum, bytes, &sum) || sum > INT64_MAX - PART_ALIGN)
            return -1;
        if (i + 1 < s->n_parts)
            sum = (sum + PART_ALIGN - 1) / PART_ALIGN * PART_ALIGN;
    }
    return sum;
}

/* Bytes that the cache holds at a capacity; -1 on overflow. */
static int64_t all_bytes(const contiguous *s, int32_t capacity)
{
    return size_at(s, s->n_parts, capacity);
}

/* Bytes of a slot in one plane of a part. */
static int64_t slot_bytes(const contiguous *s, const slot_part *p)
{
    return s->config.n_kv_heads * (s->capacity * p->token_bytes);
}

/*
 * Queues the copy of `n` tokens of all layers, from position `from_pos` of slot `from` here to
 * position `to_pos` of slot `to` of `data`, whose slots hold `capacity` tokens.
 */
static cg_status copy_tokens(const contiguous *s, char *data, int32_t capacity, int32_t to,
                             int32_t to_pos, int32_t from, int32_t from_pos, int32_t n,
                             cg_error *err)
{
    const cg_cache_config *c = &s->config;

    for (int32_t i = 0; i < s->n_parts; i++) {
        const slot_part *p = &s->parts[i];
        int64_t to_head = capacity * p->token_bytes, from_head = s->capacity * p->token_bytes;
        int64_t to_slot = to_head * c->n_kv_heads, from_slot = from_head * c->n_kv_heads;

        CG_TRY(s->memory->copy(
            s->host, c,
            &(cg_cache_rows) {
                .to = data + size_at(s, i, capacity) + to * to_slot + to_pos * p->token_bytes,
                .from = s->data + size_at(s, i, s->capacity) + from * from_slot +
                        from_pos * p->token_bytes,
                .n_planes = p->n_planes,
                .to_plane_stride = to_slot * c->n_slots,
                .from_plane_stride = from_slot * c->n_slots,
                .n_heads = c->n_kv_heads,
                .to_head_stride = to_head,
                .from_head_stride = from_head,
                .bytes = n * p->token_bytes,
            },
            err));
    }
    return CG_OK;
}

/* Allocates slots of `capacity` tokens; `held` bytes of the old allocation also count against
 * max_bytes (0 at creation). */
static cg_status allocate(const contiguous *s, int32_t capacity, int64_t held, char **ret_data,
                          cg_error *err)
{
    const cg_cache_config *c = &s->config;
    int64_t bytes = all_bytes(s, capacity);
    void *data = NULL;
    cg_status st;

    if (bytes < 0)
        return s->host->fail(err, s->memory->nomem,
                             "KV cache: %d slots of %d tokens exceed 2^63 bytes", c->n_slots,
                             capacity);
    if (held && c->max_bytes && bytes > c->max_bytes - held)
        return s->host->fail(err, s->memory->nomem,
                             "KV cache: %lld bytes for %d slots of %d tokens, and %lld bytes in "
                             "use while they move, but the limit (max_bytes) is %lld",
                             (long long)bytes, c->n_slots, capacity, (long long)held,
                             (long long)c->max_bytes);
    if (c->max_bytes && bytes > c->max_bytes)
        return s->host->fail(err, s->memory->nomem,
                             "KV cache: %lld bytes for %d slots of %d tokens, but the limit "
                             "(max_bytes) is %lld",
                             (long long)bytes, c->n_slots, capacity, (long long)c->max_bytes);
    st = s->memory->alloc(s->host, bytes, &data, err);
    if (st == s->memory->nomem)
        return s->host->fail(
            err, st, "KV cache: no %smemory for %lld bytes (%d slots of %d tokens)",
            c->device == CG_DEVICE_CUDA ? "GPU " : "", (long long)bytes, c->n_slots, capacity);
    if (st == CG_OK)
        *ret_data = data;
    return st;
}

static void destroy(void *self)
{
    contiguous *s = self;

    if (!s)
        return;
    if (s->data)
        s->memory->drain();
    s->memory->free(s->host, s->data);
    s->host->free(s->host->ctx, s->reserved_tokens);
    s->host->free(s->host->ctx, s);
}

static cg_status create(const cg_host *host, const cg_cache_config *config, void **ret_self,
                        cg_error *err)
{
    const cg_cache_memory *memory;
    contiguous *s;
    cg_status st;

    CG_TRY(cg_cache_check_config(host, config, err));
    memory = cg_cache_memory_of(config);
    CG_TRY(memory->check(host, err));
    s = host->alloc(host->ctx, sizeof *s);
    if (!s)
        return host->fail(err, CG_ERR_NOMEM, "KV cache: out of host memory");
    *s = (contiguous) {
        .host = host, .memory = memory, .config = cg_cache_full_config(config), .generation = 1
    };
    set_parts(s);
    s->capacity = FIRST_CAPACITY < config->max_len ? FIRST_CAPACITY : config->max_len;
    s->reserved_tokens =
        host->alloc(host->ctx, (size_t)config->n_slots * sizeof *s->reserved_tokens);
    if (!s->reserved_tokens) {
        st = host->fail(err, CG_ERR_NOMEM, "KV cache: out of host memory");
        goto out;
    }
    memset(s->reserved_tokens, 0, (size_t)config->n_slots * sizeof *s->reserved_tokens);
    CG_TRY_GOTO(st, allocate(s, s->capacity, 0, &s->data, err), out);
    *ret_self = s;
    s = NULL;
out:
    destroy(s);
    return st;
}

/* Queues the copy of all reserved tokens to `to`, whose slots hold `capacity` tokens. */
static cg_status copy_slots(const contiguous *s, char *to, int32_t capacity, cg_error *err)
{
    for (int32_t slot = 0; slot < s->config.n_slots; slot++)
        if (s->reserved_tokens[slot])
            CG_TRY(copy_tokens(s, to, capacity, slot, 0, slot, 0, s->reserved_tokens[slot], err));
    return CG_OK;
}

/*
 * Doubles the capacity of all slots until it is at least `len`. On a GPU this waits for the stream:
 * growth is rare and invalidates captured graphs anyway, and max_bytes holds after the call only if
 * the old memory is freed by then (cudaFreeAsync() would keep it in a pool that other allocations
 * do not see).
 */
static cg_status grow(contiguous *s, int32_t len, cg_error *err)
{
    const cg_cache_config *c = &s->config;
    int64_t held = all_bytes(s, s->capacity);
    int64_t wanted = s->capacity;
    int32_t capacity;
    char *to = NULL;
    cg_status st, waited;

    while (wanted < len)
        wanted *= 2;
    capacity = wanted < c->max_len ? (int32_t)wanted : c->max_len;
    if (allocate(s, capacity, held, &to, NULL) != CG_OK) {
        capacity = len; /* not enough memory to double: grow to what is needed */
        CG_TRY(allocate(s, capacity, held, &to, err));
    }
    st = copy_slots(s, to, capacity, err);
    waited = s->memory->synchronize(s->host, c, st == CG_OK ? err : NULL);
    if (st != CG_OK || waited != CG_OK) {
        s->memory->free(s->host, to);
        return st != CG_OK ? st : waited;
    }
    s->memory->free(s->host, s->data);
    s->data = to;
    s->capacity = capacity;
    s->generation++;
    s->n_grows++;
    return CG_OK;
}

static cg_status reserve(void *self, int32_t slot, int32_t len, cg_error *err)
{
    contiguous *s = self;

    CG_TRY(cg_cache_check_slot(s->host, &s->config, slot, len, err));
    if (len > s->capacity)
        CG_TRY(grow(s, len, err));
    if (len > s->reserved_tokens[slot])
        s->reserved_tokens[slot] = len;
    return CG_OK;
}

/* Address of a plane of a part. */
static char *plane_at(const contiguous *s, int32_t i, int64_t plane)
{
    return s->data + size_at(s, i, s->capacity) +
           slot_bytes(s, &s->parts[i]) * s->config.n_slots * plane;
}

static cg_status view(void *self, int32_t layer, cg_kv_view *ret_view, cg_error *err)
{
    contiguous *s = self;
    const cg_cache_config *c = &s->config;
    const slot_part *keys = &s->parts[0], *values = &s->parts[s->values];
    cg_kv_view v = { CG_SIZED(cg_kv_view) };

    CG_TRY(cg_cache_check_layer(s->host, c, layer, err));
    v.device = c->device;
    v.dtype = c->dtype;
    v.n_slots = c->n_slots;
    v.n_kv_heads = c->n_kv_heads;
    v.head_dim = c->head_dim;
    v.block_tokens = s->capacity;
    v.k = plane_at(s, 0, layer);
    v.v = plane_at(s, s->values, (s->values ? 0 : c->n_layers) + layer);
    v.block_stride = slot_bytes(s, keys);
    v.head_stride = s->capacity * keys->token_bytes;
    v.token_stride = keys->token_bytes;
    v.generation = s->generation;
    if (s->values) {
        v.v_head_dim = c->v_head_dim;
        v.v_block_stride = slot_bytes(s, values);
        v.v_head_stride = s->capacity * values->token_bytes;
        v.v_token_stride = values->token_bytes;
    }
    if (s->scales >= 0) {
        v.k_scale = (const float *)plane_at(s, s->scales, layer);
        v.v_scale = (const float *)plane_at(s, s->scales, c->n_layers + layer);
        v.scale_block_stride = slot_bytes(s, &s->parts[s->scales]);
        v.scale_head_stride = s->capacity * (int64_t)sizeof(float);
        v.scale_token_stride = sizeof(float);
    }
    cg_fill_struct(ret_view, &v);
    return CG_OK;
}

static cg_status append(void *self, int32_t layer, const cg_cache_append *args, cg_error *err)
{
    contiguous *s = self;
    cg_kv_view v = { CG_SIZED(cg_kv_view) };

    CG_TRY(view(s, layer, &v, err));
    CG_TRY(s->memory->check_append(s->host, &s->config, args, s->reserved_tokens, err));
    return s->memory->store(s->host, &v, s->config.n_slots, args, err);
}

static cg_status share_prefix(void *self, int32_t dst, int32_t src, int32_t len, cg_error *err)
{
    contiguous *s = self;

    CG_TRY(cg_cache_check_share(s->host, &s->config, s->reserved_tokens, dst, src, len, err));
    if (len)
        CG_TRY(copy_tokens(s, s->data, s->capacity, dst, 0, src, 0, len, err));
    s->reserved_tokens[dst] = len;
    return CG_OK;
}

static cg_status gather(void *self, int32_t slot, int32_t from, const int32_t *keep, int32_t n_keep,
                        cg_error *err)
{
    contiguous *s = self;

    CG_TRY(cg_cache_check_gather(s->host, &s->config, s->reserved_tokens, slot, from, keep, n_keep,
                                 err));
    for (int32_t i = 0, n; i < n_keep; i += n) {
        n = cg_cache_gather_run(from, keep, n_keep, i);
        if (keep[i] != from + i)
            CG_TRY(copy_tokens(s, s->data, s->capacity, slot, from + i, slot, keep[i], n, err));
    }
    s->reserved_tokens[slot] = from + n_keep;
    return CG_OK;
}

static cg_status truncate_slot(void *self, int32_t slot, int32_t len, cg_error *err)
{
    contiguous *s = self;

    CG_TRY(cg_cache_check_slot(s->host, &s->config, slot, len, err));
    if (len < s->reserved_tokens[slot])
        s->reserved_tokens[slot] = len;
    return CG_OK;
}

static void release(void *self, int32_t slot)
{
    contiguous *s = self;

    if (slot >= 0 && slot < s->config.n_slots)
        s->reserved_tokens[slot] = 0;
}

static void stats(const void *self, cg_cache_stats *ret_stats)
{
    const contiguous *s = self;
    int64_t all = all_bytes(s, s->capacity), used = 0;

    for (int32_t i = 0; i < s->config.n_slots; i++)
        used += s->reserved_tokens[i] > 0;
    cg_fill_struct(ret_stats, &(cg_cache_stats) {
                                  CG_SIZED(cg_cache_stats),
                                  .bytes_allocated = all,
                                  .bytes_used = all / s->config.n_slots * used,
                                  .grown = s->n_grows,
                              });
}

static const cg_cache_ops ops = {
    CG_SIZED(cg_cache_ops),
    .paged = 0,
    .supports = cg_cache_check_config,
    .create = create,
    .destroy = destroy,
    .reserve = reserve,
    .append = append,
    .share_prefix = share_prefix,
    .truncate = truncate_slot,
    .release = release,
    .view = view,
    .stats = stats,
    .flags = CG_CACHE_STORE_BY_VIEW | CG_CACHE_STORE_SCALED,
    .kv_layout = CG_KV_HND,
    .features = CG_CACHE_VALUE_SIZE | CG_CACHE_SCALES | CG_CACHE_GATHER,
    .gather = gather,
};

static const cg_plugin plugin = {
    CG_PLUGIN_HEADER(CG_PLUGIN_CACHE),
    .name = NAME,
    .version = CG_VERSION_STRING,
    .description = DESCRIPTION " (" CG_CACHE_DEVICES ")",
    .ops = &ops,
};

cg_status cg_plugin_entry_v1(const cg_host *host, const cg_plugin **ret_plugin, cg_error *err)
{
    return cg_plugin_enter(host, &plugin, ret_plugin, err);
}
