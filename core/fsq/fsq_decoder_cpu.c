/* SPDX-License-Identifier: MIT */
/* The FSQ decoder on the CPU, in f32. Rows of a pass are the tokens of its conformers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "fsq/fsq_decoder.h"
#include "fsq/fsq_input.h"
#include "ops/elementwise.h"
#include "ops/linear.h"

struct fsq_cpu_layer {
    float *norm1, *norm2; /* [hidden] */
    cg_linear *qkv, *o, *up, *down;
};

struct cpu_decoder {
    cg_fsq_decoder base;
    const cg_fsq_model *model;
    cg_team *team;
    cg_linear_context *linears;
    float *in_rows;   /* [n_tokens + n_digits, input_hidden] the first layer, by input */
    float *in_bias;   /* [input_hidden] */
    float *positions; /* [max_rows, hidden] with the bias of the input MLP's second layer */
    float *out_bias;  /* [3] */
    cg_linear *mid, *out;
    struct fsq_cpu_layer *layers;
    float **scores; /* [workers] [max_rows] attention weights of a query */
    /* activations of a pass, with the padding rows that linear.h requires */
    float *in;  /* [max_rows + pad, input_hidden] */
    float *x;   /* [max_rows + pad, hidden] residual stream */
    float *h;   /* [max_rows + pad, hidden] x, normalised; output of attention */
    float *qkv; /* [max_rows + pad, 3 hidden] queries, keys, values */
    float *up;  /* [max_rows + pad, intermediate] */
    float *xyz; /* [max_rows + pad, 3] */
};

/* ---- weights ------------------------------------------------------------------------------ */

static cg_status copy_vector(const cg_tensor_ref *ref, float **ret, cg_error *err)
{
    *ret = cg_alloc_array((size_t)ref->cols, sizeof **ret);
    if (!*ret)
        return cg_fail_nomem(err, "FSQ decoder");
    cg_weight_to_f32(ref, 0, 1, *ret);
    return CG_OK;
}

static void copy_rows(void *arg, int64_t row0, int64_t n_rows, float *dst)
{
    cg_weight_to_f32(arg, row0, n_rows, dst);
}

/* accumulate: the product is added to its output. */
static cg_status make_linear(struct cpu_decoder *d, const cg_tensor_ref *w, int accumulate,
                             cg_linear **ret_linear, cg_error *err)
{
    cg_tensor_ref ref = *w;

    return cg_linear_create(d->linears, w->rows, w->cols, accumulate, copy_rows, &ref, ret_linear,
                            err);
}

static cg_status make_layer(struct cpu_decoder *d, const cg_fsq_layer *w, struct fsq_cpu_layer *l,
                            cg_error *err)
{
    CG_TRY(copy_vector(&w->norm1, &l->norm1, err));
    CG_TRY(copy_vector(&w->norm2, &l->norm2, err));
    CG_TRY(make_linear(d, &w->qkv, 0, &l->qkv, err));
    CG_TRY(make_linear(d, &w->o, 1, &l->o, err));
    CG_TRY(make_linear(d, &w->up, 0, &l->up, err));
    return make_linear(d, &w->down, 1, &l->down, err);
}

static cg_status make_weights(struct cpu_decoder *d, cg_error *err)
{
    const cg_fsq_model *m = d->model;
    size_t n_inputs = (size_t)(m->config.n_tokens + m->config.n_digits);

    d->in_rows = cg_alloc_array(n_inputs * (size_t)m->config.input_hidden, sizeof *d->in_rows);
    d->layers = calloc((size_t)m->config.n_layers, sizeof *d->layers);
    d->positions =
        cg_alloc_array((size_t)d->base.max_rows * (size_t)m->config.hidden, sizeof *d->positions);
    if (!d->in_rows || !d->layers || !d->positions)
        return cg_fail_nomem(err, "FSQ decoder");
    CG_TRY(cg_linear_context_create(d->team, &d->linears, err));
    CG_TRY(cg_fsq_input_rows(m, d->in_rows, err));
    CG_TRY(copy_vector(&m->in_bias, &d->in_bias, err));
    CG_TRY(make_linear(d, &m->mid, 1, &d->mid, err));
    CG_TRY(cg_fsq_input_positions(m, d->base.max_rows, d->positions, err));
    for (int32_t l = 0; l < m->config.n_layers; l++)
        CG_TRY(make_layer(d, &m->layers[l], &d->layers[l], err));
    CG_TRY(make_linear(d, &m->out, 1, &d->out, err));
    return copy_vector(&m->out_bias, &d->out_bias, err);
}

/* ---- create, destroy ---------------------------------------------------------------------- */

static cg_status make_activations(struct cpu_decoder *d, cg_error *err)
{
    const cg_fsq_config *c = &d->model->config;
    size_t rows = (size_t)d->base.max_rows + CG_LINEAR_PAD;
    const struct {
        float **ret;
        int32_t width;
    } arrays[] = {
        { &d->in, c->input_hidden }, { &d->x, c->hidden },        { &d->h, c->hidden },
        { &d->qkv, 3 * c->hidden },  { &d->up, c->intermediate }, { &d->xyz, 3 },
    };

    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        size_t bytes;

        if (cg_mul(rows, (size_t)arrays[i].width * sizeof(float), &bytes) ||
            cg_add(bytes, 63, &bytes) || !(*arrays[i].ret = aligned_alloc(64, bytes / 64 * 64)))
            return cg_fail_nomem(err, "FSQ decoder");
        memset(*arrays[i].ret, 0, bytes / 64 * 64);
    }
    d->scores = calloc((size_t)cg_team_size(d->team), sizeof *d->scores);
    if (!d->scores)
        return cg_fail_nomem(err, "FSQ decoder");
    for (int w = 0; w < cg_team_size(d->team); w++)
        if (!(d->scores[w] = cg_alloc_array((size_t)d->base.max_rows, sizeof(float))))
            return cg_fail_nomem(err, "FSQ decoder");
    return CG_OK;
}

static void destroy(cg_fsq_decoder *base)
{
    struct cpu_decoder *d = (struct cpu_decoder *)base;

    for (int32_t i = 0; d->layers && i < d->model->config.n_layers; i++) {
        struct fsq_cpu_layer *l = &d->layers[i];

        free(l->norm1);
        free(l->norm2);
        cg_linear_destroy(l->qkv);
        cg_linear_destroy(l->o);
        cg_linear_destroy(l->up);
        cg_linear_destroy(l->down);
    }
    cg_linear_destroy(d->mid);
    cg_linear_destroy(d->out);
    cg_linear_context_destroy(d->linears);
    for (int w = 0; d->scores && w < cg_team_size(d->team); w++)
        free(d->scores[w]);
    free(d->scores);
    free(d->layers);
    free(d->in_rows);
    free(d->in_bias);
    free(d->positions);
    free(d->out_bias);
    free(d->in);
    free(d->x);
    free(d->h);
    free(d->qkv);
    free(d->up);
    free(d->xyz);
    free(d);
}

/* ---- the pass ----------------------------------------------------------------------------- */

struct fsq_pass {
    struct cpu_decoder *d;
    const cg_fsq_batch *batch;
    const float *norm;
};

/* First layer of the input MLP of a conformer, and the position of its rows in x. */
static void embed(void *arg, int64_t i, int worker)
{
    const struct fsq_pass *p = arg;
    const struct cpu_decoder *d = p->d;
    const cg_fsq_config *c = &d->model->config;
    int64_t n = c->input_hidden, hidden = c->hidden;
    int32_t begin = p->batch->start[i], end = p->batch->start[i + 1];

    (void)worker;
    for (int64_t t = begin; t < end; t++) {
        const float *row = d->in_rows + p->batch->token[t] * n;
        float *in = d->in + t * n;

        for (int64_t j = 0; j < n; j++)
            in[j] = d->in_bias[j] + row[j];
        for (int32_t k = 0; k < c->n_digits; k++) {
            float digit = cg_fsq_digit(c, p->batch->code[t], k);

            row = d->in_rows + (c->n_tokens + k) * n;
            for (int64_t j = 0; j < n; j++)
                in[j] += digit * row[j];
        }
        cg_relu(in, n, in);
    }
    memcpy(d->x + begin * hidden, d->positions, (size_t)((end - begin) * hidden) * sizeof *d->x);
}

static void norm_row(void *arg, int64_t i, int worker)
{
    const struct fsq_pass *p = arg;
    int64_t n = p->d->model->config.hidden;

    (void)worker;
    cg_layer_norm(p->d->x + i * n, p->norm, NULL, (float)p->d->model->config.eps, n,
                  p->d->h + i * n);
}

static void relu_row(void *arg, int64_t i, int worker)
{
    const struct fsq_pass *p = arg;
    int64_t n = p->d->model->config.intermediate;

    (void)worker;
    cg_relu(p->d->up + i * n, n, p->d->up + i * n);
}

/* One head of one conformer. */
static void attend(void *arg, int64_t i, int worker)
{
    const struct fsq_pass *p = arg;
    const struct cpu_decoder *d = p->d;
    int64_t hidden = d->model->config.hidden, n_heads = hidden / CG_FSQ_HEAD_DIM;
    int64_t conformer = i / n_heads, head = i % n_heads;
    int64_t begin = p->batch->start[conformer], n = p->batch->start[conformer + 1] - begin;
    const float *q = d->qkv + begin * 3 * hidden + head * CG_FSQ_HEAD_DIM;

    for (int64_t t = 0; t < n; t++)
        cg_attend(q + t * 3 * hidden, q + hidden, q + 2 * hidden, 3 * hidden, n, CG_FSQ_HEAD_DIM,
                  1.0f / sqrtf(CG_FSQ_HEAD_DIM), d->scores[worker],
                  d->h + (begin + t) * hidden + head * CG_FSQ_HEAD_DIM);
}

static cg_status run_layer(struct fsq_pass *p, const struct fsq_cpu_layer *l, int64_t rows,
                           cg_error *err)
{
    struct cpu_decoder *d = p->d;
    int64_t n_heads = d->model->config.hidden / CG_FSQ_HEAD_DIM;

    p->norm = l->norm1;
    cg_team_loop(d->team, rows, norm_row, p);
    CG_TRY(cg_linear_run(l->qkv, d->h, d->qkv, rows, err));
    cg_team_loop(d->team, p->batch->n * n_heads, attend, p);
    CG_TRY(cg_linear_run(l->o, d->h, d->x, rows, err)); /* x += */
    p->norm = l->norm2;
    cg_team_loop(d->team, rows, norm_row, p);
    CG_TRY(cg_linear_run(l->up, d->h, d->up, rows, err));
    cg_team_loop(d->team, rows, relu_row, p);
    return cg_linear_run(l->down, d->up, d->x, rows, err); /* x += */
}

static cg_status run(cg_fsq_decoder *base, const cg_fsq_batch *batch, float (*ret_xyz)[3],
                     cg_error *err)
{
    struct cpu_decoder *d = (struct cpu_decoder *)base;
    struct fsq_pass pass = { d, batch, NULL };
    int64_t rows = batch->start[batch->n];

    cg_team_loop(d->team, batch->n, embed, &pass);
    CG_TRY(cg_linear_run(d->mid, d->in, d->x, rows, err)); /* x += */
    for (int32_t l = 0; l < d->model->config.n_layers; l++)
        CG_TRY(run_layer(&pass, &d->layers[l], rows, err));
    for (int64_t t = 0; t < rows; t++)
        memcpy(d->xyz + 3 * t, d->out_bias, 3 * sizeof *d->xyz);
    CG_TRY(cg_linear_run(d->out, d->x, d->xyz, rows, err)); /* xyz += */
    memcpy(ret_xyz, d->xyz, (size_t)rows * sizeof *ret_xyz);
    return CG_OK;
}

static const struct cg_fsq_decoder_ops cpu_ops = { "cpu", destroy, run };

cg_status cg_fsq_decoder_cpu_create(const cg_fsq_decoder_config *config, cg_team *team,
                                    cg_fsq_decoder **ret_decoder, cg_error *err)
{
    struct cpu_decoder *d = calloc(1, sizeof *d);
    cg_status st;

    if (!d)
        return cg_fail_nomem(err, "FSQ decoder");
    d->base = (cg_fsq_decoder) { &cpu_ops, &config->model->config, config->max_rows };
    d->model = config->model;
    d->team = team;
    CG_TRY_GOTO(st, make_activations(d, err), out);
    CG_TRY_GOTO(st, make_weights(d, err), out);
    *ret_decoder = &d->base;
    d = NULL;
out:
    if (d)
        destroy(&d->base);
    return st;
}
