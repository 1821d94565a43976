/* SPDX-License-Identifier: MIT */
#include "attention_cpu_case.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <confgen/attention_check.h>

#include "fenced_memory.h"

/* ---- problems and cases -------------------------------------------------------------------- */

cg_attention_problem cpu_problem(attention_suite *s, int32_t head_dim, int32_t n_heads,
                                 int32_t n_kv_heads, int32_t max_kv_len)
{
    const uint32_t all = CG_ATTENTION_DETERMINISTIC | CG_ATTENTION_BATCH_INVARIANT;

    return (cg_attention_problem) {
        CG_SIZED(cg_attention_problem),
        .device = CG_DEVICE_CPU,
        .dtype = s->dtype,
        .kv_dtype = s->kv_dtype,
        .n_heads = n_heads,
        .n_kv_heads = n_kv_heads,
        .head_dim = head_dim,
        .max_tokens = 64,
        .max_seqs = 8,
        .max_kv_len = max_kv_len,
        .scale = 1.0f / sqrtf((float)head_dim),
        .flags = random_in(&s->rec, 0, 1) ? s->ops->caps & all : 0,
    };
}

cg_attention_problem cpu_random_problem(attention_suite *s, int32_t max_kv_len)
{
    static const int32_t dims[] = { 64, 128, 32, 16, 8, 24, 40, 72, 80, 96, 112, 192, 256 };
    static const int32_t pairs[][2] = { { 8, 4 }, { 4, 4 }, { 8, 2 }, { 6, 2 },
                                        { 8, 1 }, { 1, 1 }, { 5, 5 }, { 12, 4 } };
    enum { N_DIMS = sizeof dims / sizeof *dims, N_PAIRS = sizeof pairs / sizeof *pairs };
    const int32_t *pair = pairs[random_in(&s->rec, 0, N_PAIRS - 1)];

    return cpu_problem(s, dims[random_in(&s->rec, 0, N_DIMS - 1)], pair[0], pair[1], max_kv_len);
}

case_layout cpu_random_layout(test_recorder *rec)
{
    static char name[64];
    case_layout l = { .name = name,
                      .kv_layout = random_in(rec, 0, 1),
                      .pad = random_in(rec, 0, 3) };

    if (random_in(rec, 0, 1))
        return case_layouts[random_in(rec, 0, n_case_layouts - 1)];
    l.growing = random_in(rec, 0, 3) == 0;
    if (random_in(rec, 0, 2))
        l.page = random_in(rec, 0, 1) ? random_in(rec, 1, 70) : 1 << random_in(rec, 0, 8);
    else
        l.spare = random_in(rec, 0, 40);
    l.shared = random_in(rec, 0, 1);
    snprintf(name, sizeof name, "%s of %d, %s, padding of %d", l.page ? "pages" : "spare capacity",
             l.page ? l.page : l.spare, l.kv_layout == CG_KV_NHD ? "NHD" : "HND", l.pad);
    return l;
}

void cpu_case_create(test_recorder *rec, const cg_attention_problem *problem, int32_t n_seqs,
                     int32_t most_rows, attention_case *ret_case)
{
    attention_case ac = { .problem = *problem, .n_seqs = n_seqs };
    int32_t is_larger = random_in(rec, 0, 1), kind = random_in(rec, 0, 5), rows;

    if (most_rows >= CPU_PROMPTS)
        kind = 0;
    if (most_rows > CPU_PROMPTS)
        most_rows -= CPU_PROMPTS;
    for (int32_t i = 0; i < n_seqs; i++) {
        int32_t n;

        ac.kv_len[i] =
            i == n_seqs / 2 ? problem->max_kv_len : case_random_len(rec, problem->max_kv_len);
        n = cg_attention_is_cross(problem) && kind
                ? random_in(rec, 0, most_rows >= CPU_PROMPTS ? 200 : 30)
            : kind == 0 ? ac.kv_len[i] /* prompts only */
            : kind == 1 ? 1            /* decode only */
                        : case_random_rows(rec, ac.kv_len[i]);
        ac.q_start[i + 1] = ac.q_start[i] + (n < most_rows ? n : most_rows);
    }
    rows = ac.q_start[n_seqs];
    ac.problem.max_tokens = (rows ? rows : 1) + is_larger * random_in(rec, 0, 40);
    ac.problem.max_seqs = n_seqs + is_larger * random_in(rec, 0, 9);
    ac.n_slots = n_seqs + random_in(rec, 0, 1) * random_in(rec, 0, n_seqs / 2 + 4);
    *ret_case = ac;
    if (!attention_case_fill(rec, ret_case))
        abort();
}

/* ---- plans --------------------------------------------------------------------------------- */

int cpu_plan(attention_suite *s, const cg_attention_problem *problem, const char *where,
             void **ret_plan)
{
    cg_attention_problem *given = fenced_alloc("the problem", sizeof *given, 8, 1);
    cg_error err = CG_ERROR_INIT;
    cg_status st;

    *given = *problem;
    fenced_set_read_only(given, 1);
    *ret_plan = NULL;
    st = s->ops->supports(&s->test_host.host, given, &err);
    if (st != CG_OK) {
        expect_refused(&s->rec, st, &err, where);
        expect(&s->rec, st == CG_ERR_UNSUPPORTED, "%s: refused with status %d, wanted %d", where,
               st, CG_ERR_UNSUPPORTED);
    } else if (!expect(&s->rec, s->ops->plan(&s->test_host.host, given, ret_plan, &err) == CG_OK,
                       "%s: supported, but plan() failed: %s", where, err.msg)) {
        *ret_plan = NULL;
    }
    expect_no_violation(&s->rec, "plan()");
    fenced_free(given); /* a plan may not refer to it */
    return st == CG_OK;
}

static int is_supported(attention_suite *s, const cg_attention_problem *problem,
                        const case_layout *layout)
{
    cg_attention_problem p = *problem;
    cg_error err = CG_ERROR_INIT;
    cg_status st;

    case_layout_apply(layout, &p);
    st = s->ops->supports(&s->test_host.host, &p, &err);
    if (st == CG_OK)
        return 1;
    expect_refused(&s->rec, st, &err, layout->name);
    expect(&s->rec, st == CG_ERR_UNSUPPORTED, "%s: refused with status %d, wanted %d", layout->name,
           st, CG_ERR_UNSUPPORTED);
    return 0;
}

int cpu_adapt(attention_suite *s, cg_attention_problem *problem, case_layout *layout)
{
    const cg_attention_problem *t = &s->typical;
    case_layout other = { .name = layout->name,
                          .page = t->paged ? t->block_tokens ? t->block_tokens : 16 : 0,
                          .kv_layout = t->kv_layout,
                          .growing = !t->block_tokens,
                          .pad = layout->pad,
                          .shared = layout->shared };
    cg_attention_problem p = *problem;

    if (is_supported(s, problem, layout))
        return 1;
    p.scale *= sqrtf((float)p.head_dim / (float)t->head_dim);
    p.head_dim = t->head_dim;
    p.n_heads = t->n_heads;
    p.n_kv_heads = t->n_kv_heads;
    if (!is_supported(s, &p, layout)) {
        if (s->keeps_layout || !is_supported(s, &p, &other))
            return 0;
        *layout = other;
    }
    *problem = p;
    return 1;
}

int cpu_with_case(attention_suite *s, const cg_attention_problem *problem,
                  const case_layout *layout, int32_t n_seqs, int32_t most_rows, cpu_case_fn fn)
{
    cg_attention_problem p = *problem;
    case_layout l = *layout;
    cpu_case *c;

    if (!cpu_adapt(s, &p, &l))
        return 0;
    c = malloc(sizeof *c);
    if (!c)
        abort();
    case_layout_apply(&l, &p);
    cpu_case_create(&s->rec, &p, n_seqs, most_rows, &c->ac);
    if (l.page && l.shared && !cg_attention_is_cross(&p))
        attention_case_share(&s->rec, &c->ac, l.page);
    c->layout = l;
    (void)cpu_plan(s, &c->ac.problem, l.name, &c->plan);
    if (c->plan) {
        case_memory_create(&s->rec, &c->ac, &l, &c->memory);
        fn(s, c);
        s->ops->destroy(c->plan);
        case_memory_destroy(&c->memory);
    }
    attention_case_destroy(&c->ac);
    free(c);
    return 1;
}

void cpu_run_and_compare(attention_suite *s, const cpu_case *c, const case_memory *m,
                         const case_call *call)
{
    case_out o;

    attention_case_run(&s->rec, s->ops, c->plan, &c->ac, m, call, &o);
    if (o.data)
        attention_compare(s, &c->ac, &o, 0, c->layout.name);
    case_out_destroy(&o);
}

/* What a plan leaves open: strides, and of a growing cache the size of blocks. */
static void vary_layout(test_recorder *rec, const cg_attention_problem *p, case_layout *layout)
{
    layout->pad = random_in(rec, 0, 3);
    if (!layout->growing || case_uses(p, CG_ATTENTION_KV_SCALES)) /* scales are by block */
        return;
    if (!layout->page)
        layout->spare = random_in(rec, 0, 40);
    else if (!layout->shared)
        layout->page = random_in(rec, 1, 40);
}

void cpu_compare_twice(attention_suite *s, cpu_case *c)
{
    case_layout other = c->layout;
    case_memory second; /* while the first lives: other addresses */

    attention_case_solve(&c->ac, s->test_host.base);
    cpu_run_and_compare(s, c, &c->memory, &(case_call) { .pad = random_in(&s->rec, 0, 9) });
    vary_layout(&s->rec, &c->ac.problem, &other);
    case_memory_create(&s->rec, &c->ac, &other, &second);
    cpu_run_and_compare(s, c, &second, &(case_call) { 0 });
    case_memory_destroy(&c->memory);
    c->memory = second;
}

void cpu_compare_split(attention_suite *s, const cpu_case *c, const attention_split *split,
                       const case_out *all)
{
    const case_call call = { .first_row = split->first_row, .end_row = split->end_row };
    case_out part;

    attention_case_run(&s->rec, s->ops, c->plan, &c->ac, &c->memory, &call, &part);
    if (part.data)
        attention_compare_split(s, &c->ac, split, &part, all, c->layout.name);
    case_out_destroy(&part);
}

void cpu_compare_splits(attention_suite *s, cpu_case *c)
{
    attention_split split = { .only = -1 };
    case_out all;

    attention_case_run(&s->rec, s->ops, c->plan, &c->ac, &c->memory, &(case_call) { 0 }, &all);
    while (all.data && attention_split_next(&s->rec, &c->ac, &split))
        cpu_compare_split(s, c, &split, &all);
    case_out_destroy(&all);
}
