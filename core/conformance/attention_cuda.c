/* SPDX-License-Identifier: MIT */
/*
 * Attention on a GPU. As on the CPU, and: 16-bit types, lengths as device data below upper bounds,
 * garbage in unused entries, plans for decode and for prompts, long sequences (which kernels
 * split), prompts around the sizes of row tiles for each number of heads that share keys, hundreds
 * of sequences, captured graphs, and calls on a held stream.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attention_device.h"
#include "attention_suite.h"
#include "element.h"

static const cg_dtype dtypes[] = { CG_BF16, CG_F16, CG_F32 };
static const int32_t head_dims[] = { 64, 128, 64, 128, 32, 96, 80, 256, 16 };
static const int32_t head_pairs[][2] = { { 8, 4 },  { 8, 8 }, { 16, 8 }, { 8, 2 }, { 8, 1 },
                                         { 16, 2 }, { 6, 2 }, { 1, 1 },  { 12, 4 } };
enum {
    MAX_SEQS = 640, /* sequences of a call */
    N_DTYPES = sizeof dtypes / sizeof *dtypes,
    N_DIMS = sizeof head_dims / sizeof *head_dims,
    N_PAIRS = sizeof head_pairs / sizeof *head_pairs,
    FEW_SEQS = 16, /* most sequences of an ordinary case; its plan may be for 4 more */
    MAX_LEN = 100,
    HUNDREDS_LEN = 700,
    MANY_LEN = 48, /* of a case of many sequences */
    TILE_LEN = 1100,
    LONG_LEN = 4200,
    VERY_LONG_LEN = 17000, /* beyond 1024 pages of 16 */
    ALL_FLAGS = CG_ATTENTION_DETERMINISTIC | CG_ATTENTION_BATCH_INVARIANT | CG_ATTENTION_GRAPH_SAFE,
};

/* Lengths and rows of the cases of a problem. */
enum kind { DECODE, PREFILL, LONG_DECODE, LONG_PREFILL, MANY, TILES, VERY_LONG, HUNDREDS };
static const char *const kind_names[] = { "decode",           "prompts",           "long decode",
                                          "long prompts",     "many sequences",    "ragged prompts",
                                          "very long decode", "hundreds of tokens" };

static void set_many(attention_suite *s, cg_attention_problem *p, int32_t max_seqs)
{
    p->max_seqs = max_seqs;
    p->max_tokens = (p->max_seqs < 150 && random_in(&s->rec, 0, 1) ? 16 : 1) * p->max_seqs +
                    random_in(&s->rec, 0, 100);
    p->max_kv_len = MANY_LEN;
}

/* Bounds of a plan, which is for about one row per sequence or for many: kernels are selected by
 * the average. */
static void set_bounds(attention_suite *s, enum kind kind, cg_attention_problem *p)
{
    switch (kind) {
    case DECODE:
        p->max_seqs = random_in(&s->rec, 2, FEW_SEQS + 4);
        p->max_tokens = p->max_seqs + random_in(&s->rec, 0, p->max_seqs);
        p->max_kv_len = MAX_LEN;
        break;
    case PREFILL:
        p->max_seqs = random_in(&s->rec, 1, 8);
        p->max_tokens = 16 * p->max_seqs + random_in(&s->rec, 0, 100);
        p->max_kv_len = MAX_LEN;
        break;
    case MANY:
        set_many(s, p, random_in(&s->rec, 33, MAX_SEQS));
        break;
    case TILES:
        p->max_seqs = 4;
        p->max_tokens = 1200;
        p->max_kv_len = TILE_LEN;
        break;
    case VERY_LONG:
        p->max_seqs = 2;
        p->max_tokens = random_in(&s->rec, 2, 4);
        p->max_kv_len = VERY_LONG_LEN + 1000;
        break;
    case HUNDREDS:
        p->max_seqs = random_in(&s->rec, 1, 4);
        p->max_tokens = p->max_seqs * random_in(&s->rec, 1, 3);
        p->max_kv_len = HUNDREDS_LEN;
        break;
    default:
        p->max_seqs = 6;
        p->max_tokens =
            kind == LONG_DECODE ? 6 + random_in(&s->rec, 0, 6) : 600 + random_in(&s->rec, 0, 100);
        p->max_kv_len = LONG_LEN;
    }
}

static cg_attention_problem make_problem(attention_suite *s, cg_dtype dtype, int32_t dim,
                                         const int32_t heads[2], enum kind kind)
{
    cg_attention_problem p = {
        CG_SIZED(cg_attention_problem),
        .device = CG_DEVICE_CUDA,
        .compute_capability = s->capability,
        .dtype = dtype,
        .kv_dtype = dtype,
        .n_heads = heads[0],
        .n_kv_heads = heads[1],
        .head_dim = dim,
        .scale = 1.0f / sqrtf((float)dim),
    };

    set_bounds(s, kind, &p);
    p.flags = s->ops->caps & (uint32_t)random_in(&s->rec, 0, ALL_FLAGS);
    return p;
}

/* Random tokens and rows of sequence i of a case. `first`: a random number of the case. */
static void random_lengths(test_recorder *rec, enum kind kind, int32_t i, int32_t first,
                           int32_t *ret_len, int32_t *ret_rows)
{
    static const int32_t decode[] = { LONG_LEN, 4096, 2049, 700, 257, 64 };
    static const int32_t prompts[][2] = { { 300, 300 }, { 900, 100 }, { 4096, 1 },
                                          { 129, 129 }, { 2100, 17 }, { 65, 1 } };
    static const int32_t tiles[] = { 600, 65, 128, 1, 300, 64, 129, 63, 127 };
    enum { N_TILES = sizeof tiles / sizeof *tiles };

    switch (kind) {
    case LONG_DECODE:
        *ret_len = decode[i] - random_in(rec, 0, 1) * random_in(rec, 0, 40);
        *ret_rows = random_in(rec, 0, 4) ? 1 : random_in(rec, 0, 4);
        break;
    case LONG_PREFILL:
        *ret_len = prompts[i][0] + random_in(rec, 0, 40);
        *ret_rows = prompts[i][1] > 20 && prompts[i][0] == prompts[i][1] ? *ret_len : prompts[i][1];
        if (*ret_rows > 300)
            *ret_rows = 300;
        break;
    case TILES:
        *ret_rows = tiles[(first + i) % N_TILES];
        *ret_len = *ret_rows + random_in(rec, 0, 1) * random_in(rec, 1, TILE_LEN - 600);
        break;
    case VERY_LONG:
        *ret_len = i ? 16385 : VERY_LONG_LEN + random_in(rec, 0, 1000);
        *ret_rows = random_in(rec, 1, 2);
        break;
    case HUNDREDS:
        *ret_len = random_in(rec, 1, HUNDREDS_LEN);
        *ret_rows = random_in(rec, 1, *ret_len < 3 ? *ret_len : 3);
        break;
    case MANY:
        *ret_len = case_random_len(rec, MANY_LEN);
        *ret_rows = random_in(rec, 0, 3) ? 1 : random_in(rec, 0, *ret_len);
        break;
    default:
        *ret_len = case_random_len(rec, MAX_LEN);
        *ret_rows = kind == PREFILL        ? case_random_rows(rec, *ret_len)
                    : random_in(rec, 0, 4) ? 1
                                           : random_in(rec, 0, *ret_len < 9 ? *ret_len : 9);
    }
}

/* Creates a case of random sequences within the problem's bounds. */
static void random_case(attention_suite *s, const cg_attention_problem *p, enum kind kind,
                        attention_case *ret_case)
{
    static attention_case empty;
    attention_case *ac = ret_case;
    int32_t most = kind == DECODE && p->max_seqs > FEW_SEQS ? FEW_SEQS : p->max_seqs, first;

    *ac = empty;
    ac->problem = *p;
    first = random_in(&s->rec, 0, 100);
    ac->n_seqs = (kind >= LONG_DECODE && kind != MANY) || random_in(&s->rec, 0, 2)
                     ? most
                     : random_in(&s->rec, 1, most);
    for (int32_t i = 0; i < ac->n_seqs; i++) {
        /* a row for each of the following */
        int32_t rows, room = p->max_tokens - ac->q_start[i] - (ac->n_seqs - 1 - i);

        random_lengths(&s->rec, kind, i, first, &ac->kv_len[i], &rows);
        ac->q_start[i + 1] = ac->q_start[i] + (rows < room ? rows : room);
    }
    if (!attention_case_fill(&s->rec, ac))
        abort();
}

typedef void (*cuda_case_fn)(attention_suite *s, attention_case *ac, case_device *d, enum kind kind,
                             const char *where);

/*
 * Plans the problem over a layout and calls fn with a case. A refusal must have a reason. Returns
 * whether the problem is supported.
 */
static int with_plan(attention_suite *s, const cg_attention_problem *problem,
                     const case_layout *layout, enum kind kind, cuda_case_fn fn)
{
    cg_attention_problem p = *problem;
    cg_error err = CG_ERROR_INIT;
    attention_case ac;
    case_device d;
    void *plan = NULL;
    char where[96];
    cg_status st;

    if (s->rec.gpu_lost)
        return 0;
    snprintf(where, sizeof where, "%s, %s", layout->name, kind_names[kind]);
    case_layout_apply(layout, &p);
    st = s->ops->supports(&s->test_host.host, &p, &err);
    if (st != CG_OK) {
        expect_refused(&s->rec, st, &err, where);
        expect(&s->rec, st == CG_ERR_UNSUPPORTED, "%s: refused with status %d, wanted %d", where,
               st, CG_ERR_UNSUPPORTED);
        return 0;
    }
    if (!expect(&s->rec, s->ops->plan(&s->test_host.host, &p, &plan, &err) == CG_OK,
                "%s: supported, but plan() failed: %s", where, err.msg))
        return 1;
    if (case_device_create(&s->rec, s->gpu, s->ops, plan, &p, layout, p.max_seqs, &d)) {
        random_case(s, &p, kind, &ac);
        ac.block_tokens = d.view.block_tokens;
        case_device_load(&d, &ac);
        fn(s, &ac, &d, kind, where);
        attention_case_destroy(&ac);
        (void)gpu_wait(&s->rec, s->gpu, "the enqueued work");
        case_device_destroy(&d);
    }
    s->ops->destroy(plan);
    return 1;
}

/* Runs the rows of `split`, or all, with poisoned workspace and out. */
static void call(case_device *d, const attention_case *ac, const attention_split *split,
                 case_out *ret_out)
{
    case_device_set_rows(d, ac, split ? split->first_row : NULL, split ? split->end_row : NULL, 0);
    *ret_out = (case_out) { .data = NULL };
    if (case_device_enqueue(d))
        case_device_finish(d, ret_out);
}

/* ---- values -------------------------------------------------------------------------------- */

/* Runs the loaded case once. loose: as of attention_compare(). */
static void call_and_compare(attention_suite *s, attention_case *ac, case_device *d, int loose,
                             const char *where)
{
    case_out o;

    call(d, ac, NULL, &o);
    if (o.data) {
        attention_case_solve(ac, s->test_host.base);
        attention_compare(s, ac, &o, loose, where);
    }
    case_out_destroy(&o);
}

static void run_and_compare(attention_suite *s, attention_case *ac, case_device *d, enum kind kind,
                            const char *where)
{
    (void)kind;
    call_and_compare(s, ac, d, 0, where);
}

static void check_values(attention_suite *s)
{
    int32_t supported = 0;
    char name[80];

    for (int32_t t = 0; t < N_DTYPES; t++)
        for (int32_t l = 0; l < n_case_layouts && !s->rec.gpu_lost; l++) {
            snprintf(name, sizeof name, "values: %s, %s", cg_dtype_name(dtypes[t]),
                     case_layouts[l].name);
            if (!test_begin(&s->rec, name))
                continue;
            for (int32_t i = 0; i < test_rounds(&s->rec, 2 * N_DIMS); i++) {
                enum kind kind = i % 2 ? PREFILL : DECODE;
                cg_attention_problem p =
                    make_problem(s, dtypes[t], head_dims[(i / 2 + l) % N_DIMS],
                                 head_pairs[random_in(&s->rec, 0, N_PAIRS - 1)], kind);

                if (random_in(&s->rec, 0, 5) == 0)
                    p.window = random_in(&s->rec, 1, 40);
                if (random_in(&s->rec, 0, 3) == 0)
                    p.scale *= 6;
                if (i % 5 == 3) /* exp() of the scores themselves overflows */
                    p.scale *= 40;
                supported += with_plan(s, &p, &case_layouts[l], kind, run_and_compare);
            }
            test_end(&s->rec);
        }
    if (!test_begin(&s->rec, "some problem is supported"))
        return;
    expect(&s->rec, supported > 0 || s->rec.gpu_lost, "no problem is supported");
    test_end(&s->rec);
}

/* Starts the check of the values of a type and kind; 0 if it is not to run. */
static int begin_values(attention_suite *s, cg_dtype dtype, const char *what, char *name,
                        size_t cap)
{
    snprintf(name, cap, "values: %s, %s", cg_dtype_name(dtype), what);
    return test_begin(&s->rec, name);
}

static const int32_t two_layouts[] = { 0, 4 }; /* contiguous, pages of 16 */

/* Tiles and splits of kernels depend on group, head size and length: varies these. */
static void check_long(attention_suite *s)
{
    static const int32_t windows[] = { 100, 4000, 1000 };
    int32_t rounds = test_rounds(&s->rec, INT32_MAX);
    char name[80];

    for (int32_t t = 0; t < N_DTYPES; t++)
        for (int32_t kind = LONG_DECODE; kind <= LONG_PREFILL && !s->rec.gpu_lost; kind++) {
            int32_t n = 0;

            if (!begin_values(s, dtypes[t], kind_names[kind], name, sizeof name))
                continue;
            for (int32_t group = 1; group <= 8; group *= 2)
                for (int32_t i = 0; i < 4 && n < rounds; i++) {
                    cg_attention_problem p = make_problem(s, dtypes[t], i / 2 ? 128 : 64,
                                                          (int32_t[]) { 2 * group, 2 }, kind);

                    if (dtypes[t] != CG_BF16 && i / 2 != (group == 2 || group == 8))
                        continue; /* half of the cases suffice */
                    if (n % 3 == 2)
                        p.window = windows[random_in(&s->rec, 0, 2)];
                    n += with_plan(s, &p, &case_layouts[two_layouts[i % 2]], kind, run_and_compare);
                }
            test_end(&s->rec);
        }
}

/*
 * Prompts around the sizes of row tiles, for plans of which a kernel for short, for middling and
 * for long prompts is selected: the query rows (tokens x heads of a group) per sequence are at most
 * 256, below 384 and at least 768 on average.
 */
static void check_prompts(attention_suite *s)
{
    static const int32_t query_rows[] = { 320, 200, 800 };
    char name[80], what[48];

    for (int32_t t = 0; t < N_DTYPES; t++)
        for (int32_t group = 1; group <= 8 && !s->rec.gpu_lost; group *= 2) {
            snprintf(what, sizeof what, "ragged prompts, %d heads per key head", group);
            if (!begin_values(s, dtypes[t], what, name, sizeof name))
                continue;
            for (int32_t i = 0; i < test_rounds(&s->rec, dtypes[t] == CG_F32 ? 6 : 12); i++) {
                cg_attention_problem p = make_problem(s, dtypes[t], (i + i / 6) % 2 ? 128 : 64,
                                                      (int32_t[]) { 2 * group, 2 }, TILES);

                p.flags &= ~(uint32_t)CG_ATTENTION_BATCH_INVARIANT; /* may name one kernel */
                p.max_tokens = p.max_seqs * query_rows[i % 3] / group;
                if (i % 4 == 3)
                    p.window = random_in(&s->rec, 1, 130);
                (void)with_plan(s, &p, &case_layouts[two_layouts[i / 3 % 2]], TILES,
                                run_and_compare);
            }
            test_end(&s->rec);
        }
}

static void check_many(attention_suite *s)
{
    static const int32_t layouts[] = { 0, 4, 5, 3 };
    static const int32_t seqs[] = { 65, 600, 33, 257, 129, MAX_SEQS, 64, 100 };
    char name[80];

    for (int32_t t = 0; t < N_DTYPES && !s->rec.gpu_lost; t++) {
        if (!begin_values(s, dtypes[t], kind_names[MANY], name, sizeof name))
            continue;
        for (int32_t i = 0; i < test_rounds(&s->rec, 10); i++) {
            cg_attention_problem p =
                make_problem(s, dtypes[t], head_dims[random_in(&s->rec, 0, 1)],
                             (const int32_t[][2]) { { 4, 2 }, { 2, 2 }, { 4, 1 } }[i % 3], MANY);

            set_many(s, &p, seqs[i % (int32_t)(sizeof seqs / sizeof *seqs)]);
            (void)with_plan(s, &p, &case_layouts[layouts[i % 4]], MANY, run_and_compare);
        }
        test_end(&s->rec);
    }
}

static void check_very_long(attention_suite *s)
{
    static const int32_t layouts[] = { 4, 0, 9 }; /* pages of 16, contiguous, pages of 1 */
    char name[80];

    for (int32_t t = 0; t < N_DTYPES && !s->rec.gpu_lost; t++) {
        if (!begin_values(s, dtypes[t], kind_names[VERY_LONG], name, sizeof name))
            continue;
        for (int32_t i = 0; i < test_rounds(&s->rec, 3); i++) {
            cg_attention_problem p =
                make_problem(s, dtypes[t], 64, (const int32_t[]) { 4, 1 }, VERY_LONG);

            (void)with_plan(s, &p, &case_layouts[layouts[i % 3]], VERY_LONG, run_and_compare);
        }
        test_end(&s->rec);
    }
}

/* Windows that hold few tokens of a page: pages before are not read, and the last page is not full.
 */
static void check_short_windows(attention_suite *s)
{
    if (!test_begin(&s->rec, "values: windows shorter than a page"))
        return;
    for (int32_t i = 0; i < test_rounds(&s->rec, 4 * N_DTYPES); i++) {
        cg_attention_problem p = make_problem(s, dtypes[i % N_DTYPES], i / N_DTYPES % 2 ? 128 : 64,
                                              head_pairs[0], DECODE);

        p.window = random_in(&s->rec, 1, 6);
        (void)with_plan(s, &p, &case_layouts[i / N_DTYPES / 2 % 2 ? 5 : 4], DECODE,
                        run_and_compare);
    }
    test_end(&s->rec);
}

/* Odd sizes, too, whose tokens are padded to 16 bytes. Most plugins refuse most of them. */
static void check_head_sizes(attention_suite *s)
{
    if (!test_begin(&s->rec, "values: head sizes"))
        return;
    for (int32_t dim = 1, i = 0; dim <= 580; dim += dim < 40 ? 3 : 45, i++) {
        cg_attention_problem p = make_problem(s, dtypes[i % N_DTYPES], dim,
                                              (const int32_t[]) { 4, 2 }, i % 2 ? PREFILL : DECODE);

        (void)with_plan(s, &p, &case_layouts[i % n_case_layouts], i % 2 ? PREFILL : DECODE,
                        run_and_compare);
    }
    test_end(&s->rec);
}

/* Most are refused; the others must be right. */
static void check_mixed(attention_suite *s)
{
    if (!test_begin(&s->rec, "values: q and cache of two types"))
        return;
    for (int32_t i = 0; i < N_DTYPES * N_DTYPES; i++) {
        cg_attention_problem p =
            make_problem(s, dtypes[i / N_DTYPES], 64, head_pairs[0], i % 2 ? PREFILL : DECODE);

        p.kv_dtype = dtypes[i % N_DTYPES];
        if (p.kv_dtype != p.dtype)
            for (int32_t l = 0; l <= 4; l += 4)
                (void)with_plan(s, &p, &case_layouts[l], i % 2 ? PREFILL : DECODE, run_and_compare);
    }
    test_end(&s->rec);
}

/* A call in which no sequence has a row must succeed. */
static void run_without_rows(attention_suite *s, attention_case *ac, case_device *d, enum kind kind,
                             const char *where)
{
    attention_split none = { .only = -1 };
    case_out o;

    (void)kind;
    call(d, ac, &none, &o);
    expect(&s->rec, o.data != NULL, "%s: a call without rows failed", where);
    case_out_destroy(&o);
}

static void check_without_rows(attention_suite *s)
{
    if (!test_begin(&s->rec, "no sequence has a row"))
        return;
    for (int32_t i = 0; i < 4 * N_DTYPES; i++) {
        enum kind kind = i % 2 ? PREFILL : DECODE;
        cg_attention_problem p = make_problem(s, dtypes[i % N_DTYPES], 64, head_pairs[0], kind);

        (void)with_plan(s, &p, &case_layouts[i / 2 % 2 * 4], kind, run_without_rows);
    }
    test_end(&s->rec);
}

/* ---- calls --------------------------------------------------------------------------------- */

static void run_held(attention_suite *s, attention_case *ac, case_device *d, enum kind kind,
                     const char *where)
{
    case_out o;

    (void)kind;
    call(d, ac, NULL, &o); /* the first launch loads kernels, which waits for the stream */
    case_out_destroy(&o);
    case_device_set_rows(d, ac, NULL, NULL, 0);
    case_device_run_held(d, &o);
    if (o.data) {
        attention_case_solve(ac, s->test_host.base);
        attention_compare(s, ac, &o, 0, where);
    }
    case_out_destroy(&o);
}

static void check_held(attention_suite *s)
{
    static const enum kind kinds[] = { DECODE, PREFILL, LONG_DECODE, TILES };

    if (!test_begin(&s->rec, "run() works on its stream, and does not wait or allocate"))
        return;
    for (int32_t i = 0; i < test_rounds(&s->rec, 8 * N_DTYPES) && !s->rec.gpu_lost; i++) {
        cg_attention_problem p =
            make_problem(s, dtypes[i % N_DTYPES], 64, head_pairs[0], kinds[i / N_DTYPES % 4]);

        (void)with_plan(s, &p, &case_layouts[two_layouts[i / (4 * N_DTYPES) % 2]],
                        kinds[i / N_DTYPES % 4], run_held);
    }
    test_end(&s->rec);
}

/*
 * One plan, called in turn over two memories, which hold three cases: whatever run() keeps from one
 * call to the next is wrong in another.
 */
static void run_many_calls(attention_suite *s, attention_case *ac, case_device *d, enum kind kind,
                           const char *where)
{
    enum { CALLS = 130, N_CASES = 3 };
    attention_case *cases = calloc(N_CASES, sizeof *cases);
    case_device *second = malloc(sizeof *second);

    if (!cases || !second)
        abort();
    for (int i = 0; i < N_CASES; i++) {
        random_case(s, &ac->problem, kind, &cases[i]);
        attention_case_solve(&cases[i], s->test_host.base);
    }
    if (case_device_create(&s->rec, s->gpu, s->ops, d->plan, &d->problem, &d->layout,
                           d->problem.max_seqs, second)) {
        for (int i = 0; i < CALLS && !s->rec.gpu_lost && !s->rec.bad; i++) {
            case_device *to = i % 2 ? second : d;
            const attention_case *of = &cases[i / 4 % N_CASES];
            case_out o;

            if (i % 4 < 2)
                case_device_load(to, of);
            call(to, of, NULL, &o);
            if (o.data)
                attention_compare(s, of, &o, 0, where);
            case_out_destroy(&o);
        }
        (void)gpu_wait(&s->rec, s->gpu, "the enqueued work");
        case_device_destroy(second);
    }
    for (int i = 0; i < N_CASES; i++)
        attention_case_destroy(&cases[i]);
    free(cases);
    free(second);
}

static void check_many_calls(attention_suite *s)
{
    if (!test_begin(&s->rec, "many calls of one plan, over changing memory"))
        return;
    for (int32_t i = 0; i < test_rounds(&s->rec, 2 * N_DTYPES) && !s->rec.gpu_lost; i++) {
        enum kind kind = i / N_DTYPES % 2 ? PREFILL : DECODE;
        cg_attention_problem p = make_problem(s, dtypes[i % N_DTYPES], 64, head_pairs[3], kind);

        (void)with_plan(s, &p, &case_layouts[two_layouts[i % 2]], kind, run_many_calls);
    }
    test_end(&s->rec);
}

/* ---- other ABI minors ---------------------------------------------------------------------- */

/* Plans a problem of `bytes` bytes and makes a call with structs of `abi`. */
static void run_abi(attention_suite *s, const cg_attention_problem *p, const case_layout *layout,
                    enum kind kind, size_t bytes, enum case_abi abi)
{
    cg_attention_problem *of_abi = case_struct_of_size(p, bytes);
    case_device *d = malloc(sizeof *d);
    cg_error err = CG_ERROR_INIT;
    attention_case ac;
    void *plan = NULL;
    char where[128];

    if (!d)
        abort();
    snprintf(where, sizeof where, "%s, %s, a problem of %zu bytes", layout->name, kind_names[kind],
             bytes);
    expect(&s->rec, s->ops->supports(&s->test_host.host, of_abi, &err) == CG_OK,
           "%s: refused, but not one of %zu: %s", where, sizeof *p, err.msg);
    if (expect(&s->rec, s->ops->plan(&s->test_host.host, of_abi, &plan, &err) == CG_OK,
               "%s: plan() failed: %s", where, err.msg)) {
        memset(of_abi, 0x5a, bytes); /* borrowed for the call only */
        if (case_device_create(&s->rec, s->gpu, s->ops, plan, p, layout, p->max_seqs, d)) {
            d->abi = abi;
            random_case(s, p, kind, &ac);
            case_device_load(d, &ac);
            run_and_compare(s, &ac, d, kind, where);
            attention_case_destroy(&ac);
            (void)gpu_wait(&s->rec, s->gpu, "the enqueued work");
            case_device_destroy(d);
        }
        s->ops->destroy(plan);
    }
    free(of_abi);
    free(d);
}

static void check_abi(attention_suite *s)
{
    static const struct {
        size_t problem;
        enum case_abi abi;
    } minors[] = { { offsetof(cg_attention_problem, kv_layout), ABI_1_0 },
                   { offsetof(cg_attention_problem, features), ABI_1_0 }, /* 1.1 */
                   { sizeof(cg_attention_problem) + 200, ABI_LATER } };

    if (!test_begin(&s->rec, "structs of ABI 1.0, 1.1 and of a later minor"))
        return;
    for (int32_t i = 0; i < test_rounds(&s->rec, 8 * N_DTYPES) && !s->rec.gpu_lost; i++) {
        enum kind kind = i / N_DTYPES % 2 ? PREFILL : DECODE;
        const case_layout *layout = &case_layouts[two_layouts[i / (2 * N_DTYPES) % 2]];
        cg_attention_problem p = make_problem(
            s, dtypes[i % N_DTYPES], i / (4 * N_DTYPES) % 2 ? 128 : 64, head_pairs[0], kind);

        case_layout_apply(layout, &p);
        if (s->ops->supports(&s->test_host.host, &p, NULL) != CG_OK)
            continue;
        for (size_t m = 0; m < sizeof minors / sizeof *minors && !s->rec.gpu_lost; m++)
            run_abi(s, &p, layout, kind, minors[m].problem, minors[m].abi);
    }
    test_end(&s->rec);
}

/* ---- features, prepare() ------------------------------------------------------------------- */

static int has_prepare(const attention_suite *s)
{
    return CG_HAS(s->ops, prepare);
}

/* Some calls are prepared; any division into calls gives the same bits, unless a row's tokens
 * depend on the call. */
static void run_features(attention_suite *s, attention_case *ac, case_device *d, enum kind kind,
                         const char *where)
{
    const cg_attention_problem *p = &ac->problem;
    attention_split split = { .only = -1 };
    case_out all;

    (void)kind;
    attention_case_solve(ac, s->test_host.base);
    for (int i = 0; i < 3 && !s->rec.gpu_lost; i++) {
        d->is_prepared = has_prepare(s) && i % 2;
        call(d, ac, NULL, &all);
        if (all.data)
            attention_compare(s, ac, &all, 0, where);
        case_out_destroy(&all);
    }
    if (!(p->flags & CG_ATTENTION_BATCH_INVARIANT) || !ac->is_divisible)
        return;
    call(d, ac, NULL, &all);
    while (all.data && !s->rec.gpu_lost && attention_split_next(&s->rec, ac, &split)) {
        case_out part;

        d->is_prepared = has_prepare(s) && random_in(&s->rec, 0, 1);
        call(d, ac, &split, &part);
        if (part.data)
            attention_compare_split(s, ac, &split, &part, &all, where);
        case_out_destroy(&part);
    }
    case_out_destroy(&all);
}

static void run_with_features(attention_suite *s, uint32_t bits, int32_t round)
{
    static const int32_t layouts[] = { 0, 4, 1, 5, 2, 6 };
    enum kind kind = round % 4 == 3 ? HUNDREDS : round % 2 ? PREFILL : DECODE;
    cg_attention_problem p =
        make_problem(s, dtypes[round / 2 % N_DTYPES], head_dims[random_in(&s->rec, 0, 2)],
                     head_pairs[random_in(&s->rec, 0, N_PAIRS - 1)], kind);

    attention_set_features(s, bits, &p);
    (void)with_plan(s, &p, &case_layouts[layouts[(round + round / (2 * N_DTYPES)) % 6]], kind,
                    run_features);
}

static void check_features(attention_suite *s)
{
    attention_check_each_feature(s, run_with_features);
}

static void check_prepare(attention_suite *s)
{
    if (!has_prepare(s) || !test_begin(&s->rec, "prepare() changes no result"))
        return;
    for (int32_t i = 0; i < test_rounds(&s->rec, 8 * N_DTYPES) && !s->rec.gpu_lost; i++) {
        enum kind kind = i / N_DTYPES % 2 ? PREFILL : DECODE;
        cg_attention_problem p = make_problem(s, dtypes[i % N_DTYPES], 64, head_pairs[0], kind);

        (void)with_plan(s, &p, &case_layouts[two_layouts[i / (2 * N_DTYPES) % 2]], kind,
                        run_features);
    }
    test_end(&s->rec);
}

/*
 * Prompts, parts of them and decode over f8_e4m3 with scales, for which a plugin may have kernels
 * of products of 8 bits.
 */
static void check_f8(attention_suite *s)
{
    static const enum kind kinds[] = { TILES, HUNDREDS, PREFILL, DECODE };
    static const int32_t heads[][2] = { { 2, 2 }, { 4, 1 }, { 2, 1 }, { 8, 1 } };
    static const int32_t layouts[] = { 0, 4, 5, 1, 6 };

    if (!(attention_features(s) & CG_ATTENTION_KV_SCALES) ||
        !test_begin(&s->rec, "values: f8_e4m3 with scales"))
        return;
    for (int32_t i = 0; i < 4 * test_rounds(&s->rec, 12) && !s->rec.gpu_lost; i++) {
        cg_attention_problem p =
            make_problem(s, random_in(&s->rec, CG_BF16, CG_F16), (i + i / 4) % 2 ? 64 : 128,
                         heads[random_in(&s->rec, 0, 3)], kinds[i % 4]);

        p.kv_dtype = CG_F8_E4M3;
        p.features = CG_ATTENTION_KV_SCALES;
        if (attention_features(s) & CG_ATTENTION_NO_MASK && random_in(&s->rec, 0, 2) == 0) {
            p.features |= CG_ATTENTION_NO_MASK;
            p.mask = CG_MASK_NONE;
        }
        if (random_in(&s->rec, 0, 2) == 0)
            p.window = random_in(&s->rec, 1, 200);
        if (i % 6 == 5)
            p.scale *= 6;
        (void)with_plan(s, &p, &case_layouts[layouts[i % 5]], kinds[i % 4],
                        kinds[i % 4] == TILES ? run_and_compare : run_features);
    }
    test_end(&s->rec);
}

/* ---- NaN and infinities -------------------------------------------------------------------- */

/* NaN in a key or an infinite value changes rows that attend to it, but no other sequence. 8 bits
 * have no infinite values: NaN. */
static void run_not_finite(attention_suite *s, attention_case *ac, case_device *d, enum kind kind,
                           const char *where)
{
    (void)kind;
    for (int32_t i = 0; i < ac->n_seqs; i++) {
        if (i % 3 == 1)
            attention_case_kv(ac, 0, i, ac->kv_len[i] * 2 / 3, 0)[3] = NAN;
        else if (i % 3 == 2)
            attention_case_kv(ac, 1, i, ac->kv_len[i] / 2, 0)[5] =
                ac->problem.kv_dtype == CG_F8_E4M3 ? NAN : -INFINITY;
        ac->non_finite[i] = i % 3 != 0;
    }
    case_device_load(d, ac);
    call_and_compare(s, ac, d, 1, where);
}

static void check_not_finite(attention_suite *s)
{
    if (!test_begin(&s->rec, "NaN and infinities stay in their sequence"))
        return;
    for (int32_t i = 0; i < test_rounds(&s->rec, 24); i++) {
        enum kind kind = i % 2 ? PREFILL : DECODE;
        cg_attention_problem p =
            make_problem(s, dtypes[i / 2 % N_DTYPES], head_dims[random_in(&s->rec, 0, 1)],
                         head_pairs[random_in(&s->rec, 0, N_PAIRS - 1)], kind);

        if (attention_features(s) & CG_ATTENTION_KV_SCALES && i % 4 == 3) {
            p.kv_dtype = CG_F8_E4M3;
            p.features = CG_ATTENTION_KV_SCALES;
        }
        (void)with_plan(s, &p, &case_layouts[random_in(&s->rec, 0, 5)], kind, run_not_finite);
    }
    test_end(&s->rec);
}

/* ---- reproducible bits --------------------------------------------------------------------- */

/* The same call with other bounds n_tokens and n_seqs gives the same bits. */
static void run_twice(attention_suite *s, attention_case *ac, case_device *d, enum kind kind,
                      const char *where)
{
    case_out a, b;

    call(d, ac, NULL, &a);
    call(d, ac, NULL, &b);
    for (int32_t t = 0; a.data && b.data && t < a.n; t++)
        if (!expect(&s->rec, attention_same_row(ac, &a, t, &b, t),
                    "%s, %s, head size %d: row %d has other bits in a second call", where,
                    cg_dtype_name(ac->problem.dtype), ac->problem.head_dim, t))
            break;
    if (a.data && kind < LONG_DECODE) {
        attention_case_solve(ac, s->test_host.base);
        attention_compare(s, ac, &a, 0, where);
    }
    case_out_destroy(&a);
    case_out_destroy(&b);
}

/* A plan for other numbers of sequences and rows gives the bits of `all`. */
static void compare_plan(attention_suite *s, const attention_case *ac, const case_device *d,
                         int32_t max_seqs, int32_t max_tokens, const case_out *all,
                         const char *where)
{
    cg_attention_problem p = d->problem;
    cg_error err = CG_ERROR_INIT;
    case_device *other = malloc(sizeof *other);
    void *plan = NULL;
    case_out o = { .data = NULL };

    if (!other)
        abort();
    p.max_seqs = max_seqs;
    p.max_tokens = max_tokens;
    if (s->ops->supports(&s->test_host.host, &p, &err) == CG_OK &&
        expect(&s->rec, s->ops->plan(&s->test_host.host, &p, &plan, &err) == CG_OK,
               "%s: supported, but plan() failed: %s", where, err.msg)) {
        if (case_device_create(&s->rec, s->gpu, s->ops, plan, &p, &d->layout, d->problem.max_seqs,
                               other)) {
            case_device_load(other, ac);
            call(other, ac, NULL, &o);
            for (int32_t t = 0; o.data && t < o.n; t++)
                if (!expect(&s->rec, attention_same_row(ac, &o, t, all, t),
                            "%s, %s, %d/%d heads of %d: row %d has other bits with a plan for %d "
                            "rows of %d sequences than with one for %d of %d",
                            where, cg_dtype_name(p.dtype), p.n_heads, p.n_kv_heads, p.head_dim, t,
                            max_tokens, max_seqs, d->problem.max_tokens, d->problem.max_seqs))
                    break;
            case_out_destroy(&o);
            (void)gpu_wait(&s->rec, s->gpu, "the enqueued work");
            case_device_destroy(other);
        }
        s->ops->destroy(plan);
    }
    free(other);
}

/* Any division of the rows into calls, and plans of other sizes, give the bits of a single call. */
static void run_split(attention_suite *s, attention_case *ac, case_device *d, enum kind kind,
                      const char *where)
{
    int32_t rows = ac->q_start[ac->n_seqs], more = 9 * d->problem.max_seqs;
    attention_split split = { .only = -1 };
    case_out all;

    call(d, ac, NULL, &all);
    if (all.data && kind < LONG_DECODE) {
        attention_case_solve(ac, s->test_host.base);
        attention_compare(s, ac, &all, 0, where);
    }
    while (all.data && !s->rec.gpu_lost && attention_split_next(&s->rec, ac, &split)) {
        case_out part;

        call(d, ac, &split, &part);
        if (part.data)
            attention_compare_split(s, ac, &split, &part, &all, where);
        case_out_destroy(&part);
    }
    if (all.data && !s->rec.gpu_lost) {
        compare_plan(s, ac, d, more < MAX_SEQS ? more : MAX_SEQS, 3 * d->problem.max_tokens + 200,
                     &all, where);
        compare_plan(s, ac, d, ac->n_seqs, rows ? rows : 1, &all, where);
        /* as few rows for each sequence as can be: kernels may be selected by them */
        compare_plan(s, ac, d, MAX_SEQS, rows < MAX_SEQS ? MAX_SEQS : rows, &all, where);
    }
    case_out_destroy(&all);
}

static void check_bits(attention_suite *s, const char *name, uint32_t flag, cuda_case_fn fn)
{
    if (!test_begin(&s->rec, name))
        return;
    for (int32_t i = 0; i < test_rounds(&s->rec, 48); i++) {
        enum kind kind = i % (MANY + 1);
        cg_attention_problem p = make_problem(
            s, dtypes[random_in(&s->rec, 0, 7) * N_DTYPES / 8], head_dims[i / (MANY + 1) % 2],
            head_pairs[kind == MANY ? 3 : random_in(&s->rec, 0, N_PAIRS - 1)], kind);

        p.flags |= flag;
        if (kind < LONG_DECODE && random_in(&s->rec, 0, 4) == 0)
            p.window = 20;
        (void)with_plan(s, &p, &case_layouts[random_in(&s->rec, 0, 5)], kind, fn);
    }
    test_end(&s->rec);
}

/* ---- types of 8 bits ----------------------------------------------------------------------- */

/* NaN among keys, values and scales. */
static void run_nan(attention_suite *s, attention_case *ac, case_device *d, const char *where)
{
    for (int32_t i = 0; i < ac->n_seqs; i++) {
        int32_t at = ac->kv_len[i] * 2 / 3, has_codes = ac->problem.kv_dtype != CG_I8;

        ac->non_finite[i] = i % 4 == 3 || (i % 4 && has_codes);
        if (i % 4 == 3)
            ac->nan_scale[i] = at + 1;
        else if (ac->non_finite[i])
            attention_case_kv(ac, i % 4 == 2, i, at, 0)[3] = NAN;
    }
    case_device_load(d, ac);
    call_and_compare(s, ac, d, 1, where);
}

/* Ordinary numbers and scales; all codes and wide scales; NaN. */
static void run_of_8_bits(attention_suite *s, attention_case *ac, case_device *d, enum kind kind,
                          const char *where)
{
    char with_codes[128];

    snprintf(with_codes, sizeof with_codes, "%s, all codes", where);
    run_features(s, ac, d, kind, where);
    /* of ordinary numbers: with wide scales one key may outweigh all others */
    if (ac->problem.flags & CG_ATTENTION_BATCH_INVARIANT && !s->rec.gpu_lost)
        run_split(s, ac, d, kind, where);
    if (s->rec.gpu_lost)
        return;
    attention_case_fill_codes(&s->rec, ac);
    case_device_load(d, ac);
    run_features(s, ac, d, kind, with_codes);
    if (!s->rec.gpu_lost)
        run_nan(s, ac, d, where);
}

static void check_8_bits(attention_suite *s)
{
    static const cg_dtype types[] = { CG_F8_E4M3, CG_F8_E5M2, CG_I8 };
    static const enum kind kinds[] = { DECODE, PREFILL, HUNDREDS, LONG_DECODE };
    static const int32_t layouts[] = { 0, 4, 5, 2, 6, 1, 10 };
    static const int32_t dims[] = { 64, 128, 64, 256, 80, 128, 32, 96, 56, 192, 16 };
    enum { N_SMALL = sizeof dims / sizeof *dims };
    static const int32_t pairs[][2] = { { 4, 2 }, { 2, 2 },  { 8, 2 }, { 8, 1 },
                                        { 6, 2 }, { 20, 1 }, { 32, 2 } };
    char name[80];

    if (!(attention_features(s) & CG_ATTENTION_KV_SCALES))
        return;
    for (int32_t t = 0; t < 3 && !s->rec.gpu_lost; t++) {
        if (!begin_values(s, types[t], "all numbers and scales", name, sizeof name))
            continue;
        for (int32_t i = 0; i < test_rounds(&s->rec, 3 * N_SMALL); i++) {
            enum kind kind = kinds[i % (i < N_SMALL ? 3 : 4)];
            cg_attention_problem p =
                make_problem(s, dtypes[random_in(&s->rec, 0, 3) / 2], dims[i % N_SMALL],
                             pairs[kind == LONG_DECODE ? 0 : i % 7], kind);

            p.features = CG_ATTENTION_KV_SCALES;
            p.kv_dtype = types[t];
            if (random_in(&s->rec, 0, 3) == 0)
                p.window = random_in(&s->rec, 1, kind == LONG_DECODE ? 1000 : 40);
            (void)with_plan(s, &p, &case_layouts[layouts[i % 7]], kind, run_of_8_bits);
        }
        if (!s->rec.gpu_lost) { /* a plan that fills a GPU: 5120 row tiles */
            static const int32_t pair[] = { 16, 8 };
            cg_attention_problem p = make_problem(s, dtypes[t % 2], dims[t % 2], pair, DECODE);

            p.features = CG_ATTENTION_KV_SCALES;
            p.kv_dtype = types[t];
            p.flags &= ~(uint32_t)CG_ATTENTION_BATCH_INVARIANT;
            p.max_seqs = p.max_tokens = MAX_SEQS;
            (void)with_plan(s, &p, &case_layouts[layouts[t]], DECODE, run_of_8_bits);
        }
        test_end(&s->rec);
    }
}

/* ---- graphs -------------------------------------------------------------------------------- */

/* Replays a captured call over another case in the same memory; compares the result with the
 * reference and with a direct call. */
static void replay_case(attention_suite *s, case_device *d, cg_gpu_graph *graph, attention_case *ac,
                        const char *where)
{
    cg_error err = CG_ERROR_INIT;
    case_out replayed, direct = { .data = NULL };

    case_device_load(d, ac);
    case_device_set_rows(d, ac, NULL, NULL, 1);
    if (s->rec.gpu_lost || !gpu_ok(&s->rec, cg_gpu_replay(s->gpu, graph, &err), &err, "a replay"))
        return;
    case_device_finish(d, &replayed);
    if (replayed.data) {
        attention_case_solve(ac, s->test_host.base);
        attention_compare(s, ac, &replayed, 0, where);
        case_device_set_rows(d, ac, NULL, NULL, 1);
        if (case_device_enqueue(d))
            case_device_finish(d, &direct);
    }
    if (direct.data && (ac->problem.flags & CG_ATTENTION_DETERMINISTIC))
        for (int32_t t = 0; t < direct.n; t++)
            expect(&s->rec, attention_same_row(ac, &replayed, t, &direct, t),
                   "%s: row %d has other bits in a replay", where, t);
    else if (direct.data)
        attention_compare(s, ac, &direct, 0, where);
    case_out_destroy(&replayed);
    case_out_destroy(&direct);
}

static void run_graph(attention_suite *s, attention_case *ac, case_device *d, enum kind kind,
                      const char *where)
{
    cg_gpu_graph *graph = NULL;
    cg_error err = CG_ERROR_INIT;
    int enqueued;

    case_device_set_rows(d, ac, NULL, NULL, 1);
    if (s->rec.gpu_lost || !gpu_ok(&s->rec, cg_gpu_capture_begin(s->gpu, &err), &err, "a capture"))
        return;
    enqueued = case_device_enqueue(d);
    /* fails if something cannot be captured; the GPU remains usable */
    if (!expect(&s->rec, cg_gpu_capture_end(s->gpu, &graph, &err) == CG_OK,
                "%s: run() cannot be captured: %s", where, err.msg) ||
        !enqueued) {
        cg_gpu_graph_destroy(graph);
        return;
    }
    replay_case(s, d, graph, ac, where);
    for (int i = 0; i < 2 && !s->rec.gpu_lost; i++) {
        attention_case other;

        random_case(s, &ac->problem, kind, &other);
        if (other.values_in_keys != ac->values_in_keys) { /* as in the captured view */
            other.values_in_keys = ac->values_in_keys;
            attention_case_refill(&s->rec, &other);
        }
        replay_case(s, d, graph, &other, where);
        attention_case_destroy(&other);
    }
    cg_gpu_graph_destroy(graph);
}

static void check_graphs(attention_suite *s)
{
    if (!test_begin(&s->rec, "captured once, then replayed"))
        return;
    for (int32_t i = 0; i < test_rounds(&s->rec, 24); i++) {
        enum kind kind = i % 6 == 5 ? LONG_DECODE : i % 2 ? PREFILL : DECODE;
        cg_attention_problem p =
            make_problem(s, dtypes[random_in(&s->rec, 0, 7) * N_DTYPES / 8], head_dims[i / 2 % 2],
                         head_pairs[random_in(&s->rec, 0, N_PAIRS - 1)], kind);

        p.flags |= CG_ATTENTION_GRAPH_SAFE;
        (void)with_plan(s, &p, &case_layouts[random_in(&s->rec, 0, 5)], kind, run_graph);
    }
    test_end(&s->rec);
}

/* ---- latent attention ---------------------------------------------------------------------- */

/* Heads that fill a row tile of 64 in part, as some tokens, once and twice; lengths that are split
 * into parts, of few sequences. */
static const struct {
    int32_t heads;
    enum kind kind;
    int32_t layout; /* of case_layouts: contiguous, pages of 16 and 32, .. */
    int32_t n_seqs; /* 0: those of the kind */
} latent_cases[] = {
    { 16, HUNDREDS, 4, 0 },    { 16, LONG_DECODE, 4, 1 },  { 64, DECODE, 0, 0 },
    { 128, DECODE, 4, 0 },     { 16, DECODE, 5, 0 },       { 128, HUNDREDS, 0, 1 },
    { 20, PREFILL, 3, 0 },     { 64, HUNDREDS, 8, 0 },     { 96, DECODE, 2, 0 },
    { 16, LONG_DECODE, 0, 0 }, { 64, LONG_DECODE, 4, 0 },  { 128, LONG_DECODE, 5, 2 },
    { 128, PREFILL, 1, 0 },    { 1, MANY, 4, 0 },          { 16, MANY, 0, 0 },
    { 128, MANY, 6, 0 },       { 16, TILES, 5, 0 },        { 16, VERY_LONG, 4, 0 },
    { 128, VERY_LONG, 0, 0 },  { 128, LONG_DECODE, 0, 0 },
};

static void check_latent(attention_suite *s, const char *what, uint32_t flags, int32_t rounds,
                         cuda_case_fn fn)
{
    const int32_t n_cases = sizeof latent_cases / sizeof *latent_cases;
    char name[80];

    snprintf(name, sizeof name, "latent attention: %s", what);
    if (!(attention_features(s) & CG_ATTENTION_VALUE_SIZE) || !test_begin(&s->rec, name))
        return;
    for (int32_t i = 0; i < test_rounds(&s->rec, rounds) && !s->rec.gpu_lost; i++) {
        enum kind kind = latent_cases[i % n_cases].kind;
        cg_attention_problem p =
            make_problem(s, dtypes[(i + i / n_cases) % N_DTYPES], CASE_LATENT_DIM,
                         (const int32_t[]) { latent_cases[i % n_cases].heads, 1 }, kind);

        if (latent_cases[i % n_cases].n_seqs)
            p.max_seqs = latent_cases[i % n_cases].n_seqs;
        attention_set_latent(&p);
        p.flags |= flags;
        if (i % 4 == 3)
            p.window = random_in(&s->rec, 1, kind == LONG_DECODE ? 1000 : 60);
        (void)with_plan(s, &p, &case_layouts[latent_cases[i % n_cases].layout], kind, fn);
    }
    test_end(&s->rec);
}

static void check_all_latent(attention_suite *s)
{
    const int32_t n_cases = sizeof latent_cases / sizeof *latent_cases;

    check_latent(s, "values", 0, 2 * n_cases, run_and_compare);
    check_latent(s, "deterministic", CG_ATTENTION_DETERMINISTIC, n_cases, run_twice);
    check_latent(s, "batch-invariant", CG_ATTENTION_BATCH_INVARIANT, n_cases, run_split);
    check_latent(s, "NaN and infinities stay in their sequence", 0, 12, run_not_finite);
    check_latent(s, "captured once, then replayed", CG_ATTENTION_GRAPH_SAFE, 6, run_graph);
}

/* ---- suite --------------------------------------------------------------------------------- */

/* A supported problem for the checks that modify one; if there is none, an unsupported one. */
static cg_attention_problem supported_problem(attention_suite *s)
{
    cg_attention_problem p = { 0 };

    for (int32_t i = 0; i < 4 * N_DTYPES; i++) {
        p = make_problem(s, dtypes[i / 4], i % 2 ? 128 : 64, head_pairs[0], DECODE);
        p.flags = 0;
        case_layout_apply(&case_layouts[i / 2 % 2 * 4], &p);
        if (s->ops->supports(&s->test_host.host, &p, NULL) == CG_OK)
            break;
    }
    return p;
}

void attention_suite_cuda(attention_suite *s)
{
    void (*const checks[])(attention_suite *) = {
        check_values,        check_long,       check_prompts,  check_many,         check_very_long,
        check_short_windows, check_head_sizes, check_mixed,    check_without_rows, check_held,
        check_many_calls,    check_abi,        check_features, check_prepare,      check_f8,
        check_not_finite,    check_8_bits
    };
    cg_attention_problem p = supported_problem(s);

    attention_check_refusals(s, &p);
    attention_check_lifecycle(s, &p);
    for (size_t i = 0; i < sizeof checks / sizeof *checks && !s->rec.gpu_lost; i++)
        checks[i](s);
    if (!s->rec.gpu_lost)
        check_bits(s, "deterministic, where supported", CG_ATTENTION_DETERMINISTIC, run_twice);
    if (!s->rec.gpu_lost)
        check_bits(s, "batch-invariant, where supported", CG_ATTENTION_BATCH_INVARIANT, run_split);
    if (!s->rec.gpu_lost)
        check_graphs(s);
    check_all_latent(s);
    if (!test_begin(&s->rec, "all memory is freed"))
        return;
    expect_all_freed(&s->rec, &s->test_host, "all plans");
    test_end(&s->rec);
}
