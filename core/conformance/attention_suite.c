/* SPDX-License-Identifier: MIT */
#include "attention_suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "element.h"

uint32_t attention_features(const attention_suite *s)
{
    return CG_HAS_SIZE(s->ops, features) ? s->ops->features : 0;
}

/* ---- a typical problem --------------------------------------------------------------------- */

/* A plugin claims a problem unless it refuses it properly; the checks find improper refusals. */
static int is_claimed(const cg_attention_ops *ops, const cg_host *host,
                      const cg_attention_problem *p, cg_error *reason)
{
    cg_error err = CG_ERROR_INIT;

    if (ops->supports(host, p, &err) != CG_ERR_UNSUPPORTED || !err.msg[0])
        return 1;
    if (!reason->msg[0])
        *reason = err;
    return 0;
}

/* Tries contiguous slots, pages and growing slots, in both orders of tokens and heads. */
static int find_layout(const cg_attention_ops *ops, const cg_host *host, cg_attention_problem *p,
                       cg_error *reason)
{
    static const int32_t pages[] = { 0, 16, 32, 64, 128, 256, 8, 1 };

    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
        for (int32_t growing = 0; growing < 2; growing++)
            for (p->kv_layout = CG_KV_HND; p->kv_layout <= CG_KV_NHD; p->kv_layout++) {
                p->paged = pages[i] != 0;
                p->block_tokens = growing ? 0 : pages[i] ? pages[i] : p->max_kv_len;
                if (is_claimed(ops, host, p, reason))
                    return 1;
            }
    return 0;
}

int attention_typical_problem(const cg_attention_ops *ops, const cg_host *host, const cg_gpu *gpu,
                              int32_t capability, cg_attention_problem *ret_problem,
                              cg_error *ret_reason)
{
    static const cg_dtype types[2][3] = { { CG_F32, CG_BF16, CG_F16 },
                                          { CG_BF16, CG_F16, CG_F32 } };
    static const int32_t dims[] = { 64, 128, 96, 80, 256, 192, 32, 112, 72, 48, 40, 16, 8, 576 };
    static const int32_t groups[] = { 2, 1, 4, 8, 3, 5, 6, 7, 12, 16 };
    enum { N_DIMS = sizeof dims / sizeof *dims, N_GROUPS = sizeof groups / sizeof *groups };

    for (int32_t i = 0; i < 2 * 9 * N_DIMS * N_GROUPS; i++) {
        int32_t group = groups[i / N_DIMS % N_GROUPS], type = i / (N_DIMS * N_GROUPS) % 9;
        int32_t n_kv_heads = i < 9 * N_DIMS * N_GROUPS ? 4 : 1;
        cg_attention_problem p = {
            CG_SIZED(cg_attention_problem),
            .device = gpu ? CG_DEVICE_CUDA : CG_DEVICE_CPU,
            .compute_capability = capability,
            /* equal types first */
            .dtype = types[gpu != NULL][type % 3],
            .kv_dtype = types[gpu != NULL][(type + type / 3) % 3],
            .n_heads = n_kv_heads * group,
            .n_kv_heads = n_kv_heads,
            .head_dim = dims[i % N_DIMS],
            .max_tokens = 64,
            .max_seqs = 64,
            .max_kv_len = 512,
        };

        p.scale = 1.0f / sqrtf((float)p.head_dim);
        if (find_layout(ops, host, &p, ret_reason)) {
            *ret_problem = p;
            return 1;
        }
    }
    return 0;
}

/* ---- refusals ------------------------------------------------------------------------------ */

static void expect_problem_refused(attention_suite *s, const cg_attention_problem *p,
                                   const char *what)
{
    cg_error err = CG_ERROR_INIT;
    void *plan = NULL;

    expect_refused(&s->rec, s->ops->supports(&s->test_host.host, p, &err), &err, what);
    err = (cg_error)CG_ERROR_INIT;
    expect_refused(&s->rec, s->ops->plan(&s->test_host.host, p, &plan, &err), &err, what);
    expect(&s->rec, plan == NULL, "%s: *ret_plan was set", what);
}

/* Members of the features that the plugin declares. */
static void expect_features_refused(attention_suite *s, const cg_attention_problem *good)
{
    struct {
        const char *what;
        uint32_t feature;
        cg_attention_problem p;
    } bad[] = {
        { "a soft-cap of 0", CG_ATTENTION_SOFTCAP, *good },
        { "a soft-cap of NaN", CG_ATTENTION_SOFTCAP, *good },
        { "an infinite soft-cap", CG_ATTENTION_SOFTCAP, *good },
        { "a negative number of sink tokens", CG_ATTENTION_SINK_TOKENS, *good },
        { "a bias of 8 bits", CG_ATTENTION_BIAS, *good },
        { "a bias of an unknown type", CG_ATTENTION_BIAS, *good },
        { "an unknown mask", CG_ATTENTION_NO_MASK, *good },
        { "values of a negative size", CG_ATTENTION_VALUE_SIZE, *good },
    };

    bad[0].p.softcap = 0;
    bad[1].p.softcap = NAN;
    bad[2].p.softcap = INFINITY;
    bad[3].p.sink_tokens = -1;
    bad[4].p.bias_dtype = CG_I8;
    bad[5].p.bias_dtype = 99;
    bad[6].p.mask = 7;
    bad[7].p.v_head_dim = -64;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bad[i].p.features = bad[i].feature;
        if (attention_features(s) & bad[i].feature)
            expect_problem_refused(s, &bad[i].p, bad[i].what);
    }
}

void attention_check_refusals(attention_suite *s, const cg_attention_problem *good)
{
    struct {
        const char *what;
        cg_attention_problem p;
    } bad[] = {
        { "a problem of 8 bytes", *good },
        { "no heads", *good },
        { "no key/value heads", *good },
        { "key/value heads that do not divide the heads", *good },
        { "a head size of 0", *good },
        { "a negative head size", *good },
        { "an unknown element type", *good },
        { "an unknown cache type", *good },
        { "an unknown device", *good },
        { "unknown flags", *good },
        { "a negative window", *good },
        { "no rows", *good },
        { "no sequences", *good },
        { "no cached tokens", *good },
        { "a scale of NaN", *good },
        { "negative blocks", *good },
        { "q of 8 bits", *good },
        { "a cache of 8 bits without scales", *good },
    };
    size_t n = sizeof bad / sizeof *bad;

    bad[0].p.struct_size = 8;
    bad[1].p.n_heads = 0;
    bad[2].p.n_kv_heads = 0;
    bad[3].p.n_kv_heads = 3;
    bad[4].p.head_dim = 0;
    bad[5].p.head_dim = -64;
    bad[6].p.dtype = 99;
    bad[7].p.kv_dtype = 99;
    bad[8].p.device = 77;
    bad[9].p.flags = 1u << 30;
    bad[10].p.window = -1;
    bad[11].p.max_tokens = 0;
    bad[12].p.max_seqs = 0;
    bad[13].p.max_kv_len = 0;
    bad[14].p.scale = NAN;
    bad[15].p.block_tokens = -16;
    bad[16].p.dtype = CG_F8_E4M3;
    bad[17].p.kv_dtype = CG_I8;
    if (!test_begin(&s->rec, "invalid problems are refused"))
        return;
    for (size_t i = 0; i < n; i++)
        expect_problem_refused(s, &bad[i].p, bad[i].what);
    expect_features_refused(s, good);
    expect(&s->rec, s->ops->supports(&s->test_host.host, &bad[0].p, NULL) != CG_OK,
           "supports() with a NULL error accepted %s", bad[0].what);
    expect_all_freed(&s->rec, &s->test_host, "refusals");
    test_end(&s->rec);
}

/* ---- lifecycle ----------------------------------------------------------------------------- */

struct planned {
    attention_suite *suite;
    const cg_attention_problem *problem;
};

static void plan_once(void *ctx)
{
    const struct planned *p = ctx;
    attention_suite *s = p->suite;
    void *plan = NULL;

    if (s->ops->plan(&s->test_host.host, p->problem, &plan, NULL) == CG_OK)
        s->ops->destroy(plan);
}

static void check_plans(attention_suite *s, const cg_attention_problem *problem)
{
    void *plans[20] = { NULL };

    if (!test_begin(&s->rec, "plans are created and destroyed"))
        return;
    s->ops->destroy(NULL);
    expect_all_freed(&s->rec, &s->test_host, "destroy(NULL)");
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
        cg_error err = CG_ERROR_INIT;

        if (expect(&s->rec, s->ops->plan(&s->test_host.host, problem, &plans[i], &err) == CG_OK,
                   "plan() of a head size of %d failed: %s", problem->head_dim, err.msg)) {
            expect(&s->rec, plans[i] != NULL, "plan() succeeded but gave NULL");
            (void)test_size_is_sane(&s->rec, s->ops->workspace_size(plans[i]), "workspace_size()");
        }
    }
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++)
        s->ops->destroy(plans[i]);
    expect_all_freed(&s->rec, &s->test_host, "20 plans");
    if (!s->gpu)
        expect_heap_kept(&s->rec, "plan", plan_once, &(struct planned) { s, problem });
    test_end(&s->rec);
}

static void check_plan_without_memory(attention_suite *s, const cg_attention_problem *problem)
{
    if (!test_begin(&s->rec, "plan() when out of memory"))
        return;
    for (int32_t k = 0; k < 100; k++) {
        cg_error err = CG_ERROR_INIT;
        void *plan = NULL;
        cg_status st;
        int injected;

        atomic_store(&s->test_host.until_failure, k);
        st = s->ops->plan(&s->test_host.host, problem, &plan, &err);
        injected = atomic_exchange(&s->test_host.until_failure, -1) < 0;
        if (!injected) {
            s->ops->destroy(plan);
            break; /* plan() makes only k allocations */
        }
        if (st == CG_OK)
            s->ops->destroy(plan); /* it does not need this allocation */
        else
            expect(&s->rec, st == CG_ERR_NOMEM && err.msg[0] && !plan,
                   "allocation %d failed: status %d, text '%s'", k, st, err.msg);
        expect_all_freed(&s->rec, &s->test_host, "a failed allocation");
    }
    test_end(&s->rec);
}

void attention_check_lifecycle(attention_suite *s, const cg_attention_problem *problem)
{
    check_plans(s, problem);
    check_plan_without_memory(s, problem);
}

/* ---- values -------------------------------------------------------------------------------- */

/* Compares one row and head; 0 if an element is wrong. */
static int compare_head(attention_suite *s, const attention_case *ac, const case_out *o, int32_t t,
                        int32_t head, int loose, const char *where)
{
    const cg_attention_problem *p = &ac->problem;
    int32_t dim = case_v_dim(p), seq = attention_case_sequence(ac, t);
    size_t at = ((size_t)t * (size_t)p->n_heads + (size_t)head) * (size_t)dim;
    double largest_error = p->dtype == CG_BF16 || p->kv_dtype == CG_BF16 ? 1e-2 : 2e-3;
    double error = 0, size = 0;
    /* half the step of subnormals, and what f32 cannot hold exactly */
    double smallest =
        (p->dtype == CG_F16 ? 0x1p-25 : 0x1p-120) * sqrt(dim) + ac->spread[t * p->n_heads + head];

    for (int32_t d = 0; d < dim; d++) {
        double expected = ac->out[at + (size_t)d], bound = ac->bound[at + (size_t)d];
        double got = element_load(o->data + t * o->stride +
                                      (head * dim + d) * (int64_t)cg_dtype_size(o->dtype),
                                  o->dtype);
        int ok = bound == 0        ? got == 0 || isnan(got)
                 : isnan(expected) ? isnan(got)
                 : isinf(expected) ? got == expected || (loose && isnan(got))
                                   : fabs(got - expected) <= bound || (loose && isnan(got));

        if (!ok)
            return expect(&s->rec, 0,
                          "%s, %s over %s, %d/%d heads of %d, window %d, up to %d rows of %d "
                          "sequences: row %d (of a sequence of %d rows and %d tokens), head %d, "
                          "element %d is %.9g, wanted %.9g +- %.1e",
                          where, cg_dtype_name(p->dtype), cg_dtype_name(p->kv_dtype), p->n_heads,
                          p->n_kv_heads, p->head_dim, p->window, p->max_tokens, p->max_seqs, t,
                          ac->q_start[seq + 1] - ac->q_start[seq], ac->kv_len[seq], head, d, got,
                          expected, bound);
        error += (got - expected) * (got - expected);
        size += expected * expected;
    }
    if (p->dtype == CG_F32 && p->kv_dtype == CG_F32)
        return 1; /* the bound is tight enough */
    if (!(sqrt(error) <= largest_error * sqrt(size) + smallest) && isfinite(error) &&
        isfinite(size))
        return expect(&s->rec, 0,
                      "%s, %s over %s, %d/%d heads of %d: row %d, head %d has a relative "
                      "error of %.1e, wanted at most %.0e",
                      where, cg_dtype_name(p->dtype), cg_dtype_name(p->kv_dtype), p->n_heads,
                      p->n_kv_heads, p->head_dim, t, head, sqrt(error / size), largest_error);
    return 1;
}

void attention_compare(attention_suite *s, const attention_case *ac, const case_out *o, int loose,
                       const char *where)
{
    for (int32_t t = 0; t < o->n; t++)
        for (int32_t h = 0; h < ac->problem.n_heads; h++)
            if (!compare_head(s, ac, o, t, h,
                              loose && ac->non_finite[attention_case_sequence(ac, t)], where))
                return;
    expect(&s->rec, 1, "%s", where);
}

int attention_same_row(const attention_case *ac, const case_out *o, int32_t t, const case_out *all,
                       int32_t u)
{
    return memcmp(o->data + t * o->stride, all->data + u * all->stride,
                  (size_t)ac->problem.n_heads * (size_t)case_v_dim(&ac->problem) *
                      cg_dtype_size(o->dtype)) == 0;
}

/* ---- splits ---------------------------------------------------------------------------------- */

int attention_split_next(test_recorder *rec, const attention_case *ac, attention_split *split)
{
    attention_split next = { .only = -1 };
    int32_t left = 0;

    for (int32_t i = 0; i < ac->n_seqs; i++)
        left += ac->q_start[i + 1] - ac->q_start[i] - split->end_row[i];
    if (!left)
        return 0;
    if (random_in(rec, 0, 1))
        next.only = random_in(rec, 0, ac->n_seqs - 1);
    for (int32_t i = 0; i < ac->n_seqs; i++) {
        int32_t n = ac->q_start[i + 1] - ac->q_start[i];

        next.first_row[i] = next.end_row[i] = split->end_row[i];
        if ((next.only < 0 || next.only == i) && split->end_row[i] < n)
            next.end_row[i] = random_in(rec, split->end_row[i] + 1, n);
    }
    *split = next;
    return 1;
}

void attention_compare_split(attention_suite *s, const attention_case *ac,
                             const attention_split *split, const case_out *part,
                             const case_out *all, const char *where)
{
    const cg_attention_problem *p = &ac->problem;
    int32_t row = 0;

    for (int32_t i = 0; i < ac->n_seqs; i++)
        for (int32_t t = split->first_row[i]; t < split->end_row[i]; t++, row++)
            expect(&s->rec, attention_same_row(ac, part, row, all, ac->q_start[i] + t),
                   "%s, %s, %d/%d heads of %d, window %d: row %d of sequence %d (%d cached tokens) "
                   "has other bits when %d of %d rows are computed%s",
                   where, cg_dtype_name(p->dtype), p->n_heads, p->n_kv_heads, p->head_dim,
                   p->window, t, i, ac->kv_len[i], split->end_row[i] - split->first_row[i],
                   ac->q_start[i + 1] - ac->q_start[i],
                   split->only >= 0 ? ", without other sequences" : "");
}
