/* SPDX-License-Identifier: MIT */
#include "graph.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef cudnnBackendDescriptor_t desc;

enum {
    MAX_DESCS = 128,
    MAX_OPS = 32,
    MAX_ENGINES = 8, /* candidates from the heuristics, best first */
    /* uids after SDPA_*: scalars in host memory, then virtual tensors */
    SCALE = SDPA_N_POINTERS,
    MINUS_INFINITY,
    WINDOW,
    FIRST_VIRTUAL,
};

struct sdpa_graph {
    const cudnn_library *lib;
    const cg_host *host;
    int trace;
    int32_t n_descs, n_ops, n_uids;
    desc descs[MAX_DESCS]; /* every descriptor created, in order */
    desc ops[MAX_OPS];
    int64_t uids[FIRST_VIRTUAL]; /* of the tensors that a call passes pointers for */
    desc plan;
    int64_t workspace; /* bytes */
    /* scalars, read when a call is enqueued */
    float scale, minus_infinity;
    int32_t window;
};

/* A graph under construction. After the first failure every step does nothing. */
typedef struct builder {
    sdpa_graph *g;
    const sdpa_shape *s;
    const char *name; /* of the current object, for messages */
    int64_t next_uid; /* of the next virtual tensor */
    cg_status st;
    cg_error *err;
} builder;

/* ---- steps --------------------------------------------------------------------------------- */

/* Logs a step when tracing; turns a failure into a status and a text. */
static cg_status check_step(const cudnn_library *lib, const cg_host *host, int trace,
                            cudnnStatus_t code, const char *call, const char *name, cg_error *err)
{
    char reason[400] = "";

    if (code != CUDNN_STATUS_SUCCESS)
        lib->last_error(reason, sizeof reason);
    reason[strcspn(reason, "\n")] = '\0';
    if (trace) {
        char text[640];

        snprintf(text, sizeof text, "cudnn: %s: %s: %s%s%s", name, call, lib->error_string(code),
                 *reason ? ": " : "", reason);
        host->log(host->ctx, CG_LOG_WARNING, text);
    }
    if (code == CUDNN_STATUS_SUCCESS)
        return CG_OK;
    return host->fail(err, cudnn_status(code), "cuDNN %d.%d.%d: %s: %s: %s%s%s",
                      lib->version / 10000, lib->version / 100 % 100, lib->version % 100, name,
                      call, lib->error_string(code), *reason ? ": " : "", reason);
}

static void record(builder *b, cudnnStatus_t code, const char *call)
{
    b->st = check_step(b->g->lib, b->g->host, b->g->trace, code, call, b->name, b->err);
}

static desc make_desc(builder *b, cudnnBackendDescriptorType_t type, const char *name)
{
    desc d = NULL;

    if (b->st != CG_OK)
        return NULL;
    b->name = name;
    if (b->g->n_descs == MAX_DESCS) {
        b->st = b->g->host->fail(b->err, CG_ERR_INTERNAL,
                                 "cuDNN: graph of more than %d descriptors", MAX_DESCS);
        return NULL;
    }
    record(b, b->g->lib->create_descriptor(type, &d), "cudnnBackendCreateDescriptor");
    if (b->st == CG_OK)
        b->g->descs[b->g->n_descs++] = d;
    return d;
}

static void set(builder *b, desc d, cudnnBackendAttributeName_t attribute, const char *text,
                cudnnBackendAttributeType_t type, int64_t n, const void *values)
{
    if (b->st == CG_OK)
        record(b, b->g->lib->set_attribute(d, attribute, type, n, values), text);
}
#define SET(b, d, attribute, type, n, values) set(b, d, attribute, #attribute, type, n, values)

static void set_desc(builder *b, desc d, cudnnBackendAttributeName_t attribute, const char *text,
                     desc value)
{
    set(b, d, attribute, text, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value);
}
#define SET_DESC(b, d, attribute, value) set_desc(b, d, attribute, #attribute, value)

static void finalize(builder *b, desc d)
{
    if (b->st == CG_OK)
        record(b, b->g->lib->finalize(d), "cudnnBackendFinalize");
}

static void finish_op(builder *b, desc op)
{
    finalize(b, op);
    if (b->st == CG_OK && b->g->n_ops == MAX_OPS)
        b->st = b->g->host->fail(b->err, CG_ERR_INTERNAL, "cuDNN: graph of more than %d operations",
                                 MAX_OPS);
    if (b->st == CG_OK)
        b->g->ops[b->g->n_ops++] = op;
}

/* ---- tensors ------------------------------------------------------------------------------- */

enum { IN_MEMORY, SCALAR, VIRTUAL };

static desc tensor(builder *b, const char *name, int64_t uid, int kind, cudnnDataType_t type,
                   const int64_t dims[4], const int64_t strides[4], desc offsets)
{
    desc d = make_desc(b, CUDNN_BACKEND_TENSOR_DESCRIPTOR, name);
    int64_t align = kind == SCALAR ? 4 : 16;
    int8_t yes = 1; /* CUDNN_TYPE_BOOLEAN is a byte */

    SET(b, d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    SET(b, d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, dims);
    SET(b, d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, strides);
    SET(b, d, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &uid);
    SET(b, d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &align);
    if (kind == VIRTUAL)
        SET(b, d, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &yes);
    if (kind == SCALAR)
        SET(b, d, CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, 1, &yes);
    if (offsets)
        SET_DESC(b, d, CUDNN_ATTR_TENSOR_RAGGED_OFFSET_DESC, offsets);
    finalize(b, d);
    if (b->st == CG_OK && kind != VIRTUAL)
        b->g->uids[b->g->n_uids++] = uid;
    return d;
}

static desc scalar(builder *b, const char *name, int64_t uid, cudnnDataType_t type)
{
    static const int64_t one[4] = { 1, 1, 1, 1 };

    return tensor(b, name, uid, SCALAR, type, one, one, NULL);
}

/* [n, 1, 1, 1] */
static desc list(builder *b, const char *name, int64_t uid, cudnnDataType_t type, int64_t n)
{
    const int64_t dims[4] = { n, 1, 1, 1 }, strides[4] = { 1, 1, 1, 1 };

    return tensor(b, name, uid, IN_MEMORY, type, dims, strides, NULL);
}

/* An intermediate result, never in memory: [batch, heads, rows, columns]. */
static desc virtual_tensor(builder *b, const char *name, cudnnDataType_t type, int64_t columns)
{
    const sdpa_shape *s = b->s;
    const int64_t dims[4] = { s->batch, s->heads, s->rows, columns };
    const int64_t strides[4] = { s->heads * s->rows * columns, s->rows * columns, columns, 1 };

    return tensor(b, name, b->next_uid++, VIRTUAL, type, dims, strides, NULL);
}

/* ---- operations ---------------------------------------------------------------------------- */

static void pointwise(builder *b, const char *name, cudnnPointwiseMode_t mode,
                      cudnnDataType_t compute, int64_t axis, desc x, desc y, desc condition,
                      desc out)
{
    desc d = make_desc(b, CUDNN_BACKEND_POINTWISE_DESCRIPTOR, name);
    desc op;

    SET(b, d, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
    SET(b, d, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &compute);
    if (mode == CUDNN_POINTWISE_GEN_INDEX)
        SET(b, d, CUDNN_ATTR_POINTWISE_AXIS, CUDNN_TYPE_INT64, 1, &axis);
    finalize(b, d);
    op = make_desc(b, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, name);
    SET_DESC(b, op, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, d);
    SET_DESC(b, op, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x);
    SET_DESC(b, op, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, out);
    if (y)
        SET_DESC(b, op, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, y);
    if (condition)
        SET_DESC(b, op, CUDNN_ATTR_OPERATION_POINTWISE_TDESC, condition);
    finish_op(b, op);
}

/* out = x (mode) y, of x's shape */
static desc combine(builder *b, const char *name, cudnnPointwiseMode_t mode, cudnnDataType_t type,
                    desc x, desc y)
{
    desc out = virtual_tensor(b, name, type, b->s->len);

    pointwise(b, name, mode, type, 0, x, y, NULL, out);
    return out;
}

/* The index of every score along an axis: 2 the row, 3 the column. */
static desc indices(builder *b, const char *name, desc scores, int64_t axis)
{
    desc out = virtual_tensor(b, name, CUDNN_DATA_INT32, b->s->len);

    pointwise(b, name, CUDNN_POINTWISE_GEN_INDEX, CUDNN_DATA_INT32, axis, scores, NULL, NULL, out);
    return out;
}

/* Scores where `keep` is true, minus infinity elsewhere. */
static desc mask(builder *b, const char *name, desc scores, desc minus_infinity, desc keep)
{
    desc out = virtual_tensor(b, name, CUDNN_DATA_FLOAT, b->s->len);

    pointwise(b, name, CUDNN_POINTWISE_BINARY_SELECT, CUDNN_DATA_FLOAT, 0, scores, minus_infinity,
              keep, out);
    return out;
}

/* x reduced along its columns: [batch, heads, rows, 1] */
static desc reduce(builder *b, const char *name, cudnnReduceTensorOp_t operator, desc x)
{
    desc out = virtual_tensor(b, name, CUDNN_DATA_FLOAT, 1);
    desc d = make_desc(b, CUDNN_BACKEND_REDUCTION_DESCRIPTOR, name);
    cudnnDataType_t compute = CUDNN_DATA_FLOAT;
    desc op;

    SET(b, d, CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &compute);
    SET(b, d, CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, 1, &operator);
    finalize(b, d);
    op = make_desc(b, CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR, name);
    SET_DESC(b, op, CUDNN_ATTR_OPERATION_REDUCTION_DESC, d);
    SET_DESC(b, op, CUDNN_ATTR_OPERATION_REDUCTION_XDESC, x);
    SET_DESC(b, op, CUDNN_ATTR_OPERATION_REDUCTION_YDESC, out);
    finish_op(b, op);
    return out;
}

/* out = x y, limited to m rows, n columns and k summands; NULL: all */
static void matmul(builder *b, const char *name, desc x, desc y, desc out, desc m, desc n, desc k)
{
    desc d = make_desc(b, CUDNN_BACKEND_MATMUL_DESCRIPTOR, name);
    cudnnDataType_t compute = CUDNN_DATA_FLOAT;
    desc op;

    SET(b, d, CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &compute);
    finalize(b, d);
    op = make_desc(b, CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR, name);
    SET_DESC(b, op, CUDNN_ATTR_OPERATION_MATMUL_DESC, d);
    SET_DESC(b, op, CUDNN_ATTR_OPERATION_MATMUL_ADESC, x);
    SET_DESC(b, op, CUDNN_ATTR_OPERATION_MATMUL_BDESC, y);
    SET_DESC(b, op, CUDNN_ATTR_OPERATION_MATMUL_CDESC, out);
    if (m)
        SET_DESC(b, op, CUDNN_ATTR_OPERATION_MATMUL_GEMM_M_OVERRIDE_DESC, m);
    if (n)
        SET_DESC(b, op, CUDNN_ATTR_OPERATION_MATMUL_GEMM_N_OVERRIDE_DESC, n);
    if (k)
        SET_DESC(b, op, CUDNN_ATTR_OPERATION_MATMUL_GEMM_K_OVERRIDE_DESC, k);
    finish_op(b, op);
}

/* Pages gathered into [batch, kv_heads, len, dim]; transposed: [batch, kv_heads, dim, len]. */
static desc load_pages(builder *b, const char *name, desc pages, desc table, desc count,
                       int transposed)
{
    const sdpa_shape *s = b->s;
    const int64_t head = s->len * s->dim, batch = s->kv_heads * head;
    const int64_t dims[4] = { s->batch, s->kv_heads, transposed ? s->dim : s->len,
                              transposed ? s->len : s->dim };
    const int64_t strides[4] = { batch, head, transposed ? 1 : s->dim, transposed ? s->dim : 1 };
    desc out = tensor(b, name, b->next_uid++, VIRTUAL, s->type, dims, strides, NULL);
    desc op = make_desc(b, CUDNN_BACKEND_OPERATION_PAGED_CACHE_LOAD_DESCRIPTOR, name);

    SET_DESC(b, op, CUDNN_ATTR_OPERATION_PAGED_CACHE_LOAD_CONTAINER_DESC, pages);
    SET_DESC(b, op, CUDNN_ATTR_OPERATION_PAGED_CACHE_LOAD_PAGE_TABLE_DESC, table);
    SET_DESC(b, op, CUDNN_ATTR_OPERATION_PAGED_CACHE_LOAD_SEQUENCE_DESC, count);
    SET_DESC(b, op, CUDNN_ATTR_OPERATION_PAGED_CACHE_LOAD_YDESC, out);
    finish_op(b, op);
    return out;
}

/* ---- attention ----------------------------------------------------------------------------- */

/* The tensors of both forms. */
typedef struct operands {
    desc q, k, v, out, row_count, token_count, key_pages, value_pages, scale;
} operands;

static operands make_operands(builder *b)
{
    const sdpa_shape *s = b->s;
    const int64_t rows[4] = { s->batch, s->heads, s->rows, s->dim };
    const int64_t q_strides[4] = { s->q_strides[0], s->q_strides[1], s->q_strides[2], 1 };
    const int64_t out_strides[4] = { s->out_strides[0], s->out_strides[1], s->out_strides[2], 1 };
    const int paged = s->block_tokens != 0;
    const int64_t n = paged ? s->n_blocks : s->batch, tokens = paged ? s->block_tokens : s->len;
    const int64_t kv[4] = { n, s->kv_heads, tokens, s->dim };
    const int64_t kv_strides[4] = { s->kv_strides[0], s->kv_strides[1], s->kv_strides[2], 1 };
    /* Contiguous keys are the right factor of a matrix product without a load: transposed. */
    const int flip = !paged && s->form == SDPA_COMPOSITE;
    const int64_t key[4] = { n, s->kv_heads, flip ? s->dim : tokens, flip ? tokens : s->dim };
    const int64_t key_strides[4] = { s->kv_strides[0], s->kv_strides[1],
                                     flip ? 1 : s->kv_strides[2], flip ? s->kv_strides[2] : 1 };
    desc q_at = NULL, out_at = NULL, kv_at = NULL;
    operands o = { 0 };

    if (s->ragged) {
        q_at = list(b, "offsets of q", SDPA_Q_OFFSETS, CUDNN_DATA_INT64, s->batch + 1);
        out_at = list(b, "offsets of out", SDPA_OUT_OFFSETS, CUDNN_DATA_INT64, s->batch + 1);
    }
    if (s->ragged_kv)
        kv_at = list(b, "offsets of keys", SDPA_KV_OFFSETS, CUDNN_DATA_INT64, s->batch + 1);
    o.q = tensor(b, "q", SDPA_Q, IN_MEMORY, s->type, rows, q_strides, q_at);
    o.k = tensor(b, "keys", SDPA_K, IN_MEMORY, s->type, key, key_strides, kv_at);
    o.v = tensor(b, "values", SDPA_V, IN_MEMORY, s->type, kv, kv_strides, kv_at);
    o.out = tensor(b, "out", SDPA_OUT, IN_MEMORY, s->type, rows, out_strides, out_at);
    o.row_count = list(b, "counts of rows", SDPA_ROW_COUNT, CUDNN_DATA_INT32, s->batch);
    o.token_count = list(b, "counts of tokens", SDPA_TOKEN_COUNT, CUDNN_DATA_INT32, s->batch);
    if (paged) {
        const int64_t width = (s->len + s->block_tokens - 1) / s->block_tokens;
        const int64_t table[4] = { s->batch, 1, width, 1 }, strides[4] = { width, width, 1, 1 };

        o.key_pages = tensor(b, "pages of keys", SDPA_KEY_PAGES, IN_MEMORY, CUDNN_DATA_INT32, table,
                             strides, NULL);
        o.value_pages = tensor(b, "pages of values", SDPA_VALUE_PAGES, IN_MEMORY, CUDNN_DATA_INT32,
                               table, strides, NULL);
    }
    o.scale = scalar(b, "scale", SCALE, CUDNN_DATA_FLOAT);
    return o;
}

static void describe_unified(builder *b)
{
    operands o = make_operands(b);
    desc op = make_desc(b, CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR, "attention");

    SET_DESC(b, op, CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC, o.q);
    SET_DESC(b, op, CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC, o.k);
    SET_DESC(b, op, CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC, o.v);
    SET_DESC(b, op, CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC, o.out);
    SET_DESC(b, op, CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC, o.scale);
    if (o.key_pages) {
        SET_DESC(b, op, CUDNN_ATTR_OPERATION_SDPA_FWD_PAGE_TABLE_KDESC, o.key_pages);
        SET_DESC(b, op, CUDNN_ATTR_OPERATION_SDPA_FWD_PAGE_TABLE_VDESC, o.value_pages);
    }
    SET_DESC(b, op, CUDNN_ATTR_OPERATION_SDPA_FWD_SEQ_LEN_QDESC, o.row_count);
    SET_DESC(b, op, CUDNN_ATTR_OPERATION_SDPA_FWD_SEQ_LEN_KVDESC, o.token_count);
    finish_op(b, op);
}

/* row < row_count and column < token_count */
static desc mask_counts(builder *b, const operands *o, desc scores, desc minus_infinity)
{
    const cudnnDataType_t boolean = CUDNN_DATA_BOOLEAN;
    desc row = indices(b, "row", scores, 2);
    desc column = indices(b, "column", scores, 3);
    desc is_row = combine(b, "is a row", CUDNN_POINTWISE_CMP_LT, boolean, row, o->row_count);
    desc is_token =
        combine(b, "is a token", CUDNN_POINTWISE_CMP_LT, boolean, column, o->token_count);
    desc keep = combine(b, "counts", CUDNN_POINTWISE_LOGICAL_AND, boolean, is_row, is_token);

    return mask(b, "masked by counts", scores, minus_infinity, keep);
}

/* column <= row + tokens - rows */
static desc mask_future(builder *b, const operands *o, desc scores, desc minus_infinity)
{
    const cudnnDataType_t i32 = CUDNN_DATA_INT32;
    desc row = indices(b, "row of the diagonal", scores, 2);
    desc column = indices(b, "column of the diagonal", scores, 3);
    desc sum = combine(b, "row + tokens", CUDNN_POINTWISE_ADD, i32, row, o->token_count);
    desc pos = combine(b, "position", CUDNN_POINTWISE_SUB, i32, sum, o->row_count);
    desc keep =
        combine(b, "not in the future", CUDNN_POINTWISE_CMP_GE, CUDNN_DATA_BOOLEAN, pos, column);

    return mask(b, "causal", scores, minus_infinity, keep);
}

/* column + window - tokens + rows > row */
static desc mask_past(builder *b, const operands *o, desc scores, desc minus_infinity)
{
    const cudnnDataType_t i32 = CUDNN_DATA_INT32;
    desc window = scalar(b, "window", WINDOW, i32);
    desc row = indices(b, "row of the window", scores, 2);
    desc column = indices(b, "column of the window", scores, 3);
    desc sum = combine(b, "column + window", CUDNN_POINTWISE_ADD, i32, column, window);
    desc less = combine(b, "less tokens", CUDNN_POINTWISE_SUB, i32, sum, o->token_count);
    desc end = combine(b, "window's end", CUDNN_POINTWISE_ADD, i32, less, o->row_count);
    desc keep =
        combine(b, "not past the window", CUDNN_POINTWISE_CMP_GT, CUDNN_DATA_BOOLEAN, end, row);

    return mask(b, "in the window", scores, minus_infinity, keep);
}

/* cuDNN recognises attention by exactly these operations in exactly this order. */
static void describe_composite(builder *b)
{
    const sdpa_shape *s = b->s;
    const cudnnDataType_t f32 = CUDNN_DATA_FLOAT;
    operands o = make_operands(b);
    desc k = o.k, v = o.v, scores, minus_infinity, max, sum, log_sum, scaled, shifted, exps, p;

    if (s->block_tokens)
        k = load_pages(b, "gathered keys", o.k, o.key_pages, o.token_count, 1);
    scores = virtual_tensor(b, "q K", f32, s->len);
    matmul(b, "q K", o.q, k, scores, o.row_count, o.token_count, NULL);
    scaled = combine(b, "scores", CUDNN_POINTWISE_MUL, f32, scores, o.scale);
    minus_infinity = scalar(b, "minus infinity", MINUS_INFINITY, f32);
    scaled = mask_counts(b, &o, scaled, minus_infinity);
    if (s->causal)
        scaled = mask_future(b, &o, scaled, minus_infinity);
    if (s->causal && s->window)
        scaled = mask_past(b, &o, scaled, minus_infinity);
    max = reduce(b, "maximum score", CUDNN_REDUCE_TENSOR_MAX, scaled);
    shifted = combine(b, "score - maximum", CUDNN_POINTWISE_SUB, f32, scaled, max);
    exps = combine(b, "exponentials", CUDNN_POINTWISE_EXP, f32, shifted, NULL);
    sum = reduce(b, "sum of exponentials", CUDNN_REDUCE_TENSOR_ADD, exps);
    log_sum = virtual_tensor(b, "logarithm of the sum", f32, 1);
    pointwise(b, "logarithm of the sum", CUDNN_POINTWISE_LOG, f32, 0, sum, NULL, NULL, log_sum);
    pointwise(b, "statistics", CUDNN_POINTWISE_ADD, f32, 0, max, log_sum, NULL,
              virtual_tensor(b, "statistics", f32, 1));
    p = virtual_tensor(b, "weights", s->type, s->len);
    pointwise(b, "weights", CUDNN_POINTWISE_DIV, f32, 0, exps, sum, NULL, p);
    if (s->block_tokens)
        v = load_pages(b, "gathered values", o.v, o.value_pages, o.token_count, 0);
    matmul(b, "weights V", p, v, o.out, o.row_count, NULL, o.token_count);
}

/* ---- engines ------------------------------------------------------------------------------- */

/* Creates the plan of an engine configuration; on failure the builder is unchanged. */
static cg_status try_plan(builder *b, desc config, cg_error *err)
{
    builder t = { .g = b->g, .s = b->s, .st = CG_OK, .err = err };
    desc plan = make_desc(&t, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, "plan");
    int64_t n = 0;

    SET_DESC(&t, plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config);
    finalize(&t, plan);
    if (t.st == CG_OK)
        record(&t,
               b->g->lib->get_attribute(plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                        CUDNN_TYPE_INT64, 1, &n, &b->g->workspace),
               "CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE");
    if (t.st == CG_OK)
        b->g->plan = plan;
    return t.st;
}

/* Logs the index of a configuration's engine. */
static void trace_engine(builder *b, desc config)
{
    desc engine = make_desc(b, CUDNN_BACKEND_ENGINE_DESCRIPTOR, "engine");
    int64_t n = 0, index = -1;
    char text[64];

    if (b->st != CG_OK ||
        b->g->lib->get_attribute(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                 1, &n, &engine) != CUDNN_STATUS_SUCCESS ||
        b->g->lib->get_attribute(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &n,
                                 &index) != CUDNN_STATUS_SUCCESS)
        return;
    snprintf(text, sizeof text, "cudnn: engine %lld", (long long)index);
    b->g->host->log(b->g->host->ctx, CG_LOG_WARNING, text);
}

/* Queries one heuristics mode for engines; with `finish`, plans the first engine that accepts. */
static cg_status query_heuristics(builder *b, desc graph, desc device, cudnnBackendHeurMode_t mode,
                                  int finish, cg_error *err)
{
    builder t = { .g = b->g, .s = b->s, .st = CG_OK, .err = err };
    desc heuristics = make_desc(&t, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, "heuristics");
    desc configs[MAX_ENGINES];
    int64_t n = 0;

    SET_DESC(&t, heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
    SET(&t, heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    SET_DESC(&t, heuristics, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, device);
    finalize(&t, heuristics);
    for (int i = 0; i < MAX_ENGINES; i++)
        configs[i] = make_desc(&t, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, "engine configuration");
    if (t.st == CG_OK)
        record(&t,
               b->g->lib->get_attribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                        CUDNN_TYPE_BACKEND_DESCRIPTOR, MAX_ENGINES, &n, configs),
               "CUDNN_ATTR_ENGINEHEUR_RESULTS");
    if (t.st == CG_OK && n == 0)
        t.st = b->g->host->fail(err, CG_ERR_UNSUPPORTED, "cuDNN %d.%d.%d: no engine for this shape",
                                b->g->lib->version / 10000, b->g->lib->version / 100 % 100,
                                b->g->lib->version % 100);
    if (t.st != CG_OK || !finish)
        return t.st;
    for (int64_t i = 0; i < n && i < MAX_ENGINES; i++) {
        if (b->g->trace)
            trace_engine(&t, configs[i]);
        t.st = try_plan(b, configs[i], err);
        if (t.st == CG_OK)
            break;
    }
    return t.st;
}

static void select_engine(builder *b, desc device, int finish)
{
    desc graph = make_desc(b, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, "graph");

    SET(b, graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, b->g->n_ops,
        b->g->ops);
    finalize(b, graph);
    if (b->st != CG_OK)
        return;
    b->st = query_heuristics(b, graph, device, CUDNN_HEUR_MODE_A, finish, b->err);
    if (b->st == CG_ERR_UNSUPPORTED)
        b->st = query_heuristics(b, graph, device, CUDNN_HEUR_MODE_FALLBACK, finish, b->err);
}

/* ---- graph.h ------------------------------------------------------------------------------- */

static int tracing(void)
{
    const char *env = getenv("CONFGEN_CUDNN_TRACE");

    return env && *env && strcmp(env, "0") != 0;
}

cg_status sdpa_device_create(const cudnn_library *lib, const cg_host *host, int32_t index,
                             const char *json, cudnnBackendDescriptor_t *ret_device, cg_error *err)
{
    desc d = NULL;
    cudnnStatus_t code = lib->create_descriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &d);

    if (code == CUDNN_STATUS_SUCCESS && json)
        code = lib->set_attribute(d, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                                  (int64_t)strlen(json), json);
    else if (code == CUDNN_STATUS_SUCCESS)
        code = lib->set_attribute(d, CUDNN_ATTR_DEVICEPROP_DEVICE_ID, CUDNN_TYPE_INT32, 1, &index);
    if (code == CUDNN_STATUS_SUCCESS)
        code = lib->finalize(d);
    if (code != CUDNN_STATUS_SUCCESS) {
        cg_status st = check_step(lib, host, tracing(), code, "CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR",
                                  "device", err);

        if (d)
            lib->destroy_descriptor(d);
        return st;
    }
    *ret_device = d;
    return CG_OK;
}

/* Describes a shape in *g and queries engines. The caller destroys the descriptors of *g, also of
 * one that failed. */
static cg_status build(sdpa_graph *g, const cudnn_library *lib, const cg_host *host,
                       cudnnBackendDescriptor_t device, const sdpa_shape *shape, int finish,
                       cg_error *err)
{
    builder b = { .g = g, .s = shape, .next_uid = FIRST_VIRTUAL, .st = CG_OK, .err = err };

    *g = (sdpa_graph) {
        .lib = lib,
        .host = host,
        .trace = tracing(),
        .scale = shape->scale,
        .minus_infinity = -INFINITY,
        .window = (int32_t)shape->window,
    };
    if (shape->form == SDPA_UNIFIED)
        describe_unified(&b);
    else
        describe_composite(&b);
    select_engine(&b, device, finish);
    return b.st;
}

static void destroy_descriptors(sdpa_graph *g)
{
    while (g->n_descs)
        g->lib->destroy_descriptor(g->descs[--g->n_descs]);
}

cg_status sdpa_graph_check(const cudnn_library *lib, const cg_host *host,
                           cudnnBackendDescriptor_t device, const sdpa_shape *shape, cg_error *err)
{
    sdpa_graph g;
    cg_status st = build(&g, lib, host, device, shape, 0, err);

    destroy_descriptors(&g);
    return st;
}

cg_status sdpa_graph_create(const cudnn_library *lib, const cg_host *host,
                            cudnnBackendDescriptor_t device, const sdpa_shape *shape,
                            sdpa_graph **ret_graph, cg_error *err)
{
    sdpa_graph *g = host->alloc(host->ctx, sizeof *g);
    cg_status st;

    if (!g)
        return host->fail(err, CG_ERR_NOMEM, "cudnn: out of host memory for a plan");
    st = build(g, lib, host, device, shape, 1, err);
    if (st != CG_OK) {
        sdpa_graph_destroy(g);
        return st;
    }
    *ret_graph = g;
    return CG_OK;
}

void sdpa_graph_destroy(sdpa_graph *g)
{
    if (!g)
        return;
    destroy_descriptors(g);
    g->host->free(g->host->ctx, g);
}

size_t sdpa_graph_workspace(const sdpa_graph *g)
{
    return g->workspace > 0 ? (size_t)g->workspace : 0;
}

/* Fills and finalizes a variant pack. *ret_call: the step that `code` is of. */
static cudnnStatus_t fill_pack(const sdpa_graph *g, desc pack, void *const *data, void *workspace,
                               const char **ret_call)
{
    const struct {
        const char *name;
        cudnnBackendAttributeName_t attribute;
        cudnnBackendAttributeType_t type;
        int64_t n;
        const void *values;
    } attributes[] = {
        { "CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS", CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS,
          CUDNN_TYPE_INT64, g->n_uids, g->uids },
        { "CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS", CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS,
          CUDNN_TYPE_VOID_PTR, g->n_uids, data },
        { "CUDNN_ATTR_VARIANT_PACK_WORKSPACE", CUDNN_ATTR_VARIANT_PACK_WORKSPACE,
          CUDNN_TYPE_VOID_PTR, 1, &workspace },
    };

    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
        cudnnStatus_t code =
            g->lib->set_attribute(pack, attributes[i].attribute, attributes[i].type,
                                  attributes[i].n, attributes[i].values);

        *ret_call = attributes[i].name;
        if (code != CUDNN_STATUS_SUCCESS)
            return code;
    }
    *ret_call = "cudnnBackendFinalize";
    return g->lib->finalize(pack);
}

cg_status sdpa_graph_run(sdpa_graph *g, cudnnHandle_t handle, void *const *pointers,
                         void *workspace, cg_error *err)
{
    const cudnn_library *lib = g->lib;
    void *data[FIRST_VIRTUAL];
    const char *call = "cudnnBackendCreateDescriptor";
    desc pack = NULL; /* a new one per call: a finalized pack cannot be changed */
    cudnnStatus_t code = lib->create_descriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack);
    cg_status st = CG_OK;

    for (int32_t i = 0; i < g->n_uids; i++)
        data[i] = g->uids[i] == SCALE            ? (void *)&g->scale
                  : g->uids[i] == MINUS_INFINITY ? (void *)&g->minus_infinity
                  : g->uids[i] == WINDOW         ? (void *)&g->window
                                                 : pointers[g->uids[i]];
    if (code == CUDNN_STATUS_SUCCESS)
        code = fill_pack(g, pack, data, workspace, &call);
    if (code == CUDNN_STATUS_SUCCESS) {
        call = "cudnnBackendExecute";
        code = lib->execute(handle, g->plan, pack);
    }
    if (code != CUDNN_STATUS_SUCCESS || g->trace)
        st = check_step(lib, g->host, g->trace, code, call, "call", err);
    if (pack)
        lib->destroy_descriptor(pack);
    /* A planned problem is supported: a refusal at this point is a failure of the call. */
    return st == CG_ERR_UNSUPPORTED ? CG_ERR_CUDA : st;
}
