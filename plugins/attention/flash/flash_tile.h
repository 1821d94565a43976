/* SPDX-License-Identifier: MIT */
/**
 * @file flash_tile.h  The tiled online softmax, written once for all instruction sets.
 *
 * Included by flash_<isa>.c after it has defined a vector of W floats and its primitives:
 *
 *   vec                      vector type
 *   W, NQ                    its lanes; rows computed together
 *   v_zero() v_set1(x)
 *   v_load(p) v_store(p, x)  unaligned
 *   v_load_part(p, n)        first n lanes, the others 0; reads no other memory
 *   v_store_part(p, n, x)
 *   v_add v_sub v_mul
 *   v_max(a, b)              b where either is NaN
 *   v_fma(a, b, c)           a * b + c
 *   v_mask(x, lo, hi, y)     x in lanes lo <= i < hi, y elsewhere
 *   v_quad(a)                vec a[4] -> lane i of every 128-bit quarter: sum of quarter of a[i]
 *   v_join(u)                vec u[W/4] from v_quad -> lane 4 m + i: sum over the quarters of u[m]
 *   v_hmax(x)                largest lane
 *   v_hsum(x)                sum of lanes in a fixed order
 *   v_round(x)               to the nearest integer, ties to even
 *   v_ldexp(x, n)            x * 2^n for integer-valued n in [-126, 127]; x * 0 for n = -127
 *
 * Bits. A row's result is a function of its q, its first token, its position and the cached tokens:
 * tiles begin at multiples of FLASH_TILE, tokens within a tile are taken in ascending order, tokens
 * hidden from the row are neither multiplied nor added (their scores are masked, their values not
 * read), and rows share loads but no arithmetic. So a row has the same bits in a decode call and in
 * the middle of a prompt, by itself or with others, over any cache layout.
 *
 * Sources: Milakov and Gimelshein 2018 (online softmax); Dao et al. 2022, algorithm 1 (tiling).
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "flash_cpu.h"

#define INLINE static inline __attribute__((always_inline))

enum {
    VECS = FLASH_TILE / W, /* vectors of scores of a row and tile */
    PAD_DIM = FLASH_MAX_DIM,
};

/* Rows computed together, and the running softmax of each. */
struct rows {
    float q[NQ][PAD_DIM];    /* times scale * log2(e); zero from head_dim on */
    float acc[NQ][PAD_DIM];  /* sum of weights times values, relative to max */
    float p[NQ][FLASH_TILE]; /* scores, then weights, of the tile */
    float sum[NQ][W];        /* sums of weights per lane */
    float max[NQ];
    int32_t first[NQ]; /* first token of the row */
    int32_t end[NQ];   /* its position + 1 */
    int32_t lo[NQ];    /* tokens of the tile visible to the row: lo <= j < hi */
    int32_t hi[NQ];
};

/* Addresses of a tile's keys and values, by KV block. */
struct tile {
    const char *k[FLASH_TILE_BLOCKS];
    const char *v[FLASH_TILE_BLOCKS];
    int64_t stride; /* bytes between tokens of a KV block */
    int32_t lo;     /* tokens of the tile that may be read: lo <= j < hi */
    int32_t hi;
    /* Of the next tile, for prefetching; NULL where there is none. */
    const char *next_k[FLASH_TILE_BLOCKS];
    const char *next_v[FLASH_TILE_BLOCKS];
};

/*
 * 2^x for x <= 127; 0 below -126.5 (no denormals); NaN stays NaN. With n the nearest integer,
 * 2^x = 2^n 2^f, |f| <= 1/2, and 2^f by a polynomial of degree 6, minimax for the relative error:
 * 2.1e-8 with the rounded coefficients. The result is within 1.5 units in the last place.
 */
INLINE vec v_exp2(vec x)
{
    vec n, f, y;

    x = v_max(v_set1(-127.0f), x); /* v_max returns its second operand where one is NaN */
    n = v_round(x);
    f = v_sub(x, n);
    y = v_set1(0x1.470b48p-13f);
    y = v_fma(y, f, v_set1(0x1.5f7276p-10f));
    y = v_fma(y, f, v_set1(0x1.3b270ep-7f));
    y = v_fma(y, f, v_set1(0x1.c6ae72p-5f));
    y = v_fma(y, f, v_set1(0x1.ebfbe2p-3f));
    y = v_fma(y, f, v_set1(0x1.62e432p-1f));
    y = v_fma(y, f, v_set1(1.0f));
    return v_ldexp(y, n);
}

INLINE int32_t clamp(int32_t x, int32_t lo, int32_t hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

/*
 * Prefetches a token's keys or values into the second-level cache. The hardware prefetcher stops at
 * every page. Measured on decode over pages: one tile ahead helps (NOTES.md); two tiles ahead, or
 * into the first-level cache, is slower.
 */
INLINE void prefetch(const char *p, const int dim)
{
    for (int d = 0; d < dim * (int)sizeof(float); d += 64)
        __builtin_prefetch(p + d, 0, 2);
}

/*
 * Computes the scores of W tokens for nr rows.
 *
 * @param k       token 0 of the W
 * @param next    the same token of the next tile, to prefetch; or NULL
 * @param lo, hi  tokens that may be read, 0 <= lo < hi <= W; for others a neighbour is read
 * @param s       lane i of s[r]: q[r] . k[i]
 */
INLINE void score_vec(const int nr, const int dim, const float (*q)[PAD_DIM], const char *k,
                      const char *next, int64_t stride, int32_t lo, int32_t hi, vec *s)
{
    vec u[NQ][W / 4];

    for (int m = 0; m < W / 4; m++) {
        const float *kp[4];
        vec a[NQ][4];
        int c = 0;

        for (int i = 0; i < 4; i++)
            kp[i] = (const float *)(k + clamp(4 * m + i, lo, hi - 1) * stride);
        if (next)
            for (int i = 0; i < 4; i++)
                prefetch(next + (4 * m + i) * stride, dim);
        for (int r = 0; r < nr; r++)
            for (int i = 0; i < 4; i++)
                a[r][i] = v_zero();
        for (; c + W <= dim; c += W) {
            vec x[4];

            for (int i = 0; i < 4; i++)
                x[i] = v_load(kp[i] + c);
            for (int r = 0; r < nr; r++) {
                vec y = v_load(q[r] + c);

                for (int i = 0; i < 4; i++)
                    a[r][i] = v_fma(x[i], y, a[r][i]);
            }
        }
        if (c < dim)
            for (int i = 0; i < 4; i++) {
                vec x = v_load_part(kp[i] + c, dim - c);

                for (int r = 0; r < nr; r++)
                    a[r][i] = v_fma(x, v_load(q[r] + c), a[r][i]);
            }
        for (int r = 0; r < nr; r++)
            u[r][m] = v_quad(a[r]);
    }
    for (int r = 0; r < nr; r++)
        s[r] = v_join(u[r]);
}

/* w->p = scores of the tile. Lanes hidden from a row are undefined: softmax_row() masks them. */
INLINE void score_tile(struct rows *w, const int nr, const int dim, const struct tile *t)
{
    for (int v = 0; v < VECS; v++) {
        int32_t j = v * W, lo = clamp(t->lo - j, 0, W), hi = clamp(t->hi - j, 0, W);
        const char *k, *next;
        vec s[NQ];

        if (lo >= hi)
            continue;
        k = t->k[j / FLASH_CPU_KV_BLOCK] + j % FLASH_CPU_KV_BLOCK * t->stride;
        next = t->next_k[j / FLASH_CPU_KV_BLOCK];
        next = next ? next + j % FLASH_CPU_KV_BLOCK * t->stride : NULL;
        if (lo == 0 && hi == W)
            score_vec(nr, dim, w->q, k, next, t->stride, 0, W, s);
        else
            score_vec(nr, dim, w->q, k, next, t->stride, lo, hi, s);
        for (int r = 0; r < nr; r++)
            v_store(w->p[r] + j, s[r]);
    }
}

/* Scores of the tile become weights relative to the row's maximum, which may grow. */
INLINE void softmax_row(struct rows *w, int r, int32_t dim)
{
    vec s[VECS], sum = v_load(w->sum[r]), m;
    int32_t lo = w->lo[r], hi = w->hi[r];
    float max;

    for (int v = 0; v < VECS; v++)
        s[v] = v_load(w->p[r] + v * W);
    if (lo > 0 || hi < FLASH_TILE)
        for (int v = 0; v < VECS; v++)
            s[v] = v_mask(s[v], lo - v * W, hi - v * W, v_set1(-INFINITY));
    m = s[0];
    for (int v = 1; v < VECS; v++)
        m = v_max(m, s[v]);
    max = v_hmax(m);
    if (max > w->max[r]) {
        vec scale = v_exp2(v_set1(w->max[r] - max));

        w->max[r] = max;
        sum = v_mul(sum, scale);
        for (int32_t d = 0; d < dim; d += W)
            v_store(w->acc[r] + d, v_mul(v_load(w->acc[r] + d), scale));
    }
    m = v_set1(w->max[r]);
    for (int v = 0; v < VECS; v++) {
        s[v] = v_exp2(v_sub(s[v], m));
        sum = v_add(sum, s[v]);
        v_store(w->p[r] + v * W, s[v]);
    }
    v_store(w->sum[r], sum);
}

/*
 * acc += p V over tokens from <= j < to of the tile, for rows r0 .. r0 + nr and nc vectors of
 * head_dim from element d. part: if not 0, nc is 1 and only `part` elements of the vector exist.
 */
INLINE void add_value_vectors(struct rows *w, int r0, const int nr, const int nc, const int part,
                              const struct tile *t, int32_t from, int32_t to, int32_t d)
{
    vec acc[NQ][4];

    for (int r = 0; r < nr; r++)
        for (int c = 0; c < nc; c++)
            acc[r][c] = v_load(w->acc[r0 + r] + d + c * W);
    for (int32_t j = from; j < to;) {
        const char *v = t->v[j / FLASH_CPU_KV_BLOCK] + j % FLASH_CPU_KV_BLOCK * t->stride;
        int32_t end = (j / FLASH_CPU_KV_BLOCK + 1) * FLASH_CPU_KV_BLOCK;
        const char *next = t->next_v[j / FLASH_CPU_KV_BLOCK];

        next = next ? next + j % FLASH_CPU_KV_BLOCK * t->stride + d * 4 : NULL;
        for (end = end < to ? end : to; j < end; j++, v += t->stride) {
            vec p[NQ];

            if (next) {
                prefetch(next, nc * W);
                next += t->stride;
            }
            for (int r = 0; r < nr; r++)
                p[r] = v_set1(w->p[r0 + r][j]);
            for (int c = 0; c < nc; c++) {
                const float *at = (const float *)v + d + c * W;
                vec x = part ? v_load_part(at, part) : v_load(at);

                for (int r = 0; r < nr; r++)
                    acc[r][c] = v_fma(p[r], x, acc[r][c]);
            }
        }
    }
    for (int r = 0; r < nr; r++)
        for (int c = 0; c < nc; c++)
            v_store(w->acc[r0 + r] + d + c * W, acc[r][c]);
}

INLINE void add_values(struct rows *w, int r0, const int nr, const int dim, const struct tile *t,
                       int32_t from, int32_t to)
{
    int32_t d = 0;

    if (from >= to)
        return;
    for (; d + 4 * W <= dim; d += 4 * W)
        add_value_vectors(w, r0, nr, 4, 0, t, from, to, d);
    for (; d + W <= dim; d += W)
        add_value_vectors(w, r0, nr, 1, 0, t, from, to, d);
    if (d < dim)
        add_value_vectors(w, r0, nr, 1, dim - d, t, from, to, d);
}

/*
 * Locates the tile at position j0, of which tokens t->lo <= j < t->hi are read, and the next tile
 * up to position `end`. Gathers the tile's tokens where pages split KV blocks.
 */
INLINE void locate_tile(const flash_work *wk, int32_t j0, int32_t end, struct tile *t)
{
    const cg_kv_view *kv = wk->kv;
    size_t row = (size_t)wk->head_dim * sizeof(float);

    for (int i = 0; i < FLASH_TILE_BLOCKS; i++) {
        int32_t pos = j0 + FLASH_TILE + i * FLASH_CPU_KV_BLOCK;

        t->next_k[i] = t->next_v[i] = NULL;
        if (pos < end && !wk->gather) {
            int64_t offset = cg_kv_offset(kv, wk->slot, wk->kv_head, pos);

            t->next_k[i] = (const char *)kv->k + offset;
            t->next_v[i] = (const char *)kv->v + offset;
        }
    }

    t->stride = wk->gather ? (int64_t)row : kv->token_stride;
    for (int i = 0; i < FLASH_TILE_BLOCKS; i++) {
        int32_t at = i * FLASH_CPU_KV_BLOCK;

        if (wk->gather) {
            char *k = (char *)wk->gather + (size_t)at * row, *v = k + FLASH_TILE * row;

            for (int32_t j = at; j < at + FLASH_CPU_KV_BLOCK; j++) {
                int64_t offset;

                if (j < t->lo || j >= t->hi)
                    continue;
                offset = cg_kv_offset(kv, wk->slot, wk->kv_head, j0 + j);
                memcpy(k + (size_t)(j - at) * row, (const char *)kv->k + offset, row);
                memcpy(v + (size_t)(j - at) * row, (const char *)kv->v + offset, row);
            }
            t->k[i] = k;
            t->v[i] = v;
        } else if (at < t->hi && at + FLASH_CPU_KV_BLOCK > t->lo) {
            int64_t offset = cg_kv_offset(kv, wk->slot, wk->kv_head, j0 + at);

            t->k[i] = (const char *)kv->k + offset;
            t->v[i] = (const char *)kv->v + offset;
        } else {
            t->k[i] = t->v[i] = NULL; /* not read */
        }
    }
}

/* Computes rows r0 .. r0 + nr of the work item over all tiles. */
INLINE void run_rows(const flash_work *wk, int32_t r0, const int nr, const int dim)
{
    const float log2e = 1.44269504f;
    struct rows w;
    int32_t begin = INT32_MAX, end = 0;

    for (int r = 0; r < nr; r++) {
        int32_t row = wk->first + r0 + r, t = row / wk->group, h = row % wk->group;
        const float *q = (const float *)(wk->q + t * wk->q_stride) + (size_t)h * (size_t)dim;
        int32_t pos = wk->first_pos + t;

        for (int32_t d = 0; d < dim; d++)
            w.q[r][d] = q[d] * (wk->scale * log2e);
        for (int32_t d = dim; d % W; d++)
            w.q[r][d] = 0;
        memset(w.acc[r], 0, (size_t)(dim + W - 1) / W * W * sizeof(float));
        memset(w.sum[r], 0, sizeof w.sum[r]);
        w.max[r] = -FLT_MAX; /* finite: a score of -inf has weight 0, not NaN */
        w.first[r] = wk->window && pos >= wk->window ? pos - wk->window + 1 : 0;
        w.end[r] = pos + 1;
        begin = w.first[r] < begin ? w.first[r] : begin;
        end = w.end[r] > end ? w.end[r] : end;
    }
    for (int32_t j0 = begin / FLASH_TILE * FLASH_TILE; j0 < end; j0 += FLASH_TILE) {
        struct tile t = { .lo = FLASH_TILE, .hi = 0 };
        int32_t from = 0, to = FLASH_TILE; /* tokens visible to all rows */

        for (int r = 0; r < nr; r++) {
            w.lo[r] = clamp(w.first[r] - j0, 0, FLASH_TILE);
            w.hi[r] = clamp(w.end[r] - j0, 0, FLASH_TILE);
            if (w.lo[r] < w.hi[r]) {
                t.lo = w.lo[r] < t.lo ? w.lo[r] : t.lo;
                t.hi = w.hi[r] > t.hi ? w.hi[r] : t.hi;
            }
            from = w.lo[r] > from ? w.lo[r] : from;
            to = w.hi[r] < to ? w.hi[r] : to;
        }
        locate_tile(wk, j0, end, &t);
        score_tile(&w, nr, dim, &t);
        for (int r = 0; r < nr; r++)
            if (w.lo[r] < w.hi[r])
                softmax_row(&w, r, dim);
        if (to < from) /* no token is visible to all */
            to = from;
        for (int r = 0; r < nr; r++)
            add_values(&w, r, 1, dim, &t, w.lo[r], w.hi[r] < from ? w.hi[r] : from);
        add_values(&w, 0, nr, dim, &t, from, to);
        for (int r = 0; r < nr; r++)
            add_values(&w, r, 1, dim, &t, w.lo[r] > to ? w.lo[r] : to, w.hi[r]);
    }
    for (int r = 0; r < nr; r++) {
        int32_t row = wk->first + r0 + r, t = row / wk->group, h = row % wk->group;
        float *out = (float *)(wk->out + t * wk->out_stride) + (size_t)h * (size_t)dim;
        vec inverse = v_set1(1.0f / v_hsum(v_load(w.sum[r])));
        int32_t d = 0;

        for (; d + W <= dim; d += W)
            v_store(out + d, v_mul(v_load(w.acc[r] + d), inverse));
        if (d < dim)
            v_store_part(out + d, dim - d, v_mul(v_load(w.acc[r] + d), inverse));
    }
}

INLINE void run_dim(const flash_work *wk, const int dim)
{
    int32_t r = 0;

    for (; r + NQ <= wk->n; r += NQ)
        run_rows(wk, r, NQ, dim);
    for (; NQ > 2 && r + 2 <= wk->n; r += 2)
        run_rows(wk, r, 2, dim);
    for (; r < wk->n; r++)
        run_rows(wk, r, 1, dim);
}

/* The two usual head sizes get code with constant loop bounds. */
INLINE void run_work(const flash_work *wk)
{
    switch (wk->head_dim) {
    case 64:
        run_dim(wk, 64);
        break;
    case 128:
        run_dim(wk, 128);
        break;
    default:
        run_dim(wk, wk->head_dim);
        break;
    }
}

INLINE void run_exp2(const float *x, float *ret_y, int32_t n)
{
    for (int32_t i = 0; i < n; i += W)
        v_store(ret_y + i, v_exp2(v_load(x + i)));
}
