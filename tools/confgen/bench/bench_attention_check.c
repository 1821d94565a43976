/* SPDX-License-Identifier: MIT */
/* Compares some rows of an attention plugin's output with an f64 reference on the host. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "attention_bench.h"
#include "conformance/element.h"

enum {
    CHECKED = 3,       /* sequences, and rows of each sequence */
    CHECKED_HEADS = 4, /* query heads of a key/value head */
};

/* What is checked: input set 0 of a cache. */
struct checked {
    struct attention_bench *b;
    cg_kv_view view; /* the page table is on the host */
};

/* Reads n vectors of `width` elements, `stride` bytes apart, as f64. */
static cg_status read_doubles(struct attention_bench *b, const void *src, cg_dtype dtype, int32_t n,
                              int32_t width, int64_t stride, double *ret, cg_error *err)
{
    int64_t size = cg_dtype_size(dtype), bytes = (n - 1) * stride + width * size;
    char *raw = malloc((size_t)bytes);
    cg_status st;

    if (!raw)
        out_of_memory();
    CG_TRY_GOTO(st, bench_device_read(&b->device, raw, src, bytes, err), out);
    for (int32_t i = 0; i < n; i++)
        for (int32_t e = 0; e < width; e++)
            ret[(int64_t)i * width + e] = (double)element_load(raw + i * stride + e * size, dtype);
out:
    free(raw);
    return st;
}

/* Reads n tokens from position p of a head; `values`: of the values instead of the keys. */
static cg_status read_tokens(const struct checked *c, int values, int32_t slot, int32_t head,
                             int32_t p, int32_t n, double *ret, cg_error *err)
{
    const cg_kv_view *v = &c->view;
    int own = values && (v->v_block_stride || v->v_head_stride || v->v_token_stride);
    int64_t at = values ? cg_kv_value_offset(v, slot, head, p) : cg_kv_offset(v, slot, head, p);
    int32_t width = values && v->v_head_dim ? v->v_head_dim : v->head_dim;
    const float *scales = values ? v->v_scale : v->k_scale;
    double *scale;
    cg_status st;

    CG_TRY(read_doubles(c->b, (const char *)(values ? v->v : v->k) + at, v->dtype, n, width,
                        own ? v->v_token_stride : v->token_stride, ret, err));
    if (!scales)
        return CG_OK;
    scale = malloc((size_t)n * sizeof *scale);
    if (!scale)
        out_of_memory();
    st = read_doubles(c->b, (const char *)scales + cg_kv_scale_offset(v, slot, head, p), CG_F32, n,
                      1, v->scale_token_stride, scale, err);
    for (int64_t i = 0; i < (int64_t)n * width && st == CG_OK; i++)
        ret[i] *= scale[i / width];
    free(scale);
    return st;
}

/* Reads keys and values of one head of a sequence: [kv_len, head_dim] and [kv_len, v_head_dim]. */
static cg_status read_head(const struct checked *c, int32_t seq, int32_t head, double *ret_k,
                           double *ret_v, cg_error *err)
{
    const struct attention_shape *s = c->b->shape;
    int32_t block = c->view.block_tokens, len = c->b->data.kv_len[seq];
    int32_t slot = c->b->data.slot[seq];

    for (int32_t p = 0; p < len; p += block) {
        int32_t n = len - p < block ? len - p : block;

        CG_TRY(read_tokens(c, 0, slot, head, p, n, ret_k + (int64_t)p * s->head_dim, err));
        CG_TRY(read_tokens(c, 1, slot, head, p, n, ret_v + (int64_t)p * s->v_head_dim, err));
    }
    return CG_OK;
}

/* Computes one row of one head over tokens [from, to); `scores` is scratch for `to` of them. */
static void reference_row(const struct attention_shape *s, const double *q, const double *k,
                          const double *v, int32_t from, int32_t to, double *scores,
                          double *ret_out)
{
    double top = -(double)INFINITY, sum = 0, scale = (double)shape_score_scale(s);

    for (int32_t j = from; j < to; j++) {
        double dot = 0;

        for (int32_t e = 0; e < s->head_dim; e++)
            dot += q[e] * k[(int64_t)j * s->head_dim + e];
        scores[j] = scale * dot;
        top = fmax(top, scores[j]);
    }
    memset(ret_out, 0, (size_t)s->v_head_dim * sizeof *ret_out);
    for (int32_t j = from; j < to; j++) {
        double w = exp(scores[j] - top);

        sum += w;
        for (int32_t e = 0; e < s->v_head_dim; e++)
            ret_out[e] += w * v[(int64_t)j * s->v_head_dim + e];
    }
    for (int32_t e = 0; e < s->v_head_dim; e++)
        ret_out[e] /= sum;
}

/* The largest difference relative to the largest element; infinite if `got` is not finite. */
static double relative_error(const double *got, const double *want, int32_t n)
{
    double off = 0, top = 0;

    for (int32_t i = 0; i < n; i++) {
        if (!isfinite(got[i]))
            return (double)INFINITY;
        off = fmax(off, fabs(got[i] - want[i]));
        top = fmax(top, fabs(want[i]));
    }
    return off / top;
}

/* Item i of n that are spread evenly over [0, total). */
static int32_t spread(int32_t i, int32_t n, int32_t total)
{
    return n > 1 ? (int32_t)((int64_t)i * (total - 1) / (n - 1)) : total - 1;
}

/* Checks the first, middle and last row of a sequence for query heads of one key/value head. */
static cg_status check_sequence(const struct checked *c, int32_t seq, int32_t kv_head,
                                double *ret_error, cg_error *err)
{
    const struct attention_shape *s = c->b->shape;
    const struct bench_data *d = &c->b->data;
    int64_t dim = s->head_dim, v_dim = s->v_head_dim, size = cg_dtype_size(s->dtype);
    int32_t len = d->kv_len[seq], group = s->n_heads / s->n_kv_heads;
    int32_t n = s->rows < CHECKED ? 1 : CHECKED,
            heads = group < CHECKED_HEADS ? group : CHECKED_HEADS;
    double *k = malloc((size_t)(len * (dim + v_dim + 1) + dim + 2 * v_dim) * sizeof *k);
    double *v = k + len * dim, *scores = v + len * v_dim, *q = scores + len, *got = q + dim;
    cg_status st;

    if (!k)
        out_of_memory();
    CG_TRY_GOTO(st, read_head(c, seq, kv_head, k, v, err), out);
    for (int32_t i = 0; i < n * heads; i++) {
        int32_t row = spread(i / heads, n, s->rows);
        int32_t to = s->no_mask ? len : len - s->rows + row + 1;
        int32_t from = s->window && s->window < to ? to - s->window : 0;
        int64_t head = kv_head * group + spread(i % heads, heads, group),
                at = d->q_start[seq] + row;

        CG_TRY_GOTO(st,
                    read_doubles(c->b, d->q + at * d->q_row + head * dim * size, s->dtype, 1,
                                 s->head_dim, 0, q, err),
                    out);
        CG_TRY_GOTO(st,
                    read_doubles(c->b, d->out + at * d->out_row + head * v_dim * size, s->dtype, 1,
                                 s->v_head_dim, 0, got, err),
                    out);
        reference_row(s, q, k, v, from, to, scores, got + v_dim);
        *ret_error = fmax(*ret_error, relative_error(got, got + v_dim, s->v_head_dim));
    }
out:
    free(k);
    return st;
}

cg_status bench_attention_error(struct attention_bench *b, const struct bench_cache *cache,
                                double *ret_error, cg_error *err)
{
    struct checked c = { .b = b };
    const struct attention_shape *s = b->shape;

    CG_TRY(bench_data_view(b, cache, 0, &c.view, err));
    if (b->device.gpu && c.view.page_table)
        c.view.page_table = b->data.table;
    *ret_error = 0;
    for (int32_t i = 0; i < CHECKED; i++)
        CG_TRY(check_sequence(&c, spread(i, CHECKED, s->n_seqs), spread(i, CHECKED, s->n_kv_heads),
                              ret_error, err));
    return CG_OK;
}
