/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attention_case.h"

struct suite {
    checker c;
    watch_host watch;
    const cg_attention_ops *ops;
};

static const int32_t head_dims[] = { 64, 128, 32, 16, 8, 24, 40, 72, 80, 96, 112, 192, 256 };
static const int32_t head_pairs[][2] = { { 8, 4 }, { 4, 4 }, { 8, 2 }, { 6, 2 },
                                         { 8, 1 }, { 1, 1 }, { 5, 5 }, { 12, 4 } };
enum {
    N_DIMS = sizeof head_dims / sizeof *head_dims,
    N_PAIRS = sizeof head_pairs / sizeof *head_pairs,
    MAX_LEN = 100,
};

static cg_attention_problem make_problem(const struct suite *s, int32_t dim, int32_t pair,
                                         int32_t window, float scale)
{
    return (cg_attention_problem) {
        CG_SIZED(cg_attention_problem),
        .device = CG_DEVICE_CPU,
        .dtype = CG_F32,
        .kv_dtype = CG_F32,
        .n_heads = head_pairs[pair][0],
        .n_kv_heads = head_pairs[pair][1],
        .head_dim = dim,
        .block_tokens = 0,
        .max_tokens = 64,
        .max_seqs = CASE_SEQS,
        .max_kv_len = MAX_LEN,
        .window = window,
        .scale = scale / sqrtf((float)dim),
        .flags = s->ops->caps & (CG_ATTENTION_DETERMINISTIC | CG_ATTENTION_BATCH_INVARIANT),
    };
}

/* ---- refusals ------------------------------------------------------------------------------ */

static void check_refusals(struct suite *s)
{
    cg_attention_problem good = make_problem(s, 64, 0, 0, 1);
    struct {
        const char *what;
        cg_attention_problem p;
    } bad[] = {
        { "a problem of 8 bytes", good },
        { "no heads", good },
        { "no key/value heads", good },
        { "heads that are not divided", good },
        { "a head size of 0", good },
        { "a negative head size", good },
        { "an unknown element type", good },
        { "an unknown cache type", good },
        { "an unknown device", good },
        { "unknown flags", good },
        { "a negative window", good },
        { "no rows", good },
        { "no sequences", good },
        { "no cached tokens", good },
        { "a scale of NaN", good },
        { "negative blocks", good },
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
    checker_begin(&s->c, "nonsense is refused");
    for (size_t i = 0; i < n; i++) {
        cg_error err = CG_ERROR_INIT;
        void *plan = NULL;

        expect_refused(&s->c, s->ops->supports(&s->watch.host, &bad[i].p, &err), &err, bad[i].what);
        err = (cg_error)CG_ERROR_INIT;
        expect_refused(&s->c, s->ops->plan(&s->watch.host, &bad[i].p, &plan, &err), &err,
                       bad[i].what);
        expect(&s->c, plan == NULL, "%s: a plan was handed out", bad[i].what);
    }
    expect(&s->c, s->ops->supports(&s->watch.host, &bad[0].p, NULL) != CG_OK,
           "refusal without an error record");
    expect_clean(&s->c, &s->watch, "refusals");
    checker_end(&s->c);
}

/* ---- life ---------------------------------------------------------------------------------- */

static void check_life(struct suite *s)
{
    cg_attention_problem p = make_problem(s, 64, 0, 0, 1);
    void *plans[20] = { NULL };

    checker_begin(&s->c, "plans are made and destroyed");
    s->ops->destroy(NULL);
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
        cg_error err = CG_ERROR_INIT;

        if (expect(&s->c, s->ops->plan(&s->watch.host, &p, &plans[i], &err) == CG_OK,
                   "plan() of a head size of 64 failed: %s", err.msg)) {
            expect(&s->c, plans[i] != NULL, "plan() succeeded but gave NULL");
            (void)s->ops->workspace_size(plans[i]);
        }
    }
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++)
        s->ops->destroy(plans[i]);
    expect_clean(&s->c, &s->watch, "20 plans");
    checker_end(&s->c);

    checker_begin(&s->c, "plan() without memory");
    for (int32_t k = 0; k < 100; k++) {
        cg_error err = CG_ERROR_INIT;
        void *plan = NULL;
        cg_status st;
        int met;

        atomic_store(&s->watch.until_failure, k);
        st = s->ops->plan(&s->watch.host, &p, &plan, &err);
        met = atomic_exchange(&s->watch.until_failure, -1) < 0;
        if (!met) {
            s->ops->destroy(plan);
            break; /* it needs k allocations */
        }
        if (st == CG_OK)
            s->ops->destroy(plan); /* it could do without */
        else
            expect(&s->c, st == CG_ERR_NOMEM && err.msg[0] && !plan,
                   "allocation %d failed: status %d, text '%s'", k, st, err.msg);
        expect_clean(&s->c, &s->watch, "plan() without memory");
    }
    checker_end(&s->c);
}

/* ---- values -------------------------------------------------------------------------------- */

/* All rows against the truth; NaN and infinities must agree. */
static void compare(struct suite *s, const attention_case *ac, const case_out *o, const char *where)
{
    const cg_attention_problem *p = &ac->problem;

    for (int32_t t = 0; t < o->n; t++)
        for (int32_t i = 0; i < p->n_heads * p->head_dim; i++) {
            double want = ac->out[(size_t)t * (size_t)(p->n_heads * p->head_dim) + (size_t)i];
            double bound = ac->bound[t * p->n_heads + i / p->head_dim];
            float got;
            int ok;

            memcpy(&got, o->data + t * o->stride + i * (int64_t)sizeof got, sizeof got);
            ok = isnan(want)   ? isnan(got)
                 : isinf(want) ? (double)got == want
                               : fabs((double)got - want) <= bound;
            if (!ok) {
                expect(&s->c, 0,
                       "%s, %d/%d heads of %d, window %d: row %d, head %d, element %d is %.9g, "
                       "wanted %.9g +- %.1e",
                       where, p->n_heads, p->n_kv_heads, p->head_dim, p->window, t, i / p->head_dim,
                       i % p->head_dim, (double)got, want, bound);
                return;
            }
        }
    expect(&s->c, 1, "%s", where);
}

typedef void (*case_fn)(struct suite *s, attention_case *ac, case_memory *m, void *plan,
                        const case_layout *layout);

/*
 * Plan the problem over a layout and hand both to fn. A refusal must have a reason; the return says
 * if it was served.
 */
static int with_plan(struct suite *s, const cg_attention_problem *problem,
                     const case_layout *layout, case_fn fn)
{
    cg_error err = CG_ERROR_INIT;
    attention_case ac;
    case_memory m;
    void *plan = NULL;
    cg_status st;
    int served;

    if (!attention_case_create(&s->c, problem, &ac))
        abort();
    if (!case_memory_create(&s->c, &ac, layout, &m))
        abort();
    st = s->ops->supports(&s->watch.host, &ac.problem, &err);
    served = st == CG_OK;
    if (!served) {
        expect_refused(&s->c, st, &err, layout->name);
        expect(&s->c, st == CG_ERR_UNSUPPORTED, "%s: refused with status %d, wanted %d",
               layout->name, st, CG_ERR_UNSUPPORTED);
    } else if (expect(&s->c, s->ops->plan(&s->watch.host, &ac.problem, &plan, &err) == CG_OK,
                      "%s: supported, but plan() failed: %s", layout->name, err.msg)) {
        fn(s, &ac, &m, plan, layout);
        s->ops->destroy(plan);
    }
    case_memory_destroy(&m);
    attention_case_destroy(&ac);
    return served;
}

static void run_and_compare(struct suite *s, attention_case *ac, case_memory *m, void *plan,
                            const case_layout *layout)
{
    case_out o;

    attention_case_solve(ac);
    attention_case_run(&s->c, s->ops, plan, ac, m, NULL, NULL, random_in(&s->c, 0, 9), &o);
    if (o.data)
        compare(s, ac, &o, layout->name);
    case_out_destroy(&o);
}

static void check_values(struct suite *s)
{
    char name[80];

    for (int32_t l = 0; l < n_case_layouts; l++) {
        int32_t served = 0;

        snprintf(name, sizeof name, "values: %s", case_layouts[l].name);
        checker_begin(&s->c, name);
        for (int32_t i = 0; i < checker_rounds(&s->c, 2 * N_DIMS); i++) {
            int32_t window = random_in(&s->c, 0, 3) ? 0 : random_in(&s->c, 1, 40);
            float scale = random_in(&s->c, 0, 3) ? 1.0f : 6.0f;
            cg_attention_problem p = make_problem(s, head_dims[i % N_DIMS],
                                                  random_in(&s->c, 0, N_PAIRS - 1), window, scale);

            served += with_plan(s, &p, &case_layouts[l], run_and_compare);
        }
        if (l == 0)
            expect(&s->c, served > 0, "not one problem over contiguous f32 memory is served");
        checker_end(&s->c);
    }
}

/* ---- not finite ---------------------------------------------------------------------------- */

/* Some sequences have a NaN in a key or an infinite value: only rows that see it may know. */
static void run_not_finite(struct suite *s, attention_case *ac, case_memory *m, void *plan,
                           const case_layout *layout)
{
    case_out o;

    for (int32_t i = 0; i < ac->n_seqs; i++) {
        if (i % 3 == 1)
            case_memory_poke(ac, m, 0, i, ac->kv_len[i] * 2 / 3, 0, 3, NAN);
        else if (i % 3 == 2)
            case_memory_poke(ac, m, 1, i, ac->kv_len[i] / 2, 0, 5, -INFINITY);
    }
    attention_case_solve(ac);
    attention_case_run(&s->c, s->ops, plan, ac, m, NULL, NULL, 0, &o);
    if (o.data)
        compare(s, ac, &o, layout->name);
    case_out_destroy(&o);
}

static void check_not_finite(struct suite *s)
{
    checker_begin(&s->c, "NaN and infinities reach who sees them");
    for (int32_t i = 0; i < checker_rounds(&s->c, 2 * n_case_layouts); i++) {
        cg_attention_problem p =
            make_problem(s, head_dims[i % 2], random_in(&s->c, 0, N_PAIRS - 1), 0, 1);

        (void)with_plan(s, &p, &case_layouts[i % n_case_layouts], run_not_finite);
    }
    checker_end(&s->c);
}

/* ---- promises about bits ------------------------------------------------------------------- */

/* Row t of `o` has the bits of row u of `all`. */
static int same_row(const attention_case *ac, const case_out *o, int32_t t, const case_out *all,
                    int32_t u)
{
    return memcmp(o->data + t * o->stride, all->data + u * all->stride,
                  (size_t)ac->problem.n_heads * (size_t)ac->problem.head_dim * sizeof(float)) == 0;
}

/* The same call again, into other memory, with loops in another order: the same bits. */
static void run_again(struct suite *s, attention_case *ac, case_memory *m, void *plan,
                      const case_layout *layout)
{
    case_out a, b;

    attention_case_run(&s->c, s->ops, plan, ac, m, NULL, NULL, 0, &a);
    s->watch.scramble = 1;
    attention_case_run(&s->c, s->ops, plan, ac, m, NULL, NULL, 5, &b);
    s->watch.scramble = 0;
    for (int32_t t = 0; a.data && b.data && t < a.n; t++)
        if (!expect(&s->c, same_row(ac, &a, t, &b, t),
                    "%s, head size %d: row %d has other bits the second time", layout->name,
                    ac->problem.head_dim, t))
            break;
    case_out_destroy(&a);
    case_out_destroy(&b);
}

/* Any cut of the rows into calls, alone or together: the bits of the one call. */
static void run_cut(struct suite *s, attention_case *ac, case_memory *m, void *plan,
                    const case_layout *layout)
{
    int32_t from[CASE_SEQS], to[CASE_SEQS], done[CASE_SEQS] = { 0 }, left = 1;
    case_out all;

    attention_case_run(&s->c, s->ops, plan, ac, m, NULL, NULL, 0, &all);
    while (left && all.data) {
        case_out part;
        int32_t only = random_in(&s->c, 0, 1) ? random_in(&s->c, 0, CASE_SEQS - 1) : -1, row = 0;

        left = 0;
        for (int32_t i = 0; i < ac->n_seqs; i++) {
            int32_t n = ac->q_start[i + 1] - ac->q_start[i];

            from[i] = to[i] = done[i];
            if ((only < 0 || only == i) && done[i] < n)
                to[i] = random_in(&s->c, done[i] + 1, n);
            left += n - to[i];
        }
        attention_case_run(&s->c, s->ops, plan, ac, m, from, to, 0, &part);
        for (int32_t i = 0; part.data && i < ac->n_seqs; i++)
            for (int32_t t = from[i]; t < to[i]; t++, row++)
                expect(&s->c, same_row(ac, &part, row, &all, ac->q_start[i] + t),
                       "%s, %d/%d heads of %d, window %d: row %d of sequence %d (%d cached tokens) "
                       "has other bits when %d of %d rows are computed%s",
                       layout->name, ac->problem.n_heads, ac->problem.n_kv_heads,
                       ac->problem.head_dim, ac->problem.window, t, i, ac->kv_len[i],
                       to[i] - from[i], ac->q_start[i + 1] - ac->q_start[i],
                       only >= 0 ? " alone" : "");
        for (int32_t i = 0; i < ac->n_seqs; i++)
            done[i] = to[i];
        case_out_destroy(&part);
    }
    case_out_destroy(&all);
}

static void check_bits(struct suite *s, const char *name, uint32_t flag, case_fn fn)
{
    if (!(s->ops->caps & flag))
        return; /* not promised */
    checker_begin(&s->c, name);
    for (int32_t i = 0; i < checker_rounds(&s->c, 8 * n_case_layouts); i++) {
        cg_attention_problem p = make_problem(s, head_dims[random_in(&s->c, 0, N_DIMS - 1)],
                                              random_in(&s->c, 0, N_PAIRS - 1), i % 4 ? 0 : 20, 1);

        (void)with_plan(s, &p, &case_layouts[i % n_case_layouts], fn);
    }
    checker_end(&s->c);
}

int32_t cg_conformance_attention(const cg_attention_ops *ops, const cg_host *host,
                                 const cg_conformance_options *options)
{
    struct suite s = { .ops = ops };

    checker_init(&s.c, options);
    watch_host_init(&s.watch, host);
    check_refusals(&s);
    check_life(&s);
    check_values(&s);
    check_not_finite(&s);
    check_bits(&s, "deterministic, as declared", CG_ATTENTION_DETERMINISTIC, run_again);
    check_bits(&s, "batch-invariant, as declared", CG_ATTENTION_BATCH_INVARIANT, run_cut);
    checker_begin(&s.c, "memory is given back");
    expect_clean(&s.c, &s.watch, "all plans");
    checker_end(&s.c);
    return s.c.failures;
}
