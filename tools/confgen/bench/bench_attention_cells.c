/* SPDX-License-Identifier: MIT */
/* Calls of `bench attention`: plans, memory and times of attention plugins over caches. */
#include <string.h>

#include "attention_bench.h"
#include "base/error.h"
#include "base/plugin_call.h"
#include "plugin/pairing.h"

enum {
    MIN_ROUNDS = 5,
    MAX_CALLS = 512, /* timed together */
};

/* Of calls timed together: long compared with the launch of a graph, or with a wake-up of threads
 */
#define GPU_SECONDS 4e-3
#define CPU_SECONDS 2e-2

static uint32_t features_of(const struct attention_shape *s)
{
    return (s->no_mask ? CG_ATTENTION_NO_MASK : 0u) |
           (s->v_head_dim != s->head_dim ? CG_ATTENTION_VALUE_SIZE : 0u) |
           (cg_dtype_size(s->kv_dtype) == 1 ? CG_ATTENTION_KV_SCALES : 0u);
}

static cg_status problem_of(const struct attention_bench *b, const struct bench_cell *c,
                            cg_attention_problem *ret, cg_error *err)
{
    const struct attention_shape *s = b->shape;
    cg_kv_view view;

    CG_TRY(bench_data_view(b, c->cache, 0, &view, err));
    if (cg_kv_layout(&view) != s->kv_layout && s->n_kv_heads > 1)
        return cg_fail(err, CG_ERR_UNSUPPORTED, "the cache has another layout than %s",
                       s->kv_layout == CG_KV_NHD ? "nhd" : "hnd");
    *ret = (cg_attention_problem) {
        CG_SIZED(cg_attention_problem),
        .device = view.device,
        .compute_capability = b->device.info.compute_capability,
        .dtype = s->dtype,
        .kv_dtype = s->kv_dtype,
        .n_heads = s->n_heads,
        .n_kv_heads = s->n_kv_heads,
        .head_dim = s->head_dim,
        .paged = view.page_table != NULL,
        .block_tokens = view.block_tokens,
        .max_tokens = b->data.n_rows,
        .max_seqs = s->n_seqs,
        .max_kv_len = s->kv_max,
        .window = s->window,
        .scale = shape_score_scale(s),
        .flags = b->flags,
        .kv_layout = cg_kv_layout(&view),
        .features = features_of(s),
        .mask = s->no_mask ? CG_MASK_NONE : CG_MASK_CAUSAL,
        .v_head_dim = s->v_head_dim,
    };
    return CG_OK;
}

static cg_status plan_cell(struct attention_bench *b, struct bench_cell *c, cg_error *err)
{
    const cg_attention_ops *ops = c->attention->ops;
    cg_attention_problem problem;

    CG_TRY(problem_of(b, c, &problem, err));
    CG_TRY(cg_pairing_check_attention_features(c->attention, problem.features, err));
    CG_TRY(ops->supports(b->host, &problem, err));
    CG_TRY(ops->plan(b->host, &problem, &c->plan, err));
    c->workspace_bytes = (int64_t)ops->workspace_size(c->plan);
    if (c->workspace_bytes)
        CG_TRY(bench_device_alloc(&b->device, c->workspace_bytes, &c->workspace, err));
    c->kv_bytes = bench_data_kv_bytes(b, c->cache);
    return CG_OK;
}

/* Computes, or queues on a GPU, a call over an input set. */
static cg_status call(const struct attention_bench *b, const struct bench_cell *c, int32_t set,
                      cg_error *err)
{
    const struct bench_data *d = &b->data;
    cg_kv_view view;
    cg_attention_args args = {
        CG_SIZED(cg_attention_args),
        .n_tokens = d->n_rows,
        .n_seqs = b->shape->n_seqs,
        .q = d->q + set * d->q_bytes,
        .out = d->out + set * d->out_bytes,
        .q_stride = d->q_row,
        .out_stride = d->out_row,
        .q_start = d->on_q_start,
        .slot = d->on_slot,
        .kv_len = d->on_kv_len,
        .kv = &view,
        .workspace = c->workspace,
        .stream = b->device.gpu ? cg_gpu_stream(b->device.gpu) : NULL,
    };
    cg_plugin_call where = { "attention", c->attention->name, -1, -1 };
    cg_error why = CG_ERROR_INIT;

    CG_TRY(bench_data_view(b, c->cache, set, &view, err));
    return cg_plugin_call_status(
        &where, ((const cg_attention_ops *)c->attention->ops)->run(c->plan, &args, &why), &why,
        err);
}

static cg_status timed_call(struct attention_bench *b, const struct bench_cell *c, int32_t set,
                            double *ret_seconds, cg_error *err)
{
    CG_TRY(bench_device_mark(&b->device, 0, err));
    CG_TRY(call(b, c, set, err));
    CG_TRY(bench_device_mark(&b->device, 1, err));
    return bench_device_elapsed(&b->device, ret_seconds, err);
}

/* The number of calls to time together; on a GPU a multiple of the number of sets. */
static int32_t calls_for(const struct attention_bench *b, double seconds)
{
    int32_t unit = b->device.gpu ? b->data.n_sets : 1, most = MAX_CALLS / unit;
    double units = (b->device.gpu ? GPU_SECONDS : CPU_SECONDS) / (seconds * unit);

    return unit * (units < 1 ? 1 : units < most ? (int32_t)units : most);
}

static cg_status capture(const struct attention_bench *b, struct bench_cell *c, cg_error *err)
{
    cg_status st = CG_OK, end;

    CG_TRY(cg_gpu_capture_begin(b->device.gpu, err));
    for (int32_t i = 0; i < c->calls && st == CG_OK; i++)
        st = call(b, c, i % b->data.n_sets, err);
    /* a capture must be ended also after a failure */
    end = cg_gpu_capture_end(b->device.gpu, &c->graph, st == CG_OK ? err : NULL);
    return st == CG_OK ? end : st;
}

static cg_status prepare_cell(struct attention_bench *b, struct bench_cell *c, cg_error *err)
{
    int64_t before = bench_device_used_bytes(&b->device), grown;
    double seconds = 0;

    CG_TRY(plan_cell(b, c, err));
    CG_TRY(timed_call(b, c, 0, &seconds, err));
    grown = bench_device_used_bytes(&b->device) - before - c->workspace_bytes;
    c->plan_bytes = grown > 0 ? grown : 0;
    if (seconds > b->most_seconds)
        return cg_fail(err, CG_ERR_LIMIT, "a call takes %.3g s, wanted at most %g (--max-call)",
                       seconds, b->most_seconds);
    CG_TRY(timed_call(b, c, b->data.n_sets - 1, &seconds, err));
    c->calls = calls_for(b, seconds);
    return b->device.gpu ? capture(b, c, err) : CG_OK;
}

/* Whether the GPU still works, after a failure of a cell. */
static int device_works(struct attention_bench *b)
{
    return bench_device_synchronize(&b->device, NULL) == CG_OK;
}

static struct bench_cell *add_cell(struct attention_bench *b, int cache, int attention)
{
    struct bench_cell *c = &b->cells[b->n_cells++];

    *c = (struct bench_cell) { .attention = b->attention[attention],
                               .cache = &b->caches[cache],
                               .refusal = CG_ERROR_INIT };
    return c;
}

cg_status bench_cells_open(struct attention_bench *b, cg_error *err)
{
    for (int k = 0; k < b->n_caches; k++)
        for (int i = 0; i < b->n_attention; i++) {
            struct bench_cell *c = add_cell(b, k, i);

            if (c->cache->status != CG_OK) {
                c->status = c->cache->status;
                c->refusal = c->cache->refusal;
                continue;
            }
            c->status = prepare_cell(b, c, &c->refusal);
            if (c->status != CG_OK && !c->refusal.msg[0])
                cg_fail(&c->refusal, c->status, "failed without a reason (%s)",
                        cg_status_name(c->status));
            if (c->status != CG_OK && !device_works(b))
                return cg_fail(err, c->status, "%s: attention '%s' over %s: %.700s", b->shape->name,
                               c->attention->name, c->cache->name, c->refusal.msg);
        }
    return CG_OK;
}

void bench_cells_refuse(struct attention_bench *b, cg_status status, const char *reason)
{
    bench_cells_close(b);
    for (int k = 0; k < b->n_caches; k++)
        for (int i = 0; i < b->n_attention; i++) {
            struct bench_cell *c = add_cell(b, k, i);

            c->status = cg_fail(&c->refusal, status, "%.900s", reason);
        }
}

void bench_cells_close(struct attention_bench *b)
{
    for (int i = 0; i < b->n_cells; i++) {
        struct bench_cell *c = &b->cells[i];

        cg_gpu_graph_destroy(c->graph);
        ((const cg_attention_ops *)c->attention->ops)->destroy(c->plan);
        bench_device_free(&b->device, c->workspace);
        samples_finish(&c->seconds);
    }
    b->n_cells = 0;
}

/* ---- measuring ------------------------------------------------------------------------------ */

/* Times the calls of a cell once: the replay of their graph, or a loop. */
static cg_status time_calls(struct attention_bench *b, struct bench_cell *c, cg_error *err)
{
    double seconds = 0;

    CG_TRY(bench_device_mark(&b->device, 0, err));
    if (c->graph)
        CG_TRY(cg_gpu_replay(b->device.gpu, c->graph, err));
    for (int32_t i = 0; !c->graph && i < c->calls; i++)
        CG_TRY(call(b, c, c->next_set++ % b->data.n_sets, err));
    CG_TRY(bench_device_mark(&b->device, 1, err));
    CG_TRY(bench_device_elapsed(&b->device, &seconds, err));
    samples_add(&c->seconds, seconds / c->calls);
    c->spent += seconds;
    return CG_OK;
}

/* Whether a cell has used its share of time: at least MIN_ROUNDS rounds, or MIN_ROUNDS shares. */
static int is_measured(const struct bench_cell *c, double share)
{
    return c->seconds.n && c->spent >= share &&
           (c->seconds.n >= MIN_ROUNDS || c->spent >= MIN_ROUNDS * share);
}

/* Runs set 0 again over poisoned output and compares some rows with the reference. */
static cg_status check_cell(struct attention_bench *b, struct bench_cell *c, cg_error *err)
{
    CG_TRY(bench_device_fill(&b->device, b->data.out, 0xff, b->data.out_bytes, err));
    CG_TRY(call(b, c, 0, err));
    CG_TRY(bench_device_synchronize(&b->device, err));
    return bench_attention_error(b, c->cache, &c->error, err);
}

/* Runs the cells in turn, so that changes of the clock and other load affect all alike. */
cg_status bench_cells_measure(struct attention_bench *b, cg_error *err)
{
    for (int ran = 1; ran;) {
        ran = 0;
        for (int i = 0; i < b->n_cells; i++) {
            struct bench_cell *c = &b->cells[i];

            if (c->status != CG_OK || is_measured(c, b->seconds))
                continue;
            CG_TRY(time_calls(b, c, err));
            ran = 1;
        }
        if (ran && !b->device.gpu)
            bench_data_read(b);
    }
    for (int i = 0; i < b->n_cells; i++)
        if (b->cells[i].status == CG_OK)
            CG_TRY(check_cell(b, &b->cells[i], err));
    return CG_OK;
}
