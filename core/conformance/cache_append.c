/* SPDX-License-Identifier: MIT */
/* Tokens to append: random ones, on the host and the device, and the calls that store them. */
#include "cache_suite.h"

#include <stdlib.h>
#include <string.h>

#include <confgen/quantise.h>

#include "element.h"
#include "fenced_memory.h"

/* ---- tokens -------------------------------------------------------------------------------- */

/* Memory of an argument of append(). */
static void *alloc_argument(const cache_suite *s, const char *name, size_t bytes, size_t align)
{
    void *p = s->fenced ? fenced_alloc(name, bytes, align, 1) : guarded_alloc(bytes, 64);

    if (!p)
        abort();
    return p;
}

static void free_argument(const cache_rows *r, void *p)
{
    if (r->fenced)
        fenced_free(p);
    else
        guarded_free(p);
}

static int is_intact(const cache_rows *r)
{
    return r->fenced || (guarded_intact(r->slot) && guarded_intact(r->pos) &&
                         guarded_intact(r->data[0]) && guarded_intact(r->data[1]));
}

/* Moves slots or positions [n] to memory of an argument. */
static int32_t *move_to_argument(const cache_suite *s, const char *name, int32_t *from, int32_t n)
{
    int32_t *to = alloc_argument(s, name, (size_t)n * sizeof *to, sizeof *to);

    if (n)
        memcpy(to, from, (size_t)n * sizeof *to);
    free(from);
    return to;
}

/* Adds an entry to skip, whose keys and values are NaN. */
static void add_skipped(cache_suite *s, cache_rows *r)
{
    r->slot[r->n] = random_in(&s->rec, 0, 1) ? -1 : INT32_MIN;
    r->pos[r->n] = r->n % 2 ? 1 << 30 : r->n % s->shape.max_len;
    r->token[r->n++] = 0;
}

/* Adds the next token of a slot. */
static void add_token(cache_suite *s, int32_t slot, cache_rows *r)
{
    cache_slot *t = &s->slots[slot];

    if (random_in(&s->rec, 0, 9) == 0)
        add_skipped(s, r);
    r->slot[r->n] = slot;
    r->pos[r->n] = t->valid;
    r->token[r->n] = s->next++ << 2 | (uint32_t)r->dtype;
    t->token[t->valid++] = r->token[r->n++];
}

static void shuffle_slots(cache_suite *s, int32_t *order)
{
    for (int32_t i = 0; i < s->shape.n_slots; i++) {
        int32_t j = random_in(&s->rec, 0, i);

        order[i] = order[j];
        order[j] = i;
    }
}

static void shuffle_rows(cache_suite *s, cache_rows *r)
{
    for (int32_t i = r->n - 1; i > 0; i--) {
        int32_t j = random_in(&s->rec, 0, i), slot = r->slot[i], pos = r->pos[i];
        uint32_t token = r->token[i];

        r->slot[i] = r->slot[j];
        r->pos[i] = r->pos[j];
        r->token[i] = r->token[j];
        r->slot[j] = slot;
        r->pos[j] = pos;
        r->token[j] = token;
    }
}

/* Adds n[slot] tokens of every slot: a token of each in turn, or all of one slot after another. */
static void add_tokens(cache_suite *s, const int32_t *n, int32_t order, cache_rows *r)
{
    int32_t *slots = calloc((size_t)s->shape.n_slots, sizeof *slots);
    int32_t most = 0;

    if (!slots)
        abort();
    shuffle_slots(s, slots);
    for (int32_t i = 0; i < s->shape.n_slots; i++)
        most = n[i] > most ? n[i] : most;
    if (order == CACHE_ORDER_TURNS)
        for (int32_t turn = 0; turn < most; turn++)
            for (int32_t i = 0; i < s->shape.n_slots; i++)
                if (turn < n[slots[i]])
                    add_token(s, slots[i], r);
    if (order != CACHE_ORDER_TURNS)
        for (int32_t i = 0; i < s->shape.n_slots; i++)
            for (int32_t k = 0; k < n[slots[i]]; k++)
                add_token(s, slots[i], r);
    free(slots);
}

void cache_rows_random(cache_suite *s, const int32_t *n, int32_t order, int32_t room,
                       cache_rows *ret)
{
    static const cg_dtype types[] = { CG_F32, CG_BF16, CG_F16 };
    int32_t sum = 0;

    for (int32_t i = 0; i < s->shape.n_slots; i++)
        sum += n[i];
    *ret = (cache_rows) { .dtype = s->gpu ? types[random_in(&s->rec, 0, 2)] : CG_F32,
                          .fenced = s->fenced };
    /* with the skipped ones */
    ret->slot = malloc((size_t)(2 * sum + 1) * sizeof *ret->slot);
    ret->pos = malloc((size_t)(2 * sum + 1) * sizeof *ret->pos);
    ret->token = malloc((size_t)(2 * sum + 1) * sizeof *ret->token);
    if (!ret->slot || !ret->pos || !ret->token)
        abort();
    add_tokens(s, n, order, ret);
    if (order == CACHE_ORDER_SHUFFLED)
        shuffle_rows(s, ret);
    room = room > ret->n ? room : ret->n;
    ret->slot = move_to_argument(s, "slot", ret->slot, ret->n);
    ret->pos = move_to_argument(s, "pos", ret->pos, ret->n);
    for (int i = 0; i < 2; i++) {
        size_t size = cg_dtype_size(ret->dtype);
        size_t row = (size_t)(s->shape.n_kv_heads * cache_dim(s, i)) * size;

        size_t more = (size_t)random_in(&s->rec, 0, 5);

        /* vectors of 16 bytes are possible or not */
        ret->stride[i] = row + (s->gpu && more % 2 == 0 ? 16 : size) * more;
        /* on the CPU they end with the last row, not with a stride */
        ret->data[i] = alloc_argument(s, i ? "v" : "k",
                                      !s->fenced ? (size_t)room * ret->stride[i]
                                      : ret->n   ? (size_t)(ret->n - 1) * ret->stride[i] + row
                                                 : 0,
                                      size);
    }
}

/* Stores a head of row i. Returns the end of it. */
static char *store_head(const cache_suite *s, const cache_rows *r, int32_t i, int32_t layer,
                        int32_t head, int32_t value, char *to)
{
    int32_t dim = cache_dim(s, value);
    float x[CACHE_SOME_ELEMENTS];

    for (int32_t d = 0; d < dim; d += CACHE_SOME_ELEMENTS) {
        int32_t n = dim - d < CACHE_SOME_ELEMENTS ? dim - d : CACHE_SOME_ELEMENTS;

        cache_elements(s, r->token[i], layer, head, value, d, n, x);
        for (int32_t k = 0; k < n; k++, to += cg_dtype_size(r->dtype))
            element_store(to, r->dtype, x[k]);
    }
    return to;
}

void cache_rows_fill(const cache_suite *s, cache_rows *r, int32_t layer)
{
    for (int32_t i = 0; i < r->n; i++)
        for (int32_t value = 0; value < 2 && r->slot[i] >= 0; value++) {
            char *row = r->data[value] + (size_t)i * r->stride[value];

            for (int32_t head = 0; head < s->shape.n_kv_heads; head++)
                row = store_head(s, r, i, layer, head, value, row);
        }
}

void cache_rows_free(cache_rows *r)
{
    free_argument(r, r->slot);
    free_argument(r, r->pos);
    free_argument(r, r->data[0]);
    free_argument(r, r->data[1]);
    free(r->token);
}

/* ---- on the device ------------------------------------------------------------------------- */

int cache_device_rows_create(cache_suite *s, const cache_rows *r, int32_t n, cache_device_rows *ret)
{
    *ret = (cache_device_rows) { .n = n };
    return gpu_block_create(&s->rec, s->gpu, (size_t)n * sizeof *r->slot, &ret->slot) &&
           gpu_block_create(&s->rec, s->gpu, (size_t)n * sizeof *r->pos, &ret->pos) &&
           gpu_block_create(&s->rec, s->gpu, (size_t)n * r->stride[0], &ret->data[0]) &&
           gpu_block_create(&s->rec, s->gpu, (size_t)n * r->stride[1], &ret->data[1]);
}

void cache_device_rows_load(cache_device_rows *d, const cache_rows *r)
{
    gpu_block_load(&d->slot, r->slot, (size_t)r->n * sizeof *r->slot);
    gpu_block_load(&d->pos, r->pos, (size_t)r->n * sizeof *r->pos);
    for (int i = 0; i < 2; i++)
        gpu_block_load(&d->data[i], r->data[i], (size_t)r->n * r->stride[i]);
}

void cache_device_rows_destroy(cache_device_rows *d)
{
    gpu_block_destroy(&d->slot);
    gpu_block_destroy(&d->pos);
    gpu_block_destroy(&d->data[0]);
    gpu_block_destroy(&d->data[1]);
}

int cache_device_rows_unchanged(cache_device_rows *d)
{
    return gpu_block_unchanged(&d->slot) && gpu_block_unchanged(&d->pos) &&
           gpu_block_unchanged(&d->data[0]) && gpu_block_unchanged(&d->data[1]);
}

/* ---- calls --------------------------------------------------------------------------------- */

static void set_read_only(const cache_rows *r, int read_only)
{
    if (!r->fenced)
        return;
    fenced_set_read_only(r->slot, read_only);
    fenced_set_read_only(r->pos, read_only);
    fenced_set_read_only(r->data[0], read_only);
    fenced_set_read_only(r->data[1], read_only);
}

void cache_append(cache_suite *s, int32_t layer, const cache_rows *r, const cache_device_rows *d)
{
    cg_error err = CG_ERROR_INIT;
    union {
        cg_cache_append append;
        char room[sizeof(cg_cache_append) + 64];
    } args = { .append = {
                   CG_SIZED(cg_cache_append),
                   .n_tokens = d ? d->n : r->n,
                   .slot = d ? (const int32_t *)d->slot.ptr : r->slot,
                   .pos = d ? (const int32_t *)d->pos.ptr : r->pos,
                   .k = d ? d->data[0].ptr : r->data[0],
                   .v = d ? d->data[1].ptr : r->data[1],
                   .k_stride = (int64_t)r->stride[0],
                   .v_stride = (int64_t)r->stride[1],
                   .dtype = r->dtype,
                   .stream = s->gpu ? cg_gpu_stream(s->gpu) : NULL,
               } };
    char violation[256];
    cg_status st;

    if (s->append_size) { /* members that the plugin does not know */
        memset(args.room + sizeof args.append, 0x5c, sizeof args.room - sizeof args.append);
        args.append.struct_size = (uint32_t)s->append_size;
    }
    set_read_only(r, 1);
    st = s->ops->append(s->self, layer, &args.append, &err);
    if (r->fenced && fenced_violation(violation, sizeof violation))
        expect(&s->rec, 0, "append() of %d tokens to layer %d %s of its arguments",
               args.append.n_tokens, layer, violation);
    set_read_only(r, 0);
    expect(&s->rec, st == CG_OK, "append() of %d tokens of %s to layer %d failed (%d): %s",
           args.append.n_tokens, cg_dtype_name(r->dtype), layer, st, err.msg);
}

int cache_store(cache_suite *s, void *to, const void *bytes, size_t n)
{
    cg_error err = CG_ERROR_INIT;

    if (s->gpu)
        return gpu_ok(&s->rec, cg_gpu_write(s->gpu, to, bytes, n, &err), &err, "a store by view");
    memcpy(to, bytes, n);
    return 1;
}

/* Divides the numbers of a row by their scale, which it stores. */
static void scale_row(cache_suite *s, float *numbers, int32_t n, void *to)
{
    uint32_t largest = 0;
    float scale;

    for (int32_t d = 0; d < n; d++) {
        uint32_t magnitude = float_bits(numbers[d]) & 0x7fffffff;

        largest = magnitude > largest ? magnitude : largest;
    }
    scale = cg_kv_scale(largest, s->dtype);
    for (int32_t d = 0; d < n; d++)
        numbers[d] /= scale;
    cache_store(s, to, &scale, sizeof scale);
}

/* Stores at the addresses of the view, as confgen's own kernels may with CG_CACHE_STORE_BY_VIEW and
 * CG_CACHE_STORE_SCALED. */
static void store_by_view(cache_suite *s, int32_t layer, const cache_rows *r)
{
    size_t size = cg_dtype_size(r->dtype), to_size = cg_dtype_size(s->dtype);
    cg_kv_view v = { CG_SIZED(cg_kv_view) };
    cg_error err = CG_ERROR_INIT;

    if (!expect(&s->rec, cg_cache_view(s->ops, s->self, layer, &v, &err) == CG_OK,
                "view() failed: %s", err.msg))
        return;
    v.page_table = cache_host_table(s, &v);
    for (int32_t value = 0; value < 2; value++) {
        cache_plane p = cache_plane_of(s, &v, value);
        char *row = malloc((size_t)p.row), *scales = (char *)(value ? v.v_scale : v.k_scale);
        float *numbers = malloc((size_t)cache_dim(s, value) * sizeof *numbers);

        if (!row || !numbers)
            abort();
        for (int32_t i = 0; i < r->n && !s->rec.gpu_lost; i++)
            for (int32_t head = 0; head < s->shape.n_kv_heads && r->slot[i] >= 0; head++) {
                int32_t dim = cache_dim(s, value);
                const char *from =
                    r->data[value] + (size_t)i * r->stride[value] + (size_t)(head * dim) * size;

                for (int32_t d = 0; d < dim; d++)
                    numbers[d] = element_load(from + (size_t)d * size, r->dtype);
                if (scales)
                    scale_row(s, numbers, dim,
                              scales + cg_kv_scale_offset(&v, r->slot[i], head, r->pos[i]));
                for (int32_t d = 0; d < dim; d++)
                    element_store(row + (size_t)d * to_size, s->dtype, numbers[d]);
                cache_store(s,
                            p.base + (value ? cg_kv_value_offset(&v, r->slot[i], head, r->pos[i])
                                            : cg_kv_offset(&v, r->slot[i], head, r->pos[i])),
                            row, (size_t)p.row);
            }
        free(row);
        free(numbers);
    }
}

/* Whether confgen's own kernels may store in place of append(). */
static int allows_stores(const cache_suite *s)
{
    int32_t flag = s->features & CG_CACHE_SCALES ? CG_CACHE_STORE_SCALED : CG_CACHE_STORE_BY_VIEW;

    return s->gpu && CG_HAS_SIZE(s->ops, flags) && (s->ops->flags & flag);
}

void cache_append_all(cache_suite *s, const int32_t *n)
{
    int by_view = allows_stores(s) && random_in(&s->rec, 0, 7) == 0;
    cache_device_rows d = { .n = 0 };
    cache_rows r;
    int is_ready;

    cache_flush(s);
    cache_rows_random(s, n, random_in(&s->rec, 0, CACHE_N_ORDERS - 1), 0, &r);
    s->table_copied = NULL;
    is_ready = !s->gpu || (by_view && !s->window) ||
               cache_device_rows_create(s, &r, r.n + random_in(&s->rec, 1, 9), &d);
    for (int32_t layer = 0; layer < s->shape.n_layers && is_ready && !s->rec.gpu_lost; layer++) {
        cache_rows_fill(s, &r, layer);
        if (by_view && !(s->window && layer == 0)) { /* as cache.h says of the flags */
            store_by_view(s, layer, &r);
        } else if (!s->gpu) {
            cache_append(s, layer, &r, NULL);
        } else {
            cache_device_rows_load(&d, &r);
            cache_append(s, layer, &r, &d);
            if (gpu_wait(&s->rec, s->gpu, "the work of append()"))
                expect(&s->rec, cache_device_rows_unchanged(&d),
                       "append() wrote to its arguments, or around");
        }
    }
    cache_device_rows_destroy(&d);
    expect(&s->rec, is_intact(&r), "append() wrote outside of its arguments");
    cache_rows_free(&r);
}

int cache_reserve(cache_suite *s, int32_t slot, int32_t len)
{
    cg_error err = CG_ERROR_INIT;
    cg_status st = s->ops->reserve(s->self, slot, len, &err);

    if (st != CG_OK) {
        expect(&s->rec, cache_is_nomem(s, st) && err.msg[0],
               "reserve(%d, %d): status %d, text '%s'" CACHE_WANTED_NOMEM, slot, len, st, err.msg);
        return 0;
    }
    if (len > s->slots[slot].reserved)
        s->slots[slot].reserved = len;
    return 1;
}
