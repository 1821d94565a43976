/* SPDX-License-Identifier: MIT */
#include "forward.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "gemm.h"
#include "layers.h"
#include "model/attention_problem.h"

enum { COLUMN_PANEL = 128 }; /* columns of the head are padded to whole panels */

struct layer {
    float *input_norm, *post_norm; /* [hidden] */
    float *q_norm, *k_norm;        /* [head_dim] or NULL */
    float *qkv_bias;               /* [qkv_dim] or NULL */
    void *qkv, *o, *gate_up, *down;
};

struct cg_forward {
    cg_forward_config config;
    const cg_step_state *state;
    cg_model_config shape;
    int32_t q_dim, kv_dim, qkv_dim;
    int32_t rows; /* of a step, the budget padded for deterministic products */
    int32_t out_rows;
    cg_gemm_context *gemms;
    cg_gemm *qkv_gemm, *o_gemm, *gate_up_gemm, *down_gemm, *head_gemm;
    struct layer *layers;
    float *final_norm;
    void *embed, *head_weights; /* [vocab, hidden]; the same memory where tied */
    void *head;                 /* [padded columns, hidden] rows of head_weights */
    int32_t n_head_rows;
    int64_t padded_columns;
    float *cosines, *sines; /* [max_len, head_dim / 2] */
    void *plan;
    void *workspace;
    float *x;                            /* [rows, hidden] */
    void *h, *qkv, *att, *gate_up, *act; /* [rows, ...] */
    void *out_h;                         /* [out_rows, hidden] */
    float *logits;                       /* [out_rows, padded columns] */
    void **blocks;                       /* everything allocated but head and logits */
    size_t n_blocks, cap_blocks;
    int64_t bytes;
};

static cg_status nomem(cg_error *err)
{
    return cg_fail(err, CG_ERR_NOMEM, "model: out of memory");
}

/* ---- memory ------------------------------------------------------------------------------- */

/* Device memory that lives as long as f. */
static cg_status take(cg_forward *f, size_t bytes, void *ret_ptr, cg_error *err)
{
    void *p = NULL;
    cg_status status;

    if (cg_grow((void **)&f->blocks, &f->cap_blocks, f->n_blocks + 1, sizeof *f->blocks))
        return nomem(err);
    status = CG_CUDA(cudaMalloc(&p, bytes), NULL);
    if (status != CG_OK)
        return cg_fail(err, status, "model: no memory on the GPU for %zu more bytes", bytes);
    f->blocks[f->n_blocks++] = p;
    f->bytes += (int64_t)bytes;
    memcpy(ret_ptr, &p, sizeof p);
    return CG_OK;
}

static cg_status take_rows(cg_forward *f, int64_t rows, int64_t width, size_t element,
                           void *ret_ptr, cg_error *err)
{
    size_t bytes = (size_t)(rows * width) * element;
    cg_status status = take(f, bytes, ret_ptr, err);
    void *p;

    if (status != CG_OK)
        return status;
    memcpy(&p, ret_ptr, sizeof p);
    return CG_CUDA(cudaMemsetAsync(p, 0, bytes, f->config.stream), err);
}

/* One matrix into device memory as `to`. */
static cg_status upload(cg_forward *f, const cg_tensor_ref *ref, cg_dtype to, void *dst,
                        cg_error *err)
{
    enum { CHUNK = 1 << 22 }; /* elements converted at a time */
    int64_t rows_at_once = CHUNK / ref->cols > 0 ? CHUNK / ref->cols : 1;
    float *plain;
    uint16_t *half;
    cg_status status = CG_OK;

    if (ref->dtype == to)
        return CG_CUDA(
            cudaMemcpy(dst, ref->data, (size_t)cg_weight_bytes(ref), cudaMemcpyHostToDevice), err);
    plain = cg_alloc_array((size_t)(rows_at_once * ref->cols), sizeof *plain);
    if (!plain)
        return nomem(err);
    half = (uint16_t *)plain; /* element i is read before its half is written */
    for (int64_t row = 0; row < ref->rows && status == CG_OK; row += rows_at_once) {
        int64_t n = ref->rows - row < rows_at_once ? ref->rows - row : rows_at_once;
        size_t bytes = (size_t)(n * ref->cols) * cg_dtype_size(to);

        cg_weight_to_f32(ref, row, n, plain);
        if (to == CG_BF16)
            for (int64_t i = 0; i < n * ref->cols; i++) {
                uint16_t b = cg_bf16_from_f32(plain[i]);

                memcpy(&half[i], &b, sizeof b);
            }
        status = CG_CUDA(cudaMemcpy((char *)dst + row * ref->cols * cg_dtype_size(to), plain, bytes,
                                    cudaMemcpyHostToDevice),
                         err);
    }
    free(plain);
    return status;
}

/* Matrices of the same width, one below the other; parts without data are left out. */
static cg_status upload_stack(cg_forward *f, const cg_tensor_ref *const *parts, int n, cg_dtype to,
                              void *ret_ptr, cg_error *err)
{
    size_t bytes = 0, at = 0, size = cg_dtype_size(to);
    char *dst;
    cg_status status;

    for (int i = 0; i < n; i++)
        bytes += (size_t)(parts[i]->rows * parts[i]->cols) * size;
    status = take(f, bytes, &dst, err);
    for (int i = 0; i < n && status == CG_OK; i++) {
        status = upload(f, parts[i], to, dst + at, err);
        at += (size_t)(parts[i]->rows * parts[i]->cols) * size;
    }
    if (status == CG_OK)
        memcpy(ret_ptr, &dst, sizeof dst);
    return status;
}

static cg_status upload_one(cg_forward *f, const cg_tensor_ref *ref, cg_dtype to, void *ret_ptr,
                            cg_error *err)
{
    return upload_stack(f, &ref, 1, to, ret_ptr, err);
}

static cg_status upload_layer(cg_forward *f, const cg_layer_weights *w, struct layer *l,
                              cg_error *err)
{
    const cg_tensor_ref *qkv[] = { &w->q, &w->k, &w->v }, *gate_up[] = { &w->gate, &w->up };
    const cg_tensor_ref *bias[] = { &w->q_bias, &w->k_bias, &w->v_bias };
    cg_dtype t = f->config.dtype;
    cg_status status = upload_one(f, &w->input_norm, CG_F32, &l->input_norm, err);

    if (status == CG_OK)
        status = upload_one(f, &w->post_norm, CG_F32, &l->post_norm, err);
    if (status == CG_OK && w->q_norm.data)
        status = upload_one(f, &w->q_norm, CG_F32, &l->q_norm, err);
    if (status == CG_OK && w->k_norm.data)
        status = upload_one(f, &w->k_norm, CG_F32, &l->k_norm, err);
    if (status == CG_OK && w->q_bias.data)
        status = upload_stack(f, bias, 3, CG_F32, &l->qkv_bias, err);
    if (status == CG_OK)
        status = upload_stack(f, qkv, 3, t, &l->qkv, err);
    if (status == CG_OK)
        status = upload_one(f, &w->o, t, &l->o, err);
    if (status == CG_OK)
        status = upload_stack(f, gate_up, 2, t, &l->gate_up, err);
    if (status == CG_OK)
        status = upload_one(f, &w->down, t, &l->down, err);
    return status;
}

static cg_status upload_rope(cg_forward *f, cg_error *err)
{
    int64_t half = f->shape.head_dim / 2, n = (int64_t)f->config.max_len * half;
    float *inv_freq = cg_alloc_array((size_t)half, sizeof *inv_freq);
    float *cosines = cg_alloc_array((size_t)n, sizeof *cosines);
    float *sines = cg_alloc_array((size_t)n, sizeof *sines);
    size_t bytes = (size_t)n * sizeof *cosines;
    cg_status status = inv_freq && cosines && sines ? CG_OK : nomem(err);

    if (status == CG_OK) {
        cg_rope_inv_freq(&f->shape, inv_freq);
        for (int64_t p = 0; p < f->config.max_len; p++)
            for (int64_t i = 0; i < half; i++) {
                float angle = (float)p * inv_freq[i]; /* rounded to f32, as in training */

                cosines[p * half + i] = cosf(angle);
                sines[p * half + i] = sinf(angle);
            }
        status = take(f, bytes, &f->cosines, err);
    }
    if (status == CG_OK)
        status = take(f, bytes, &f->sines, err);
    if (status == CG_OK)
        status = CG_CUDA(cudaMemcpy(f->cosines, cosines, bytes, cudaMemcpyHostToDevice), err);
    if (status == CG_OK)
        status = CG_CUDA(cudaMemcpy(f->sines, sines, bytes, cudaMemcpyHostToDevice), err);
    free(inv_freq);
    free(cosines);
    free(sines);
    return status;
}

/* ---- create, destroy ---------------------------------------------------------------------- */

static cg_status make_gemm(cg_forward *f, int64_t outputs, int64_t inputs, cg_dtype out,
                           int accumulate, cg_gemm **ret_gemm, cg_error *err)
{
    cg_gemm_shape shape = { f->rows, outputs, inputs, f->config.dtype, out, accumulate };

    return cg_gemm_create(f->gemms, &shape, ret_gemm, err);
}

static cg_status make_plan(cg_forward *f, cg_error *err)
{
    const cg_forward_config *c = &f->config;
    cg_kv_view view = { CG_SIZED(cg_kv_view) };
    cg_attention_shape shape = {
        .device = CG_DEVICE_CUDA,
        .compute_capability = c->compute_capability,
        .dtype = c->dtype,
        .kv_dtype = c->dtype,
        .max_tokens = f->rows,
        .max_seqs = f->state->n_kv_slots,
        .max_kv_len = c->max_len,
        .flags = cg_attention_flags(CG_DEVICE_CUDA, c->deterministic),
    };
    cg_attention_problem problem = cg_attention_problem_of_model(&f->shape, &shape);
    size_t workspace;
    cg_status status = c->cache->view(c->cache_self, 0, &view, err);

    if (status != CG_OK)
        return status;
    cg_attention_problem_set_cache(&problem, c->cache, &view);
    status = c->attention->supports(c->host, &problem, err);
    if (status == CG_OK)
        status = c->attention->plan(c->host, &problem, &f->plan, err);
    if (status != CG_OK)
        return status;
    workspace = c->attention->workspace_size(f->plan);
    return workspace ? take(f, workspace, &f->workspace, err) : CG_OK;
}

/* The kernels move eight elements at a time. */
static cg_status check_shape(const cg_model_config *c, cg_error *err)
{
    if (c->hidden % 8 || c->intermediate % 8 || c->head_dim % 8 || c->head_dim > 256)
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "hidden size %d, intermediate size %d, head size %d: on a GPU they must be "
                       "multiples of 8, the last at most 256",
                       c->hidden, c->intermediate, c->head_dim);
    return CG_OK;
}

cg_status cg_forward_create(const cg_forward_config *config, const cg_step_state *state,
                            cg_forward **ret_forward, cg_error *err)
{
    const cg_model *model = config->model;
    const cg_model_config *mc = &model->config;
    size_t element = cg_dtype_size(config->dtype);
    int32_t piece = config->deterministic ? CG_GEMM_PIECE : 1;
    cg_forward *f;
    cg_status status = check_shape(mc, err);

    if (status != CG_OK)
        return status;
    f = calloc(1, sizeof *f);
    if (!f)
        return nomem(err);
    f->config = *config;
    f->state = state;
    f->shape = *mc;
    f->q_dim = mc->n_heads * mc->head_dim;
    f->kv_dim = mc->n_kv_heads * mc->head_dim;
    f->qkv_dim = f->q_dim + 2 * f->kv_dim;
    f->rows = state->step_tokens;
    f->out_rows = (state->n_slots + piece - 1) / piece * piece;
    f->layers = calloc((size_t)mc->n_layers, sizeof *f->layers);
    if (!f->layers)
        status = nomem(err);
    if (status == CG_OK)
        status = cg_gemm_context_create(config->deterministic, config->stream, &f->gemms, err);
    if (status == CG_OK)
        status = upload_one(f, &model->embed, config->dtype, &f->embed, err);
    f->head_weights = f->embed;
    if (status == CG_OK && model->head.data != model->embed.data)
        status = upload_one(f, &model->head, config->dtype, &f->head_weights, err);
    if (status == CG_OK)
        status = upload_one(f, &model->final_norm, CG_F32, &f->final_norm, err);
    for (int32_t l = 0; l < mc->n_layers && status == CG_OK; l++)
        status = upload_layer(f, &model->layers[l], &f->layers[l], err);
    if (status == CG_OK)
        status = upload_rope(f, err);
    if (status == CG_OK)
        status = take_rows(f, f->rows, mc->hidden, sizeof(float), &f->x, err);
    if (status == CG_OK)
        status = take_rows(f, f->rows, mc->hidden, element, &f->h, err);
    if (status == CG_OK)
        status = take_rows(f, f->rows, f->qkv_dim, element, &f->qkv, err);
    if (status == CG_OK)
        status = take_rows(f, f->rows, f->q_dim, element, &f->att, err);
    if (status == CG_OK)
        status = take_rows(f, f->rows, 2 * (int64_t)mc->intermediate, element, &f->gate_up, err);
    if (status == CG_OK)
        status = take_rows(f, f->rows, mc->intermediate, element, &f->act, err);
    if (status == CG_OK)
        status = take_rows(f, f->out_rows, mc->hidden, element, &f->out_h, err);
    if (status == CG_OK)
        status = make_gemm(f, f->qkv_dim, mc->hidden, config->dtype, 0, &f->qkv_gemm, err);
    if (status == CG_OK)
        status = make_gemm(f, mc->hidden, f->q_dim, CG_F32, 1, &f->o_gemm, err);
    if (status == CG_OK)
        status = make_gemm(f, 2 * (int64_t)mc->intermediate, mc->hidden, config->dtype, 0,
                           &f->gate_up_gemm, err);
    if (status == CG_OK)
        status = make_gemm(f, mc->hidden, mc->intermediate, CG_F32, 1, &f->down_gemm, err);
    if (status == CG_OK)
        status = make_plan(f, err);
    if (status != CG_OK) {
        cg_forward_destroy(f);
        return status;
    }
    *ret_forward = f;
    return CG_OK;
}

void cg_forward_destroy(cg_forward *f)
{
    if (!f)
        return;
    cudaStreamSynchronize(f->config.stream);
    if (f->plan)
        f->config.attention->destroy(f->plan);
    cg_gemm_destroy(f->qkv_gemm);
    cg_gemm_destroy(f->o_gemm);
    cg_gemm_destroy(f->gate_up_gemm);
    cg_gemm_destroy(f->down_gemm);
    cg_gemm_destroy(f->head_gemm);
    cg_gemm_context_destroy(f->gemms);
    for (size_t i = 0; i < f->n_blocks; i++)
        cudaFree(f->blocks[i]);
    cudaFree(f->head);
    cudaFree(f->logits);
    free(f->blocks);
    free(f->layers);
    free(f);
}

cg_status cg_forward_set_head_rows(cg_forward *f, const int32_t *head_token, int32_t n,
                                   cg_error *err)
{
    int64_t padded = ((int64_t)n + COLUMN_PANEL - 1) / COLUMN_PANEL * COLUMN_PANEL;
    cg_gemm_shape shape = { f->out_rows, padded, f->shape.hidden, f->config.dtype, CG_F32, 0 };
    size_t element = cg_dtype_size(f->config.dtype);
    cg_status status = CG_CUDA(cudaStreamSynchronize(f->config.stream), err);

    if (status == CG_OK && padded != f->padded_columns) {
        cg_gemm_destroy(f->head_gemm);
        f->head_gemm = NULL;
        cudaFree(f->head);
        cudaFree(f->logits);
        f->head = NULL;
        f->logits = NULL;
        f->padded_columns = 0;
        status = CG_CUDA(cudaMalloc(&f->head, (size_t)(padded * f->shape.hidden) * element), err);
        if (status == CG_OK)
            status = CG_CUDA(
                cudaMalloc((void **)&f->logits, (size_t)(f->out_rows * padded) * sizeof(float)),
                err);
        if (status == CG_OK)
            status = cg_gemm_create(f->gemms, &shape, &f->head_gemm, err);
        if (status != CG_OK)
            return status;
        f->padded_columns = padded;
    }
    if (status == CG_OK)
        status =
            cg_cuda_gather_rows(f->head_weights, head_token, n, (int32_t)padded, f->shape.hidden,
                                f->config.dtype, f->head, f->config.stream, err);
    if (status == CG_OK)
        f->n_head_rows = n;
    return status;
}

/* ---- the pass ----------------------------------------------------------------------------- */

/* Rotate, append this layer's keys and values, attend. */
static cg_status attend(cg_forward *f, int32_t layer, cg_error *err)
{
    const cg_forward_config *c = &f->config;
    const cg_step_state *s = f->state;
    const struct layer *l = &f->layers[layer];
    int64_t element = cg_dtype_size(c->dtype);
    cg_kv_view view = { CG_SIZED(cg_kv_view) };
    cg_cuda_qkv rope;
    cg_status status = c->cache->view(c->cache_self, layer, &view, err);

    if (status != CG_OK)
        return status;
    rope = (cg_cuda_qkv) {
        .qkv = f->qkv,
        .bias = l->qkv_bias,
        .q_norm = l->q_norm,
        .k_norm = l->k_norm,
        .cosines = f->cosines,
        .sines = f->sines,
        .slot = s->slot,
        .pos = s->pos,
        .rows = f->rows,
        .n_heads = f->shape.n_heads,
        .n_kv_heads = f->shape.n_kv_heads,
        .head_dim = f->shape.head_dim,
        .eps = (float)f->shape.rms_eps,
        .act = c->dtype,
        .store = CG_HAS_SIZE(c->cache, flags) && (c->cache->flags & CG_CACHE_STORE_BY_VIEW) &&
                 view.dtype == c->dtype,
        .view = view,
    };
    status = cg_cuda_rope_store(&rope, c->stream, err);
    if (status == CG_OK && !rope.store) {
        cg_cache_append append = {
            CG_SIZED(cg_cache_append),
            .n_tokens = f->rows,
            .slot = s->slot,
            .pos = s->pos,
            .k = (char *)f->qkv + f->q_dim * element,
            .v = (char *)f->qkv + (f->q_dim + f->kv_dim) * element,
            .k_stride = f->qkv_dim * element,
            .v_stride = f->qkv_dim * element,
            .dtype = c->dtype,
            .stream = c->stream,
        };

        status = c->cache->append(c->cache_self, layer, &append, err);
    }
    if (status == CG_OK) {
        cg_attention_args args = {
            CG_SIZED(cg_attention_args),
            .n_tokens = f->rows,
            .n_seqs = s->n_kv_slots,
            .q = f->qkv,
            .out = f->att,
            .q_stride = f->qkv_dim * element,
            .out_stride = f->q_dim * element,
            .q_start = s->q_start,
            .slot = s->seq_slot,
            .kv_len = s->kv_len,
            .kv = &view,
            .workspace = f->workspace,
            .stream = c->stream,
        };

        status = c->attention->run(f->plan, &args, err);
    }
    return status;
}

static cg_status run_layer(cg_forward *f, int32_t i, cg_error *err)
{
    const struct layer *l = &f->layers[i];
    cudaStream_t stream = f->config.stream;
    cg_dtype t = f->config.dtype;
    float eps = (float)f->shape.rms_eps;
    cg_status status = cg_gemm_run(f->qkv_gemm, f->h, l->qkv, f->qkv, err);

    if (status == CG_OK)
        status = attend(f, i, err);
    if (status == CG_OK)
        status = cg_gemm_run(f->o_gemm, f->att, l->o, f->x, err); /* x += */
    if (status == CG_OK)
        status = cg_cuda_rms_norm(f->x, l->post_norm, eps, NULL, NULL, f->rows, f->shape.hidden, t,
                                  f->h, stream, err);
    if (status == CG_OK)
        status = cg_gemm_run(f->gate_up_gemm, f->h, l->gate_up, f->gate_up, err);
    if (status == CG_OK)
        status =
            cg_cuda_silu_mul(f->gate_up, f->rows, f->shape.intermediate, t, f->act, stream, err);
    if (status == CG_OK)
        status = cg_gemm_run(f->down_gemm, f->act, l->down, f->x, err); /* x += */
    if (status == CG_OK && i + 1 < f->shape.n_layers)
        status = cg_cuda_rms_norm(f->x, f->layers[i + 1].input_norm, eps, NULL, NULL, f->rows,
                                  f->shape.hidden, t, f->h, stream, err);
    return status;
}

cg_status cg_forward_run(cg_forward *f, cg_error *err)
{
    const cg_step_state *s = f->state;
    cudaStream_t stream = f->config.stream;
    float eps = (float)f->shape.rms_eps;
    cg_status status =
        cg_cuda_embed_norm(s->token, f->embed, f->layers[0].input_norm, eps, f->rows,
                           f->shape.hidden, f->config.dtype, f->x, f->h, stream, err);

    for (int32_t l = 0; l < f->shape.n_layers && status == CG_OK; l++)
        status = run_layer(f, l, err);
    if (status != CG_OK || !f->n_head_rows) /* no program yet: only prompts */
        return status;
    status = cg_cuda_rms_norm(f->x, f->final_norm, eps, s->out_row, s->n_out, f->out_rows,
                              f->shape.hidden, f->config.dtype, f->out_h, stream, err);
    return status == CG_OK ? cg_gemm_run(f->head_gemm, f->out_h, f->head, f->logits, err) : status;
}

const float *cg_forward_logits(const cg_forward *f, int64_t *ret_stride, int32_t *ret_n)
{
    *ret_stride = f->padded_columns;
    *ret_n = f->n_head_rows;
    return f->logits;
}

int64_t cg_forward_bytes(const cg_forward *f)
{
    size_t element = cg_dtype_size(f->config.dtype);

    return f->bytes + f->padded_columns * f->shape.hidden * (int64_t)element +
           f->out_rows * f->padded_columns * (int64_t)sizeof(float);
}
