/* SPDX-License-Identifier: MIT */
#include "cache_checks.h"

#include <confgen/quantise.h>

enum {
    CUDA_TOKEN_MAX = 1 << 20, /* maximum elements of a token's keys: kernels count in 32 bits */
    CUDA_ALIGN = 16,          /* of addresses and strides of a view */
};

static int is_float(cg_dtype dtype)
{
    return dtype == CG_F32 || dtype == CG_BF16 || dtype == CG_F16;
}

static cg_status check_type(const cg_host *host, const cg_cache_config *c, cg_error *err)
{
    if (is_float(c->dtype) || (cg_kv_is_scaled(c->dtype) && c->features & CG_CACHE_SCALES))
        return CG_OK;
    if (cg_kv_is_scaled(c->dtype))
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "keys and values of %s need scales, which the host does not ask for",
                          cg_dtype_name(c->dtype));
    return host->fail(err, CG_ERR_UNSUPPORTED,
                      "keys and values of %s: this cache stores f32, bf16, f16, f8_e4m3, f8_e5m2 "
                      "and i8",
                      cg_dtype_name(c->dtype));
}

static cg_status check_cuda(const cg_host *host, const cg_cache_config *c, cg_error *err)
{
#ifdef CG_WITH_CUDA
    int64_t size = cg_dtype_size(c->dtype);

    if ((int64_t)c->n_kv_heads * (c->head_dim > c->v_head_dim ? c->head_dim : c->v_head_dim) >
        CUDA_TOKEN_MAX)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "%d heads of %d, values of %d: on a GPU this cache stores at most %d "
                          "elements of keys, and of values, per token",
                          c->n_kv_heads, c->head_dim, c->v_head_dim, CUDA_TOKEN_MAX);
    if (c->head_dim * size % CUDA_ALIGN || c->v_head_dim * size % CUDA_ALIGN)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "keys of %d and values of %d elements of %s: on a GPU this cache stores "
                          "multiples of %d bytes",
                          c->head_dim, c->v_head_dim, cg_dtype_name(c->dtype), CUDA_ALIGN);
    return CG_OK;
#else
    return host->fail(err, CG_ERR_UNSUPPORTED,
                      "this cache was built without CUDA: it does not support %s",
                      cg_device_name(c->device));
#endif
}

cg_cache_config cg_cache_full_config(const cg_cache_config *config)
{
    cg_cache_config c = { CG_SIZED(cg_cache_config) };

    cg_fill_struct(&c, config);
    if (!(c.features & CG_CACHE_VALUE_SIZE) || !c.v_head_dim)
        c.v_head_dim = c.head_dim;
    if (!(c.features & CG_CACHE_WINDOW))
        c.window = c.sink_tokens = 0;
    return c;
}

static cg_status check_sizes(const cg_host *host, const cg_cache_config *c, cg_error *err)
{
    if (c->n_layers < 1 || c->n_slots < 1 || c->n_kv_heads < 1 || c->head_dim < 1 ||
        c->v_head_dim < 1 || c->max_len < 1 || c->max_bytes < 0)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "%d layers, %d slots, %d heads of %d, values of %d, %d tokens, %lld "
                          "bytes: wanted positive numbers (bytes: or 0)",
                          c->n_layers, c->n_slots, c->n_kv_heads, c->head_dim, c->v_head_dim,
                          c->max_len, (long long)c->max_bytes);
    if (c->window < 0 || c->sink_tokens < 0)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "a window of %d tokens and %d sink tokens: wanted no negative numbers",
                          c->window, c->sink_tokens);
    return CG_OK;
}

cg_status cg_cache_check_config(const cg_host *host, const cg_cache_config *config, cg_error *err)
{
    cg_cache_config c;

    if (config->struct_size < offsetof(cg_cache_config, stream) + sizeof config->stream)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "cg_cache_config.struct_size is %u, this plugin needs at least %u: the "
                          "host was built against an older plugin API",
                          config->struct_size,
                          (unsigned)(offsetof(cg_cache_config, stream) + sizeof config->stream));
    c = cg_cache_full_config(config);
    CG_TRY(check_sizes(host, &c, err));
    CG_TRY(check_type(host, &c, err));
    if (c.device == CG_DEVICE_CPU)
        return CG_OK;
    if (c.device == CG_DEVICE_CUDA)
        return check_cuda(host, &c, err);
    return host->fail(err, CG_ERR_UNSUPPORTED, "this cache supports cpu and cuda, not %s",
                      cg_device_name(c.device));
}

cg_status cg_cache_check_slot(const cg_host *host, const cg_cache_config *c, int32_t slot,
                              int32_t len, cg_error *err)
{
    if (slot < 0 || slot >= c->n_slots)
        return host->fail(err, CG_ERR_USAGE, "KV cache: slot %d does not exist, wanted 0 to %d",
                          slot, c->n_slots - 1);
    if (len < 0 || len > c->max_len)
        return host->fail(err, CG_ERR_USAGE, "KV cache: %d tokens for slot %d, wanted 0 to %d", len,
                          slot, c->max_len);
    return CG_OK;
}

cg_status cg_cache_check_layer(const cg_host *host, const cg_cache_config *c, int32_t layer,
                               cg_error *err)
{
    if (layer < 0 || layer >= c->n_layers)
        return host->fail(err, CG_ERR_USAGE, "KV cache: layer %d does not exist, wanted 0 to %d",
                          layer, c->n_layers - 1);
    return CG_OK;
}

cg_status cg_cache_check_share(const cg_host *host, const cg_cache_config *c,
                               const int32_t *reserved_tokens, int32_t dst, int32_t src,
                               int32_t len, cg_error *err)
{
    CG_TRY(cg_cache_check_slot(host, c, dst, len, err));
    CG_TRY(cg_cache_check_slot(host, c, src, len, err));
    if (dst == src || reserved_tokens[dst] || len > reserved_tokens[src])
        return host->fail(err, CG_ERR_USAGE,
                          "KV cache: cannot share %d tokens of slot %d (%d reserved) with slot %d "
                          "(%d reserved): wanted reserved tokens, and a different, empty slot",
                          len, src, reserved_tokens[src], dst, reserved_tokens[dst]);
    return CG_OK;
}

cg_status cg_cache_check_gather(const cg_host *host, const cg_cache_config *c,
                                const int32_t *reserved_tokens, int32_t slot, int32_t from,
                                const int32_t *keep, int32_t n_keep, cg_error *err)
{
    CG_TRY(cg_cache_check_slot(host, c, slot, from, err));
    if (from > reserved_tokens[slot] || n_keep < 0)
        return host->fail(err, CG_ERR_USAGE,
                          "KV cache: cannot keep %d tokens from token %d on: slot %d has %d",
                          n_keep, from, slot, reserved_tokens[slot]);
    for (int32_t i = 0; i < n_keep; i++) {
        int32_t least = i ? keep[i - 1] + 1 : from;

        if (keep[i] < least || keep[i] >= reserved_tokens[slot])
            return host->fail(err, CG_ERR_USAGE,
                              "KV cache: cannot keep token %d of slot %d: wanted %d to %d, in "
                              "ascending order",
                              keep[i], slot, least, reserved_tokens[slot] - 1);
    }
    return CG_OK;
}

int32_t cg_cache_gather_run(int32_t from, const int32_t *keep, int32_t n_keep, int32_t i)
{
    int32_t shift = keep[i] - (from + i), run = 1;

    while (i + run < n_keep && keep[i + run] == keep[i] + run && run < shift)
        run++;
    return run;
}

cg_status cg_cache_check_append_type(const cg_host *host, const cg_cache_append *a, cg_error *err)
{
    if (a->struct_size < offsetof(cg_cache_append, stream) + sizeof a->stream)
        return host->fail(err, CG_ERR_USAGE,
                          "cg_cache_append.struct_size is %u, this plugin needs at least %u: the "
                          "host was built against an older plugin API",
                          a->struct_size,
                          (unsigned)(offsetof(cg_cache_append, stream) + sizeof a->stream));
    if (a->n_tokens < 0 || !is_float(a->dtype))
        return host->fail(err, CG_ERR_USAGE, "append: %d tokens of %s, wanted f32, bf16 or f16",
                          a->n_tokens, cg_dtype_name(a->dtype));
    return CG_OK;
}

cg_status cg_cache_check_append(const cg_host *host, const cg_cache_config *c,
                                const cg_cache_append *a, const int32_t *reserved_tokens,
                                cg_error *err)
{
    CG_TRY(cg_cache_check_append_type(host, a, err));
    if (a->dtype != CG_F32)
        return host->fail(err, CG_ERR_USAGE, "append: tokens of %s, wanted f32 on the CPU",
                          cg_dtype_name(a->dtype));
    for (int32_t i = 0; i < a->n_tokens; i++) {
        if (a->slot[i] < 0)
            continue;
        if (a->slot[i] >= c->n_slots)
            return host->fail(err, CG_ERR_USAGE, "append: token %d goes to slot %d, wanted 0 to %d",
                              i, a->slot[i], c->n_slots - 1);
        if (a->pos[i] < 0 || a->pos[i] >= reserved_tokens[a->slot[i]])
            return host->fail(err, CG_ERR_USAGE,
                              "append: token %d goes to position %d of slot %d, which has room for "
                              "%d; reserve first",
                              i, a->pos[i], a->slot[i], reserved_tokens[a->slot[i]]);
    }
    return CG_OK;
}
