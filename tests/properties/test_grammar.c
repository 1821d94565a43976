/* SPDX-License-Identifier: MIT */
/*
 * Four properties of the automaton, for many molecules and one or more tokenizers:
 *
 *   soundness     the text of every accepted sequence is this molecule with coordinates
 *   canonicity    the tokens of an accepted sequence are the canonical tokens of its text
 *   completeness  every text in the number format is accepted
 *   progress      the end is reachable from every state within max_tokens
 *
 *     test_grammar PLUGIN.so [--molecules N] [--seed S] [--full] [--format NAME]... [--write FILE]
 *                  TOKENIZER...
 *
 * with default, llama3, qwen3 as tokenizers (subject.h). --format: a built-in format, instead of
 * that of the tokenizer's model. --full: 10,000 molecules, and every number of the format after
 * every kind of literal. --write: text and tokens of every walk, one JSON object per line, for
 * tools/compare_format_tokens.py. Status 0: they hold; 1: the first counterexamples are printed.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "sequence/automaton.h"
#include "molecule_set.h"
#include "numbers.h"
#include "subject.h"
#include "tables_check.h"

enum {
    QUICK = 1000,
    FULL = 10000,
    SHOWN = 20,     /* counterexamples */
    BAD_TEXTS = 3,  /* malformed texts per molecule */
    ROLL_BACKS = 4, /* per walk */
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
    struct entry *entry; /* [n_entries] distinct entry states of numbers */
    int32_t n_entries, cap_entries;
    char *is_entry; /* [cap_states] of a state */
    int32_t cap_states;
    int32_t *tokens; /* large enough for any molecule */
    cg_atom_mark *marks;
    int32_t cap_tokens, cap_groups;
    double (*xyz)[3];
    int32_t *codes;
    char *text;
    size_t cap_text;
    cg_tokens encoded;
    int64_t walks, walked_tokens, complete_texts, bad_texts, numbers, max_tokens;
    int32_t skipped; /* molecules that the format cannot write */
    FILE *written;   /* of --write, or NULL */
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
    int32_t groups = (int32_t)c->split.n_groups;
    size_t text = cg_enriched_bound(&c->split) + 3 * (size_t)groups * (NUMBER_MAX + CG_MAX_MARK) +
                  3 * CG_MAX_TAG;

    if (c->program->max_tokens > r->cap_tokens) {
        free(r->tokens);
        r->cap_tokens = 2 * c->program->max_tokens;
        r->tokens = must_alloc((size_t)r->cap_tokens, sizeof *r->tokens);
    }
    if (groups > r->cap_groups) {
        free(r->marks);
        free(r->xyz);
        free(r->codes);
        r->cap_groups = 2 * groups;
        r->marks = must_alloc((size_t)r->cap_groups, sizeof *r->marks);
        r->xyz = must_alloc((size_t)r->cap_groups, sizeof *r->xyz);
        r->codes = must_alloc((size_t)r->cap_groups, sizeof *r->codes);
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
                        : selection == LONGEST ? r->facts.form.longest[a->next[i]]
                                               : -r->facts.shortest[a->next[i]];
            int32_t most = a->next[best] == CG_EXIT ? 0
                           : selection == LONGEST   ? r->facts.form.longest[a->next[best]]
                                                    : -r->facts.shortest[a->next[best]];

            if (n > most)
                best = i;
        }
        return best;
    default:
        return from + (int32_t)odd_below(&r->random, (uint32_t)(to - from));
    }
}

/* Reads the numbers of a body to r->xyz or r->codes. */
static cg_status read_numbers(struct run *r, const struct compiled *c, const char *body, size_t len,
                              cg_error *err)
{
    const cg_conformer_format *format = &r->s.config.conformer;

    return format->number.kind == CG_NUMBER_CODE
               ? cg_enriched_read_codes(&c->split, format, body, len, r->codes, err)
               : cg_enriched_read(&c->split, format, body, len, r->xyz, err);
}

/* Writes the numbers that were read to r->text. */
static cg_status write_numbers(struct run *r, const struct compiled *c, size_t *ret_len,
                               cg_error *err)
{
    const cg_conformer_format *format = &r->s.config.conformer;

    return format->number.kind == CG_NUMBER_CODE
               ? cg_enriched_write_codes(&c->split, format, r->codes, r->text, r->cap_text, ret_len,
                                         err)
               : cg_enriched_write(&c->split, format, (const double(*)[3])r->xyz, r->text,
                                   r->cap_text, ret_len, err);
}

/* The body is written back byte for byte. A bin beyond the edges has the value of the outermost
 * edge, which is in another bin: only its length is compared. */
static int is_written_back(struct run *r, const struct compiled *c, const char *body, size_t len,
                           cg_error *err)
{
    size_t written = 0;

    return write_numbers(r, c, &written, err) == CG_OK && written == len &&
           (r->s.config.conformer.number.kind == CG_NUMBER_BIN || !memcmp(r->text, body, len));
}

/* {"text": "[CONFORMER]..", "ids": [..]} */
static void write_walk(struct run *r, const char *text, int32_t n_tokens)
{
    json_t *line = json_object(), *ids = json_array();

    for (int32_t i = 0; i < n_tokens; i++)
        json_array_append_new(ids, json_integer(r->tokens[i]));
    json_object_set_new(line, "text", cg_json_text(text));
    json_object_set_new(line, "ids", ids);
    if (json_dumpf(line, r->written, JSON_COMPACT) || putc('\n', r->written) == EOF) {
        perror("--write");
        exit(3);
    }
    json_decref(line);
}

/* Checks the text of a complete sequence. */
static int check_sequence(struct run *r, const struct compiled *c, int32_t n_tokens)
{
    const cg_text_format *f = &r->s.format;
    size_t len, begin = strlen(f->begin), end = strlen(f->end) + strlen(f->stop);
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
    if (ok && read_numbers(r, c, text + begin, len - begin - end, &err))
        ok = fail(r, c->smiles, "soundness", "'%s': %s", text, err.msg);
    if (ok &&
        cg_enriched_parse(text + begin, len - begin - end, &r->s.config.conformer, &parsed, &err))
        ok = fail(r, c->smiles, "soundness", "'%s': %s", text, err.msg);
    if (ok && (strcmp(parsed.smiles, c->smiles) || parsed.n_atoms != c->split.n_atoms))
        ok = fail(r, c->smiles, "soundness", "'%s' contains %s of %zu atoms", text, parsed.smiles,
                  parsed.n_atoms);
    if (ok && !is_written_back(r, c, text + begin, len - begin - end, &err))
        ok = fail(r, c->smiles, "soundness", "'%s' is written back as '%s' %s", text, r->text,
                  err.msg);
    if (ok && (!encode(r, text, len) || r->encoded.n != (size_t)n_tokens ||
               memcmp(r->encoded.ids, r->tokens, (size_t)n_tokens * sizeof *r->tokens)))
        ok = fail(r, c->smiles, "canonicity", "'%s' has %zu tokens, %d were accepted", text,
                  r->encoded.n, n_tokens);
    if (r->written)
        write_walk(r, text, n_tokens);
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
            cg_sequence_roll_back(
                &seq, p, r->s.automaton,
                (int32_t)odd_below(&r->random, (uint32_t)(seq.field / p->fields_per_atom) + 1),
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
    int n_numbers = f->fields_per_literal;
    char *at = stpcpy(r->text, f->begin);

    for (size_t a = 0; a <= split->n_groups; a++) {
        size_t len = split->literal_at[a + 1] - split->literal_at[a];

        memcpy(at, split->text + split->literal_at[a], len);
        at += len;
        for (int k = 0; k < n_numbers && a < split->n_groups; k++) {
            char number[NUMBER_MAX];

            if ((int64_t)a * n_numbers + k == bad_field)
                number_bad(f, bad, number);
            else if (kind == RANDOM_NUMBERS)
                number_random(f, &r->random, number);
            else
                number_edge(f, kind == ONE_EDGE ? edge : (int)odd_below(&r->random, NUMBER_EDGES),
                            number);
            if (k)
                at = stpcpy(at, f->separator);
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
    int64_t field = odd_below(
        &r->random, (uint32_t)(r->s.format.fields_per_literal * (int32_t)c->split.n_groups));
    size_t len = write_text(r, c, RANDOM_NUMBERS, 0, field, bad);

    r->bad_texts++;
    if (encode(r, r->text, len) && accepts(r, c, r->encoded.ids, r->encoded.n))
        return fail(r, c->smiles, "soundness", "'%s' is accepted", r->text);
    return 1;
}

/* ---- one molecule --------------------------------------------------------------------------- */

static void grow_entries(struct run *r, int32_t n_states)
{
    if (n_states > r->cap_states) {
        char *more = must_alloc(2 * (size_t)n_states, 1);

        if (r->cap_states)
            memcpy(more, r->is_entry, (size_t)r->cap_states);
        free(r->is_entry);
        r->is_entry = more;
        r->cap_states = 2 * n_states;
    }
    if (r->n_entries == r->cap_entries) {
        struct entry *more = must_alloc(2 * (size_t)r->cap_entries + 64, sizeof *more);

        if (r->n_entries)
            memcpy(more, r->entry, (size_t)r->n_entries * sizeof *more);
        free(r->entry);
        r->entry = more;
        r->cap_entries = 2 * r->cap_entries + 64;
    }
}

/* Numbers that can be the start of other ones may need fields that are all of an atom. */
static int may_be_prefixes(const cg_text_format *f)
{
    for (int32_t i = 1; i < f->n_numbers; i++)
        if (strlen(f->numbers[i]) != strlen(f->numbers[0]))
            return f->numbers[0][0] != '<'; /* a closing bracket ends a code */
    return f->strip_zeros;
}

/* Fields are numbers, or all of an atom where only the next token shows that a number ends. */
static int check_fields(struct run *r, const struct compiled *c)
{
    const cg_text_format *f = &r->s.format;
    int32_t per = c->program->fields_per_atom;
    int ok = per == f->fields_per_literal && !f->strip_zeros;

    if (ok || (per == 1 && may_be_prefixes(f)))
        return 1;
    return fail(r, c->smiles, "form", "%d fields per atom", per);
}

/* How many texts a field has. Given soundness, none is missing. Wraps around, as the count of paths
 * does. */
static uint64_t texts_of_field(const struct run *r, const cg_program *p)
{
    uint64_t n = (uint64_t)number_count(&r->s.format);

    return p->fields_per_atom < r->s.format.fields_per_literal ? n * n * n : n;
}

static void add_entries(struct run *r, const struct compiled *c)
{
    for (int32_t f = 0; f < c->program->n_fields; f++) {
        int32_t state = c->program->entry[f];

        grow_entries(r, c->program->n_states);
        if (r->is_entry[state])
            continue;
        r->is_entry[state] = 1;
        r->entry[r->n_entries++] = (struct entry) { state, c, f };
        if (r->facts.paths[state] != texts_of_field(r, c->program))
            fail(r, c->smiles, "completeness", "field %d accepts %llu texts of %llu", f,
                 (unsigned long long)r->facts.paths[state],
                 (unsigned long long)texts_of_field(r, c->program));
    }
}

static void check_molecule(struct run *r, const struct compiled *c, int32_t i)
{
    static const int bad_first[] = { 0, 1, 8 }; /* "-0.000", "00.111", "1111.111" */

    if (!tables_learn(&r->facts, c->program, (int32_t)c->split.n_groups)) {
        fail(r, c->smiles, "progress", "%s", r->facts.text);
        return;
    }
    check_fields(r, c);
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

/* Writes the text before field f, from the previous number or the begin tag on; *ret_skip: bytes of
 * that number. */
static size_t text_before(const struct run *r, const struct compiled *c, int32_t f, char *out,
                          size_t *ret_skip)
{
    int32_t per = c->program->fields_per_atom;
    const uint32_t *literal_at = c->split.literal_at + f / per;
    char *at = out;

    *ret_skip = 0;
    if (f == 0)
        at = stpcpy(at, r->s.format.begin);
    else {
        char number[NUMBER_MAX];

        number_edge(&r->s.format, 4, number);
        at = stpcpy(at, number);
        *ret_skip = strlen(number);
    }
    if (f % per)
        return (size_t)(stpcpy(at, r->s.format.separator) - out);
    memcpy(at, c->split.text + literal_at[0], literal_at[1] - literal_at[0]);
    at += literal_at[1] - literal_at[0];
    *at = '\0';
    return (size_t)(at - out);
}

/* What follows a number of field f: a separator and another number, or the next literal. */
static const char *text_after(const struct run *r, const struct compiled *c, int32_t f)
{
    int32_t per = c->program->fields_per_atom;

    if (f % per < per - 1)
        return r->s.format.separator[0] ? r->s.format.separator : r->s.format.numbers[0];
    return c->split.text + c->split.literal_at[f / per + 1];
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
    const char *after = text_after(r, e->at, e->field);
    size_t before, skip;
    char *number;

    grow_buffers(r, e->at);
    before = text_before(r, e->at, e->field, r->text, &skip);
    number = r->text + before;
    for (int64_t i = 0; i < number_count(&r->s.format); i++) {
        size_t len, first = 0, last;

        number_text(&r->s.format, i, number);
        len = before + strlen(number);
        snprintf(r->text + len, NUMBER_MAX, "%s", after);
        if (!encode(r, r->text, strlen(r->text)))
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
    cg_enriched_split split = { 0 };
    cg_error err = CG_ERROR_INIT;

    if (cg_enriched_split_smiles(m->canonical, strlen(m->canonical), &r->s.config.conformer, &split,
                                 NULL) != CG_OK) {
        r->skipped++;
        return;
    }
    cg_enriched_split_finish(&split);
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

    if (cg_enriched_split_smiles(m->input, strlen(m->input), &r->s.config.conformer, &c->split,
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

        atoms += (int64_t)r->compiled[i].split.n_groups;
        tokens += p->max_tokens;
        r->s.ops->release(r->s.self, p);
    }
    start = cg_now() - start;
    printf(
        "%s: warm compile %.2f us per molecule of %.1f numbered parts; max_tokens %.0f on average, "
        "%lld at most\n",
        r->s.name, 1e6 * start / r->n_canonical, (double)atoms / r->n_canonical,
        tokens / r->n_canonical, (long long)r->max_tokens);
}

static int32_t test(const char *name, const char *format, const char *plugin,
                    const molecule_set *set, uint64_t seed, int every_number, FILE *written)
{
    struct run *r = must_alloc(1, sizeof *r);
    double start = cg_now(), opened, compiled;
    int32_t failures;

    subject_open(&r->s, name, format, plugin, "grammar");
    r->s.config.conformer.prompt_is_plain = 0; /* RDKit cannot write some of them */
    opened = cg_now();
    r->random.state = seed;
    r->written = written;
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
    every_number &=
        r->n_compiled && r->compiled[0].program->fields_per_atom == r->s.format.fields_per_literal;
    for (int32_t i = 0; i < r->n_entries && every_number; i++)
        check_every_number(r, &r->entry[i]);
    check_threads(r);
    printf("%s, format %s: %d molecules and %d inputs (%d not in this format): %lld walks of %lld "
           "tokens, %lld texts accepted, %lld malformed ones refused\n",
           name, r->s.config.conformer.name, r->n_canonical, r->n_compiled - r->n_canonical,
           r->skipped, (long long)r->walks, (long long)r->walked_tokens,
           (long long)r->complete_texts, (long long)r->bad_texts);
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
    free(r->codes);
    free(r->entry);
    free(r->is_entry);
    free(r->text);
    failures = r->failures;
    free(r);
    return failures;
}

static int usage(const char *program)
{
    fprintf(stderr,
            "usage: %s PLUGIN.so [--molecules N] [--seed S] [--full] [--format NAME]... "
            "[--write FILE] TOKENIZER...\n",
            program);
    return 2;
}

int main(int argc, char **argv)
{
    const char *plugin = NULL, *names[8], *formats[8] = { NULL };
    int32_t n = QUICK, n_names = 0, n_formats = 0, failures = 0;
    uint64_t seed = 1;
    int full = 0;
    double start = cg_now();
    FILE *written = NULL;
    molecule_set set;

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--full"))
            full = 1, n = FULL;
        else if (!strcmp(argv[i], "--molecules") && i + 1 < argc)
            n = atoi(argv[++i]);
        else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
            seed = strtoull(argv[++i], NULL, 0);
        else if (!strcmp(argv[i], "--format") && i + 1 < argc &&
                 n_formats < (int32_t)(sizeof formats / sizeof *formats))
            formats[n_formats++] = argv[++i];
        else if (!strcmp(argv[i], "--write") && i + 1 < argc && !written)
            written = fopen(argv[++i], "w");
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
        for (int32_t k = 0; k < (n_formats ? n_formats : 1); k++)
            failures += test(names[i], formats[k], plugin, &set, seed, full, written);
    molecule_set_finish(&set);
    if (written && fclose(written)) {
        perror("--write");
        return 3;
    }
    printf("%.1f s, %d failures\n", cg_now() - start, failures);
    return failures != 0;
}
