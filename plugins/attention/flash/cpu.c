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
    size_t copy; /* floats of scratch per worker, for a copy of a tile; 0: none */
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

/* Whether calls may have to copy tiles: to f32, or where pages split KV blocks. */
static int may_copy(const cg_attention_problem *p)
{
    return p->kv_dtype != CG_F32 || cg_attention_uses(p, CG_ATTENTION_KV_SCALES) ||
           (p->paged && (p->block_tokens == 0 || p->block_tokens % FLASH_CPU_KV_BLOCK));
}

/* Whether a call has to. */
static int must_copy(const flash_call *c)
{
    return c->problem->kv_dtype != CG_F32 || c->k.scale || c->v.scale ||
           (c->problem->paged && c->args->kv->block_tokens % FLASH_CPU_KV_BLOCK);
}

static cg_status supports(const cg_host *host, const cg_attention_problem *p, cg_error *err)
{
    int64_t rows = (int64_t)p->max_tokens * (p->n_heads / p->n_kv_heads);
    const flash_variant *variant;

    if (p->dtype != CG_F32)
        return host->fail(err, CG_ERR_UNSUPPORTED, "q of %s, wanted f32 on the CPU",
                          cg_dtype_name(p->dtype));
    if (p->head_dim > FLASH_MAX_DIM)
        return host->fail(err, CG_ERR_UNSUPPORTED, "head size %d, wanted at most %d", p->head_dim,
                          FLASH_MAX_DIM);
    if (cg_attention_value_size(p) > FLASH_MAX_DIM)
        return host->fail(err, CG_ERR_UNSUPPORTED, "values of %d elements, wanted at most %d",
                          cg_attention_value_size(p), FLASH_MAX_DIM);
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
    int32_t v_dim, larger;

    CG_TRY(supports(host, p, err));
    CG_TRY(select_variant(host, &variant, err));
    plan = host->alloc(host->ctx, sizeof *plan);
    if (!plan)
        return host->fail(err, CG_ERR_NOMEM, "flash: out of host memory for a plan");
    plan->ops = &flash_cpu_ops;
    plan->host = host;
    plan->problem = cg_attention_keep_problem(p);
    plan->variant = variant;
    v_dim = plan->problem.v_head_dim;
    larger = p->head_dim > v_dim ? p->head_dim : v_dim;
    plan->copy = may_copy(p) ? (size_t)FLASH_TILE * (size_t)larger : 0;
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

    return list_size(plan) + (size_t)plan->host->workers * plan->copy * sizeof(float);
}

struct loop {
    flash_call call;
    const flash_plan *plan;
    const int32_t *first_block; /* [n_seqs + 1] row blocks of FLASH_ROWS rows before a sequence */
    float *copy;                /* NULL: tiles are read in place */
};

/*
 * Computes one row block of one key/value head. Items of a sequence: all row blocks of its first
 * head, of its second head ...; sequence i has items first_block[i] * n_kv_heads onwards.
 */
static void run_item(void *arg, int64_t item, int32_t worker)
{
    const struct loop *loop = arg;
    const flash_plan *plan = loop->plan;
    const cg_attention_args *a = loop->call.args;
    const int32_t n_kv_heads = plan->problem.n_kv_heads, *first = loop->first_block;
    int32_t seq = cg_attention_sequence_of_token(first, a->n_seqs, (int32_t)(item / n_kv_heads));
    int32_t tokens = a->q_start[seq + 1] - a->q_start[seq];
    int32_t blocks = first[seq + 1] - first[seq];
    int64_t local = item - (int64_t)first[seq] * n_kv_heads;
    int32_t block = (int32_t)(local % blocks), kv_head = (int32_t)(local / blocks);
    int32_t n = tokens * loop->call.group - block * FLASH_ROWS;
    flash_work work = {
        .call = &loop->call,
        .seq = seq,
        .kv_head = kv_head,
        .first = block * FLASH_ROWS,
        .n = n < FLASH_ROWS ? n : FLASH_ROWS,
        .copy = loop->copy ? loop->copy + (size_t)worker * plan->copy : NULL,
    };

    plan->variant->rows(&work);
}

static void set_arrays(flash_call *c)
{
    const cg_kv_view *kv = c->args->kv;

    c->k = (flash_array) { kv->k, kv->block_stride, kv->head_stride, kv->token_stride, NULL };
    c->v = c->k;
    c->v.data = kv->v;
    if (cg_attention_uses(c->problem, CG_ATTENTION_VALUE_SIZE) &&
        (kv->v_block_stride || kv->v_head_stride || kv->v_token_stride)) {
        c->v.block_stride = kv->v_block_stride;
        c->v.head_stride = kv->v_head_stride;
        c->v.token_stride = kv->v_token_stride;
    }
    if (cg_attention_uses(c->problem, CG_ATTENTION_KV_SCALES)) {
        c->k.scale = (const char *)kv->k_scale;
        c->v.scale = (const char *)kv->v_scale;
    }
}

static cg_status run(void *self, const cg_attention_args *args, cg_error *err)
{
    flash_plan *plan = self;
    const cg_attention_problem *p = &plan->problem;
    struct loop loop = { .plan = plan };
    int32_t *first_block, n = 0;

    CG_TRY(cg_attention_check_args(plan->host, p, args, err));
    if (args->n_seqs == 0)
        return CG_OK;
    loop.call = (flash_call) {
        .problem = p,
        .args = args,
        .group = p->n_heads / p->n_kv_heads,
    };
    set_arrays(&loop.call);
    loop.first_block = first_block = args->workspace;
    if (must_copy(&loop.call))
        loop.copy = (float *)((char *)args->workspace + list_size(plan));
    for (int32_t i = 0; i < args->n_seqs; i++) {
        int64_t rows = (int64_t)(args->q_start[i + 1] - args->q_start[i]) * loop.call.group;

        first_block[i] = n;
        n += (int32_t)((rows + FLASH_ROWS - 1) / FLASH_ROWS);
    }
    first_block[args->n_seqs] = n;
    plan->host->parallel_for(plan->host->ctx, (int64_t)n * p->n_kv_heads, run_item, &loop);
    return CG_OK;
}

const cg_attention_ops flash_cpu_ops = {
    CG_SIZED(cg_attention_ops),
    .caps = CAPS,
    .supports = supports,
    .plan = create_plan,
    .workspace_size = workspace_size,
    .run = run,
    .destroy = destroy,
    .features = FLASH_CPU_FEATURES,
};
