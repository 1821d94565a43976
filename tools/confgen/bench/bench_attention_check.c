/* SPDX-License-Identifier: MIT */
/* Compares some rows of an attention kernel's output with an f64 reference on the host. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum { CHECKED = 3 }; /* sequences, and rows of each sequence */

static double to_double(cg_dtype dtype, const void *p, int64_t i)
{
    uint32_t bits, exponent;
    float x;

    if (dtype == CG_F32)
        return (double)((const float *)p)[i];
    bits = ((const uint16_t *)p)[i];
    if (dtype == CG_BF16) {
        bits <<= 16;
        memcpy(&x, &bits, sizeof x);
        return (double)x;
    }
    exponent = bits >> 10 & 31;
    x = (float)(bits & 1023);
    if (exponent == 31)
        return x > 0 ? (double)NAN : (double)INFINITY; /* either sign: not finite */
    x = exponent ? ldexpf(x + 1024.0f, (int)exponent - 25) : ldexpf(x, -24);
    return bits >> 15 ? -(double)x : (double)x;
}

/* Reads n elements of device memory as f64. */
static cg_status read_doubles(const struct attention_slice *s, const char *src, int64_t n,
                              double *ret, cg_error *err)
{
    size_t size = cg_dtype_size(s->view.dtype);
    void *raw = malloc((size_t)n * size);
    cg_status st;

    if (!raw)
        out_of_memory();
    CG_TRY_GOTO(st, cg_gpu_read(s->gpu, raw, src, (size_t)n * size, err), out);
    for (int64_t i = 0; i < n; i++)
        ret[i] = to_double(s->view.dtype, raw, i);
out:
    free(raw);
    return st;
}

/* Reads keys and values of one head of a sequence: [kv_len, head_dim] each. */
static cg_status read_head(const struct attention_slice *s, int32_t seq, int32_t head,
                           double *ret_k, double *ret_v, cg_error *err)
{
    const cg_kv_view *view = &s->view;
    int32_t d = view->head_dim, len = s->kv_len[seq];

    for (int32_t p = 0; p < len; p += view->block_tokens) {
        int64_t at = cg_kv_offset(view, s->slot[seq], head, p), to = (int64_t)p * d;
        int32_t n = len - p < view->block_tokens ? len - p : view->block_tokens;

        CG_TRY(read_doubles(s, (const char *)view->k + at, (int64_t)n * d, ret_k + to, err));
        CG_TRY(read_doubles(s, (const char *)view->v + at, (int64_t)n * d, ret_v + to, err));
    }
    return CG_OK;
}

/* Computes one row of one head over n tokens; `scores` is scratch for n. */
static void reference_row(const double *q, const double *k, const double *v, int32_t n, int32_t d,
                          double scale, double *scores, double *ret_out)
{
    double top = -(double)INFINITY, sum = 0;

    for (int32_t j = 0; j < n; j++) {
        double dot = 0;

        for (int32_t e = 0; e < d; e++)
            dot += q[e] * k[(int64_t)j * d + e];
        scores[j] = scale * dot;
        top = fmax(top, scores[j]);
    }
    memset(ret_out, 0, (size_t)d * sizeof *ret_out);
    for (int32_t j = 0; j < n; j++) {
        double w = exp(scores[j] - top);

        sum += w;
        for (int32_t e = 0; e < d; e++)
            ret_out[e] += w * v[(int64_t)j * d + e];
    }
    for (int32_t e = 0; e < d; e++)
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

/* Checks the first, middle and last row of a sequence for the query heads of one key/value head. */
static cg_status check_sequence(const struct attention_slice *s, int32_t seq, int32_t kv_head,
                                double *ret_error, cg_error *err)
{
    int32_t d = s->view.head_dim, len = s->kv_len[seq], group = s->n_heads / s->view.n_kv_heads;
    int32_t rows = s->q_start[seq + 1] - s->q_start[seq], n = rows < CHECKED ? 1 : CHECKED;
    double *k = malloc((2 * (size_t)len * (size_t)d + (size_t)len + 3 * (size_t)d) * sizeof *k);
    double *v = k + (int64_t)len * d, *scores = v + (int64_t)len * d;
    double *q = scores + len, *got = q + d, *want = got + d;
    cg_status st;

    if (!k)
        out_of_memory();
    CG_TRY_GOTO(st, read_head(s, seq, kv_head, k, v, err), out);
    for (int32_t i = 0; i < n * group; i++) {
        int32_t row = n == 1 ? rows - 1 : i / group * (rows - 1) / (n - 1);
        int64_t at = (s->q_start[seq] + row) * s->row_bytes +
                     (int64_t)(kv_head * group + i % group) * d * cg_dtype_size(s->view.dtype);

        CG_TRY_GOTO(st, read_doubles(s, s->q + at, d, q, err), out);
        CG_TRY_GOTO(st, read_doubles(s, s->out + at, d, got, err), out);
        reference_row(q, k, v, len - rows + row + 1, d, s->scale, scores, want);
        *ret_error = fmax(*ret_error, relative_error(got, want, d));
    }
out:
    free(k);
    return st;
}

cg_status attention_error(const struct attention_slice *s, double *ret_error, cg_error *err)
{
    *ret_error = 0;
    for (int32_t i = 0; i < CHECKED; i++)
        CG_TRY(check_sequence(s, i * (s->n_seqs - 1) / (CHECKED - 1),
                              i * (s->view.n_kv_heads - 1) / (CHECKED - 1), ret_error, err));
    return CG_OK;
}
