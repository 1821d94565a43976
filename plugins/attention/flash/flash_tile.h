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
#include <float.h>
#include <math.h>
#include <string.h>

#include "../../common/elements.h"
#include "flash_cpu.h"

#define INLINE static inline __attribute__((always_inline))

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
    int32_t first[NQ];    /* first token of the row */
    int32_t end[NQ];      /* its last token + 1 */
    uint32_t visible[NQ]; /* bit j: the row attends to token j of the tile */
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
                prefetch(next + (4 * m + i) * stride, dim);
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
                prefetch(next, nc * W);
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

/* A token's place in memory. */
struct place {
    int64_t block;
    int32_t token; /* of the block */
};

INLINE struct place find_token(const flash_work *wk, int32_t pos)
{
    const cg_attention_args *a = wk->call->args;

    return (struct place) { cg_kv_block(a->kv, a->slot[wk->seq], pos), pos % a->kv->block_tokens };
}

INLINE const char *address(const flash_work *wk, const flash_array *a, struct place at)
{
    return a->data + at.block * a->block_stride + wk->kv_head * a->head_stride +
           at.token * a->token_stride;
}

INLINE const float *scale_of(const flash_work *wk, const flash_array *a, struct place at)
{
    const cg_kv_view *kv = wk->call->args->kv;

    return (const float *)(a->scale + at.block * kv->scale_block_stride +
                           wk->kv_head * kv->scale_head_stride + at.token * kv->scale_token_stride);
}

/* Finds the addresses of the tile at j0, and of the next one if it begins before `end`. */
INLINE void locate_tile(const flash_work *wk, int32_t j0, int32_t end, struct tile *t)
{
    const flash_call *c = wk->call;

    t->k.stride = c->k.token_stride;
    t->v.stride = c->v.token_stride;
    for (int i = 0; i < FLASH_TILE_BLOCKS; i++) {
        int32_t j = i * FLASH_CPU_KV_BLOCK, next = j0 + FLASH_TILE + j;

        t->k.block[i] = t->v.block[i] = t->k.next[i] = t->v.next[i] = NULL;
        if (t->visible & token_bits(j, j + FLASH_CPU_KV_BLOCK)) {
            struct place at = find_token(wk, j0 + j);

            t->k.block[i] = address(wk, &c->k, at);
            t->v.block[i] = address(wk, &c->v, at);
        }
        if (next < end) {
            struct place at = find_token(wk, next);

            t->k.next[i] = address(wk, &c->k, at);
            t->v.next[i] = address(wk, &c->v, at);
        }
    }
}

/*
 * Copies the visible keys or values of the tile at j0 to the scratch, as f32: [FLASH_TILE, dim].
 * Not inlined, so that loops over tiles that are read in place keep their registers.
 */
static __attribute__((noinline)) void copy_tile(const flash_work *wk, const flash_array *a,
                                                int32_t dim, int32_t j0, uint32_t visible,
                                                struct operand *ret_copy)
{
    const flash_call *c = wk->call;
    const int32_t page = c->args->kv->block_tokens;
    size_t row = (size_t)dim * sizeof(float);
    uint32_t left = visible, hidden;

    ret_copy->stride = (int64_t)row;
    for (int i = 0; i < FLASH_TILE_BLOCKS; i++) {
        ret_copy->block[i] = (const char *)(wk->copy + i * FLASH_CPU_KV_BLOCK * dim);
        ret_copy->next[i] = NULL;
    }
    while (left) { /* tokens of a page */
        int32_t j = __builtin_ctz(left), end;
        struct place at = find_token(wk, j0 + j);

        end = j + page - at.token < FLASH_TILE ? j + page - at.token : FLASH_TILE;
        for (; j < end; j++, at.token++) {
            float *to = wk->copy + j * dim;

            if (!(visible >> j & 1))
                continue;
            cg_elements_load(to, address(wk, a, at), c->problem->kv_dtype, dim);
            if (a->scale) {
                float scale = *scale_of(wk, a, at);

                for (int32_t d = 0; d < dim; d++)
                    to[d] *= scale;
            }
        }
        left &= ~token_bits(0, end);
    }
    hidden = ~visible & token_bits(__builtin_ctz(visible), 32 - __builtin_clz(visible));
    for (; hidden; hidden &= hidden - 1) /* are read, though their scores are not used */
        memset(wk->copy + __builtin_ctz(hidden) * dim, 0, row);
}

/* Rows r0 .. r0 + nr of a work item, before their first tile. */
INLINE void begin_rows(const flash_work *wk, int32_t r0, const int nr, const int dim,
                       const int v_dim, struct rows *w)
{
    const cg_attention_problem *p = wk->call->problem;
    const cg_attention_args *a = wk->call->args;
    const int32_t group = wk->call->group;
    const float log2e = 1.44269504f;

    for (int r = 0; r < nr; r++) {
        int32_t row = wk->first + r0 + r, token = a->q_start[wk->seq] + row / group;
        int32_t head = wk->kv_head * group + row % group;
        int32_t pos = a->kv_len[wk->seq] - a->q_start[wk->seq + 1] + token;
        const float *q = (const float *)((const char *)a->q + token * a->q_stride) + head * dim;
        float *scaled = row_of(w->q, r, dim), *acc = row_of(w->acc, r, v_dim);

        for (int32_t d = 0; d < dim; d++)
            scaled[d] = q[d] * (p->scale * log2e);
        for (int32_t d = dim; d % W; d++)
            scaled[d] = 0;
        for (int32_t d = 0; d < v_dim; d += W)
            v_store(acc + d, v_zero());
        memset(w->sum[r], 0, sizeof w->sum[r]);
        w->max[r] = -FLT_MAX; /* finite: a score of -inf has weight 0, not NaN */
        w->first[r] = p->window && pos >= p->window ? pos - p->window + 1 : 0;
        w->end[r] = pos + 1;
    }
}

INLINE void end_rows(const flash_work *wk, int32_t r0, const int nr, const int v_dim,
                     struct rows *w)
{
    const cg_attention_args *a = wk->call->args;
    const int32_t group = wk->call->group;

    for (int r = 0; r < nr; r++) {
        int32_t row = wk->first + r0 + r, token = a->q_start[wk->seq] + row / group;
        int32_t head = wk->kv_head * group + row % group, d = 0;
        float *out = (float *)((char *)a->out + token * a->out_stride) + head * v_dim;
        const float *acc = row_of(w->acc, r, v_dim);
        vec inverse = v_set1(1.0f / v_hsum(v_load(w->sum[r])));

        for (; d + W <= v_dim; d += W)
            v_store(out + d, v_mul(v_load(acc + d), inverse));
        if (d < v_dim)
            v_store_part(out + d, v_dim - d, v_mul(v_load(acc + d), inverse));
    }
}

/* Computes rows r0 .. r0 + nr of the work item over all tiles. */
INLINE void run_rows(const flash_work *wk, int32_t r0, const int nr, const int dim, const int v_dim)
{
    const flash_call *c = wk->call;
    struct rows w;
    int32_t begin = INT32_MAX, end = 0;

    begin_rows(wk, r0, nr, dim, v_dim, &w);
    for (int r = 0; r < nr; r++) {
        begin = w.first[r] < begin ? w.first[r] : begin;
        end = w.end[r] > end ? w.end[r] : end;
    }
    for (int32_t j0 = begin / FLASH_TILE * FLASH_TILE; j0 < end; j0 += FLASH_TILE) {
        struct tile t = { .visible = 0 };

        for (int r = 0; r < nr; r++) {
            w.visible[r] = token_bits(w.first[r] - j0, w.end[r] - j0);
            t.visible |= w.visible[r];
        }
        if (wk->copy)
            copy_tile(wk, &c->k, dim, j0, t.visible, &t.k);
        else
            locate_tile(wk, j0, end, &t);
        score_tile(&w, nr, dim, &t);
        for (int r = 0; r < nr; r++)
            if (w.visible[r])
                softmax_row(&w, r, v_dim);
        if (wk->copy)
            copy_tile(wk, &c->v, v_dim, j0, t.visible, &t.v);
        add_tile(&w, nr, v_dim, &t);
    }
    end_rows(wk, r0, nr, v_dim, &w);
}

INLINE void run_dim(const flash_work *wk, const int dim, const int v_dim)
{
    int32_t r = 0;

    for (; r + NQ <= wk->n; r += NQ)
        run_rows(wk, r, NQ, dim, v_dim);
    for (; NQ > 2 && r + 2 <= wk->n; r += 2)
        run_rows(wk, r, 2, dim, v_dim);
    for (; r < wk->n; r++)
        run_rows(wk, r, 1, dim, v_dim);
}

/*
 * The usual head sizes get code with constant loop bounds. Each is a function of its own: gcc makes
 * slower code of one function that has them all (of prompts with heads of 128 by a third).
 */
static __attribute__((noinline)) void run_64(const flash_work *wk)
{
    run_dim(wk, 64, 64);
}

static __attribute__((noinline)) void run_128(const flash_work *wk)
{
    run_dim(wk, 128, 128);
}

static __attribute__((noinline)) void run_any(const flash_work *wk)
{
    run_dim(wk, wk->call->problem->head_dim, wk->call->problem->v_head_dim);
}

INLINE void run_work(const flash_work *wk)
{
    const int32_t dim = wk->call->problem->head_dim, v_dim = wk->call->problem->v_head_dim;

    if (dim == 64 && v_dim == 64)
        run_64(wk);
    else if (dim == 128 && v_dim == 128)
        run_128(wk);
    else
        run_any(wk);
}

INLINE void run_exp2(const float *x, float *ret_y, int32_t n)
{
    for (int32_t i = 0; i < n; i += W)
        v_store(ret_y + i, v_exp2(v_load(x + i)));
}
