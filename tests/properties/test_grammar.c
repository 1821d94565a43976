/* SPDX-License-Identifier: MIT */
/*
 * Four properties of the automaton, for many molecules and one or more tokenizers:
 *
 *   soundness     the text of every accepted sequence is this molecule with coordinates
 *   canonicity    the tokens of an accepted sequence are the canonical tokens of its text
 *   completeness  every text in the number format is accepted
 *   progress      the end is reachable from every state within max_tokens
 *
 *     test_grammar PLUGIN.so [--molecules N] [--seed S] [--full] TOKENIZER...
 *
 * with default, llama3, qwen3 as tokenizers. --full: 10,000 molecules, and every number of the
 * format after every kind of literal. Status 0: they hold; 1: the first counterexamples are
 * printed.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "sequence/automaton.h"
#include "molecule_set.h"
#include "numbers.h"
#include "../unit/format_made.h"
#include "subject.h"
#include "tables_check.h"

enum {
    QUICK = 1000,
    FULL = 10000,
    SHOWN = 20,        /* counterexamples */
    MAX_ENTRIES = 512, /* distinct entry states of numbers */
    BAD_TEXTS = 3,     /* malformed texts per molecule */
    ROLL_BACKS = 4,    /* per walk */
};

/* How a walk selects among the transitions of a state. */
enum selection { ANY, FIRST, LAST, LONGEST, SHORTEST, ROLLING, N_SELECTIONS };

/* An entry state of numbers and its first occurrence. */
struct entry {
    int32_t state;
    const struct compiled *at;
    int32_t field;
};

struct compiled {
    const char *smiles; /* that the text must contain */
    cg_enriched_split split;
    cg_program *program;
};

struct run {
    subject s;
    odd_random random;
    tables_facts facts;
    struct compiled *compiled; /* [n_compiled] canonical SMILES, then inputs of generated ones */
    int32_t n_compiled, n_canonical;
    struct entry entry[MAX_ENTRIES];
    int32_t n_entries;
    int32_t *tokens; /* large enough for any molecule */
    cg_atom_mark *marks;
    int32_t cap_tokens, cap_atoms;
    double (*xyz)[3];
    char *text;
    size_t cap_text;
    cg_tokens encoded;
    int64_t walks, walked_tokens, complete_texts, bad_texts, numbers, max_tokens;
    int32_t failures;
};

static int fail(struct run *r, const char *smiles, const char *property, const char *format, ...)
    CG_PRINTF(4, 5);

static int fail(struct run *r, const char *smiles, const char *property, const char *format, ...)
{
    va_list ap;

    if (r->failures++ < SHOWN) {
        printf("FAILED %s, %s, %s: ", r->s.name, property, smiles);
        va_start(ap, format);
        vprintf(format, ap);
        va_end(ap);
        printf("\n");
    }
    return 0;
}

/* ---- buffers -------------------------------------------------------------------------------- */

static void grow_buffers(struct run *r, const struct compiled *c)
{
    int32_t atoms = (int32_t)c->split.n_atoms;
    size_t text = cg_enriched_bound(&c->split) + 3 * (size_t)atoms * NUMBER_MAX + 3 * CG_MAX_TAG;

    if (c->program->max_tokens > r->cap_tokens) {
        free(r->tokens);
        r->cap_tokens = 2 * c->program->max_tokens;
        r->tokens = must_alloc((size_t)r->cap_tokens, sizeof *r->tokens);
    }
    if (atoms > r->cap_atoms) {
        free(r->marks);
        free(r->xyz);
        r->cap_atoms = 2 * atoms;
        r->marks = must_alloc((size_t)r->cap_atoms, sizeof *r->marks);
        r->xyz = must_alloc((size_t)r->cap_atoms, sizeof *r->xyz);
    }
    if (text > r->cap_text) {
        free(r->text);
        r->cap_text = 2 * text;
        r->text = must_alloc(r->cap_text, 1);
    }
}

static int encode(struct run *r, const char *text, size_t len)
{
    return cg_tokenizer_encode(r->s.tokenizer, NULL, text, len, CG_ENCODE_SPANS, &r->encoded,
                               NULL) == CG_OK;
}

/* ---- soundness and canonicity --------------------------------------------------------------- */

static int32_t select_transition(struct run *r, int32_t state, enum selection selection)
{
    const cg_automaton *a = r->s.automaton;
    int32_t from = a->row[state], to = a->row[state + 1], best = from;

    switch (selection) {
    case FIRST:
        return from;
    case LAST:
        return to - 1;
    case LONGEST:
    case SHORTEST:
        for (int32_t i = from; i < to; i++) {
            int32_t n = a->next[i] == CG_EXIT  ? 0
                        : selection == LONGEST ? r->facts.longest[a->next[i]]
                                               : -r->facts.shortest[a->next[i]];
            int32_t most = a->next[best] == CG_EXIT ? 0
                           : selection == LONGEST   ? r->facts.longest[a->next[best]]
                                                    : -r->facts.shortest[a->next[best]];

            if (n > most)
                best = i;
        }
        return best;
    default:
        return from + (int32_t)odd_below(&r->random, (uint32_t)(to - from));
    }
}

/* Checks the text of a complete sequence. */
static int check_sequence(struct run *r, const struct compiled *c, int32_t n_tokens)
{
    const cg_text_format *f = &r->s.format;
    size_t len, begin = strlen(f->begin), end = strlen(f->end) + strlen(f->stop), written = 0;
    cg_enriched parsed = { 0 };
    cg_error err = CG_ERROR_INIT;
    char *text = NULL;
    int ok;

    if (cg_tokenizer_decode(r->s.tokenizer, r->tokens, (size_t)n_tokens, 0, &text, &len, &err))
        return fail(r, c->smiles, "soundness", "%s", err.msg);
    ok = len > begin + end && !memcmp(text, f->begin, begin) &&
         !memcmp(text + len - end, f->end, strlen(f->end)) &&
         !memcmp(text + len - strlen(f->stop), f->stop, strlen(f->stop));
    if (!ok)
        fail(r, c->smiles, "soundness", "'%s' lacks its tags", text);
    if (ok && cg_enriched_read(&c->split, format_of_decimals(f->decimals, f->max_integer_digits),
                               text + begin, len - begin - end, r->xyz, &err))
        ok = fail(r, c->smiles, "soundness", "'%s': %s", text, err.msg);
    if (ok &&
        cg_enriched_parse(text + begin, len - begin - end,
                          format_of_decimals(f->decimals, f->max_integer_digits), &parsed, &err))
        ok = fail(r, c->smiles, "soundness", "'%s': %s", text, err.msg);
    if (ok && (strcmp(parsed.smiles, c->smiles) || parsed.n_atoms != c->split.n_atoms))
        ok = fail(r, c->smiles, "soundness", "'%s' contains %s of %zu atoms", text, parsed.smiles,
                  parsed.n_atoms);
    if (ok &&
        (cg_enriched_write(&c->split, format_of_decimals(f->decimals, f->max_integer_digits),
                           (const double(*)[3])r->xyz, r->text, r->cap_text, &written, &err) ||
         written != len - begin - end || memcmp(r->text, text + begin, written)))
        ok = fail(r, c->smiles, "soundness", "'%s' is written back as '%s' %s", text, r->text,
                  err.msg);
    if (ok && (!encode(r, text, len) || r->encoded.n != (size_t)n_tokens ||
               memcmp(r->encoded.ids, r->tokens, (size_t)n_tokens * sizeof *r->tokens)))
        ok = fail(r, c->smiles, "canonicity", "'%s' has %zu tokens, %d were accepted", text,
                  r->encoded.n, n_tokens);
    cg_enriched_finish(&parsed);
    free(text);
    return ok;
}

static int walk(struct run *r, const struct compiled *c, enum selection selection)
{
    const cg_program *p = c->program;
    cg_sequence seq = { .limit = p->max_tokens };
    int rolls = selection == ROLLING ? ROLL_BACKS : 0;

    cg_sequence_begin(&seq, p, r->s.automaton, r->tokens, r->marks);
    while (!seq.done) {
        if (rolls > 0 && odd_below(&r->random, 20) == 0 && rolls--)
            cg_sequence_roll_back(&seq, p, r->s.automaton,
                                  (int32_t)odd_below(&r->random, (uint32_t)seq.field / 3 + 1),
                                  r->marks);
        cg_sequence_advance(&seq, p, r->s.automaton, select_transition(r, seq.state, selection),
                            r->tokens, r->marks);
    }
    r->walks++;
    r->walked_tokens += seq.n_tokens;
    if (seq.done != CG_SEQUENCE_COMPLETE)
        return fail(r, c->smiles, "progress", "not complete after %d tokens", seq.n_tokens);
    if (selection == LONGEST && seq.n_tokens != p->max_tokens)
        return fail(r, c->smiles, "progress",
                    "the longest sequence has %d tokens, max_tokens is %d", seq.n_tokens,
                    p->max_tokens);
    return check_sequence(r, c, seq.n_tokens);
}

/* ---- completeness --------------------------------------------------------------------------- */

/* Returns whether ids[0, n) are a complete sequence, by the code of the decoder. */
static int accepts(struct run *r, const struct compiled *c, const int32_t *ids, size_t n)
{
    const cg_automaton *a = r->s.automaton;
    cg_sequence seq = { .limit = c->program->max_tokens };
    int32_t seen = 0;

    cg_sequence_begin(&seq, c->program, a, r->tokens, r->marks);
    for (;;) {
        int32_t lo, hi;

        for (; seen < seq.n_tokens; seen++)
            if ((size_t)seen >= n || ids[seen] != r->tokens[seen])
                return 0;
        if (seq.done)
            return seq.done == CG_SEQUENCE_COMPLETE && (size_t)seq.n_tokens == n;
        if ((size_t)seen >= n)
            return 0;
        lo = a->row[seq.state];
        hi = a->row[seq.state + 1];
        while (hi - lo > 1) { /* ascending */
            int32_t mid = lo + (hi - lo) / 2;

            *(a->token[mid] <= ids[seen] ? &lo : &hi) = mid;
        }
        if (a->token[lo] != ids[seen])
            return 0;
        cg_sequence_advance(&seq, c->program, a, lo, r->tokens, NULL);
    }
}

/* The numbers of a text. */
enum numbers { RANDOM_NUMBERS, ONE_EDGE, MIXED_EDGES };

/*
 * Writes the text of a molecule with numbers to r->text; number `bad_field` (-1: none) is malformed
 * number `bad`. Returns the length.
 */
static size_t write_text(struct run *r, const struct compiled *c, enum numbers kind, int edge,
                         int64_t bad_field, int bad)
{
    const cg_text_format *f = &r->s.format;
    const cg_enriched_split *split = &c->split;
    char *at = stpcpy(r->text, f->begin);

    for (size_t a = 0; a <= split->n_atoms; a++) {
        size_t len = split->literal_at[a + 1] - split->literal_at[a];

        memcpy(at, split->text + split->literal_at[a], len);
        at += len;
        for (int k = 0; k < 3 && a < split->n_atoms; k++) {
            char number[NUMBER_MAX];

            if ((int64_t)(3 * a) + k == bad_field)
                number_bad(f, bad, number);
            else if (kind == RANDOM_NUMBERS)
                number_random(f, &r->random, number);
            else
                number_edge(f, kind == ONE_EDGE ? edge : (int)odd_below(&r->random, NUMBER_EDGES),
                            number);
            if (k)
                *at++ = ',';
            at = stpcpy(at, number);
        }
    }
    at = stpcpy(at, f->end);
    at = stpcpy(at, f->stop);
    return (size_t)(at - r->text);
}

static int check_text(struct run *r, const struct compiled *c, enum numbers kind, int edge)
{
    size_t len = write_text(r, c, kind, edge, -1, 0);

    r->complete_texts++;
    if (!encode(r, r->text, len) || !accepts(r, c, r->encoded.ids, r->encoded.n))
        return fail(r, c->smiles, "completeness", "'%s' is not accepted", r->text);
    return 1;
}

static int check_bad_text(struct run *r, const struct compiled *c, int bad)
{
    int64_t field = odd_below(&r->random, 3 * (uint32_t)c->split.n_atoms);
    size_t len = write_text(r, c, RANDOM_NUMBERS, 0, field, bad);

    r->bad_texts++;
    if (encode(r, r->text, len) && accepts(r, c, r->encoded.ids, r->encoded.n))
        return fail(r, c->smiles, "soundness", "'%s' is accepted", r->text);
    return 1;
}

/* ---- one molecule --------------------------------------------------------------------------- */

static void add_entries(struct run *r, const struct compiled *c)
{
    for (int32_t f = 0; f < c->program->n_fields; f++) {
        int32_t i = 0;

        while (i < r->n_entries && r->entry[i].state != c->program->entry[f])
            i++;
        if (i < r->n_entries)
            continue;
        if (i == MAX_ENTRIES) {
            fail(r, c->smiles, "form", "more than %d entry states of numbers", MAX_ENTRIES);
            return;
        }
        r->entry[r->n_entries++] = (struct entry) { c->program->entry[f], c, f };
        /* as many paths as numbers: given soundness, no number is missing */
        if (r->facts.paths[c->program->entry[f]] != (uint64_t)number_count(&r->s.format))
            fail(r, c->smiles, "completeness", "field %d accepts %llu numbers of %lld", f,
                 (unsigned long long)r->facts.paths[c->program->entry[f]],
                 (long long)number_count(&r->s.format));
    }
}

static void check_molecule(struct run *r, const struct compiled *c, int32_t i)
{
    static const int bad_first[] = { 0, 1, 8 }; /* "-0.000", "00.111", "1111.111" */

    if (!tables_learn(&r->facts, c->program) ||
        !tables_check_program(&r->facts, c->program, (int32_t)c->split.n_atoms)) {
        fail(r, c->smiles, "progress", "%s", r->facts.text);
        return;
    }
    if (c->program->fields_per_atom != 3)
        fail(r, c->smiles, "form", "%d fields per atom", c->program->fields_per_atom);
    if (c->program->max_tokens > r->max_tokens)
        r->max_tokens = c->program->max_tokens;
    add_entries(r, c);
    grow_buffers(r, c);
    for (enum selection selection = ANY; selection < N_SELECTIONS; selection++)
        if (!walk(r, c, selection))
            return;
    if (!check_text(r, c, RANDOM_NUMBERS, 0) || !check_text(r, c, MIXED_EDGES, 0) ||
        !check_text(r, c, ONE_EDGE, i % NUMBER_EDGES))
        return;
    check_bad_text(r, c, bad_first[i % 3]);
    for (int k = 1; k < BAD_TEXTS; k++)
        check_bad_text(r, c, (int)odd_below(&r->random, NUMBER_BAD));
}

/* ---- every number after every kind of literal ----------------------------------------------- */

/* Writes the text before field f, from the previous number or the begin tag on. */
static size_t text_before(const struct run *r, const struct compiled *c, int32_t f, char *out)
{
    const uint32_t *literal_at = c->split.literal_at + f / 3;
    char *at = out;

    if (f == 0)
        at = stpcpy(at, r->s.format.begin);
    else {
        char number[NUMBER_MAX];

        number_edge(&r->s.format, 4, number);
        at = stpcpy(at, number);
    }
    if (f % 3)
        return (size_t)(stpcpy(at, ",") - out);
    memcpy(at, c->split.text + literal_at[0], literal_at[1] - literal_at[0]);
    at += literal_at[1] - literal_at[0];
    *at = '\0';
    return (size_t)(at - out);
}

static int accepts_field(const struct run *r, const struct entry *e, const int32_t *ids, size_t n)
{
    const cg_automaton *a = r->s.automaton;
    const cg_program *p = e->at->program;
    int32_t state = e->state;
    size_t i = 0;

    for (int32_t k = p->forced_start[e->field]; k < p->forced_start[e->field + 1]; k++, i++)
        if (i >= n || ids[i] != p->forced_token[k])
            return 0;
    for (; state != CG_EXIT; i++) {
        int32_t t = a->row[state], end = a->row[state + 1];

        while (t < end && (i >= n || a->token[t] != ids[i]))
            t++;
        if (t == end)
            return 0;
        state = a->next[t];
    }
    return i == n;
}

static int check_every_number(struct run *r, const struct entry *e)
{
    size_t skip = e->field == 0 ? 0 : strlen("0.") + (size_t)r->s.format.decimals;
    size_t before;
    char *number;

    grow_buffers(r, e->at);
    before = text_before(r, e->at, e->field, r->text);
    number = r->text + before;
    for (int64_t i = 0; i < number_count(&r->s.format); i++) {
        size_t len, first = 0, last;

        number_text(&r->s.format, i, number);
        len = before + strlen(number);
        r->text[len] = e->field % 3 == 2 ? '>' : ',';
        r->text[len + 1] = '\0';
        if (!encode(r, r->text, len + 1))
            return fail(r, e->at->smiles, "completeness", "'%s' has no tokens", r->text);
        while (first < r->encoded.n && r->encoded.spans[first].start < skip)
            first++;
        for (last = first; last < r->encoded.n && r->encoded.spans[last].end <= len; last++)
            ;
        r->numbers++;
        if (!accepts_field(r, e, r->encoded.ids + first, last - first))
            return fail(r, e->at->smiles, "completeness", "'%s' is not accepted", r->text);
    }
    return 1;
}

/* ---- two threads ---------------------------------------------------------------------------- */

struct job {
    const struct run *r;
    void *self;
    int32_t from, step;
    cg_program **program; /* [n_compiled] */
};

static void *compile_all(void *arg)
{
    const struct job *job = arg;

    for (int32_t k = 0, i = job->from; k < job->r->n_compiled; k++, i += job->step)
        job->program[i] = subject_compile(&job->r->s, job->self, &job->r->compiled[i].split, NULL);
    return NULL;
}

/* A new instance, compiled by two threads from both ends, gives the same programs. */
static void check_threads(struct run *r)
{
    void *self = subject_create_instance(&r->s);
    const cg_automaton *a = r->s.ops->automaton(self);
    size_t n = (size_t)r->n_compiled;
    struct job job[2] = { { r, self, 0, 1, must_alloc(n, sizeof(cg_program *)) },
                          { r, self, r->n_compiled - 1, -1, must_alloc(n, sizeof(cg_program *)) } };
    pthread_t thread[2];

    for (int t = 0; t < 2; t++)
        if (pthread_create(&thread[t], NULL, compile_all, &job[t]))
            abort();
    for (int t = 0; t < 2; t++)
        pthread_join(thread[t], NULL);
    for (int32_t i = 0; i < r->n_compiled; i++) {
        const struct compiled *c = &r->compiled[i];
        const cg_program *p = job[0].program[i], *q = job[1].program[i];

        if (!p || !q)
            fail(r, c->smiles, "threads", "refused with two threads");
        else if (!tables_same(a, p, a, q) || !tables_same(a, p, r->s.automaton, c->program))
            fail(r, c->smiles, "threads", "another program than with one thread");
    }
    for (int t = 0; t < 2; t++) {
        for (int32_t i = 0; i < r->n_compiled; i++)
            r->s.ops->release(self, job[t].program[i]);
        free(job[t].program);
    }
    r->s.ops->destroy(self);
}

/* ---- run ------------------------------------------------------------------------------------ */

/* Compiles the canonical SMILES through the molecule template, as the engine does. */
static void compile_molecule(struct run *r, const molecule *m)
{
    struct compiled *c = &r->compiled[r->n_compiled];
    cg_molecule_template t = { 0 };
    cg_error err = CG_ERROR_INIT;

    if (cg_molecule_template_build(&r->s.builder, m->input, strlen(m->input), &t, &err) != CG_OK) {
        fail(r, m->canonical, "template", "%s", err.msg);
        return;
    }
    c->smiles = m->canonical;
    c->split = t.split;
    c->program = t.program;
    t.split = (cg_enriched_split) { 0 };
    t.program = NULL;
    cg_molecule_template_finish(&t);
    r->n_compiled++;
}

/* Compiles a generated SMILES as given: RDKit would renumber its rings. */
static void compile_input(struct run *r, const molecule *m)
{
    struct compiled *c = &r->compiled[r->n_compiled];
    cg_error err = CG_ERROR_INIT;

    if (cg_enriched_split_smiles(m->input, strlen(m->input), format_of_decimals(4, 2), &c->split,
                                 NULL) != CG_OK)
        return; /* ambiguous in brackets, unlike its canonical form */
    c->smiles = m->input;
    c->program = subject_compile(&r->s, r->s.self, &c->split, &err);
    if (c->program)
        r->n_compiled++;
    else
        fail(r, m->input, "template", "%s", err.msg);
}

static void measure(const struct run *r)
{
    double start = cg_now(), tokens = 0;
    int64_t atoms = 0;

    for (int32_t i = 0; i < r->n_canonical; i++) {
        cg_program *p = subject_compile(&r->s, r->s.self, &r->compiled[i].split, NULL);

        atoms += (int64_t)r->compiled[i].split.n_atoms;
        tokens += p->max_tokens;
        r->s.ops->release(r->s.self, p);
    }
    start = cg_now() - start;
    printf("%s: warm compile %.2f us per molecule of %.1f atoms; max_tokens %.0f on average, "
           "%lld at most\n",
           r->s.name, 1e6 * start / r->n_canonical, (double)atoms / r->n_canonical,
           tokens / r->n_canonical, (long long)r->max_tokens);
}

static int32_t test(const char *name, const char *plugin, const molecule_set *set, uint64_t seed,
                    int every_number)
{
    struct run *r = must_alloc(1, sizeof *r);
    double start = cg_now(), opened, compiled;
    int32_t failures;

    subject_open(&r->s, name, plugin, "grammar");
    opened = cg_now();
    r->random.state = seed;
    r->facts =
        (tables_facts) { .automaton = r->s.automaton, .vocabulary = &r->s.vocabulary.vocabulary };
    r->compiled = must_alloc(2 * (size_t)set->n, sizeof *r->compiled);
    r->encoded = (cg_tokens)CG_TOKENS_INIT;
    for (int32_t i = 0; i < set->n; i++)
        compile_molecule(r, &set->items[i]);
    r->n_canonical = r->n_compiled;
    for (int32_t i = 0; i < set->n; i++)
        if (set->items[i].odd && strcmp(set->items[i].input, set->items[i].canonical))
            compile_input(r, &set->items[i]);
    compiled = cg_now();
    for (int32_t i = 0; i < r->n_compiled; i++)
        check_molecule(r, &r->compiled[i], i);
    for (int32_t i = 0; i < r->n_entries && every_number; i++)
        check_every_number(r, &r->entry[i]);
    check_threads(r);
    printf("%s: %d molecules and %d inputs: %lld walks of %lld tokens, %lld texts accepted, %lld "
           "malformed ones refused\n",
           name, r->n_canonical, r->n_compiled - r->n_canonical, (long long)r->walks,
           (long long)r->walked_tokens, (long long)r->complete_texts, (long long)r->bad_texts);
    if (every_number)
        printf("%s: every number after %d kinds of literal: %lld\n", name, r->n_entries,
               (long long)r->numbers);
    printf("%s: %d states, %d transitions, %d head rows, %d kinds of literal before a number\n",
           name, r->facts.n_states, r->compiled[r->n_compiled - 1].program->n_transitions,
           r->compiled[r->n_compiled - 1].program->n_head_rows, r->n_entries);
    if (r->n_canonical)
        measure(r);
    printf("%s: %.2f s to load and create, %.1f s to build templates, %.1f s to check; %d "
           "failures\n",
           name, opened - start, compiled - opened, cg_now() - compiled, r->failures);
    for (int32_t i = 0; i < r->n_compiled; i++) {
        r->s.ops->release(r->s.self, r->compiled[i].program);
        cg_enriched_split_finish(&r->compiled[i].split);
    }
    tables_facts_finish(&r->facts);
    cg_tokens_finish(&r->encoded);
    subject_close(&r->s);
    free(r->compiled);
    free(r->tokens);
    free(r->marks);
    free(r->xyz);
    free(r->text);
    failures = r->failures;
    free(r);
    return failures;
}

static int usage(const char *program)
{
    fprintf(stderr, "usage: %s PLUGIN.so [--molecules N] [--seed S] [--full] TOKENIZER...\n",
            program);
    return 2;
}

int main(int argc, char **argv)
{
    const char *plugin = NULL, *names[8];
    int32_t n = QUICK, n_names = 0, failures = 0;
    uint64_t seed = 1;
    int full = 0;
    double start = cg_now();
    molecule_set set;

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--full"))
            full = 1, n = FULL;
        else if (!strcmp(argv[i], "--molecules") && i + 1 < argc)
            n = atoi(argv[++i]);
        else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
            seed = strtoull(argv[++i], NULL, 0);
        else if (argv[i][0] == '-' || n_names == sizeof names / sizeof *names)
            return usage(argv[0]);
        else if (!plugin)
            plugin = argv[i];
        else
            names[n_names++] = argv[i];
    }
    if (!n_names || n < 1)
        return usage(argv[0]);
    setvbuf(stdout, NULL, _IOLBF, 0);
    molecule_set_init(&set, n, seed, full ? getenv("CONFGEN_SHARED") : NULL);
    molecule_set_print(&set);
    for (int i = 0; i < ODD_N_FEATURES && n >= QUICK; i++)
        if (!set.input_with[i]) {
            printf("FAILED no molecule has feature '%s'\n", odd_feature_name(i));
            failures++;
        }
    printf("%.1f s to collect them\n", cg_now() - start);
    for (int32_t i = 0; i < n_names; i++)
        failures += test(names[i], plugin, &set, seed, full);
    molecule_set_finish(&set);
    printf("%.1f s, %d failures\n", cg_now() - start, failures);
    return failures != 0;
}
