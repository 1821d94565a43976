/* SPDX-License-Identifier: MIT */
/**
 * @file attention_cuda.h  Attention on a GPU, correct or with one planted fault: host code, and
 * which tokens a row attends to.
 *
 * Written from the public headers. attention_cuda.cu adds kernels for a GPU, and
 * tests/plugins/fake_attention.c serial ones for the simulated GPU of its tests, so both have the
 * same faults. attention_cuda.txt names the check that must detect each.
 *
 * Keys are processed in splits of SPLIT tokens that begin at multiples of it. A first kernel writes
 * the maximum, the sum of weights and the weighted values of each split to the workspace, a second
 * one merges them.
 */
#ifndef CG_TESTS_MUTANTS_ATTENTION_CUDA_H
#define CG_TESTS_MUTANTS_ATTENTION_CUDA_H

#include <math.h>
#include <string.h>

#include <confgen/attention.h>
#include <confgen/attention_check.h>

enum {
    FEATURES = CG_ATTENTION_SOFTCAP | CG_ATTENTION_ALIBI | CG_ATTENTION_SINK_LOGITS |
               CG_ATTENTION_SINK_TOKENS | CG_ATTENTION_BIAS | CG_ATTENTION_NO_MASK |
               CG_ATTENTION_VALUE_SIZE | CG_ATTENTION_KV_SCALES | CG_ATTENTION_POSITIONS |
               CG_ATTENTION_TREE,
    SPLIT = 512,
    MAX_DIM = 256,
    MAX_LEAKS = 64,
    MAX_KEPT = 4096,
    LEAK_BYTES = 4 << 20,
    FAR = 200 << 10,
};

/**
 * Number of the fault; 0: none. From 2000 on the plugin has the features of ABI 1.2; 2000 is
 * without a fault. Set once, before the first plan.
 */
static int mutant_bug;

/** One call, as the kernels get it. */
struct mutant_call {
    int32_t bug;
    int32_t calls;    /* of the plan, this one included */
    int32_t n_tokens; /* rows of the grid */
    int32_t n_splits;
    int32_t other_bits; /* from the last token to the first, with weights that are not rounded */
    cg_attention_problem problem;
    cg_attention_args args;
    cg_kv_view kv;
    float *acc;     /* [n_splits, max_tokens, n_heads, v_dim] */
    float *max_sum; /* [n_splits, max_tokens, n_heads, 2] */
};

/* What the including file defines. Statuses: 0 is success. */
static CG_HOST_DEVICE float mutant_load(const void *p, int64_t i, cg_dtype t);
/** Loads the kernels, which a capture would not allow. */
static int mutant_load_kernels(void);
static int mutant_device_alloc(size_t bytes, void **ret_ptr);
static void mutant_device_free(void *ptr);
static int mutant_device_set(int32_t *ptr, int32_t n, int32_t value);
static int mutant_synchronise(void *stream);
static int mutant_is_capturing(void *stream);
/** Queues both kernels on the stream, or on another one. */
static int mutant_queue(const struct mutant_call *call, void *stream, int elsewhere);

/* ---- rows ---------------------------------------------------------------------------------- */

/** A row and head: attends to tokens [first, end). */
struct mutant_row {
    int32_t seq, n_rows, slot, pos, first, end, kv_head;
};

/** Finds the row; 0 if there is nothing to compute. */
static inline CG_HOST_DEVICE int mutant_row_of(const struct mutant_call *c, int32_t t, int32_t h,
                                               struct mutant_row *r)
{
    const cg_attention_args *a = &c->args;
    const cg_attention_problem *p = &c->problem;
    int32_t group = p->n_heads / p->n_kv_heads, n_seqs = a->n_seqs, in_seq, of_seq;
    const int32_t *start = a->q_start;

    if (t >= start[n_seqs])
        return 0;
    r->seq = cg_attention_sequence_of_token(start, n_seqs, t);
    if (c->bug == 19 && r->seq >= 64) /* finds no sequence beyond 64 */
        return 0;
    if (c->bug == 20 && r->seq >= 512) /* finds no sequence beyond 512 */
        return 0;
    r->n_rows = a->q_start[r->seq + 1] - a->q_start[r->seq];
    in_seq = t - a->q_start[r->seq];
    if (c->bug == 21 && r->n_rows > 64 && in_seq >= r->n_rows / 64 * 64) /* drops the last tile */
        return 0;
    if (c->bug == 22 && in_seq >= 512) /* a table of 512 rows */
        return 0;
    of_seq = c->bug == 41 ? cg_attention_sequence_of_token(start, n_seqs, 0) : r->seq;
    r->slot = a->slot[r->seq];
    r->pos = a->kv_len[of_seq] - start[r->seq + 1] + t; /* 41: the first sequence's length */
    if (c->bug == 42)                                   /* all rows are those of the last token */
        r->pos = a->kv_len[r->seq] - 1;
    if (r->pos < 0)
        r->pos = 0;
    r->end = r->pos + 1;
    if (c->bug == 1 && !c->kv.page_table && r->end < c->kv.block_tokens)
        r->end++;                                       /* one token too many */
    if (c->bug == 26 && r->end > a->kv_len[n_seqs - 1]) /* the last sequence's length bounds all */
        r->end = a->kv_len[n_seqs - 1];
    if (c->bug == 65 && r->n_rows > 1 && r->pos == a->kv_len[r->seq] - 2)
        r->end++; /* not causal at the end of a prompt */
    r->first = p->window && r->pos >= p->window && c->bug != 12 ? r->pos - p->window + 1 : 0;
    if (c->bug == 25 && p->window > 64 && r->first > 0) /* off by one beyond a tile */
        r->first++;
    if (r->first > r->end)
        r->first = r->end;
    if (p->features) { /* mutant_attends() decides; a cache may have given back older tokens */
        if (p->features & (CG_ATTENTION_SINK_TOKENS | CG_ATTENTION_POSITIONS | CG_ATTENTION_TREE))
            r->first = 0;
        r->end = a->kv_len[r->seq];
    }
    r->kv_head = h / group;
    if ((c->bug == 16 && group == 2) || (c->bug == 17 && group == 4) ||
        (c->bug == 18 && group == 8))
        r->kv_head = h % p->n_kv_heads;
    return 1;
}

/** Address of a token's key (0) or value (1). */
static inline CG_HOST_DEVICE const char *
mutant_token(const struct mutant_call *c, const struct mutant_row *r, int32_t j, int32_t values)
{
    const cg_kv_view *kv = &c->kv;
    int32_t page = j / kv->block_tokens, in_page = j % kv->block_tokens;
    const char *base = (const char *)(values ? kv->v : kv->k);
    int64_t block = r->slot, at;

    if (kv->page_table) {
        if (c->bug == 63) { /* pages of 16, whatever the view says */
            in_page = j % 16;
            page = j / 16 < kv->table_stride ? j / 16 : page;
            if (page * kv->block_tokens > r->pos)
                page = 0; /* an entry that is valid */
        }
        if (c->bug == 24) /* a table of 1024 pages */
            page &= 1023;
        block = kv->page_table[(int64_t)r->slot * kv->table_stride + page];
        if (c->bug == 44 && (block < 0 || block >= (int64_t)kv->n_slots * kv->table_stride))
            block = 0; /* the table of the first call may have no entry for this slot */
        if (c->bug == 39 && page == 1)
            base = (const char *)kv->k; /* keys instead of values in the second page */
    }
    at = block * kv->block_stride + r->kv_head * kv->head_stride + in_page * kv->token_stride;
    if (values && c->bug != 2006 && /* 2006: ignores strides of values */
        (c->bug == 40 || kv->v_block_stride || kv->v_head_stride || kv->v_token_stride))
        at = block * kv->v_block_stride + r->kv_head * kv->v_head_stride +
             in_page * kv->v_token_stride;
    return base + at;
}

/** Elements of a value. */
static inline CG_HOST_DEVICE int32_t mutant_v_dim(const cg_attention_problem *p)
{
    return p->v_head_dim ? p->v_head_dim : p->head_dim;
}

/** Scale of a token's key (0) or value (1). */
static inline CG_HOST_DEVICE float
mutant_kv_scale(const struct mutant_call *c, const struct mutant_row *r, int32_t j, int32_t values)
{
    const cg_kv_view *kv = &c->kv;
    const float *scale = values ? kv->v_scale : kv->k_scale;
    int64_t at;

    if (!scale)
        return 1;
    at = cg_kv_block(kv, r->slot, j) * kv->scale_block_stride + r->kv_head * kv->scale_head_stride +
         (c->bug == 2007 ? 0 : j % kv->block_tokens) * kv->scale_token_stride;
    return *(const float *)((const char *)(values && c->bug == 2012 && kv->k_scale ? kv->k_scale
                                                                                   : scale) +
                            at);
}

/** Whether a row attends to a token, of a problem with features. */
static inline CG_HOST_DEVICE int mutant_attends(const struct mutant_call *c,
                                                const struct mutant_row *r, int32_t t, int32_t j)
{
    const cg_attention_args *a = &c->args;
    const cg_attention_problem *p = &c->problem;
    int32_t pos = a->position && c->bug != 2008 ? a->position[t] : r->pos;
    int32_t b = j - (a->kv_len[r->seq] - r->n_rows);

    if (!p->features)
        return 1;
    if (a->tree_mask && b >= 0) /* 2009: the first word only */
        return a->tree_mask[(int64_t)t * a->tree_words + (c->bug == 2009 ? 0 : b / 32)] >>
                   (b % 32) &
               1;
    if (p->mask == CG_MASK_CAUSAL && j > pos)
        return 0;
    if (c->bug == 2005 && p->mask == CG_MASK_NONE && j > pos) /* causal all the same */
        return 0;
    return !p->window || j > pos - p->window || j < p->sink_tokens - (c->bug == 2003);
}

/** Score of a token, given scale * q . k. */
static inline CG_HOST_DEVICE float mutant_score(const struct mutant_call *c,
                                                const struct mutant_row *r, int32_t t, int32_t h,
                                                int32_t j, float s)
{
    const cg_attention_args *a = &c->args;
    const cg_attention_problem *p = &c->problem;
    int32_t pos = a->position && c->bug != 2011 ? a->position[t] : r->pos;

    if (!p->features)
        return s;
    if (!mutant_attends(c, r, t, j))
        return -INFINITY;
    s *= mutant_kv_scale(c, r, j, 0);
    if (p->softcap != 0)
        s = p->softcap * (c->bug == 2001 ? s / p->softcap : tanhf(s / p->softcap));
    if (a->alibi_slope)
        s += a->alibi_slope[c->bug == 2002 ? 0 : h] * (float)(j - pos);
    if (a->bias)
        s += mutant_load((const char *)a->bias + t * a->bias_row_stride +
                             (c->bug == 2004 ? 0 : h) * a->bias_head_stride,
                         j, p->bias_dtype);
    return s;
}

/** The largest score with that of the sink; -INFINITY becomes 0. */
static inline CG_HOST_DEVICE float mutant_max_with_sink(const struct mutant_call *c, int32_t h,
                                                        float max)
{
    if (c->args.sink_logit)
        max = fmaxf(max, c->args.sink_logit[h]);
    return max == -INFINITY ? 0 : max;
}

/** What the sink adds to the sum of the weights. */
static inline CG_HOST_DEVICE float mutant_sink_weight(const struct mutant_call *c, int32_t h,
                                                      float max)
{
    return c->args.sink_logit && c->bug != 2010 ? expf(c->args.sink_logit[h] - max) : 0;
}

/** Elements of q . k. */
static inline CG_HOST_DEVICE int32_t mutant_dot_elements(const struct mutant_call *c)
{
    int32_t dim = c->problem.head_dim;

    if (c->bug == 23 && dim > 128)
        return 128;
    return c->bug == 62 && dim > 64 ? dim / 64 * 64 : dim; /* drops a part of a tile */
}

static inline CG_HOST_DEVICE float mutant_scale(const struct mutant_call *c)
{
    if (c->bug == 59) /* ignores problem.scale */
        return 1.0f / sqrtf((float)c->problem.head_dim);
    return c->bug == 32 && c->calls % 100 == 0 ? 1.5f * c->problem.scale : c->problem.scale;
}

/** Tokens behind the last one that are multiplied by 0: bug 27, to the end of a tile. */
static inline CG_HOST_DEVICE int32_t mutant_tile_end(const struct mutant_call *c,
                                                     const struct mutant_row *r)
{
    int32_t end = (r->end + 15) / 16 * 16, block = c->kv.block_tokens;

    if (c->bug != 27)
        return r->end;
    return (end - 1) / block == (r->end - 1) / block ? end : r->end;
}

/** Value of another sequence that is multiplied by 0, NULL if there is none: bug 58. */
static inline CG_HOST_DEVICE const char *mutant_foreign_value(const struct mutant_call *c,
                                                              const struct mutant_row *r)
{
    const cg_attention_args *a = &c->args;
    struct mutant_row other = *r;
    int32_t before = r->seq - 1;

    if (c->bug != 58 || before < 0 || a->q_start[before + 1] == a->q_start[before])
        return NULL;
    other.slot = a->slot[before];
    return mutant_token(c, &other, a->kv_len[before] / 2, 1);
}

/** Index of a row, head and split in the workspace. */
static inline CG_HOST_DEVICE int64_t mutant_partial(const struct mutant_call *c, int32_t split,
                                                    int32_t t, int32_t h)
{
    return ((int64_t)split * c->problem.max_tokens + t) * c->problem.n_heads + h;
}

/** Splits that are merged. */
static inline CG_HOST_DEVICE int32_t mutant_merged_splits(const struct mutant_call *c,
                                                          const struct mutant_row *r)
{
    int32_t n = r->end > 0 ? (r->end - 1) / SPLIT + 1 : 0;

    if (c->bug == 38) /* also those that no thread block has written */
        return c->n_splits;
    return c->bug == 30 && n > 4 ? 4 : n; /* 30: merges four at most */
}

/** Type in which the weights are multiplied: rounded as for tensor cores. */
static inline CG_HOST_DEVICE cg_dtype mutant_weight_type(const struct mutant_call *c)
{
    return c->bug == 13 ? CG_BF16 : c->other_bits ? CG_F32 : c->problem.dtype;
}

/** What is written besides the rows of out, by one thread after them. */
static inline CG_HOST_DEVICE void mutant_write_elsewhere(const struct mutant_call *c,
                                                         size_t workspace_bytes)
{
    const cg_attention_args *a = &c->args;
    const cg_attention_problem *p = &c->problem;
    int64_t row_bytes = (int64_t)p->n_heads * mutant_v_dim(p) * cg_dtype_size(p->dtype);
    char *out = (char *)a->out;
    struct mutant_row r;

    if (!mutant_row_of(c, 0, 0, &r))
        return;
    if (c->bug == 2 && a->out_stride > row_bytes)
        out[row_bytes] = 1; /* between rows */
    if (c->bug == 3)
        ((char *)a->workspace)[workspace_bytes] = 1;
    if (c->bug == 7)
        *(char *)(uintptr_t)mutant_token(c, &r, 0, 1) ^= 1;
    if (c->bug == 14)
        out[a->n_tokens * a->out_stride] = 1; /* behind the last row of the bound */
    if (c->bug == 49)
        *(char *)(uintptr_t)a->q ^= 1;
    if (c->bug == 50)
        out[p->max_tokens * a->out_stride + FAR] = 1;
    if (c->bug == 51 && r.n_rows && a->kv_len[r.seq] % c->kv.block_tokens)
        *(char *)(uintptr_t)mutant_token(c, &r, a->kv_len[r.seq], 0) = 1; /* of no token */
}

/** Whether the first element of out gets another bit. */
static inline CG_HOST_DEVICE int mutant_flips(const struct mutant_call *c)
{
    return (c->bug == 4 && c->calls % 2) || (c->bug == 5 && c->args.q_start[c->args.n_seqs] > 1);
}

/* ---- plans --------------------------------------------------------------------------------- */

struct mutant_plan {
    const cg_host *host;
    cg_attention_problem problem;
    const cg_attention_problem *borrowed; /* used by a fault only, as are the following */
    int32_t calls, first_n_tokens;
    void *first_k, *first_v;
    const int32_t *first_table;
    int32_t *ones; /* [max_seqs] of the device */
    void *leaks[MAX_LEAKS];
    int32_t n_leaks, prepared_rows;
};

static cg_status mutant_check(const cg_host *host, const cg_attention_problem *p, cg_error *err)
{
    CG_TRY(cg_attention_check_problem(host, p, err));
    if (mutant_bug == 52 && p->struct_size != sizeof *p) /* wants its own size */
        return host->fail(err, CG_ERR_UNSUPPORTED, "a problem of %u bytes", p->struct_size);
    if (p->device != CG_DEVICE_CUDA || p->head_dim > MAX_DIM || p->head_dim % 8)
        return host->fail(mutant_bug == 10 ? NULL : err, CG_ERR_UNSUPPORTED,
                          "heads of %d elements on %s, wanted a multiple of 8 up to %d on cuda",
                          p->head_dim, cg_device_name(p->device), MAX_DIM);
    if (p->dtype > CG_F16 || (mutant_bug < 2000 && p->kv_dtype > CG_F16))
        return host->fail(err, CG_ERR_UNSUPPORTED, "q of %s, cache of %s", cg_dtype_name(p->dtype),
                          cg_dtype_name(p->kv_dtype));
    return CG_OK;
}

static cg_status mutant_supports(const cg_host *host, const cg_attention_problem *p, cg_error *err)
{
    return mutant_check(host, p, err);
}

/* Plans that were leaked: reachable for leak checkers. */
static void *mutant_kept[MAX_KEPT];
static int32_t n_mutant_kept;

static void mutant_destroy(void *self)
{
    struct mutant_plan *plan = (struct mutant_plan *)self;

    if (!plan)
        return;
    if (plan->ones)
        mutant_device_free(plan->ones);
    for (int32_t i = 0; i < plan->n_leaks; i++)
        mutant_device_free(plan->leaks[i]);
    if (mutant_bug == 11 && n_mutant_kept < MAX_KEPT) /* leaks the plan */
        mutant_kept[n_mutant_kept++] = plan;
    else
        plan->host->free(plan->host->ctx, plan);
}

static cg_status mutant_make_plan(const cg_host *host, const cg_attention_problem *p,
                                  void **ret_plan, cg_error *err)
{
    struct mutant_plan *plan;

    CG_TRY(mutant_check(host, p, err));
    if (mutant_bug == 9 && p->head_dim == 80) /* supports() accepts it */
        return host->fail(err, CG_ERR_UNSUPPORTED, "heads of 80 elements");
    plan = (struct mutant_plan *)host->alloc(host->ctx, sizeof *plan);
    if (!plan)
        return host->fail(err, CG_ERR_NOMEM, "out of host memory for a plan");
    memset(plan, 0, sizeof *plan);
    plan->host = host;
    plan->problem = cg_attention_keep_problem(p);
    plan->borrowed = p;
    if (mutant_bug == 8 &&
        (mutant_device_alloc(sizeof(int32_t) * (size_t)p->max_seqs, (void **)&plan->ones) ||
         mutant_device_set(plan->ones, p->max_seqs, 1))) {
        mutant_destroy(plan);
        return host->fail(err, CG_ERR_DEVICE_NOMEM, "out of device memory for a plan");
    }
    if (mutant_load_kernels()) {
        mutant_destroy(plan);
        return host->fail(err, CG_ERR_UNSUPPORTED, "no kernels for this GPU");
    }
    *ret_plan = plan;
    return CG_OK;
}

static int32_t mutant_n_splits(const cg_attention_problem *p)
{
    return (p->max_kv_len - 1) / SPLIT + 1;
}

static size_t mutant_partials(const cg_attention_problem *p, int32_t n_splits)
{
    return (size_t)n_splits * (size_t)p->max_tokens * (size_t)p->n_heads;
}

static size_t mutant_workspace_size(const void *self)
{
    const cg_attention_problem *p = &((const struct mutant_plan *)self)->problem;
    int32_t n_splits = mutant_n_splits(p);

    if (mutant_bug == 37 && n_splits > 1)
        n_splits--; /* too small */
    return mutant_partials(p, n_splits) * ((size_t)mutant_v_dim(p) + 2) * sizeof(float);
}

/* Bits that depend on what they must not depend on. */
static int mutant_has_other_bits(const struct mutant_plan *plan, const cg_attention_args *a)
{
    return (mutant_bug == 45 && plan->problem.max_seqs > 32) ||
           (mutant_bug == 46 && a->n_seqs >= 48) || (mutant_bug == 47 && a->n_tokens >= 128) ||
           (mutant_bug == 48 && plan->problem.max_tokens > 100);
}

/* State that is kept from one call to the next. */
static void mutant_use_state(struct mutant_plan *plan, struct mutant_call *c)
{
    if (plan->calls == 1) {
        plan->first_k = c->kv.k;
        plan->first_v = c->kv.v;
        plan->first_table = c->kv.page_table;
        plan->first_n_tokens = c->args.n_tokens;
    }
    if (mutant_bug == 31) {
        c->kv.k = plan->first_k;
        c->kv.v = plan->first_v;
    }
    if (mutant_bug == 44)
        c->kv.page_table = plan->first_table;
    if (mutant_bug == 43 && plan->first_n_tokens < c->n_tokens)
        c->n_tokens = plan->first_n_tokens;
    if (mutant_bug == 8 && mutant_is_capturing(c->args.stream))
        c->args.kv_len = plan->ones;
    if (mutant_bug == 2013 && plan->prepared_rows && plan->prepared_rows < c->n_tokens)
        c->n_tokens = plan->prepared_rows;
    if (mutant_bug == 53)
        c->problem.scale = plan->borrowed->scale;
}

/* Resources that run() must not take. */
static cg_status mutant_take(struct mutant_plan *plan, const cg_attention_args *a, cg_error *err)
{
    const cg_host *host = plan->host;

    if (mutant_bug == 33)
        host->free(host->ctx, host->alloc(host->ctx, 64));
    if (mutant_bug == 34 && plan->n_leaks < MAX_LEAKS &&
        !mutant_device_alloc(LEAK_BYTES, &plan->leaks[plan->n_leaks]))
        plan->n_leaks++;
    if (mutant_bug == 15 && mutant_synchronise(a->stream))
        return host->fail(err, CG_ERR_CUDA, "the stream cannot be waited for");
    return CG_OK;
}

static cg_status mutant_run(void *self, const cg_attention_args *a, cg_error *err)
{
    struct mutant_plan *plan = (struct mutant_plan *)self;
    const cg_attention_problem *p = &plan->problem;
    const cg_host *host = plan->host;
    struct mutant_call c;

    CG_TRY(cg_attention_check_device_args(host, p, a, err));
    if (mutant_bug == 54 && a->struct_size != sizeof *a)
        return host->fail(err, CG_ERR_USAGE, "arguments of %u bytes", a->struct_size);
    if (mutant_bug == 55 && a->kv->struct_size != sizeof *a->kv)
        return host->fail(err, CG_ERR_MISMATCH, "a view of %u bytes", a->kv->struct_size);
    if (cg_attention_is_empty(a))
        return CG_OK;
    memset(&c, 0, sizeof c);
    memcpy(&c.args, a, a->struct_size < sizeof c.args ? a->struct_size : sizeof c.args);
    memcpy(&c.kv, a->kv, a->kv->struct_size < sizeof c.kv ? a->kv->struct_size : sizeof c.kv);
    c.bug = mutant_bug;
    c.calls = ++plan->calls;
    c.n_tokens = a->n_tokens;
    c.n_splits = mutant_n_splits(p);
    c.problem = *p;
    if (mutant_bug == 57) /* reads the cache as of q's type, if that is not larger */
        c.problem.kv_dtype =
            cg_dtype_size(p->dtype) <= cg_dtype_size(p->kv_dtype) ? p->dtype : p->kv_dtype;
    if (mutant_bug == 64) /* rows of q without padding */
        c.args.q_stride = (int64_t)p->n_heads * p->head_dim * cg_dtype_size(p->dtype);
    c.other_bits = mutant_has_other_bits(plan, a);
    mutant_use_state(plan, &c);
    c.acc = (float *)a->workspace;
    c.max_sum = c.acc + mutant_partials(p, c.n_splits) * (size_t)mutant_v_dim(p);
    CG_TRY(mutant_take(plan, a, err));
    if (mutant_queue(&c, a->stream, mutant_bug == 35))
        return host->fail(err, CG_ERR_CUDA, "the kernels cannot be queued");
    return CG_OK;
}

/* A fault of prepare(): what it keeps is used by the next run(), whichever that is. */
static cg_status mutant_prepare(void *self, const cg_attention_args *a, const int32_t *q_start,
                                const int32_t *kv_len, cg_error *err)
{
    struct mutant_plan *plan = (struct mutant_plan *)self;

    (void)err;
    (void)kv_len;
    plan->prepared_rows = mutant_bug == 2013 ? q_start[a->n_seqs] : 0;
    return CG_OK;
}

#define MUTANT_ATTENTION_OPS                                                                       \
    {                                                                                              \
        CG_SIZED(cg_attention_ops),                                                                \
            .caps = CG_ATTENTION_DETERMINISTIC | CG_ATTENTION_BATCH_INVARIANT |                    \
                    CG_ATTENTION_GRAPH_SAFE,                                                       \
            .supports = mutant_supports, .plan = mutant_make_plan,                                 \
            .workspace_size = mutant_workspace_size, .run = mutant_run, .destroy = mutant_destroy, \
            .prepare = mutant_prepare                                                              \
    }

#endif
