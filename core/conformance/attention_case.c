/* SPDX-License-Identifier: MIT */
#include "attention_case.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "element.h"

const case_layout case_layouts[] = {
    { "contiguous", 0, 0, CG_KV_HND, 0, 0, 0, 0 },
    { "contiguous with spare capacity", 0, 13, CG_KV_HND, 0, 0, 0, 0 },
    { "contiguous, NHD", 0, 5, CG_KV_NHD, 0, 0, 0, 0 },
    { "contiguous, growing", 0, 3, CG_KV_HND, 1, 0, 0, 0 },
    { "pages of 16", 16, 0, CG_KV_HND, 0, 0, 0, 0 },
    { "pages of 32", 32, 0, CG_KV_HND, 0, 0, 0, 0 },
    { "pages of 16, NHD", 16, 0, CG_KV_NHD, 0, 0, 0, 0 },
    { "pages of 8", 8, 0, CG_KV_HND, 0, 0, 0, 0 },
    { "pages of 24", 24, 0, CG_KV_HND, 0, 0, 0, 0 },
    { "pages of 1", 1, 0, CG_KV_HND, 0, 0, 0, 0 },
    { "pages of 16, block_tokens 0", 16, 0, CG_KV_HND, 1, 0, 0, 0 },
};
const int32_t n_case_layouts = sizeof case_layouts / sizeof *case_layouts;

/* ---- data ---------------------------------------------------------------------------------- */

void case_layout_apply(const case_layout *layout, cg_attention_problem *problem)
{
    problem->paged = layout->page != 0;
    problem->block_tokens = layout->growing ? 0 : case_layout_block(layout, problem);
    problem->kv_layout = layout->kv_layout;
}

int32_t case_layout_block(const case_layout *layout, const cg_attention_problem *problem)
{
    return layout->page ? layout->page : problem->max_kv_len + layout->spare;
}

int case_uses(const cg_attention_problem *problem, uint32_t feature)
{
    return (problem->features & feature) != 0;
}

int32_t case_v_dim(const cg_attention_problem *problem)
{
    return problem->v_head_dim ? problem->v_head_dim : problem->head_dim;
}

/* Index of (i, head) in an array [.., n_heads, dim]. */
static size_t element_index(int64_t i, int32_t n_heads, int32_t head, int32_t dim)
{
    return ((size_t)i * (size_t)n_heads + (size_t)head) * (size_t)dim;
}

static size_t q_index(const attention_case *ac, int32_t row, int32_t head)
{
    return element_index(row, ac->problem.n_heads, head, ac->problem.head_dim);
}

static size_t out_index(const attention_case *ac, int32_t row, int32_t head)
{
    return element_index(row, ac->problem.n_heads, head, case_v_dim(&ac->problem));
}

static size_t kv_index(const attention_case *ac, int32_t values, int32_t seq, int32_t pos,
                       int32_t head)
{
    return element_index((int64_t)seq * ac->problem.max_kv_len + pos, ac->problem.n_kv_heads, head,
                         values ? case_v_dim(&ac->problem) : ac->problem.head_dim);
}

const float *attention_case_q(const attention_case *ac, int32_t row)
{
    return ac->q + q_index(ac, row, 0);
}

/* The sequence that has the data of a token. */
static int32_t owner_of(const attention_case *ac, int32_t seq, int32_t pos)
{
    return pos < ac->prefix_len[seq] ? ac->prefix_owner[seq] : seq;
}

float *attention_case_kv(const attention_case *ac, int32_t values, int32_t seq, int32_t pos,
                         int32_t head)
{
    seq = owner_of(ac, seq, pos);
    if (ac->values_in_keys)
        values = 0;
    return (values ? ac->v : ac->k) + kv_index(ac, values, seq, pos, head);
}

/*
 * A scale of a case with wide scales: 0, or by which the largest number of the type becomes a power
 * of two. That is at most 1 for keys, so scores are moderate. For values it is of any size, but in
 * one case within a factor of 2^20: an f16 for the product of weight and scale holds no more.
 */
static float wide_scale(const attention_case *ac, int32_t values, uint64_t h)
{
    int32_t largest = ac->problem.kv_dtype == CG_F8_E5M2   ? 16
                      : ac->problem.kv_dtype == CG_F8_E4M3 ? 9
                                                           : 7;
    int32_t of_case = (int32_t)(ac->scale_seed % 80) - 3;

    return h >> 32 & 7 ? ldexpf(1, -largest - (values ? of_case + (int32_t)((h >> 35) % 20)
                                                      : (int32_t)((h >> 35) % 40)))
                       : 0;
}

/* Powers of two, so that a product with a stored number is exact. */
float attention_case_scale(const attention_case *ac, int32_t values, int32_t seq, int32_t pos,
                           int32_t head)
{
    uint64_t h = ac->scale_seed + (uint64_t)values;
    int32_t block;

    if (!ac->is_scaled[values])
        return 1;
    if (ac->nan_scale[seq] == pos + 1)
        return NAN;
    block = owner_of(ac, seq, pos) * (ac->problem.max_kv_len + 1) + pos / ac->block_tokens;
    h = (h ^ (uint64_t)(ac->scale_axes & CASE_SCALE_BLOCK ? block : 0)) * 0x9e3779b97f4a7c15u;
    h = (h ^ (uint64_t)(ac->scale_axes & CASE_SCALE_TOKEN ? pos % ac->block_tokens : 0)) *
        0xbf58476d1ce4e5b9u;
    h = (h ^ (uint64_t)(ac->scale_axes & CASE_SCALE_HEAD ? head : 0)) * 0x94d049bb133111ebu;
    if (ac->has_wide_scales)
        return wide_scale(ac, values, h);
    return ldexpf(1, (int)(h >> 32 & 7) - 6 - (ac->problem.kv_dtype == CG_I8 ? 5 : 0));
}

int32_t case_random_len(test_recorder *rec, int32_t max)
{
    static const int32_t edges[] = { 1,    2,    7,    8,    9,    15,   16,   17,  24,
                                     31,   32,   33,   48,   63,   64,   65,   97,  127,
                                     128,  129,  255,  256,  257,  511,  512,  513, 1023,
                                     1024, 1025, 2047, 2048, 2049, 4095, 4096, 4097 };
    int32_t n = 0, i;

    while (n < (int32_t)(sizeof edges / sizeof *edges) && edges[n] <= max)
        n++;
    i = random_in(rec, 0, 2 * n);
    return i < n ? edges[i] : i == n ? max : random_in(rec, 1, max);
}

int32_t case_random_rows(test_recorder *rec, int32_t len)
{
    switch (random_in(rec, 0, 5)) {
    case 0:
        return len; /* a prompt */
    case 1:
        return random_in(rec, 0, 1) ? 0 : random_in(rec, 1, len);
    case 2:
        return random_in(rec, 1, len < 9 ? len : 9); /* forced tokens */
    default:
        return 1; /* decode */
    }
}

void attention_case_move(test_recorder *rec, attention_case *ac)
{
    int32_t slots[CASE_MAX_SLOTS];

    for (int32_t i = 0; i < ac->n_slots; i++)
        slots[i] = i;
    for (int32_t i = ac->n_slots - 1; i > 0; i--) {
        int32_t j = random_in(rec, 0, i), t = slots[i];

        slots[i] = slots[j];
        slots[j] = t;
    }
    memcpy(ac->slot, slots, (size_t)ac->n_seqs * sizeof *slots);
}

int32_t attention_case_sequence(const attention_case *ac, int32_t row)
{
    return cg_attention_sequence_of_token(ac->q_start, ac->n_seqs, row);
}

/* Position of a row of a sequence. */
static int32_t position_of(const attention_case *ac, int32_t seq, int32_t row)
{
    return ac->position ? ac->position[row] : ac->kv_len[seq] - ac->q_start[seq + 1] + row;
}

/* ---- features ------------------------------------------------------------------------------ */

static float *random_floats(test_recorder *rec, size_t n, float mean, float deviation)
{
    float *x = malloc((n + 1) * sizeof *x);

    if (!x)
        abort();
    for (size_t i = 0; i < n; i++)
        x[i] = mean + deviation * random_normal(rec);
    return x;
}

/* Most rows have the position of their place, some an earlier one. In some cases others have a
 * later one, as the rows of a prefix that attend to all of it. */
static void fill_positions(test_recorder *rec, attention_case *ac, int32_t rows)
{
    int32_t has_later = random_in(rec, 0, 2) == 0;

    ac->position = malloc(((size_t)rows + 1) * sizeof *ac->position);
    if (!ac->position)
        abort();
    ac->is_divisible &= !has_later;
    for (int32_t i = 0; i < ac->n_seqs; i++)
        for (int32_t t = ac->q_start[i]; t < ac->q_start[i + 1]; t++) {
            int32_t place = ac->kv_len[i] - ac->q_start[i + 1] + t;

            place = place > 0 ? place : 0; /* cross attention */
            if (has_later && random_in(rec, 0, 1))
                place = random_in(rec, place, ac->kv_len[i] + 3);
            ac->position[t] = random_in(rec, 0, 2) ? random_in(rec, 0, place) : place;
        }
}

/* Each row attends to itself and to random earlier rows of its sequence. */
static void fill_tree(test_recorder *rec, attention_case *ac, int32_t rows)
{
    int32_t most = 1;

    for (int32_t i = 0; i < ac->n_seqs; i++)
        if (ac->q_start[i + 1] - ac->q_start[i] > most)
            most = ac->q_start[i + 1] - ac->q_start[i];
    ac->tree_words = (most + 31) / 32 + random_in(rec, 0, 1);
    ac->tree = calloc(((size_t)rows + 1) * (size_t)ac->tree_words, sizeof *ac->tree);
    if (!ac->tree)
        abort();
    for (int32_t t = 0; t < rows; t++) {
        int32_t self = t - ac->q_start[attention_case_sequence(ac, t)];

        for (int32_t b = 0; b <= self; b++)
            if (b == self || random_in(rec, 0, 1))
                ac->tree[t * ac->tree_words + b / 32] |= 1u << b % 32;
    }
}

/* Element j of the bias of a row and head. */
static float *bias_at(const attention_case *ac, int32_t row, int32_t head, int32_t j)
{
    size_t of_row = ac->bias_rows > 1 ? (size_t)row : 0;
    size_t of_head = ac->bias_heads > 1 ? (size_t)head : 0;

    return ac->bias + (of_row * (size_t)ac->bias_heads + of_head) * (size_t)ac->problem.max_kv_len +
           j;
}

/* The rule of confgen/attention.h: tree, mask, window. */
static int attends(const attention_case *ac, int32_t seq, int32_t row, int32_t j)
{
    const cg_attention_problem *p = &ac->problem;
    int32_t before = ac->kv_len[seq] - (ac->q_start[seq + 1] - ac->q_start[seq]);
    int32_t b = j - before, pos = position_of(ac, seq, row);

    if (ac->tree && b >= 0)
        return ac->tree[row * ac->tree_words + b / 32] >> b % 32 & 1;
    if (p->mask == CG_MASK_CAUSAL && j > pos)
        return 0;
    return !p->window || j > pos - p->window || j < p->sink_tokens;
}

/* Sets the bias of a row, which it does not share, where the row does not attend to a token: a
 * plugin may read it, but not use it. */
static void spoil_bias(const attention_case *ac, int32_t seq, int32_t row)
{
    for (int32_t h = 0; h < ac->bias_heads; h++)
        for (int32_t j = 0; j < ac->problem.max_kv_len; j++)
            if (j >= ac->kv_len[seq] || !attends(ac, seq, row, j))
                *bias_at(ac, row, h, j) = NAN;
}

/* A token that a row attends to, unless its position is behind all tokens and it has a window. */
static int32_t attended_token(const attention_case *ac, int32_t row)
{
    int32_t seq = attention_case_sequence(ac, row), last = ac->kv_len[seq] - 1;
    int32_t pos = ac->tree ? last + 1 - ac->q_start[seq + 1] + row : position_of(ac, seq, row);

    return pos < 0 ? 0 : pos < last ? pos : last;
}

/* A bias of the problem's type. Few elements are -infinity, as in a mask, in some rows those of all
 * first tokens, and in few cases all of a row, else not all that the row attends to. */
static void fill_bias(test_recorder *rec, attention_case *ac, int32_t rows)
{
    const cg_attention_problem *p = &ac->problem;
    int32_t is_spoiled = random_in(rec, 0, 1), has_empty_rows = random_in(rec, 0, 5) == 0;
    int32_t is_mask;

    ac->bias_rows = random_in(rec, 0, 2) && rows ? rows : 1;
    ac->bias_heads = random_in(rec, 0, 2) ? p->n_heads : 1;
    is_mask = ac->bias_rows > 1 || (!p->window && !ac->tree);
    ac->bias = random_floats(
        rec, (size_t)ac->bias_rows * (size_t)ac->bias_heads * (size_t)p->max_kv_len, 0, 2);
    for (int32_t t = 0; t < ac->bias_rows; t++) {
        int32_t is_empty = has_empty_rows && random_in(rec, 0, 3) == 0;
        int32_t kept = ac->bias_rows > 1 ? attended_token(ac, t) : 0;
        int32_t start = random_in(rec, 0, 3) ? 0 : random_in(rec, 0, kept); /* of some tiles */

        ac->is_divisible &= !is_empty; /* any NaN is right */
        for (int32_t h = 0; h < ac->bias_heads; h++)
            for (int32_t j = 0; j < p->max_kv_len; j++) {
                float *x = bias_at(ac, t, h, j);

                *x = is_empty || j < start || (is_mask && j != kept && random_in(rec, 0, 20) == 0)
                         ? -INFINITY
                         : element_round(*x, p->bias_dtype);
            }
    }
    for (int32_t t = 0; is_spoiled && ac->bias_rows > 1 && t < rows; t++)
        spoil_bias(ac, attention_case_sequence(ac, t), t);
}

static void fill_features(test_recorder *rec, attention_case *ac)
{
    const cg_attention_problem *p = &ac->problem;
    int32_t rows = ac->q_start[ac->n_seqs];

    if (case_uses(p, CG_ATTENTION_ALIBI))
        ac->alibi_slope = random_floats(rec, (size_t)p->n_heads, 0.1f, 0.1f);
    if (case_uses(p, CG_ATTENTION_SINK_LOGITS))
        ac->sink_logit = random_floats(rec, (size_t)p->n_heads, 1, 2);
    ac->is_divisible = !(p->features & (CG_ATTENTION_NO_MASK | CG_ATTENTION_TREE));
    if (case_uses(p, CG_ATTENTION_POSITIONS))
        fill_positions(rec, ac, rows);
    if (case_uses(p, CG_ATTENTION_TREE))
        fill_tree(rec, ac, rows);
    if (case_uses(p, CG_ATTENTION_BIAS))
        fill_bias(rec, ac, rows);
    if (case_uses(p, CG_ATTENTION_VALUE_SIZE))
        ac->values_in_keys = case_v_dim(p) <= p->head_dim &&
                             random_in(rec, 0, p->head_dim == CASE_LATENT_DIM ? 1 : 2) == 0;
    if (case_uses(p, CG_ATTENTION_KV_SCALES)) {
        ac->scale_axes = random_in(rec, 0, 7);
        for (int32_t values = 0; values < 2; values++)
            ac->is_scaled[values] = random_in(rec, 0, 3) != 0;
        ac->scale_seed = random_u64(rec);
    }
}

/* ---- data of a case ------------------------------------------------------------------------ */

/* A stored key or value: 8-bit integers have no fraction, and scales of 1/32. */
static float random_stored(test_recorder *rec, cg_dtype t)
{
    return element_round(random_normal(rec) * (t == CG_I8 ? 32.0f : 1.0f), t);
}

/* Fills keys and values with the numbers of draw(). */
static void fill_stored(test_recorder *rec, attention_case *ac,
                        float (*draw)(test_recorder *rec, cg_dtype t))
{
    for (int32_t s = 0; s < ac->n_seqs; s++)
        for (int32_t values = 0; values < 2; values++) {
            float *x = attention_case_kv(ac, values, s, 0, 0);
            size_t n = kv_index(ac, values, 0, ac->kv_len[s], 0);

            for (size_t i = 0; i < n; i++)
                x[i] = draw(rec, ac->problem.kv_dtype);
        }
}

void attention_case_refill(test_recorder *rec, attention_case *ac)
{
    fill_stored(rec, ac, random_stored);
}

/* A finite number of a type of 8 bits. */
static float random_code(test_recorder *rec, cg_dtype t)
{
    float x;

    do {
        char code[sizeof(float)] = { (char)random_in(rec, 0, 255) }; /* room for any type */

        x = element_load(code, t);
    } while (!isfinite(x));
    return x;
}

void attention_case_fill_codes(test_recorder *rec, attention_case *ac)
{
    fill_stored(rec, ac, random_code);
    ac->has_wide_scales = ac->is_scaled[0] = ac->is_scaled[1] = 1;
    ac->scale_axes = CASE_SCALE_BLOCK | CASE_SCALE_HEAD | CASE_SCALE_TOKEN;
}

int attention_case_fill(test_recorder *rec, attention_case *ac)
{
    const cg_attention_problem *p = &ac->problem;
    int32_t rows = ac->q_start[ac->n_seqs];
    size_t n_q = q_index(ac, rows, 0), n_out = out_index(ac, rows, 0);
    size_t n_k = kv_index(ac, 0, ac->n_seqs, 0, 0), n_v = kv_index(ac, 1, ac->n_seqs, 0, 0);

    if (!ac->n_slots)
        ac->n_slots = p->max_seqs;
    attention_case_move(rec, ac);
    ac->q = malloc((n_q + 1) * sizeof *ac->q);
    ac->k = malloc(n_k * sizeof *ac->k);
    ac->v = malloc(n_v * sizeof *ac->v);
    ac->out = malloc((n_out + 1) * sizeof *ac->out);
    ac->bound = malloc((n_out + 1) * sizeof *ac->bound);
    ac->spread = calloc((size_t)rows * (size_t)p->n_heads + 1, sizeof *ac->spread);
    if (!ac->q || !ac->k || !ac->v || !ac->out || !ac->bound || !ac->spread) {
        attention_case_destroy(ac);
        return 0;
    }
    for (size_t i = 0; i < n_q; i++)
        ac->q[i] = element_round(random_normal(rec), p->dtype);
    attention_case_refill(rec, ac);
    fill_features(rec, ac);
    return 1;
}

void attention_case_share(test_recorder *rec, attention_case *ac, int32_t page)
{
    int32_t owner = 0, len = 0;

    ac->has_prefixes = 1;
    for (int32_t i = 0; i < ac->n_seqs; i++) {
        int32_t before = ac->kv_len[i] - (ac->q_start[i + 1] - ac->q_start[i]);

        if (i == 0 || before < len || random_in(rec, 0, 3) == 0) { /* begins a group */
            owner = i;
            len = before >= page ? random_in(rec, 1, before / page) * page : 0;
        }
        ac->prefix_owner[i] = owner;
        ac->prefix_len[i] = len;
    }
}

void attention_case_destroy(attention_case *ac)
{
    void *all[] = { ac->q,           ac->k,          ac->v,    ac->out,      ac->bound, ac->spread,
                    ac->alibi_slope, ac->sink_logit, ac->bias, ac->position, ac->tree };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    *ac = (attention_case) { .problem = ac->problem };
}

/* ---- reference ----------------------------------------------------------------------------- */

/* Twice the relative error of rounding to a type; 0 for one that holds its numbers exactly. */
static double step_of(cg_dtype t)
{
    return t == CG_BF16 ? 0x1p-8 : t == CG_F16 ? 0x1p-10 : 0;
}

/* One row and head of a case. */
struct solved_row {
    const attention_case *ac;
    int32_t seq, row, head, kv_head;
    int32_t pos;
    double *score;   /* [kv_len] of the tokens that it attends to, -infinity for others */
    double max, sum; /* of the scores; of their exponentials, less max */
    double size;     /* of the terms of a score: the largest sum of their magnitudes */
    int f8;          /* case_may_round_to_f8(): norm and the sums of allow_f8() are needed */
    double norm;     /* the largest norm of the products of a score */
};

int case_may_round_to_f8(const cg_attention_problem *p)
{
    return p->device == CG_DEVICE_CUDA && p->kv_dtype == CG_F8_E4M3 && p->dtype != CG_F32;
}

/* q k, and the sum of the magnitudes of its terms. Sums of their own let a processor add several
 * terms at a time. */
static double multiply(const float *q, const float *k, int32_t n, double *ret_magnitude)
{
    enum { SUMS = 8 };
    double dot[SUMS] = { 0 }, magnitude[SUMS] = { 0 };
    int32_t d = 0;

    for (; d + SUMS <= n; d += SUMS)
        for (int32_t i = 0; i < SUMS; i++) {
            dot[i] += (double)q[d + i] * k[d + i];
            magnitude[i] += fabs((double)q[d + i] * k[d + i]);
        }
    for (; d < n; d++) {
        dot[0] += (double)q[d] * k[d];
        magnitude[0] += fabs((double)q[d] * k[d]);
    }
    for (int32_t i = 1; i < SUMS; i++) {
        dot[0] += dot[i];
        magnitude[0] += magnitude[i];
    }
    *ret_magnitude = magnitude[0];
    return dot[0];
}

/* Sets the score of token j, and size. */
static void score_token(struct solved_row *r, int32_t j)
{
    const attention_case *ac = r->ac;
    const cg_attention_problem *p = &ac->problem;
    const float *q = ac->q + q_index(ac, r->row, r->head);
    const float *k = attention_case_kv(ac, 0, r->seq, j, r->kv_head);
    double scale = (double)p->scale * (double)attention_case_scale(ac, 0, r->seq, j, r->kv_head);
    double squares = 0, magnitude, s, term;

    s = scale * multiply(q, k, p->head_dim, &magnitude);
    for (int32_t d = 0; d < p->head_dim && r->f8; d++)
        squares += (double)q[d] * k[d] * q[d] * k[d];
    r->norm = fmax(r->norm, fabs(scale) * sqrt(squares));
    magnitude *= fabs(scale);
    if (case_uses(p, CG_ATTENTION_SOFTCAP)) {
        s = (double)p->softcap * tanh(s / (double)p->softcap);
        magnitude += fabs((double)p->softcap);
    }
    if (ac->alibi_slope) {
        term = (double)ac->alibi_slope[r->head] * (j - r->pos);
        s += term;
        magnitude += fabs(term);
    }
    if (ac->bias) {
        term = (double)*bias_at(ac, r->row, r->head, j);
        s += term;
        magnitude += isfinite(term) ? fabs(term) : 0;
    }
    r->score[j] = s;
    r->max = fmax(r->max, s);
    r->size = fmax(r->size, magnitude);
}

/* Turns scores into weights. Returns the first token that the row attends to, and the end. */
static void weigh(struct solved_row *r, int32_t *ret_first, int32_t *ret_end)
{
    const cg_attention_problem *p = &r->ac->problem;
    int32_t len = r->ac->kv_len[r->seq], first = 0, end = len;
    double sink = r->ac->sink_logit ? (double)r->ac->sink_logit[r->head] : -INFINITY, base;

    if (!p->features) { /* attends() in short */
        first = p->window && r->pos >= p->window ? r->pos - p->window + 1 : 0;
        end = r->pos + 1;
    }
    r->max = sink;
    r->size = isfinite(sink) ? fabs(sink) : 0;
    r->norm = 0;
    for (int32_t j = first; j < end; j++) {
        r->score[j] = -INFINITY;
        if (attends(r->ac, r->seq, r->row, j))
            score_token(r, j);
    }
    base = r->max == -INFINITY ? 0 : r->max; /* no token has a weight */
    r->sum = exp(sink - base);
    for (int32_t j = first; j < end; j++) {
        r->score[j] = exp(r->score[j] - base);
        r->sum += r->score[j];
    }
    *ret_first = first;
    *ret_end = end;
}

/*
 * Adds to the bounds of a row what a plugin may round to f8_e4m3 besides: q and weights, by 2^-4
 * each at most and by 2^-5 or less on average. Weights are to be multiplied so that their product
 * with the largest scale of a value is 128 or more: an error of subnormal numbers, 2^-10, is 2^-17
 * times that.
 *
 * A score of magnitude s is off by s 2^-4, and so is the logarithm of its weight; the sum of the
 * weights may be off the other way. That is the bound of an element. The errors of the tokens are
 * independent, so their sum is less: `spread` bounds its norm, by three deviations.
 *
 * largest: product of the largest scale and the largest stored number of the row's values. of_v,
 * of_weights: the sums of (weight |v|)^2 and of weight^2. An element may be off by *ret_all times
 * the sum of weight |v|, and *ret_tiny.
 */
static void allow_f8(const struct solved_row *r, int32_t n, double largest, double of_v,
                     double of_weights, double *ret_all, double *ret_tiny)
{
    const attention_case *ac = r->ac;
    const cg_attention_problem *p = &ac->problem;
    int32_t v_dim = case_v_dim(p);
    const double *out = ac->out + out_index(ac, r->row, r->head);
    double tiny = 0x1p-16 * largest * n / r->sum;
    double of_score = expm1(3 * 0x1p-5 * r->norm), size = 0;

    for (int32_t d = 0; d < v_dim; d++)
        size += out[d] * out[d];
    *ret_all = expm1(2 * 0x1p-4 * r->size + 0x1p-4);
    *ret_tiny = tiny;
    ac->spread[r->row * p->n_heads + r->head] =
        sqrt(0x9p-10 * of_v + 2 * of_score * of_score * (of_v + of_weights * size)) +
        tiny * sqrt(v_dim);
}

/*
 * Solves one row and head. The bound of the error has three parts:
 *
 * - f32 arithmetic. A score of magnitude s has an error of some units in the last place (2^-24
 *   relative), which the exponential turns into the relative error of a weight; the weighted sum is
 *   at most the largest value; errors of long sums grow with their length, but more slowly.
 * - Weights and result rounded to the 16-bit type, each with twice the rounding error: element d
 *   may be off by step * (sum_j weight_j |v_jd| + |out_d|).
 * - f16 has no weights below 2^-24: each may be off by that before the division by their sum.
 */
static void solve_row(struct solved_row *r)
{
    const attention_case *ac = r->ac;
    const cg_attention_problem *p = &ac->problem;
    int32_t v_dim = case_v_dim(p), first, end;
    double *out = ac->out + out_index(ac, r->row, r->head);
    double *bound = ac->bound + out_index(ac, r->row, r->head);
    double largest = 0, common; /* part of every bound */
    double largest_scale = 0, largest_stored = 0, of_v = 0, of_weights = 0, all = 0, tiny = 0;
    double step = fmax(step_of(p->dtype), step_of(p->kv_dtype));

    weigh(r, &first, &end);
    for (int32_t d = 0; d < v_dim; d++)
        out[d] = bound[d] = 0;
    if (r->sum == 0)
        return;
    for (int32_t j = first; j < end; j++) {
        const float *v = attention_case_kv(ac, 1, r->seq, j, r->kv_head);
        double scale = (double)attention_case_scale(ac, 1, r->seq, j, r->kv_head);
        double weight = r->score[j] / r->sum;

        if (p->features && !attends(r->ac, r->seq, r->row, j))
            continue;
        for (int32_t d = 0; d < v_dim; d++) {
            double x = scale * v[d], size = fabs(x);

            out[d] += weight * x;
            bound[d] += weight * size;
            if (size > largest && size < INFINITY)
                largest = size;
        }
        for (int32_t d = 0; d < v_dim && r->f8; d++) {
            of_v += weight * scale * v[d] * weight * scale * v[d];
            largest_stored = fmax(largest_stored, fabs((double)v[d]));
        }
        of_weights += weight * weight;
        largest_scale = fmax(largest_scale, fabs(scale));
    }
    if (!isfinite(r->size))
        r->size = 0; /* the result is not finite: the bound is unused */
    common = 0x1p-24 * (16 + 4 * r->size + (end - first) / 64.0) * (largest + 0x1p-100);
    if (p->dtype == CG_F16 || p->kv_dtype == CG_F16)
        common += 0x1p-24 * (1 + largest * (end - first) / r->sum);
    if (r->f8)
        allow_f8(r, end - first, largest_scale * largest_stored, of_v, of_weights, &all, &tiny);
    for (int32_t d = 0; d < v_dim; d++)
        bound[d] = common + tiny + step * (bound[d] + fabs(out[d])) + all * bound[d];
}

struct solve {
    const attention_case *ac;
    double *score; /* [workers, max_kv_len] */
};

/* Item: one row. */
static void solve_item(void *arg, int64_t item, int32_t worker)
{
    const struct solve *s = arg;
    const attention_case *ac = s->ac;
    const cg_attention_problem *p = &ac->problem;
    struct solved_row r = { .ac = ac, .row = (int32_t)item, .f8 = case_may_round_to_f8(p) };

    r.seq = attention_case_sequence(ac, r.row);
    r.pos = position_of(ac, r.seq, r.row);
    r.score = s->score + (size_t)worker * (size_t)p->max_kv_len;
    for (r.head = 0; r.head < p->n_heads; r.head++) {
        r.kv_head = r.head / (p->n_heads / p->n_kv_heads);
        solve_row(&r);
    }
}

void attention_case_solve(attention_case *ac, const cg_host *host)
{
    struct solve s = { ac, malloc((size_t)host->workers * (size_t)ac->problem.max_kv_len *
                                  sizeof *s.score) };

    if (!s.score)
        abort();
    host->parallel_for(host->ctx, ac->q_start[ac->n_seqs], solve_item, &s);
    free(s.score);
}

/* ---- pages and results --------------------------------------------------------------------- */

void attention_case_table(test_recorder *rec, const attention_case *ac, int32_t block_tokens,
                          int32_t n_pages, int32_t unused, int32_t table_stride, int32_t *ret_table)
{
    int32_t *free_pages = malloc((size_t)n_pages * sizeof *free_pages);
    int32_t n = 0, in_order = random_in(rec, 0, 3) == 0;

    if (!free_pages)
        abort();
    for (int32_t i = 0; i < n_pages; i++)
        free_pages[i] = i;
    for (int32_t i = n_pages - 1; i > 0 && !in_order; i--) {
        int32_t j = random_in(rec, 0, i), t = free_pages[i];

        free_pages[i] = free_pages[j];
        free_pages[j] = t;
    }
    for (int32_t i = 0; i < ac->n_slots * table_stride; i++)
        ret_table[i] = unused;
    for (int32_t i = 0; i < ac->n_seqs; i++)
        for (int32_t p = 0; p * block_tokens < ac->kv_len[i]; p++) {
            int32_t owner = owner_of(ac, i, p * block_tokens);

            ret_table[ac->slot[i] * table_stride + p] =
                owner == i ? free_pages[n++] : ret_table[ac->slot[owner] * table_stride + p];
        }
    free(free_pages);
}

void attention_case_give_back(const attention_case *ac, int32_t block_tokens, int32_t unused,
                              int32_t table_stride, int32_t *table)
{
    const cg_attention_problem *p = &ac->problem;
    /* a plugin may read a shared prefix by the table of another sequence of the group */
    if (!p->window || case_uses(p, CG_ATTENTION_SINK_TOKENS) || ac->tree || ac->position ||
        ac->has_prefixes)
        return;
    for (int32_t i = 0; i < ac->n_seqs; i++) {
        int32_t rows = ac->q_start[i + 1] - ac->q_start[i];
        int32_t lost = ac->kv_len[i] - rows + 1 - p->window;

        for (int32_t page = 0; rows && (page + 1) * block_tokens <= lost; page++)
            table[ac->slot[i] * table_stride + page] = unused;
    }
}

void case_out_destroy(case_out *o)
{
    guarded_free(o->data);
    o->data = NULL;
}

int case_out_padding_intact(const case_out *o, int64_t row_bytes)
{
    for (int32_t t = 0; t < o->n; t++)
        for (int64_t i = row_bytes; i < o->stride; i++)
            if ((unsigned char)o->data[t * o->stride + i] != 0xff)
                return 0;
    return 1;
}
