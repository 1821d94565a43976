/* SPDX-License-Identifier: MIT */
/*
 * flash on the CPU: tiled attention with an online softmax, vectorised. Divides a call into work
 * items and selects the kernels, which are in flash_tile.h.
 */
#include <stdlib.h>
#include <string.h>

#include <confgen/attention.h>
#include <confgen/attention_check.h>

#include "flash_cpu.h"
#include "flash_ops.h"

enum { CAPS = CG_ATTENTION_DETERMINISTIC | CG_ATTENTION_BATCH_INVARIANT };

typedef struct flash_plan {
    const cg_attention_ops *ops; /* first: flash_plan_ops() */
    const cg_host *host;
    cg_attention_problem problem;
    const flash_variant *variant;
    size_t gather; /* floats of scratch per worker */
} flash_plan;

/*
 * Selects the first variant that this processor has, or the one that CONFGEN_FLASH_ISA names: tests
 * run them all, and a run can be repeated with the bits of a lesser machine.
 */
static cg_status select_variant(const cg_host *host, const flash_variant **ret_variant,
                                cg_error *err)
{
    const char *wanted = getenv("CONFGEN_FLASH_ISA");
    uint32_t flags = flash_cpu_flags();

    for (const flash_variant *v = flash_variants; v->name; v++) {
        if (wanted && *wanted && strcmp(wanted, v->name) != 0)
            continue;
        if ((v->cpu_flags & ~flags) == 0) {
            *ret_variant = v;
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
    int64_t rows = (int64_t)p->max_tokens * (p->n_heads / p->n_kv_heads);
    const flash_variant *variant;

    if (p->dtype != CG_F32 || p->kv_dtype != CG_F32)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "q of %s and cache of %s, wanted f32 for both on the CPU",
                          cg_dtype_name(p->dtype), cg_dtype_name(p->kv_dtype));
    if (p->head_dim % 8 || p->head_dim > FLASH_MAX_DIM)
        return host->fail(err, CG_ERR_UNSUPPORTED, "head size %d, wanted a multiple of 8 up to %d",
                          p->head_dim, FLASH_MAX_DIM);
    if (p->flags & ~(uint32_t)CAPS)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "CUDA graph capture required of a plan for the CPU");
    /* row blocks are counted in 32 bits */
    if (rows / FLASH_ROWS + p->max_seqs > INT32_MAX)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "%d query tokens of %d heads: too many for one call", p->max_tokens,
                          p->n_heads);
    return select_variant(host, &variant, err);
}

static cg_status create_plan(const cg_host *host, const cg_attention_problem *p, void **ret_plan,
                             cg_error *err)
{
    const flash_variant *variant = NULL;
    flash_plan *plan;

    CG_TRY(supports(host, p, err));
    CG_TRY(select_variant(host, &variant, err));
    plan = host->alloc(host->ctx, sizeof *plan);
    if (!plan)
        return host->fail(err, CG_ERR_NOMEM, "flash: out of host memory for a plan");
    plan->ops = &flash_cpu_ops;
    plan->host = host;
    plan->problem = cg_attention_keep_problem(p);
    plan->variant = variant;
    /* Where pages split KV blocks, or may, the tokens of a KV block are copied together. */
    plan->gather = p->paged && (p->block_tokens == 0 || p->block_tokens % FLASH_CPU_KV_BLOCK)
                       ? (size_t)2 * FLASH_TILE * (size_t)p->head_dim
                       : 0;
    *ret_plan = plan;
    return CG_OK;
}

static void destroy(void *self)
{
    flash_plan *plan = self;

    if (plan)
        plan->host->free(plan->host->ctx, plan);
}

/* Bytes of the list of first row blocks; the scratch of the workers follows. */
static size_t list_size(const flash_plan *plan)
{
    return (((size_t)plan->problem.max_seqs + 1) * sizeof(int32_t) + 63) / 64 * 64;
}

static size_t workspace_size(const void *self)
{
    const flash_plan *plan = self;

    return list_size(plan) + (size_t)plan->host->workers * plan->gather * sizeof(float);
}

struct loop {
    const flash_plan *plan;
    const cg_attention_args *args;
    const int32_t *first_block; /* [n_seqs + 1] row blocks of FLASH_ROWS rows before a sequence */
    float *gather;              /* NULL: not needed */
    int32_t group;
};

/*
 * Computes one row block of one key/value head. Items of a sequence: all row blocks of its first
 * head, of its second head ...; sequence i has items first_block[i] * n_kv_heads onwards.
 */
static void run_item(void *arg, int64_t item, int32_t worker)
{
    const struct loop *loop = arg;
    const flash_plan *plan = loop->plan;
    const cg_attention_args *a = loop->args;
    const int32_t n_kv_heads = plan->problem.n_kv_heads, *first = loop->first_block;
    int32_t seq = cg_attention_sequence_of_token(first, a->n_seqs, (int32_t)(item / n_kv_heads));
    int32_t tokens = a->q_start[seq + 1] - a->q_start[seq];
    int32_t blocks = first[seq + 1] - first[seq];
    int64_t local = item - (int64_t)first[seq] * n_kv_heads;
    int32_t block = (int32_t)(local % blocks), kv_head = (int32_t)(local / blocks);
    int32_t n = tokens * loop->group - block * FLASH_ROWS;
    size_t head =
        (size_t)kv_head * (size_t)loop->group * (size_t)plan->problem.head_dim * sizeof(float);
    flash_work work = {
        .q = (const char *)a->q + a->q_start[seq] * a->q_stride + head,
        .out = (char *)a->out + a->q_start[seq] * a->out_stride + head,
        .q_stride = a->q_stride,
        .out_stride = a->out_stride,
        .first = block * FLASH_ROWS,
        .n = n < FLASH_ROWS ? n : FLASH_ROWS,
        .group = loop->group,
        .first_pos = a->kv_len[seq] - tokens,
        .window = plan->problem.window,
        .head_dim = plan->problem.head_dim,
        .slot = a->slot[seq],
        .kv_head = kv_head,
        .scale = plan->problem.scale,
        .kv = a->kv,
        .gather = loop->gather ? loop->gather + (size_t)worker * plan->gather : NULL,
    };

    plan->variant->rows(&work);
}

static cg_status run(void *self, const cg_attention_args *args, cg_error *err)
{
    flash_plan *plan = self;
    struct loop loop = { .plan = plan, .args = args };
    int32_t *first_block, n = 0;

    CG_TRY(cg_attention_check_args(plan->host, &plan->problem, args, err));
    if (args->n_seqs == 0)
        return CG_OK;
    loop.first_block = first_block = args->workspace;
    loop.group = plan->problem.n_heads / plan->problem.n_kv_heads;
    if (plan->gather && args->kv->block_tokens % FLASH_CPU_KV_BLOCK)
        loop.gather = (float *)((char *)args->workspace + list_size(plan));
    for (int32_t i = 0; i < args->n_seqs; i++) {
        int64_t rows = (int64_t)(args->q_start[i + 1] - args->q_start[i]) * loop.group;

        first_block[i] = n;
        n += (int32_t)((rows + FLASH_ROWS - 1) / FLASH_ROWS);
    }
    first_block[args->n_seqs] = n;
    plan->host->parallel_for(plan->host->ctx, (int64_t)n * plan->problem.n_kv_heads, run_item,
                             &loop);
    return CG_OK;
}

const cg_attention_ops flash_cpu_ops = {
    CG_SIZED(cg_attention_ops),       .caps = CAPS, .supports = supports, .plan = create_plan,
    .workspace_size = workspace_size, .run = run,   .destroy = destroy,
};
