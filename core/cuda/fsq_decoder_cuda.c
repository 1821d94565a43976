/* SPDX-License-Identifier: MIT */
#include "fsq_decoder_cuda.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "device_memory.h"
#include "fsq/fsq_input.h"
#include "fsq_kernels.h"
#include "gemm.h"
#include "layers.h"
#include "model/config.h"

/*
 * Products are planned for three numbers of rows, each a quarter of the one before; a pass takes
 * the smallest that its rows fit in. The smallest is a multiple of CG_GEMM_ROW_BLOCK.
 */
enum { N_PLANS = 3, PLAN_RATIO = 4, ROW_UNIT = CG_GEMM_ROW_BLOCK * PLAN_RATIO * PLAN_RATIO };

struct fsq_device_layer {
    float *norm1, *norm2; /* [hidden] */
    void *qkv, *o, *up, *down;
};

/* The products of a pass of `rows` rows. */
struct plan {
    int32_t rows;
    cg_gemm *mid, *qkv, *o, *up, *down;
};

/* What a pass copies to the device; in pinned memory, and the same on the device. */
struct input {
    int32_t *token, *code, *pos; /* [max_rows] */
    cg_fsq_tile *tiles;          /* [max_rows] */
};

struct cuda_decoder {
    cg_fsq_decoder base;
    cg_fsq_config config;
    cg_dtype dtype;
    int32_t tf32;
    int32_t gpu;
    cudaStream_t stream;
    cg_device_memory memory;
    cg_gemm_context *gemms;
    struct plan plans[N_PLANS]; /* by descending rows */
    float *in_rows, *in_bias, *positions, *out, *out_bias;
    float *zeros; /* [hidden] bias of the layer norms, which have none */
    void *mid;
    struct fsq_device_layer *layers;
    struct input host, device;
    float *x;                /* [max_rows, hidden] residual stream */
    void *in, *h, *qkv, *up; /* [max_rows, ...] */
    float *xyz, *host_xyz;   /* [max_rows, 3] on the device, in pinned memory */
};

/* ---- create, destroy ---------------------------------------------------------------------- */

static cg_status upload(struct cuda_decoder *d, const cg_tensor_ref *ref, cg_dtype to,
                        void *ret_ptr, cg_error *err)
{
    return cg_device_upload(&d->memory, &ref, 1, to, ret_ptr, err);
}

/* Uploads a matrix of host memory in f32. */
static cg_status upload_floats(struct cuda_decoder *d, const float *p, int64_t rows, int64_t cols,
                               void *ret_ptr, cg_error *err)
{
    cg_tensor_ref ref = { p, rows, cols, CG_F32 };

    return upload(d, &ref, CG_F32, ret_ptr, err);
}

static cg_status upload_input_layer(struct cuda_decoder *d, const cg_fsq_model *m, cg_error *err)
{
    int64_t n_inputs = m->in.cols, width = m->in.rows;
    float *rows = cg_alloc_array((size_t)(n_inputs * width), sizeof *rows);
    cg_status st;

    if (!rows)
        return cg_fail_nomem(err, "FSQ decoder");
    CG_TRY_GOTO(st, cg_fsq_input_rows(m, rows, err), out);
    CG_TRY_GOTO(st, upload_floats(d, rows, n_inputs, width, &d->in_rows, err), out);
    st = upload(d, &m->in_bias, CG_F32, &d->in_bias, err);
out:
    free(rows);
    return st;
}

static cg_status upload_positions(struct cuda_decoder *d, const cg_fsq_model *m, cg_error *err)
{
    int64_t rows = d->base.max_rows, hidden = d->config.hidden;
    float *positions = cg_alloc_array((size_t)(rows * hidden), sizeof *positions);
    cg_status st = positions ? cg_fsq_input_positions(m, (int32_t)rows, positions, err)
                             : cg_fail_nomem(err, "FSQ decoder");

    if (st == CG_OK)
        st = upload_floats(d, positions, rows, hidden, &d->positions, err);
    free(positions);
    return st;
}

static cg_status upload_weights(struct cuda_decoder *d, const cg_fsq_model *m, cg_error *err)
{
    size_t hidden_bytes = (size_t)d->config.hidden * sizeof(float);

    d->layers = calloc((size_t)d->config.n_layers, sizeof *d->layers);
    if (!d->layers)
        return cg_fail_nomem(err, "FSQ decoder");
    CG_TRY(upload_input_layer(d, m, err));
    CG_TRY(upload_positions(d, m, err));
    CG_TRY(cg_device_alloc(&d->memory, hidden_bytes, &d->zeros, err));
    CG_TRY(CG_CUDA(cudaMemsetAsync(d->zeros, 0, hidden_bytes, d->stream), err));
    CG_TRY(upload(d, &m->mid, d->dtype, &d->mid, err));
    for (int32_t i = 0; i < d->config.n_layers; i++) {
        const cg_fsq_layer *w = &m->layers[i];
        struct fsq_device_layer *l = &d->layers[i];

        CG_TRY(upload(d, &w->norm1, CG_F32, &l->norm1, err));
        CG_TRY(upload(d, &w->qkv, d->dtype, &l->qkv, err));
        CG_TRY(upload(d, &w->o, d->dtype, &l->o, err));
        CG_TRY(upload(d, &w->norm2, CG_F32, &l->norm2, err));
        CG_TRY(upload(d, &w->up, d->dtype, &l->up, err));
        CG_TRY(upload(d, &w->down, d->dtype, &l->down, err));
    }
    CG_TRY(upload(d, &m->out, CG_F32, &d->out, err));
    return upload(d, &m->out_bias, CG_F32, &d->out_bias, err);
}

static cg_status make_buffers(struct cuda_decoder *d, cg_error *err)
{
    const cg_fsq_config *c = &d->config;
    size_t rows = (size_t)d->base.max_rows, element = cg_dtype_size(d->dtype);
    const struct {
        void *ret_ptr; /* address of the pointer */
        size_t row_bytes;
        int is_pinned;
    } arrays[] = {
        { &d->x, (size_t)c->hidden * sizeof(float), 0 },
        { &d->in, (size_t)c->input_hidden * element, 0 },
        { &d->h, (size_t)c->hidden * element, 0 },
        { &d->qkv, 3 * (size_t)c->hidden * element, 0 },
        { &d->up, (size_t)c->intermediate * element, 0 },
        { &d->xyz, 3 * sizeof(float), 0 },
        { &d->device.token, sizeof(int32_t), 0 },
        { &d->device.code, sizeof(int32_t), 0 },
        { &d->device.pos, sizeof(int32_t), 0 },
        { &d->device.tiles, sizeof(cg_fsq_tile), 0 },
        { &d->host_xyz, 3 * sizeof(float), 1 },
        { &d->host.token, sizeof(int32_t), 1 },
        { &d->host.code, sizeof(int32_t), 1 },
        { &d->host.pos, sizeof(int32_t), 1 },
        { &d->host.tiles, sizeof(cg_fsq_tile), 1 },
    };

    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        size_t bytes = rows * arrays[i].row_bytes;
        void *p;

        if (arrays[i].is_pinned) {
            CG_TRY(CG_CUDA(cudaHostAlloc(&p, bytes, cudaHostAllocDefault), err));
        } else {
            CG_TRY(cg_device_alloc(&d->memory, bytes, &p, err));
            /* rows beyond those of a pass are multiplied, too */
            CG_TRY(CG_CUDA(cudaMemsetAsync(p, 0, bytes, d->stream), err));
        }
        memcpy(arrays[i].ret_ptr, &p, sizeof p);
    }
    return CG_OK;
}

static cg_status make_plan(struct cuda_decoder *d, int32_t rows, struct plan *p, cg_error *err)
{
    const cg_fsq_config *c = &d->config;
    cg_dtype t = d->dtype;
    const struct {
        cg_gemm **ret_gemm;
        cg_gemm_shape shape; /* rows, outputs, inputs, types, accumulate, tf32 */
    } gemms[] = {
        { &p->mid, { rows, c->hidden, c->input_hidden, t, CG_F32, 1, d->tf32 } },
        { &p->qkv, { rows, 3 * c->hidden, c->hidden, t, t, 0, d->tf32 } },
        { &p->o, { rows, c->hidden, c->hidden, t, CG_F32, 1, d->tf32 } },
        { &p->up, { rows, c->intermediate, c->hidden, t, t, 0, d->tf32 } },
        { &p->down, { rows, c->hidden, c->intermediate, t, CG_F32, 1, d->tf32 } },
    };

    p->rows = rows;
    for (size_t i = 0; i < sizeof gemms / sizeof *gemms; i++)
        CG_TRY(cg_gemm_create(d->gemms, &gemms[i].shape, gemms[i].ret_gemm, err));
    return CG_OK;
}

static void destroy(cg_fsq_decoder *base)
{
    struct cuda_decoder *d = (struct cuda_decoder *)base;

    cudaSetDevice(d->gpu);
    if (d->stream)
        cudaStreamSynchronize(d->stream);
    for (int i = 0; i < N_PLANS; i++) {
        cg_gemm_destroy(d->plans[i].mid);
        cg_gemm_destroy(d->plans[i].qkv);
        cg_gemm_destroy(d->plans[i].o);
        cg_gemm_destroy(d->plans[i].up);
        cg_gemm_destroy(d->plans[i].down);
    }
    cg_gemm_context_destroy(d->gemms);
    cg_device_memory_finish(&d->memory);
    cudaFreeHost(d->host.token);
    cudaFreeHost(d->host.code);
    cudaFreeHost(d->host.pos);
    cudaFreeHost(d->host.tiles);
    cudaFreeHost(d->host_xyz);
    if (d->stream)
        cudaStreamDestroy(d->stream);
    free(d->layers);
    free(d);
}

/* ---- the pass ----------------------------------------------------------------------------- */

/* Fills the input in pinned memory. Returns the number of tiles. */
static int32_t fill_input(struct cuda_decoder *d, const cg_fsq_batch *b)
{
    size_t bytes = (size_t)b->start[b->n] * sizeof(int32_t);
    int32_t n_tiles = 0;

    memcpy(d->host.token, b->token, bytes);
    memcpy(d->host.code, b->code, bytes);
    for (int32_t i = 0; i < b->n; i++) {
        int32_t begin = b->start[i], end = b->start[i + 1];

        for (int32_t t = begin; t < end; t++)
            d->host.pos[t] = t - begin;
        for (int32_t t = begin; t < end; t += CG_FSQ_QUERIES)
            d->host.tiles[n_tiles++] = (cg_fsq_tile) { begin, end, t };
    }
    return n_tiles;
}

static cg_status to_device(struct cuda_decoder *d, void *dst, const void *src, size_t bytes,
                           cg_error *err)
{
    return CG_CUDA(cudaMemcpyAsync(dst, src, bytes, cudaMemcpyHostToDevice, d->stream), err);
}

static cg_status copy_input(struct cuda_decoder *d, int32_t rows, int32_t n_tiles, cg_error *err)
{
    size_t bytes = (size_t)rows * sizeof(int32_t);

    CG_TRY(to_device(d, d->device.token, d->host.token, bytes, err));
    CG_TRY(to_device(d, d->device.code, d->host.code, bytes, err));
    CG_TRY(to_device(d, d->device.pos, d->host.pos, bytes, err));
    return to_device(d, d->device.tiles, d->host.tiles, (size_t)n_tiles * sizeof *d->host.tiles,
                     err);
}

/* h = layer_norm(x) */
static cg_status norm(struct cuda_decoder *d, const float *weight, int32_t rows, cg_error *err)
{
    return cg_cuda_layer_norm(d->x, weight, d->zeros, (float)d->config.eps, NULL, NULL, rows,
                              d->config.hidden, d->dtype, d->h, d->stream, err);
}

static cg_status run_layer(struct cuda_decoder *d, const struct plan *p,
                           const struct fsq_device_layer *l, int32_t rows, int32_t n_tiles,
                           cg_error *err)
{
    const cg_fsq_config *c = &d->config;

    CG_TRY(norm(d, l->norm1, rows, err));
    CG_TRY(cg_gemm_run(p->qkv, d->h, l->qkv, d->qkv, err));
    CG_TRY(cg_cuda_fsq_attend(d->qkv, d->device.tiles, n_tiles, c->hidden, d->dtype, d->h,
                              d->stream, err));
    CG_TRY(cg_gemm_run(p->o, d->h, l->o, d->x, err)); /* x += */
    CG_TRY(norm(d, l->norm2, rows, err));
    CG_TRY(cg_gemm_run(p->up, d->h, l->up, d->up, err));
    CG_TRY(cg_cuda_activate(d->up, NULL, rows, c->intermediate, 0, CG_ACT_RELU, d->dtype, d->up,
                            d->stream, err));
    return cg_gemm_run(p->down, d->up, l->down, d->x, err); /* x += */
}

static cg_status queue_pass(struct cuda_decoder *d, int32_t rows, int32_t n_tiles, cg_error *err)
{
    const cg_fsq_config *c = &d->config;
    const cg_fsq_embed embed = {
        .config = *c,
        .token = d->device.token,
        .code = d->device.code,
        .pos = d->device.pos,
        .in_rows = d->in_rows,
        .in_bias = d->in_bias,
        .positions = d->positions,
        .in = d->in,
        .x = d->x,
    };
    int i = N_PLANS - 1;

    while (d->plans[i].rows < rows)
        i--;
    CG_TRY(copy_input(d, rows, n_tiles, err));
    CG_TRY(cg_cuda_fsq_embed(&embed, rows, d->dtype, d->stream, err));
    CG_TRY(cg_gemm_run(d->plans[i].mid, d->in, d->mid, d->x, err)); /* x += */
    for (int32_t l = 0; l < c->n_layers; l++)
        CG_TRY(run_layer(d, &d->plans[i], &d->layers[l], rows, n_tiles, err));
    CG_TRY(cg_cuda_fsq_output(d->x, d->out, d->out_bias, rows, c->hidden, d->xyz, d->stream, err));
    return CG_CUDA(cudaMemcpyAsync(d->host_xyz, d->xyz, (size_t)rows * 3 * sizeof(float),
                                   cudaMemcpyDeviceToHost, d->stream),
                   err);
}

static cg_status run(cg_fsq_decoder *base, const cg_fsq_batch *batch, float (*ret_xyz)[3],
                     cg_error *err)
{
    struct cuda_decoder *d = (struct cuda_decoder *)base;
    int32_t rows = batch->start[batch->n];
    cg_status st, done;

    CG_TRY(CG_CUDA(cudaSetDevice(d->gpu), err));
    st = queue_pass(d, rows, fill_input(d, batch), err);
    /* even after a failure: queued copies read the input until they are complete */
    done = CG_CUDA(cudaStreamSynchronize(d->stream), st == CG_OK ? err : NULL);
    if (st == CG_OK && done == CG_OK)
        memcpy(ret_xyz, d->host_xyz, (size_t)rows * sizeof *ret_xyz);
    return st != CG_OK ? st : done;
}

static const struct cg_fsq_decoder_ops cuda_ops = { "cuda", destroy, run };

cg_status cg_cuda_fsq_decoder_create(const cg_fsq_decoder_config *config,
                                     cg_fsq_decoder **ret_decoder, cg_error *err)
{
    const cg_fsq_config *c = &config->model->config;
    struct cuda_decoder *d;
    int32_t rows = (config->max_rows + ROW_UNIT - 1) / ROW_UNIT * ROW_UNIT;
    cg_status st;

    if (c->intermediate % 8 || c->input_hidden % 8)
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "FSQ decoder: intermediate_size %d, input_size %d: on a GPU they must be "
                       "multiples of 8",
                       c->intermediate, c->input_hidden);
    CG_TRY(cg_cuda_use(config->gpu, err));
    d = calloc(1, sizeof *d);
    if (!d)
        return cg_fail_nomem(err, "FSQ decoder");
    d->base = (cg_fsq_decoder) { &cuda_ops, &config->model->config, rows };
    d->config = *c;
    d->dtype = config->dtype;
    d->tf32 = config->tf32 && config->dtype == CG_F32;
    d->gpu = config->gpu;
    CG_TRY_GOTO(st, CG_CUDA(cudaStreamCreateWithFlags(&d->stream, cudaStreamNonBlocking), err),
                out);
    CG_TRY_GOTO(st, cg_gemm_context_create(config->deterministic, d->stream, &d->gemms, err), out);
    CG_TRY_GOTO(st, upload_weights(d, config->model, err), out);
    CG_TRY_GOTO(st, make_buffers(d, err), out);
    for (int i = 0; i < N_PLANS; i++, rows /= PLAN_RATIO)
        CG_TRY_GOTO(st, make_plan(d, rows, &d->plans[i], err), out);
    *ret_decoder = &d->base;
    d = NULL;
out:
    if (d)
        destroy(&d->base);
    return st;
}
