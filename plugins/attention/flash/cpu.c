/* SPDX-License-Identifier: MIT */
/*
 * flash on the CPU: tiled attention with an online softmax, vectorised. This file cuts a call into
 * pieces of work and picks the kernels; flash_tile.h computes.
 */
#include <stdlib.h>
#include <string.h>

#include <confgen/attention.h>
#include <confgen/attention_check.h>

#include "flash.h"
#include "sides.h"

enum { CAPS = CG_ATTENTION_DETERMINISTIC | CG_ATTENTION_BATCH_INVARIANT };

struct variant {
    const char *name;
    flash_rows_fn rows;
};

typedef struct flash_plan {
    const cg_attention_ops *side; /* first: flash_plan_side() */
    const cg_host *host;
    cg_attention_problem problem;
    flash_rows_fn rows;
    size_t gather; /* floats of scratch a worker */
} flash_plan;

static int runs_here(const char *variant)
{
#ifdef FLASH_X86
    if (strcmp(variant, "avx512") == 0)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
    if (strcmp(variant, "avx2") == 0)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    return strcmp(variant, "generic") == 0;
}

/*
 * The best variant of this processor, or the one that CONFGEN_FLASH_ISA names: tests run them all,
 * and a run may be repeated with the bits of a lesser machine.
 */
static cg_status pick(const cg_host *host, flash_rows_fn *ret_rows, cg_error *err)
{
    static const struct variant variants[] = {
#ifdef FLASH_X86
        { "avx512", flash_rows_avx512 },
        { "avx2", flash_rows_avx2 },
#endif
        { "generic", flash_rows_generic },
    };
    const char *wanted = getenv("CONFGEN_FLASH_ISA");

    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        if (wanted && *wanted && strcmp(wanted, variants[i].name) != 0)
            continue;
        if (runs_here(variants[i].name)) {
            *ret_rows = variants[i].rows;
            return CG_OK;
        }
    }
    return host->fail(err, CG_ERR_UNSUPPORTED,
                      "CONFGEN_FLASH_ISA is '%.32s', wanted one of avx512, avx2, generic that this "
                      "processor has",
                      wanted ? wanted : "");
}

static cg_status supports(const cg_host *host, const cg_attention_problem *p, cg_error *err)
{
    flash_rows_fn rows;

    if (p->dtype != CG_F32 || p->kv_dtype != CG_F32)
        return host->fail(
            err, CG_ERR_UNSUPPORTED,
            "element types %d and %d of q and cache: on the CPU flash computes in f32 only",
            p->dtype, p->kv_dtype);
    if (p->head_dim % 8 || p->head_dim > FLASH_MAX_DIM)
        return host->fail(err, CG_ERR_UNSUPPORTED, "head size %d, wanted a multiple of 8 up to %d",
                          p->head_dim, FLASH_MAX_DIM);
    if (p->flags & ~(uint32_t)CAPS)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "CUDA graph capture: flash was asked to run on the CPU");
    return pick(host, &rows, err);
}

static cg_status plan(const cg_host *host, const cg_attention_problem *p, void **ret_plan,
                      cg_error *err)
{
    flash_rows_fn rows = NULL;
    flash_plan *f;
    cg_status st;

    if ((st = supports(host, p, err)) != CG_OK || (st = pick(host, &rows, err)) != CG_OK)
        return st;
    f = host->alloc(host->ctx, sizeof *f);
    if (!f)
        return host->fail(err, CG_ERR_NOMEM, "attention plan: out of memory");
    f->side = &flash_cpu_ops;
    f->host = host;
    f->problem = cg_attention_keep_problem(p);
    f->rows = rows;
    /* Blocks that cut a piece, or may: its tokens are copied together. */
    f->gather = p->paged && (p->block_tokens == 0 || p->block_tokens % FLASH_PIECE)
                    ? (size_t)2 * FLASH_TILE * (size_t)p->head_dim
                    : 0;
    *ret_plan = f;
    return CG_OK;
}

static void destroy(void *self)
{
    flash_plan *f = self;

    if (f)
        f->host->free(f->host->ctx, f);
}

/* Bytes of the list of pieces of work, up to the scratch. */
static size_t list_size(const flash_plan *f)
{
    return (((size_t)f->problem.max_seqs + 1) * sizeof(int64_t) + 63) / 64 * 64;
}

static size_t workspace_size(const void *self)
{
    const flash_plan *f = self;

    return list_size(f) + (size_t)f->host->workers * f->gather * sizeof(float);
}

struct loop {
    const flash_plan *plan;
    const cg_attention_args *args;
    const int64_t *first; /* [n_seqs + 1] first piece of work of a sequence */
    float *gather;        /* NULL: not needed */
    int32_t group;
};

/* Items of a sequence: key/value head by key/value head, for each the blocks of FLASH_ROWS rows. */
static void run_item(void *arg, int64_t item, int32_t worker)
{
    const struct loop *loop = arg;
    const flash_plan *f = loop->plan;
    const cg_attention_args *a = loop->args;
    int32_t lo = 0, hi = a->n_seqs; /* first[lo] <= item < first[hi] */
    int32_t tokens, blocks, block, kv_head, n;
    flash_work work;
    size_t head;

    while (hi - lo > 1) {
        int32_t mid = lo + (hi - lo) / 2;

        if (loop->first[mid] <= item)
            lo = mid;
        else
            hi = mid;
    }
    tokens = a->q_start[lo + 1] - a->q_start[lo];
    blocks = (int32_t)((loop->first[lo + 1] - loop->first[lo]) / f->problem.n_kv_heads);
    block = (int32_t)((item - loop->first[lo]) % blocks);
    kv_head = (int32_t)((item - loop->first[lo]) / blocks);
    n = tokens * loop->group - block * FLASH_ROWS;
    head = (size_t)kv_head * (size_t)loop->group * (size_t)f->problem.head_dim * sizeof(float);
    work = (flash_work) {
        .q = (const char *)a->q + a->q_start[lo] * a->q_stride + head,
        .out = (char *)a->out + a->q_start[lo] * a->out_stride + head,
        .q_stride = a->q_stride,
        .out_stride = a->out_stride,
        .first = block * FLASH_ROWS,
        .n = n < FLASH_ROWS ? n : FLASH_ROWS,
        .group = loop->group,
        .first_pos = a->kv_len[lo] - tokens,
        .window = f->problem.window,
        .head_dim = f->problem.head_dim,
        .slot = a->slot[lo],
        .kv_head = kv_head,
        .scale = f->problem.scale,
        .kv = a->kv,
        .gather = loop->gather ? loop->gather + (size_t)worker * f->gather : NULL,
    };
    f->rows(&work);
}

static cg_status run(void *self, const cg_attention_args *args, cg_error *err)
{
    flash_plan *f = self;
    cg_status st = cg_attention_check_args(f->host, &f->problem, args, err);
    struct loop loop = { .plan = f, .args = args };
    int64_t *first, n = 0;

    if (st != CG_OK || args->n_seqs == 0)
        return st;
    loop.first = first = args->workspace;
    loop.group = f->problem.n_heads / f->problem.n_kv_heads;
    if (f->gather && args->kv->block_tokens % FLASH_PIECE)
        loop.gather = (float *)((char *)args->workspace + list_size(f));
    for (int32_t i = 0; i < args->n_seqs; i++) {
        int64_t rows = (int64_t)(args->q_start[i + 1] - args->q_start[i]) * loop.group;

        first[i] = n;
        n += (rows + FLASH_ROWS - 1) / FLASH_ROWS * f->problem.n_kv_heads;
    }
    first[args->n_seqs] = n;
    f->host->parallel_for(f->host->ctx, n, run_item, &loop);
    return CG_OK;
}

const cg_attention_ops flash_cpu_ops = {
    CG_SIZED(cg_attention_ops),       .caps = CAPS, .supports = supports, .plan = plan,
    .workspace_size = workspace_size, .run = run,   .destroy = destroy,
};
