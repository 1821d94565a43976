/* SPDX-License-Identifier: MIT */
/* Attention on the CPU for hosts of other minors of the ABI, and prepare(). */
#include <stdlib.h>
#include <string.h>

#include "attention_cpu.h"
#include "attention_cpu_case.h"
#include "fenced_memory.h"

/* struct_size of what a host passes. */
struct host_sizes {
    const char *check;
    uint32_t problem, args, view, host;
};

/* As long as `size`, in memory that ends there; bytes behind the known members are 0xff. */
static void *sized_copy(const char *name, const void *data, size_t bytes, uint32_t size)
{
    char *copy = fenced_alloc(name, size, 8, 1);

    memcpy(copy, data, size < bytes ? size : bytes);
    memcpy(copy, &size, sizeof size);
    return copy;
}

/* Does the plugin support a problem as a host of `size` bytes knows it? */
static int is_supported(attention_suite *s, const cg_attention_problem *p, uint32_t size)
{
    cg_attention_problem known = { 0 };

    memcpy(&known, p, size < sizeof known ? size : sizeof known);
    known.struct_size = sizeof known;
    return s->ops->supports(&s->test_host.host, &known, NULL) == CG_OK;
}

static void run_sized(attention_suite *s, const struct host_sizes *sizes, const case_layout *layout)
{
    cg_attention_problem p = cpu_problem(s, 64, 4, 2, 80), *problem;
    cg_host *host = sized_copy("the host", &s->test_host.host, sizeof *host, sizes->host);
    case_call call = { .args_size = sizes->args, .view_size = sizes->view };
    cg_error err = CG_ERROR_INIT;
    cpu_case c = { .layout = *layout };

    p.window = random_in(&s->rec, 0, 1) * 30;
    (void)cpu_adapt(s, &p, &c.layout);
    layout = &c.layout;
    case_layout_apply(layout, &p);
    cpu_case_create(&s->rec, &p, 5, 30, &c.ac);
    problem = sized_copy("the problem", &c.ac.problem, sizeof *problem, sizes->problem);
    if (is_supported(s, &c.ac.problem, sizes->problem) &&
        expect(&s->rec, s->ops->supports(host, problem, &err) == CG_OK,
               "%s: a problem of %u bytes is refused: %s", layout->name, sizes->problem, err.msg) &&
        expect(&s->rec, s->ops->plan(host, problem, &c.plan, &err) == CG_OK,
               "%s: plan() of a problem of %u bytes failed: %s", layout->name, sizes->problem,
               err.msg)) {
        expect_no_violation(&s->rec, "plan()");
        case_memory_create(&s->rec, &c.ac, layout, &c.memory);
        attention_case_solve(&c.ac, s->test_host.base);
        cpu_run_and_compare(s, &c, &c.memory, &call);
        s->ops->destroy(c.plan);
        case_memory_destroy(&c.memory);
    }
    fenced_free(problem);
    fenced_free(host);
    attention_case_destroy(&c.ac);
}

static void check_hosts(attention_suite *s)
{
    enum { MORE = 96 };
    const struct host_sizes hosts[] = {
        { "a host of ABI 1.0", offsetof(cg_attention_problem, kv_layout),
          offsetof(cg_attention_args, position), offsetof(cg_kv_view, v_head_dim),
          offsetof(cg_host, abi_minor) },
        { "a host of ABI 1.1", offsetof(cg_attention_problem, features),
          offsetof(cg_attention_args, position), offsetof(cg_kv_view, v_head_dim),
          offsetof(cg_host, abi_minor) },
        { "a host of a later ABI", sizeof(cg_attention_problem) + MORE,
          sizeof(cg_attention_args) + MORE, sizeof(cg_kv_view) + MORE, sizeof(cg_host) + MORE },
    };

    for (size_t h = 0; h < sizeof hosts / sizeof *hosts; h++) {
        if (!test_begin(&s->rec, hosts[h].check))
            continue;
        for (int32_t i = 0; i < 2 * n_case_layouts; i++)
            run_sized(s, &hosts[h], &case_layouts[i % n_case_layouts]);
        test_end(&s->rec);
    }
}

/* ---- prepare() ----------------------------------------------------------------------------- */

/* Steps of two calls each, some of them prepared, by one plan. */
static void run_prepared(attention_suite *s, cpu_case *c)
{
    attention_split split = { .only = -1 };
    case_out all;

    attention_case_solve(&c->ac, s->test_host.base);
    attention_case_run(&s->rec, s->ops, c->plan, &c->ac, &c->memory, &(case_call) { 0 }, &all);
    if (all.data)
        attention_compare(s, &c->ac, &all, 0, c->layout.name);
    while (all.data && attention_split_next(&s->rec, &c->ac, &split)) {
        case_call call = { .first_row = split.first_row, .end_row = split.end_row };
        case_out part;

        call.is_prepared = random_in(&s->rec, 0, 1);
        attention_case_run(&s->rec, s->ops, c->plan, &c->ac, &c->memory, &call, &part);
        if (part.data && c->ac.problem.flags & CG_ATTENTION_BATCH_INVARIANT)
            attention_compare_split(s, &c->ac, &split, &part, &all, c->layout.name);
        case_out_destroy(&part);
    }
    case_out_destroy(&all);
    cpu_run_and_compare(s, c, &c->memory, &(case_call) { .is_prepared = 1 });
    cpu_run_and_compare(s, c, &c->memory, &(case_call) { 0 });
}

static void check_prepare(attention_suite *s)
{
    if (!CG_HAS(s->ops, prepare) || !test_begin(&s->rec, "prepare() changes no result"))
        return;
    for (int32_t i = 0; i < test_rounds(&s->rec, 3 * n_case_layouts); i++) {
        cg_attention_problem p = cpu_random_problem(s, 100);

        (void)cpu_with_case(s, &p, &case_layouts[i % n_case_layouts], 5, 30, run_prepared);
    }
    test_end(&s->rec);
}

void attention_check_abi(attention_suite *s)
{
    check_hosts(s);
    check_prepare(s);
}
