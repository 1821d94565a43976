/* SPDX-License-Identifier: MIT */
/* confgen bench attention --device cuda: attention plugins compared with each other and the GPU's
 * copy bandwidth and matrix rate. */
#include <confgen/attention.h>
#include <confgen/gpu.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "bench.h"
#include "table.h"

enum {
    MAX_CELLS = 64,
    MAX_SETS = 64,
    MIN_ROUNDS = 5,
    L2_TIMES = 16,   /* the input sets of a shape are this many times larger than the L2 cache */
    PAGE = 16,       /* tokens per page, as in the plugin `paged` */
    MAX_CALLS = 512, /* per graph */
};

#define REPLAY_SECONDS 4e-3 /* target time of a graph replay, long compared with its launch */

struct gpu_shape {
    const char *set, *name;
    int32_t n_seqs, n_heads, n_kv_heads, head_dim, rows, kv_min, kv_max;
};

static const struct gpu_shape shapes[] = {
    { "prefill", "prefill_s4096_d64", 8, 32, 32, 64, 4096, 4096, 4096 },
    { "prefill", "prefill_s2048_d64", 4, 16, 16, 64, 2048, 2048, 2048 },
    { "prefill", "prompt_b128_s128_d128", 128, 32, 32, 128, 128, 128, 128 },
    { "prefill", "prefill_gqa8_s4096_d128", 1, 64, 8, 128, 4096, 4096, 4096 },
    { "decode", "decode_b1024_l512_d64", 1024, 16, 8, 64, 1, 512, 512 },
    { "decode", "decode_b256_l512_d128", 256, 16, 8, 128, 1, 512, 512 },
    { "decode", "decode_b256_l256_d64", 256, 16, 8, 64, 1, 256, 256 },
    { "decode", "decode_b512_l256_d64", 512, 16, 8, 64, 1, 256, 256 },
    { "decode", "decode_b1024_l256_d64", 1024, 16, 8, 64, 1, 256, 256 },
    { "decode", "decode_b256_l256_d128", 256, 16, 8, 128, 1, 256, 256 },
    { "decode", "decode_b512_l256_d128", 512, 16, 8, 128, 1, 256, 256 },
    { "decode", "decode_b1024_l256_d128", 1024, 16, 8, 128, 1, 256, 256 },
    /* a step of a run: sequences of all lengths */
    { "decode", "decode_b512_ragged_d64", 512, 16, 8, 64, 1, 60, 440 },
    { "decode", "decode_b512_ragged_d128", 512, 16, 8, 128, 1, 60, 440 },
    { "generator", "generator_b128_l128_d128", 128, 32, 32, 128, 1, 128, 128 },
    { "generator", "generator_b128_l512_d128", 128, 32, 32, 128, 1, 512, 512 },
    { "generator", "generator_b128_l1024_d128", 128, 32, 32, 128, 1, 1024, 1024 },
    { "generator", "generator_b128_l2048_d128", 128, 32, 32, 128, 1, 2048, 2048 },
    { "generator", "generator_b128_l4096_d128", 128, 32, 32, 128, 1, 4096, 4096 },
    { "generator", "generator_b128_l8192_d128", 128, 32, 32, 128, 1, 8192, 8192 },
};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

/* A cell of the results: a plugin with a KV layout (static or paged) on the current shape. */
struct attention_gpu_cell {
    const cg_plugin *attention;
    int paged;
    cg_status status;
    cg_error refusal; /* if status is not CG_OK */
    void *plan, *workspace;
    cg_gpu_graph *graph;
    int32_t calls;          /* in the graph */
    struct samples seconds; /* of one call */
    double spent;           /* seconds of all replays */
    double error;           /* relative to the reference */
};

struct attention_gpu_bench {
    const struct attention_gpu_options *o;
    cg_gpu *gpu;
    cg_gpu_info info;
    cg_gpu_ceilings ceilings;
    /* the shape being measured */
    const struct gpu_shape *shape;
    int32_t n_rows, n_sets, table_stride, n_pages;
    int32_t *kv_len, *slot, *q_start, *table;                 /* on the host */
    int32_t *gpu_kv_len, *gpu_slot, *gpu_q_start, *gpu_table; /* the same on the GPU */
    int64_t row_bytes, q_bytes, kv_bytes; /* a row of q; q (or out), keys (or values) of a set */
    char *q, *out, *kv;                   /* all sets; kv: keys, then values of each set */
    double flops, bytes;                  /* of one call */
    struct attention_gpu_cell cells[MAX_CELLS];
    int n_cells;
    json_t *json;
};

static void *host_alloc(size_t n, size_t size)
{
    void *p = calloc(n, size);

    if (!p)
        out_of_memory();
    return p;
}

static int64_t round_up(int64_t x, int64_t to)
{
    return (x + to - 1) / to * to;
}

/* ---- the data of a shape ------------------------------------------------------------------ */

static void shuffle(int32_t *p, int32_t n)
{
    uint32_t seed = 12345;

    for (int32_t i = 0; i < n; i++)
        p[i] = i;
    for (int32_t i = n - 1; i > 0; i--) {
        int32_t k, x = p[i];

        seed = seed * 1664525u + 1013904223u;
        k = (int32_t)((seed >> 8) % (uint32_t)(i + 1));
        p[i] = p[k];
        p[k] = x;
    }
}

static void describe_shape(struct attention_gpu_bench *b, const struct gpu_shape *s)
{
    int64_t element = cg_dtype_size(b->o->dtype), sets;

    b->shape = s;
    b->n_rows = s->n_seqs * s->rows;
    b->table_stride = (s->kv_max + PAGE - 1) / PAGE;
    b->n_pages = s->n_seqs * b->table_stride;
    b->kv_len = host_alloc((size_t)s->n_seqs, sizeof *b->kv_len);
    b->slot = host_alloc((size_t)s->n_seqs, sizeof *b->slot);
    b->q_start = host_alloc((size_t)s->n_seqs + 1, sizeof *b->q_start);
    b->table = host_alloc((size_t)b->n_pages, sizeof *b->table);
    shuffle(b->slot, s->n_seqs);
    shuffle(b->table, b->n_pages);
    b->flops = b->bytes = 0;
    for (int32_t i = 0; i < s->n_seqs; i++) {
        int32_t len = s->kv_min + (int32_t)((int64_t)i * 7919 % (s->kv_max - s->kv_min + 1));

        b->kv_len[i] = len;
        b->q_start[i + 1] = b->q_start[i] + s->rows;
        b->bytes += 2.0 * len * s->n_kv_heads * s->head_dim * (double)element;
        /* row r attends to len - rows + r + 1 tokens, with 2 flops per element for QK and for PV */
        b->flops += 4.0 * s->n_heads * s->head_dim *
                    ((double)s->rows * (len - s->rows) + 0.5 * s->rows * (s->rows + 1.0));
    }
    b->row_bytes = (int64_t)s->n_heads * s->head_dim * element;
    b->q_bytes = round_up(b->n_rows * b->row_bytes, 256);
    b->kv_bytes = (int64_t)b->n_pages * PAGE * s->n_kv_heads * s->head_dim * element;
    sets = (L2_TIMES * b->info.l2_bytes) / (2 * b->q_bytes + 2 * b->kv_bytes) + 1;
    b->n_sets = sets < MAX_SETS ? (int32_t)sets : MAX_SETS;
}

/* On failure *ret_dst may be allocated; free_data() releases it. */
static cg_status upload(const struct attention_gpu_bench *b, const int32_t *src, size_t n,
                        int32_t **ret_dst, cg_error *err)
{
    void *p = NULL;

    CG_TRY(cg_gpu_alloc(b->gpu, n * sizeof *src, &p, err));
    *ret_dst = p;
    return cg_gpu_write(b->gpu, p, src, n * sizeof *src, err);
}

static cg_status random_memory(const struct attention_gpu_bench *b, int64_t bytes, uint32_t seed,
                               char **ret_ptr, cg_error *err)
{
    void *p = NULL;

    CG_TRY(cg_gpu_alloc(b->gpu, (size_t)bytes, &p, err));
    *ret_ptr = p;
    return cg_gpu_random(b->gpu, p, bytes / cg_dtype_size(b->o->dtype), b->o->dtype, seed, err);
}

static cg_status make_data(struct attention_gpu_bench *b, cg_error *err)
{
    size_t n_seqs = (size_t)b->shape->n_seqs;

    CG_TRY(upload(b, b->kv_len, n_seqs, &b->gpu_kv_len, err));
    CG_TRY(upload(b, b->slot, n_seqs, &b->gpu_slot, err));
    CG_TRY(upload(b, b->q_start, n_seqs + 1, &b->gpu_q_start, err));
    CG_TRY(upload(b, b->table, (size_t)b->n_pages, &b->gpu_table, err));
    CG_TRY(random_memory(b, b->n_sets * b->q_bytes, 1, &b->q, err));
    CG_TRY(random_memory(b, b->n_sets * b->q_bytes, 2, &b->out, err));
    return random_memory(b, b->n_sets * 2 * b->kv_bytes, 3, &b->kv, err);
}

static void free_data(struct attention_gpu_bench *b)
{
    void *device[] = {
        b->gpu_kv_len, b->gpu_slot, b->gpu_q_start, b->gpu_table, b->q, b->out, b->kv
    };

    for (size_t i = 0; i < sizeof device / sizeof device[0]; i++)
        cg_gpu_free(b->gpu, device[i]);
    free(b->kv_len);
    free(b->slot);
    free(b->q_start);
    free(b->table);
    b->gpu_kv_len = b->gpu_slot = b->gpu_q_start = b->gpu_table = NULL;
    b->kv_len = b->slot = b->q_start = b->table = NULL;
    b->q = b->out = b->kv = NULL;
}

/* The keys and values of a set in the layout of `static` or `paged`. Both use the same memory,
 * which holds random values. */
static cg_kv_view make_view(const struct attention_gpu_bench *b, int32_t set, int paged)
{
    const struct gpu_shape *s = b->shape;
    int64_t token = (int64_t)s->head_dim * cg_dtype_size(b->o->dtype);
    int32_t block = paged ? PAGE : b->table_stride * PAGE;

    return (cg_kv_view) {
        CG_SIZED(cg_kv_view),
        .device = CG_DEVICE_CUDA,
        .dtype = b->o->dtype,
        .n_slots = s->n_seqs,
        .n_kv_heads = s->n_kv_heads,
        .head_dim = s->head_dim,
        .block_tokens = block,
        .table_stride = paged ? b->table_stride : 0,
        .page_table = paged ? b->gpu_table : NULL,
        .k = b->kv + 2 * set * b->kv_bytes,
        .v = b->kv + (2 * set + 1) * b->kv_bytes,
        .block_stride = token * block * s->n_kv_heads,
        .head_stride = token * block,
        .token_stride = token,
        .generation = 1,
    };
}

/* ---- cells -------------------------------------------------------------------------------- */

/* Three times the usual scale: q and k are uniform in [-1, 1), of variance 1/3, and the scores then
 * have the variance that normally distributed q and k give. */
static float score_scale(const struct gpu_shape *s)
{
    return 3.0f / sqrtf((float)s->head_dim);
}

static cg_status plan_cell(const struct attention_gpu_bench *b, struct attention_gpu_cell *c,
                           cg_error *err)
{
    const cg_attention_ops *ops = c->attention->ops;
    const struct gpu_shape *s = b->shape;
    cg_attention_problem problem = {
        CG_SIZED(cg_attention_problem),
        .device = CG_DEVICE_CUDA,
        .compute_capability = b->info.compute_capability,
        .dtype = b->o->dtype,
        .kv_dtype = b->o->dtype,
        .n_heads = s->n_heads,
        .n_kv_heads = s->n_kv_heads,
        .head_dim = s->head_dim,
        .paged = c->paged,
        .block_tokens = make_view(b, 0, c->paged).block_tokens,
        .max_tokens = b->n_rows,
        .max_seqs = s->n_seqs,
        .max_kv_len = s->kv_max,
        .scale = score_scale(s),
        .flags = CG_ATTENTION_GRAPH_SAFE | b->o->flags,
    };

    CG_TRY(ops->supports(b->o->host, &problem, err));
    CG_TRY(ops->plan(b->o->host, &problem, &c->plan, err));
    if (ops->workspace_size(c->plan))
        CG_TRY(cg_gpu_alloc(b->gpu, ops->workspace_size(c->plan), &c->workspace, err));
    return CG_OK;
}

/* Queues a call over an input set. */
static cg_status call(const struct attention_gpu_bench *b, const struct attention_gpu_cell *c,
                      int32_t set, cg_error *err)
{
    cg_kv_view view = make_view(b, set, c->paged);
    cg_attention_args args = {
        CG_SIZED(cg_attention_args),
        .n_tokens = b->n_rows,
        .n_seqs = b->shape->n_seqs,
        .q = b->q + set * b->q_bytes,
        .out = b->out + set * b->q_bytes,
        .q_stride = b->row_bytes,
        .out_stride = b->row_bytes,
        .q_start = b->gpu_q_start,
        .slot = b->gpu_slot,
        .kv_len = b->gpu_kv_len,
        .kv = &view,
        .workspace = c->workspace,
        .stream = cg_gpu_stream(b->gpu),
    };

    return ((const cg_attention_ops *)c->attention->ops)->run(c->plan, &args, err);
}

/* Runs two calls; *ret_seconds is the time of the second. */
static cg_status try_call(const struct attention_gpu_bench *b, const struct attention_gpu_cell *c,
                          double *ret_seconds, cg_error *err)
{
    CG_TRY(call(b, c, 0, err));
    CG_TRY(cg_gpu_mark(b->gpu, 0, err));
    CG_TRY(call(b, c, b->n_sets - 1, err));
    CG_TRY(cg_gpu_mark(b->gpu, 1, err));
    return cg_gpu_elapsed(b->gpu, ret_seconds, err);
}

static cg_status capture(const struct attention_gpu_bench *b, struct attention_gpu_cell *c,
                         cg_error *err)
{
    cg_status st = CG_OK, end;

    CG_TRY(cg_gpu_capture_begin(b->gpu, err));
    for (int32_t i = 0; i < c->calls && st == CG_OK; i++)
        st = call(b, c, i % b->n_sets, err);
    /* a capture must be ended also after a failure */
    end = cg_gpu_capture_end(b->gpu, &c->graph, st == CG_OK ? err : NULL);
    return st == CG_OK ? end : st;
}

/* The number of calls in a graph, a multiple of the number of sets. */
static int32_t calls_for(const struct attention_gpu_bench *b, double seconds)
{
    double turns = REPLAY_SECONDS / (seconds * b->n_sets);
    int32_t most = MAX_CALLS / b->n_sets;

    return b->n_sets * (turns < 1 ? 1 : turns < most ? (int32_t)turns : most);
}

static cg_status prepare_cell(const struct attention_gpu_bench *b, struct attention_gpu_cell *c,
                              cg_error *err)
{
    double seconds = 0;

    CG_TRY(plan_cell(b, c, err));
    CG_TRY(try_call(b, c, &seconds, err));
    c->calls = calls_for(b, seconds);
    return capture(b, c, err);
}

/* Replays the graph of a cell once and records the time of one call. */
static cg_status time_replay(const struct attention_gpu_bench *b, struct attention_gpu_cell *c,
                             cg_error *err)
{
    double seconds = 0;

    CG_TRY(cg_gpu_mark(b->gpu, 0, err));
    CG_TRY(cg_gpu_replay(b->gpu, c->graph, err));
    CG_TRY(cg_gpu_mark(b->gpu, 1, err));
    CG_TRY(cg_gpu_elapsed(b->gpu, &seconds, err));
    samples_add(&c->seconds, seconds / c->calls);
    c->spent += seconds;
    return CG_OK;
}

static void close_cells(struct attention_gpu_bench *b)
{
    for (int i = 0; i < b->n_cells; i++) {
        struct attention_gpu_cell *c = &b->cells[i];

        cg_gpu_graph_destroy(c->graph);
        ((const cg_attention_ops *)c->attention->ops)->destroy(c->plan);
        cg_gpu_free(b->gpu, c->workspace);
        samples_finish(&c->seconds);
    }
    b->n_cells = 0;
}

/* Runs set 0 again over poisoned output and compares a slice with the reference. */
static cg_status check_cell(const struct attention_gpu_bench *b, struct attention_gpu_cell *c,
                            cg_error *err)
{
    const struct gpu_shape *s = b->shape;
    struct attention_slice slice = {
        .gpu = b->gpu,
        .view = make_view(b, 0, c->paged),
        .q = b->q,
        .out = b->out,
        .row_bytes = b->row_bytes,
        .q_start = b->q_start,
        .slot = b->slot,
        .kv_len = b->kv_len,
        .n_seqs = s->n_seqs,
        .n_heads = s->n_heads,
        .scale = (double)score_scale(s),
    };

    if (c->paged)
        slice.view.page_table = b->table;
    CG_TRY(cg_gpu_fill(b->gpu, b->out, 0xff, (size_t)b->q_bytes, err));
    CG_TRY(call(b, c, 0, err));
    CG_TRY(cg_gpu_synchronize(b->gpu, err));
    return attention_error(&slice, &c->error, err);
}

/* ---- output ------------------------------------------------------------------------------- */

static void add_json(const struct attention_gpu_bench *b, const struct attention_gpu_cell *c)
{
    const struct gpu_shape *s = b->shape;
    double seconds = samples_median(&c->seconds);
    json_t *row = json_pack(
        "{s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "set", s->set, "shape", s->name,
        "attention", c->attention->name, "layout", c->paged ? "paged" : "static", "sequences",
        (int)s->n_seqs, "heads", (int)s->n_heads, "kv_heads", (int)s->n_kv_heads, "head_dim",
        (int)s->head_dim, "rows", (int)s->rows, "kv_min", (int)s->kv_min, "kv_max", (int)s->kv_max);

    if (row && c->status != CG_OK)
        json_object_set_new(row, "refused", cg_json_text(c->refusal.msg));
    else if (row)
        json_object_update_new(row,
                               json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:i, s:i}", "ms",
                                         1e3 * seconds, "tflops", b->flops / seconds * 1e-12,
                                         "kv_bytes_per_second", b->bytes / seconds, "of_matmul",
                                         b->flops / seconds / b->ceilings.matmul_flops, "of_copy",
                                         b->bytes / seconds / b->ceilings.copy_bytes,
                                         "relative_error", isfinite(c->error) ? c->error : 1e300,
                                         "sets", (int)b->n_sets, "rounds", (int)c->seconds.n));
    if (!row || json_array_append_new(b->json, row))
        out_of_memory();
}

static void print_shape(const struct attention_gpu_bench *b)
{
    static const char *const headings[] = { "attention", "layout",  "ms",    "TFLOP/s", "of matmul",
                                            "KV GB/s",   "of copy", "error", "rounds" };
    const struct gpu_shape *s = b->shape;
    struct text_table t;

    printf("\n%s: %d sequences of %d row%s, %d", s->name, s->n_seqs, s->rows,
           s->rows == 1 ? "" : "s", s->kv_min);
    if (s->kv_max > s->kv_min)
        printf(" to %d", s->kv_max);
    printf(" cached tokens, %d heads over %d of %d\n%.2f GFLOP, %.1f MB of keys and values per "
           "call; %d input sets in turn\n",
           s->n_heads, s->n_kv_heads, s->head_dim, b->flops * 1e-9, b->bytes * 1e-6, b->n_sets);
    table_begin(&t, "llrrrrrrr", headings);
    for (int i = 0; i < b->n_cells; i++) {
        const struct attention_gpu_cell *c = &b->cells[i];
        double seconds = samples_median(&c->seconds);

        add_json(b, c);
        if (c->status != CG_OK)
            continue;
        table_cell(&t, "%s", c->attention->name);
        table_cell(&t, "%s", c->paged ? "paged" : "static");
        table_cell(&t, "%.4f", 1e3 * seconds);
        table_cell(&t, "%.2f", b->flops / seconds * 1e-12);
        table_cell(&t, "%.1f %%", 100 * b->flops / seconds / b->ceilings.matmul_flops);
        table_cell(&t, "%.1f", b->bytes / seconds * 1e-9);
        table_cell(&t, "%.1f %%", 100 * b->bytes / seconds / b->ceilings.copy_bytes);
        table_cell(&t, "%.1e", c->error);
        table_cell(&t, "%zu", c->seconds.n);
    }
    table_print(&t, stdout);
    for (int i = 0; i < b->n_cells; i++)
        if (b->cells[i].status != CG_OK)
            printf("%s over %s: %s\n", b->cells[i].attention->name,
                   b->cells[i].paged ? "paged" : "static", b->cells[i].refusal.msg);
    fflush(stdout);
}

static cg_status write_json(const struct attention_gpu_bench *b, cg_error *err)
{
    json_t *root = json_pack(
        "{s:s, s:o, s:i, s:s, s:b, s:f, s:f, s:O}", "bench", "attention", "gpu",
        cg_json_text(b->info.name), "compute_capability", (int)b->info.compute_capability, "dtype",
        cg_dtype_name(b->o->dtype), "deterministic", b->o->flags != 0, "copy_bytes_per_second",
        b->ceilings.copy_bytes, "matmul_flops", b->ceilings.matmul_flops, "cells", b->json);

    return write_bench_json(b->o->json, root, err);
}

/* ---- running ------------------------------------------------------------------------------ */

/* A refusal skips the cell; a plugin that breaks the GPU's context ends the benchmark. */
static cg_status open_cells(struct attention_gpu_bench *b, cg_error *err)
{
    for (int paged = 0; paged < 2; paged++)
        for (int i = 0; i < b->o->n_attention; i++) {
            struct attention_gpu_cell *c;

            if (!(b->o->layouts & 1 << paged) || b->n_cells == MAX_CELLS)
                continue;
            c = &b->cells[b->n_cells++];
            *c = (struct attention_gpu_cell) { .attention = b->o->attention[i],
                                               .paged = paged,
                                               .refusal = CG_ERROR_INIT };
            c->status = prepare_cell(b, c, &c->refusal);
            if (c->status != CG_OK && !c->refusal.msg[0])
                cg_fail(&c->refusal, c->status, "failed without a reason (%s)",
                        cg_status_name(c->status));
            if (c->status == CG_OK || cg_gpu_synchronize(b->gpu, NULL) == CG_OK)
                continue;
            return cg_fail(err, c->status, "%s: attention '%s' over %s: %.700s", b->shape->name,
                           c->attention->name, paged ? "paged" : "static", c->refusal.msg);
        }
    return CG_OK;
}

/* Whether a cell has used its share of time: at least MIN_ROUNDS rounds, or MIN_ROUNDS shares. */
static int is_measured(const struct attention_gpu_cell *c, double share)
{
    return c->seconds.n && c->spent >= share &&
           (c->seconds.n >= MIN_ROUNDS || c->spent >= MIN_ROUNDS * share);
}

/* Runs the cells in turn, so that changes of the clock affect all alike. */
static cg_status run_rounds(struct attention_gpu_bench *b, cg_error *err)
{
    for (int ran = 1; ran;) {
        ran = 0;
        for (int i = 0; i < b->n_cells; i++) {
            struct attention_gpu_cell *c = &b->cells[i];

            if (c->status != CG_OK || is_measured(c, b->o->seconds))
                continue;
            CG_TRY(time_replay(b, c, err));
            ran = 1;
        }
    }
    return CG_OK;
}

static cg_status measure_shape(struct attention_gpu_bench *b, cg_error *err)
{
    CG_TRY(make_data(b, err));
    CG_TRY(open_cells(b, err));
    CG_TRY(run_rounds(b, err));
    for (int i = 0; i < b->n_cells; i++)
        if (b->cells[i].status == CG_OK)
            CG_TRY(check_cell(b, &b->cells[i], err));
    print_shape(b);
    return CG_OK;
}

static cg_status bench_shape(struct attention_gpu_bench *b, const struct gpu_shape *s,
                             cg_error *err)
{
    cg_status st;

    describe_shape(b, s);
    st = measure_shape(b, err);
    close_cells(b);
    free_data(b);
    if (st != CG_ERR_DEVICE_NOMEM)
        return st;
    /* this shape does not fit this GPU; others may */
    printf("\n%s: %s\n", s->name, err->msg);
    *err = (cg_error)CG_ERROR_INIT;
    return CG_OK;
}

/* Whether --set or --case names the shape or its set. */
static int selected(const struct attention_gpu_options *o, const struct gpu_shape *s)
{
    if (!o->n_names)
        return 1;
    for (int i = 0; i < o->n_names; i++)
        if (!strcmp(o->names[i], s->set) || !strcmp(o->names[i], s->name))
            return 1;
    return 0;
}

static void check_names(const struct attention_gpu_options *o)
{
    for (int i = 0; i < o->n_names; i++) {
        int known = 0;

        for (int k = 0; k < N_SHAPES; k++)
            known |= !strcmp(o->names[i], shapes[k].set) || !strcmp(o->names[i], shapes[k].name);
        if (!known)
            usage_error("'%s': wanted the set prefill, decode, generator or all, or the name of a "
                        "shape, e.g. %s",
                        o->names[i], shapes[0].name);
    }
}

cg_status bench_attention_gpu(const struct attention_gpu_options *o, cg_error *err)
{
    struct attention_gpu_bench *b;
    cg_status st;

    check_names(o);
    b = host_alloc(1, sizeof *b);
    b->o = o;
    b->json = json_array();
    b->info.struct_size = sizeof b->info;
    b->ceilings.struct_size = sizeof b->ceilings;
    CG_TRY_GOTO(st, cg_gpu_open(o->gpu, &b->gpu, err), out);
    cg_gpu_get_info(b->gpu, &b->info);
    CG_TRY_GOTO(st, cg_gpu_measure(b->gpu, &b->ceilings, err), out);
    printf("%s, %s%s; copy %.3f TB/s (read and written), bf16 matrix product %.1f TFLOP/s\n",
           b->info.name, cg_dtype_name(o->dtype), o->flags ? ", batch-invariant" : "",
           b->ceilings.copy_bytes * 1e-12, b->ceilings.matmul_flops * 1e-12);
    for (int i = 0; i < N_SHAPES; i++)
        if (selected(o, &shapes[i]))
            CG_TRY_GOTO(st, bench_shape(b, &shapes[i], err), out);
    if (o->json)
        CG_TRY_GOTO(st, write_json(b, err), out);
out:
    json_decref(b->json);
    cg_gpu_close(b->gpu);
    free(b);
    return st;
}
