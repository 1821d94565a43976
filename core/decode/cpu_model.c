/* SPDX-License-Identifier: MIT */
#include "decode/cpu_model.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/plugin_call.h"
#include "base/size.h"
#include "model/attention_plans.h"
#include "model/attention_problem.h"
#include "model/rope.h"
#include "ops/elementwise.h"
#include "ops/linear.h"

/* Weight and bias of a normalisation, [hidden]; bias NULL without one. */
struct norm {
    float *weight, *bias;
};

/* Biases are NULL without one. */
struct layer {
    struct norm input_norm, post_norm;
    float *q_norm, *k_norm;    /* [head_dim] or NULL */
    float *qkv_bias;           /* [q_dim + 2 kv_dim] */
    float *mlp_bias;           /* [mlp_dim] of gate and up */
    float *o_bias, *down_bias; /* [hidden] */
    cg_linear *qkv, *o, *gate_up, *down;
    int32_t is_rotated;
    int32_t problem; /* index of its attention problem */
};

struct cg_cpu_model {
    cg_cpu_model_config config;
    int64_t hidden, q_dim, kv_dim, qkv_dim, intermediate, head_dim;
    int64_t mlp_dim; /* of gate and up together, or of up alone */
    int64_t n_heads, n_kv_heads;
    float eps;
    cg_linear_context *linears;
    struct layer *layers;
    struct norm final_norm;
    cg_linear *lm_head;
    int32_t n_head_rows;    /* of the LM head, padded to whole panels */
    float *cosines, *sines; /* [max_len, head_dim / 2] */
    void *plans[CG_MAX_ATTENTION_PROBLEMS];
    void *prompt_plans[CG_MAX_ATTENTION_PROBLEMS];
    void *workspace; /* shared by the plans */
    double matmul_seconds, attention_seconds;
    /* activations, with the padding rows that linear.h requires */
    float *x;       /* [max_tokens + pad, hidden] residual stream */
    float *h;       /* [max_tokens + pad, hidden] x, normalized */
    float *qkv;     /* [max_tokens + pad, qkv_dim] queries, keys, values */
    float *att;     /* [max_tokens + pad, q_dim] output of attention */
    float *gate_up; /* [max_tokens + pad, mlp_dim] */
    float *act;     /* [max_tokens + pad, intermediate] act(gate) * up, or act(up) */
    float *out_h;   /* [max_out + pad, hidden] final norm of the rows to compute logits of */
    float *logits;  /* [max_out + pad, n_head_rows] */
};

/* ---- weights ------------------------------------------------------------------------------ */

/*
 * Converts n vectors to one in f32; NULL if the model has none of them.
 *
 * @param ret  the caller's, also on failure
 */
static cg_status vectors_to_f32(const cg_tensor_ref *const *parts, int n, float **ret,
                                cg_error *err)
{
    size_t size = 0;
    float *at;

    for (int i = 0; i < n; i++)
        size += parts[i]->data ? (size_t)parts[i]->cols : 0;
    if (!size)
        return CG_OK;
    at = *ret = cg_alloc_array(size, sizeof **ret);
    if (!at)
        return cg_fail_nomem(err, "model");
    for (int i = 0; i < n; i++)
        if (parts[i]->data) {
            cg_weight_to_f32(parts[i], 0, 1, at);
            at += parts[i]->cols;
        }
    return CG_OK;
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

static cg_status make_vectors(const cg_layer_weights *w, struct layer *l, cg_error *err)
{
    const struct {
        float **ret;
        int n;
        const cg_tensor_ref *parts[3];
    } vectors[] = {
        { &l->input_norm.weight, 1, { &w->input_norm } },
        { &l->input_norm.bias, 1, { &w->input_norm_bias } },
        { &l->post_norm.weight, 1, { &w->post_norm } },
        { &l->post_norm.bias, 1, { &w->post_norm_bias } },
        { &l->q_norm, 1, { &w->q_norm } },
        { &l->k_norm, 1, { &w->k_norm } },
        { &l->qkv_bias, 3, { &w->q_bias, &w->k_bias, &w->v_bias } },
        { &l->o_bias, 1, { &w->o_bias } },
        { &l->mlp_bias, 2, { &w->gate_bias, &w->up_bias } },
        { &l->down_bias, 1, { &w->down_bias } },
    };

    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        CG_TRY(vectors_to_f32(vectors[i].parts, vectors[i].n, vectors[i].ret, err));
    return CG_OK;
}

static cg_status make_layer(cg_cpu_model *m, int32_t i, cg_error *err)
{
    const cg_model_config *c = &m->config.model->config;
    const cg_layer_weights *w = &m->config.model->layers[i];
    struct layer *l = &m->layers[i];
    struct stack up = { { &w->gate, &w->up }, 2 };

    if (c->mlp == CG_MLP_PLAIN)
        up = (struct stack) { { &w->up }, 1 };
    l->is_rotated = !(c->layer_flags[i] & CG_LAYER_NO_ROPE);
    l->problem = cg_attention_problem_of_layer(c, m->config.max_len, i);
    CG_TRY(make_vectors(w, l, err));
    CG_TRY(make_linear(m, (struct stack) { { &w->q, &w->k, &w->v }, 3 }, 0, &l->qkv, err));
    CG_TRY(make_linear(m, (struct stack) { { &w->o }, 1 }, 1, &l->o, err));
    CG_TRY(make_linear(m, up, 0, &l->gate_up, err));
    return make_linear(m, (struct stack) { { &w->down }, 1 }, 1, &l->down, err);
}

static cg_status make_rope(cg_cpu_model *m, cg_error *err)
{
    size_t n = (size_t)m->config.max_len * (size_t)(m->head_dim / 2);

    m->cosines = cg_alloc_array(n, sizeof *m->cosines);
    m->sines = cg_alloc_array(n, sizeof *m->sines);
    if (!m->cosines || !m->sines)
        return cg_fail_nomem(err, "model");
    return cg_rope_tables(&m->config.model->config, m->config.max_len, m->cosines, m->sines, err);
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

static cg_status cache_view(const cg_cpu_model *m, int32_t layer, int64_t step,
                            cg_kv_view *ret_view, cg_error *err)
{
    cg_plugin_call call = { "cache", m->config.cache_name, layer, step };
    cg_error why = CG_ERROR_INIT;

    return cg_plugin_call_status(
        &call, cg_cache_view(m->config.cache, m->config.cache_self, layer, ret_view, &why), &why,
        err);
}

static cg_status make_plans(cg_cpu_model *m, int32_t max_tokens, int32_t max_seqs, void **ret_plans,
                            size_t *ret_workspace, cg_error *err)
{
    const cg_cpu_model_config *c = &m->config;
    cg_kv_view view = { CG_SIZED(cg_kv_view) };
    cg_attention_shape shape = {
        .device = CG_DEVICE_CPU,
        .dtype = CG_F32,
        .kv_dtype = c->kv_dtype,
        .max_tokens = max_tokens,
        .max_seqs = max_seqs,
        .max_kv_len = c->max_len,
        .flags = cg_attention_flags(CG_DEVICE_CPU, 1),
    };
    cg_attention_problem problems[CG_MAX_ATTENTION_PROBLEMS];
    int32_t n = cg_attention_problems_of_model(&c->model->config, &shape, problems);
    const cg_attention_pair pair = { c->host, c->attention, c->cache, c->attention_name,
                                     c->cache_name };

    CG_TRY(cache_view(m, 0, -1, &view, err));
    return cg_attention_plans_create(&pair, &view, problems, n, ret_plans, ret_workspace, err);
}

/* Plans attention for steps and for prompt steps, and allocates the workspace of both. */
static cg_status make_attention(cg_cpu_model *m, cg_error *err)
{
    const cg_cpu_model_config *c = &m->config;
    size_t workspace, for_prompts = 0;

    CG_TRY(make_plans(m, c->max_tokens, c->max_seqs, m->plans, &workspace, err));
    if (c->max_prompt_tokens)
        CG_TRY(make_plans(m, c->max_prompt_tokens, c->max_prompts, m->prompt_plans, &for_prompts,
                          err));
    workspace = for_prompts > workspace ? for_prompts : workspace;
    if (!workspace)
        return CG_OK;
    if (cg_add(workspace, 255, &workspace) ||
        !(m->workspace = aligned_alloc(256, workspace / 256 * 256)))
        return cg_fail_nomem(err, "model");
    return CG_OK;
}

static cg_status make_activations(cg_cpu_model *m, cg_error *err)
{
    const cg_cpu_model_config *c = &m->config;
    int64_t max_tokens =
        c->max_tokens > c->max_prompt_tokens ? c->max_tokens : c->max_prompt_tokens;
    const struct {
        float **rows;
        int64_t n, width;
    } arrays[] = {
        { &m->x, max_tokens, m->hidden },        { &m->h, max_tokens, m->hidden },
        { &m->qkv, max_tokens, m->qkv_dim },     { &m->att, max_tokens, m->q_dim },
        { &m->gate_up, max_tokens, m->mlp_dim }, { &m->act, max_tokens, m->intermediate },
        { &m->out_h, c->max_out, m->hidden },
    };

    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
        if (!(*arrays[i].rows = make_rows(arrays[i].n, arrays[i].width)))
            return cg_fail_nomem(err, "model");
    return CG_OK;
}

static cg_status make_weights(cg_cpu_model *m, cg_error *err)
{
    const cg_model *model = m->config.model;
    const cg_tensor_ref *norm = &model->final_norm, *bias = &model->final_norm_bias;
    int32_t n_layers = model->config.n_layers;

    m->layers = calloc((size_t)n_layers, sizeof *m->layers);
    if (!m->layers)
        return cg_fail_nomem(err, "model");
    CG_TRY(vectors_to_f32(&norm, 1, &m->final_norm.weight, err));
    CG_TRY(vectors_to_f32(&bias, 1, &m->final_norm.bias, err));
    CG_TRY(cg_linear_context_create(m->config.team, &m->linears, err));
    for (int32_t l = 0; l < n_layers; l++)
        CG_TRY(make_layer(m, l, err));
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
    m->mlp_dim = (mc->mlp == CG_MLP_GATED ? 2 : 1) * m->intermediate;
    m->eps = (float)mc->norm_eps;
    CG_TRY_GOTO(st, make_activations(m, err), out);
    CG_TRY_GOTO(st, make_weights(m, err), out);
    CG_TRY_GOTO(st, make_rope(m, err), out);
    CG_TRY_GOTO(st, make_attention(m, err), out);
    *ret_model = m;
    m = NULL;
out:
    cg_cpu_model_destroy(m);
    return st;
}

static void destroy_layer(struct layer *l)
{
    free(l->input_norm.weight);
    free(l->input_norm.bias);
    free(l->post_norm.weight);
    free(l->post_norm.bias);
    free(l->q_norm);
    free(l->k_norm);
    free(l->qkv_bias);
    free(l->mlp_bias);
    free(l->o_bias);
    free(l->down_bias);
    cg_linear_destroy(l->qkv);
    cg_linear_destroy(l->o);
    cg_linear_destroy(l->gate_up);
    cg_linear_destroy(l->down);
}

void cg_cpu_model_destroy(cg_cpu_model *m)
{
    if (!m)
        return;
    for (int i = 0; i < CG_MAX_ATTENTION_PROBLEMS; i++) {
        if (m->plans[i])
            m->config.attention->destroy(m->plans[i]);
        if (m->prompt_plans[i])
            m->config.attention->destroy(m->prompt_plans[i]);
    }
    for (int32_t i = 0; m->layers && i < m->config.model->config.n_layers; i++)
        destroy_layer(&m->layers[i]);
    cg_linear_destroy(m->lm_head);
    cg_linear_context_destroy(m->linears);
    free(m->layers);
    free(m->final_norm.weight);
    free(m->final_norm.bias);
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
    const struct norm *norm;
    const float *bias; /* [hidden] */
};

static void embed_row(void *arg, int64_t i, int worker)
{
    const struct pass *p = arg;
    const cg_model *model = p->m->config.model;
    float *x = p->m->x + i * p->m->hidden, *position = p->m->h + i * p->m->hidden;

    (void)worker;
    cg_weight_to_f32(&model->embed, p->batch->token[i], 1, x);
    if (model->positions.data) {
        cg_weight_to_f32(&model->positions, p->batch->pos[i], 1, position);
        cg_add_to(x, position, p->m->hidden);
    }
}

static void normalise(const cg_cpu_model *m, const struct norm *norm, const float *x, float *out)
{
    if (m->config.model->config.norm == CG_NORM_LAYER)
        cg_layer_norm(x, norm->weight, norm->bias, m->eps, m->hidden, out);
    else
        cg_rms_norm(x, norm->weight, m->eps, m->hidden, out);
}

static void norm_row(void *arg, int64_t i, int worker)
{
    const struct pass *p = arg;
    int64_t n = p->m->hidden;

    (void)worker;
    normalise(p->m, p->norm, p->m->x + i * n, p->m->h + i * n);
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
        cg_add_to(row, p->layer->qkv_bias, m->qkv_dim);
    for (int64_t h = 0; h < m->n_heads + m->n_kv_heads; h++) {
        float *vector = row + h * d; /* [head_dim] of this head */

        if (p->layer->q_norm)
            cg_rms_norm(vector, h < m->n_heads ? p->layer->q_norm : p->layer->k_norm, m->eps, d,
                        vector);
        if (p->layer->is_rotated)
            cg_rope(vector, m->cosines + at, m->sines + at, d);
    }
}

static void act_row(void *arg, int64_t i, int worker)
{
    static void (*const activations[CG_N_ACTS])(const float *, int64_t, float *) = {
        [CG_ACT_SILU] = cg_silu,           [CG_ACT_GELU] = cg_gelu,
        [CG_ACT_GELU_TANH] = cg_gelu_tanh, [CG_ACT_QUICK_GELU] = cg_quick_gelu,
        [CG_ACT_RELU] = cg_relu,
    };
    const struct pass *p = arg;
    const cg_cpu_model *m = p->m;
    int64_t n = m->intermediate;
    float *row = m->gate_up + i * m->mlp_dim, *act = m->act + i * n;

    (void)worker;
    if (p->layer->mlp_bias)
        cg_add_to(row, p->layer->mlp_bias, m->mlp_dim);
    activations[m->config.model->config.activation](row, n, act);
    if (m->mlp_dim > n)
        cg_multiply(act, row + n, n, act);
}

/* Adds the bias of a product that was added to the residual stream. */
static void bias_row(void *arg, int64_t i, int worker)
{
    const struct pass *p = arg;

    (void)worker;
    cg_add_to(p->m->x + i * p->m->hidden, p->bias, p->m->hidden);
}

static void out_row(void *arg, int64_t i, int worker)
{
    const struct pass *p = arg;
    int64_t n = p->m->hidden;

    (void)worker;
    normalise(p->m, &p->m->final_norm, p->m->x + p->batch->out_row[i] * n, p->m->out_h + i * n);
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
    void *const *plans = b->is_prompts ? m->prompt_plans : m->plans;
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
    cg_plugin_call to_cache = { "cache", c->cache_name, layer, b->step };
    cg_plugin_call to_attention = { "attention", c->attention_name, layer, b->step };
    cg_error why = CG_ERROR_INIT;
    double t = cg_now();
    cg_status st;

    st = c->cache->append(c->cache_self, layer, &append, &why);
    CG_TRY_GOTO(st, cg_plugin_call_status(&to_cache, st, &why, err), out);
    CG_TRY_GOTO(st, cache_view(m, layer, b->step, &view, err), out);
    st = c->attention->run(plans[m->layers[layer].problem], &args, &why);
    st = cg_plugin_call_status(&to_attention, st, &why, err);
out:
    m->attention_seconds += cg_now() - t;
    return st;
}

/* x += input W^T + bias */
static cg_status add_product(struct pass *p, cg_linear *l, const float *bias, const float *input,
                             cg_error *err)
{
    cg_cpu_model *m = p->m;

    CG_TRY(matmul(m, l, input, m->x, p->batch->n_tokens, err)); /* accumulates */
    p->bias = bias;
    if (bias)
        cg_team_loop(m->config.team, p->batch->n_tokens, bias_row, p);
    return CG_OK;
}

static cg_status run_layer(cg_cpu_model *m, const cg_cpu_batch *b, int32_t i, cg_error *err)
{
    const struct layer *l = &m->layers[i];
    struct pass pass = { m, b, l, &l->input_norm, NULL };
    cg_team *team = m->config.team;
    int64_t n = b->n_tokens;
    int parallel = m->config.model->config.parallel_residual;

    cg_team_loop(team, n, norm_row, &pass);
    CG_TRY(matmul(m, l->qkv, m->h, m->qkv, n, err));
    cg_team_loop(team, n, qkv_row, &pass);
    CG_TRY(attend(m, b, i, err));
    pass.norm = &l->post_norm;
    if (parallel) /* the MLP's input is that of the layer */
        cg_team_loop(team, n, norm_row, &pass);
    CG_TRY(add_product(&pass, l->o, l->o_bias, m->att, err));
    if (!parallel)
        cg_team_loop(team, n, norm_row, &pass);
    CG_TRY(matmul(m, l->gate_up, m->h, m->gate_up, n, err));
    cg_team_loop(team, n, act_row, &pass);
    return add_product(&pass, l->down, l->down_bias, m->act, err);
}

cg_status cg_cpu_model_forward(cg_cpu_model *m, const cg_cpu_batch *b, const float **ret_logits,
                               int64_t *ret_stride, cg_error *err)
{
    struct pass pass = { .m = m, .batch = b };

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
