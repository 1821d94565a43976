/* SPDX-License-Identifier: MIT */
/*
 * Number paths through the automaton of the grammar plugin: for many molecules with random numbers
 * at every coordinate, the tokens are the canonical tokens of the text, and the coordinates are
 * read back from them.
 *
 *     test_written PLUGIN.so [--molecules N] [--format NAME]... TOKENIZER
 *
 * --format: a built-in format or an object that describes one, instead of that of the tokenizer's
 * model. Status 0: the property holds; 1: the first counterexamples are printed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sequence/coordinate.h"
#include "sequence/number_path.h"
#include "sequence/token_number.h"
#include "molecule_set.h"
#include "numbers.h"
#include "subject.h"

enum { MOLECULES = 1000, SHOWN = 20, THREADS = 32, MAX_STEPS = 64 };

struct run {
    subject s;
    odd_random random;
    const cg_conformer_format *format;
    cg_token_number *token_numbers; /* [vocabulary] */
    cg_tokens encoded;
    int64_t texts, numbers, tokens, steps;
    int32_t max_steps; /* of a number */
    int32_t failures;
};

static void make_token_numbers(struct run *r)
{
    const cg_vocabulary *v = &r->s.vocabulary.vocabulary;

    r->token_numbers = must_alloc((size_t)v->n_tokens, sizeof *r->token_numbers);
    for (int32_t i = 0; i < v->n_tokens; i++) {
        uint32_t len;
        int32_t special;
        const char *bytes = v->token(v->ctx, i, &len, &special);

        r->token_numbers[i] = bytes ? cg_token_number_of(r->format, bytes, len) : 0;
    }
}

/* Appends a field of an atom; n_threads threads share the search. @return 1 if a path was found */
static int append_field(struct run *r, const cg_sequence_text *text, const float xyz[3],
                        int32_t n_threads)
{
    const cg_automaton *a = text->automaton;
    cg_number_path path;
    int result;

    if (text->seq->done || !cg_number_path_begin(&path, text, xyz))
        return 0;
    do {
        int32_t least = INT32_MAX;

        for (int32_t t = 0; t < n_threads; t++) {
            int32_t mine = cg_number_path_find(&path, a, r->token_numbers, t, n_threads);

            least = mine < least ? mine : least;
        }
        result = cg_number_path_step(&path, a, r->token_numbers, least);
    } while (result == CG_NUMBER_PATH_RUNNING);
    r->numbers += 3 / text->program->fields_per_atom;
    r->steps += path.n_steps;
    if (path.n_steps > r->max_steps)
        r->max_steps = path.n_steps;
    if (result == CG_NUMBER_PATH_FOUND)
        cg_number_path_append(&path, text);
    return result == CG_NUMBER_PATH_FOUND;
}

/* Prints a number and returns its coordinate. Open ends of bins have that of another bin. */
static float any_number(struct run *r, char out[NUMBER_MAX])
{
    const cg_number_format *f = &r->format->number;

    for (;;) {
        cg_decimal n, back;
        const char *wanted;
        size_t used;
        float x;

        if (odd_below(&r->random, 4))
            number_random(&r->s.format, &r->random, out);
        else
            number_edge(&r->s.format, (int)odd_below(&r->random, NUMBER_EDGES), out);
        if (!cg_number_parse(f, out, strlen(out), &n, &used, &wanted) || out[used])
            abort();
        x = cg_coordinate_of(f, &n);
        if (cg_coordinate_to_number(f, x, &back) && back.digits == n.digits)
            return x;
    }
}

/* Appends the numbers of an atom to text and sequence. @return 1 if a path was found */
static int write_atom(struct run *r, const cg_sequence_text *written, char **at, float xyz[3])
{
    int32_t per = written->program->fields_per_atom;

    for (int k = 0; k < 3; k++) {
        char number[NUMBER_MAX];

        xyz[k] = any_number(r, number);
        *at = stpcpy(stpcpy(*at, k ? r->format->separator : ""), number);
    }
    for (int32_t k = 0; k < per; k++)
        if (!append_field(r, written, xyz, odd_below(&r->random, 7) ? 1 : THREADS))
            return 0;
    return 1;
}

/* Are the coordinates those of the tokens? */
static int are_read_back(const cg_sequence_text *written, const float (*xyz)[3], int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        float got[3];

        if (!cg_geometry_read_atom(written, i, got))
            return 0;
        for (int k = 0; k < 3; k++)
            if (got[k] != xyz[i][k])
                return 0;
    }
    return 1;
}

/* Builds the text and the tokens of a molecule. @return 1 if the tokens are canonical */
static int write_molecule(struct run *r, const cg_enriched_split *split,
                          const cg_sequence_text *written, char *text, float (*xyz)[3])
{
    const cg_text_format *f = &r->s.format;
    const int32_t *tokens = written->tokens;
    cg_sequence *seq = written->seq;
    char *at = stpcpy(text, f->begin);

    written->tokens[0] = written->program->forced_token[0]; /* any token can be the prompt */
    cg_sequence_begin(seq, written->program, r->s.automaton, written->tokens, written->marks);
    for (size_t i = 0; i <= split->n_groups; i++) {
        const uint32_t *literal = split->literal_at + i;

        memcpy(at, split->text + literal[0], literal[1] - literal[0]);
        at += literal[1] - literal[0];
        *at = '\0';
        if (i < split->n_groups && !write_atom(r, written, &at, xyz[i]))
            return 0;
    }
    at = stpcpy(at, f->end);
    at = stpcpy(at, f->stop);
    r->texts++;
    r->tokens += seq->n_tokens - 1;
    return seq->done == CG_SEQUENCE_COMPLETE &&
           cg_tokenizer_encode(r->s.tokenizer, NULL, text, (size_t)(at - text), CG_ENCODE_SPANS,
                               &r->encoded, NULL) == CG_OK &&
           r->encoded.n == (size_t)seq->n_tokens - 1 &&
           !memcmp(r->encoded.ids, tokens + 1, r->encoded.n * sizeof *tokens) &&
           are_read_back(written, (const float(*)[3])xyz, (int32_t)split->n_groups);
}

static void check(struct run *r, const char *smiles, const cg_enriched_split *split,
                  const cg_program *p)
{
    size_t atoms = split->n_groups;
    size_t room = cg_enriched_bound(split) + 3 * atoms * (NUMBER_MAX + CG_MAX_MARK) +
                  strlen(r->s.format.begin) + strlen(r->s.format.end) + strlen(r->s.format.stop) +
                  1;
    cg_sequence seq = { .n_tokens = 1, .limit = p->max_tokens + 1 };
    const cg_sequence_text written = { r->s.automaton,
                                       r->token_numbers,
                                       &r->format->number,
                                       p,
                                       &seq,
                                       must_alloc((size_t)p->max_tokens + 1, sizeof(int32_t)),
                                       must_alloc(atoms, sizeof(cg_atom_mark)) };
    float(*xyz)[3] = must_alloc(atoms, sizeof *xyz);
    char *text = must_alloc(room, 1);

    if (!write_molecule(r, split, &written, text, xyz) && r->failures++ < SHOWN)
        printf("FAILED %s, %s: '%s'\n", r->s.name, smiles, text);
    free(text);
    free(xyz);
    free(written.marks);
    free(written.tokens);
}

/* Checks the canonical SMILES of a molecule, and the input of a generated one. */
static void check_item(struct run *r, const molecule *m)
{
    const char *const texts[] = { m->canonical, m->input };

    for (int i = 0; i < (m->odd && strcmp(m->input, m->canonical) ? 2 : 1); i++) {
        cg_enriched_split split = { 0 };
        cg_error err = CG_ERROR_INIT;
        cg_program *p;

        if (cg_enriched_split_smiles(texts[i], strlen(texts[i]), r->format, &split, NULL) != CG_OK)
            continue; /* ambiguous in brackets */
        p = subject_compile(&r->s, r->s.self, &split, &err);
        if (p) {
            check(r, texts[i], &split, p);
        } else {
            printf("FAILED %s, %s: %s\n", r->s.name, texts[i], err.msg);
            r->failures++;
        }
        r->s.ops->release(r->s.self, p);
        cg_enriched_split_finish(&split);
    }
}

/* @return failures */
static int32_t test(const char *plugin, const char *tokenizer, const char *format,
                    const molecule_set *set)
{
    struct run r = { .random = { 5 }, .encoded = CG_TOKENS_INIT };

    subject_open(&r.s, tokenizer, format, plugin, "grammar");
    r.format = &r.s.config.conformer;
    make_token_numbers(&r);
    for (int32_t i = 0; i < set->n; i++)
        check_item(&r, &set->items[i]);
    printf(
        "%s, %s: %lld texts of %lld numbers and %lld tokens; steps of a search: %.2f on average, "
        "%d at most; %d failures\n",
        r.s.name, r.format->name, (long long)r.texts, (long long)r.numbers, (long long)r.tokens,
        (double)r.steps / (double)(r.numbers ? r.numbers : 1), (int)r.max_steps, (int)r.failures);
    if (r.texts < set->n * 9 / 10) { /* some are ambiguous in a format */
        printf("FAILED %s: too few texts\n", r.s.name);
        r.failures++;
    }
    if (r.max_steps > MAX_STEPS) { /* far below the bound of a search */
        printf("FAILED %s: a search of %d steps\n", r.s.name, (int)r.max_steps);
        r.failures++;
    }
    cg_tokens_finish(&r.encoded);
    free(r.token_numbers);
    subject_close(&r.s);
    return r.failures;
}

int main(int argc, char **argv)
{
    int32_t molecules = MOLECULES, failures = 0, n_formats = 0;
    molecule_set set;

    for (int i = 2; i + 2 < argc; i += 2)
        if (!strcmp(argv[i], "--molecules"))
            molecules = (int32_t)strtol(argv[i + 1], NULL, 10);
    if (argc < 3 || argc % 2 == 0 || molecules < 1) {
        fprintf(stderr, "usage: %s PLUGIN.so [--molecules N] [--format NAME]... TOKENIZER\n",
                argv[0]);
        return 2;
    }
    molecule_set_init(&set, molecules, 2, NULL);
    for (int i = 2; i + 2 < argc; i += 2)
        if (!strcmp(argv[i], "--format")) {
            failures += test(argv[1], argv[argc - 1], argv[i + 1], &set);
            n_formats++;
        }
    if (!n_formats)
        failures += test(argv[1], argv[argc - 1], NULL, &set);
    molecule_set_finish(&set);
    return failures != 0;
}
