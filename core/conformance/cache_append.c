/* SPDX-License-Identifier: MIT */
/* Tokens to append: random ones, on the host and the device, and the calls that store them. */
#include "cache_suite.h"

#include <stdlib.h>
#include <string.h>

#include "element.h"

void cache_rows_random(cache_suite *s, const int32_t *n, cache_rows *ret)
{
    static const cg_dtype types[] = { CG_F32, CG_BF16, CG_F16 };
    int32_t left[CACHE_SLOTS], more = 1, align = s->gpu ? 16 : 1;

    ret->n = 0;
    ret->dtype = s->gpu ? types[random_in(&s->rec, 0, 2)] : CG_F32;
    for (int i = 0; i < 2; i++) {
        size_t size = cg_dtype_size(ret->dtype);

        ret->stride[i] = (size_t)(CACHE_HEADS * s->dim) * size +
                         (s->gpu ? (size_t)align : size) * (size_t)random_in(&s->rec, 0, 5);
        ret->data[i] = guarded_alloc(CACHE_MAX_ROWS * ret->stride[i], 64);
        if (!ret->data[i])
            abort();
    }
    memcpy(left, n, sizeof left);
    while (more) {
        more = 0;
        for (int32_t i = 0; i < CACHE_SLOTS && ret->n + 1 < CACHE_MAX_ROWS; i++) {
            if (left[i] == 0)
                continue;
            if (random_in(&s->rec, 0, 9) == 0) {
                ret->slot[ret->n] = -1; /* skipped; its keys and values are NaN */
                ret->pos[ret->n] = 1 << 30;
                ret->token[ret->n++] = 0;
            }
            ret->slot[ret->n] = i;
            ret->pos[ret->n] = s->valid[i];
            ret->token[ret->n] = s->next++ << 2 | (uint32_t)ret->dtype;
            s->token[i][s->valid[i]++] = ret->token[ret->n++];
            left[i]--;
            more = 1;
        }
    }
}

void cache_rows_fill(const cache_suite *s, cache_rows *r, int32_t layer)
{
    size_t size = cg_dtype_size(r->dtype);

    for (int32_t i = 0; i < r->n; i++)
        for (int32_t j = 0; j < CACHE_HEADS * s->dim && r->slot[i] >= 0; j++)
            for (int32_t value = 0; value < 2; value++)
                element_store(r->data[value] + (size_t)i * r->stride[value] + (size_t)j * size,
                              r->dtype,
                              cache_element(s, r->token[i], layer, j / s->dim, j % s->dim, value));
}

void cache_rows_free(cache_rows *r)
{
    guarded_free(r->data[0]);
    guarded_free(r->data[1]);
}

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

static int device_rows_guarded(const cache_device_rows *d)
{
    return gpu_block_guarded(&d->slot) && gpu_block_guarded(&d->pos) &&
           gpu_block_guarded(&d->data[0]) && gpu_block_guarded(&d->data[1]);
}

void cache_append(cache_suite *s, int32_t layer, const cache_rows *r, const cache_device_rows *d)
{
    cg_error err = CG_ERROR_INIT;
    cg_cache_append args = {
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
    };
    cg_status st = s->ops->append(s->self, layer, &args, &err);

    expect(&s->rec, st == CG_OK, "append() of %s to layer %d failed (%d): %s",
           cg_dtype_name(r->dtype), layer, st, err.msg);
}

/* Stores at the addresses of the view, as confgen's own kernels may with CG_CACHE_STORE_BY_VIEW. */
static void store_by_view(cache_suite *s, int32_t layer, const cache_rows *r)
{
    size_t size = cg_dtype_size(r->dtype), row = cache_row_bytes(s);
    cg_error err = CG_ERROR_INIT;
    char *data = malloc(row);
    cg_kv_view v = { CG_SIZED(cg_kv_view) };

    if (!data)
        abort();
    if (expect(&s->rec, s->ops->view(s->self, layer, &v, &err) == CG_OK, "view() failed: %s",
               err.msg))
        v.page_table = cache_host_table(s, &v);
    for (int32_t i = 0; i < r->n && v.k && !s->rec.gpu_lost; i++)
        for (int32_t j = 0; j < 2 * CACHE_HEADS && r->slot[i] >= 0; j++) {
            int32_t head = j / 2, value = j % 2;
            const char *from =
                r->data[value] + (size_t)i * r->stride[value] + (size_t)(head * s->dim) * size;

            for (int32_t d = 0; d < s->dim; d++)
                element_store(data + (size_t)d * cg_dtype_size(s->dtype), s->dtype,
                              element_load(from + (size_t)d * size, r->dtype));
            gpu_ok(&s->rec,
                   cg_gpu_write(s->gpu,
                                (char *)(value ? v.v : v.k) +
                                    cg_kv_offset(&v, r->slot[i], head, r->pos[i]),
                                data, row, &err),
                   &err, "a store by view");
        }
    free(data);
}

void cache_append_all(cache_suite *s, const int32_t *n)
{
    int by_view = s->gpu && CG_HAS_SIZE(s->ops, flags) &&
                  (s->ops->flags & CG_CACHE_STORE_BY_VIEW) && random_in(&s->rec, 0, 7) == 0;
    cache_device_rows d = { .n = 0 };
    cache_rows r;

    cache_rows_random(s, n, &r);
    for (int32_t layer = 0; layer < CACHE_LAYERS && !s->rec.gpu_lost; layer++) {
        cache_rows_fill(s, &r, layer);
        if (by_view) {
            store_by_view(s, layer, &r);
        } else if (!s->gpu) {
            cache_append(s, layer, &r, NULL);
        } else if (cache_device_rows_create(s, &r, r.n + random_in(&s->rec, 1, 9), &d)) {
            cache_device_rows_load(&d, &r);
            cache_append(s, layer, &r, &d);
            if (gpu_wait(&s->rec, s->gpu, "the work of append()"))
                expect(&s->rec, device_rows_guarded(&d), "append() wrote outside of its arguments");
        }
        cache_device_rows_destroy(&d);
    }
    cache_rows_free(&r);
}

int cache_reserve(cache_suite *s, int32_t slot, int32_t len)
{
    cg_error err = CG_ERROR_INIT;
    cg_status st = s->ops->reserve(s->self, slot, len, &err);

    if (st != CG_OK) {
        expect(&s->rec, cache_is_nomem(s, st) && err.msg[0],
               "reserve(%d, %d): status %d, text '%s'", slot, len, st, err.msg);
        return 0;
    }
    if (len > s->reserved_tokens[slot])
        s->reserved_tokens[slot] = len;
    return 1;
}
