/* SPDX-License-Identifier: MIT-0 */
/*
 * @NAME@: a KV cache plugin of confgen.
 *
 * The plugin is complete and correct, and simple: it allocates all memory at once, for slots of
 * full length, [slot][layer][keys, values][head][token][element]. Change in this order:
 *
 *   1. check_config(): types and sizes that the cache stores;
 *   2. view() and element(): the layout. The formula of cg_kv_view must describe it;
 *   3. create() and reserve(): when memory is allocated. If it moves, `generation` changes;
 *   4. share_prefix(): by reference instead of by copy, which needs a page table.
 *
 * The contract is <confgen/cache.h>.
 */
#include <string.h>

#include <confgen/cache.h>

#ifdef WITH_CUDA /* the build adds it where @NAME@.cu is present */
#include "@NAME@_cuda.h"
#endif

/* All state of a cache. A plugin keeps none in globals. */
struct cache {
    const cg_host *host;
    cg_cache_config config;
    char *data;        /* memory of the device */
    int32_t *reserved; /* [n_slots] tokens that a slot has room for; 0: it is empty */
    int64_t row;       /* bytes of a head and token */
    int64_t head;      /* of all tokens of a head */
    int64_t plane;     /* of the keys, or the values, of a layer and slot */
    int64_t slot;      /* of a slot */
    int64_t bytes;     /* of all slots */
};

/* Bytes of a head and token: on a GPU strides are multiples of 16. */
static int64_t row_bytes(const cg_cache_config *c)
{
    return ((int64_t)c->head_dim * cg_dtype_size(c->dtype) + 15) / 16 * 16;
}

/* Multiplies *bytes; false if the product exceeds 2^63. */
static int multiply(int64_t *bytes, int64_t by)
{
    return !__builtin_mul_overflow(*bytes, by, bytes);
}

/* The host asks before it allocates anything. A refusal states the reason; the user reads it. */
static cg_status check_config(const cg_host *host, const cg_cache_config *c, cg_error *err)
{
    if (!CG_HAS_SIZE(c, stream)) /* a member of 1.0 is missing */
        return host->fail(err, CG_ERR_UNSUPPORTED, "cg_cache_config of %u bytes is too short",
                          c->struct_size);
    if (c->n_layers < 1 || c->n_slots < 1 || c->n_kv_heads < 1 || c->head_dim < 1 ||
        c->max_len < 1 || c->max_bytes < 0)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "%d layers, %d slots, %d heads of %d, %d tokens, %lld bytes: wanted "
                          "positive numbers (bytes: or 0)",
                          c->n_layers, c->n_slots, c->n_kv_heads, c->head_dim, c->max_len,
                          (long long)c->max_bytes);
#ifdef WITH_CUDA
    if (c->device == CG_DEVICE_CUDA)
        return cuda_check_config(host, c, err);
#endif
    if (c->device != CG_DEVICE_CPU)
        return host->fail(err, CG_ERR_UNSUPPORTED, "@NAME@ has no memory on device %s",
                          cg_device_name(c->device));
    if (c->dtype != CG_F32)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "keys and values of %s: @NAME@ stores f32 on the CPU",
                          cg_dtype_name(c->dtype));
    return CG_OK;
}

static cg_status allocate(const cg_host *host, const cg_cache_config *c, int64_t bytes,
                          char **ret_data, cg_error *err)
{
#ifdef WITH_CUDA
    if (c->device == CG_DEVICE_CUDA)
        return cuda_allocate(host, bytes, ret_data, err);
#endif
    (void)c;
    *ret_data = host->alloc(host->ctx, (size_t)bytes);
    return *ret_data ? CG_OK
                     : host->fail(err, CG_ERR_NOMEM, "@NAME@: no memory for %lld bytes",
                                  (long long)bytes);
}

static void destroy(void *self) /* also of a cache that create() could not finish */
{
    struct cache *s = self;

    if (!s)
        return;
#ifdef WITH_CUDA
    if (s->config.device == CG_DEVICE_CUDA) {
        cuda_free(s->data);
        s->data = NULL;
    }
#endif
    s->host->free(s->host->ctx, s->data);
    s->host->free(s->host->ctx, s->reserved);
    s->host->free(s->host->ctx, s);
}

static cg_status create(const cg_host *host, const cg_cache_config *config, void **ret_self,
                        cg_error *err)
{
    const cg_cache_config *c = config;
    int64_t bytes;
    struct cache *s;
    cg_status st;

    CG_TRY(check_config(host, c, err));
    bytes = row_bytes(c);
    if (!multiply(&bytes, c->max_len) || !multiply(&bytes, c->n_kv_heads) || !multiply(&bytes, 2) ||
        !multiply(&bytes, c->n_layers) || !multiply(&bytes, c->n_slots))
        return host->fail(err, c->device == CG_DEVICE_CPU ? CG_ERR_NOMEM : CG_ERR_DEVICE_NOMEM,
                          "@NAME@: more than 2^63 bytes");
    if (c->max_bytes && bytes > c->max_bytes)
        return host->fail(err, c->device == CG_DEVICE_CPU ? CG_ERR_NOMEM : CG_ERR_DEVICE_NOMEM,
                          "@NAME@: %lld bytes for %d slots of %d tokens, but the limit "
                          "(max_bytes) is %lld",
                          (long long)bytes, c->n_slots, c->max_len, (long long)c->max_bytes);
    s = host->alloc(host->ctx, sizeof *s);
    if (!s)
        return host->fail(err, CG_ERR_NOMEM, "@NAME@: out of memory");
    memset(s, 0, sizeof *s); /* destroy() may meet it half built */
    s->host = host;
    /* a host of another minor passes a shorter or longer struct */
    memcpy(&s->config, c, c->struct_size < sizeof s->config ? c->struct_size : sizeof s->config);
    s->row = row_bytes(c);
    s->head = s->row * c->max_len;
    s->plane = s->head * c->n_kv_heads;
    s->slot = s->plane * 2 * c->n_layers;
    s->bytes = bytes;
    s->reserved = host->alloc(host->ctx, (size_t)c->n_slots * sizeof *s->reserved);
    if (!s->reserved) {
        st = host->fail(err, CG_ERR_NOMEM, "@NAME@: out of memory");
        goto out;
    }
    memset(s->reserved, 0, (size_t)c->n_slots * sizeof *s->reserved);
    CG_TRY_GOTO(st, allocate(host, c, bytes, &s->data, err), out);
    *ret_self = s;
    s = NULL;
out:
    destroy(s);
    return st;
}

/* CG_ERR_USAGE unless the slot exists and can hold `len` tokens. */
static cg_status check_slot(const struct cache *s, int32_t slot, int32_t len, cg_error *err)
{
    if (slot < 0 || slot >= s->config.n_slots)
        return s->host->fail(err, CG_ERR_USAGE, "@NAME@: slot %d does not exist, wanted 0 to %d",
                             slot, s->config.n_slots - 1);
    if (len < 0 || len > s->config.max_len)
        return s->host->fail(err, CG_ERR_USAGE, "@NAME@: %d tokens for slot %d, wanted 0 to %d",
                             len, slot, s->config.max_len);
    return CG_OK;
}

static cg_status reserve(void *self, int32_t slot, int32_t len, cg_error *err)
{
    struct cache *s = self;

    CG_TRY(check_slot(s, slot, len, err));
    if (len > s->reserved[slot])
        s->reserved[slot] = len;
    return CG_OK;
}

/* The first element of (slot, layer, keys 0 or values 1, head, token). */
static char *element(const struct cache *s, int32_t slot, int32_t layer, int32_t half, int32_t head,
                     int32_t token)
{
    return s->data + slot * s->slot + (2 * (int64_t)layer + half) * s->plane + head * s->head +
           token * s->row;
}

static cg_status view(void *self, int32_t layer, cg_kv_view *ret_view, cg_error *err)
{
    struct cache *s = self;
    const cg_cache_config *c = &s->config;

    if (layer < 0 || layer >= c->n_layers)
        return s->host->fail(err, CG_ERR_USAGE, "@NAME@: layer %d does not exist, wanted 0 to %d",
                             layer, c->n_layers - 1);
    /* the caller's struct may be shorter or longer than this plugin's */
    cg_fill_struct(ret_view,
                   &(cg_kv_view) {
                       CG_SIZED(cg_kv_view), .device = c->device, .dtype = c->dtype,
                       .n_slots = c->n_slots, .n_kv_heads = c->n_kv_heads, .head_dim = c->head_dim,
                       .block_tokens = c->max_len, .k = element(s, 0, layer, 0, 0, 0),
                       .v = element(s, 0, layer, 1, 0, 0), .block_stride = s->slot,
                       .head_stride = s->head, .token_stride = s->row,
                       .generation = 1, /* memory never moves */
                   });
    return CG_OK;
}

/* ---- append() ------------------------------------------------------------------------------- */

struct append {
    const struct cache *cache;
    const cg_cache_append *args;
    int32_t layer;
};

/* Item: one token, on any worker. */
static void append_token(void *arg, int64_t i, int32_t worker)
{
    const struct append *a = arg;
    const cg_cache_config *c = &a->cache->config;
    const char *k = (const char *)a->args->k + i * a->args->k_stride;
    const char *v = (const char *)a->args->v + i * a->args->v_stride;
    size_t bytes = (size_t)c->head_dim * sizeof(float);
    int32_t slot = a->args->slot[i], pos = a->args->pos[i];

    (void)worker;
    if (slot < 0)
        return;
    for (int32_t h = 0; h < c->n_kv_heads; h++) {
        memcpy(element(a->cache, slot, a->layer, 0, h, pos), k + (size_t)h * bytes, bytes);
        memcpy(element(a->cache, slot, a->layer, 1, h, pos), v + (size_t)h * bytes, bytes);
    }
}

/* On the CPU slots and positions can be read, so they are checked. */
static cg_status check_append(const struct cache *s, const cg_cache_append *a, cg_error *err)
{
    if (a->dtype != CG_F32)
        return s->host->fail(err, CG_ERR_USAGE, "@NAME@: tokens of %s, wanted f32 on the CPU",
                             cg_dtype_name(a->dtype));
    for (int32_t i = 0; i < a->n_tokens; i++) {
        if (a->slot[i] < 0)
            continue;
        CG_TRY(check_slot(s, a->slot[i], 0, err));
        if (a->pos[i] < 0 || a->pos[i] >= s->reserved[a->slot[i]])
            return s->host->fail(err, CG_ERR_USAGE,
                                 "@NAME@: token %d goes to position %d of slot %d, which has room "
                                 "for %d",
                                 i, a->pos[i], a->slot[i], s->reserved[a->slot[i]]);
    }
    return CG_OK;
}

/* Allocates nothing: it runs in every layer of every step. */
static cg_status append(void *self, int32_t layer, const cg_cache_append *args, cg_error *err)
{
    struct cache *s = self;
    struct append a = { s, args, layer };
    cg_kv_view v = { CG_SIZED(cg_kv_view) };

    CG_TRY(view(s, layer, &v, err)); /* checks the layer */
    if (!CG_HAS_SIZE(args, stream) || args->n_tokens < 0)
        return s->host->fail(err, CG_ERR_USAGE, "@NAME@: cg_cache_append of %u bytes for %d tokens",
                             args->struct_size, args->n_tokens);
#ifdef WITH_CUDA
    if (s->config.device == CG_DEVICE_CUDA)
        return cuda_append(s->host, &v, args, err);
#endif
    CG_TRY(check_append(s, args, err));
    s->host->parallel_for(s->host->ctx, args->n_tokens, append_token, &a);
    return CG_OK;
}

/* ---- slots ---------------------------------------------------------------------------------- */

static cg_status share_prefix(void *self, int32_t dst, int32_t src, int32_t len, cg_error *err)
{
    struct cache *s = self;
    int64_t n_heads = (int64_t)2 * s->config.n_layers * s->config.n_kv_heads; /* of a slot */
    char *to, *from;

    CG_TRY(check_slot(s, dst, len, err));
    CG_TRY(check_slot(s, src, len, err));
    if (dst == src || s->reserved[dst] || len > s->reserved[src])
        return s->host->fail(err, CG_ERR_USAGE,
                             "@NAME@: cannot share %d tokens of slot %d (%d reserved) with slot %d "
                             "(%d reserved)",
                             len, src, s->reserved[src], dst, s->reserved[dst]);
    to = element(s, dst, 0, 0, 0, 0);
    from = element(s, src, 0, 0, 0, 0);
#ifdef WITH_CUDA
    if (s->config.device == CG_DEVICE_CUDA)
        CG_TRY(cuda_copy_heads(s->host, to, from, n_heads, s->head, len * s->row, s->config.stream,
                               err));
    else
#endif
        for (int64_t h = 0; h < n_heads; h++)
            memcpy(to + h * s->head, from + h * s->head, (size_t)(len * s->row));
    s->reserved[dst] = len;
    return CG_OK;
}

static cg_status truncate_slot(void *self, int32_t slot, int32_t len, cg_error *err)
{
    struct cache *s = self;

    CG_TRY(check_slot(s, slot, len, err));
    if (len < s->reserved[slot])
        s->reserved[slot] = len;
    return CG_OK;
}

static void release(void *self, int32_t slot)
{
    struct cache *s = self;

    if (slot >= 0 && slot < s->config.n_slots)
        s->reserved[slot] = 0;
}

static void stats(const void *self, cg_cache_stats *ret_stats)
{
    const struct cache *s = self;
    int64_t used = 0;

    for (int32_t i = 0; i < s->config.n_slots; i++)
        used += s->reserved[i] ? s->slot : 0;
    cg_fill_struct(ret_stats, &(cg_cache_stats) {
                                  CG_SIZED(cg_cache_stats),
                                  .bytes_allocated = s->bytes,
                                  .bytes_used = used,
                              });
}

/*
 * .features is 0: the plugin knows none of CG_CACHE_VALUE_SIZE and following. A host never uses a
 * feature whose bit is absent, so their members can be ignored.
 */
static const cg_cache_ops ops = {
    CG_SIZED(cg_cache_ops),
    .paged = 0,
    .supports = check_config,
    .create = create,
    .destroy = destroy,
    .reserve = reserve,
    .append = append,
    .share_prefix = share_prefix,
    .truncate = truncate_slot,
    .release = release,
    .view = view,
    .stats = stats,
    .flags = CG_CACHE_STORE_BY_VIEW, /* a kernel of the host may store by the view's formula */
    .kv_layout = CG_KV_HND,
};

static const cg_plugin plugin = {
    CG_PLUGIN_HEADER(CG_PLUGIN_CACHE),
    .name = "@NAME@",
    .version = "0.1",
    .description = "contiguous slots of full length",
    .ops = &ops,
};

/* The one exported symbol. */
cg_status cg_plugin_entry_v1(const cg_host *host, const cg_plugin **ret_plugin, cg_error *err)
{
    return cg_plugin_enter(host, &plugin, ret_plugin, err);
}
