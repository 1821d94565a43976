/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attention_suite.h"

static const int32_t head_dims[] = { 64, 128, 32, 16, 8, 24, 40, 72, 80, 96, 112, 192, 256 };
static const int32_t head_pairs[][2] = { { 8, 4 }, { 4, 4 }, { 8, 2 }, { 6, 2 },
                                         { 8, 1 }, { 1, 1 }, { 5, 5 }, { 12, 4 } };
enum {
    N_DIMS = sizeof head_dims / sizeof *head_dims,
    N_PAIRS = sizeof head_pairs / sizeof *head_pairs,
    MAX_LEN = 100,
};

static cg_attention_problem make_problem(const attention_suite *s, int32_t dim, int32_t pair,
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

/* ---- values -------------------------------------------------------------------------------- */

typedef void (*case_fn)(attention_suite *s, attention_case *ac, case_memory *m, void *plan,
                        const case_layout *layout);

/*
 * Plans the problem over a layout and calls fn with both. A refusal must have a reason. Returns
 * whether the problem is supported.
 */
static int with_plan(attention_suite *s, const cg_attention_problem *problem,
                     const case_layout *layout, case_fn fn)
{
    cg_error err = CG_ERROR_INIT;
    attention_case ac;
    case_memory m;
    void *plan = NULL;
    cg_status st;
    int supported;

    if (!attention_case_create(&s->rec, problem, &ac))
        abort();
    if (!case_memory_create(&s->rec, &ac, layout, &m))
        abort();
    st = s->ops->supports(&s->test_host.host, &ac.problem, &err);
    supported = st == CG_OK;
    if (!supported) {
        expect_refused(&s->rec, st, &err, layout->name);
        expect(&s->rec, st == CG_ERR_UNSUPPORTED, "%s: refused with status %d, wanted %d",
               layout->name, st, CG_ERR_UNSUPPORTED);
    } else if (expect(&s->rec, s->ops->plan(&s->test_host.host, &ac.problem, &plan, &err) == CG_OK,
                      "%s: supported, but plan() failed: %s", layout->name, err.msg)) {
        fn(s, &ac, &m, plan, layout);
        s->ops->destroy(plan);
    }
    case_memory_destroy(&m);
    attention_case_destroy(&ac);
    return supported;
}

static void run_and_compare(attention_suite *s, attention_case *ac, case_memory *m, void *plan,
                            const case_layout *layout)
{
    case_out o;

    attention_case_solve(ac, s->test_host.base);
    attention_case_run(&s->rec, s->ops, plan, ac, m, NULL, NULL, random_in(&s->rec, 0, 9), &o);
    if (o.data)
        attention_compare(s, ac, &o, 0, layout->name);
    case_out_destroy(&o);
}

static void check_values(attention_suite *s)
{
    char name[80];

    for (int32_t l = 0; l < n_case_layouts; l++) {
        int32_t supported = 0;

        snprintf(name, sizeof name, "values: %s", case_layouts[l].name);
        if (!test_begin(&s->rec, name))
            continue;
        for (int32_t i = 0; i < test_rounds(&s->rec, 2 * N_DIMS); i++) {
            int32_t window = random_in(&s->rec, 0, 3) ? 0 : random_in(&s->rec, 1, 40);
            float scale = random_in(&s->rec, 0, 3) ? 1.0f : 6.0f;
            cg_attention_problem p = make_problem(
                s, head_dims[i % N_DIMS], random_in(&s->rec, 0, N_PAIRS - 1), window, scale);

            supported += with_plan(s, &p, &case_layouts[l], run_and_compare);
        }
        if (l == 0)
            expect(&s->rec, supported > 0, "no problem over contiguous f32 memory is supported");
        test_end(&s->rec);
    }
}

/* ---- NaN and infinities -------------------------------------------------------------------- */

/* Some sequences have a NaN in a key or an infinite value: only rows that attend to it change. */
static void run_not_finite(attention_suite *s, attention_case *ac, case_memory *m, void *plan,
                           const case_layout *layout)
{
    case_out o;

    for (int32_t i = 0; i < ac->n_seqs; i++) {
        if (i % 3 == 1)
            case_memory_set(ac, m, 0, i, ac->kv_len[i] * 2 / 3, 0, 3, NAN);
        else if (i % 3 == 2)
            case_memory_set(ac, m, 1, i, ac->kv_len[i] / 2, 0, 5, -INFINITY);
    }
    attention_case_solve(ac, s->test_host.base);
    attention_case_run(&s->rec, s->ops, plan, ac, m, NULL, NULL, 0, &o);
    if (o.data)
        attention_compare(s, ac, &o, 0, layout->name);
    case_out_destroy(&o);
}

static void check_not_finite(attention_suite *s)
{
    if (!test_begin(&s->rec, "NaN and infinities do not spread"))
        return;
    for (int32_t i = 0; i < test_rounds(&s->rec, 2 * n_case_layouts); i++) {
        cg_attention_problem p =
            make_problem(s, head_dims[i % 2], random_in(&s->rec, 0, N_PAIRS - 1), 0, 1);

        (void)with_plan(s, &p, &case_layouts[i % n_case_layouts], run_not_finite);
    }
    test_end(&s->rec);
}

/* ---- reproducible bits --------------------------------------------------------------------- */

/* The same call with another output stride and another order of loops gives the same bits. */
static void run_twice(attention_suite *s, attention_case *ac, case_memory *m, void *plan,
                      const case_layout *layout)
{
    case_out a, b;

    attention_case_run(&s->rec, s->ops, plan, ac, m, NULL, NULL, 0, &a);
    s->test_host.reverse_loops = 1;
    attention_case_run(&s->rec, s->ops, plan, ac, m, NULL, NULL, 5, &b);
    s->test_host.reverse_loops = 0;
    for (int32_t t = 0; a.data && b.data && t < a.n; t++)
        if (!expect(&s->rec, attention_same_row(ac, &a, t, &b, t),
                    "%s, head size %d: row %d has other bits in a second call", layout->name,
                    ac->problem.head_dim, t))
            break;
    case_out_destroy(&a);
    case_out_destroy(&b);
}

/* Any division of the rows into calls gives the bits of a single call. */
static void run_split(attention_suite *s, attention_case *ac, case_memory *m, void *plan,
                      const case_layout *layout)
{
    attention_split split = { .only = -1 };
    case_out all;

    attention_case_run(&s->rec, s->ops, plan, ac, m, NULL, NULL, 0, &all);
    while (all.data && attention_split_next(&s->rec, ac, &split)) {
        case_out part;

        attention_case_run(&s->rec, s->ops, plan, ac, m, split.first_row, split.end_row, 0, &part);
        if (part.data)
            attention_compare_split(s, ac, &split, &part, &all, layout->name);
        case_out_destroy(&part);
    }
    case_out_destroy(&all);
}

static void check_bits(attention_suite *s, const char *name, uint32_t flag, case_fn fn)
{
    if (!test_begin(&s->rec, name))
        return;
    for (int32_t i = 0; i < test_rounds(&s->rec, 8 * n_case_layouts); i++) {
        cg_attention_problem p =
            make_problem(s, head_dims[random_in(&s->rec, 0, N_DIMS - 1)],
                         random_in(&s->rec, 0, N_PAIRS - 1), i % 4 ? 0 : 20, 1);

        p.flags |= flag;
        (void)with_plan(s, &p, &case_layouts[i % n_case_layouts], fn);
    }
    test_end(&s->rec);
}

void attention_suite_cpu(attention_suite *s)
{
    cg_attention_problem p = make_problem(s, 64, 0, 0, 1);

    attention_check_refusals(s, &p);
    attention_check_lifecycle(s, &p);
    check_values(s);
    check_not_finite(s);
    check_bits(s, "deterministic, where supported", CG_ATTENTION_DETERMINISTIC, run_twice);
    check_bits(s, "batch-invariant, where supported", CG_ATTENTION_BATCH_INVARIANT, run_split);
    if (!test_begin(&s->rec, "all memory is freed"))
        return;
    expect_all_freed(&s->rec, &s->test_host, "all plans");
    test_end(&s->rec);
}
