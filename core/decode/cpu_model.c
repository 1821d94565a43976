/* SPDX-License-Identifier: MIT */
#include "decode/cpu_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/size.h"
#include "model/attention_problem.h"
#include "ops/elementwise.h"
#include "ops/linear.h"

struct layer {
    float *input_norm, *post_norm; /* [hidden] */
    float *q_norm, *k_norm;        /* [head_dim] or NULL */
    float *qkv_bias;               /* [q_dim + 2 kv_dim] or NULL */
    cg_linear *qkv, *o, *gate_up, *down;
};

struct cg_cpu_model {
    cg_cpu_model_config config;
    int64_t hidden, q_dim, kv_dim, qkv_dim, intermediate, head_dim;
    int64_t n_heads, n_kv_heads;
    float eps;
    cg_linear_context *linears;
    struct layer *layers;
    float *final_norm;
    cg_linear *lm_head;
    int32_t n_head_rows;    /* of the LM head, padded to whole panels */
    float *cosines, *sines; /* [max_len, head_dim / 2] */
    void *plan;
    void *workspace;
    double matmul_seconds, attention_seconds;
    /* activations, with the padding rows that linear.h requires */
    float *x;       /* [max_tokens + pad, hidden] residual stream */
    float *h;       /* [max_tokens + pad, hidden] x, normalized */
    float *qkv;     /* [max_tokens + pad, qkv_dim] queries, keys, values */
    float *att;     /* [max_tokens + pad, q_dim] output of attention */
    float *gate_up; /* [max_tokens + pad, 2 intermediate] */
    float *act;     /* [max_tokens + pad, intermediate] silu(gate) * up */
    float *out_h;   /* [max_out + pad, hidden] final norm of the rows to compute logits of */
    float *logits;  /* [max_out + pad, n_head_rows] */
};

/* ---- weights ------------------------------------------------------------------------------ */

static float *to_f32(const cg_tensor_ref *ref)
{
    float *p = cg_alloc_array((size_t)(ref->rows * ref->cols), sizeof *p);

    if (p)
        cg_weight_to_f32(ref, 0, ref->rows, p);
    return p;
}

/* Several matrices of the same width, stacked by rows into one. */
struct stack {
    const cg_tensor_ref *part[3];
    int n;
};

static void stack_rows(void *arg, int64_t row0, int64_t n_rows, float *dst)
{
    const struct stack *s = arg;
    int64_t begin = 0;

    for (int i = 0; i < s->n; i++) {
        int64_t end = begin + s->part[i]->rows;
        int64_t a = row0 > begin ? row0 : begin;
        int64_t b = row0 + n_rows < end ? row0 + n_rows : end;

        if (a < b)
            cg_weight_to_f32(s->part[i], a - begin, b - a, dst + (a - row0) * s->part[i]->cols);
        begin = end;
    }
}

/* accumulate: the product is added to its output, for the residual stream. */
static cg_status make_linear(cg_cpu_model *m, struct stack s, int accumulate,
                             cg_linear **ret_linear, cg_error *err)
{
    int64_t rows = 0;

    for (int i = 0; i < s.n; i++)
        rows += s.part[i]->rows;
    return cg_linear_create(m->linears, rows, s.part[0]->cols, accumulate, stack_rows, &s,
                            ret_linear, err);
}

static cg_status make_layer(cg_cpu_model *m, const cg_layer_weights *w, struct layer *l,
                            cg_error *err)
{
    l->input_norm = to_f32(&w->input_norm);
    l->post_norm = to_f32(&w->post_norm);
    if (!l->input_norm || !l->post_norm)
        return cg_fail_nomem(err, "model");
    if (w->q_norm.data) {
        l->q_norm = to_f32(&w->q_norm);
        l->k_norm = to_f32(&w->k_norm);
        if (!l->q_norm || !l->k_norm)
            return cg_fail_nomem(err, "model");
    }
    if (w->q_bias.data) {
        l->qkv_bias = cg_alloc_array((size_t)m->qkv_dim, sizeof *l->qkv_bias);
        if (!l->qkv_bias)
            return cg_fail_nomem(err, "model");
        cg_weight_to_f32(&w->q_bias, 0, 1, l->qkv_bias);
        cg_weight_to_f32(&w->k_bias, 0, 1, l->qkv_bias + m->q_dim);
        cg_weight_to_f32(&w->v_bias, 0, 1, l->qkv_bias + m->q_dim + m->kv_dim);
    }
    CG_TRY(make_linear(m, (struct stack) { { &w->q, &w->k, &w->v }, 3 }, 0, &l->qkv, err));
    CG_TRY(make_linear(m, (struct stack) { { &w->o }, 1 }, 1, &l->o, err));
    CG_TRY(make_linear(m, (struct stack) { { &w->gate, &w->up }, 2 }, 0, &l->gate_up, err));
    return make_linear(m, (struct stack) { { &w->down }, 1 }, 1, &l->down, err);
}

static cg_status make_rope(cg_cpu_model *m, cg_error *err)
{
    int64_t half = m->head_dim / 2;
    float *inv_freq = cg_alloc_array((size_t)half, sizeof *inv_freq);
    size_t n = (size_t)m->config.max_len * (size_t)half;

    m->cosines = cg_alloc_array(n, sizeof *m->cosines);
    m->sines = cg_alloc_array(n, sizeof *m->sines);
    if (!inv_freq || !m->cosines || !m->sines) {
        free(inv_freq);
        return cg_fail_nomem(err, "model");
    }
    cg_rope_inv_freq(&m->config.model->config, inv_freq);
    for (int64_t p = 0; p < m->config.max_len; p++)
        for (int64_t i = 0; i < half; i++) {
            float angle = (float)p * inv_freq[i]; /* rounded to f32, as in training */

            m->cosines[p * half + i] = cosf(angle);
            m->sines[p * half + i] = sinf(angle);
        }
    free(inv_freq);
    return CG_OK;
}

static float *make_rows(int64_t rows, int64_t width)
{
    size_t bytes;
    float *p;

    if (cg_mul((size_t)(rows + CG_LINEAR_PAD), (size_t)width * sizeof(float), &bytes))
        return NULL;
    bytes = (bytes + 63) / 64 * 64;
    p = aligned_alloc(64, bytes);
    if (p)
        memset(p, 0, bytes);
    return p;
}

static cg_status make_plan(cg_cpu_model *m, cg_error *err)
{
    const cg_cpu_model_config *c = &m->config;
    cg_kv_view view = { CG_SIZED(cg_kv_view) };
    cg_attention_shape shape = {
        .device = CG_DEVICE_CPU,
        .dtype = CG_F32,
        .kv_dtype = CG_F32,
        .max_tokens = c->max_tokens,
        .max_seqs = c->max_seqs,
        .max_kv_len = c->max_len,
        .flags = cg_attention_flags(CG_DEVICE_CPU, 1),
    };
    cg_attention_problem problem = cg_attention_problem_of_model(&c->model->config, &shape);
    size_t workspace;

    CG_TRY(c->cache->view(c->cache_self, 0, &view, err));
    cg_attention_problem_set_cache(&problem, c->cache, &view);
    CG_TRY(c->attention->supports(c->host, &problem, err));
    CG_TRY(c->attention->plan(c->host, &problem, &m->plan, err));
    workspace = c->attention->workspace_size(m->plan);
    if (!workspace)
        return CG_OK;
    if (cg_add(workspace, 255, &workspace) ||
        !(m->workspace = aligned_alloc(256, workspace / 256 * 256)))
        return cg_fail_nomem(err, "model");
    return CG_OK;
}

static cg_status make_activations(cg_cpu_model *m, cg_error *err)
{
    int64_t max_tokens = m->config.max_tokens;
    const struct {
        float **rows;
        int64_t n, width;
    } arrays[] = {
        { &m->x, max_tokens, m->hidden },
        { &m->h, max_tokens, m->hidden },
        { &m->qkv, max_tokens, m->qkv_dim },
        { &m->att, max_tokens, m->q_dim },
        { &m->gate_up, max_tokens, 2 * m->intermediate },
        { &m->act, max_tokens, m->intermediate },
        { &m->out_h, m->config.max_out, m->hidden },
    };

    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
        if (!(*arrays[i].rows = make_rows(arrays[i].n, arrays[i].width)))
            return cg_fail_nomem(err, "model");
    return CG_OK;
}

static cg_status make_weights(cg_cpu_model *m, cg_error *err)
{
    const cg_model *model = m->config.model;
    int32_t n_layers = model->config.n_layers;

    m->layers = calloc((size_t)n_layers, sizeof *m->layers);
    m->final_norm = to_f32(&model->final_norm);
    if (!m->layers || !m->final_norm)
        return cg_fail_nomem(err, "model");
    CG_TRY(cg_linear_context_create(m->config.team, &m->linears, err));
    for (int32_t l = 0; l < n_layers; l++)
        CG_TRY(make_layer(m, &model->layers[l], &m->layers[l], err));
    return CG_OK;
}

cg_status cg_cpu_model_create(const cg_cpu_model_config *config, cg_cpu_model **ret_model,
                              cg_error *err)
{
    const cg_model_config *mc = &config->model->config;
    cg_cpu_model *m = calloc(1, sizeof *m);
    cg_status st;

    if (!m)
        return cg_fail_nomem(err, "model");
    m->config = *config;
    m->hidden = mc->hidden;
    m->head_dim = mc->head_dim;
    m->n_heads = mc->n_heads;
    m->n_kv_heads = mc->n_kv_heads;
    m->q_dim = m->n_heads * m->head_dim;
    m->kv_dim = m->n_kv_heads * m->head_dim;
    m->qkv_dim = m->q_dim + 2 * m->kv_dim;
    m->intermediate = mc->intermediate;
    m->eps = (float)mc->rms_eps;
    CG_TRY_GOTO(st, make_activations(m, err), out);
    CG_TRY_GOTO(st, make_weights(m, err), out);
    CG_TRY_GOTO(st, make_rope(m, err), out);
    CG_TRY_GOTO(st, make_plan(m, err), out);
    *ret_model = m;
    m = NULL;
out:
    cg_cpu_model_destroy(m);
    return st;
}

void cg_cpu_model_destroy(cg_cpu_model *m)
{
    if (!m)
        return;
    if (m->plan)
        m->config.attention->destroy(m->plan);
    for (int32_t i = 0; m->layers && i < m->config.model->config.n_layers; i++) {
        struct layer *l = &m->layers[i];

        free(l->input_norm);
        free(l->post_norm);
        free(l->q_norm);
        free(l->k_norm);
        free(l->qkv_bias);
        cg_linear_destroy(l->qkv);
        cg_linear_destroy(l->o);
        cg_linear_destroy(l->gate_up);
        cg_linear_destroy(l->down);
    }
    cg_linear_destroy(m->lm_head);
    cg_linear_context_destroy(m->linears);
    free(m->layers);
    free(m->final_norm);
    free(m->cosines);
    free(m->sines);
    free(m->workspace);
    free(m->x);
    free(m->h);
    free(m->qkv);
    free(m->att);
    free(m->gate_up);
    free(m->act);
    free(m->out_h);
    free(m->logits);
    free(m);
}

/* Rows of the LM head, of these tokens. */
struct head_rows {
    const cg_tensor_ref *lm_head;
    const int32_t *token; /* [n] */
    int64_t n;
};

static void gather_head_rows(void *arg, int64_t row0, int64_t n_rows, float *dst)
{
    const struct head_rows *r = arg;

    for (int64_t i = 0; i < n_rows; i++)
        if (row0 + i < r->n)
            cg_weight_to_f32(r->lm_head, r->token[row0 + i], 1, dst + i * r->lm_head->cols);
        else
            memset(dst + i * r->lm_head->cols, 0, (size_t)r->lm_head->cols * sizeof *dst);
}

/*
 * The number and order of the head rows depend on the molecules so far and on the order in which
 * threads compiled them. Padding to whole panels makes the logit of a token independent of both.
 */
cg_status cg_cpu_model_set_head_rows(cg_cpu_model *m, const int32_t *head_token, int32_t n,
                                     cg_error *err)
{
    struct head_rows rows = { &m->config.model->head, head_token, n };
    int64_t padded = ((int64_t)n + CG_LINEAR_PANEL - 1) / CG_LINEAR_PANEL * CG_LINEAR_PANEL;
    cg_linear *lm_head = NULL;
    float *logits = make_rows(m->config.max_out, padded);
    cg_status st;

    if (!logits)
        return cg_fail_nomem(err, "model");
    st = cg_linear_create(m->linears, padded, m->hidden, 0, gather_head_rows, &rows, &lm_head, err);
    if (st != CG_OK) {
        free(logits);
        return st;
    }
    cg_linear_destroy(m->lm_head);
    free(m->logits);
    m->lm_head = lm_head;
    m->logits = logits;
    m->n_head_rows = padded;
    return CG_OK;
}

/* ---- forward pass ------------------------------------------------------------------------- */

struct pass {
    cg_cpu_model *m;
    const cg_cpu_batch *batch;
    const struct layer *layer;
    const float *norm;
};

static void embed_row(void *arg, int64_t i, int worker)
{
    const struct pass *p = arg;

    (void)worker;
    cg_weight_to_f32(&p->m->config.model->embed, p->batch->token[i], 1, p->m->x + i * p->m->hidden);
}

static void norm_row(void *arg, int64_t i, int worker)
{
    const struct pass *p = arg;
    int64_t n = p->m->hidden;

    (void)worker;
    cg_rms_norm(p->m->x + i * n, p->norm, p->m->eps, n, p->m->h + i * n);
}

/* Bias, q/k norm and rotation of one row of qkv, in place; h: an attention head of q or k. */
static void qkv_row(void *arg, int64_t i, int worker)
{
    const struct pass *p = arg;
    const cg_cpu_model *m = p->m;
    float *row = m->qkv + i * m->qkv_dim;
    int64_t d = m->head_dim, at = p->batch->pos[i] * (d / 2);

    (void)worker;
    if (p->layer->qkv_bias)
        for (int64_t j = 0; j < m->qkv_dim; j++)
            row[j] += p->layer->qkv_bias[j];
    for (int64_t h = 0; h < m->n_heads + m->n_kv_heads; h++) {
        float *vector = row + h * d; /* [head_dim] of this head */

        if (p->layer->q_norm)
            cg_rms_norm(vector, h < m->n_heads ? p->layer->q_norm : p->layer->k_norm, m->eps, d,
                        vector);
        cg_rope(vector, m->cosines + at, m->sines + at, d);
    }
}

static void act_row(void *arg, int64_t i, int worker)
{
    const struct pass *p = arg;
    int64_t n = p->m->intermediate;

    (void)worker;
    cg_silu_mul(p->m->gate_up + i * 2 * n, n, p->m->act + i * n);
}

static void out_row(void *arg, int64_t i, int worker)
{
    const struct pass *p = arg;
    int64_t n = p->m->hidden;

    (void)worker;
    cg_rms_norm(p->m->x + p->batch->out_row[i] * n, p->m->final_norm, p->m->eps, n,
                p->m->out_h + i * n);
}

static cg_status matmul(cg_cpu_model *m, cg_linear *l, const float *x, float *y, int64_t rows,
                        cg_error *err)
{
    double t = cg_now();
    cg_status st = cg_linear_run(l, x, y, rows, err);

    m->matmul_seconds += cg_now() - t;
    return st;
}

/* Appends the keys and values of a layer, then computes its attention. */
static cg_status attend(cg_cpu_model *m, const cg_cpu_batch *b, int32_t layer, cg_error *err)
{
    const cg_cpu_model_config *c = &m->config;
    int64_t row_bytes = m->qkv_dim * (int64_t)sizeof(float);
    cg_kv_view view = { CG_SIZED(cg_kv_view) };
    cg_cache_append append = {
        CG_SIZED(cg_cache_append), .n_tokens = b->n_tokens,
        .slot = b->slot,           .pos = b->pos,
        .k = m->qkv + m->q_dim,    .v = m->qkv + m->q_dim + m->kv_dim,
        .k_stride = row_bytes,     .v_stride = row_bytes,
        .dtype = CG_F32,
    };
    cg_attention_args args = {
        CG_SIZED(cg_attention_args),
        .n_tokens = b->n_tokens,
        .n_seqs = b->n_seqs,
        .q = m->qkv,
        .out = m->att,
        .q_stride = row_bytes,
        .out_stride = m->q_dim * (int64_t)sizeof(float),
        .q_start = b->q_start,
        .slot = b->seq_slot,
        .kv_len = b->kv_len,
        .kv = &view,
        .workspace = m->workspace,
    };
    double t = cg_now();
    cg_status st;

    CG_TRY_GOTO(st, c->cache->append(c->cache_self, layer, &append, err), out);
    CG_TRY_GOTO(st, c->cache->view(c->cache_self, layer, &view, err), out);
    CG_TRY_GOTO(st, c->attention->run(m->plan, &args, err), out);
out:
    m->attention_seconds += cg_now() - t;
    return st;
}

static cg_status run_layer(cg_cpu_model *m, const cg_cpu_batch *b, int32_t i, cg_error *err)
{
    const struct layer *l = &m->layers[i];
    struct pass pass = { m, b, l, l->input_norm };
    cg_team *team = m->config.team;
    int64_t n = b->n_tokens;

    cg_team_loop(team, n, norm_row, &pass);
    CG_TRY(matmul(m, l->qkv, m->h, m->qkv, n, err));
    cg_team_loop(team, n, qkv_row, &pass);
    CG_TRY(attend(m, b, i, err));
    CG_TRY(matmul(m, l->o, m->att, m->x, n, err)); /* accumulates: x += att W^T */
    pass.norm = l->post_norm;
    cg_team_loop(team, n, norm_row, &pass);
    CG_TRY(matmul(m, l->gate_up, m->h, m->gate_up, n, err));
    cg_team_loop(team, n, act_row, &pass);
    return matmul(m, l->down, m->act, m->x, n, err); /* accumulates: x += act W^T */
}

cg_status cg_cpu_model_forward(cg_cpu_model *m, const cg_cpu_batch *b, const float **ret_logits,
                               int64_t *ret_stride, cg_error *err)
{
    struct pass pass = { m, b, NULL, NULL };

    cg_team_loop(m->config.team, b->n_tokens, embed_row, &pass);
    for (int32_t l = 0; l < m->config.model->config.n_layers; l++)
        CG_TRY(run_layer(m, b, l, err));
    cg_team_loop(m->config.team, b->n_out, out_row, &pass);
    if (b->n_out)
        CG_TRY(matmul(m, m->lm_head, m->out_h, m->logits, b->n_out, err));
    *ret_logits = m->logits;
    *ret_stride = m->n_head_rows;
    return CG_OK;
}

void cg_cpu_model_seconds(const cg_cpu_model *m, double *ret_matmul, double *ret_attention)
{
    *ret_matmul = m->matmul_seconds;
    *ret_attention = m->attention_seconds;
}
