/* SPDX-License-Identifier: MIT */
#include "attention_case.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "element.h"

const case_layout case_layouts[] = {
    { "contiguous", 0, 0, CG_KV_HND, 0 },
    { "contiguous with spare capacity", 0, 13, CG_KV_HND, 0 },
    { "contiguous, NHD", 0, 5, CG_KV_NHD, 0 },
    { "contiguous, growing", 0, 3, CG_KV_HND, 1 },
    { "pages of 16", 16, 0, CG_KV_HND, 0 },
    { "pages of 32", 32, 0, CG_KV_HND, 0 },
    { "pages of 16, NHD", 16, 0, CG_KV_NHD, 0 },
    { "pages of 8", 8, 0, CG_KV_HND, 0 },
    { "pages of 24", 24, 0, CG_KV_HND, 0 },
    { "pages of 1", 1, 0, CG_KV_HND, 0 },
    { "pages of 16, block_tokens 0", 16, 0, CG_KV_HND, 1 },
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

static size_t q_index(const attention_case *ac, int32_t row, int32_t head)
{
    return ((size_t)row * (size_t)ac->problem.n_heads + (size_t)head) *
           (size_t)ac->problem.head_dim;
}

const float *attention_case_q(const attention_case *ac, int32_t row)
{
    return ac->q + q_index(ac, row, 0);
}

static size_t kv_index(const attention_case *ac, int32_t seq, int32_t pos, int32_t head)
{
    return (((size_t)seq * (size_t)ac->problem.max_kv_len + (size_t)pos) *
                (size_t)ac->problem.n_kv_heads +
            (size_t)head) *
           (size_t)ac->problem.head_dim;
}

float *attention_case_kv(const attention_case *ac, int32_t values, int32_t seq, int32_t pos,
                         int32_t head)
{
    return (values ? ac->v : ac->k) + kv_index(ac, seq, pos, head);
}

int32_t case_random_len(test_recorder *rec, int32_t max)
{
    static const int32_t edges[] = {
        1, 2, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 48, 63, 64, 65, 97
    };
    int32_t n = (int32_t)(sizeof edges / sizeof *edges), i = random_in(rec, 0, 2 * n), len;

    len = i < n ? edges[i] : i == n ? max : random_in(rec, 1, max);
    return len < max ? len : max;
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

int attention_case_fill(test_recorder *rec, attention_case *ac)
{
    const cg_attention_problem *p = &ac->problem;
    int32_t slots[CASE_MAX_SEQS], n_slots = p->max_seqs, rows = ac->q_start[ac->n_seqs];
    size_t n_q = q_index(ac, rows, 0), n_kv = kv_index(ac, ac->n_seqs, 0, 0);

    for (int32_t i = 0; i < n_slots; i++)
        slots[i] = i;
    for (int32_t i = n_slots - 1; i > 0; i--) { /* shuffle the slots */
        int32_t j = random_in(rec, 0, i), t = slots[i];

        slots[i] = slots[j];
        slots[j] = t;
    }
    memcpy(ac->slot, slots, (size_t)ac->n_seqs * sizeof *slots);
    ac->q = malloc((n_q + 1) * sizeof *ac->q);
    ac->k = malloc(n_kv * sizeof *ac->k);
    ac->v = malloc(n_kv * sizeof *ac->v);
    ac->out = malloc((n_q + 1) * sizeof *ac->out);
    ac->bound = malloc((n_q + 1) * sizeof *ac->bound);
    if (!ac->q || !ac->k || !ac->v || !ac->out || !ac->bound) {
        attention_case_destroy(ac);
        return 0;
    }
    for (size_t i = 0; i < n_q; i++)
        ac->q[i] = element_round(random_normal(rec), p->dtype);
    for (int32_t s = 0; s < ac->n_seqs; s++)
        for (size_t i = kv_index(ac, s, 0, 0); i < kv_index(ac, s, ac->kv_len[s], 0); i++) {
            ac->k[i] = element_round(random_normal(rec), p->kv_dtype);
            ac->v[i] = element_round(random_normal(rec), p->kv_dtype);
        }
    return 1;
}

int attention_case_create(test_recorder *rec, const cg_attention_problem *problem,
                          attention_case *ret_case)
{
    attention_case ac = { .problem = *problem, .n_seqs = CASE_SEQS };
    int32_t rows;

    for (int32_t i = 0; i < CASE_SEQS; i++) {
        ac.kv_len[i] = case_random_len(rec, problem->max_kv_len);
        ac.q_start[i + 1] = ac.q_start[i] + case_random_rows(rec, ac.kv_len[i]);
    }
    rows = ac.q_start[CASE_SEQS];
    ac.problem.max_seqs = CASE_SEQS;
    ac.problem.max_tokens = rows ? rows : 1;
    *ret_case = ac;
    return attention_case_fill(rec, ret_case);
}

void attention_case_destroy(attention_case *ac)
{
    free(ac->q);
    free(ac->k);
    free(ac->v);
    free(ac->out);
    free(ac->bound);
    ac->q = ac->k = ac->v = NULL;
    ac->out = ac->bound = NULL;
}

/* Twice the relative error of rounding to a type. */
static double step_of(cg_dtype t)
{
    return t == CG_BF16 ? 0x1p-8 : t == CG_F16 ? 0x1p-10 : 0;
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
static void solve_row(const attention_case *ac, int32_t seq, int32_t row, int32_t head,
                      double *score)
{
    const cg_attention_problem *p = &ac->problem;
    int32_t kv_head = head / (p->n_heads / p->n_kv_heads);
    int32_t pos = ac->kv_len[seq] - ac->q_start[seq + 1] + row, n;
    int32_t first = p->window && pos >= p->window ? pos - p->window + 1 : 0;
    const float *q = ac->q + q_index(ac, row, head);
    double *out = ac->out + q_index(ac, row, head), *bound = ac->bound + q_index(ac, row, head);
    double max = -INFINITY, sum = 0, size = 0, largest = 0, common; /* part of every bound */
    double step = fmax(step_of(p->dtype), step_of(p->kv_dtype));

    n = pos - first + 1;
    for (int32_t j = first; j <= pos; j++) {
        const float *k = ac->k + kv_index(ac, seq, j, kv_head);
        double dot = 0, magnitude = 0;

        for (int32_t d = 0; d < p->head_dim; d++) {
            dot += (double)q[d] * k[d];
            magnitude += fabs((double)q[d] * k[d]);
        }
        score[j] = dot * (double)p->scale;
        max = fmax(max, score[j]);
        size = fmax(size, magnitude * fabs((double)p->scale));
    }
    for (int32_t j = first; j <= pos; j++) {
        score[j] = exp(score[j] - max);
        sum += score[j];
    }
    for (int32_t d = 0; d < p->head_dim; d++)
        out[d] = bound[d] = 0;
    for (int32_t j = first; j <= pos; j++) {
        const float *v = ac->v + kv_index(ac, seq, j, kv_head);
        double weight = score[j] / sum;

        for (int32_t d = 0; d < p->head_dim; d++) {
            out[d] += weight * v[d];
            bound[d] += weight * fabs((double)v[d]);
            if (isfinite(v[d]))
                largest = fmax(largest, fabs((double)v[d]));
        }
    }
    if (!isfinite(size))
        size = 0; /* the result is not finite: the bound is unused */
    common = 0x1p-24 * (16 + 4 * size + n / 64.0) * (largest + 0x1p-100);
    if (p->dtype == CG_F16 || p->kv_dtype == CG_F16)
        common += 0x1p-24 * (1 + largest * n / sum);
    for (int32_t d = 0; d < p->head_dim; d++)
        bound[d] = common + step * (bound[d] + fabs(out[d]));
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
    int32_t row = (int32_t)item, seq = 0;

    while (row >= ac->q_start[seq + 1])
        seq++;
    for (int32_t h = 0; h < ac->problem.n_heads; h++)
        solve_row(ac, seq, row, h, s->score + (size_t)worker * (size_t)ac->problem.max_kv_len);
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

void attention_case_table(test_recorder *rec, const attention_case *ac, int32_t block_tokens,
                          int32_t n_pages, int32_t unused, int32_t table_stride, int32_t *ret_table)
{
    int32_t *free_pages = malloc((size_t)n_pages * sizeof *free_pages);
    int32_t n = 0;

    if (!free_pages)
        abort();
    for (int32_t i = 0; i < n_pages; i++)
        free_pages[i] = i;
    for (int32_t i = n_pages - 1; i > 0; i--) {
        int32_t j = random_in(rec, 0, i), t = free_pages[i];

        free_pages[i] = free_pages[j];
        free_pages[j] = t;
    }
    for (int32_t i = 0; i < ac->problem.max_seqs * table_stride; i++)
        ret_table[i] = unused;
    for (int32_t i = 0; i < ac->n_seqs; i++)
        for (int32_t p = 0; p * block_tokens < ac->kv_len[i]; p++)
            ret_table[ac->slot[i] * table_stride + p] = free_pages[n++];
    free(free_pages);
}

/* ---- memory -------------------------------------------------------------------------------- */

/* FNV-1a over words of 4 bytes. */
static uint64_t sum_bytes(const void *ptr, size_t bytes, uint64_t h)
{
    const uint32_t *p = ptr;

    for (size_t i = 0; i < bytes / sizeof *p; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    return h;
}

static uint64_t sum_memory(const case_memory *m)
{
    uint64_t h = sum_bytes(m->view.v, m->bytes, sum_bytes(m->view.k, m->bytes, 1));

    if (m->table)
        h = sum_bytes(m->table,
                      (size_t)m->view.n_slots * (size_t)m->view.table_stride * sizeof *m->table, h);
    return h;
}

int case_memory_create(test_recorder *rec, attention_case *ac, const case_layout *layout,
                       case_memory *ret_memory)
{
    cg_attention_problem *p = &ac->problem;
    int64_t row = p->head_dim * (int64_t)sizeof(float);
    case_memory m = { .view = {
                          CG_SIZED(cg_kv_view),
                          .device = CG_DEVICE_CPU,
                          .dtype = CG_F32,
                          .n_slots = CASE_SEQS,
                          .n_kv_heads = p->n_kv_heads,
                          .head_dim = p->head_dim,
                          .generation = 1,
                      } };
    cg_kv_view *view = &m.view;
    int32_t n_blocks = CASE_SEQS;

    case_layout_apply(layout, p);
    view->block_tokens = case_layout_block(layout, p);
    if (layout->page) {
        view->table_stride = (p->max_kv_len + layout->page - 1) / layout->page;
        n_blocks = CASE_SEQS * view->table_stride + 1;
        m.table = guarded_alloc((size_t)(CASE_SEQS * view->table_stride) * sizeof *m.table, 64);
    }
    view->token_stride = layout->kv_layout == CG_KV_NHD ? row * p->n_kv_heads : row;
    view->head_stride = layout->kv_layout == CG_KV_NHD ? row : row * view->block_tokens;
    view->block_stride = row * p->n_kv_heads * view->block_tokens;
    m.bytes = (size_t)(view->block_stride * n_blocks);
    view->k = guarded_alloc(m.bytes, 64);
    view->v = guarded_alloc(m.bytes, 64);
    *ret_memory = m;
    if (!view->k || !view->v || (layout->page && !m.table)) {
        case_memory_destroy(ret_memory);
        return 0;
    }
    if (layout->page) {
        /* unused entries refer to the last page, which is all NaN */
        attention_case_table(rec, ac, view->block_tokens, n_blocks - 1, n_blocks - 1,
                             view->table_stride, m.table);
        view->page_table = m.table;
    }
    for (int32_t i = 0; i < ac->n_seqs; i++)
        for (int32_t j = 0; j < ac->kv_len[i]; j++)
            for (int32_t h = 0; h < p->n_kv_heads; h++) {
                int64_t to = cg_kv_offset(view, ac->slot[i], h, j);

                memcpy((char *)view->k + to, attention_case_kv(ac, 0, i, j, h), (size_t)row);
                memcpy((char *)view->v + to, attention_case_kv(ac, 1, i, j, h), (size_t)row);
            }
    m.sum = sum_memory(&m);
    *ret_memory = m;
    return 1;
}

void case_memory_destroy(case_memory *m)
{
    guarded_free(m->view.k);
    guarded_free(m->view.v);
    guarded_free(m->table);
}

void case_memory_set(attention_case *ac, case_memory *m, int32_t values, int32_t seq, int32_t pos,
                     int32_t head, int32_t element, float x)
{
    float *plain = attention_case_kv(ac, values, seq, pos, head);
    char *base = values ? m->view.v : m->view.k;

    plain[element] = x;
    memcpy(base + cg_kv_offset(&m->view, ac->slot[seq], head, pos) + element * (int64_t)sizeof x,
           &x, sizeof x);
    m->sum = sum_memory(m);
}

int case_memory_intact(const case_memory *m)
{
    return guarded_intact(m->view.k) && guarded_intact(m->view.v) &&
           (!m->table || guarded_intact(m->table)) && sum_memory(m) == m->sum;
}

/* ---- calls --------------------------------------------------------------------------------- */

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

/* The arguments of a call that run() may only read: each in guarded memory, and a plain copy. */
enum { N_INPUTS = 4 };

typedef struct call_inputs {
    void *guarded[N_INPUTS]; /* q, q_start, slot, kv_len */
    void *copy[N_INPUTS];
    size_t bytes[N_INPUTS];
} call_inputs;

static void inputs_finish(call_inputs *in)
{
    for (int i = 0; i < N_INPUTS; i++) {
        guarded_free(in->guarded[i]);
        free(in->copy[i]);
    }
}

static void inputs_add(call_inputs *in, int i, const void *data, size_t bytes)
{
    in->bytes[i] = bytes;
    in->guarded[i] = guarded_alloc(bytes, 64);
    in->copy[i] = malloc(bytes + 1);
    if (!in->guarded[i] || !in->copy[i])
        abort();
    memcpy(in->guarded[i], data, bytes);
    memcpy(in->copy[i], data, bytes);
}

static void expect_inputs_intact(test_recorder *rec, const call_inputs *in)
{
    static const char *const names[N_INPUTS] = { "q", "q_start", "slot", "kv_len" };

    for (int i = 0; i < N_INPUTS; i++) {
        expect(rec, guarded_intact(in->guarded[i]), "run() wrote before or after %s", names[i]);
        expect(rec, !memcmp(in->guarded[i], in->copy[i], in->bytes[i]), "run() changed %s",
               names[i]);
    }
}

/* The queries of a call, `stride` bytes apart; bytes between rows are 0xff. */
static char *call_queries(const attention_case *ac, const int32_t *q_start,
                          const int32_t *first_row, int64_t row, int64_t stride)
{
    size_t bytes = (size_t)(q_start[ac->n_seqs] * stride);
    char *q = malloc(bytes + 1);

    if (!q)
        abort();
    memset(q, 0xff, bytes);
    for (int32_t i = 0; i < ac->n_seqs; i++)
        for (int32_t t = q_start[i]; t < q_start[i + 1]; t++)
            memcpy(q + t * stride,
                   ac->q + q_index(ac,
                                   ac->q_start[i] + (first_row ? first_row[i] : 0) + t - q_start[i],
                                   0),
                   (size_t)row);
    return q;
}

void attention_case_run(test_recorder *rec, const cg_attention_ops *ops, void *plan,
                        const attention_case *ac, const case_memory *m, const int32_t *first_row,
                        const int32_t *end_row, int32_t pad, case_out *ret_out)
{
    int64_t row = (int64_t)ac->problem.n_heads * ac->problem.head_dim * (int64_t)sizeof(float);
    int64_t stride = row + pad * (int64_t)sizeof(float);
    int32_t q_start[CASE_SEQS + 1] = { 0 }, kv_len[CASE_SEQS];
    size_t n_seqs = (size_t)ac->n_seqs, workspace_bytes = ops->workspace_size(plan);
    call_inputs in = { .bytes = { 0 } };
    cg_error err = CG_ERROR_INIT;
    case_out o = { .stride = stride };
    char *q, *workspace;
    cg_status st;

    *ret_out = o;
    if (!test_size_is_sane(rec, workspace_bytes, "workspace_size()"))
        return;
    for (int32_t i = 0; i < ac->n_seqs; i++) {
        int32_t n = ac->q_start[i + 1] - ac->q_start[i], a = first_row ? first_row[i] : 0,
                b = end_row ? end_row[i] : n;

        q_start[i + 1] = q_start[i] + b - a;
        kv_len[i] = ac->kv_len[i] - (n - b);
        if (kv_len[i] < 1)
            kv_len[i] = 1; /* a sequence without rows in this call */
    }
    o.n = q_start[ac->n_seqs];
    q = call_queries(ac, q_start, first_row, row, stride);
    inputs_add(&in, 0, q, (size_t)(o.n * stride));
    inputs_add(&in, 1, q_start, (n_seqs + 1) * sizeof *q_start);
    inputs_add(&in, 2, ac->slot, n_seqs * sizeof *ac->slot);
    inputs_add(&in, 3, kv_len, n_seqs * sizeof *kv_len);
    free(q);
    o.data = guarded_alloc((size_t)(o.n * stride), 64);
    workspace = guarded_alloc(workspace_bytes, 256);
    if (!o.data || !workspace)
        abort();
    st = ops->run(plan,
                  &(cg_attention_args) {
                      CG_SIZED(cg_attention_args),
                      .n_tokens = o.n,
                      .n_seqs = ac->n_seqs,
                      .q = in.guarded[0],
                      .out = o.data,
                      .q_stride = stride,
                      .out_stride = stride,
                      .q_start = in.guarded[1],
                      .slot = in.guarded[2],
                      .kv_len = in.guarded[3],
                      .kv = &m->view,
                      .workspace = workspace,
                  },
                  &err);
    expect(rec, st == CG_OK, "run() failed (%d): %s", st, err.msg);
    expect(rec, case_out_padding_intact(&o, row) && guarded_intact(o.data),
           "run() wrote outside of the rows of out");
    expect(rec, guarded_intact(workspace), "run() wrote outside of its %zu bytes of workspace",
           workspace_bytes);
    expect(rec, case_memory_intact(m), "run() wrote to keys, values or page table");
    expect_inputs_intact(rec, &in);
    inputs_finish(&in);
    guarded_free(workspace);
    if (st != CG_OK)
        case_out_destroy(&o);
    *ret_out = o;
}
