/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "byte_vocabulary.h"
#include "test_case.h"

enum {
    MAX_ATOMS = 60,
    MAX_TEXT = 16 * MAX_ATOMS,
    THREADS = 4,
    PROGRAMS = 12,
    MAX_STATES = 1 << 20, /* more than these molecules need */
};

struct suite {
    test_recorder rec;
    test_host test_host;
    const cg_constraint_ops *ops;
    cg_vocabulary *vocabulary;
    void *self;
    cg_literals text[PROGRAMS];
    char bytes[PROGRAMS][MAX_TEXT];
    cg_range literal[PROGRAMS][MAX_ATOMS + 1];
};

static const char *const bins[] = { "000", "001", "010", "019", "100", "101", "199", "200" };
static const char *const integers[] = { "0", "1", "10", "12", "123", "-1", "-10", "-12", "-123" };
static const char *const codes[] = { "<0>", "<1>", "<9>", "<10>", "<11>", "<99>" };

#define LISTED(list) .numbers = list, .n_numbers = sizeof list / sizeof *list

enum { N_BASIC = 2 }; /* formats that every constraint accepts; it may refuse the others */

static const cg_text_format formats[] = {
    { CG_SIZED(cg_text_format), .decimals = 3, .max_integer_digits = 2, .begin = "[CONFORMER]",
      .end = "[/CONFORMER]", .stop = "<|endoftext|>", .max_new_tokens = 2000 },
    { CG_SIZED(cg_text_format), .decimals = 4, .max_integer_digits = 3, .begin = "[CONFORMER]",
      .end = "[/CONFORMER]", .stop = "<|endoftext|>", .max_new_tokens = 3000 },
    { CG_SIZED(cg_text_format), .decimals = 2, .max_integer_digits = 2, .begin = "[CONFORMER]",
      .end = "[/CONFORMER]", .stop = "<|endoftext|>", .max_new_tokens = 2000,
      .fields_per_literal = 3, .strip_zeros = 1, .separator = "," },
    { CG_SIZED(cg_text_format), .begin = "[CONFORMER]", .end = "[/CONFORMER]",
      .stop = "<|endoftext|>", .max_new_tokens = 2000, .fields_per_literal = 3, .separator = ",",
      LISTED(bins) },
    { CG_SIZED(cg_text_format), .begin = "[CONFORMER]", .end = "[/CONFORMER]",
      .stop = "<|endoftext|>", .max_new_tokens = 2000, .fields_per_literal = 3, .separator = ", ",
      LISTED(integers) },
    { CG_SIZED(cg_text_format), .begin = "[CONFORMER]", .end = "[/CONFORMER]",
      .stop = "<|endoftext|>", .max_new_tokens = 2000, .fields_per_literal = 1, .separator = "",
      LISTED(integers) },
    { CG_SIZED(cg_text_format), .begin = "[CONFORMER]", .end = "[/CONFORMER]",
      .stop = "<|endoftext|>", .max_new_tokens = 2000, .fields_per_literal = 1, .separator = "",
      LISTED(codes) },
    { CG_SIZED(cg_text_format), .begin = "[CONFORMER]", .end = "[/CONFORMER]",
      .stop = "<|endoftext|>", .max_new_tokens = 2000, .fields_per_literal = 3, .separator = "",
      LISTED(bins) },
};

enum { N_FORMATS = sizeof formats / sizeof *formats };

/* ---- molecules ----------------------------------------------------------------------------- */

/* Literals of a random molecule: random atoms, bonds and brackets. */
static void random_literals(struct suite *s, int32_t i, int32_t n_atoms)
{
    static const char *const atoms[] = { "[C]", "[N]", "[O]", "[c]", "[NH3+]", "[C@@H]", "[Cl]" };
    static const char *const between[] = { "", "", "", "=", "(", ")", "1", "#", "." };
    char *text = s->bytes[i];
    size_t n = 0;

    for (int32_t a = 0; a <= n_atoms; a++) {
        s->literal[i][a].begin = (uint32_t)n;
        if (a > 0)
            n += (size_t)sprintf(text + n, ">");
        if (a > 0)
            n += (size_t)sprintf(
                text + n, "%s",
                between[random_in(&s->rec, 0, sizeof between / sizeof *between - 1)]);
        if (a < n_atoms)
            n += (size_t)sprintf(text + n, "%s<",
                                 atoms[random_in(&s->rec, 0, sizeof atoms / sizeof *atoms - 1)]);
        s->literal[i][a].end = (uint32_t)n;
    }
    s->text[i] = (cg_literals) {
        CG_SIZED(cg_literals),
        .n_atoms = n_atoms,
        .text = text,
        .literal = s->literal[i],
    };
}

/* ---- form of tables and programs ----------------------------------------------------------- */

/* Checks one state: transitions, tokens, head rows. */
static int check_state(struct suite *s, const cg_automaton *a, const cg_program *p, int32_t state)
{
    int32_t from = a->row[state], to = a->row[state + 1], sampled;

    if (!expect(&s->rec, 0 <= from && from < to && to <= p->n_transitions,
                "state %d has transitions %d to %d of %d", state, from, to, p->n_transitions))
        return 0;
    sampled = to - from > 1;
    for (int32_t i = from; i < to; i++) {
        int32_t token = a->token[i], head_row = a->head_row[i];
        int32_t before = i == from ? -1 : a->token[i - 1];
        uint32_t len;
        int32_t special;

        if (!expect(&s->rec, token >= 0 && token < s->vocabulary->n_tokens,
                    "state %d allows token %d of %d", state, token, s->vocabulary->n_tokens))
            return 0;
        if (!expect(&s->rec,
                    s->vocabulary->token(s->vocabulary->ctx, token, &len, &special) != NULL,
                    "state %d allows token %d, an unused id", state, token) ||
            !expect(&s->rec, token > before,
                    "state %d: token %d comes after token %d, wanted ascending order", state, token,
                    before) ||
            !expect(&s->rec, a->next[i] == CG_EXIT || (a->next[i] >= 0 && a->next[i] < p->n_states),
                    "state %d leads to state %d of %d", state, a->next[i], p->n_states))
            return 0;
        if (sampled ? !expect(&s->rec, head_row >= 0 && head_row < p->n_head_rows,
                              "state %d: token %d is sampled, but has head row %d of %d", state,
                              token, head_row, p->n_head_rows)
                    : !expect(&s->rec, head_row == -1, "state %d is forced, but has head row %d",
                              state, head_row))
            return 0;
        if (sampled && !expect(&s->rec, a->head_token[head_row] == token,
                               "state %d: head row %d belongs to token %d, wanted %d", state,
                               head_row, a->head_token[head_row], token))
            return 0;
    }
    return 1;
}

/* Checks that every state can reach CG_EXIT: propagates from the exit until nothing changes. */
static int check_progress(struct suite *s, const cg_automaton *a, const cg_program *p)
{
    char *live = calloc((size_t)p->n_states + 1, 1);
    int32_t changed = 1, dead = -1;

    if (!live)
        abort();
    while (changed) {
        changed = 0;
        for (int32_t st = p->n_states - 1; st >= 0; st--)
            for (int32_t i = a->row[st]; i < a->row[st + 1] && !live[st]; i++)
                if (a->next[i] == CG_EXIT || live[a->next[i]])
                    live[st] = 1, changed = 1;
    }
    for (int32_t st = 0; st < p->n_states && dead < 0; st++)
        if (!live[st])
            dead = st;
    free(live);
    return expect(&s->rec, dead < 0, "state %d cannot reach CG_EXIT", dead);
}

static int check_tables(struct suite *s, const cg_program *p)
{
    const cg_automaton *a = s->ops->automaton(s->self);

    if (!expect(&s->rec, a != NULL && a->struct_size >= sizeof *a,
                "automaton() returned no tables") ||
        !expect(&s->rec,
                p->n_states >= 0 && p->n_states <= a->capacity_states &&
                    p->n_states <= MAX_STATES && p->n_transitions >= 0 &&
                    p->n_transitions <= a->capacity_transitions && p->n_head_rows >= 0 &&
                    p->n_head_rows <= a->capacity_head_rows,
                "the program uses %d states, %d transitions, %d head rows; capacities are %d, "
                "%d, %d",
                p->n_states, p->n_transitions, p->n_head_rows, a->capacity_states,
                a->capacity_transitions, a->capacity_head_rows) ||
        !expect(&s->rec, p->n_states == 0 || a->row[0] == 0, "state 0 starts at transition %d",
                a->row[0]))
        return 0;
    for (int32_t st = 0; st < p->n_states; st++)
        if (!check_state(s, a, p, st))
            return 0;
    return check_progress(s, a, p);
}

static int check_program(struct suite *s, const cg_program *p)
{
    int64_t n_forced;

    if (!expect(&s->rec, p->struct_size >= sizeof *p && p->n_fields >= 0, "a program of %d fields",
                p->n_fields) ||
        !check_tables(s, p))
        return 0;
    for (int32_t f = 0; f < p->n_fields; f++)
        if (!expect(&s->rec, p->entry[f] >= 0 && p->entry[f] < p->n_states,
                    "field %d starts in state %d of %d", f, p->entry[f], p->n_states))
            return 0;
    if (!expect(&s->rec, p->forced_start[0] == 0, "forced tokens 0 start at %d",
                p->forced_start[0]))
        return 0;
    for (int32_t f = 0; f <= p->n_fields; f++)
        if (!expect(&s->rec, p->forced_start[f] <= p->forced_start[f + 1],
                    "forced tokens %d run from %d to %d", f, p->forced_start[f],
                    p->forced_start[f + 1]))
            return 0;
    n_forced = p->forced_start[p->n_fields + 1];
    for (int64_t i = 0; i < n_forced; i++) {
        uint32_t len;
        int32_t special, id = p->forced_token[i];

        if (!expect(&s->rec,
                    id >= 0 && id < s->vocabulary->n_tokens &&
                        s->vocabulary->token(s->vocabulary->ctx, id, &len, &special),
                    "forced token %d is %d, an unused id", (int)i, id))
            return 0;
    }
    return expect(&s->rec, p->max_tokens >= n_forced + p->n_fields,
                  "max_tokens is %d, wanted at least one per field (%d) and %d forced tokens",
                  p->max_tokens, p->n_fields, (int)n_forced) &&
           expect(&s->rec,
                  p->fields_per_atom == 0 ||
                      (p->fields_per_atom > 0 && p->n_fields % p->fields_per_atom == 0),
                  "%d fields, %d per atom", p->n_fields, p->fields_per_atom);
}

/* A random walk must end within max_tokens, if fields belong to atoms. */
static void walk(struct suite *s, const cg_program *p)
{
    const cg_automaton *a = s->ops->automaton(s->self);
    int64_t n = p->forced_start[p->n_fields + 1];
    int32_t limit = 1 << 20;

    for (int32_t f = 0; f < p->n_fields; f++)
        for (int32_t st = p->entry[f]; st != CG_EXIT && --limit > 0; n++)
            st = a->next[random_in(&s->rec, a->row[st], a->row[st + 1] - 1)];
    if (p->fields_per_atom)
        expect(&s->rec, n <= p->max_tokens, "a random sequence has %lld tokens, max_tokens is %d",
               (long long)n, p->max_tokens);
}

/* ---- equal programs ------------------------------------------------------------------------ */

/*
 * True if states x and y of one automaton accept the same sequences. States may have other numbers:
 * follows both at once and compares tokens. `pair` maps states reached from x to those from y.
 */
static int same_language(const cg_automaton *a, int32_t n_states, int32_t x, int32_t y,
                         int32_t *pair, int32_t *stack)
{
    int32_t n = 0;

    if (pair[x] >= 0)
        return pair[x] == y;
    pair[x] = y;
    stack[n++] = x;
    while (n > 0) {
        int32_t u = stack[--n], v = pair[u], i = a->row[u], j = a->row[v];

        if (a->row[u + 1] - i != a->row[v + 1] - j)
            return 0;
        for (; i < a->row[u + 1]; i++, j++) {
            int32_t un = a->next[i], vn = a->next[j];

            if (a->token[i] != a->token[j] || (un == CG_EXIT) != (vn == CG_EXIT))
                return 0;
            if (un == CG_EXIT)
                continue;
            if (pair[un] >= 0 && pair[un] != vn)
                return 0;
            if (pair[un] < 0) {
                pair[un] = vn;
                if (n >= n_states)
                    return 0;
                stack[n++] = un;
            }
        }
    }
    return 1;
}

static int same_programs(struct suite *s, const cg_program *p, const cg_program *q)
{
    const cg_automaton *a = s->ops->automaton(s->self);
    int32_t n = p->n_states > q->n_states ? p->n_states : q->n_states;
    int32_t *pair, *stack, same = 1;

    if (p->n_fields != q->n_fields || p->max_tokens != q->max_tokens ||
        p->fields_per_atom != q->fields_per_atom ||
        memcmp(p->forced_start, q->forced_start,
               ((size_t)p->n_fields + 2) * sizeof *p->forced_start) ||
        memcmp(p->forced_token, q->forced_token,
               (size_t)p->forced_start[p->n_fields + 1] * sizeof *p->forced_token))
        return 0;
    pair = malloc(((size_t)n + 1) * sizeof *pair);
    stack = malloc(((size_t)n + 1) * sizeof *stack);
    if (!pair || !stack)
        abort();
    for (int32_t f = 0; f < p->n_fields && same; f++) {
        if (f == 0 || p->entry[f] != p->entry[f - 1] || q->entry[f] != q->entry[f - 1]) {
            memset(pair, 0xff, (size_t)n * sizeof *pair);
            same = same_language(a, n, p->entry[f], q->entry[f], pair, stack);
        }
    }
    free(pair);
    free(stack);
    return same;
}

/* ---- checks -------------------------------------------------------------------------------- */

static int create(struct suite *s, const cg_text_format *format)
{
    cg_error err = CG_ERROR_INIT;
    cg_status st = s->ops->create(&s->test_host.host, s->vocabulary, format, &s->self, &err);

    if (st != CG_OK)
        s->self = NULL;
    return expect(&s->rec, st == CG_OK && s->self, "create() failed (%d): %s", st, err.msg);
}

static cg_program *compile(struct suite *s, int32_t i)
{
    cg_error err = CG_ERROR_INIT;
    cg_program *p = NULL;
    cg_status st = s->ops->compile(s->self, &s->text[i], &p, &err);

    expect(&s->rec, st == CG_OK && p, "compile() of a molecule of %d atoms failed (%d): %s",
           s->text[i].n_atoms, st, err.msg);
    return st == CG_OK ? p : NULL;
}

static void check_lifecycle(struct suite *s)
{
    if (!test_begin(&s->rec, "created and destroyed"))
        return;
    s->ops->destroy(NULL);
    expect_all_freed(&s->rec, &s->test_host, "destroy(NULL)");
    for (int32_t i = 0; i < 5; i++) {
        if (create(s, &formats[i % 2])) {
            s->ops->release(s->self, NULL);
            s->ops->release(s->self, compile(s, i));
        }
        s->ops->destroy(s->self);
        expect_all_freed(&s->rec, &s->test_host, "destroy()");
    }
    test_end(&s->rec);
}

/* A constraint that ignores the invalid member may accept the format; a refusal needs a text. */
static void check_format(struct suite *s, const cg_text_format *format, const char *what)
{
    cg_error err = CG_ERROR_INIT;
    cg_status st;

    s->self = NULL;
    st = s->ops->create(&s->test_host.host, s->vocabulary, format, &s->self, &err);
    if (st != CG_OK) {
        expect_refused(&s->rec, st, &err, what);
        expect(&s->rec, s->self == NULL, "%s: refused, but *ret_self was set", what);
    } else if (expect(&s->rec, s->self != NULL, "%s: create() succeeded, but *ret_self is NULL",
                      what)) {
        s->ops->destroy(s->self);
    }
    expect_all_freed(&s->rec, &s->test_host, what);
}

static void check_literals(struct suite *s, const cg_literals *text, const char *what)
{
    cg_error err = CG_ERROR_INIT;
    cg_program *p = NULL;
    cg_status st = s->ops->compile(s->self, text, &p, &err);

    if (st != CG_OK) {
        expect_refused(&s->rec, st, &err, what);
        expect(&s->rec, p == NULL, "%s: refused, but *ret_program was set", what);
    } else if (expect(&s->rec, p != NULL, "%s: compile() succeeded, but *ret_program is NULL",
                      what)) {
        check_program(s, p);
        s->ops->release(s->self, p);
    }
}

static void check_invalid(struct suite *s)
{
    cg_text_format bad[4] = { formats[0], formats[0], formats[0], formats[0] };
    cg_range reversed[2] = { { 0, 3 }, { 9, 3 } };
    cg_literals text = { CG_SIZED(cg_literals), .n_atoms = -1, .text = "[C]<",
                         .literal = reversed };

    bad[0].decimals = bad[0].max_integer_digits = 0;
    bad[1].decimals = -1;
    bad[2].decimals = 1000000;
    bad[3].stop = "several";
    if (!test_begin(&s->rec, "invalid input is refused or ignored"))
        return;
    check_format(s, &bad[0], "no digits after the point and none before it");
    check_format(s, &bad[1], "a negative number of decimals");
    check_format(s, &bad[2], "a million decimals");
    check_format(s, &bad[3], "a stop text of several tokens");
    if (create(s, &formats[0])) {
        check_literals(s, &text, "a molecule of -1 atoms");
        text.n_atoms = 1;
        check_literals(s, &text, "a literal that ends before it starts");
    }
    s->ops->destroy(s->self);
    expect_all_freed(&s->rec, &s->test_host, "refusals");
    test_end(&s->rec);
}

/* Compiles all molecules, and checks tables and programs. */
static void check_programs(struct suite *s)
{
    cg_program *p[PROGRAMS] = { NULL };

    for (int32_t i = 0; i < PROGRAMS; i++) {
        p[i] = compile(s, i);
        if (p[i] && check_program(s, p[i]))
            walk(s, p[i]);
    }
    for (int32_t i = 0; i < PROGRAMS; i++) {
        if (p[i])
            check_program(s, p[i]); /* again, after the others were compiled */
        s->ops->release(s->self, p[i]);
    }
    s->ops->destroy(s->self);
    expect_all_freed(&s->rec, &s->test_host, "destroy()");
}

static void check_form(struct suite *s)
{
    if (!test_begin(&s->rec, "tables and programs are well-formed"))
        return;
    for (int32_t f = 0; f < N_BASIC && create(s, &formats[f]); f++)
        check_programs(s);
    test_end(&s->rec);
}

/* Formats that a host passes to the plugin. */
static int32_t count_formats(const struct suite *s)
{
    return cg_constraint_features(s->ops) & CG_CONSTRAINT_FORMATS ? N_FORMATS : N_BASIC;
}

static void check_other_formats(struct suite *s)
{
    if (count_formats(s) == N_BASIC || !test_begin(&s->rec, "formats of ABI 1.2, unless refused"))
        return;
    for (int32_t f = N_BASIC; f < N_FORMATS; f++) {
        cg_error err = CG_ERROR_INIT;
        cg_status st;

        s->self = NULL;
        st = s->ops->create(&s->test_host.host, s->vocabulary, &formats[f], &s->self, &err);
        if (st == CG_OK)
            check_programs(s);
        else
            expect_refused(&s->rec, st, &err, "a format of ABI 1.2");
    }
    test_end(&s->rec);
}

/* The format of a host of ABI 1.1 ends earlier. */
static void check_older_host(struct suite *s)
{
    size_t size = offsetof(cg_text_format, fields_per_literal);
    cg_text_format *older = guarded_alloc(size, _Alignof(cg_text_format));

    if (!older)
        abort();
    memcpy(older, &formats[0], size);
    older->struct_size = (uint32_t)size;
    if (test_begin(&s->rec, "the shorter format of an older host")) {
        if (create(s, older))
            check_programs(s);
        expect(&s->rec, guarded_intact(older), "the format was changed");
        test_end(&s->rec);
    }
    guarded_free(older);
}

struct job {
    struct suite *s;
    pthread_t thread;
    cg_program *program[PROGRAMS];
    int32_t failed;
};

static void *compile_all(void *arg)
{
    struct job *job = arg;

    for (int32_t i = 0; i < PROGRAMS; i++)
        if (job->s->ops->compile(job->s->self, &job->s->text[i], &job->program[i], NULL) != CG_OK) {
            job->program[i] = NULL;
            job->failed++;
        }
    return NULL;
}

static void check_threads(struct suite *s)
{
    if (!test_begin(&s->rec, "threads compile the same programs"))
        return;
    for (int32_t round = 0; round < test_rounds(&s->rec, 4) && create(s, &formats[0]); round++) {
        struct job jobs[THREADS] = { { 0 } };

        for (int32_t t = 0; t < THREADS; t++) {
            jobs[t].s = s;
            if (pthread_create(&jobs[t].thread, NULL, compile_all, &jobs[t]))
                abort();
        }
        for (int32_t t = 0; t < THREADS; t++)
            pthread_join(jobs[t].thread, NULL);
        for (int32_t t = 0; t < THREADS; t++) {
            expect(&s->rec, jobs[t].failed == 0,
                   "%d of %d calls failed while other threads compiled", jobs[t].failed, PROGRAMS);
            for (int32_t i = 0; i < PROGRAMS; i++) {
                cg_program *p = jobs[t].program[i], *q = jobs[0].program[i];

                if (p && q && check_program(s, p) && check_program(s, q))
                    expect(&s->rec, same_programs(s, q, p),
                           "two threads compiled molecule %d to different programs", i);
            }
        }
        for (int32_t t = 0; t < THREADS; t++)
            for (int32_t i = 0; i < PROGRAMS; i++)
                s->ops->release(s->self, jobs[t].program[i]);
        s->ops->destroy(s->self);
        expect_all_freed(&s->rec, &s->test_host, "destroy()");
    }
    test_end(&s->rec);
}

/* Allocation k of create() and compile() fails. @return 0 if there are fewer */
static int fail_allocation(struct suite *s, const cg_text_format *format, int32_t k)
{
    cg_error err = CG_ERROR_INIT;
    cg_program *p = NULL;
    cg_status st;
    int injected;

    s->self = NULL;
    atomic_store(&s->test_host.until_failure, k);
    st = s->ops->create(&s->test_host.host, s->vocabulary, format, &s->self, &err);
    if (st == CG_OK) {
        st = s->ops->compile(s->self, &s->text[0], &p, &err);
        s->ops->release(s->self, p);
        s->ops->destroy(s->self);
    }
    injected = atomic_exchange(&s->test_host.until_failure, -1) < 0;
    expect(&s->rec,
           st == CG_OK || (st == CG_ERR_NOMEM && err.msg[0]) ||
               (st == CG_ERR_UNSUPPORTED && format != &formats[0]),
           "allocation %d failed: status %d, text '%s'", k, st, err.msg);
    expect_all_freed(&s->rec, &s->test_host, "a failed allocation");
    return injected;
}

static void check_no_memory(struct suite *s)
{
    if (!test_begin(&s->rec, "create() and compile() when out of memory"))
        return;
    for (int32_t f = 0; f < count_formats(s) && f <= N_BASIC; f += N_BASIC)
        for (int32_t k = 0; fail_allocation(s, &formats[f], k); k += 1 + k / 16)
            ;
    test_end(&s->rec);
}

int32_t cg_conformance_constraint(const cg_constraint_ops *ops, const cg_host *host,
                                  const cg_conformance_options *options)
{
    struct suite *s = calloc(1, sizeof *s);
    int32_t failures;

    if (!s)
        abort();
    s->ops = ops;
    test_recorder_init(&s->rec, options);
    test_host_init(&s->test_host, host);
    s->vocabulary = byte_vocabulary_create(host);
    if (!s->vocabulary)
        abort();
    for (int32_t i = 0; i < PROGRAMS; i++)
        random_literals(s, i, i == 0 ? 1 : i == 1 ? MAX_ATOMS : random_in(&s->rec, 1, 30));
    check_lifecycle(s);
    check_invalid(s);
    check_form(s);
    check_other_formats(s);
    check_older_host(s);
    check_threads(s);
    check_no_memory(s);
    failures = s->rec.failures;
    host->free(host->ctx, s->vocabulary);
    free(s);
    return failures;
}
