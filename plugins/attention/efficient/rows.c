/* SPDX-License-Identifier: MIT */
/*
 * The kernel for the CPU: online softmax over tiles of 32 keys, for up to 16 rows that share them.
 *
 * Vectors of eight lanes by the compilers' vector extension. This file is compiled for the
 * processor's baseline and for AVX2. Both have the same bits: every operation is rounded by itself
 * (-ffp-contract=off) and the order of every sum is written here.
 *
 * Bits. A row's result is a function of its query, its position and the tokens that it attends to:
 * key tiles begin at absolute positions, a tile's tokens are taken in ascending order, those hidden
 * from a row are neither added nor multiplied by 0, and rows share loads but no arithmetic.
 *
 * Sources: Milakov and Gimelshein 2018 (online softmax); Rabe and Staats 2021.
 */
#include "efficient_cpu.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "../../common/elements.h"

#define INLINE static inline __attribute__((always_inline))

enum {
    W = EFFICIENT_LANES,
    VECS = EFFICIENT_TILE / W,
    PAIR = 2, /* rows that are computed together */
};

typedef float efficient_vec __attribute__((vector_size(4 * W)));
typedef int32_t efficient_ivec __attribute__((vector_size(4 * W)));
typedef float efficient_quad __attribute__((vector_size(16)));

/* Registers hold so many vectors of the accumulators of a pair of rows. */
#ifdef __AVX__
enum { CHUNK = 4 };
#else
enum { CHUNK = 2 };
#endif

/* The running softmax of one row. */
struct efficient_row {
    efficient_reach reach;
    efficient_vec sum; /* of weights, by lane */
    float max;         /* of scores, in units of log 2 */
    uint32_t visible;  /* tokens of the tile */
    int32_t head;      /* query head */
    int32_t token;     /* query token of the call */
};

/* A row tile in work. Arrays are parts of the scratch memory. */
struct efficient_work {
    const efficient_call *c;
    int32_t n, slot, kv_head;
    int64_t kv_element;     /* bytes */
    int32_t k_size, v_size; /* floats of a key and of a value in scratch memory */
    float *q;               /* [n, k_size] times scale, 0 behind head_dim */
    float *acc;             /* [n, v_size] sum of weights times values, relative to max */
    float *p;               /* [n, EFFICIENT_TILE] scores, then weights */
    float *k, *v;           /* [EFFICIENT_TILE, k_size or v_size] converted tokens */
    const float *k_at[EFFICIENT_TILE]; /* keys of the tile, here or in the cache */
    const float *v_at[EFFICIENT_TILE];
    float k_scale[EFFICIENT_TILE], v_scale[EFFICIENT_TILE];
    const char *next_k[EFFICIENT_TILE]; /* of the next tile, to prefetch; NULL: none */
    const char *next_v[EFFICIENT_TILE];
    struct efficient_row rows[EFFICIENT_ROWS];
};

/* ---- vectors ------------------------------------------------------------------------------- */

INLINE efficient_vec v_set(float x)
{
    return (efficient_vec) { x, x, x, x, x, x, x, x };
}

INLINE efficient_vec v_at(const float *p)
{
    efficient_vec x;

    memcpy(&x, p, sizeof x);
    return x;
}

INLINE void v_put(float *p, efficient_vec x)
{
    memcpy(p, &x, sizeof x);
}

/* Lanes of a where `in` is -1, of b where it is 0. */
INLINE efficient_vec v_choose(efficient_ivec in, efficient_vec a, efficient_vec b)
{
    return (efficient_vec)((in & (efficient_ivec)a) | (~in & (efficient_ivec)b));
}

/* The larger, b where one is NaN. */
INLINE efficient_vec v_larger(efficient_vec a, efficient_vec b)
{
    return v_choose(a > b, a, b);
}

INLINE float v_largest_lane(efficient_vec x)
{
    float max = x[0];

    for (int i = 1; i < W; i++)
        max = x[i] > max ? x[i] : max;
    return max;
}

INLINE float v_sum_lanes(efficient_vec x)
{
    return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]));
}

/* Lane i: sum of the lanes of a[i]. */
INLINE efficient_quad v_sum_four(const efficient_vec *a)
{
    efficient_vec x = __builtin_shufflevector(a[0], a[1], 0, 8, 1, 9, 4, 12, 5, 13) +
                      __builtin_shufflevector(a[0], a[1], 2, 10, 3, 11, 6, 14, 7, 15);
    efficient_vec y = __builtin_shufflevector(a[2], a[3], 0, 8, 1, 9, 4, 12, 5, 13) +
                      __builtin_shufflevector(a[2], a[3], 2, 10, 3, 11, 6, 14, 7, 15);
    efficient_vec z = __builtin_shufflevector(x, y, 0, 1, 8, 9, 4, 5, 12, 13) +
                      __builtin_shufflevector(x, y, 2, 3, 10, 11, 6, 7, 14, 15);

    return __builtin_shufflevector(z, z, 0, 1, 2, 3) + __builtin_shufflevector(z, z, 4, 5, 6, 7);
}

/*
 * 2^x for x <= 0, 0 below -126; NaN stays NaN. With n the nearest integer 2^x = 2^n 2^f, |f| <=
 * 1/2, and 2^f is its Taylor polynomial of degree 7, whose error is below 6e-9.
 */
INLINE efficient_vec v_exp2(efficient_vec x)
{
    static const float taylor[] = { 0x1.ffcbfcp-17f, 0x1.430912p-13f,
                                    0x1.5d87fep-10f, 0x1.3b2ab6p-7f,
                                    0x1.c6b08ep-5f,  0x1.ebfbe0p-3f,
                                    0x1.62e430p-1f,  1.0f }; /* (ln 2)^k / k!, k = 7 to 0 */
    const efficient_vec whole = v_set(0x1.8p23f), least = v_set(-126.0f);
    efficient_vec z = v_choose(x < least, least, x), n, f, y = v_set(taylor[0]), power;

    n = z + whole; /* in units of 1: rounded, with the integer in the low bits */
    f = z - (n - whole);
    for (int k = 1; k < (int)(sizeof taylor / sizeof *taylor); k++)
        y = y * f + v_set(taylor[k]);
    power = (efficient_vec)(((efficient_ivec)n << 23) + (127 << 23));
    return v_choose(x < least, v_set(0), y * power);
}

INLINE float exp2_of(float x)
{
    return v_exp2(v_set(x))[0];
}

/* tanh(x) = sign(x) (1 - t) / (1 + t), t = exp(-2 |x|). */
INLINE efficient_vec v_tanh(efficient_vec x)
{
    const efficient_ivec sign = (efficient_ivec)v_set(-0.0f);
    efficient_vec size = (efficient_vec)(~sign & (efficient_ivec)x);
    efficient_vec t = v_exp2(size * v_set(-2.885390082f)); /* -2 / ln 2 */
    efficient_vec y = (v_set(1) - t) / (v_set(1) + t);

    return (efficient_vec)((efficient_ivec)y | (sign & (efficient_ivec)x));
}

/* ---- tokens -------------------------------------------------------------------------------- */

/*
 * Key or value as floats: where it is if it is that already and fills whole vectors, else converted
 * to `room`, with zeros behind it.
 */
INLINE const float *token_floats(const char *at, cg_dtype dtype, int32_t dim, float *room)
{
    if (dtype == CG_F32 && dim % W == 0)
        return (const float *)at;
    cg_elements_load(room, at, dtype, dim);
    for (int32_t d = dim; d % W; d++)
        room[d] = 0;
    return room;
}

/*
 * Finds or converts the tokens of the tile at `begin` that some row attends to. The others get the
 * address of one of them.
 */
static void read_tile(struct efficient_work *w, int32_t begin, uint32_t visible)
{
    const efficient_call *c = w->c;
    const cg_kv_view *kv = &c->kv;
    const int32_t is_shared =
        kv->v == kv->k && c->v_dim <= c->head_dim && kv->v_block_stride == kv->block_stride &&
        kv->v_head_stride == kv->head_stride && kv->v_token_stride == kv->token_stride;
    const int32_t any = __builtin_ctz(visible);

    for (int32_t j = 0; j < EFFICIENT_TILE;) {
        int32_t pos = begin + j, within = pos % kv->block_tokens, end = EFFICIENT_TILE;
        int64_t k_offset, v_offset, scale_offset;

        if (kv->block_tokens - within < end - j)
            end = j + kv->block_tokens - within;
        if (!(visible & efficient_bits(j, end))) { /* a page that may not exist */
            j = end;
            continue;
        }
        k_offset = cg_kv_offset(kv, w->slot, w->kv_head, pos);
        v_offset = cg_kv_value_offset(kv, w->slot, w->kv_head, pos);
        scale_offset = cg_kv_scale_offset(kv, w->slot, w->kv_head, pos);
        for (; j < end; j++) {
            if (visible >> j & 1) {
                w->k_at[j] = token_floats((const char *)kv->k + k_offset, c->kv_dtype, c->head_dim,
                                          w->k + (size_t)j * (size_t)w->k_size);
                w->v_at[j] = is_shared
                                 ? w->k_at[j]
                                 : token_floats((const char *)kv->v + v_offset, c->kv_dtype,
                                                c->v_dim, w->v + (size_t)j * (size_t)w->v_size);
                if (kv->k_scale)
                    w->k_scale[j] = *(const float *)((const char *)kv->k_scale + scale_offset);
                if (kv->v_scale)
                    w->v_scale[j] = *(const float *)((const char *)kv->v_scale + scale_offset);
            }
            k_offset += kv->token_stride;
            v_offset += kv->v_token_stride;
            scale_offset += kv->scale_token_stride;
        }
    }
    for (uint32_t hidden = ~visible; hidden; hidden &= hidden - 1) {
        int32_t j = __builtin_ctz(hidden);

        w->k_at[j] = w->k_at[any];
        w->k_scale[j] = w->k_scale[any];
    }
}

/*
 * Finds the keys and values of the tokens [begin, end) of the next tile, to prefetch them:
 * the processor does so by itself within a page of memory only.
 */
static void find_next_tile(struct efficient_work *w, int32_t begin, int32_t end)
{
    const cg_kv_view *kv = &w->c->kv;

    for (int32_t j = 0; j < EFFICIENT_TILE;) {
        int32_t pos = begin + j, stop = EFFICIENT_TILE;
        const char *k = NULL, *v = NULL;

        if (pos < end) {
            k = (const char *)kv->k + cg_kv_offset(kv, w->slot, w->kv_head, pos);
            v = (const char *)kv->v + cg_kv_value_offset(kv, w->slot, w->kv_head, pos);
            stop = j + kv->block_tokens - pos % kv->block_tokens;
            stop = stop < j + end - pos ? stop : j + end - pos;
            stop = stop < EFFICIENT_TILE ? stop : EFFICIENT_TILE;
        }
        for (int32_t i = 0; j < stop; i++, j++) {
            w->next_k[j] = k ? k + i * kv->token_stride : NULL;
            w->next_v[j] = k ? v + i * kv->v_token_stride : NULL;
        }
    }
}

/* Prefetches into the second-level cache. */
INLINE void prefetch(const char *p, int64_t bytes)
{
    for (int64_t i = 0; i < bytes; i += 64)
        __builtin_prefetch(p + i, 0, 2);
}

/* ---- scores -------------------------------------------------------------------------------- */

/* Scores of nr rows from r0 on and four tokens from j on. */
INLINE void score_four(struct efficient_work *w, int32_t r0, const int nr, int32_t j)
{
    const float *const *k = w->k_at + j, *q = w->q + (size_t)r0 * (size_t)w->k_size;
    efficient_vec a[PAIR][4];

    for (int i = 0; i < 4 && r0 == 0; i++)
        if (w->next_k[j + i])
            prefetch(w->next_k[j + i], (int64_t)w->c->head_dim * w->kv_element);
    for (int r = 0; r < nr; r++)
        for (int i = 0; i < 4; i++)
            a[r][i] = v_set(0);
    for (int32_t d = 0; d < w->k_size; d += W) {
        efficient_vec x[4];

        for (int i = 0; i < 4; i++)
            x[i] = v_at(k[i] + d);
        for (int r = 0; r < nr; r++) {
            efficient_vec y = v_at(q + r * w->k_size + d);

            for (int i = 0; i < 4; i++)
                a[r][i] += x[i] * y;
        }
    }
    for (int r = 0; r < nr; r++) {
        efficient_quad s = v_sum_four(a[r]);

        memcpy(w->p + (r0 + r) * EFFICIENT_TILE + j, &s, sizeof s);
    }
}

/* Scores of all rows and of the groups of four tokens of which some row attends to one. */
static void score_tile(struct efficient_work *w, uint32_t visible)
{
    int32_t r = 0;

    for (; r + PAIR <= w->n; r += PAIR)
        for (int32_t j = 0; j < EFFICIENT_TILE; j += 4)
            if (visible >> j & 15)
                score_four(w, r, PAIR, j);
    for (; r < w->n; r++)
        for (int32_t j = 0; j < EFFICIENT_TILE; j += 4)
            if (visible >> j & 15)
                score_four(w, r, 1, j);
}

/* Adds the row's bias of the tokens that it attends to. */
static void add_bias(const efficient_call *c, const struct efficient_row *row, int32_t begin,
                     float *s)
{
    const int64_t size = cg_dtype_size(c->bias_dtype);
    const char *bias =
        (const char *)c->bias + row->token * c->bias_row_stride + row->head * c->bias_head_stride;

    for (uint32_t left = row->visible; left; left &= left - 1) {
        int32_t j = __builtin_ctz(left);

        s[j] += cg_element_load(bias + (begin + j) * size, c->bias_dtype);
    }
}

/* What the features make of a row's scores. */
static void refine_scores(const struct efficient_work *w, const struct efficient_row *row,
                          int32_t begin, float *s)
{
    const efficient_call *c = w->c;

    if (c->kv.k_scale)
        for (int32_t j = 0; j < EFFICIENT_TILE; j++)
            s[j] *= w->k_scale[j];
    if (c->softcap != 0)
        for (int32_t j = 0; j < EFFICIENT_TILE; j += W)
            v_put(s + j, v_tanh(v_at(s + j) / v_set(c->softcap)) * v_set(c->softcap));
    if (c->alibi_slope)
        for (int32_t j = 0; j < EFFICIENT_TILE; j++)
            s[j] += c->alibi_slope[row->head] * (float)(begin + j - row->reach.position);
    if (c->bias)
        add_bias(c, row, begin, s);
}

/* -1 in the lanes whose bits of `visible` from j on are set. */
INLINE efficient_ivec lanes_of(uint32_t visible, int32_t j)
{
    const efficient_ivec bit = { 1, 2, 4, 8, 16, 32, 64, 128 };
    const int32_t x = (int32_t)(visible >> j & 255);

    return ((efficient_ivec) { x, x, x, x, x, x, x, x } & bit) != 0;
}

/* Scores become weights relative to the row's maximum, which may grow. */
static void weigh_row(struct efficient_work *w, int32_t r)
{
    struct efficient_row *row = &w->rows[r];
    float *p = w->p + r * EFFICIENT_TILE, *acc = w->acc + (size_t)r * (size_t)w->v_size, max;
    efficient_vec s[VECS], m;

    for (int i = 0; i < VECS; i++) {
        s[i] = v_at(p + i * W) * v_set(1.442695041f); /* 1 / ln 2 */
        s[i] = v_choose(lanes_of(row->visible, i * W), s[i], v_set(-INFINITY));
    }
    m = s[0];
    for (int i = 1; i < VECS; i++)
        m = v_larger(m, s[i]);
    max = v_largest_lane(m);
    if (max > row->max) {
        efficient_vec scale = v_exp2(v_set(row->max - max));

        row->max = max;
        row->sum *= scale;
        for (int32_t d = 0; d < w->v_size; d += W)
            v_put(acc + d, v_at(acc + d) * scale);
    }
    for (int i = 0; i < VECS; i++) {
        s[i] = v_exp2(s[i] - v_set(row->max));
        row->sum += s[i];
        v_put(p + i * W, s[i]);
    }
    if (w->c->kv.v_scale)
        for (uint32_t left = row->visible; left; left &= left - 1)
            p[__builtin_ctz(left)] *= w->v_scale[__builtin_ctz(left)];
}

/* ---- values -------------------------------------------------------------------------------- */

/*
 * Adds n tokens, weight times value, to nr rows from r0 on, in nc vectors from element d on.
 *
 * @param tokens  [n] places in the tile, ascending
 */
INLINE void add_vectors(struct efficient_work *w, int32_t r0, const int nr, const int nc, int32_t d,
                        const uint8_t *tokens, int32_t n)
{
    float *acc = w->acc + (size_t)r0 * (size_t)w->v_size + d;
    const float *p = w->p + r0 * EFFICIENT_TILE;
    efficient_vec a[PAIR][CHUNK];

    for (int r = 0; r < nr; r++)
        for (int i = 0; i < nc; i++)
            a[r][i] = v_at(acc + r * w->v_size + i * W);
    for (int32_t k = 0; k < n; k++) {
        const int32_t j = tokens[k];
        const float *v = w->v_at[j] + d;

        if (r0 == 0 && w->next_v[j])
            prefetch(w->next_v[j] + d * w->kv_element, nc * W * w->kv_element);
        for (int i = 0; i < nc; i++) {
            efficient_vec x = v_at(v + i * W);

            for (int r = 0; r < nr; r++)
                a[r][i] += v_set(p[r * EFFICIENT_TILE + j]) * x;
        }
    }
    for (int r = 0; r < nr; r++)
        for (int i = 0; i < nc; i++)
            v_put(acc + r * w->v_size + i * W, a[r][i]);
}

/* Adds the values that nr rows from r0 on attend to: the same ones for all of these rows. */
INLINE void add_values(struct efficient_work *w, int32_t r0, const int nr)
{
    uint8_t tokens[EFFICIENT_TILE];
    int32_t n = 0, d = 0;

    for (uint32_t left = w->rows[r0].visible; left; left &= left - 1)
        tokens[n++] = (uint8_t)__builtin_ctz(left);
    for (; d + CHUNK * W <= w->v_size; d += CHUNK * W)
        add_vectors(w, r0, nr, CHUNK, d, tokens, n);
    for (; d < w->v_size; d += W)
        add_vectors(w, r0, nr, 1, d, tokens, n);
}

static void add_tile(struct efficient_work *w)
{
    int32_t r = 0;

    while (r < w->n)
        if (r + 1 < w->n && w->rows[r].visible == w->rows[r + 1].visible) {
            add_values(w, r, PAIR);
            r += PAIR;
        } else {
            add_values(w, r, 1);
            r++;
        }
}

/* ---- rows ---------------------------------------------------------------------------------- */

/* Sets up a row: its query times scale, an empty sum or that of its sink. */
static void begin_row(struct efficient_work *w, int32_t r, const efficient_row_tile *tile)
{
    const efficient_call *c = w->c;
    const int32_t index = tile->first + r;
    struct efficient_row *row = &w->rows[r];
    float *q = w->q + (size_t)r * (size_t)w->k_size;

    row->token = c->q_start[tile->seq] + index / c->group;
    row->head = w->kv_head * c->group + index % c->group;
    row->reach = efficient_reach_of(c, tile->seq, row->token);
    row->max = -FLT_MAX; /* finite: a score of -infinity has weight 0, not NaN */
    row->sum = v_set(0);
    if (c->sink_logit && c->sink_logit[row->head] * 1.442695041f > -FLT_MAX) {
        row->max = c->sink_logit[row->head] * 1.442695041f;
        row->sum[0] = 1;
    }
    memset(w->acc + (size_t)r * (size_t)w->v_size, 0, (size_t)w->v_size * sizeof *w->acc);
    cg_elements_load(q,
                     (const char *)c->q + row->token * c->q_stride +
                         (int64_t)row->head * c->head_dim * cg_dtype_size(c->dtype),
                     c->dtype, c->head_dim);
    for (int32_t d = 0; d < c->head_dim; d++)
        q[d] *= c->scale;
    for (int32_t d = c->head_dim; d < w->k_size; d++)
        q[d] = 0;
}

static void end_row(struct efficient_work *w, int32_t r)
{
    const efficient_call *c = w->c;
    const struct efficient_row *row = &w->rows[r];
    float *acc = w->acc + (size_t)r * (size_t)w->v_size;
    const efficient_vec inverse = v_set(1.0f / v_sum_lanes(row->sum));

    for (int32_t d = 0; d < w->v_size; d += W)
        v_put(acc + d, v_at(acc + d) * inverse);
    cg_elements_store((char *)c->out + row->token * c->out_stride +
                          (int64_t)row->head * c->v_dim * cg_dtype_size(c->dtype),
                      c->dtype, acc, c->v_dim);
}

/* Sets the tokens of the tile at `begin` that each row attends to. Returns those of all rows. */
static uint32_t look_up_tile(struct efficient_work *w, int32_t begin)
{
    uint32_t all = 0;

    for (int32_t r = 0; r < w->n; r++) {
        w->rows[r].visible = efficient_visible(w->c, &w->rows[r].reach, begin);
        all |= w->rows[r].visible;
    }
    return all;
}

/* Named by the build: efficient_rows_baseline and following. */
void EFFICIENT_ROWS_FN(const efficient_call *c, const efficient_row_tile *tile, int32_t kv_head,
                       float *scratch)
{
    efficient_key_tiles tiles = efficient_no_key_tiles();
    struct efficient_work w = { .c = c,
                                .n = tile->n,
                                .slot = c->slot[tile->seq],
                                .kv_head = kv_head,
                                .kv_element = cg_dtype_size(c->kv_dtype),
                                .k_size = efficient_padded(c->head_dim),
                                .v_size = efficient_padded(c->v_dim) };

    w.q = scratch;
    w.acc = w.q + (size_t)EFFICIENT_ROWS * (size_t)w.k_size;
    w.p = w.acc + (size_t)EFFICIENT_ROWS * (size_t)w.v_size;
    w.k = w.p + EFFICIENT_ROWS * EFFICIENT_TILE;
    w.v = w.k + (size_t)EFFICIENT_TILE * (size_t)w.k_size;
    for (int32_t r = 0; r < w.n; r++) {
        begin_row(&w, r, tile);
        efficient_add_reach(&tiles, &w.rows[r].reach);
    }
    for (int32_t begin = efficient_next_key_tile(&tiles, 0); begin < tiles.last;
         begin = efficient_next_key_tile(&tiles, begin + EFFICIENT_TILE)) {
        uint32_t visible = look_up_tile(&w, begin);

        if (!visible)
            continue;
        read_tile(&w, begin, visible);
        find_next_tile(&w, efficient_next_key_tile(&tiles, begin + EFFICIENT_TILE), tiles.last);
        score_tile(&w, visible);
        for (int32_t r = 0; r < w.n; r++)
            if (w.rows[r].visible) {
                refine_scores(&w, &w.rows[r], begin, w.p + r * EFFICIENT_TILE);
                weigh_row(&w, r);
            }
        add_tile(&w);
    }
    for (int32_t r = 0; r < w.n; r++)
        end_row(&w, r);
}
