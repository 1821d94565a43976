/* SPDX-License-Identifier: MIT */
#include "attention_memory.h"

#include <stdlib.h>
#include <string.h>

#include "element.h"
#include "fenced_memory.h"

/* ---- keys and values ----------------------------------------------------------------------- */

/* Strides of one array in a layout, in bytes; elements of `size` bytes, `dim` per head. */
struct strides {
    int64_t token, head, block;
};

static struct strides strides_of(const case_layout *layout, int32_t block_tokens, int32_t n_heads,
                                 int64_t dim, int64_t size)
{
    int64_t row = dim * size, pad = layout->pad * size;
    struct strides s;

    if (layout->kv_layout == CG_KV_NHD) {
        s.head = row + pad;
        s.token = s.head * n_heads + pad;
        s.block = s.token * block_tokens + pad;
    } else {
        s.token = row + pad;
        s.head = s.token * block_tokens + pad;
        s.block = s.head * n_heads + pad;
    }
    s.block += layout->block_pad;
    return s;
}

static void copy_rows(const attention_case *ac, const cg_kv_view *view, int32_t values, char *base)
{
    const cg_attention_problem *p = &ac->problem;
    int32_t dim = values ? case_v_dim(p) : p->head_dim;
    uint32_t size = cg_dtype_size(p->kv_dtype);

    for (int32_t i = 0; i < ac->n_seqs; i++)
        for (int32_t j = 0; j < ac->kv_len[i]; j++)
            for (int32_t h = 0; h < p->n_kv_heads; h++) {
                char *to = base + (values ? cg_kv_value_offset(view, ac->slot[i], h, j)
                                          : cg_kv_offset(view, ac->slot[i], h, j));
                const float *from = attention_case_kv(ac, values, i, j, h);

                for (int32_t d = 0; d < dim; d++)
                    element_store(to + d * (int64_t)size, p->kv_dtype, from[d]);
            }
}

/* Values get strides of their own where they need or may have them. */
static void set_value_strides(test_recorder *rec, const attention_case *ac,
                              const case_layout *layout, cg_kv_view *view)
{
    const cg_attention_problem *p = &ac->problem;
    struct strides s;

    if (!case_uses(p, CG_ATTENTION_VALUE_SIZE))
        return;
    view->v_head_dim = p->v_head_dim;
    if (ac->values_in_keys || (case_v_dim(p) <= p->head_dim && random_in(rec, 0, 1)))
        return;
    s = strides_of(layout, view->block_tokens, p->n_kv_heads, case_v_dim(p) + random_in(rec, 0, 8),
                   cg_dtype_size(p->kv_dtype));
    view->v_token_stride = s.token;
    view->v_head_stride = s.head;
    view->v_block_stride = s.block;
}

static const float *create_scales(test_recorder *rec, const attention_case *ac,
                                  const cg_kv_view *view, int32_t n_blocks, int32_t values)
{
    size_t bytes =
        (size_t)(view->scale_block_stride * n_blocks + view->scale_head_stride * view->n_kv_heads +
                 view->scale_token_stride * view->block_tokens) +
        sizeof(float);
    char *scales =
        fenced_alloc(values ? "v_scale" : "k_scale", bytes, sizeof(float), random_in(rec, 0, 1));

    for (int32_t i = 0; i < ac->n_seqs; i++)
        for (int32_t j = 0; j < ac->kv_len[i]; j++)
            for (int32_t h = 0; h < view->n_kv_heads; h++) {
                float scale = attention_case_scale(ac, values, i, j, h);

                memcpy(scales + cg_kv_scale_offset(view, ac->slot[i], h, j), &scale, sizeof scale);
            }
    fenced_set_read_only(scales, 1);
    return (const float *)scales;
}

static void set_scales(test_recorder *rec, const attention_case *ac, const case_layout *layout,
                       int32_t n_blocks, cg_kv_view *view)
{
    const cg_attention_problem *p = &ac->problem;
    int64_t size = sizeof(float), stride = size;

    if (!case_uses(p, CG_ATTENTION_KV_SCALES))
        return;
    if (ac->scale_axes & CASE_SCALE_TOKEN) {
        view->scale_token_stride = stride;
        stride *= view->block_tokens;
    }
    if (ac->scale_axes & CASE_SCALE_HEAD) {
        view->scale_head_stride = stride;
        stride *= p->n_kv_heads;
    }
    if (ac->scale_axes & CASE_SCALE_BLOCK)
        view->scale_block_stride = stride + random_in(rec, 0, 2) * size + layout->block_pad;
    view->k_scale = ac->is_scaled[0] ? create_scales(rec, ac, view, n_blocks, 0) : NULL;
    view->v_scale = ac->is_scaled[1] ? create_scales(rec, ac, view, n_blocks, 1) : NULL;
}

/* Pages in random order; half of the memories have page numbers of no page behind the last one. */
static void create_table(test_recorder *rec, attention_case *ac, int32_t n_blocks, case_memory *m)
{
    m->unused = random_in(rec, 0, 1) ? n_blocks - 1 : INT32_MIN / 2;
    m->table =
        fenced_alloc("page_table", (size_t)(ac->n_slots * m->view.table_stride) * sizeof *m->table,
                     64, random_in(rec, 0, 1));
    attention_case_table(rec, ac, m->view.block_tokens, n_blocks - 1, m->unused,
                         m->view.table_stride, m->table);
    fenced_set_read_only(m->table, 1);
    m->view.page_table = m->table;
}

/* Takes out of the table what a window has passed. */
static void give_back(const attention_case *ac, case_memory *m)
{
    if (!m->table)
        return;
    fenced_set_read_only(m->table, 0);
    attention_case_give_back(ac, m->view.block_tokens, m->unused, m->view.table_stride, m->table);
    fenced_set_read_only(m->table, 1);
}

void case_memory_create(test_recorder *rec, attention_case *ac, const case_layout *layout,
                        case_memory *ret_memory)
{
    cg_attention_problem *p = &ac->problem;
    int32_t n_blocks = ac->n_slots, at_end = random_in(rec, 0, 1);
    case_memory m = { .view = {
                          CG_SIZED(cg_kv_view),
                          .device = CG_DEVICE_CPU,
                          .dtype = p->kv_dtype,
                          .n_slots = ac->n_slots,
                          .n_kv_heads = p->n_kv_heads,
                          .head_dim = p->head_dim,
                          .generation = 1,
                      } };
    cg_kv_view *view = &m.view;
    size_t size = cg_dtype_size(p->kv_dtype);
    struct strides s;
    int64_t v_block;

    attention_case_move(rec, ac);
    case_layout_apply(layout, p);
    view->block_tokens = ac->block_tokens = case_layout_block(layout, p);
    s = strides_of(layout, view->block_tokens, p->n_kv_heads, p->head_dim, (int64_t)size);
    view->token_stride = s.token;
    view->head_stride = s.head;
    view->block_stride = s.block;
    set_value_strides(rec, ac, layout, view);
    if (layout->page) {
        view->table_stride =
            (p->max_kv_len + layout->page - 1) / layout->page + random_in(rec, 0, 2);
        n_blocks = 1; /* of NaN */
        for (int32_t i = 0; i < ac->n_seqs; i++)
            n_blocks += (ac->kv_len[i] + layout->page - 1) / layout->page;
        create_table(rec, ac, n_blocks, &m);
    }
    v_block = view->v_block_stride ? view->v_block_stride : s.block;
    view->k = fenced_alloc("the keys", (size_t)(s.block * n_blocks), size, at_end);
    copy_rows(ac, view, 0, view->k);
    fenced_set_read_only(view->k, 1);
    view->v = view->k;
    if (!ac->values_in_keys) {
        view->v = fenced_alloc("the values", (size_t)(v_block * n_blocks), size, !at_end);
        copy_rows(ac, view, 1, view->v);
        fenced_set_read_only(view->v, 1);
    }
    if (layout->block_pad)
        ac->scale_axes |= CASE_SCALE_BLOCK;
    set_scales(rec, ac, layout, n_blocks, view);
    m.n_blocks = n_blocks;
    give_back(ac, &m);
    *ret_memory = m;
}

void case_memory_rewrite(test_recorder *rec, attention_case *ac, case_memory *m)
{
    cg_kv_view *view = &m->view;

    attention_case_refill(rec, ac);
    if (m->table) {
        fenced_set_read_only(m->table, 0);
        attention_case_table(rec, ac, view->block_tokens, m->n_blocks - 1, m->unused,
                             view->table_stride, m->table);
        fenced_set_read_only(m->table, 1);
    }
    for (int32_t values = 0; values < 2; values++) {
        char *base = values ? view->v : view->k;

        fenced_set_read_only(base, 0);
        if (!values || view->v != view->k)
            copy_rows(ac, view, values, base);
        fenced_set_read_only(base, 1);
    }
    give_back(ac, m);
}

void case_memory_destroy(case_memory *m)
{
    fenced_free(m->view.k);
    if (m->view.v != m->view.k)
        fenced_free(m->view.v);
    fenced_free((void *)(uintptr_t)m->view.k_scale);
    fenced_free((void *)(uintptr_t)m->view.v_scale);
    fenced_free(m->table);
}

void case_memory_set(attention_case *ac, case_memory *m, int32_t values, int32_t seq, int32_t pos,
                     int32_t head, int32_t element, float x)
{
    cg_dtype t = ac->problem.kv_dtype;
    char *base = values ? m->view.v : m->view.k;
    int64_t at = values ? cg_kv_value_offset(&m->view, ac->slot[seq], head, pos)
                        : cg_kv_offset(&m->view, ac->slot[seq], head, pos);

    attention_case_kv(ac, values, seq, pos, head)[element] = x;
    fenced_set_read_only(base, 0);
    element_store(base + at + element * (int64_t)cg_dtype_size(t), t, x);
    fenced_set_read_only(base, 1);
}

/* ---- calls --------------------------------------------------------------------------------- */

/* What run() is given, in fenced memory. Its structs too: a plugin must not read beyond them. */
enum { MAX_INPUTS = 16 };

struct inputs {
    test_recorder *rec;
    void *fenced[MAX_INPUTS];
    int32_t n;
};

static void *add_input(struct inputs *in, const char *name, size_t bytes, size_t align)
{
    if (in->n == MAX_INPUTS)
        abort();
    return in->fenced[in->n++] = fenced_alloc(name, bytes, align, random_in(in->rec, 0, 1));
}

static const void *add_copy(struct inputs *in, const char *name, const void *data, size_t bytes)
{
    void *copy = add_input(in, name, bytes, sizeof(int32_t));

    memcpy(copy, data, bytes);
    fenced_set_read_only(copy, 1);
    return copy;
}

/* A struct whose struct_size is `size`; bytes behind the members that this ABI has are 0xff. */
static const void *add_struct(struct inputs *in, const char *name, const void *data, size_t bytes,
                              uint32_t size)
{
    uint32_t given = size ? size : (uint32_t)bytes;
    char *copy = add_input(in, name, given, 8);

    memcpy(copy, data, given < bytes ? given : bytes);
    memcpy(copy, &given, sizeof given);
    fenced_set_read_only(copy, 1);
    return copy;
}

static void free_inputs(struct inputs *in)
{
    for (int32_t i = 0; i < in->n; i++)
        fenced_free(in->fenced[i]);
}

/* The rows of a call: sequences with their rows of the case. */
struct selected_rows {
    int32_t n_seqs, n_rows;
    int32_t q_start[CASE_MAX_SEQS + 1], slot[CASE_MAX_SEQS], kv_len[CASE_MAX_SEQS];
    int32_t first[CASE_MAX_SEQS]; /* row of the case */
    /* Sequences that share a prefix; 0: none, or the call does not say */
    int32_t n_groups, group_start[CASE_MAX_SEQS + 1], group_len[CASE_MAX_SEQS];
};

/* Sequence i of the case, the last one of the call, begins a group or is in the last one. */
static void add_to_group(const attention_case *ac, int32_t i, int32_t owner_before,
                         struct selected_rows *s)
{
    if (!s->n_groups || ac->prefix_owner[i] != owner_before) {
        s->group_start[s->n_groups] = s->n_seqs;
        s->group_len[s->n_groups++] = ac->prefix_len[i];
    }
    s->group_start[s->n_groups] = s->n_seqs + 1;
}

static void select_rows(test_recorder *rec, const attention_case *ac, const case_call *call,
                        struct selected_rows *s)
{
    int32_t leave_out = random_in(rec, 0, 1), owner = -1;

    s->n_seqs = s->n_groups = s->q_start[0] = 0;
    for (int32_t i = 0; i < ac->n_seqs; i++) {
        int32_t n = ac->q_start[i + 1] - ac->q_start[i], at = s->n_seqs;
        int32_t first = call->first_row ? call->first_row[i] : 0;
        int32_t end = call->end_row ? call->end_row[i] : n;
        int32_t len = ac->kv_len[i] - (n - end); /* before the rows from `end` on are appended */

        if (end == first && leave_out)
            continue;
        s->slot[at] = ac->slot[i];
        s->kv_len[at] = len > 1 ? len : 1;
        s->first[at] = ac->q_start[i] + first;
        s->q_start[at + 1] = s->q_start[at] + end - first;
        add_to_group(ac, i, owner, s);
        owner = ac->prefix_owner[i];
        s->n_seqs++;
    }
    if (!ac->has_prefixes || random_in(rec, 0, 3) == 0)
        s->n_groups = 0;
    if (s->n_groups && random_in(rec, 0, 3) == 0) { /* the first sequences are in no group */
        s->n_groups--;
        memmove(s->group_start, s->group_start + 1,
                ((size_t)s->n_groups + 1) * sizeof *s->group_start);
        memmove(s->group_len, s->group_len + 1, (size_t)s->n_groups * sizeof *s->group_len);
    }
    s->n_rows = s->q_start[s->n_seqs];
}

/* Row of the case that row t of the call is. */
static int32_t case_row(const struct selected_rows *s, int32_t t)
{
    int32_t i = cg_attention_sequence_of_token(s->q_start, s->n_seqs, t);

    return s->first[i] + t - s->q_start[i];
}

/* The queries; bytes between rows are 0xff. */
static void add_queries(struct inputs *in, const attention_case *ac, const struct selected_rows *s,
                        int64_t row_pad, cg_attention_args *a)
{
    const cg_attention_problem *p = &ac->problem;
    int64_t size = cg_dtype_size(p->dtype);
    int32_t n = p->n_heads * p->head_dim;
    char *q;

    a->q_stride = (n + (random_in(in->rec, 0, 1) ? random_in(in->rec, 1, 9) : 0)) * size + row_pad;
    q = add_input(in, "q", (size_t)(s->n_rows * a->q_stride), 64);
    for (int32_t t = 0; t < s->n_rows; t++) {
        const float *from = attention_case_q(ac, case_row(s, t));

        for (int32_t d = 0; d < n; d++)
            element_store(q + t * a->q_stride + d * size, p->dtype, from[d]);
    }
    fenced_set_read_only(q, 1);
    a->q = q;
}

static void add_sequences(struct inputs *in, const struct selected_rows *s, cg_attention_args *a)
{
    size_t n = (size_t)s->n_seqs;

    a->q_start = add_copy(in, "q_start", s->q_start, (n + 1) * sizeof *s->q_start);
    a->slot = add_copy(in, "slot", s->slot, n * sizeof *s->slot);
    a->kv_len = add_copy(in, "kv_len", s->kv_len, n * sizeof *s->kv_len);
}

/* The bias of the call's rows, with padding that is NaN. */
static void add_bias(struct inputs *in, const attention_case *ac, const struct selected_rows *s,
                     int64_t row_pad, cg_attention_args *a)
{
    const cg_attention_problem *p = &ac->problem;
    int64_t size = cg_dtype_size(p->bias_dtype);
    int64_t row = (p->max_kv_len + random_in(in->rec, 0, 5)) * size, end;
    int32_t rows = ac->bias_rows > 1 ? s->n_rows : 1;
    char *bias;

    a->bias_head_stride = ac->bias_heads > 1 ? row : 0;
    end = row * ac->bias_heads + random_in(in->rec, 0, 5) * size + row_pad;
    a->bias_row_stride = ac->bias_rows > 1 ? end : 0;
    bias = add_input(in, "bias", (size_t)(end * (rows ? rows : 1)), (size_t)size);
    for (int32_t t = 0; t < rows; t++)
        for (int32_t h = 0; h < ac->bias_heads; h++) {
            size_t from = (size_t)(ac->bias_rows > 1 ? case_row(s, t) : 0);
            const float *x =
                ac->bias + (from * (size_t)ac->bias_heads + (size_t)h) * (size_t)p->max_kv_len;

            for (int32_t j = 0; j < p->max_kv_len; j++)
                element_store(bias + t * end + h * row + j * size, p->bias_dtype, x[j]);
        }
    fenced_set_read_only(bias, 1);
    a->bias = bias;
}

static void add_features(struct inputs *in, const attention_case *ac, const struct selected_rows *s,
                         int64_t row_pad, cg_attention_args *a)
{
    size_t heads = (size_t)ac->problem.n_heads * sizeof(float), words = (size_t)ac->tree_words;

    if (ac->alibi_slope)
        a->alibi_slope = add_copy(in, "alibi_slope", ac->alibi_slope, heads);
    if (ac->sink_logit)
        a->sink_logit = add_copy(in, "sink_logit", ac->sink_logit, heads);
    if (ac->bias)
        add_bias(in, ac, s, row_pad, a);
    if (ac->position) {
        int32_t *position =
            add_input(in, "position", (size_t)s->n_rows * sizeof *position, sizeof *position);

        for (int32_t t = 0; t < s->n_rows; t++)
            position[t] = ac->position[case_row(s, t)];
        fenced_set_read_only(position, 1);
        a->position = position;
    }
    if (ac->tree) {
        uint32_t *tree =
            add_input(in, "tree_mask", (size_t)s->n_rows * words * sizeof *tree, sizeof *tree);

        for (int32_t t = 0; t < s->n_rows; t++)
            memcpy(tree + (size_t)t * words, ac->tree + (size_t)case_row(s, t) * words,
                   words * sizeof *tree);
        fenced_set_read_only(tree, 1);
        a->tree_mask = tree;
        a->tree_words = ac->tree_words;
    }
}

static void add_groups(struct inputs *in, const struct selected_rows *s, cg_attention_args *a)
{
    size_t n = (size_t)s->n_groups;

    a->n_groups = s->n_groups;
    if (!n)
        return;
    a->group_start = add_copy(in, "group_start", s->group_start, (n + 1) * sizeof *s->group_start);
    a->group_len = add_copy(in, "group_len", s->group_len, n * sizeof *s->group_len);
}

static void call_prepare(test_recorder *rec, const cg_attention_ops *ops, void *plan,
                         const cg_attention_args *args, const struct selected_rows *s)
{
    cg_attention_args a = *args;
    cg_error err = CG_ERROR_INIT;
    cg_status st;

    a.q = a.out = NULL;
    a.kv = NULL;
    st = ops->prepare(plan, &a, s->q_start, s->kv_len, &err);
    expect(rec, st == CG_OK, "prepare() failed (%d): %s", st, err.msg);
}

void expect_no_violation(test_recorder *rec, const char *function)
{
    char text[160];
    int found = fenced_violation(text, sizeof text);

    expect(rec, !found, "%s %s", function, found ? text : "");
}

struct case_run {
    test_recorder *rec;
    const cg_attention_ops *ops;
    void *plan;
    struct inputs in;
    struct selected_rows s;
    cg_attention_args a;
    const cg_attention_args *args; /* copy of a that is as long as the host's */
    size_t workspace_bytes, out_bytes;
    int64_t row_bytes;
    cg_status st;
    cg_error err;
};

case_run *case_run_begin(test_recorder *rec, const cg_attention_ops *ops, void *plan,
                         const attention_case *ac, const case_memory *m, const case_call *call)
{
    const cg_attention_problem *p = &ac->problem;
    size_t workspace_bytes = ops->workspace_size(plan);
    case_run *r;

    if (!test_size_is_sane(rec, workspace_bytes, "workspace_size()"))
        return NULL;
    r = calloc(1, sizeof *r);
    if (!r)
        abort();
    *r = (case_run) { .rec = rec,
                      .ops = ops,
                      .plan = plan,
                      .in.rec = rec,
                      .workspace_bytes = workspace_bytes,
                      .err = CG_ERROR_INIT };
    select_rows(rec, ac, call, &r->s);
    r->row_bytes = (int64_t)p->n_heads * case_v_dim(p) * cg_dtype_size(p->dtype);
    r->a = (cg_attention_args) {
        CG_SIZED(cg_attention_args),
        .n_tokens = r->s.n_rows,
        .n_seqs = r->s.n_seqs,
        .out_stride = r->row_bytes + call->pad * (int64_t)cg_dtype_size(p->dtype) + call->row_pad,
    };
    r->out_bytes = (size_t)(r->a.n_tokens * r->a.out_stride);
    add_queries(&r->in, ac, &r->s, call->row_pad, &r->a);
    add_sequences(&r->in, &r->s, &r->a);
    add_features(&r->in, ac, &r->s, call->row_pad, &r->a);
    add_groups(&r->in, &r->s, &r->a);
    r->a.kv = add_struct(&r->in, "the view", &m->view, sizeof m->view, call->view_size);
    r->a.out = add_input(&r->in, "out", r->out_bytes, 64);
    r->a.workspace = add_input(&r->in, "the workspace", workspace_bytes, 256);
    r->args = add_struct(&r->in, "the arguments", &r->a, sizeof r->a, call->args_size);
    if (call->is_prepared)
        call_prepare(rec, ops, plan, &r->a, &r->s);
    return r;
}

void case_run_call(case_run *r)
{
    r->st = r->ops->run(r->plan, r->args, &r->err);
}

int case_run_repeat(case_run *r, int32_t n)
{
    char *first = malloc(r->out_bytes + 1);
    int is_same = 1;

    if (!first)
        abort();
    for (int32_t i = 0; i < n; i++) {
        case_run_call(r);
        if (i == 0)
            memcpy(first, r->a.out, r->out_bytes);
        is_same &= !memcmp(first, r->a.out, r->out_bytes);
    }
    free(first);
    return is_same;
}

void case_run_end(case_run *r, const attention_case *ac, case_out *ret_out)
{
    case_out o = { .stride = r->a.out_stride, .n = r->a.n_tokens, .dtype = ac->problem.dtype };

    expect(r->rec, r->st == CG_OK, "run() failed (%d): %s", r->st, r->err.msg);
    expect_no_violation(r->rec, "run()");
    if (r->out_bytes >= FENCED_SPARSE) /* the gaps between rows take no memory */
        o.stride = r->row_bytes;
    o.data = guarded_alloc((size_t)(o.n * o.stride), 64);
    if (!o.data)
        abort();
    for (int32_t t = 0; t < o.n; t++)
        memcpy(o.data + t * o.stride, (const char *)r->a.out + t * r->a.out_stride,
               (size_t)o.stride);
    expect(r->rec, case_out_padding_intact(&o, r->row_bytes),
           "run() wrote between the rows of out");
    if (r->st != CG_OK)
        case_out_destroy(&o);
    free_inputs(&r->in);
    free(r);
    *ret_out = o;
}

void attention_case_run(test_recorder *rec, const cg_attention_ops *ops, void *plan,
                        const attention_case *ac, const case_memory *m, const case_call *call,
                        case_out *ret_out)
{
    case_run *r = case_run_begin(rec, ops, plan, ac, m, call);

    *ret_out = (case_out) { .data = NULL };
    if (!r)
        return;
    case_run_call(r);
    case_run_end(r, ac, ret_out);
}
