/* SPDX-License-Identifier: MIT */
#include "forward.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <confgen/quantise.h>

#include "base/plugin_call.h"
#include "base/size.h"
#include "device_memory.h"
#include "gemm.h"
#include "layers.h"
#include "model/attention_plans.h"
#include "model/attention_problem.h"
#include "model/i8_products.h"
#include "model/rope.h"
#include "product.h"

enum {
    HEAD_ROW_PANEL = 128, /* head rows are padded to a multiple */
    MOST_QKV = 5 << 18,   /* elements of q, k and v of a pass with own products alone */
};

/* Weight and bias of a normalisation, [hidden]; bias NULL without one. */
struct device_norm {
    float *weight, *bias;
};

/* A matrix w [outputs, inputs] and what follows its product. */
struct device_matrix {
    void *w;
    float *scale; /* [outputs] of i8, else NULL */
    float *bias;  /* [outputs] or NULL */
};

struct device_layer {
    struct device_norm input_norm, post_norm;
    float *q_norm, *k_norm; /* [head_dim] or NULL */
    struct device_matrix qkv, o, gate_up, down;
    int32_t problem; /* index of its attention problem */
};

/* What passes over the batches of one kind need, beside weights and activations. */
struct forward_pass {
    const cg_step_batch *batch;
    cg_gemm *qkv, *o, *gate_up, *down; /* products of batch->rows rows */
    /* The same with what follows them: all four, that of gate and up alone, or none; of i8
     * those of q, k, v and of gate and up, the others of bf16. */
    cg_product *own_qkv, *own_o, *own_gate_up, *own_down;
    void *plans[CG_MAX_ATTENTION_PROBLEMS];
};

struct cg_forward {
    cg_forward_config config;
    const cg_step_state *state;
    cg_model_config shape;
    int32_t q_dim, kv_dim, qkv_dim;
    int32_t mlp_dim; /* of gate and up together, or of up alone */
    int32_t out_rows;
    cg_gemm_context *gemms;
    cg_gemm *head_gemm;
    struct forward_pass steps;
    struct forward_pass prompts;
    int32_t has_prompts; /* prompt steps can run */
    struct device_layer *layers;
    struct device_norm final_norm;
    void *embed, *head_weights; /* [vocab, hidden]; the same memory if tied */
    void *positions;            /* [max_positions, hidden] or NULL */
    void *head;                 /* [padded_head_rows, hidden], gathered from head_weights */
    int32_t n_head_rows;
    int64_t padded_head_rows;
    float *cosines, *sines; /* [max_len, head_dim / 2] */
    void *workspace;        /* shared by the plans */
    /* of the pass with more rows */
    float *x;                            /* [rows, hidden] */
    void *h, *qkv, *att, *gate_up, *act; /* [rows, ...] */
    float *h_scale;                      /* [rows] if h is i8 */
    float *sums;    /* [hidden / 32 + 8, rows]: parts of the sums of squares of x */
    int32_t n_sums; /* parts that belong to h = x * weight of the norm; 0: h is normalised */
    void *out_h;    /* [out_rows, hidden] */
    float *logits;  /* [out_rows, padded_head_rows] */
    cg_device_memory memory; /* all but head and logits */
    int64_t step;            /* that runs, for error texts; -1 before the first */
};

/* ---- weights ------------------------------------------------------------------------------- */

/* Uploads the matrices of one width that the model has, stacked by rows. Without any, *ret_ptr
 * stays unchanged. */
static cg_status upload_present(cg_forward *f, const cg_tensor_ref *const *parts, int n,
                                cg_dtype to, void *ret_ptr, cg_error *err)
{
    const cg_tensor_ref *present[3];
    int n_present = 0;

    for (int i = 0; i < n; i++)
        if (parts[i]->data)
            present[n_present++] = parts[i];
    return n_present ? cg_device_upload(&f->memory, present, n_present, to, ret_ptr, err) : CG_OK;
}

/* Uploads matrices of one width, stacked by rows, as i8 with a scale for each row. */
static cg_status upload_i8(cg_forward *f, const cg_tensor_ref *const *parts, int n,
                           struct device_matrix *m, cg_error *err)
{
    cg_device_memory temporary = { 0 };
    const int64_t columns = parts[0]->cols;
    int64_t rows = 0;
    float *w;
    cg_status st;

    for (int i = 0; i < n; i++)
        rows += parts[i]->rows;
    CG_TRY(cg_device_alloc(&f->memory, (size_t)(rows * columns), &m->w, err));
    CG_TRY(cg_device_alloc(&f->memory, (size_t)rows * sizeof *m->scale, &m->scale, err));
    CG_TRY_GOTO(st, cg_device_upload(&temporary, parts, n, CG_F32, &w, err), out);
    /* on the stream of the copies */
    CG_TRY_GOTO(
        st, cg_cuda_quantise_rows(w, (int32_t)rows, (int32_t)columns, m->w, m->scale, NULL, err),
        out);
    st = CG_CUDA(cudaStreamSynchronize(NULL), err);
out:
    cg_device_memory_finish(&temporary);
    return st;
}

static cg_status upload_matrix(cg_forward *f, const cg_tensor_ref *const *parts, int n, int is_i8,
                               struct device_matrix *m, cg_error *err)
{
    return is_i8 ? upload_i8(f, parts, n, m, err)
                 : upload_present(f, parts, n, f->config.dtype, &m->w, err);
}

static cg_status upload_layer(cg_forward *f, const cg_layer_weights *w, struct device_layer *l,
                              cg_error *err)
{
    const cg_tensor_ref *const qkv[] = { &w->q, &w->k, &w->v }, *const o[] = { &w->o };
    const cg_tensor_ref *const gate_up[] = { &w->gate, &w->up }, *const down[] = { &w->down };
    const int is_i8 = f->config.has_i8_products;
    const struct {
        void *ret_ptr; /* address of the pointer */
        int n;
        const cg_tensor_ref *parts[3];
    } vectors[] = {
        { &l->input_norm.weight, 1, { &w->input_norm } },
        { &l->input_norm.bias, 1, { &w->input_norm_bias } },
        { &l->post_norm.weight, 1, { &w->post_norm } },
        { &l->post_norm.bias, 1, { &w->post_norm_bias } },
        { &l->q_norm, 1, { &w->q_norm } },
        { &l->k_norm, 1, { &w->k_norm } },
        { &l->qkv.bias, 3, { &w->q_bias, &w->k_bias, &w->v_bias } },
        { &l->o.bias, 1, { &w->o_bias } },
        { &l->gate_up.bias, 2, { &w->gate_bias, &w->up_bias } },
        { &l->down.bias, 1, { &w->down_bias } },
    };

    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        CG_TRY(upload_present(f, vectors[i].parts, vectors[i].n, CG_F32, vectors[i].ret_ptr, err));
    CG_TRY(upload_matrix(f, qkv, 3, is_i8, &l->qkv, err));
    CG_TRY(upload_matrix(f, o, 1, 0, &l->o, err));
    CG_TRY(upload_matrix(f, gate_up, 2, is_i8, &l->gate_up, err));
    return upload_matrix(f, down, 1, 0, &l->down, err);
}

static cg_status upload_rope(cg_forward *f, cg_error *err)
{
    int64_t n = (int64_t)f->config.max_len * (f->shape.head_dim / 2);
    float *cosines = cg_alloc_array((size_t)n, sizeof *cosines);
    float *sines = cg_alloc_array((size_t)n, sizeof *sines);
    size_t bytes = (size_t)n * sizeof *cosines;
    cg_status st;

    if (!cosines || !sines) {
        st = cg_fail_nomem(err, "model");
        goto out;
    }
    CG_TRY_GOTO(st, cg_rope_tables(&f->shape, f->config.max_len, cosines, sines, err), out);
    CG_TRY_GOTO(st, cg_device_alloc(&f->memory, bytes, &f->cosines, err), out);
    CG_TRY_GOTO(st, cg_device_alloc(&f->memory, bytes, &f->sines, err), out);
    CG_TRY_GOTO(st, CG_CUDA(cudaMemcpy(f->cosines, cosines, bytes, cudaMemcpyHostToDevice), err),
                out);
    st = CG_CUDA(cudaMemcpy(f->sines, sines, bytes, cudaMemcpyHostToDevice), err);
out:
    free(cosines);
    free(sines);
    return st;
}

/* ---- create, destroy ---------------------------------------------------------------------- */

/* A call of a plugin, for error texts. layer: negative for none. */
static cg_plugin_call cache_call(const cg_forward *f, int32_t layer)
{
    return (cg_plugin_call) { "cache", f->config.cache_name, layer, f->step };
}

static cg_plugin_call attention_call(const cg_forward *f, int32_t layer)
{
    return (cg_plugin_call) { "attention", f->config.attention_name, layer, f->step };
}

static cg_status cache_view(const cg_forward *f, int32_t layer, cg_kv_view *ret_view, cg_error *err)
{
    cg_plugin_call call = cache_call(f, layer);
    cg_error why = CG_ERROR_INIT;

    return cg_plugin_call_status(
        &call, cg_cache_view(f->config.cache, f->config.cache_self, layer, ret_view, &why), &why,
        err);
}

static cg_status make_plans(cg_forward *f, struct forward_pass *pass, int32_t max_seqs,
                            size_t *ret_workspace, cg_error *err)
{
    const cg_forward_config *c = &f->config;
    cg_kv_view view = { CG_SIZED(cg_kv_view) };
    cg_attention_shape shape = {
        .device = CG_DEVICE_CUDA,
        .compute_capability = c->compute_capability,
        .dtype = c->dtype,
        .kv_dtype = c->kv_dtype,
        .max_tokens = pass->batch->rows,
        .max_seqs = max_seqs,
        .max_kv_len = c->max_len,
        .flags = cg_attention_flags(CG_DEVICE_CUDA, c->deterministic),
    };
    cg_attention_problem problems[CG_MAX_ATTENTION_PROBLEMS];
    int32_t n = cg_attention_problems_of_model(&f->shape, &shape, problems);
    const cg_attention_pair pair = { c->host, c->attention, c->cache, c->attention_name,
                                     c->cache_name };

    CG_TRY(cache_view(f, 0, &view, err));
    return cg_attention_plans_create(&pair, &view, problems, n, pass->plans, ret_workspace, err);
}

static void destroy_pass(cg_forward *f, struct forward_pass *pass)
{
    for (int i = 0; i < CG_MAX_ATTENTION_PROBLEMS; i++)
        if (pass->plans[i])
            f->config.attention->destroy(pass->plans[i]);
    cg_gemm_destroy(pass->qkv);
    cg_gemm_destroy(pass->o);
    cg_gemm_destroy(pass->gate_up);
    cg_gemm_destroy(pass->down);
    cg_product_destroy(pass->own_qkv);
    cg_product_destroy(pass->own_o);
    cg_product_destroy(pass->own_gate_up);
    cg_product_destroy(pass->own_down);
    *pass = (struct forward_pass) { .batch = pass->batch };
}

static void log_refused_prompts(const cg_forward *f, const cg_error *why)
{
    char text[CG_ERROR_TEXT];

    snprintf(text, sizeof text, "prompts are part of the steps of sequences: %.900s", why->msg);
    f->config.host->log(f->config.host->ctx, CG_LOG_INFO, text);
}

/* Plans prompt steps; none if attention refuses them and they are optional. */
static cg_status make_prompt_plans(cg_forward *f, size_t *ret_workspace, cg_error *err)
{
    cg_error why = CG_ERROR_INIT;
    cg_status st;

    *ret_workspace = 0;
    if (!f->prompts.batch->rows)
        return CG_OK;
    st = make_plans(f, &f->prompts, f->prompts.batch->max_seqs, ret_workspace, &why);
    if (st == CG_OK) {
        f->has_prompts = 1;
        return CG_OK;
    }
    if (st != CG_ERR_UNSUPPORTED)
        return cg_fail(err, st, "%s", why.msg);
    if (!f->config.prompts_optional)
        return cg_fail(err, st, "prompt steps: %s", why.msg);
    log_refused_prompts(f, &why);
    destroy_pass(f, &f->prompts);
    *ret_workspace = 0;
    return CG_OK;
}

/* Plans attention for all steps and allocates the workspace. Where prompts have steps of their own,
 * the others have sequences alone. */
static cg_status make_attention(cg_forward *f, cg_error *err)
{
    size_t workspace, for_prompts;

    CG_TRY(make_prompt_plans(f, &for_prompts, err));
    CG_TRY(make_plans(f, &f->steps, f->has_prompts ? f->state->n_slots : f->state->n_kv_slots,
                      &workspace, err));
    workspace = for_prompts > workspace ? for_prompts : workspace;
    return workspace ? cg_device_alloc(&f->memory, workspace, &f->workspace, err) : CG_OK;
}

/* The kernels load and store eight elements at a time. */
static cg_status check_shape(const cg_model_config *c, cg_error *err)
{
    if (c->hidden % 8 || c->intermediate % 8 || c->head_dim % 8 || c->head_dim > 256)
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "hidden size %d, intermediate size %d, head size %d: on a GPU they must be "
                       "multiples of 8, the last at most 256",
                       c->hidden, c->intermediate, c->head_dim);
    return CG_OK;
}

static cg_status upload_weights(cg_forward *f, cg_error *err)
{
    const cg_model *m = f->config.model;
    cg_dtype t = f->config.dtype;
    const cg_tensor_ref *embed = &m->embed, *head = &m->head, *positions = &m->positions;
    const cg_tensor_ref *norm = &m->final_norm, *norm_bias = &m->final_norm_bias;

    CG_TRY(cg_device_upload(&f->memory, &embed, 1, t, &f->embed, err));
    f->head_weights = f->embed;
    if (head->data != embed->data)
        CG_TRY(cg_device_upload(&f->memory, &head, 1, t, &f->head_weights, err));
    CG_TRY(upload_present(f, &positions, 1, t, &f->positions, err));
    CG_TRY(upload_present(f, &norm, 1, CG_F32, &f->final_norm.weight, err));
    CG_TRY(upload_present(f, &norm_bias, 1, CG_F32, &f->final_norm.bias, err));
    for (int32_t l = 0; l < f->shape.n_layers; l++) {
        f->layers[l].problem = cg_attention_problem_of_layer(&f->shape, f->config.max_len, l);
        CG_TRY(upload_layer(f, &m->layers[l], &f->layers[l], err));
    }
    return upload_rope(f, err);
}

/* Allocates the activations, zeroed. */
static cg_status make_activations(cg_forward *f, cg_error *err)
{
    size_t element = cg_dtype_size(f->config.dtype);
    int64_t hidden = f->shape.hidden, intermediate = f->shape.intermediate;
    int64_t rows = f->steps.batch->rows;
    int64_t prompt_rows = f->has_prompts ? f->prompts.batch->rows : 0;
    int64_t n = rows > prompt_rows ? rows : prompt_rows;
    const struct {
        void *ret_ptr; /* address of the pointer */
        int64_t rows, width;
        size_t element;
    } arrays[] = {
        { &f->x, n, hidden, sizeof(float) },
        { &f->h, n, hidden, element },
        { &f->qkv, n, f->qkv_dim, element },
        { &f->att, n, f->q_dim, element },
        { &f->gate_up, n, f->mlp_dim, element },
        { &f->act, n, intermediate, element },
        { &f->out_h, f->out_rows, hidden, element },
        { &f->h_scale, n, 1, sizeof(float) },
        { &f->sums, n, hidden / 32 + 8, sizeof(float) },
    };

    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        size_t bytes = (size_t)(arrays[i].rows * arrays[i].width) * arrays[i].element;
        void *p;

        CG_TRY(cg_device_alloc(&f->memory, bytes, &p, err));
        memcpy(arrays[i].ret_ptr, &p, sizeof p);
        CG_TRY(CG_CUDA(cudaMemsetAsync(p, 0, bytes, f->config.stream), err));
    }
    return CG_OK;
}

static cg_status make_gemms(cg_forward *f, struct forward_pass *pass, cg_error *err)
{
    cg_dtype t = f->config.dtype;
    int64_t hidden = f->shape.hidden, intermediate = f->shape.intermediate;
    int64_t rows = pass->batch->rows;
    const struct {
        cg_gemm **ret_gemm;
        const cg_product *own;
        cg_gemm_shape shape; /* rows, outputs, inputs, types, accumulate, tf32 */
    } gemms[] = {
        { &pass->qkv, pass->own_qkv, { rows, f->qkv_dim, hidden, t, t, 0, 0 } },
        { &pass->o, pass->own_o, { rows, hidden, f->q_dim, t, CG_F32, 1, 0 } },
        { &pass->gate_up, pass->own_gate_up, { rows, f->mlp_dim, hidden, t, t, 0, 0 } },
        { &pass->down, pass->own_down, { rows, hidden, intermediate, t, CG_F32, 1, 0 } },
    };

    for (size_t i = 0; i < sizeof gemms / sizeof *gemms; i++)
        if (!gemms[i].own)
            CG_TRY(cg_gemm_create(f->gemms, &gemms[i].shape, gemms[i].ret_gemm, err));
    return CG_OK;
}

/* Whether a layer has a bias of the kind whose pointer lies `offset` bytes into device_layer. */
static int has_bias(const cg_forward *f, size_t offset)
{
    for (int32_t l = 0; l < f->shape.n_layers; l++) {
        const float *bias;

        memcpy(&bias, (const char *)&f->layers[l] + offset, sizeof bias);
        if (bias)
            return 1;
    }
    return 0;
}

struct wanted_product {
    cg_product **ret_product;
    cg_product_shape shape; /* rows, outputs, inputs, end, head_dim, is_i8, is_invariant */
};

/* Creates all, or none where one of them has no kernel. */
static cg_status make_all_or_none(cg_forward *f, const struct wanted_product *products, int n,
                                  cg_error *err)
{
    int n_found = 0;

    for (int i = 0; i < n; i++) {
        CG_TRY(
            cg_product_create(&products[i].shape, f->config.stream, products[i].ret_product, err));
        n_found += *products[i].ret_product != NULL;
    }
    for (int i = 0; i < n && n_found < n; i++) {
        cg_product_destroy(*products[i].ret_product);
        *products[i].ret_product = NULL;
    }
    return CG_OK;
}

/* Own products in place of all of a layer, where they are the faster ones (NOTES.md). With
 * --deterministic passes of all numbers of rows have the same products. */
static cg_status make_all_products(cg_forward *f, struct forward_pass *pass, cg_error *err)
{
    const int64_t rows = pass->batch->rows, hidden = f->shape.hidden;
    const int32_t same = f->config.deterministic;
    const struct wanted_product products[] = {
        { &pass->own_qkv,
          { rows, f->qkv_dim, hidden, CG_PRODUCT_HEADS, f->shape.head_dim, 0, same } },
        { &pass->own_o, { rows, hidden, f->q_dim, CG_PRODUCT_RESIDUAL, 0, 0, same } },
        { &pass->own_down,
          { rows, hidden, f->shape.intermediate, CG_PRODUCT_RESIDUAL, 0, 0, same } },
    };

    if ((rows * f->qkv_dim > MOST_QKV && !same) ||
        has_bias(f, offsetof(struct device_layer, qkv.bias)) ||
        has_bias(f, offsetof(struct device_layer, o.bias)) ||
        has_bias(f, offsetof(struct device_layer, down.bias)))
        return CG_OK;
    return make_all_or_none(f, products, sizeof products / sizeof *products, err);
}

/* The products of i8, for a model that cg_check_i8_products() has passed. */
static cg_status make_i8_products(cg_forward *f, struct forward_pass *pass, cg_error *err)
{
    const int64_t rows = pass->batch->rows, hidden = f->shape.hidden;
    const int64_t intermediate = f->shape.intermediate;
    const int32_t same = f->config.deterministic;
    const struct wanted_product products[] = {
        { &pass->own_qkv,
          { rows, f->qkv_dim, hidden, CG_PRODUCT_HEADS, f->shape.head_dim, 1, same } },
        { &pass->own_gate_up, { rows, intermediate, hidden, CG_PRODUCT_SWIGLU, 0, 1, same } },
    };
    const struct wanted_product residual[] = {
        { &pass->own_o, { rows, hidden, f->q_dim, CG_PRODUCT_RESIDUAL, 0, 0, same } },
        { &pass->own_down, { rows, hidden, intermediate, CG_PRODUCT_RESIDUAL, 0, 0, same } },
    };

    CG_TRY(make_all_or_none(f, products, sizeof products / sizeof *products, err));
    if (!pass->own_qkv)
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "dtype int8: this build has no products of int8 for this GPU; wanted a "
                       "build for the architecture 90a, or dtype bf16");
    if (!same || has_bias(f, offsetof(struct device_layer, o.bias)))
        return CG_OK;
    return make_all_or_none(f, residual, sizeof residual / sizeof *residual, err);
}

/* Selects products with what follows them, for layers of the kind that these know. */
static cg_status make_products(cg_forward *f, struct forward_pass *pass, cg_error *err)
{
    const cg_model_config *c = &f->shape;
    const cg_product_shape gate_up = {
        .rows = pass->batch->rows,
        .outputs = c->intermediate,
        .inputs = c->hidden,
        .end = CG_PRODUCT_SWIGLU,
        .is_invariant = f->config.deterministic,
    };

    if (f->config.has_i8_products)
        return make_i8_products(f, pass, err);
    if (f->config.dtype != CG_BF16 || c->norm != CG_NORM_RMS || c->parallel_residual ||
        c->mlp != CG_MLP_GATED || c->activation != CG_ACT_SILU ||
        has_bias(f, offsetof(struct device_layer, gate_up.bias)))
        return CG_OK;
    CG_TRY(cg_product_create(&gate_up, f->config.stream, &pass->own_gate_up, err));
    return pass->own_gate_up ? make_all_products(f, pass, err) : CG_OK;
}

cg_status cg_forward_create(const cg_forward_config *config, const cg_step_state *state,
                            cg_forward **ret_forward, cg_error *err)
{
    const cg_model_config *mc = &config->model->config;
    int32_t row_block = config->deterministic ? CG_GEMM_ROW_BLOCK : 1;
    cg_forward *f;
    cg_status st;

    CG_TRY(check_shape(mc, err));
    if (config->has_i8_products)
        CG_TRY(cg_check_i8_products(mc, config->compute_capability, err));
    f = calloc(1, sizeof *f);
    if (!f)
        return cg_fail_nomem(err, "model");
    f->config = *config;
    f->state = state;
    f->step = -1;
    f->shape = *mc;
    f->q_dim = mc->n_heads * mc->head_dim;
    f->kv_dim = mc->n_kv_heads * mc->head_dim;
    f->qkv_dim = f->q_dim + 2 * f->kv_dim;
    f->mlp_dim = (mc->mlp == CG_MLP_GATED ? 2 : 1) * mc->intermediate;
    f->steps.batch = &state->batch;
    f->prompts.batch = config->prompts;
    f->out_rows = (state->n_slots + row_block - 1) / row_block * row_block;
    f->layers = calloc((size_t)mc->n_layers, sizeof *f->layers);
    if (!f->layers) {
        st = cg_fail_nomem(err, "model");
        goto out;
    }
    CG_TRY_GOTO(st, cg_gemm_context_create(config->deterministic, config->stream, &f->gemms, err),
                out);
    CG_TRY_GOTO(st, upload_weights(f, err), out);
    CG_TRY_GOTO(st, make_attention(f, err), out);
    CG_TRY_GOTO(st, make_activations(f, err), out);
    CG_TRY_GOTO(st, make_products(f, &f->steps, err), out);
    CG_TRY_GOTO(st, make_gemms(f, &f->steps, err), out);
    if (f->has_prompts) {
        CG_TRY_GOTO(st, make_products(f, &f->prompts, err), out);
        CG_TRY_GOTO(st, make_gemms(f, &f->prompts, err), out);
    }
    *ret_forward = f;
    f = NULL;
out:
    cg_forward_destroy(f);
    return st;
}

void cg_forward_destroy(cg_forward *f)
{
    if (!f)
        return;
    cudaStreamSynchronize(f->config.stream);
    destroy_pass(f, &f->steps);
    destroy_pass(f, &f->prompts);
    cg_gemm_destroy(f->head_gemm);
    cg_gemm_context_destroy(f->gemms);
    cg_device_memory_finish(&f->memory);
    cudaFree(f->head);
    cudaFree(f->logits);
    free(f->layers);
    free(f);
}

/* Replaces head, logits and their product by ones of `padded` head rows. */
static cg_status resize_head(cg_forward *f, int64_t padded, cg_error *err)
{
    cg_gemm_shape shape = { f->out_rows, padded, f->shape.hidden, f->config.dtype, CG_F32, 0, 0 };
    size_t head_bytes = (size_t)(padded * f->shape.hidden) * cg_dtype_size(f->config.dtype);
    size_t logits_bytes = (size_t)(f->out_rows * padded) * sizeof(float);

    cg_gemm_destroy(f->head_gemm);
    f->head_gemm = NULL;
    cudaFree(f->head);
    cudaFree(f->logits);
    f->head = NULL;
    f->logits = NULL;
    f->padded_head_rows = 0;
    CG_TRY(CG_CUDA(cudaMalloc(&f->head, head_bytes), err));
    CG_TRY(CG_CUDA(cudaMalloc((void **)&f->logits, logits_bytes), err));
    CG_TRY(cg_gemm_create(f->gemms, &shape, &f->head_gemm, err));
    f->padded_head_rows = padded;
    return CG_OK;
}

cg_status cg_forward_set_head_rows(cg_forward *f, const int32_t *head_token, int32_t n,
                                   cg_error *err)
{
    int64_t padded = ((int64_t)n + HEAD_ROW_PANEL - 1) / HEAD_ROW_PANEL * HEAD_ROW_PANEL;

    CG_TRY(CG_CUDA(cudaStreamSynchronize(f->config.stream), err));
    if (padded != f->padded_head_rows)
        CG_TRY(resize_head(f, padded, err));
    CG_TRY(cg_cuda_gather_rows(f->head_weights, head_token, n, (int32_t)padded, f->shape.hidden,
                               f->config.dtype, f->head, f->config.stream, err));
    f->n_head_rows = n;
    return CG_OK;
}

/* ---- the pass ----------------------------------------------------------------------------- */

/*
 * Whether the kernels of this module may store to the cache instead of append(): the cache allows
 * it, and its elements are activations or have scales, values in the places of keys. A cache with a
 * window gets the appends of one layer, which tell it how far the sequences are.
 */
static int stores_by_view(const cg_forward_config *c, int32_t layer, const cg_kv_view *view)
{
    int own = view->v_block_stride || view->v_head_stride || view->v_token_stride;
    int same_strides = !own || (view->v_block_stride == view->block_stride &&
                                view->v_head_stride == view->head_stride &&
                                view->v_token_stride == view->token_stride);
    int has_scales = cg_kv_is_scaled(view->dtype);
    int32_t flag = has_scales ? CG_CACHE_STORE_SCALED : CG_CACHE_STORE_BY_VIEW;

    return CG_HAS_SIZE(c->cache, flags) && (c->cache->flags & flag) &&
           (has_scales || view->dtype == c->dtype) && has_scales == (view->k_scale != NULL) &&
           has_scales == (view->v_scale != NULL) && same_strides &&
           (!has_scales ||
            (view->scale_block_stride && view->scale_head_stride && view->scale_token_stride)) &&
           !(c->cache_has_window && layer == 0);
}

/* The tables of rotation of a layer: NULL for none. */
static const float *cosines_of(const cg_forward *f, int32_t layer)
{
    return f->shape.layer_flags[layer] & CG_LAYER_NO_ROPE ? NULL : f->cosines;
}

/* q, k and v of f->h; q and k normalised and rotated; k and v in the cache if `store`. */
static cg_status project_heads(cg_forward *f, const struct forward_pass *pass, int32_t layer,
                               const cg_kv_view *view, int store, cg_error *err)
{
    const cg_forward_config *c = &f->config;
    const struct device_layer *l = &f->layers[layer];
    const cg_step_batch *b = pass->batch;
    cg_product_args own = {
        .a = f->h,
        .w = l->qkv.w,
        .out = f->qkv,
        .a_scale = f->h_scale,
        .w_scale = l->qkv.scale,
        .sums = f->sums,
        .n_sums = f->n_sums,
        .width = f->shape.hidden,
        .eps = (float)f->shape.norm_eps,
        .q_norm = l->q_norm,
        .k_norm = l->k_norm,
        .cosines = cosines_of(f, layer),
        .sines = f->sines,
        .slot = b->slot,
        .pos = b->pos,
        .n_heads = f->shape.n_heads,
        .n_kv_heads = f->shape.n_kv_heads,
        .head_eps = (float)f->shape.norm_eps,
        .store = store,
        .view = *view,
    };
    cg_cuda_qkv qkv = {
        .qkv = f->qkv,
        .bias = l->qkv.bias,
        .q_norm = l->q_norm,
        .k_norm = l->k_norm,
        .cosines = cosines_of(f, layer),
        .sines = f->sines,
        .slot = b->slot,
        .pos = b->pos,
        .rows = b->rows,
        .n_heads = f->shape.n_heads,
        .n_kv_heads = f->shape.n_kv_heads,
        .head_dim = f->shape.head_dim,
        .eps = (float)f->shape.norm_eps,
        .act = c->dtype,
        .store = store,
        .view = *view,
    };

    if (pass->own_qkv)
        return cg_product_run(pass->own_qkv, &own, err);
    CG_TRY(cg_gemm_run(pass->qkv, f->h, l->qkv.w, f->qkv, err));
    return cg_cuda_rope_store(&qkv, c->stream, err);
}

/* Stores k and v, which f->qkv holds, in the cache of this layer. */
static cg_status append_to_cache(cg_forward *f, const cg_step_batch *b, int32_t layer,
                                 cg_error *err)
{
    const cg_forward_config *c = &f->config;
    int64_t element = cg_dtype_size(c->dtype);
    cg_cache_append append = {
        CG_SIZED(cg_cache_append),
        .n_tokens = b->rows,
        .slot = b->slot,
        .pos = b->pos,
        .k = (char *)f->qkv + f->q_dim * element,
        .v = (char *)f->qkv + (f->q_dim + f->kv_dim) * element,
        .k_stride = f->qkv_dim * element,
        .v_stride = f->qkv_dim * element,
        .dtype = c->dtype,
        .stream = c->stream,
    };
    cg_plugin_call call = cache_call(f, layer);
    cg_error why = CG_ERROR_INIT;

    return cg_plugin_call_status(&call, c->cache->append(c->cache_self, layer, &append, &why), &why,
                                 err);
}

static cg_status attend(cg_forward *f, const struct forward_pass *pass, int32_t layer,
                        const cg_kv_view *view, cg_error *err)
{
    const cg_step_batch *b = pass->batch;
    int64_t element = cg_dtype_size(f->config.dtype);
    cg_attention_args args = {
        CG_SIZED(cg_attention_args),
        .n_tokens = b->rows,
        .n_seqs = b->max_seqs,
        .q = f->qkv,
        .out = f->att,
        .q_stride = f->qkv_dim * element,
        .out_stride = f->q_dim * element,
        .q_start = b->q_start,
        .slot = b->seq_slot,
        .kv_len = b->kv_len,
        .kv = view,
        .workspace = f->workspace,
        .stream = f->config.stream,
    };
    cg_plugin_call call = attention_call(f, layer);
    cg_error why = CG_ERROR_INIT;

    return cg_plugin_call_status(
        &call, f->config.attention->run(pass->plans[f->layers[layer].problem], &args, &why), &why,
        err);
}

/*
 * h[i] = norm(x[row[i]]) for i < *n, 0 for the other rows of h [rows, hidden].
 *
 * @param row, n  NULL: all rows
 */
static cg_status normalise(cg_forward *f, const struct device_norm *norm, const int32_t *row,
                           const int32_t *n, int32_t rows, void *h, cg_error *err)
{
    float eps = (float)f->shape.norm_eps;
    cudaStream_t stream = f->config.stream;
    cg_dtype t = f->config.dtype;

    if (f->shape.norm == CG_NORM_LAYER)
        return cg_cuda_layer_norm(f->x, norm->weight, norm->bias, eps, row, n, rows,
                                  f->shape.hidden, t, h, stream, err);
    return cg_cuda_rms_norm(f->x, norm->weight, eps, row, n, rows, f->shape.hidden, t, h, stream,
                            err);
}

static cg_status normalise_all(cg_forward *f, const struct device_norm *norm, int32_t rows,
                               cg_error *err)
{
    f->n_sums = 0;
    if (f->config.has_i8_products)
        return cg_cuda_rms_norm_i8(f->x, norm->weight, (float)f->shape.norm_eps, rows,
                                   f->shape.hidden, f->h, f->h_scale, f->config.stream, err);
    return normalise(f, norm, NULL, NULL, rows, f->h, err);
}

/*
 * x += input m^T + bias; then f->h as the product of its rows wants it, by the norm.
 *
 * @param own   or NULL: `gemm`
 * @param norm  NULL: f->h stays as it is
 */
static cg_status add_product(cg_forward *f, const cg_product *own, cg_gemm *gemm, int32_t rows,
                             const void *input, const struct device_matrix *m,
                             const struct device_norm *norm, cg_error *err)
{
    const int is_normalised = f->config.has_i8_products; /* f->h */
    const cg_product_args args = {
        .a = input,
        .w = m->w,
        .out = f->h,
        .x = f->x,
        .norm = norm && !is_normalised ? norm->weight : NULL,
        .out_sums = f->sums,
    };

    if (own) {
        CG_TRY(cg_product_run(own, &args, err));
        f->n_sums = cg_product_sums(own);
        return norm && is_normalised ? normalise_all(f, norm, rows, err) : CG_OK;
    }
    CG_TRY(cg_gemm_run(gemm, input, m->w, f->x, err));
    if (m->bias)
        CG_TRY(cg_cuda_add_bias(f->x, m->bias, rows, f->shape.hidden, f->config.stream, err));
    return norm ? normalise_all(f, norm, rows, err) : CG_OK;
}

static cg_status activate(cg_forward *f, int32_t rows, const float *bias, cg_error *err)
{
    const cg_model_config *c = &f->shape;
    int gated = c->mlp == CG_MLP_GATED;

    if (gated && c->activation == CG_ACT_SILU && !bias)
        return cg_cuda_silu_mul(f->gate_up, rows, c->intermediate, f->config.dtype, f->act,
                                f->config.stream, err);
    return cg_cuda_activate(f->gate_up, bias, rows, c->intermediate, gated, c->activation,
                            f->config.dtype, f->act, f->config.stream, err);
}

/* f->act = the activation of gate and up of f->h. */
static cg_status run_mlp_input(cg_forward *f, const struct forward_pass *pass,
                               const struct device_layer *l, cg_error *err)
{
    const cg_product_args own = {
        .a = f->h,
        .w = l->gate_up.w,
        .out = f->act,
        .a_scale = f->h_scale,
        .w_scale = l->gate_up.scale,
        .sums = f->sums,
        .n_sums = f->n_sums,
        .width = f->shape.hidden,
        .eps = (float)f->shape.norm_eps,
    };

    if (pass->own_gate_up)
        return cg_product_run(pass->own_gate_up, &own, err);
    CG_TRY(cg_gemm_run(pass->gate_up, f->h, l->gate_up.w, f->gate_up, err));
    return activate(f, pass->batch->rows, l->gate_up.bias, err);
}

/* f->h holds the input of the layer on entry, that of the next layer on return. */
static cg_status run_layer(cg_forward *f, const struct forward_pass *pass, int32_t i, cg_error *err)
{
    const struct device_layer *l = &f->layers[i];
    const int is_parallel = f->shape.parallel_residual; /* the MLP's input is that of the layer */
    const struct device_norm *next =
        i + 1 < f->shape.n_layers ? &f->layers[i + 1].input_norm : NULL;
    int32_t rows = pass->batch->rows;
    cg_kv_view view = { CG_SIZED(cg_kv_view) };
    int store;

    CG_TRY(cache_view(f, i, &view, err));
    store = stores_by_view(&f->config, i, &view);
    CG_TRY(project_heads(f, pass, i, &view, store, err));
    if (!store)
        CG_TRY(append_to_cache(f, pass->batch, i, err));
    CG_TRY(attend(f, pass, i, &view, err));
    if (is_parallel)
        CG_TRY(normalise_all(f, &l->post_norm, rows, err));
    CG_TRY(add_product(f, pass->own_o, pass->o, rows, f->att, &l->o,
                       is_parallel ? NULL : &l->post_norm, err));
    CG_TRY(run_mlp_input(f, pass, l, err));
    return add_product(f, pass->own_down, pass->down, rows, f->act, &l->down, next, err);
}

/* x and h of the first layer. */
static cg_status embed(cg_forward *f, const cg_step_batch *b, cg_error *err)
{
    const struct device_norm *norm = &f->layers[0].input_norm;
    cudaStream_t stream = f->config.stream;
    cg_dtype t = f->config.dtype;

    f->n_sums = 0;
    if (f->shape.norm == CG_NORM_RMS && !f->positions && !f->config.has_i8_products)
        return cg_cuda_embed_norm(b->token, f->embed, norm->weight, (float)f->shape.norm_eps,
                                  b->rows, f->shape.hidden, t, f->x, f->h, stream, err);
    CG_TRY(cg_cuda_embed(b->token, b->pos, f->embed, f->positions, b->rows, f->shape.hidden, t,
                         f->x, stream, err));
    return normalise_all(f, norm, b->rows, err);
}

static cg_status run_layers(cg_forward *f, const struct forward_pass *pass, int64_t step,
                            cg_error *err)
{
    f->step = step;
    CG_TRY(embed(f, pass->batch, err));
    for (int32_t l = 0; l < f->shape.n_layers; l++)
        CG_TRY(run_layer(f, pass, l, err));
    return CG_OK;
}

cg_status cg_forward_run(cg_forward *f, int64_t step, cg_error *err)
{
    const cg_step_state *s = f->state;

    CG_TRY(run_layers(f, &f->steps, step, err));
    if (!f->n_head_rows) /* no program yet, only prompts */
        return CG_OK;
    CG_TRY(normalise(f, &f->final_norm, s->out_row, s->n_out, f->out_rows, f->out_h, err));
    return cg_gemm_run(f->head_gemm, f->out_h, f->head, f->logits, err);
}

int cg_forward_has_prompt_steps(const cg_forward *f)
{
    return f->has_prompts;
}

cg_status cg_forward_run_prompts(cg_forward *f, int64_t step, cg_error *err)
{
    return run_layers(f, &f->prompts, step, err);
}

const float *cg_forward_logits(const cg_forward *f, int64_t *ret_stride, int32_t *ret_n)
{
    *ret_stride = f->padded_head_rows;
    *ret_n = f->n_head_rows;
    return f->logits;
}

int64_t cg_forward_bytes(const cg_forward *f)
{
    size_t element = cg_dtype_size(f->config.dtype);

    return f->memory.bytes + f->padded_head_rows * f->shape.hidden * (int64_t)element +
           f->out_rows * f->padded_head_rows * (int64_t)sizeof(float);
}
