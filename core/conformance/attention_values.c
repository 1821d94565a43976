/* SPDX-License-Identifier: MIT */
/* Results of attention on the CPU against the reference. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "attention_cpu.h"
#include "attention_cpu_case.h"
#include "fenced_memory.h"

static void check_layouts(attention_suite *s)
{
    char name[80];

    s->keeps_layout = 1;
    for (int32_t l = 0; l < n_case_layouts; l++) {
        snprintf(name, sizeof name, "values: %s", case_layouts[l].name);
        if (!test_begin(&s->rec, name))
            continue;
        for (int32_t i = 0; i < test_rounds(&s->rec, 20); i++) {
            cg_attention_problem p = cpu_random_problem(s, 100);

            p.window = random_in(&s->rec, 0, 3) ? 0 : random_in(&s->rec, 1, 40);
            p.scale *= random_in(&s->rec, 0, 3) ? 1.0f : 6.0f;
            (void)cpu_with_case(s, &p, &case_layouts[l], random_in(&s->rec, 1, 12), 100,
                                cpu_compare_twice);
        }
        test_end(&s->rec);
    }
    s->keeps_layout = 0;
}

static void check_other_layouts(attention_suite *s)
{
    if (!test_begin(&s->rec, "values: other pages, capacities and strides"))
        return;
    for (int32_t i = 0; i < test_rounds(&s->rec, 60); i++) {
        cg_attention_problem p = cpu_random_problem(s, random_in(&s->rec, 1, 200));
        case_layout layout = cpu_random_layout(&s->rec);

        (void)cpu_with_case(s, &p, &layout, random_in(&s->rec, 1, 8), 100, cpu_compare_twice);
    }
    test_end(&s->rec);
}

static void check_head_sizes(attention_suite *s)
{
    if (!test_begin(&s->rec, "values: head sizes"))
        return;
    for (int32_t dim = 1; dim <= 576; dim += dim < 64 ? 1 : dim < 256 ? 8 : 64) {
        cg_attention_problem p = cpu_problem(s, dim, 4, 2, 40);

        (void)cpu_with_case(s, &p, &case_layouts[dim & 4], 4, 40, cpu_compare_twice);
        p = cpu_problem(s, dim + 1 + dim / 8 % 7, 2, 2, 40);
        if (dim > 64)
            (void)cpu_with_case(s, &p, &case_layouts[0], 4, 40, cpu_compare_twice);
    }
    test_end(&s->rec);
}

static void check_groups(attention_suite *s)
{
    static const int32_t kv_heads[] = { 1, 2, 3, 4, 5, 8, 12, 16, 32 };
    static const int32_t large[][2] = { { 32, 1 },  { 71, 1 },  { 128, 8 },
                                        { 40, 40 }, { 96, 96 }, { 128, 1 } };

    if (!test_begin(&s->rec, "values: numbers of heads"))
        return;
    for (size_t i = 0; i < sizeof kv_heads / sizeof *kv_heads; i++)
        for (int32_t group = 1; group <= 16 && group * kv_heads[i] <= 72; group++) {
            cg_attention_problem p =
                cpu_problem(s, group % 3 ? 16 : 64, group * kv_heads[i], kv_heads[i], 70);
            case_layout layout = cpu_random_layout(&s->rec);

            (void)cpu_with_case(s, &p, &layout, 3, 20, cpu_compare_twice);
        }
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        cg_attention_problem p = cpu_problem(s, 16, large[i][0], large[i][1], 70);
        case_layout layout = cpu_random_layout(&s->rec);

        (void)cpu_with_case(s, &p, &layout, 3, 20, cpu_compare_twice);
    }
    test_end(&s->rec);
}

static void check_sequence_counts(attention_suite *s)
{
    static const int32_t counts[] = { 1,  2,  3,  4,  6,   7,   9,   15,  16,  17,  24,  31,  32,
                                      33, 48, 64, 65, 100, 127, 128, 200, 257, 513, 600, 1050 };
    enum { N = sizeof counts / sizeof *counts };

    if (!test_begin(&s->rec, "values: 1 to 600 sequences"))
        return;
    for (int32_t i = 0; i < test_rounds(&s->rec, 2 * N); i++) {
        /* few rounds have few and many */
        int32_t n = i < N ? counts[(i * 11 + 5) % N] : random_in(&s->rec, 1, 200);
        cg_attention_problem p =
            cpu_problem(s, i % 3 ? 32 : 64, 4, i & 1 ? 2 : 4, n > 64 ? 30 : 90);
        case_layout layout = cpu_random_layout(&s->rec);

        (void)cpu_with_case(s, &p, &layout, n, i % 5 ? n > 64 ? 4 : 40 : 1, cpu_compare_twice);
    }
    test_end(&s->rec);
}

static void check_prefixes(attention_suite *s)
{
    if (!test_begin(&s->rec, "values: shared prefixes"))
        return;
    for (int32_t i = 0; i < test_rounds(&s->rec, 20); i++) {
        cg_attention_problem p = cpu_random_problem(s, 130);
        case_layout layout = cpu_random_layout(&s->rec);

        layout.page = layout.page ? layout.page : 4;
        layout.shared = 1;
        (void)cpu_with_case(s, &p, &layout, random_in(&s->rec, 2, 30), 20, cpu_compare_twice);
    }
    test_end(&s->rec);
}

static void check_without_rows(attention_suite *s)
{
    if (!test_begin(&s->rec, "no sequence has a row"))
        return;
    for (int32_t i = 0; i < test_rounds(&s->rec, n_case_layouts); i++) {
        cg_attention_problem p = cpu_random_problem(s, 50);

        (void)cpu_with_case(s, &p, &case_layouts[i % n_case_layouts], 4, 0, cpu_compare_twice);
    }
    test_end(&s->rec);
}

/* Sequences up to more than 16,000 tokens, windows far shorter than the sequence. */
static void check_long(attention_suite *s)
{
    static const struct {
        int32_t len, n_seqs, most_rows, window;
    } cases[] = {
        { 320, 40, CPU_PROMPTS, 0 }, { 4097, 3, 9, 0 },     { 1100, 3, 40, 0 },
        { 700, 3, 300, 0 },          { 2100, 3, 17, 0 },    { 4300, 3, 40, 1000 },
        { 16500, 1, 2, 0 },          { 2500, 3, 100, 64 },  { 520, 4, 260, 0 },
        { 1030, 4, 20, 512 },        { 8200, 2, 20, 4096 }, { 4096, 2, 60, 1 },
        { 310, 6, 310, 0 },          { 1500, 3, 128, 33 },  { 16400, 1, 30, 100 },
        { 1024, 3, 1, 0 },           { 2049, 3, 5, 0 },     { 66100, 1, 2, 0 },
    };
    enum { N = sizeof cases / sizeof *cases };

    if (!test_begin(&s->rec, "values: long sequences"))
        return;
    for (int32_t i = 0; i < test_rounds(&s->rec, N); i++) {
        cg_attention_problem p =
            cases[i % N].len > UINT16_MAX
                ? cpu_problem(s, 32, 1, 1, cases[i % N].len)
                : cpu_problem(s, i % 4 == 1 ? 128 : 64, 2 << i % 2, 2, cases[i % N].len);
        case_layout layout =
            i & 1 ? case_layouts[i / 2 % n_case_layouts] : cpu_random_layout(&s->rec);

        p.window = cases[i % N].window;
        (void)cpu_with_case(s, &p, &layout, cases[i % N].n_seqs, cases[i % N].most_rows,
                            cpu_compare_twice);
    }
    test_end(&s->rec);
}

/* Rows behind cached tokens: a prompt that the host computes in several calls. */
static void check_prompt_parts(attention_suite *s)
{
    static const int32_t rows[] = { 600, 129, 300, 1, 513, 65, 257, 33, 128, 1300, 200, 17 };
    enum { N = sizeof rows / sizeof *rows };

    if (!test_begin(&s->rec, "values: parts of long prompts"))
        return;
    for (int32_t i = 0; i < test_rounds(&s->rec, 2 * N); i++) {
        int32_t n = i < N ? rows[i] : random_in(&s->rec, 1, 600);
        cg_attention_problem p =
            cpu_problem(s, i % 3 ? 32 : 64, 2, 1 + i % 2, n + random_in(&s->rec, 1, 300));
        case_layout layout = cpu_random_layout(&s->rec);

        p.window = i % 4 == 3 ? 100 : 0;
        (void)cpu_with_case(s, &p, &layout, 2, CPU_PROMPTS + n, cpu_compare_twice);
    }
    test_end(&s->rec);
}

/* Exponentials of these scores overflow or vanish unless the largest score is subtracted. */
static void check_large_scores(attention_suite *s)
{
    if (!test_begin(&s->rec, "values: large scores"))
        return;
    for (int32_t i = 0; i < test_rounds(&s->rec, 2 * n_case_layouts); i++) {
        cg_attention_problem p = cpu_random_problem(s, i % 4 ? 100 : 400);

        p.scale *= i & 1 ? 40 : 150;
        if (i % 4 == 2 && p.dtype == CG_F32 && p.kv_dtype == CG_F32)
            p.scale *= 200; /* all scores of a row may be far below 0 */
        (void)cpu_with_case(s, &p, &case_layouts[i % n_case_layouts], 6, 30, cpu_compare_twice);
    }
    test_end(&s->rec);
}

/* Each pair of types that the plugin supports: all refused for many plugins. */
static void check_types(attention_suite *s)
{
    if (!test_begin(&s->rec, "values: other element types"))
        return;
    for (int32_t i = 0; i < 9 * test_rounds(&s->rec, 8); i++) {
        cg_attention_problem p = cpu_random_problem(s, 100);
        case_layout layout = cpu_random_layout(&s->rec);

        p.dtype = i % 9 / 3;
        p.kv_dtype = i % 3;
        p.window = i % 4 ? 0 : 20;
        if (p.dtype != s->dtype || p.kv_dtype != s->kv_dtype)
            (void)cpu_with_case(s, &p, &layout, 6, 60, cpu_compare_twice);
    }
    test_end(&s->rec);
}

/* Fewer workers than confgen has threads, and more. */
static void check_workers(attention_suite *s)
{
    const int32_t workers = s->test_host.host.workers;

    if (!test_begin(&s->rec, "values: hosts of 1 to 64 workers"))
        return;
    for (int32_t i = 0; i < test_rounds(&s->rec, TEST_MAX_WORKERS); i++) {
        cg_attention_problem p = cpu_problem(s, 64, 8, 4, 150);
        case_layout layout = case_layouts[i % n_case_layouts];
        char name[80];

        /* 1, 64, 63, ... 2 */
        s->test_host.host.workers = i * (TEST_MAX_WORKERS - 1) % TEST_MAX_WORKERS + 1;
        snprintf(name, sizeof name, "%s, workers %d", layout.name, s->test_host.host.workers);
        layout.name = name;
        (void)cpu_with_case(s, &p, &layout, random_in(&s->rec, 1, 12), 12, cpu_compare_twice);
    }
    s->test_host.host.workers = workers;
    test_end(&s->rec);
}

/* ---- one plan, many calls ------------------------------------------------------------------ */

enum { N_MEMORIES = 5, N_CALLS = 600 };

/* Calls over several cases in several memories, in random order. */
static void call_often(attention_suite *s, cpu_case *cases)
{
    for (int32_t i = 0; i < N_CALLS; i++) {
        cpu_case *c = &cases[random_in(&s->rec, 0, N_MEMORIES - 1)];

        if (i % 40 == 39) { /* other tokens and pages, at the same addresses */
            cpu_run_and_compare(s, c, &c->memory, &(case_call) { 0 });
            case_memory_rewrite(&s->rec, &c->ac, &c->memory);
            attention_case_solve(&c->ac, s->test_host.base);
        }
        cpu_run_and_compare(s, c, &c->memory, &(case_call) { 0 });
    }
}

/* Cases of one problem: it is for the largest of them. */
static void create_cases(attention_suite *s, const cg_attention_problem *problem,
                         const case_layout *layout, cpu_case *ret_cases)
{
    cg_attention_problem p = *problem;

    p.max_tokens = p.max_seqs = 0;
    for (int32_t i = 0; i < N_MEMORIES; i++) {
        cpu_case *c = &ret_cases[i];

        cpu_case_create(&s->rec, problem, random_in(&s->rec, 1, 5), 12, &c->ac);
        c->layout = *layout;
        case_memory_create(&s->rec, &c->ac, layout, &c->memory);
        attention_case_solve(&c->ac, s->test_host.base);
        if (c->ac.problem.max_tokens > p.max_tokens)
            p.max_tokens = c->ac.problem.max_tokens;
        if (c->ac.problem.max_seqs > p.max_seqs)
            p.max_seqs = c->ac.problem.max_seqs;
    }
    for (int32_t i = 0; i < N_MEMORIES; i++) {
        ret_cases[i].ac.problem.max_tokens = p.max_tokens;
        ret_cases[i].ac.problem.max_seqs = p.max_seqs;
    }
}

static void check_many_calls(attention_suite *s)
{
    cpu_case *cases = calloc(N_MEMORIES, sizeof *cases);

    if (!cases)
        abort();
    if (!test_begin(&s->rec, "values: many calls of one plan"))
        goto out;
    for (int32_t l = 0; l <= 4; l += 4) { /* contiguous, pages of 16 */
        cg_attention_problem p = cpu_problem(s, 64, 4, 2, 60);
        case_layout layout = case_layouts[l];
        void *plan;

        (void)cpu_adapt(s, &p, &layout);
        case_layout_apply(&layout, &p);
        create_cases(s, &p, &layout, cases);
        (void)cpu_plan(s, &cases[0].ac.problem, layout.name, &plan);
        for (int32_t i = 0; i < N_MEMORIES; i++)
            cases[i].plan = plan;
        if (plan)
            call_often(s, cases);
        s->ops->destroy(plan);
        for (int32_t i = 0; i < N_MEMORIES; i++) {
            case_memory_destroy(&cases[i].memory);
            attention_case_destroy(&cases[i].ac);
        }
    }
    test_end(&s->rec);
out:
    free(cases);
}

/* ---- several plans ------------------------------------------------------------------------- */

enum { N_PLANS = 4, N_REPEATS = 30 };

/* Calls of one of the plans on a thread of its own: long enough for the others to come between. */
struct caller {
    pthread_t thread;
    pthread_barrier_t *start;
    case_run *run;
    int is_same; /* all results have the same bits */
};

static void *call_after_start(void *arg)
{
    struct caller *c = arg;

    pthread_barrier_wait(c->start);
    c->is_same = case_run_repeat(c->run, N_REPEATS);
    return NULL;
}

/* Plans of different problems, in turns and at once; loops then run on the caller's thread. */
static void call_at_once(attention_suite *s, cpu_case *cases)
{
    struct caller callers[N_PLANS];
    pthread_barrier_t start;
    case_out o;

    pthread_barrier_init(&start, NULL, N_PLANS);
    for (int32_t i = 0; i < N_PLANS; i++)
        callers[i].run = case_run_begin(&s->rec, s->ops, cases[i].plan, &cases[i].ac,
                                        &cases[i].memory, &(case_call) { 0 });
    s->test_host.reverse_loops = 1;
    for (int32_t i = 0; i < N_PLANS; i++) {
        callers[i].start = &start;
        if (!callers[i].run ||
            pthread_create(&callers[i].thread, NULL, call_after_start, &callers[i]))
            abort();
    }
    for (int32_t i = 0; i < N_PLANS; i++)
        pthread_join(callers[i].thread, NULL);
    pthread_barrier_destroy(&start);
    s->test_host.reverse_loops = 0;
    for (int32_t i = 0; i < N_PLANS; i++) {
        if (cases[i].ac.problem.flags & CG_ATTENTION_DETERMINISTIC)
            expect(&s->rec, callers[i].is_same,
                   "%d calls have different bits while other plans run on other threads",
                   N_REPEATS);
        case_run_end(callers[i].run, &cases[i].ac, &o);
        if (o.data)
            attention_compare(s, &cases[i].ac, &o, 0, "plans on several threads");
        case_out_destroy(&o);
    }
}

static void check_several_plans(attention_suite *s)
{
    cpu_case *cases = calloc(N_PLANS, sizeof *cases);
    int32_t n_plans = 0;

    if (!cases)
        abort();
    if (!test_begin(&s->rec, "values: several plans in turns and at once"))
        goto out;
    for (int32_t i = 0; i < N_PLANS; i++) {
        cg_attention_problem p = cpu_problem(s, 64 << i % 2, 4 << i / 2, 4, 60 + 40 * i);

        p.flags |= s->ops->caps & CG_ATTENTION_DETERMINISTIC;
        cases[i].layout = case_layouts[4 * (i % 2)]; /* contiguous, pages of 16 */
        (void)cpu_adapt(s, &p, &cases[i].layout);
        case_layout_apply(&cases[i].layout, &p);
        cpu_case_create(&s->rec, &p, 6, 30, &cases[i].ac);
        case_memory_create(&s->rec, &cases[i].ac, &cases[i].layout, &cases[i].memory);
        attention_case_solve(&cases[i].ac, s->test_host.base);
        (void)cpu_plan(s, &cases[i].ac.problem, cases[i].layout.name, &cases[i].plan);
        n_plans +=
            cases[i].plan &&
            test_size_is_sane(&s->rec, s->ops->workspace_size(cases[i].plan), "workspace_size()");
    }
    for (int32_t i = 0; i < test_rounds(&s->rec, 5) && n_plans == N_PLANS; i++) {
        cpu_case *c = &cases[random_in(&s->rec, 0, N_PLANS - 1)];

        cpu_run_and_compare(s, c, &c->memory, &(case_call) { 0 });
        call_at_once(s, cases);
    }
    for (int32_t i = 0; i < N_PLANS; i++) {
        s->ops->destroy(cases[i].plan);
        case_memory_destroy(&cases[i].memory);
        attention_case_destroy(&cases[i].ac);
    }
    test_end(&s->rec);
out:
    free(cases);
}

/* ---- memory -------------------------------------------------------------------------------- */

/* Rows of q and out, 25 at least, far apart. */
static void run_far_rows(attention_suite *s, cpu_case *c)
{
    attention_case_solve(&c->ac, s->test_host.base);
    cpu_run_and_compare(s, c, &c->memory, &(case_call) { .row_pad = (int64_t)180 << 20 });
}

/* Offsets beyond 32 bits: of blocks, of tokens, of pages, of rows. The memory is sparse. */
static void check_large_memory(attention_suite *s)
{
    static const case_layout layouts[] = {
        { "slots 1.2 GB apart", 0, 0, CG_KV_HND, 0, 0, 0, 1200000000 },
        { "tokens 1 MiB apart", 0, 0, CG_KV_NHD, 0, 1 << 18, 0, 0 },
        { "pages 80 MB apart", 8, 0, CG_KV_HND, 0, 0, 0, 80000000 },
    };
    const size_t room = (size_t)24 << 30; /* of keys and values: each less than half */

    if (!test_begin(&s->rec, "values: memory beyond 4 GiB"))
        return;
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts && fenced_has_room(room); i++) {
        cg_attention_problem p = cpu_problem(s, 64, 2, 1, i == 1 ? 2600 : 120);

        (void)cpu_with_case(s, &p, &layouts[i], i == 1 ? 2 : 7, 20, cpu_compare_twice);
    }
    if (fenced_has_room(room)) {
        cg_attention_problem p = cpu_problem(s, 64, 2, 1, 120);

        (void)cpu_with_case(s, &p, &case_layouts[0], 2, CPU_PROMPTS + 25, run_far_rows);
    }
    test_end(&s->rec);
}

/* Every call checks this; here values do not matter. */
static void run_padded(attention_suite *s, cpu_case *c)
{
    for (int32_t pad = 0; pad < 3; pad++) {
        case_out o;

        attention_case_run(&s->rec, s->ops, c->plan, &c->ac, &c->memory,
                           &(case_call) { .pad = pad * 4 }, &o);
        case_out_destroy(&o);
    }
}

/* Calls of many shapes, among them the first ones of each plan. */
static void check_calls(attention_suite *s, const char *name)
{
    if (!test_begin(&s->rec, name))
        return;
    for (int32_t i = 0; i < test_rounds(&s->rec, 6 * n_case_layouts); i++) {
        cg_attention_problem p = cpu_random_problem(s, 100);
        case_layout layout =
            i % 2 ? cpu_random_layout(&s->rec) : case_layouts[i / 2 % n_case_layouts];

        (void)cpu_with_case(s, &p, &layout, i % 5 ? random_in(&s->rec, 1, 6) : 150, 20, run_padded);
    }
    test_end(&s->rec);
}

/* ---- NaN and infinities -------------------------------------------------------------------- */

/* Some sequences have a NaN in a query, key or value or an infinite value: only rows that attend to
 * it change. */
static void run_not_finite(attention_suite *s, cpu_case *c)
{
    attention_case *ac = &c->ac;

    for (int32_t i = 0; i < ac->n_seqs; i++) {
        int32_t len = ac->kv_len[i], rows = ac->q_start[i + 1] - ac->q_start[i];

        if (i % 5 == 1)
            case_memory_set(ac, &c->memory, 0, i, len * 2 / 3, 0, 3, NAN);
        else if (i % 5 == 2)
            case_memory_set(ac, &c->memory, 1, i, len / 2, 0, 5, -INFINITY);
        else if (i % 5 == 3)
            case_memory_set(ac, &c->memory, 1, i, len - 1, 0, 0, NAN);
        else if (i % 5 == 4 && rows)
            ac->q[(size_t)(ac->q_start[i] + rows / 2) * (size_t)ac->problem.n_heads *
                  (size_t)ac->problem.head_dim] = NAN;
    }
    attention_case_solve(ac, s->test_host.base);
    cpu_run_and_compare(s, c, &c->memory, &(case_call) { 0 });
}

static void check_not_finite(attention_suite *s)
{
    if (!test_begin(&s->rec, "NaN and infinities do not spread"))
        return;
    for (int32_t i = 0; i < test_rounds(&s->rec, 2 * n_case_layouts); i++) {
        cg_attention_problem p = cpu_problem(s, 64 << i % 2, 4, 4 >> i % 3, 100);

        (void)cpu_with_case(s, &p, &case_layouts[i % n_case_layouts], 8, 100, run_not_finite);
    }
    test_end(&s->rec);
}

void attention_check_values(attention_suite *s)
{
    check_layouts(s);
    check_other_layouts(s);
    check_head_sizes(s);
    check_groups(s);
    check_sequence_counts(s);
    check_prefixes(s);
    check_without_rows(s);
    check_long(s);
    check_prompt_parts(s);
    check_large_scores(s);
    check_types(s);
    check_workers(s);
    check_many_calls(s);
    check_several_plans(s);
    check_large_memory(s);
    check_calls(s, "run() stays within its memory");
    /* Every check detects it; this one has the name of the fault. */
    check_calls(s, "run() does not allocate or change its thread");
    check_not_finite(s);
}
