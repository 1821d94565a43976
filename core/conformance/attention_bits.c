/* SPDX-License-Identifier: MIT */
/* Bits of attention on the CPU: the same in a second call, and in any other call. */
#include <stdlib.h>

#include "attention_cpu.h"
#include "attention_cpu_case.h"

/* Records whether all rows of b have the bits of a. */
static void compare_bits(attention_suite *s, const cpu_case *c, const case_out *a,
                         const case_out *b, const char *how)
{
    for (int32_t t = 0; a->data && b->data && t < a->n; t++)
        if (!expect(&s->rec, attention_same_row(&c->ac, a, t, b, t),
                    "%s, %d/%d heads of %d: row %d has other bits %s", c->layout.name,
                    c->ac.problem.n_heads, c->ac.problem.n_kv_heads, c->ac.problem.head_dim, t,
                    how))
            return;
}

/* The same call with another output stride and another order of loops gives the same bits. */
static void run_twice(attention_suite *s, cpu_case *c)
{
    case_out a, b;

    attention_case_run(&s->rec, s->ops, c->plan, &c->ac, &c->memory, &(case_call) { 0 }, &a);
    for (int32_t i = 0; i < 2; i++) {
        s->test_host.reverse_loops = i;
        attention_case_run(&s->rec, s->ops, c->plan, &c->ac, &c->memory,
                           &(case_call) { .pad = 5 * i }, &b);
        compare_bits(s, c, &a, &b, "in a second call");
        case_out_destroy(&b);
    }
    s->test_host.reverse_loops = 0;
    case_out_destroy(&a);
}

/* A few of many sequences, alone and in halves of the call. */
static void run_few(attention_suite *s, cpu_case *c)
{
    case_out all;

    attention_case_run(&s->rec, s->ops, c->plan, &c->ac, &c->memory, &(case_call) { 0 }, &all);
    for (int32_t k = 0; all.data && k < 6; k++) {
        attention_split split = { .only = k < 4 ? random_in(&s->rec, 0, c->ac.n_seqs - 1) : -1 };

        for (int32_t i = 0; i < c->ac.n_seqs; i++)
            if (split.only == i || (split.only < 0 && i % 2 == k % 2))
                split.end_row[i] = c->ac.q_start[i + 1] - c->ac.q_start[i];
        cpu_compare_split(s, c, &split, &all);
    }
    case_out_destroy(&all);
}

/* Runs all rows by another plan, whose bounds hold the case. */
static void compare_plan(attention_suite *s, const cpu_case *c, const case_out *all,
                         const cg_attention_problem *problem, const char *how)
{
    cpu_case other = *c;
    case_out o;

    (void)cpu_plan(s, problem, c->layout.name, &other.plan);
    if (!other.plan)
        return;
    attention_case_run(&s->rec, s->ops, other.plan, &c->ac, &c->memory, &(case_call) { 0 }, &o);
    compare_bits(s, c, all, &o, how);
    case_out_destroy(&o);
    s->ops->destroy(other.plan);
}

/* Plans of other bounds, other slots, pages and addresses give the same bits. */
static void run_elsewhere(attention_suite *s, cpu_case *c)
{
    cg_attention_problem p = c->ac.problem;
    int32_t rows = c->ac.q_start[c->ac.n_seqs], longest = 1, workers = s->test_host.host.workers;
    case_memory second;
    case_out all, o;

    attention_case_run(&s->rec, s->ops, c->plan, &c->ac, &c->memory, &(case_call) { 0 }, &all);
    p.max_seqs *= 9;
    compare_plan(s, c, &all, &p, "by a plan for 9 times the sequences");
    p.max_tokens = 3 * p.max_tokens + 200;
    compare_plan(s, c, &all, &p, "by a plan for more rows and sequences");
    p = c->ac.problem;
    for (int32_t i = 0; i < c->ac.n_seqs; i++)
        longest = c->ac.kv_len[i] > longest ? c->ac.kv_len[i] : longest;
    p.max_kv_len = longest;
    compare_plan(s, c, &all, &p, "by a plan for shorter sequences");
    p.max_tokens = rows ? rows : 1;
    p.max_seqs = c->ac.n_seqs;
    compare_plan(s, c, &all, &p, "by a plan for fewer rows and sequences");
    s->test_host.host.workers = workers > 1 && random_in(&s->rec, 0, 1) ? 1 : workers == 7 ? 5 : 7;
    compare_plan(s, c, &all, &p, "on a host of another number of workers");
    s->test_host.host.workers = workers;
    c->ac.n_slots += random_in(&s->rec, 0, 9);
    case_memory_create(&s->rec, &c->ac, &c->layout, &second);
    attention_case_run(&s->rec, s->ops, c->plan, &c->ac, &second, &(case_call) { 0 }, &o);
    compare_bits(s, c, &all, &o, "in other slots, pages and addresses");
    case_out_destroy(&o);
    case_out_destroy(&all);
    case_memory_destroy(&c->memory);
    c->memory = second;
}

/* ---- checks -------------------------------------------------------------------------------- */

static void check_repeated(attention_suite *s)
{
    if (!test_begin(&s->rec, "deterministic, where supported"))
        return;
    for (int32_t i = 0; i < test_rounds(&s->rec, 8 * n_case_layouts); i++) {
        cg_attention_problem p = cpu_random_problem(s, 100);

        p.flags |= CG_ATTENTION_DETERMINISTIC;
        p.window = i % 4 ? 0 : 20;
        (void)cpu_with_case(s, &p, &case_layouts[i % n_case_layouts], 8, 100, run_twice);
    }
    test_end(&s->rec);
}

static void check_splits(attention_suite *s)
{
    if (!test_begin(&s->rec, "batch-invariant, where supported"))
        return;
    for (int32_t i = 0; i < test_rounds(&s->rec, 5 * n_case_layouts); i++) {
        cg_attention_problem p = cpu_random_problem(s, 100);

        p.flags |= CG_ATTENTION_BATCH_INVARIANT;
        p.window = i % 4 ? 0 : 20;
        (void)cpu_with_case(s, &p, &case_layouts[i % n_case_layouts], 8, 100, cpu_compare_splits);
    }
    test_end(&s->rec);
}

static void check_large_calls(attention_suite *s)
{
    static const int32_t counts[] = { 70, 33, 300, 130, 49, 600 };

    if (!test_begin(&s->rec, "batch-invariant: calls of hundreds of sequences"))
        return;
    for (int32_t i = 0; i < test_rounds(&s->rec, 12); i++) {
        cg_attention_problem p = cpu_problem(s, 64, 4, 2, 40);
        case_layout layout = cpu_random_layout(&s->rec);

        p.flags |= CG_ATTENTION_BATCH_INVARIANT;
        if (i % 3 == 0) { /* the same tokens, which calls may say or not */
            layout.page = random_in(&s->rec, 1, 8);
            layout.shared = 1;
        }
        (void)cpu_with_case(s, &p, &layout, counts[i % 6], i % 2 ? 40 : 1, run_few);
    }
    test_end(&s->rec);
}

static void check_long_prompts(attention_suite *s)
{
    if (!test_begin(&s->rec, "batch-invariant: prompts of hundreds of rows"))
        return;
    for (int32_t i = 0; i < test_rounds(&s->rec, 8); i++) {
        cg_attention_problem p = cpu_problem(s, i % 3 ? 64 : 32, 4, 2 << i % 2, 130 + 67 * (i % 8));
        case_layout layout = cpu_random_layout(&s->rec);

        p.flags |= CG_ATTENTION_BATCH_INVARIANT;
        p.window = i % 3 == 2 ? 100 : 0;
        (void)cpu_with_case(s, &p, &layout, 4, 600, cpu_compare_splits);
    }
    test_end(&s->rec);
}

/* Sequences shorter than the plan's limit. */
static void run_shorter(attention_suite *s, cpu_case *c)
{
    attention_case *ac = &c->ac;

    run_elsewhere(s, c);
    for (int32_t i = 0; i < ac->n_seqs; i++) {
        int32_t n = ac->q_start[i + 1] - ac->q_start[i];

        if (ac->kv_len[i] > 100 && n < 100)
            ac->kv_len[i] = 100;
    }
    run_elsewhere(s, c);
}

static void check_elsewhere(attention_suite *s)
{
    if (!test_begin(&s->rec, "batch-invariant: other plans, slots and memory"))
        return;
    for (int32_t i = 0; i < test_rounds(&s->rec, 4 * n_case_layouts); i++) {
        cg_attention_problem p =
            i % 4 ? cpu_random_problem(s, 100) : cpu_problem(s, 32 << i / 4 % 3, 4, 2, 1500);
        case_layout layout =
            i & 1 ? cpu_random_layout(&s->rec) : case_layouts[i / 2 % n_case_layouts];

        p.flags |= CG_ATTENTION_BATCH_INVARIANT;
        (void)cpu_with_case(s, &p, &layout, random_in(&s->rec, 1, i % 4 ? 8 : 3), 20, run_shorter);
    }
    test_end(&s->rec);
}

void attention_check_bits(attention_suite *s)
{
    check_repeated(s);
    check_splits(s);
    check_large_calls(s);
    check_long_prompts(s);
    check_elsewhere(s);
}
