/* SPDX-License-Identifier: MIT */
#include "ops/linear.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dnnl.h>

#include "base/error.h"
#include "base/size.h"

/* A panel of K x 128 floats fits in the L2 cache up to K of about 1280. */
enum { PANEL = CG_LINEAR_PANEL };

/* Permitted row counts of a task, ascending. The last is the reference of the check. */
static const int row_counts[] = { 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, CG_LINEAR_PAD };
enum { N_COUNTS = sizeof row_counts / sizeof row_counts[0], LAST = N_COUNTS - 1 };

/* Memory objects of one worker, used by it only. */
struct worker_memory {
    dnnl_memory_t x[N_COUNTS], w, y[N_COUNTS];
    dnnl_memory_t scratch[N_COUNTS]; /* NULL if the primitive needs none */
};

/* A task: the product y = x w, x [rows, k], w [k, n] a panel; rows of y are ldy floats apart. */
struct kernel {
    struct kernel *next;
    int64_t n, k, ldy;
    int accumulate;
    size_t packed_bytes;
    dnnl_memory_desc_t packed; /* layout of the weights */
    dnnl_primitive_t prim[N_COUNTS];
    char usable[N_COUNTS];
    char usable_text[64];
    struct worker_memory *mem; /* [workers] */
};

struct cg_linear_context {
    cg_team *team;
    dnnl_engine_t engine;
    dnnl_stream_t *stream; /* [workers] */
    /* The default scratchpad of oneDNN belongs to a primitive, which several workers run at the
     * same time. Each worker has its own instead, of the largest size that a primitive needs. */
    void **scratch; /* [workers] */
    size_t scratch_bytes;
    struct kernel *kernels;
};

struct cg_linear {
    cg_linear_context *ctx;
    int64_t n, k;
    int64_t n_panels;
    struct kernel *body; /* panels of PANEL features */
    struct kernel *tail; /* the last one, if narrower */
    void **packed;       /* [n_panels] */
};

static const char *dnnl_status_text(dnnl_status_t st)
{
    switch (st) {
    case dnnl_out_of_memory:
        return "out of memory";
    case dnnl_invalid_arguments:
        return "invalid arguments";
    case dnnl_unimplemented:
        return "not implemented";
    case dnnl_runtime_error:
        return "runtime error";
    default:
        return "failed";
    }
}

static cg_status fail_dnnl(cg_error *err, const char *call, dnnl_status_t st)
{
    return cg_fail(err, st == dnnl_out_of_memory ? CG_ERR_NOMEM : CG_ERR_INTERNAL, "oneDNN: %s: %s",
                   call, dnnl_status_text(st));
}

#define DNNL(call)                                                                                 \
    do {                                                                                           \
        dnnl_status_t dnnl_st_ = (call);                                                           \
        if (dnnl_st_ != dnnl_success)                                                              \
            return fail_dnnl(err, #call, dnnl_st_);                                                \
    } while (0)

/* ---- the two oneDNN interfaces ---------------------------------------------------------------
 * Version 3 made memory descriptors opaque and removed operation descriptors. */

#if DNNL_VERSION_MAJOR >= 3
static dnnl_status_t describe(dnnl_memory_desc_t *md, int64_t rows, int64_t cols, int64_t s0,
                              int64_t s1)
{
    dnnl_dims_t dims = { rows, cols }, strides = { s0, s1 };

    return dnnl_memory_desc_create_with_strides(md, 2, dims, dnnl_f32, strides);
}

static dnnl_status_t describe_any(dnnl_memory_desc_t *md, int64_t rows, int64_t cols)
{
    dnnl_dims_t dims = { rows, cols };

    return dnnl_memory_desc_create_with_tag(md, 2, dims, dnnl_f32, dnnl_format_tag_any);
}

static void release_desc(dnnl_memory_desc_t *md)
{
    dnnl_memory_desc_destroy(*md);
    *md = NULL;
}

static dnnl_status_t copy_desc(dnnl_memory_desc_t *dst, const_dnnl_memory_desc_t src)
{
    return dnnl_memory_desc_clone(dst, src);
}

static dnnl_status_t memory_create(dnnl_memory_t *mem, const dnnl_memory_desc_t *md,
                                   dnnl_engine_t engine)
{
    return dnnl_memory_create(mem, *md, engine, DNNL_MEMORY_NONE);
}

static size_t desc_size(const dnnl_memory_desc_t *md)
{
    return dnnl_memory_desc_get_size(*md);
}

static dnnl_status_t matmul_desc(dnnl_primitive_desc_t *pd, const dnnl_memory_desc_t *x,
                                 const dnnl_memory_desc_t *w, const dnnl_memory_desc_t *y,
                                 dnnl_primitive_attr_t attr, dnnl_engine_t engine)
{
    return dnnl_matmul_primitive_desc_create(pd, engine, *x, *w, NULL, *y, attr);
}

static dnnl_status_t reorder_desc(dnnl_primitive_desc_t *pd, const dnnl_memory_desc_t *from,
                                  const dnnl_memory_desc_t *to, dnnl_engine_t engine)
{
    return dnnl_reorder_primitive_desc_create(pd, *from, engine, *to, engine, NULL);
}

static dnnl_status_t append_sum(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_sum(ops, 1.0f, 0, dnnl_data_type_undef);
}
#else
static dnnl_status_t describe(dnnl_memory_desc_t *md, int64_t rows, int64_t cols, int64_t s0,
                              int64_t s1)
{
    dnnl_dims_t dims = { rows, cols }, strides = { s0, s1 };

    return dnnl_memory_desc_init_by_strides(md, 2, dims, dnnl_f32, strides);
}

static dnnl_status_t describe_any(dnnl_memory_desc_t *md, int64_t rows, int64_t cols)
{
    dnnl_dims_t dims = { rows, cols };

    return dnnl_memory_desc_init_by_tag(md, 2, dims, dnnl_f32, dnnl_format_tag_any);
}

static void release_desc(dnnl_memory_desc_t *md)
{
    (void)md;
}

static dnnl_status_t copy_desc(dnnl_memory_desc_t *dst, const dnnl_memory_desc_t *src)
{
    *dst = *src;
    return dnnl_success;
}

static dnnl_status_t memory_create(dnnl_memory_t *mem, const dnnl_memory_desc_t *md,
                                   dnnl_engine_t engine)
{
    return dnnl_memory_create(mem, md, engine, DNNL_MEMORY_NONE);
}

static size_t desc_size(const dnnl_memory_desc_t *md)
{
    return dnnl_memory_desc_get_size(md);
}

static dnnl_status_t matmul_desc(dnnl_primitive_desc_t *pd, const dnnl_memory_desc_t *x,
                                 const dnnl_memory_desc_t *w, const dnnl_memory_desc_t *y,
                                 dnnl_primitive_attr_t attr, dnnl_engine_t engine)
{
    dnnl_matmul_desc_t op;
    dnnl_status_t st = dnnl_matmul_desc_init(&op, x, w, NULL, y);

    return st == dnnl_success ? dnnl_primitive_desc_create(pd, &op, attr, engine, NULL) : st;
}

static dnnl_status_t reorder_desc(dnnl_primitive_desc_t *pd, const dnnl_memory_desc_t *from,
                                  const dnnl_memory_desc_t *to, dnnl_engine_t engine)
{
    return dnnl_reorder_primitive_desc_create(pd, from, engine, to, engine, NULL);
}

static dnnl_status_t append_sum(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_sum(ops, 1.0f);
}
#endif

/* ---- context ----------------------------------------------------------------------------- */

static cg_status create_engine(cg_linear_context *ctx, cg_error *err)
{
    DNNL(dnnl_engine_create(&ctx->engine, dnnl_cpu, 0));
    for (int w = 0; w < cg_team_size(ctx->team); w++)
        DNNL(dnnl_stream_create(&ctx->stream[w], ctx->engine, dnnl_stream_default_flags));
    return CG_OK;
}

cg_status cg_linear_context_create(cg_team *team, cg_linear_context **ret_ctx, cg_error *err)
{
    cg_linear_context *ctx = calloc(1, sizeof *ctx);
    int workers = cg_team_size(team);
    cg_status st;

    if (!ctx)
        return cg_fail_nomem(err, "linear");
    ctx->team = team;
    ctx->stream = calloc((size_t)workers, sizeof *ctx->stream);
    ctx->scratch = calloc((size_t)workers, sizeof *ctx->scratch);
    if (!ctx->stream || !ctx->scratch) {
        st = cg_fail_nomem(err, "linear");
        goto out;
    }
    CG_TRY_GOTO(st, create_engine(ctx, err), out);
    *ret_ctx = ctx;
    ctx = NULL;
out:
    cg_linear_context_destroy(ctx);
    return st;
}

static void kernel_destroy(struct kernel *kn, int workers)
{
    if (!kn)
        return;
    for (int c = 0; c < N_COUNTS; c++) {
        dnnl_primitive_destroy(kn->prim[c]);
        for (int w = 0; w < workers && kn->mem; w++) {
            dnnl_memory_destroy(kn->mem[w].x[c]);
            dnnl_memory_destroy(kn->mem[w].y[c]);
            dnnl_memory_destroy(kn->mem[w].scratch[c]);
        }
    }
    for (int w = 0; w < workers && kn->mem; w++)
        dnnl_memory_destroy(kn->mem[w].w);
    release_desc(&kn->packed);
    free(kn->mem);
    free(kn);
}

void cg_linear_context_destroy(cg_linear_context *ctx)
{
    int workers;

    if (!ctx)
        return;
    workers = cg_team_size(ctx->team);
    while (ctx->kernels) {
        struct kernel *kn = ctx->kernels;

        ctx->kernels = kn->next;
        kernel_destroy(kn, workers);
    }
    for (int w = 0; w < workers && ctx->stream; w++)
        dnnl_stream_destroy(ctx->stream[w]);
    for (int w = 0; w < workers && ctx->scratch; w++)
        free(ctx->scratch[w]);
    dnnl_engine_destroy(ctx->engine);
    free(ctx->scratch);
    free(ctx->stream);
    free(ctx);
}

/* ---- kernels ----------------------------------------------------------------------------- */

/* Grows the scratchpad of every worker to `bytes`. */
static cg_status grow_scratch(cg_linear_context *ctx, size_t bytes, cg_error *err)
{
    for (int w = 0; w < cg_team_size(ctx->team) && bytes > ctx->scratch_bytes; w++) {
        free(ctx->scratch[w]);
        ctx->scratch[w] = aligned_alloc(64, (bytes + 63) / 64 * 64);
        if (!ctx->scratch[w]) {
            ctx->scratch_bytes = 0; /* sizes differ now: the next call reallocates all */
            return cg_fail_nomem(err, "linear");
        }
    }
    if (bytes > ctx->scratch_bytes)
        ctx->scratch_bytes = bytes;
    return CG_OK;
}

static cg_status make_scratch(struct kernel *kn, cg_linear_context *ctx, dnnl_primitive_desc_t pd,
                              int c, cg_error *err)
{
    dnnl_memory_desc_t md;
    size_t bytes;

    if (!dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0))
        return CG_OK;
    DNNL(copy_desc(&md, dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0)));
    bytes = desc_size(&md);
    for (int w = 0; w < cg_team_size(ctx->team) && bytes; w++)
        DNNL(memory_create(&kn->mem[w].scratch[c], &md, ctx->engine));
    release_desc(&md);
    return grow_scratch(ctx, bytes, err);
}

/* Creates the primitive of row count c. The largest, created first, selects the weight layout. */
static cg_status make_primitive(struct kernel *kn, cg_linear_context *ctx,
                                dnnl_primitive_attr_t attr, int c, cg_error *err)
{
    int workers = cg_team_size(ctx->team);
    int m = row_counts[c];
    dnnl_memory_desc_t x, y, any;
    dnnl_primitive_desc_t pd;
    cg_status st;

    DNNL(describe(&x, m, kn->k, kn->k, 1));
    DNNL(describe(&y, m, kn->n, kn->ldy, 1));
    if (c == LAST) {
        DNNL(describe_any(&any, kn->k, kn->n));
        DNNL(matmul_desc(&pd, &x, &any, &y, attr, ctx->engine));
        DNNL(copy_desc(&kn->packed, dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0)));
        kn->packed_bytes = desc_size(&kn->packed);
        for (int w = 0; w < workers; w++)
            DNNL(memory_create(&kn->mem[w].w, &kn->packed, ctx->engine));
        release_desc(&any);
    } else if (matmul_desc(&pd, &x, &kn->packed, &y, attr, ctx->engine) != dnnl_success) {
        release_desc(&x);
        release_desc(&y);
        return CG_OK; /* oneDNN has no kernel for this layout: the row count is not used */
    }
    DNNL(dnnl_primitive_create(&kn->prim[c], pd));
    st = make_scratch(kn, ctx, pd, c, err);
    DNNL(dnnl_primitive_desc_destroy(pd));
    CG_TRY(st);
    for (int w = 0; w < workers; w++) {
        DNNL(memory_create(&kn->mem[w].x[c], &x, ctx->engine));
        DNNL(memory_create(&kn->mem[w].y[c], &y, ctx->engine));
    }
    release_desc(&x);
    release_desc(&y);
    return CG_OK;
}

static dnnl_status_t execute(const struct kernel *kn, const cg_linear_context *ctx, int worker,
                             int c, const float *x, const void *packed, float *y)
{
    struct worker_memory *mem = &kn->mem[worker];
    dnnl_exec_arg_t args[4] = { { DNNL_ARG_SRC, mem->x[c] },
                                { DNNL_ARG_WEIGHTS, mem->w },
                                { DNNL_ARG_DST, mem->y[c] },
                                { DNNL_ARG_SCRATCHPAD, mem->scratch[c] } };

    /* A task runs on one thread: oneDNN must not start its own team. */
    omp_set_num_threads(1);
    dnnl_memory_set_data_handle(mem->x[c], (void *)(uintptr_t)x);
    dnnl_memory_set_data_handle(mem->w, (void *)(uintptr_t)packed);
    dnnl_memory_set_data_handle(mem->y[c], y);
    if (mem->scratch[c])
        dnnl_memory_set_data_handle(mem->scratch[c], ctx->scratch[worker]);
    return dnnl_primitive_execute(kn->prim[c], ctx->stream[worker], mem->scratch[c] ? 4 : 3, args);
}

/* Pseudo-random numbers in [-1, 1) that use all mantissa bits. */
static void fill_noise(float *p, size_t n)
{
    uint32_t s = 0x9e3779b9u;

    for (size_t i = 0; i < n; i++) {
        s = s * 1664525u + 1013904223u;
        p[i] = (float)(int32_t)s * 0x1p-31f;
    }
}

/* Determines the row counts that give the bits of the largest one for every row of a tile. The
 * product is added to numbers that are not 0: kernels differ in when they add them. */
static cg_status check_row_counts(struct kernel *kn, cg_linear_context *ctx, cg_error *err)
{
    int rows = row_counts[LAST];
    size_t nx = (size_t)(rows * kn->k), ny = (size_t)((rows + CG_LINEAR_PAD) * kn->ldy);
    float *x = aligned_alloc(64, (nx * 4 + 63) / 64 * 64);
    float *w = aligned_alloc(64, (kn->packed_bytes + 63) / 64 * 64);
    float *before = malloc(ny * sizeof *before);
    float *expected = malloc(ny * sizeof *expected);
    float *got = malloc(ny * sizeof *got);
    dnnl_status_t st = dnnl_success;
    size_t used = 0;

    if (!x || !w || !before || !expected || !got) {
        st = dnnl_out_of_memory;
        goto out;
    }
    fill_noise(x, nx);
    fill_noise(w, kn->packed_bytes / 4);
    fill_noise(before, ny);
    memcpy(expected, before, ny * sizeof *expected);
    st = execute(kn, ctx, 0, LAST, x, w, expected);
    for (int c = 0; c < N_COUNTS && st == dnnl_success; c++) {
        int m = row_counts[c];
        int same = kn->prim[c] != NULL;

        for (int r = 0; same && r < rows && st == dnnl_success; r += m) {
            int r0 = r + m > rows ? rows - m : r; /* the last tile overlaps */

            for (int i = 0; i < m; i++)
                memcpy(got + (r0 + i) * kn->ldy, before + (r0 + i) * kn->ldy, (size_t)kn->n * 4);
            st = execute(kn, ctx, 0, c, x + r0 * kn->k, w, got + r0 * kn->ldy);
        }
        for (int r = 0; same && r < rows; r++)
            same = !memcmp(got + r * kn->ldy, expected + r * kn->ldy, (size_t)kn->n * 4);
        kn->usable[c] = (char)same;
        if (same)
            used += (size_t)snprintf(kn->usable_text + used, sizeof kn->usable_text - used, "%s%d",
                                     used ? " " : "", m);
    }
out:
    free(x);
    free(w);
    free(before);
    free(expected);
    free(got);
    return st == dnnl_success ? CG_OK : fail_dnnl(err, "checking row counts", st);
}

static cg_status make_primitives(struct kernel *kn, cg_linear_context *ctx, cg_error *err)
{
    dnnl_primitive_attr_t attr;
    dnnl_post_ops_t ops;
    cg_status st = CG_OK;

    DNNL(dnnl_primitive_attr_create(&attr));
    DNNL(dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user));
    if (kn->accumulate) {
        DNNL(dnnl_post_ops_create(&ops));
        DNNL(append_sum(ops));
        DNNL(dnnl_primitive_attr_set_post_ops(attr, ops));
        DNNL(dnnl_post_ops_destroy(ops));
    }
    for (int c = LAST; c >= 0 && st == CG_OK; c--)
        st = make_primitive(kn, ctx, attr, c, err);
    DNNL(dnnl_primitive_attr_destroy(attr));
    return st;
}

static cg_status kernel_get(cg_linear_context *ctx, int64_t n, int64_t k, int64_t ldy,
                            int accumulate, struct kernel **ret_kernel, cg_error *err)
{
    struct kernel *kn;
    cg_status st;

    for (kn = ctx->kernels; kn; kn = kn->next)
        if (kn->n == n && kn->k == k && kn->ldy == ldy && kn->accumulate == accumulate) {
            *ret_kernel = kn;
            return CG_OK;
        }
    kn = calloc(1, sizeof *kn);
    if (!kn)
        return cg_fail_nomem(err, "linear");
    kn->n = n;
    kn->k = k;
    kn->ldy = ldy;
    kn->accumulate = accumulate;
    kn->mem = calloc((size_t)cg_team_size(ctx->team), sizeof *kn->mem);
    st = kn->mem ? CG_OK : cg_fail_nomem(err, "linear");
    if (st != CG_OK)
        goto out;
    CG_TRY_GOTO(st, make_primitives(kn, ctx, err), out);
    CG_TRY_GOTO(st, check_row_counts(kn, ctx, err), out);
    kn->next = ctx->kernels;
    ctx->kernels = kn;
    *ret_kernel = kn;
    kn = NULL;
out:
    kernel_destroy(kn, cg_team_size(ctx->team));
    return st;
}

/* ---- packing ----------------------------------------------------------------------------- */

static cg_status pack_panel(cg_linear *l, struct kernel *kn, const float *rows, void **ret_packed,
                            cg_error *err)
{
    cg_linear_context *ctx = l->ctx;
    dnnl_memory_desc_t plain;
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t prim;
    dnnl_memory_t from;
    dnnl_exec_arg_t args[2];
    void *packed = aligned_alloc(64, (kn->packed_bytes + 63) / 64 * 64);

    if (!packed)
        return cg_fail(err, CG_ERR_NOMEM, "linear: out of memory for %zu bytes of weights",
                       kn->packed_bytes);
    *ret_packed = packed; /* owned by the linear from here on */
    omp_set_num_threads(1);
    DNNL(describe(&plain, kn->k, kn->n, 1, kn->k)); /* rows are [n, k]: W^T by strides */
    DNNL(reorder_desc(&pd, &plain, &kn->packed, ctx->engine));
    DNNL(dnnl_primitive_create(&prim, pd));
    DNNL(dnnl_primitive_desc_destroy(pd));
    DNNL(memory_create(&from, &plain, ctx->engine));
    DNNL(dnnl_memory_set_data_handle(from, (void *)(uintptr_t)rows));
    DNNL(dnnl_memory_set_data_handle(kn->mem[0].w, packed));
    args[0] = (dnnl_exec_arg_t) { DNNL_ARG_FROM, from };
    args[1] = (dnnl_exec_arg_t) { DNNL_ARG_TO, kn->mem[0].w };
    DNNL(dnnl_primitive_execute(prim, ctx->stream[0], 2, args));
    DNNL(dnnl_memory_destroy(from));
    DNNL(dnnl_primitive_destroy(prim));
    release_desc(&plain);
    return CG_OK;
}

static cg_status pack_panels(cg_linear *l, cg_linear_rows_fn rows, void *arg, float *panel,
                             cg_error *err)
{
    for (int64_t p = 0; p < l->n_panels; p++) {
        struct kernel *kn = p * PANEL + PANEL <= l->n ? l->body : l->tail;

        rows(arg, p * PANEL, kn->n, panel);
        CG_TRY(pack_panel(l, kn, panel, &l->packed[p], err));
    }
    return CG_OK;
}

cg_status cg_linear_create(cg_linear_context *ctx, int64_t n, int64_t k, int accumulate,
                           cg_linear_rows_fn rows, void *arg, cg_linear **ret_linear, cg_error *err)
{
    cg_linear *l = calloc(1, sizeof *l);
    float *panel = NULL;
    cg_status st;

    if (!l)
        return cg_fail_nomem(err, "linear");
    l->ctx = ctx;
    l->n = n;
    l->k = k;
    l->n_panels = (n + PANEL - 1) / PANEL;
    l->packed = calloc((size_t)l->n_panels, sizeof *l->packed);
    panel = cg_alloc_array((size_t)(PANEL * k), sizeof *panel);
    if (!l->packed || !panel) {
        st = cg_fail_nomem(err, "linear");
        goto out;
    }
    if (n >= PANEL)
        CG_TRY_GOTO(st, kernel_get(ctx, PANEL, k, n, accumulate, &l->body, err), out);
    if (n % PANEL)
        CG_TRY_GOTO(st, kernel_get(ctx, n % PANEL, k, n, accumulate, &l->tail, err), out);
    CG_TRY_GOTO(st, pack_panels(l, rows, arg, panel, err), out);
    *ret_linear = l;
    l = NULL;
out:
    free(panel);
    cg_linear_destroy(l);
    return st;
}

void cg_linear_destroy(cg_linear *l)
{
    if (!l)
        return;
    for (int64_t p = 0; p < l->n_panels && l->packed; p++)
        free(l->packed[p]);
    free(l->packed);
    free(l);
}

const char *cg_linear_row_counts(const cg_linear *l)
{
    return (l->body ? l->body : l->tail)->usable_text;
}

/* ---- run --------------------------------------------------------------------------------- */

enum { MAX_TILE = CG_LINEAR_PAD };

struct linear_run {
    const cg_linear *l;
    const float *x;
    float *y;
    int64_t rows, tile;
    int64_t n_tiles;
    _Atomic int dnnl_status;
};

/* Returns the index of the largest usable row count of at most `rows`, else of the smallest. */
static int select_row_count(const struct kernel *kn, int64_t rows)
{
    int smallest = LAST;

    for (int c = LAST; c >= 0; c--) {
        if (!kn->usable[c])
            continue;
        if (row_counts[c] <= rows)
            return c;
        smallest = c;
    }
    return smallest;
}

static void run_task(void *arg, int64_t i, int worker)
{
    struct linear_run *r = arg;
    const cg_linear *l = r->l;
    int64_t p = i / r->n_tiles;
    int64_t row = i % r->n_tiles * r->tile;
    int64_t end = row + r->tile < r->rows ? row + r->tile : r->rows;
    const struct kernel *kn = p * PANEL + PANEL <= l->n ? l->body : l->tail;

    while (row < end) {
        int c = select_row_count(kn, end - row);
        dnnl_status_t st = execute(kn, l->ctx, worker, c, r->x + row * l->k, l->packed[p],
                                   r->y + row * l->n + p * PANEL);

        if (st != dnnl_success) {
            r->dnnl_status = (int)st;
            return;
        }
        row += row_counts[c];
    }
}

/* Returns whether tasks are never padded: every panel has a kernel for single rows. */
static int needs_no_padding(const cg_linear *l)
{
    return (!l->body || l->body->usable[0]) && (!l->tail || l->tail->usable[0]);
}

cg_status cg_linear_run(cg_linear *l, const float *x, float *y, int64_t rows, cg_error *err)
{
    struct linear_run r = { l, x, y, rows, MAX_TILE, 0, dnnl_success };
    int workers = cg_team_size(l->ctx->team);

    if (rows <= 0)
        return CG_OK;
    /* Smaller tiles give enough tasks to keep the team busy to the end; still smaller ones would
     * not pay for loading their panel. With padding, tiles stay whole: only the last one may extend
     * beyond its rows. */
    if (l->n_panels * ((rows + MAX_TILE - 1) / MAX_TILE) < 4 * workers && workers > 1 &&
        needs_no_padding(l))
        r.tile = MAX_TILE / 2;
    r.n_tiles = (rows + r.tile - 1) / r.tile;
    cg_team_loop(l->ctx->team, l->n_panels * r.n_tiles, run_task, &r);
    if (r.dnnl_status != dnnl_success)
        return fail_dnnl(err, "matrix product", (dnnl_status_t)r.dnnl_status);
    return CG_OK;
}
