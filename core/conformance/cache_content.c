/* SPDX-License-Identifier: MIT */
/* The content of a cache, read through its views, against the model. */
#include "cache_suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "element.h"

enum {
    /* Elements that a check of the content compares. */
    NEW_BUDGET = 6 << 20,    /* of tokens stored since the last check */
    SAMPLE_BUDGET = 1 << 18, /* of all tokens */
    ALL_BUDGET = 1 << 28,    /* at the end */
    READ_COST = 4096,        /* a read of GPU memory, in elements */
    SAMPLE_TOKENS = 8,       /* adjacent tokens of a sample */
    /* Bytes beside keys and values that a cache may hold, for all and for each token */
    BOOKKEEPING = 64 << 10,
    TOKEN_BOOKKEEPING = 16,
};

/* ---- views --------------------------------------------------------------------------------- */

cache_plane cache_plane_of(const cache_suite *s, const cg_kv_view *v, int32_t value)
{
    int own = value && (v->v_block_stride || v->v_head_stride || v->v_token_stride);

    return (cache_plane) {
        .base = value ? v->v : v->k,
        .block_stride = own ? v->v_block_stride : v->block_stride,
        .head_stride = own ? v->v_head_stride : v->head_stride,
        .token_stride = own ? v->v_token_stride : v->token_stride,
        .row = (int64_t)cache_dim(s, value) * cg_dtype_size(s->dtype),
    };
}

static int same_addresses(const cg_kv_view *a, const cg_kv_view *b)
{
    return a->k == b->k && a->v == b->v && a->page_table == b->page_table &&
           a->block_tokens == b->block_tokens && a->table_stride == b->table_stride &&
           a->block_stride == b->block_stride && a->head_stride == b->head_stride &&
           a->token_stride == b->token_stride && a->v_block_stride == b->v_block_stride &&
           a->v_head_stride == b->v_head_stride && a->v_token_stride == b->v_token_stride &&
           a->k_scale == b->k_scale && a->v_scale == b->v_scale;
}

static int64_t magnitude(int64_t x)
{
    return x < 0 ? -x : x;
}

/* A loop over addresses. count: INT64_MAX if it is not known */
struct extent {
    int64_t stride, count;
};

static int by_stride(const void *a, const void *b)
{
    const struct extent *x = a, *y = b;

    return (x->stride > y->stride) - (x->stride < y->stride);
}

/*
 * Whether no two blocks, heads and tokens of the block overlap: each stride, in ascending order,
 * exceeds all that the one before it passes over.
 */
static int is_disjoint(const cache_suite *s, const cg_kv_view *v, const cache_plane *p)
{
    struct extent loops[] = {
        { magnitude(p->block_stride), v->page_table ? INT64_MAX : s->shape.n_slots },
        { magnitude(p->head_stride), s->shape.n_kv_heads },
        { magnitude(p->token_stride), v->block_tokens },
    };
    int64_t passed = p->row;

    qsort(loops, 3, sizeof *loops, by_stride);
    for (int i = 0; i < 3; i++) {
        if (loops[i].count == 1)
            continue;
        if (loops[i].stride < passed)
            return 0;
        if (loops[i].count == INT64_MAX) /* pages, and what follows is between them */
            return 1;
        passed = loops[i].stride * loops[i].count;
    }
    return 1;
}

static void check_strides(cache_suite *s, int32_t layer, const cg_kv_view *v)
{
    int64_t size = cg_dtype_size(s->dtype), align = s->gpu ? 16 : size;

    for (int32_t value = 0; value < 2; value++) {
        cache_plane p = cache_plane_of(s, v, value);

        expect(&s->rec,
               p.token_stride % align == 0 && p.head_stride % align == 0 &&
                   p.block_stride % align == 0 && (uintptr_t)p.base % (uintptr_t)align == 0,
               "view of layer %d: %s at %p with strides %lld, %lld, %lld, wanted multiples of %lld",
               layer, value ? "values" : "keys", (void *)p.base, (long long)p.block_stride,
               (long long)p.head_stride, (long long)p.token_stride, (long long)align);
        expect(&s->rec, is_disjoint(s, v, &p),
               "view of layer %d: %s of %lld bytes, %d heads and %d tokens per block overlap with "
               "strides %lld (block), %lld (head), %lld (token)",
               layer, value ? "values" : "keys", (long long)p.row, s->shape.n_kv_heads,
               v->block_tokens, (long long)p.block_stride, (long long)p.head_stride,
               (long long)p.token_stride);
    }
}

static const char *layout_name(int32_t layout)
{
    return layout == CG_KV_HND ? "CG_KV_HND" : layout == CG_KV_NHD ? "CG_KV_NHD" : "unknown";
}

/* Members since 1.2. A plugin of an older minor leaves them 0. */
static int check_new_members(cache_suite *s, int32_t layer, const cg_kv_view *v)
{
    int32_t dim = v->v_head_dim ? v->v_head_dim : v->head_dim;
    int has_order = s->shape.n_kv_heads > 1 && v->block_tokens > 1;
    int ok;

    expect(&s->rec, dim == s->shape.v_head_dim,
           "view of layer %d: values of %d elements, wanted %d", layer, dim, s->shape.v_head_dim);
    ok = expect(&s->rec,
                s->features & CG_CACHE_SCALES ? v->k_scale && v->v_scale
                                              : !v->k_scale && !v->v_scale,
                "view of layer %d: k_scale %p, v_scale %p, but the configuration has %s", layer,
                (const void *)v->k_scale, (const void *)v->v_scale,
                s->features & CG_CACHE_SCALES ? "scales" : "none");
    if (!(s->features & CG_CACHE_VALUE_SIZE))
        expect(&s->rec,
               (!v->v_block_stride && !v->v_head_stride && !v->v_token_stride) ||
                   (v->v_block_stride == v->block_stride && v->v_head_stride == v->head_stride &&
                    v->v_token_stride == v->token_stride),
               "view of layer %d: strides of values that are not those of keys", layer);
    if (CG_HAS_SIZE(s->ops, kv_layout) && has_order)
        expect(&s->rec, cg_kv_layout(v) == s->ops->kv_layout,
               "view of layer %d: its strides are those of %s, but kv_layout of the plugin is %s",
               layer, layout_name(cg_kv_layout(v)), layout_name(s->ops->kv_layout));
    return ok;
}

static int check_view(cache_suite *s, int32_t layer, const cg_kv_view *v)
{
    const cg_kv_view *old = &s->views[layer];

    expect(&s->rec,
           v->device == (s->gpu ? CG_DEVICE_CUDA : CG_DEVICE_CPU) && v->dtype == s->dtype &&
               v->n_slots == s->shape.n_slots && v->n_kv_heads == s->shape.n_kv_heads &&
               v->head_dim == s->shape.head_dim,
           "view of layer %d: not the configured shape", layer);
    if (!expect(&s->rec,
                v->block_tokens >= 1 && v->k && v->v &&
                    (v->page_table != NULL) == (s->ops->paged != 0),
                "view of layer %d: %d tokens per block, k %p, v %p, page table %p, but paged is %d",
                layer, v->block_tokens, v->k, v->v, (const void *)v->page_table, s->ops->paged))
        return 0;
    check_strides(s, layer, v);
    if (!check_new_members(s, layer, v))
        return 0;
    if (CG_HAS_SIZE(s->ops, block_tokens) && s->ops->block_tokens)
        expect(&s->rec, v->block_tokens == s->ops->block_tokens,
               "view of layer %d: %d tokens per block, but block_tokens of the plugin is %d", layer,
               v->block_tokens, s->ops->block_tokens);
    if (old->struct_size && old->generation == v->generation)
        expect(&s->rec, same_addresses(old, v),
               "layer %d: a pointer or stride changed, but generation %llu did not", layer,
               (unsigned long long)v->generation);
    s->views[layer] = *v;
    return 1;
}

void cache_flush(cache_suite *s)
{
    cg_error err = CG_ERROR_INIT;
    cg_status st;

    if (!(s->features & CG_CACHE_DEFER))
        return;
    st = s->ops->flush(s->self, &err);
    expect(&s->rec, st == CG_OK, "flush() failed (%d): %s", st, err.msg);
}

int cache_check_views(cache_suite *s, const char *after)
{
    cache_flush(s);
    s->table_copied = NULL; /* the page table may have changed since the copy */
    for (int32_t layer = 0; layer < s->shape.n_layers; layer++) {
        cg_kv_view v = { CG_SIZED(cg_kv_view) };
        cg_error err = CG_ERROR_INIT;

        if (!expect(&s->rec, cg_cache_view(s->ops, s->self, layer, &v, &err) == CG_OK,
                    "after %s: view() of layer %d failed: %s", after, layer, err.msg) ||
            !check_view(s, layer, &v))
            return 0;
    }
    return 1;
}

/* ---- memory -------------------------------------------------------------------------------- */

const int32_t *cache_host_table(cache_suite *s, const cg_kv_view *v)
{
    size_t n = (size_t)v->n_slots * (size_t)v->table_stride;
    cg_error err = CG_ERROR_INIT;

    if (!s->gpu || !v->page_table)
        return v->page_table;
    if (s->table_copied == v->page_table)
        return s->table;
    if (n > s->table_entries) {
        free(s->table);
        s->table = malloc(n * sizeof *s->table);
        if (!s->table)
            abort();
        s->table_entries = n;
    }
    if (!gpu_ok(&s->rec, cg_gpu_read(s->gpu, s->table, v->page_table, n * sizeof *s->table, &err),
                &err, "a read of the page table"))
        return NULL;
    s->table_copied = v->page_table;
    return s->table;
}

/* Scales of the keys (0) or values (1) of a view. */
static cache_plane scales_of(const cg_kv_view *v, int32_t value)
{
    return (cache_plane) {
        .base = (char *)(uintptr_t)(value ? v->v_scale : v->k_scale),
        .block_stride = v->scale_block_stride,
        .head_stride = v->scale_head_stride,
        .token_stride = v->scale_token_stride,
        .row = sizeof(float),
    };
}

/*
 * Returns n tokens of a block from `first` on in host memory; head h and token first + t are at
 * ret + h * head_stride + t * token_stride. NULL on failure.
 *
 * @param copy  on a GPU, the copy that holds them until the next call with the same one
 */
static const char *host_block(cache_suite *s, const cache_plane *p, int32_t copy, int64_t block,
                              int32_t first, int32_t n)
{
    const char *base = p->base + block * p->block_stride + first * p->token_stride;
    int64_t heads = (s->shape.n_kv_heads - 1) * p->head_stride, tokens = (n - 1) * p->token_stride;
    int64_t lo = (heads < 0 ? heads : 0) + (tokens < 0 ? tokens : 0);
    int64_t hi = (heads > 0 ? heads : 0) + (tokens > 0 ? tokens : 0) + p->row;
    cg_error err = CG_ERROR_INIT;

    if (!s->gpu)
        return base;
    if ((size_t)(hi - lo) > s->copy_bytes[copy]) {
        s->copy_bytes[copy] = (size_t)(hi - lo);
        free(s->copy[copy]);
        s->copy[copy] = malloc(s->copy_bytes[copy]);
        if (!s->copy[copy])
            abort();
    }
    return gpu_ok(&s->rec, cg_gpu_read(s->gpu, s->copy[copy], base + lo, (size_t)(hi - lo), &err),
                  &err, "a read of keys and values")
               ? s->copy[copy] - lo
               : NULL;
}

/* ---- comparison ---------------------------------------------------------------------------- */

/*
 * Largest error of an element x of the data, which are at most CACHE_MAX_ELEMENT. Other types than
 * those of 8 bits are exact. Rounding to 8 bits errs by half a step; twice that is permitted, since
 * the scale need not be the smallest one and may be that of the whole tensor.
 */
static float error_bound(const cache_suite *s, float x)
{
    const float max = CACHE_MAX_ELEMENT;

    switch (s->dtype) {
    case CG_I8:
        return max / 127;
    case CG_F8_E4M3: /* 3 bits of mantissa; steps of 2^-9 at 0, up to 448 */
        return fabsf(x) * 0x1p-3f + max / 448 * 0x1p-9f;
    case CG_F8_E5M2: /* 2 bits of mantissa; steps of 2^-16 at 0, up to 57344 */
        return fabsf(x) * 0x1p-2f + max / 57344 * 0x1p-16f;
    }
    return 0;
}

/* One head of the key (value 0) or value (1) of a token, in host memory. */
struct stored_head {
    const char *data;
    float scale;
    uint32_t token;
    int32_t slot, pos, layer, head, value;
};

static int fail_element(cache_suite *s, const struct stored_head *h, int32_t d, float found,
                        float wanted, const char *after)
{
    return expect(&s->rec, 0,
                  "after %s: layer %d of %d, slot %d of %d, head %d of %d, token %d of %d "
                  "(appended as %s), element %d of %d of the %s is %.9g, stored was %.9g",
                  after, h->layer, s->shape.n_layers, h->slot, s->shape.n_slots, h->head,
                  s->shape.n_kv_heads, h->pos, s->slots[h->slot].valid,
                  cg_dtype_name(cache_source_type(h->token)), d, cache_dim(s, h->value),
                  h->value ? "values" : "keys", (double)found, (double)wanted);
}

/* Compares the elements of a head with the model. */
static int check_head(cache_suite *s, const struct stored_head *h, const char *after)
{
    int32_t dim = cache_dim(s, h->value), size = (int32_t)cg_dtype_size(s->dtype);
    float wanted[CACHE_SOME_ELEMENTS], found[CACHE_SOME_ELEMENTS];

    for (int32_t d = 0; d < dim; d += CACHE_SOME_ELEMENTS) {
        int32_t n = dim - d < CACHE_SOME_ELEMENTS ? dim - d : CACHE_SOME_ELEMENTS;

        cache_elements(s, h->token, h->layer, h->head, h->value, d, n, wanted);
        if (!(s->features & CG_CACHE_SCALES))
            elements_round(wanted, n, s->dtype);
        elements_load(h->data + d * size, s->dtype, n, found);
        for (int32_t i = 0; i < n; i++) {
            float x = h->scale * found[i];

            if (!(fabsf(x - wanted[i]) <= error_bound(s, wanted[i]))) /* also if it is NaN */
                return fail_element(s, h, d + i, x, wanted[i], after);
        }
    }
    return 1;
}

/* Compares tokens [from, from + n) of a slot, all in one block, with the model. */
static int check_block(cache_suite *s, const cg_kv_view *v, int32_t layer, int32_t slot,
                       int64_t block, int32_t from, int32_t n, const char *after)
{
    for (int32_t value = 0; value < 2; value++) {
        int scaled = (s->features & CG_CACHE_SCALES) != 0;
        cache_plane p = cache_plane_of(s, v, value), q = scales_of(v, value);
        const char *data = host_block(s, &p, value, block, from % v->block_tokens, n);
        const char *scales =
            scaled ? host_block(s, &q, 2 + value, block, from % v->block_tokens, n) : NULL;

        if (!data || (scaled && !scales))
            return 0;
        for (int32_t t = 0; t < n; t++)
            for (int32_t head = 0; head < s->shape.n_kv_heads; head++) {
                struct stored_head h = {
                    .data = data + head * p.head_stride + t * p.token_stride,
                    .scale = 1,
                    .token = s->slots[slot].token[from + t],
                    .slot = slot,
                    .pos = from + t,
                    .layer = layer,
                    .head = head,
                    .value = value,
                };

                if (scaled)
                    memcpy(&h.scale, scales + head * q.head_stride + t * q.token_stride,
                           sizeof h.scale);
                if (!check_head(s, &h, after))
                    return 0;
            }
    }
    return 1;
}

/* True if a window permits that the token is gone. */
static int is_lost(const cache_suite *s, int32_t slot, int32_t pos)
{
    return pos >= s->sink_tokens && pos < s->slots[slot].lost;
}

/* Compares tokens [from, end) of a slot. */
static int check_tokens(cache_suite *s, int32_t layer, int32_t slot, int32_t from, int32_t end,
                        const char *after)
{
    const cg_kv_view *v = &s->views[layer];
    const int32_t *table = cache_host_table(s, v);
    int32_t pos = from, next;

    for (; pos < end && !s->rec.gpu_lost; pos = next) {
        int64_t block = table ? table[slot * v->table_stride + pos / v->block_tokens] : slot;

        next = pos + 1;
        if (is_lost(s, slot, pos))
            continue;
        while (next < end && next % v->block_tokens && !is_lost(s, slot, next))
            next++;
        if (!expect(&s->rec, block >= 0, "after %s: token %d of slot %d is in page %lld", after,
                    pos, slot, (long long)block) ||
            !check_block(s, v, layer, slot, block, pos, next - pos, after))
            return 0;
    }
    return !s->rec.gpu_lost;
}

/* Elements of `tokens` tokens of a layer; on a GPU with the cost of reading them. */
static int64_t cost(const cache_suite *s, int64_t tokens)
{
    int64_t elements =
        tokens * s->shape.n_kv_heads * (int64_t)(s->shape.head_dim + s->shape.v_head_dim);
    int64_t reads = 2 * (tokens / s->views[0].block_tokens + 1);

    return elements + (s->gpu ? reads * READ_COST : 0);
}

/* Compares some of the tokens [from, end) of a slot: the first, the last and some between. */
static int check_sample(cache_suite *s, int32_t layer, int32_t slot, int32_t from, int32_t end,
                        const char *after)
{
    int32_t at = random_in(&s->rec, from, end - 1);
    int32_t last = at + SAMPLE_TOKENS < end ? at + SAMPLE_TOKENS : end;

    return check_tokens(s, layer, slot, from, from + 1, after) &&
           check_tokens(s, layer, slot, at, last, after) &&
           check_tokens(s, layer, slot, end - 1, end, after);
}

/* Compares the tokens of all slots that are not checked yet, in all layers. */
static int check_new(cache_suite *s, const char *after)
{
    int64_t sum = 0;
    int all;

    for (int32_t slot = 0; slot < s->shape.n_slots; slot++)
        if (s->slots[slot].valid > s->slots[slot].unchecked)
            sum += cost(s, s->slots[slot].valid - s->slots[slot].unchecked);
    all = sum * s->shape.n_layers <= NEW_BUDGET;
    for (int32_t slot = 0; slot < s->shape.n_slots; slot++) {
        cache_slot *t = &s->slots[slot];

        for (int32_t layer = 0; layer < s->shape.n_layers && t->valid > t->unchecked; layer++)
            if (!(all ? check_tokens(s, layer, slot, t->unchecked, t->valid, after)
                      : check_sample(s, layer, slot, t->unchecked, t->valid, after)))
                return 0;
        t->unchecked = t->valid;
    }
    return 1;
}

/* Compares all tokens of all slots, or a sample that costs `budget`. */
static int check_old(cache_suite *s, int64_t budget, const char *after)
{
    int64_t all = 0;

    for (int32_t slot = 0; slot < s->shape.n_slots; slot++)
        all += s->slots[slot].valid ? cost(s, s->slots[slot].valid) : 0;
    if (all * s->shape.n_layers <= budget) {
        for (int32_t layer = 0; layer < s->shape.n_layers; layer++)
            for (int32_t slot = 0; slot < s->shape.n_slots; slot++)
                if (!check_tokens(s, layer, slot, 0, s->slots[slot].valid, after))
                    return 0;
        return 1;
    }
    while (budget > 0) {
        int32_t slot = random_in(&s->rec, 0, s->shape.n_slots - 1);
        int32_t layer = random_in(&s->rec, 0, s->shape.n_layers - 1);

        budget -= cost(s, SAMPLE_TOKENS + 2);
        if (s->slots[slot].valid && !check_sample(s, layer, slot, 0, s->slots[slot].valid, after))
            return 0;
    }
    return 1;
}

static int check_room(cache_suite *s, const char *after)
{
    const cg_kv_view *v = &s->views[0];

    for (int32_t slot = 0; slot < s->shape.n_slots && !v->page_table; slot++)
        if (!expect(&s->rec, s->slots[slot].reserved <= v->block_tokens,
                    "after %s: slot %d has room for %d tokens in blocks of %d", after, slot,
                    s->slots[slot].reserved, v->block_tokens))
            return 0;
    return 1;
}

static int check_content(cache_suite *s, int64_t budget, const char *after)
{
    return cache_check_views(s, after) && check_room(s, after) && check_new(s, after) &&
           check_old(s, budget, after) && expect(&s->rec, 1, "%s", after);
}

int cache_check_content(cache_suite *s, const char *after)
{
    return check_content(s, SAMPLE_BUDGET, after);
}

int cache_check_all(cache_suite *s, const char *after)
{
    return check_content(s, ALL_BUDGET, after);
}

/* ---- stats --------------------------------------------------------------------------------- */

static int by_address(const void *a, const void *b)
{
    const cache_plane *x = a, *y = b;

    return ((uintptr_t)x->base > (uintptr_t)y->base) - ((uintptr_t)x->base < (uintptr_t)y->base);
}

static int by_number(const void *a, const void *b)
{
    const int32_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* Bytes of a page in all planes, with its padding. Planes between the pages of another count once.
 */
static int64_t page_bytes(const cache_suite *s)
{
    int32_t n = 2 * s->shape.n_layers;
    cache_plane *planes = calloc((size_t)n, sizeof *planes);
    const cache_plane *first = planes;
    int64_t sum = 0;

    if (!planes)
        abort();
    for (int32_t i = 0; i < n; i++) {
        const cg_kv_view *v = &s->views[i / 2];

        planes[i] = cache_plane_of(s, v, i % 2);
        sum += v->k_scale ? magnitude(v->scale_block_stride) : 0;
    }
    qsort(planes, (size_t)n, sizeof *planes, by_address);
    for (int32_t i = 0; i < n; i++)
        if (i == 0 || planes[i].base - first->base >= magnitude(first->block_stride)) {
            first = &planes[i];
            sum += magnitude(first->block_stride);
        }
    free(planes);
    return sum;
}

/*
 * Sorts n pages. Returns the number of different ones, and of those that are there more than once.
 */
static int64_t count_pages(int32_t *pages, int64_t n, int64_t *ret_shared)
{
    int64_t different = 0;

    *ret_shared = 0;
    qsort(pages, (size_t)n, sizeof *pages, by_number);
    for (int64_t i = 0, next; i < n; i = next) {
        for (next = i + 1; next < n && pages[next] == pages[i];)
            next++;
        different++;
        *ret_shared += next > i + 1;
    }
    return different;
}

/*
 * Compares the stats with the page table. Pages that truncate() has not freed yet are used, too: an
 * upper bound takes all entries, a lower bound those of reserved tokens.
 */
static void check_page_stats(cache_suite *s, const cg_cache_stats *st, const char *after)
{
    const cg_kv_view *v = &s->views[0];
    int64_t n = 0, different, shared, repeated;
    const int32_t *table;
    int32_t *pages;

    if (!s->ops->paged || s->window || s->rec.gpu_lost || !cache_check_views(s, after))
        return;
    table = cache_host_table(s, v);
    if (!table)
        return;
    pages = calloc((size_t)s->shape.n_slots * (size_t)v->table_stride + 1, sizeof *pages);
    if (!pages)
        abort();
    for (int32_t slot = 0; slot < s->shape.n_slots; slot++)
        for (int32_t i = 0; (int64_t)i * v->block_tokens < s->slots[slot].reserved; i++)
            pages[n++] = table[slot * (int64_t)v->table_stride + i];
    (void)count_pages(pages, n, &shared);
    expect(&s->rec, st->blocks_shared >= shared,
           "after %s: %lld blocks shared, but %lld pages are in more than one slot's table", after,
           (long long)st->blocks_shared, (long long)shared);
    n = 0;
    for (int64_t i = 0; i < (int64_t)s->shape.n_slots * v->table_stride; i++)
        if (table[i] >= 0)
            pages[n++] = table[i];
    different = count_pages(pages, n, &repeated);
    expect(&s->rec, st->bytes_used <= different * page_bytes(s),
           "after %s: %lld bytes used, wanted at most %lld: the page tables name %lld different "
           "pages of %lld bytes, and a shared page is used once",
           after, (long long)st->bytes_used, (long long)(different * page_bytes(s)),
           (long long)different, (long long)page_bytes(s));
    free(pages);
}

void cache_check_stats(cache_suite *s, const cg_cache_config *config, const char *after)
{
    cg_cache_stats st = { CG_SIZED(cg_cache_stats) };
    int64_t used = 0, held;

    cg_cache_get_stats(s->ops, s->self, &st);
    for (int32_t i = 0; i < s->shape.n_slots; i++)
        used += s->slots[i].reserved;
    expect(&s->rec,
           st.bytes_used >= 0 && st.bytes_used <= st.bytes_allocated && st.blocks_shared >= 0 &&
               st.grown >= 0,
           "after %s: %lld of %lld bytes used, %lld blocks shared, grown %lld times", after,
           (long long)st.bytes_used, (long long)st.bytes_allocated, (long long)st.blocks_shared,
           (long long)st.grown);
    /* with a window, all that a slot has may be gone */
    expect(&s->rec, s->window ? used > 0 || !st.bytes_used : (used > 0) == (st.bytes_used > 0),
           "after %s: %lld tokens are reserved, but %lld bytes are used", after, (long long)used,
           (long long)st.bytes_used);
    expect(&s->rec, s->shares || st.blocks_shared == 0,
           "after %s: %lld blocks shared, wanted 0: no prefix was shared", after,
           (long long)st.blocks_shared);
    expect(&s->rec, !config->max_bytes || st.bytes_allocated <= config->max_bytes,
           "after %s: %lld bytes allocated, wanted at most %lld", after,
           (long long)st.bytes_allocated, (long long)config->max_bytes);
    /* with room for tables and counters */
    held = atomic_load(&s->test_host.live_bytes);
    expect(&s->rec,
           held <= st.bytes_allocated + BOOKKEEPING +
                       TOKEN_BOOKKEEPING * (int64_t)s->shape.n_slots * s->shape.max_len,
           "after %s: %lld bytes of cg_host.alloc() are in use, but bytes_allocated is %lld", after,
           (long long)held, (long long)st.bytes_allocated);
    check_page_stats(s, &st, after);
}
