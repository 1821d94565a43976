/* SPDX-License-Identifier: MIT */
/*
 * flat: a KV cache on the CPU, written from the public headers, with one planted fault: -DBUG=n.
 * BUG 0 is without a fault, and BUG 58, which serves one number and size of heads. BUG 100 is
 * without a fault, too, and has the operation table of ABI 1.0 and no regard for the caller's
 * struct_size. From BUG 1000 on the plugin has features of ABI 1.2; BUG 1000 is without a fault.
 * cache.txt names the check that must detect each.
 *
 *     cc -O2 -fPIC -shared -fvisibility=hidden -DBUG=4 cache.c -lm -o mutant.so
 *     confgen plugins check ./mutant.so
 *
 * Slots are contiguous: keys of all layers, then values, each [layer][slot][head][max_len][size].
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <confgen/cache.h>

#ifndef BUG
#define BUG 0
#endif

enum { HAS_FEATURES = BUG >= 1000, IS_1_0 = BUG == 100 };

struct flat {
    const cg_host *host;
    cg_cache_config config;
    char *data;
    float *scale;      /* with i8: [half][layer][slot][head][max_len] */
    int32_t *reserved; /* [n_slots] tokens */
    int32_t dim[2];    /* elements of a key, of a value */
    int64_t row[2];    /* bytes of them */
    uint64_t generation;
    int32_t moves; /* BUG 12 */
    int32_t n_waiting;
    struct waiting { /* shared prefixes that wait for flush() */
        int32_t dst, src, n;
    } waiting[4];
};

/* ---- configuration -------------------------------------------------------------------------- */

static cg_status supports(const cg_host *host, const cg_cache_config *config, cg_error *err)
{
    if (BUG == 56 && config->struct_size > sizeof *config) /* refuses newer hosts */
        return host->fail(err, CG_ERR_UNSUPPORTED, "%u bytes", config->struct_size);
    if (!CG_HAS_SIZE(config, stream))
        return host->fail(err, CG_ERR_UNSUPPORTED, "a configuration of %u bytes",
                          config->struct_size);
    if (config->device != CG_DEVICE_CPU ||
        (config->dtype != CG_F32 && !(HAS_FEATURES && config->dtype == CG_I8)))
        return host->fail(err, CG_ERR_UNSUPPORTED, "flat holds f32, or i8, on the CPU");
    if (BUG == 58 && (config->head_dim != 64 || config->n_kv_heads != 4))
        return host->fail(err, CG_ERR_UNSUPPORTED, "flat: for one model alone");
    if (config->n_layers < 1 || config->n_slots < 1 || config->n_kv_heads < 1 ||
        config->head_dim < 1 || config->max_len < 1 || config->max_bytes < 0)
        return host->fail(err, CG_ERR_UNSUPPORTED, "flat: sizes must be positive");
    if (CG_HAS_SIZE(config, v_head_dim) && config->v_head_dim < 0)
        return host->fail(err, CG_ERR_UNSUPPORTED, "flat: values of %d elements",
                          config->v_head_dim);
    return CG_OK;
}

/* Bytes of keys (0) or values (1) of one slot of a layer. */
static int64_t slot_size(const struct flat *s, int value)
{
    return (int64_t)s->config.n_kv_heads * s->config.max_len * s->row[value];
}

static int64_t layer_size(const struct flat *s, int value)
{
    return slot_size(s, value) * s->config.n_slots;
}

/* Bytes before the values. */
static int64_t keys_size(const struct flat *s)
{
    return layer_size(s, 0) * s->config.n_layers;
}

static int64_t bytes_of(const struct flat *s)
{
    return keys_size(s) + layer_size(s, 1) * s->config.n_layers;
}

/* Scales of keys, of as many of values. */
static int64_t n_scales(const struct flat *s)
{
    return (int64_t)s->config.n_layers * s->config.n_slots * s->config.n_kv_heads *
           s->config.max_len;
}

static int64_t scale_bytes(const struct flat *s)
{
    return s->config.dtype == CG_I8 ? 2 * n_scales(s) * (int64_t)sizeof(float) : 0;
}

static float *scale_at(const struct flat *s, int value, int32_t layer, int32_t slot, int32_t head,
                       int32_t pos)
{
    return s->scale + value * n_scales(s) +
           (((int64_t)layer * s->config.n_slots + slot) * s->config.n_kv_heads + head) *
               s->config.max_len +
           pos;
}

static char *at(const struct flat *s, int value, int32_t layer, int32_t slot, int32_t head,
                int32_t pos)
{
#if BUG == 46 /* the size of the last cache */
    static _Atomic int32_t max_len;

    if (pos < 0)
        max_len = s->config.max_len;
    return s->data + value * keys_size(s) + layer * layer_size(s, value) +
           slot * slot_size(s, value) + ((int64_t)head * max_len + pos) * s->row[value];
#elif BUG == 47 /* an offset of 32 bits */
    return s->data +
           ((value * keys_size(s) + layer * layer_size(s, value) + slot * slot_size(s, value) +
             ((int64_t)head * s->config.max_len + pos) * s->row[value]) &
            INT32_MAX);
#endif
    return s->data + value * keys_size(s) + layer * layer_size(s, value) +
           slot * slot_size(s, value) + ((int64_t)head * s->config.max_len + pos) * s->row[value];
}

static void destroy(void *self)
{
    struct flat *s = self;

    if (!s)
        return;
    s->host->free(s->host->ctx, s->data);
    s->host->free(s->host->ctx, s->scale);
    s->host->free(s->host->ctx, s->reserved);
    s->host->free(s->host->ctx, s);
}

static cg_status create(const cg_host *host, const cg_cache_config *config, void **ret_self,
                        cg_error *err)
{
    struct flat *s;
    cg_status st;

    CG_TRY(supports(host, config, err));
    s = host->alloc(host->ctx, sizeof *s);
    if (!s)
        return host->fail(err, CG_ERR_NOMEM, "flat: out of memory");
    memset(s, 0, sizeof *s);
    s->host = host;
    s->config.struct_size = sizeof s->config;
#if BUG == 40 /* reads a whole struct of a host whose struct is shorter */
    s->config = *config;
#else
    cg_fill_struct(&s->config, config);
#endif
    s->dim[0] = s->dim[1] = s->config.head_dim;
    if (HAS_FEATURES && s->config.v_head_dim && BUG != 1001) /* BUG 1001: ignores it */
        s->dim[1] = s->config.v_head_dim;
    for (int value = 0; value < 2; value++)
        s->row[value] = (int64_t)s->dim[value] * cg_dtype_size(s->config.dtype);
    s->generation = 1;
    if (BUG == 46)
        at(s, 0, 0, 0, 0, -1);
    if (s->config.max_bytes && bytes_of(s) + scale_bytes(s) > s->config.max_bytes && BUG != 1 &&
        BUG != 54) {
        st = host->fail(err, CG_ERR_NOMEM, "flat: %lld bytes, allowed %lld", (long long)bytes_of(s),
                        (long long)s->config.max_bytes);
        goto out;
    }
    s->data = host->alloc(host->ctx, (size_t)bytes_of(s));
    s->scale = scale_bytes(s) ? host->alloc(host->ctx, (size_t)scale_bytes(s)) : NULL;
    s->reserved = host->alloc(host->ctx, sizeof(int32_t) * (size_t)s->config.n_slots);
    if (!s->data || (!s->scale && scale_bytes(s)) || !s->reserved) {
        st = host->fail(err, CG_ERR_NOMEM, "flat: out of memory");
        goto out;
    }
    memset(s->data, 0, (size_t)bytes_of(s));
    memset(s->reserved, 0, sizeof(int32_t) * (size_t)s->config.n_slots);
    if (BUG == 65) { /* memory of its own, which nothing frees */
        void *volatile memory = malloc(1000);

        memset(memory, 1, 1000);
    }
    *ret_self = s;
    return CG_OK;
out:
    destroy(s);
    return st;
}

static cg_status check_slot(const struct flat *s, int32_t slot, int32_t len, cg_error *err)
{
    if (slot < 0 || slot >= s->config.n_slots)
        return s->host->fail(err, CG_ERR_USAGE, "slot %d of %d", slot, s->config.n_slots);
    if (len < 0 || len > s->config.max_len)
        return s->host->fail(err, CG_ERR_USAGE, "%d tokens, at most %d", len, s->config.max_len);
    return CG_OK;
}

/* ---- slots ---------------------------------------------------------------------------------- */

/* Moves all memory without a new generation. */
static void move(struct flat *s)
{
    char *to = s->host->alloc(s->host->ctx, (size_t)bytes_of(s));

    if (!to)
        return;
    memcpy(to, s->data, (size_t)bytes_of(s));
    s->host->free(s->host->ctx, s->data);
    s->data = to;
}

static cg_status reserve(void *self, int32_t slot, int32_t len, cg_error *err)
{
    struct flat *s = self;

    if (BUG == 57 && slot >= 0 && slot < s->config.n_slots && len > s->config.max_len)
        s->reserved[slot] = s->config.max_len; /* and then refuses */
    CG_TRY(check_slot(s, slot, len, err));
    if (len > s->reserved[slot])
        s->reserved[slot] = len;
    if (BUG == 12 && s->moves++ < 3)
        move(s);
    if (BUG == 2) /* loses the first token of the first layer */
        memset(at(s, 0, 0, slot, 0, 0), 0, (size_t)s->row[0]);
    if (BUG == 59 && len > 64) /* says that the memory is full */
        return s->host->fail(err, CG_ERR_NOMEM, "flat: out of memory");
    if (BUG == 29 && len > 1000) /* loses a slot that grows long */
        memset(at(s, 0, 0, slot, 0, 0), 0, (size_t)s->row[0]);
    return CG_OK;
}

struct append_loop {
    struct flat *cache;
    const cg_cache_append *args;
    int32_t layer;
};

/* True if a fault drops the token. */
static int is_dropped(const struct append_loop *loop, int64_t i, int32_t slot, int32_t pos)
{
    const cg_cache_config *c = &loop->cache->config;

    switch (BUG) {
    case 21:
        return c->max_len > 200 && pos > 150;
    case 22:
        return slot >= 8;
    case 23:
        return loop->layer >= 6;
    case 24:
        return pos >= 128;
    case 25:
        return c->head_dim > 64;
    case 26:
        return loop->args->n_tokens > 64 && i >= 64;
    case 27:
        return slot >= 66;
    case 28:
        return loop->layer >= 16 && c->n_kv_heads > 3;
    case 30:
        return pos >= 2000;
    case 31:
        return c->n_kv_heads > 8 && c->head_dim >= 80;
    case 32: /* takes the order of an append for granted */
        return i > 0 && loop->args->slot[i - 1] == slot && pos < loop->args->pos[i - 1];
    case 33:
        return loop->args->n_tokens >= 512 && i >= 511;
    case 61:
        return i >= 4096;
    case 62:
        return c->n_kv_heads > 64;
    case 63:
        return loop->layer > 127;
    case 64:
        return c->head_dim % 4 && loop->layer;
    case 48:
        return slot > 255;
    case 49:
        return loop->layer >= 32;
    case 50:
        return pos > 32767;
    case 51:
        return c->n_kv_heads > 16;
    case 52:
        return c->head_dim > 256;
    }
    return 0;
}

/* Stores a head of a token, in 8 bits with a scale of its own. */
static void store(struct flat *s, int value, int32_t layer, int32_t slot, int32_t head, int32_t pos,
                  const void *from)
{
    const float *x = from;
    char *to = at(s, value, layer, slot, head, pos);
    float largest = 0, step;

    if (s->config.dtype == CG_F32) {
        memcpy(to, from, (size_t)s->row[value]);
        return;
    }
    for (int32_t d = 0; d < s->dim[value]; d++)
        largest = fmaxf(largest, fabsf(x[d]));
    step = largest > 0 ? largest / (BUG == 1020 ? 160 : 127) : 1; /* BUG 1020: cuts the largest */
    for (int32_t d = 0; d < s->dim[value]; d++)
        to[d] = (char)(int8_t)fmaxf(-127, fminf(127, nearbyintf(x[d] / step)));
    /* BUG 1021: one scale for all heads */
    *scale_at(s, value, layer, slot, BUG == 1021 ? 0 : head, pos) = step;
}

static void append_token(void *arg, int64_t i, int32_t worker)
{
    const struct append_loop *loop = arg;
    struct flat *s = loop->cache;
    const cg_cache_append *a = loop->args;
    int32_t slot = a->slot[i], pos = a->pos[i];
    const char *k = (const char *)a->k + i * a->k_stride;
    const char *v = (const char *)a->v + i * (BUG == 3 ? a->k_stride : a->v_stride);

    if (BUG == 72 && worker >= 8) /* has room for 8 workers */
        return;
    if (BUG == 73 && s->host->workers == 7)
        return;
    if (BUG == 44 && slot >= 0) /* writes to its arguments */
        *(volatile float *)(uintptr_t)k = *(const float *)(const void *)k;
    if (BUG == 45 && *(const volatile char *)(v + a->v_stride) == 1) /* reads behind a row */
        return;
    if (BUG == 34 && slot == INT32_MIN) /* only -1 is skipped */
        slot = 0, pos = 0;
    if (slot < 0 || is_dropped(loop, i, slot, pos))
        return;
    for (int32_t head = 0; head < s->config.n_kv_heads; head++) {
        store(s, 0, loop->layer, slot, head, pos, k + (int64_t)head * s->dim[0] * 4);
        if (BUG == 4 && head == s->config.n_kv_heads - 1 && pos % 64 == 63)
            continue; /* loses a value */
        store(s, 1, loop->layer, slot, head, pos,
              v + (int64_t)head * s->dim[BUG == 1002 ? 0 : 1] * 4);
    }
}

/* Drops what the first new token of a slot does not read; `first` is its position. */
static void drop(struct flat *s, int32_t layer, int32_t slot, int32_t first)
{
    int32_t end = first + 1 - s->config.window + (BUG == 1030); /* one too many */

    for (int value = 0; value < 2; value++)
        for (int32_t head = 0; head < s->config.n_kv_heads; head++)
            for (int32_t pos = BUG == 1031 ? 0 : s->config.sink_tokens; pos < end; pos++)
                memset(at(s, value, layer, slot, head, pos), 0xff, (size_t)s->row[value]);
}

static cg_status append(void *self, int32_t layer, const cg_cache_append *args, cg_error *err)
{
    struct flat *s = self;
    struct append_loop loop = { s, args, layer };

    if (layer < 0 || layer >= s->config.n_layers)
        return s->host->fail(err, CG_ERR_USAGE, "layer %d of %d", layer, s->config.n_layers);
    if (BUG == 55 && args->struct_size != sizeof *args) /* refuses newer hosts */
        return s->host->fail(err, CG_ERR_UNSUPPORTED, "append() of %u bytes", args->struct_size);
    if (!CG_HAS_SIZE(args, dtype) || args->dtype != CG_F32)
        return s->host->fail(err, CG_ERR_UNSUPPORTED, "append() takes f32");
    for (int32_t i = 0; i < args->n_tokens; i++)
        if (args->slot[i] >= 0 && (args->slot[i] >= s->config.n_slots || args->pos[i] < 0 ||
                                   args->pos[i] >= s->reserved[args->slot[i]]))
            return s->host->fail(err, CG_ERR_USAGE, "token %d of slot %d", args->pos[i],
                                 args->slot[i]);
    if (BUG == 53) { /* allocates, not by the host */
        void *volatile memory = malloc(64);

        free(memory);
    }
    if (BUG == 14) /* allocates */
        s->host->free(s->host->ctx, s->host->alloc(s->host->ctx, 64));
    for (int32_t i = 0; i < args->n_tokens && HAS_FEATURES && s->config.window; i++) {
        int32_t first = args->pos[i];

        for (int32_t k = 0; k < args->n_tokens; k++)
            if (args->slot[k] == args->slot[i] && args->pos[k] < first)
                first = args->pos[k];
        if (args->slot[i] >= 0)
            drop(s, layer, args->slot[i], first);
    }
    s->host->parallel_for(s->host->ctx, args->n_tokens, append_token, &loop);
    return CG_OK;
}

/* Copies tokens of one head. */
static void copy(struct flat *s, int value, int32_t layer, int32_t head, int32_t to, int32_t to_pos,
                 int32_t from, int32_t from_pos, int32_t n)
{
    memmove(at(s, value, layer, to, head, to_pos), at(s, value, layer, from, head, from_pos),
            (size_t)n * (size_t)s->row[value]);
    if (s->scale && BUG != 1022) /* BUG 1022: forgets the scales */
        memmove(scale_at(s, value, layer, to, head, to_pos),
                scale_at(s, value, layer, from, head, from_pos), (size_t)n * sizeof(float));
}

static void share(struct flat *s, int32_t dst, int32_t src, int32_t n)
{
    int32_t n_layers = BUG == 5 ? 1 : s->config.n_layers; /* the first layer alone */

    for (int value = 0; value < 2; value++)
        for (int32_t layer = 0; layer < n_layers; layer++)
            for (int32_t head = 0; head < s->config.n_kv_heads; head++)
                copy(s, value, layer, head, dst, 0, src, 0, n);
}

static cg_status flush(void *self, cg_error *err)
{
    struct flat *s = self;

    (void)err;
    if (BUG == 1040 && s->n_waiting > 1) /* forgets the last one */
        s->n_waiting--;
    for (int32_t i = 0; i < s->n_waiting; i++) {
        const struct waiting *w =
            &s->waiting[BUG == 1041 ? s->n_waiting - 1 - i : i]; /* backwards */

        share(s, w->dst, w->src, w->n);
    }
    s->n_waiting = 0;
    return CG_OK;
}

static cg_status share_prefix(void *self, int32_t dst, int32_t src, int32_t len, cg_error *err)
{
    struct flat *s = self;
    int32_t n = BUG == 35 && len > 256 ? 256 : len; /* the start of a long prefix */

    if (BUG == 60) /* says that the memory is full */
        return s->host->fail(err, CG_ERR_NOMEM, "flat: out of memory");
    CG_TRY(check_slot(s, dst, len, err));
    CG_TRY(check_slot(s, src, len, err));
    if (dst == src || s->reserved[dst] || len > s->reserved[src])
        return s->host->fail(err, CG_ERR_USAGE, "share %d of slot %d (%d) with slot %d (%d)", len,
                             src, s->reserved[src], dst, s->reserved[dst]);
    if (s->config.features & CG_CACHE_DEFER) {
        if (s->n_waiting == 4 && BUG != 1042) /* BUG 1042: has room for 4, and drops older ones */
            CG_TRY(flush(s, err));
        if (s->n_waiting == 4)
            s->n_waiting = 0;
        s->waiting[s->n_waiting++] = (struct waiting) { dst, src, n };
    } else {
        share(s, dst, src, n);
    }
    s->reserved[dst] = len;
    return CG_OK;
}

static cg_status truncate_slot(void *self, int32_t slot, int32_t len, cg_error *err)
{
    struct flat *s = self;

    CG_TRY(check_slot(s, slot, len, err));
    if (len > s->reserved[slot])
        return s->host->fail(err, CG_ERR_USAGE, "truncate to %d of %d", len, s->reserved[slot]);
    if (BUG == 6) /* damages the first token */
        memset(at(s, 0, 0, slot, 0, 0), 0, sizeof(float));
    if (BUG == 36 && len % 16 == 0 && len) /* loses the last token of a whole page */
        memset(at(s, 1, s->config.n_layers - 1, slot, 0, len - 1), 0, sizeof(float));
    s->reserved[slot] = len;
    return CG_OK;
}

static void release(void *self, int32_t slot)
{
    struct flat *s = self;

    if (slot >= 0 && slot < s->config.n_slots && BUG != 7) /* BUG 7: forgets nothing */
        s->reserved[slot] = 0;
}

static cg_status gather(void *self, int32_t slot, int32_t from, const int32_t *keep, int32_t n,
                        cg_error *err)
{
    struct flat *s = self;
    int32_t n_layers = s->config.n_layers - (BUG == 1011 && s->config.n_layers > 1);

    CG_TRY(check_slot(s, slot, from, err));
    if (from > s->reserved[slot] || n < 0)
        return s->host->fail(err, CG_ERR_USAGE, "gather %d tokens from %d of %d", n, from,
                             s->reserved[slot]);
    for (int32_t i = 0; i < n && BUG != 1012; i++) /* BUG 1012: takes any tokens */
        if (keep[i] < (i ? keep[i - 1] + 1 : from) || keep[i] >= s->reserved[slot])
            return s->host->fail(err, CG_ERR_USAGE, "gather: token %d of %d", keep[i],
                                 s->reserved[slot]);
    if (BUG == 1014 && n > 16) /* no more than a page */
        n = 16;
    if (BUG != 1043) /* BUG 1043: moves tokens that a waiting copy is to read or write */
        CG_TRY(flush(s, err));
    for (int value = 0; value < (BUG == 1013 ? 1 : 2); value++) /* keys alone */
        for (int32_t layer = 0; layer < n_layers; layer++)      /* BUG 1011: but the last */
            for (int32_t head = 0; head < s->config.n_kv_heads; head++)
                for (int32_t k = 0; k < n; k++) {
                    int32_t i = BUG == 1010 ? n - 1 - k : k; /* over tokens yet to be moved */

                    copy(s, value, layer, head, slot, from + i, slot, keep[i], 1);
                }
    s->reserved[slot] = from + n;
    return CG_OK;
}

/* ---- results -------------------------------------------------------------------------------- */

static cg_status view(void *self, int32_t layer, cg_kv_view *ret_view, cg_error *err)
{
    struct flat *s = self;
    cg_kv_view v = { CG_SIZED(cg_kv_view) };

    if (layer < 0 || layer >= s->config.n_layers)
        return s->host->fail(err, CG_ERR_USAGE, "layer %d of %d", layer, s->config.n_layers);
    v.dtype = s->config.dtype;
    v.n_slots = s->config.n_slots;
    v.n_kv_heads = s->config.n_kv_heads;
    v.head_dim = s->config.head_dim;
    v.block_tokens = s->config.max_len + (BUG == 9); /* one token more than there is room for */
    v.k = at(s, 0, layer, 0, 0, 0);
    v.v = at(s, 1, BUG == 10 && layer ? s->config.n_layers - 2 : layer, 0, 0, 0);
    v.block_stride = slot_size(s, 0);
    v.head_stride = s->config.max_len * s->row[0];
    v.token_stride = s->row[0];
    v.generation = s->generation;
    if (BUG == 37) /* the strides of another layout */
        v.head_stride = s->row[0], v.token_stride = s->config.n_kv_heads * s->row[0];
    if (HAS_FEATURES) {
        v.v_head_dim = s->dim[1];
        v.v_block_stride = slot_size(s, 1);
        v.v_head_stride = s->config.max_len * s->row[1];
        v.v_token_stride = s->row[1];
    }
    if (s->scale && BUG != 1023) { /* BUG 1023: no scales */
        v.k_scale = scale_at(s, 0, layer, 0, 0, 0);
        v.v_scale = scale_at(s, BUG != 1024, layer, 0, 0, 0); /* BUG 1024: those of keys */
        v.scale_token_stride = sizeof(float);
        v.scale_head_stride = s->config.max_len * v.scale_token_stride;
        v.scale_block_stride = s->config.n_kv_heads * v.scale_head_stride;
    }
    if (BUG == 1003) /* values have the strides of keys */
        v.v_block_stride = v.v_head_stride = v.v_token_stride = 0;
    if (IS_1_0 || BUG == 41) /* BUG 41: writes a whole struct over a shorter one */
        *ret_view = v;
    else
        cg_fill_struct(ret_view, &v);
    if (BUG == 43 && ret_view->struct_size > sizeof v) /* writes to members that it does not know */
        ((char *)ret_view)[sizeof v] = 1;
    return CG_OK;
}

static void stats(const void *self, cg_cache_stats *ret_stats)
{
    const struct flat *s = self;
    cg_cache_stats t = { CG_SIZED(cg_cache_stats) };

    t.bytes_allocated = bytes_of(s) + scale_bytes(s);
    for (int32_t i = 0; i < s->config.n_slots; i++)
        t.bytes_used += s->reserved[i] ? bytes_of(s) / s->config.n_slots : 0;
    t.grown = 1;
    if (BUG == 54 && s->config.max_bytes && t.bytes_allocated > s->config.max_bytes) {
        t.bytes_allocated = s->config.max_bytes; /* says what is allowed, not what it holds */
        t.bytes_used = t.bytes_used ? 1 : 0;
    }
    if (BUG == 11)
        t.bytes_used = 3 * t.bytes_allocated;
    if (IS_1_0 || BUG == 42) /* BUG 42: writes a whole struct over a shorter one */
        *ret_stats = t;
    else
        cg_fill_struct(ret_stats, &t);
}

static const cg_cache_ops ops = {
    .struct_size = IS_1_0 ? offsetof(cg_cache_ops, block_tokens) : sizeof(cg_cache_ops),
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
    .kv_layout = BUG == 38 ? CG_KV_NHD : CG_KV_HND, /* BUG 38: not that of the views */
    .features = HAS_FEATURES ? CG_CACHE_GATHER | CG_CACHE_VALUE_SIZE | CG_CACHE_SCALES |
                                   CG_CACHE_WINDOW | CG_CACHE_DEFER
                             : 0,
    .gather = HAS_FEATURES && BUG != 1015 ? gather : NULL, /* BUG 1015: declared, not there */
    .flush = HAS_FEATURES ? flush : NULL,
};

static const cg_plugin plugin = {
    CG_PLUGIN_HEADER(CG_PLUGIN_CACHE),
    .name = "flat",
    .version = "0.1",
    .description = "contiguous KV cache of tests",
    .ops = &ops,
};

CG_EXPORT cg_status cg_plugin_entry_v1(const cg_host *host, const cg_plugin **ret_plugin,
                                       cg_error *err)
{
    return cg_plugin_enter(host, &plugin, ret_plugin, err);
}
