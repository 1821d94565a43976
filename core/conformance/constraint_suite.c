/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "byte_vocabulary.h"
#include "constraint_case.h"
#include "fenced_memory.h"
#include "watched_ops.h"

enum {
    MAX_ATOMS = 400,
    MAX_TEXT = 128 * MAX_ATOMS,
    THREADS = 4,
    PROGRAMS = 12,
    REPEATED = 300,              /* compilations of one instance */
    COMPILATIONS = 6 * PROGRAMS, /* of each thread */
    PERIOD_NS = 50000,           /* from stopping a thread to stopping the next */
    PAUSE_NS = 100000,           /* a thread is stopped for this long */
    MAX_ROUNDS = 2000,           /* each thread is stopped at most this often */
    CALLS_PER_PAUSE = 16,        /* of encode() */
};

struct suite {
    test_recorder rec;
    test_host test_host;
    const cg_constraint_ops *ops;
    cg_vocabulary *vocabulary; /* of bytes */
    cg_literals text[PROGRAMS];
    char bytes[PROGRAMS][MAX_TEXT];
    cg_range literal[PROGRAMS][MAX_ATOMS + 1];
    constraint_case typical; /* that the plugin accepts: of checks that need one such case */
};

/* A part of a literal that is longer than 255 bytes. */
#define LONG_BOND "=%10=%11=%12=%13=%14=%15=%16=%17=%18=%19=%20=%21=%22=%23=%24=%25=%26=%27"

static const char *const bins[] = { "000", "001", "010", "019", "100", "101", "199", "200" };
static const char *const integers[] = { "0", "1", "10", "12", "123", "-1", "-10", "-12", "-123" };
static const char *const codes[] = { "<0>", "<1>", "<9>", "<10>", "<11>", "<99>" };

#define LISTED(list) .numbers = list, .n_numbers = sizeof list / sizeof *list

enum { N_BASIC = 2 }; /* formats that a host of ABI 1.1 can have */

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
    static const char *const atoms[] = { "[C]",    "[N]",    "[O]",  "[c]",
                                         "[NH3+]", "[C@@H]", "[Cl]", "[13C@@H-]" };
    static const char *const between[] = {
        "",
        "",
        "",
        "=",
        "(",
        ")",
        "1",
        "#",
        ".",
        "=%10-%11",
        "%12%13%14%15%16%17%18%19%20%21%22%23%24%25%26%27%28%29%30%31%32%33%34%35%36",
        LONG_BOND LONG_BOND LONG_BOND LONG_BOND
    };
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

static int same_programs(const cg_automaton *a, const cg_program *p, const cg_program *q)
{
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
        if (p->entry[f] != q->entry[f] &&
            (f == 0 || p->entry[f] != p->entry[f - 1] || q->entry[f] != q->entry[f - 1])) {
            memset(pair, 0xff, (size_t)n * sizeof *pair);
            same = same_language(a, n, p->entry[f], q->entry[f], pair, stack);
        }
    }
    free(pair);
    free(stack);
    return same;
}

/* ---- checks -------------------------------------------------------------------------------- */

/* The constraint over the vocabulary of bytes, a format, which it may refuse, and the random
 * molecules. */
static constraint_case case_of(struct suite *s, const cg_text_format *format)
{
    return (constraint_case) { .rec = &s->rec,
                               .host = &s->test_host,
                               .ops = s->ops,
                               .vocabulary = s->vocabulary,
                               .format = format,
                               .molecules = s->text,
                               .n_molecules = PROGRAMS,
                               .may_refuse = format != s->typical.format };
}

/* A host gives other formats than the basic ones only to a plugin that knows them. */
static int32_t count_formats(const struct suite *s)
{
    return cg_constraint_features(s->ops) & CG_CONSTRAINT_FORMATS ? N_FORMATS : N_BASIC;
}

/* The constraint over the tokenizer and format of a model, and real molecules. */
static constraint_case case_of_texts(struct suite *s, const cg_conformance_texts *t)
{
    return (constraint_case) { .rec = &s->rec,
                               .host = &s->test_host,
                               .ops = s->ops,
                               .vocabulary = t->vocabulary,
                               .format = t->format,
                               .molecules = t->molecules,
                               .names = t->names,
                               .n_molecules = t->n_molecules,
                               .may_refuse = 1 };
}

/* Does the plugin accept the format of a case, and its first molecules? */
static int accepts(const constraint_case *c, int32_t n_molecules, cg_error *ret_reason)
{
    cg_error err = CG_ERROR_INIT;
    void *self = NULL;
    cg_status st = c->ops->create(&c->host->host, c->vocabulary, c->format, &self, &err);

    for (int32_t i = 0; i < n_molecules && st == CG_OK; i++) {
        cg_program *p = NULL;

        st = c->ops->compile(self, &c->molecules[i], &p, &err);
        c->ops->release(self, p);
    }
    c->ops->destroy(self);
    if (!ret_reason->msg[0])
        *ret_reason = err;
    return st == CG_OK;
}

/* Finds the typical case: over bytes in one of the formats, else over the model. */
static int find_typical(struct suite *s, const cg_conformance_texts *t, cg_error *ret_reason)
{
    for (int32_t f = 0; f < count_formats(s); f++) {
        s->typical = case_of(s, &formats[f]);
        if (accepts(&s->typical, 1, ret_reason)) {
            s->typical.may_refuse = 0;
            return 1;
        }
    }
    if (!t)
        return 0;
    s->typical = case_of_texts(s, t);
    s->typical.may_refuse = 0;
    for (s->typical.n_molecules = PROGRAMS;
         s->typical.molecules + PROGRAMS <= t->molecules + t->n_molecules; s->typical.molecules++) {
        s->typical.names = t->names + (s->typical.molecules - t->molecules);
        if (accepts(&s->typical, PROGRAMS, ret_reason))
            return 1;
    }
    return 0;
}

/* Creates and destroys a constraint and a program. */
static void compile_once(void *ctx)
{
    cg_error none = CG_ERROR_INIT;

    (void)accepts(ctx, 1, &none);
}

static void check_lifecycle(struct suite *s)
{
    if (!test_begin(&s->rec, "created and destroyed"))
        return;
    s->ops->destroy(NULL);
    expect_all_freed(&s->rec, &s->test_host, "destroy(NULL)");
    for (int32_t i = 0; i < 5; i++) {
        constraint_case c = s->typical;

        c.molecules += i;
        c.n_molecules = 1;
        c.any_form = 1;
        if (constraint_open(&c))
            s->ops->release(c.self, NULL);
        constraint_close(&c);
    }
    expect_heap_kept(&s->rec, "constraint", compile_once, &s->typical);
    test_end(&s->rec);
}

/* A constraint that ignores the invalid member may accept the format; a refusal needs a text. */
static void check_format(struct suite *s, const cg_text_format *format, const char *what)
{
    cg_error err = CG_ERROR_INIT;
    void *self = NULL;
    cg_status st = s->ops->create(&s->test_host.host, s->typical.vocabulary, format, &self, &err);

    if (st != CG_OK) {
        expect_refused(&s->rec, st, &err, what);
        expect(&s->rec, self == NULL, "%s: refused, but *ret_self was set", what);
    } else if (expect(&s->rec, self != NULL, "%s: create() succeeded, but *ret_self is NULL",
                      what)) {
        s->ops->destroy(self);
    }
    expect_all_freed(&s->rec, &s->test_host, what);
}

static void check_literals(constraint_case *c, const cg_literals *text, const char *what)
{
    cg_error err = CG_ERROR_INIT;
    cg_program *p = NULL;
    cg_status st = c->ops->compile(c->self, text, &p, &err);

    if (st != CG_OK) {
        expect_refused(c->rec, st, &err, what);
        expect(c->rec, p == NULL, "%s: refused, but *ret_program was set", what);
    } else if (expect(c->rec, p != NULL, "%s: compile() succeeded, but *ret_program is NULL",
                      what)) {
        constraint_check_program(c, p, text->n_atoms, what);
        c->ops->release(c->self, p);
    }
}

static void check_invalid(struct suite *s)
{
    const cg_text_format *good = s->typical.format;
    cg_text_format bad[4] = { *good, *good, *good, *good };
    cg_range reversed[2] = { { 0, 3 }, { 9, 3 } };
    cg_literals text = { CG_SIZED(cg_literals), .n_atoms = -1, .text = "[C]<",
                         .literal = reversed };
    constraint_case c = s->typical;

    bad[0].decimals = bad[0].max_integer_digits = 0;
    bad[1].decimals = -1;
    bad[2].decimals = 1000000;
    bad[3].stop = "several";
    c.n_molecules = 0;
    if (!test_begin(&s->rec, "invalid input is refused or ignored"))
        return;
    check_format(s, &bad[0], "no digits after the point and none before it");
    check_format(s, &bad[1], "a negative number of decimals");
    check_format(s, &bad[2], "a million decimals");
    check_format(s, &bad[3], "a stop text of several tokens");
    if (constraint_open(&c)) {
        check_literals(&c, &text, "a molecule of -1 atoms");
        text.n_atoms = 1;
        check_literals(&c, &text, "a literal that ends before it starts");
    }
    constraint_close(&c);
    test_end(&s->rec);
}

/* Compiles all molecules; checks tables and programs, again after the last one. */
static void check_programs(constraint_case *c)
{
    if (constraint_open(c))
        for (int32_t i = 0; i < c->n_molecules; i++)
            if (c->program[i] && constraint_check_program(c, c->program[i], c->molecules[i].n_atoms,
                                                          constraint_molecule(c, i)))
                constraint_check_bound(c, c->program[i], constraint_molecule(c, i));
    constraint_close(c);
}

static void check_form(struct suite *s)
{
    if (!test_begin(&s->rec, "tables and programs are well-formed"))
        return;
    for (int32_t f = 0; f < N_BASIC; f++) {
        constraint_case c = case_of(s, &formats[f]);

        check_programs(&c);
        constraint_check_growth(&c);
    }
    test_end(&s->rec);
}

static void check_other_formats(struct suite *s)
{
    if (count_formats(s) == N_BASIC || !test_begin(&s->rec, "formats of ABI 1.2, unless refused"))
        return;
    for (int32_t f = N_BASIC; f < count_formats(s); f++) {
        constraint_case c = case_of(s, &formats[f]);

        check_programs(&c);
    }
    test_end(&s->rec);
}

/* Compiles molecule k once more. Records whether the program is the first one. */
static int compile_again(constraint_case *c, int32_t k, const char *when)
{
    const char *name = constraint_molecule(c, k);
    cg_program *p = NULL;
    cg_status st = c->ops->compile(c->self, &c->molecules[k], &p, NULL);
    int same = expect(c->rec, st == CG_OK && p, "%s %s: compile() failed (%d)", name, when, st) &&
               constraint_check_program(c, p, c->molecules[k].n_atoms, name) &&
               expect(c->rec, same_programs(c->automaton, p, c->program[k]),
                      "%s %s: the program differs from the first", name, when);

    c->ops->release(c->self, p);
    return same;
}

/* A program does not depend on how often an instance has compiled, nor on what. */
static void check_repeated(struct suite *s)
{
    constraint_case c = s->typical;
    char when[48];
    int same;

    if (!test_begin(&s->rec, "a molecule has the same program each time"))
        return;
    same = constraint_open(&c);
    for (int32_t i = 0; i < REPEATED && same; i++) {
        snprintf(when, sizeof when, "in compilation %d", i / PROGRAMS + 2);
        same = compile_again(&c, i % PROGRAMS, when);
    }
    constraint_close(&c);
    test_end(&s->rec);
}

/* Two constraints share nothing: they compile in turns, for formats of other texts and digits. */
static void check_two_formats(struct suite *s)
{
    cg_text_format format = s->typical.format == &formats[0] ? formats[1] : formats[0];
    constraint_case first = s->typical, second = case_of(s, &format);
    test_host other;
    int same;

    if (!test_begin(&s->rec, "constraints of two formats at once"))
        return;
    test_host_init(&other, s->test_host.base);
    format.begin = formats[0].end;
    format.end = formats[0].begin;
    format.stop = "";
    second.host = &other;
    same = constraint_open(&first) && constraint_open(&second);
    for (int32_t i = 0; i < PROGRAMS && same; i++)
        same = compile_again(&first, i, "beside another format") &&
               (!second.program[i] || compile_again(&second, i, "beside another format"));
    constraint_close(&second);
    constraint_close(&first);
    constraint_check_forced(&second);
    test_end(&s->rec);
}

/* The format of a host of ABI 1.1 ends earlier. */
static void check_older_host(struct suite *s)
{
    size_t size = offsetof(cg_text_format, fields_per_literal);
    cg_text_format *older = guarded_alloc(size, _Alignof(cg_text_format));
    int is_basic = s->typical.format == &formats[0] || s->typical.format == &formats[1];
    constraint_case c;

    if (!older)
        abort();
    memcpy(older, is_basic ? s->typical.format : &formats[0], size);
    older->struct_size = (uint32_t)size;
    c = case_of(s, older);
    c.may_refuse = !is_basic;
    if (test_begin(&s->rec, "the shorter format of an older host")) {
        check_programs(&c);
        expect(&s->rec, guarded_intact(older), "the format was changed");
        test_end(&s->rec);
    }
    guarded_free(older);
}

/* ---- a vocabulary with another encode() ----------------------------------------------------- */

struct changed_vocabulary {
    cg_vocabulary vocabulary;
    const cg_vocabulary *base;
    const cg_host *host;
    atomic_int until_failure; /* fail_encode(): calls that succeed */
    atomic_int n_calls;       /* slow_encode() */
};

static const char *forward_token(const void *ctx, int32_t id, uint32_t *ret_len,
                                 int32_t *ret_special)
{
    const struct changed_vocabulary *v = ctx;

    return v->base->token(v->base->ctx, id, ret_len, ret_special);
}

static cg_status forward_pretokenize(const void *ctx, const char *text, uint32_t len,
                                     uint32_t *ret_ends, int32_t cap, int32_t *ret_n, cg_error *err)
{
    const struct changed_vocabulary *v = ctx;

    return v->base->pretokenize(v->base->ctx, text, len, ret_ends, cap, ret_n, err);
}

/* Gives the case its vocabulary with another encode(), whose ctx is *ret. */
static void change_encode(struct changed_vocabulary *ret, constraint_case *c,
                          cg_status (*encode)(const void *ctx, const char *text, uint32_t len,
                                              int32_t *ret_ids, cg_range *ret_ranges, int32_t cap,
                                              int32_t *ret_n, cg_error *err))
{
    *ret = (struct changed_vocabulary) { *c->vocabulary, c->vocabulary, &c->host->host, 0, 0 };
    ret->vocabulary.ctx = ret;
    ret->vocabulary.token = forward_token;
    ret->vocabulary.encode = encode;
    ret->vocabulary.pretokenize = forward_pretokenize;
    c->vocabulary = &ret->vocabulary;
}

/* ---- threads ------------------------------------------------------------------------------- */

/* A thread that compiles the molecules in its own order. */
struct job {
    const constraint_case *c;
    pthread_barrier_t *start;
    pthread_t thread;
    int32_t order[COMPILATIONS]; /* molecules */
    cg_program *program[COMPILATIONS];
    int32_t failed;
    atomic_int has_ended;
};

static void *compile_in_order(void *arg)
{
    struct job *job = arg;

    pthread_barrier_wait(job->start);
    for (int32_t i = 0; i < COMPILATIONS; i++)
        if (job->c->ops->compile(job->c->self, &job->c->molecules[job->order[i]], &job->program[i],
                                 NULL) != CG_OK) {
            job->program[i] = NULL;
            job->failed++;
        }
    atomic_store(&job->has_ended, 1);
    return NULL;
}

static void sleep_ns(long ns)
{
    const struct timespec t = { 0, ns };

    nanosleep(&t, NULL);
}

/* Reads the text a moment after the call, so that other threads call compile() in between. */
static cg_status slow_encode(const void *ctx, const char *text, uint32_t len, int32_t *ret_ids,
                             cg_range *ret_ranges, int32_t cap, int32_t *ret_n, cg_error *err)
{
    struct changed_vocabulary *v = (struct changed_vocabulary *)ctx;

    if (atomic_fetch_add(&v->n_calls, 1) % CALLS_PER_PAUSE == 0)
        sleep_ns(PAUSE_NS);
    return v->base->encode(v->base->ctx, text, len, ret_ids, ret_ranges, cap, ret_n, err);
}

static void pause_thread(int number)
{
    int saved = errno;

    (void)number;
    sleep_ns(PAUSE_NS);
    errno = saved;
}

/*
 * Runs the jobs at once. Signals stop one thread after another for a moment, wherever it is in
 * compile(), and encode() pauses: state that threads share meets the calls of the others then, even
 * on one processor.
 * The number of signals is bounded: some systems take longer to deliver one than to send the next.
 */
static void run_jobs(struct job *jobs)
{
    struct sigaction pause = { .sa_handler = pause_thread, .sa_flags = SA_RESTART }, before;
    int running = 1;

    sigaction(SIGALRM, &pause, &before);
    for (int32_t t = 0; t < THREADS; t++)
        if (pthread_create(&jobs[t].thread, NULL, compile_in_order, &jobs[t]))
            abort();
    for (int32_t i = 0; i < MAX_ROUNDS && running; i++) {
        running = 0;
        for (int32_t t = 0; t < THREADS; t++)
            if (!atomic_load(&jobs[t].has_ended)) {
                running = 1;
                pthread_kill(jobs[t].thread, SIGALRM);
                sleep_ns(PERIOD_NS);
            }
    }
    for (int32_t t = 0; t < THREADS; t++)
        pthread_join(jobs[t].thread, NULL);
    sigaction(SIGALRM, &before, NULL);
}

/* The programs of a thread are well-formed and equal to those that are compiled alone. */
static void compare_programs(constraint_case *c, const struct job *job, cg_program *const *alone)
{
    expect(c->rec, job->failed == 0, "%d of %d calls failed while other threads compiled",
           job->failed, COMPILATIONS);
    for (int32_t i = 0; i < COMPILATIONS; i++) {
        const cg_program *p = job->program[i];
        int32_t k = job->order[i];

        if (p && alone[k] &&
            constraint_check_program(c, p, c->molecules[k].n_atoms, constraint_molecule(c, k)))
            expect(c->rec, same_programs(c->automaton, alone[k], p),
                   "%s: the program differs if other threads compile at the same time",
                   constraint_molecule(c, k));
    }
}

/* Each molecule equally often, in random order. */
static void shuffle(test_recorder *rec, int32_t *order)
{
    for (int32_t i = 0; i < COMPILATIONS; i++) {
        int32_t k = random_in(rec, 0, i);

        order[i] = order[k];
        order[k] = i % PROGRAMS;
    }
}

static void compile_in_threads(constraint_case *c)
{
    struct job *jobs = calloc(THREADS, sizeof *jobs);
    cg_program *alone[PROGRAMS] = { NULL };
    pthread_barrier_t start;

    if (!jobs || pthread_barrier_init(&start, NULL, THREADS))
        abort();
    for (int32_t t = 0; t < THREADS; t++) {
        jobs[t].c = c;
        jobs[t].start = &start;
        shuffle(c->rec, jobs[t].order);
    }
    run_jobs(jobs);
    for (int32_t i = 0; i < PROGRAMS; i++)
        if (expect(c->rec, c->ops->compile(c->self, &c->molecules[i], &alone[i], NULL) == CG_OK,
                   "%s: compile() failed after other threads had compiled",
                   constraint_molecule(c, i)))
            constraint_check_program(c, alone[i], c->molecules[i].n_atoms,
                                     constraint_molecule(c, i));
    for (int32_t t = 0; t < THREADS; t++)
        compare_programs(c, &jobs[t], alone);
    for (int32_t i = 0; i < PROGRAMS; i++)
        c->ops->release(c->self, alone[i]);
    for (int32_t t = 0; t < THREADS; t++)
        for (int32_t i = 0; i < COMPILATIONS; i++)
            c->ops->release(c->self, jobs[t].program[i]);
    pthread_barrier_destroy(&start);
    free(jobs);
}

static void check_threads(struct suite *s)
{
    if (!test_begin(&s->rec, "threads compile the same programs"))
        return;
    for (int32_t round = 0; round < test_rounds(&s->rec, 8) && !s->rec.bad; round++) {
        constraint_case c = s->typical;
        struct changed_vocabulary v;

        c.n_molecules = 0;
        change_encode(&v, &c, slow_encode);
        if (constraint_open(&c))
            compile_in_threads(&c);
        constraint_close(&c);
    }
    test_end(&s->rec);
}

/* ---- out of memory ------------------------------------------------------------------------- */

/* Allocation k of create() and compile() fails. @return 0 if there are fewer */
static int fail_allocation(const constraint_case *c, int32_t k)
{
    cg_error err = CG_ERROR_INIT;
    cg_program *p = NULL;
    void *self = NULL;
    cg_status st;
    int injected;

    atomic_store(&c->host->until_failure, k);
    st = c->ops->create(&c->host->host, c->vocabulary, c->format, &self, &err);
    if (st == CG_OK) {
        st = c->ops->compile(self, &c->molecules[0], &p, &err);
        c->ops->release(self, p);
        c->ops->destroy(self);
    }
    injected = atomic_exchange(&c->host->until_failure, -1) < 0;
    expect(c->rec,
           st == CG_OK || (st == CG_ERR_NOMEM && err.msg[0]) ||
               (st == CG_ERR_UNSUPPORTED && c->may_refuse),
           "allocation %d failed: status %d, text '%s'", k, st, err.msg);
    expect_all_freed(c->rec, c->host, "a failed allocation");
    return injected;
}

static void check_no_memory(struct suite *s)
{
    if (!test_begin(&s->rec, "create() and compile() when out of memory"))
        return;
    for (int32_t k = 0; fail_allocation(&s->typical, k); k += 1 + k / 16)
        ;
    if (count_formats(s) > N_BASIC) {
        constraint_case c = case_of(s, &formats[N_BASIC]);

        for (int32_t k = 0; fail_allocation(&c, k); k += 1 + k / 16)
            ;
    }
    test_end(&s->rec);
}

/* ---- failures of the vocabulary ------------------------------------------------------------- */

/* Call number until_failure of encode() fails; then it is negative. */
static cg_status fail_encode(const void *ctx, const char *text, uint32_t len, int32_t *ret_ids,
                             cg_range *ret_ranges, int32_t cap, int32_t *ret_n, cg_error *err)
{
    struct changed_vocabulary *v = (struct changed_vocabulary *)ctx;

    if (atomic_fetch_sub(&v->until_failure, 1) == 0)
        return v->host->fail(err, CG_ERR_NOMEM, "the vocabulary is out of memory");
    return v->base->encode(v->base->ctx, text, len, ret_ids, ret_ranges, cap, ret_n, err);
}

/* Call k of encode() fails. Returns 0 if there are fewer. */
static int fail_call(struct suite *s, int32_t k)
{
    constraint_case c = s->typical;
    struct changed_vocabulary v;
    cg_error reason = CG_ERROR_INIT;
    int accepted, has_failed;

    change_encode(&v, &c, fail_encode);
    v.until_failure = k;
    accepted = accepts(&c, 1, &reason);
    has_failed = v.until_failure < 0;
    if (has_failed)
        expect(&s->rec, !accepted && reason.msg[0],
               "call %d of encode() failed, but create() and compile() %s", k,
               accepted ? "succeeded" : "failed without a text");
    expect_all_freed(&s->rec, &s->test_host, "a failed call of encode()");
    return has_failed;
}

static void check_failing_vocabulary(struct suite *s)
{
    if (!test_begin(&s->rec, "create() and compile() when encode() fails"))
        return;
    for (int32_t k = 0; fail_call(s, k); k += 1 + k / 16)
        ;
    test_end(&s->rec);
}

/* ---- meaning ------------------------------------------------------------------------------- */

/* Checks of what sequences are, and the feature with which a constraint promises it. */
static const struct meaning {
    const char *name, *name_with_model;
    uint32_t feature; /* 0: of all constraints */
    const char *feature_name;
    void (*check)(constraint_case *c);
} meanings[] = {
#define NAMES(name) name, "model: " name
    { NAMES("forced tokens spell the molecule's text"), 0, "", constraint_check_forced },
    { NAMES("sequences spell the molecule's text"), CG_CONSTRAINT_EXACT, "CG_CONSTRAINT_EXACT",
      constraint_check_exact },
    { NAMES("sequences have the tokenizer's tokens"), CG_CONSTRAINT_CANONICAL,
      "CG_CONSTRAINT_CANONICAL", constraint_check_canonical },
    { NAMES("every number has exactly one path"), CG_CONSTRAINT_ALL_NUMBERS,
      "CG_CONSTRAINT_ALL_NUMBERS", constraint_check_numbers },
};

enum { N_MEANINGS = sizeof meanings / sizeof *meanings };

/* Does the plugin promise it? If not, that is noted. */
static int is_promised(const constraint_case *c, const struct meaning *m)
{
    if (!m->feature || constraint_features(c) & m->feature ||
        (m->feature == CG_CONSTRAINT_EXACT && constraint_is_exact(c)))
        return 1;
    test_note(c->rec, "the plugin does not declare %s", m->feature_name);
    return 0;
}

static void check_meaning(struct suite *s, const struct meaning *m)
{
    if (!test_begin(&s->rec, m->name))
        return;
    for (int32_t f = 0; f < count_formats(s); f++) {
        constraint_case c = case_of(s, &formats[f]);

        if (is_promised(&c, m))
            m->check(&c);
    }
    test_end(&s->rec);
}

/* Is a molecule accepted? If the format or all molecules are refused, the reason is noted. */
static int is_accepted(struct suite *s, const cg_conformance_texts *t)
{
    cg_error err = CG_ERROR_INIT;
    void *self = NULL;
    cg_status st = s->ops->create(&s->test_host.host, t->vocabulary, t->format, &self, &err);

    if (st == CG_OK) {
        st = CG_ERR_UNSUPPORTED;
        for (int32_t i = 0; i < t->n_molecules && st != CG_OK; i++) {
            cg_program *p = NULL;

            st = s->ops->compile(self, &t->molecules[i], &p, &err);
            if (st == CG_OK)
                s->ops->release(self, p);
        }
        s->ops->destroy(self);
    }
    if (st == CG_OK || !err.msg[0])
        return 1;
    test_note(&s->rec, "not supported: %s", err.msg);
    return 0;
}

static void check_nothing_supported(struct suite *s, const cg_conformance_texts *t,
                                    const cg_error *reason)
{
    if (!test_begin(&s->rec, "some vocabulary and format are supported"))
        return;
    expect(&s->rec, 0,
           "refused are the formats of the checks over a vocabulary of bytes, and %s; wanted one "
           "that is accepted (--model DIR selects a model): %s",
           t ? t->name : "there is no model", reason->msg);
    test_end(&s->rec);
}

static void report_model(const cg_conformance_options *o)
{
    char line[640];

    snprintf(line, sizeof line, "model: %s, %d molecules", o->texts->name, o->texts->n_molecules);
    if (o->message)
        o->message(o->ctx, line);
}

static void check_model(struct suite *s, const cg_conformance_texts *t)
{
    if (test_begin(&s->rec, "model: tables and programs are well-formed")) {
        if (is_accepted(s, t)) {
            constraint_case c = case_of_texts(s, t);

            check_programs(&c);
            constraint_check_growth(&c);
        }
        test_end(&s->rec);
    }
    for (int32_t i = 0; i < N_MEANINGS; i++) {
        const struct meaning *m = &meanings[i];
        constraint_case c = case_of_texts(s, t);

        if (!test_begin(&s->rec, m->name_with_model))
            continue;
        if (is_accepted(s, t) && is_promised(&c, m))
            m->check(&c);
        test_end(&s->rec);
    }
}

int32_t cg_conformance_constraint(const cg_constraint_ops *ops, const cg_host *host,
                                  const cg_conformance_options *options)
{
    struct suite *s = calloc(1, sizeof *s);
    cg_error reason = CG_ERROR_INIT;
    int32_t failures;

    if (!s)
        abort();
    s->ops = watch_constraint(ops);
    test_recorder_init(&s->rec, options);
    test_host_init(&s->test_host, host);
    fenced_memory_start();
    s->vocabulary = byte_vocabulary_create(host);
    if (!s->vocabulary)
        abort();
    for (int32_t i = 0; i < PROGRAMS; i++)
        random_literals(s, i, i == 0 ? 1 : i == 1 ? MAX_ATOMS : random_in(&s->rec, 1, 30));
    if (options->texts)
        report_model(options);
    if (!find_typical(s, options->texts, &reason)) {
        check_nothing_supported(s, options->texts, &reason);
        goto out;
    }
    check_lifecycle(s);
    check_invalid(s);
    check_form(s);
    check_repeated(s);
    check_two_formats(s);
    check_other_formats(s);
    check_older_host(s);
    check_threads(s);
    check_no_memory(s);
    check_failing_vocabulary(s);
    for (int32_t i = 0; i < N_MEANINGS; i++)
        check_meaning(s, &meanings[i]);
    if (options->texts)
        check_model(s, options->texts);
out:
    failures = s->rec.failures;
    host->free(host->ctx, s->vocabulary);
    free(s);
    return failures;
}
