/* SPDX-License-Identifier: MIT */
/**
 * @file flash_tile.h  The arithmetic of a tile of keys and values: scores, online softmax, weighted
 * sum. Written once for all instruction sets.
 *
 * flash_<isa>.c includes it through flash_rows.h, after a vector of W floats and its primitives:
 *
 *   vec                      vector type
 *   W, NQ                    its lanes; rows computed together
 *   v_zero() v_set1(x)
 *   v_load(p) v_store(p, x)  unaligned
 *   v_load_bf16(p) v_load_f16(p) v_load_e4m3(p) v_load_e5m2(p) v_load_i8(p)
 *                            W elements of another type, by plugins/common/elements.h
 *   v_load_part(p, n)        first n lanes, the others 0; reads no other memory
 *   v_store_part(p, n, x)
 *   v_add v_sub v_mul v_div
 *   v_max(a, b)              b where either is NaN
 *   v_fma(a, b, c)           a * b + c
 *   v_select(bits, x, y)     x in lanes whose bit is set, y elsewhere
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
#ifndef FLASH_TILE_H
#define FLASH_TILE_H

#include <math.h>

#include "flash_cpu.h"

#define INLINE static inline __attribute__((always_inline))
/* For what few calls need: inlined, it would take registers from the loops that all calls run. */
#define NOINLINE static __attribute__((noinline))

enum {
    VECS = FLASH_TILE / W, /* vectors of scores of a row and tile */
    PAD_DIM = FLASH_MAX_DIM,
};

/* Rows computed together, and the running softmax of each. */
struct rows {
    float q[NQ * PAD_DIM];   /* times scale * log2(e); by row_of() with dim, zero behind it */
    float acc[NQ * PAD_DIM]; /* sum of weights times values, relative to max; with v_dim */
    float p[NQ][FLASH_TILE]; /* scores, then weights, of the tile */
    float sum[NQ][W];        /* sums of weights per lane */
    float max[NQ];
    uint32_t visible[NQ]; /* bit j: the row attends to token j of the tile */
    int32_t token[NQ];    /* of the call */
    int32_t head[NQ];     /* query head */
    int32_t pos[NQ];      /* position */
    int32_t first[NQ];    /* the tokens that mask and window leave: first <= j < end */
    int32_t end[NQ];
};

/* Keys or values of a tile, by KV block. Tokens are `stride` bytes apart. */
struct operand {
    const char *block[FLASH_TILE_BLOCKS]; /* NULL where no row attends to a token */
    const char *next[FLASH_TILE_BLOCKS];  /* of the next tile, to prefetch; NULL: none */
    int64_t stride;
};

struct tile {
    struct operand k, v;
    uint32_t visible; /* to any row: other tokens are not read, except within a KV block */
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

/* Row r of an array of rows of `dim` floats, each padded to whole vectors. */
INLINE float *row_of(float *rows, int r, const int dim)
{
    return rows + r * ((dim + W - 1) / W * W);
}

/* Bits lo <= j < hi of a tile's tokens. */
INLINE uint32_t token_bits(int32_t lo, int32_t hi)
{
    lo = clamp(lo, 0, FLASH_TILE);
    hi = clamp(hi, 0, FLASH_TILE);
    return lo < hi ? UINT32_MAX >> (32 - (hi - lo)) << lo : 0;
}

/* The first bit >= from that is 0. */
INLINE int32_t end_of_run(uint32_t bits, int32_t from)
{
    uint32_t zeros = ~bits >> from;

    return zeros ? from + __builtin_ctz(zeros) : FLASH_TILE;
}

/*
 * Prefetches a token's keys or values into the second-level cache. The hardware prefetcher stops at
 * every page. Measured on decode over pages: one tile ahead helps (NOTES.md); two tiles ahead, or
 * into the first-level cache, is slower.
 */
INLINE void prefetch(const char *p, const int bytes)
{
    for (int i = 0; i < bytes; i += 64)
        __builtin_prefetch(p + i, 0, 2);
}

/*
 * Computes the scores of W tokens for nr rows.
 *
 * @param k       token 0 of the W
 * @param next    the same token of the next tile, to prefetch; or NULL
 * @param lo, hi  tokens that may be read, 0 <= lo < hi <= W; for others a neighbour is read
 * @param s       lane i of s[r]: q[r] . k[i]
 */
INLINE void score_vec(const int nr, const int dim, float *q, const char *k, const char *next,
                      int64_t stride, int32_t lo, int32_t hi, vec *s)
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
                prefetch(next + (4 * m + i) * stride, dim * (int)sizeof(float));
        for (int r = 0; r < nr; r++)
            for (int i = 0; i < 4; i++)
                a[r][i] = v_zero();
        for (; c + W <= dim; c += W) {
            vec x[4];

            for (int i = 0; i < 4; i++)
                x[i] = v_load(kp[i] + c);
            for (int r = 0; r < nr; r++) {
                vec y = v_load(row_of(q, r, dim) + c);

                for (int i = 0; i < 4; i++)
                    a[r][i] = v_fma(x[i], y, a[r][i]);
            }
        }
        if (c < dim)
            for (int i = 0; i < 4; i++) {
                vec x = v_load_part(kp[i] + c, dim - c);

                for (int r = 0; r < nr; r++)
                    a[r][i] = v_fma(x, v_load(row_of(q, r, dim) + c), a[r][i]);
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
    const int64_t stride = t->k.stride;

    for (int j = 0; j < FLASH_TILE; j += W) {
        uint32_t bits = t->visible >> j & (uint32_t)((1 << W) - 1);
        const char *k = t->k.block[j / FLASH_CPU_KV_BLOCK];
        const char *next = t->k.next[j / FLASH_CPU_KV_BLOCK];
        int64_t at = j % FLASH_CPU_KV_BLOCK * stride;
        vec s[NQ];

        if (!bits)
            continue;
        k += at;
        next = next ? next + at : NULL;
        if (bits == (1 << W) - 1)
            score_vec(nr, dim, w->q, k, next, stride, 0, W, s);
        else
            score_vec(nr, dim, w->q, k, next, stride, __builtin_ctz(bits), 32 - __builtin_clz(bits),
                      s);
        for (int r = 0; r < nr; r++)
            v_store(w->p[r] + j, s[r]);
    }
}

/* Scores of the tile become weights relative to the row's maximum, which may grow. */
INLINE void softmax_row(struct rows *w, int r, const int v_dim)
{
    vec s[VECS], sum = v_load(w->sum[r]), m;
    uint32_t visible = w->visible[r];
    float max;

    for (int v = 0; v < VECS; v++)
        s[v] = v_load(w->p[r] + v * W);
    if (visible != UINT32_MAX)
        for (int v = 0; v < VECS; v++)
            s[v] = v_select(visible >> v * W, s[v], v_set1(-INFINITY));
    m = s[0];
    for (int v = 1; v < VECS; v++)
        m = v_max(m, s[v]);
    max = v_hmax(m);
    if (max > w->max[r]) {
        vec scale = v_exp2(v_set1(w->max[r] - max));
        float *acc = row_of(w->acc, r, v_dim);

        w->max[r] = max;
        sum = v_mul(sum, scale);
        for (int32_t d = 0; d < v_dim; d += W)
            v_store(acc + d, v_mul(v_load(acc + d), scale));
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
 * acc += p V over tokens from <= j < to of the tile, for rows r0 .. r0 + nr and nc vectors of a
 * value from element d. The last vector may be partial; then nc is 1.
 */
INLINE void add_value_vectors(struct rows *w, int r0, const int nr, const int v_dim, const int nc,
                              const struct operand *o, int32_t from, int32_t to, int32_t d)
{
    const int64_t stride = o->stride;
    vec acc[NQ][4];

    for (int r = 0; r < nr; r++)
        for (int c = 0; c < nc; c++)
            acc[r][c] = v_load(row_of(w->acc, r0 + r, v_dim) + d + c * W);
    for (int32_t j = from; j < to;) {
        const char *v = o->block[j / FLASH_CPU_KV_BLOCK] + j % FLASH_CPU_KV_BLOCK * stride;
        int32_t end = (j / FLASH_CPU_KV_BLOCK + 1) * FLASH_CPU_KV_BLOCK;
        const char *next = o->next[j / FLASH_CPU_KV_BLOCK];

        next = next ? next + j % FLASH_CPU_KV_BLOCK * stride + d * 4 : NULL;
        for (end = end < to ? end : to; j < end; j++, v += stride) {
            vec p[NQ];

            if (next) {
                prefetch(next, nc * W * (int)sizeof(float));
                next += stride;
            }
            for (int r = 0; r < nr; r++)
                p[r] = v_set1(w->p[r0 + r][j]);
            for (int c = 0; c < nc; c++) {
                const float *at = (const float *)v + d + c * W;
                vec x = d + W <= v_dim ? v_load(at) : v_load_part(at, v_dim - d);

                for (int r = 0; r < nr; r++)
                    acc[r][c] = v_fma(p[r], x, acc[r][c]);
            }
        }
    }
    for (int r = 0; r < nr; r++)
        for (int c = 0; c < nc; c++)
            v_store(row_of(w->acc, r0 + r, v_dim) + d + c * W, acc[r][c]);
}

INLINE void add_values(struct rows *w, int r0, const int nr, const int v_dim,
                       const struct operand *o, int32_t from, int32_t to)
{
    int32_t d = 0;

    for (; d + 4 * W <= v_dim; d += 4 * W)
        add_value_vectors(w, r0, nr, v_dim, 4, o, from, to, d);
    for (; d + W <= v_dim; d += W)
        add_value_vectors(w, r0, nr, v_dim, 1, o, from, to, d);
    if (d < v_dim)
        add_value_vectors(w, r0, nr, v_dim, 1, o, from, to, d);
}

/* acc += p V over the tile, in ascending order: tokens that all rows see for all rows together, the
 * others for one row after the other. */
INLINE void add_tile(struct rows *w, const int nr, const int v_dim, const struct tile *t)
{
    uint32_t all = t->visible;
    int32_t to;

    for (int r = 0; r < nr; r++)
        all &= w->visible[r];
    for (int32_t from = 0; from < FLASH_TILE; from = to) {
        if (all >> from & 1) {
            to = end_of_run(all, from);
            add_values(w, 0, nr, v_dim, &t->v, from, to);
            continue;
        }
        to = end_of_run(~all, from);
        for (int r = 0; r < nr; r++) {
            uint32_t bits = w->visible[r] & token_bits(from, to);

            while (bits) {
                int32_t j = __builtin_ctz(bits), end = end_of_run(bits, j);

                add_values(w, r, 1, v_dim, &t->v, j, end);
                bits &= ~token_bits(j, end);
            }
        }
    }
}

#endif
