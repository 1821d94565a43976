/* SPDX-License-Identifier: MIT */
/*
 * Number paths through the automaton of the grammar plugin: for many molecules with random numbers
 * at every coordinate, the tokens are the canonical tokens of the text.
 *
 *     test_written PLUGIN.so TOKENIZER
 *
 * Status 0: the property holds; 1: the first counterexamples are printed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sequence/number_path.h"
#include "sequence/token_number.h"
#include "molecule_set.h"
#include "numbers.h"
#include "../unit/format_made.h"
#include "subject.h"

enum { MOLECULES = 1000, SHOWN = 20, THREADS = 32, MAX_STEPS = 64 };

struct run {
    subject s;
    odd_random random;
    cg_conformer_format format;
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

        r->token_numbers[i] = bytes ? cg_token_number_of(&r->format, bytes, len) : 0;
    }
}

/* Appends x, rounded; n_threads threads share the search. @return 1 if a path was found */
static int append_number(struct run *r, const cg_sequence_text *text, float x, int32_t n_threads)
{
    const cg_automaton *a = text->automaton;
    const float xyz[3] = { x, x, x };
    cg_number_path path;
    int result;

    if (!cg_number_path_begin(&path, text, xyz))
        return 0;
    do {
        int32_t least = INT32_MAX;

        for (int32_t t = 0; t < n_threads; t++) {
            int32_t mine = cg_number_path_find(&path, a, r->token_numbers, t, n_threads);

            least = mine < least ? mine : least;
        }
        result = cg_number_path_step(&path, a, r->token_numbers, least);
    } while (result == CG_NUMBER_PATH_RUNNING);
    r->numbers++;
    r->steps += path.n_steps;
    if (path.n_steps > r->max_steps)
        r->max_steps = path.n_steps;
    if (result == CG_NUMBER_PATH_FOUND)
        cg_number_path_append(&path, text);
    return result == CG_NUMBER_PATH_FOUND;
}

/* Builds the text and the tokens of a molecule. @return 1 if the tokens are canonical */
static int write_molecule(struct run *r, const cg_enriched_split *split, const cg_program *p,
                          int32_t *tokens, cg_atom_mark *marks, char *text)
{
    const cg_text_format *f = &r->s.format;
    cg_sequence seq = { .n_tokens = 1, .limit = p->max_tokens + 1 };
    const cg_sequence_text written = {
        r->s.automaton, r->token_numbers, &r->format.number, p, &seq, tokens, marks
    };
    char *at = stpcpy(text, f->begin);

    tokens[0] = p->forced_token[0]; /* any token can be the prompt */
    cg_sequence_begin(&seq, p, r->s.automaton, tokens, marks);
    for (int32_t i = 0; i < p->n_fields; i++) {
        const uint32_t *literal = split->literal_at + i / 3;
        char number[NUMBER_MAX];

        if (i % 3 == 0) {
            memcpy(at, split->text + literal[0], literal[1] - literal[0]);
            at += literal[1] - literal[0];
        } else {
            *at++ = ',';
        }
        if (odd_below(&r->random, 4))
            number_random(f, &r->random, number);
        else
            number_edge(f, (int)odd_below(&r->random, NUMBER_EDGES), number);
        at = stpcpy(at, number);
        *at = '\0';
        if (seq.done || seq.field != i ||
            !append_number(r, &written, strtof(number, NULL), i % 7 ? 1 : THREADS))
            return 0;
    }
    memcpy(at, split->text + split->literal_at[split->n_atoms],
           split->literal_at[split->n_atoms + 1] - split->literal_at[split->n_atoms]);
    at += split->literal_at[split->n_atoms + 1] - split->literal_at[split->n_atoms];
    at = stpcpy(at, f->end);
    at = stpcpy(at, f->stop);
    r->texts++;
    r->tokens += seq.n_tokens - 1;
    return seq.done == CG_SEQUENCE_COMPLETE &&
           cg_tokenizer_encode(r->s.tokenizer, NULL, text, (size_t)(at - text), CG_ENCODE_SPANS,
                               &r->encoded, NULL) == CG_OK &&
           r->encoded.n == (size_t)seq.n_tokens - 1 &&
           !memcmp(r->encoded.ids, tokens + 1, r->encoded.n * sizeof *tokens);
}

static void check(struct run *r, const char *smiles, const cg_enriched_split *split,
                  const cg_program *p)
{
    size_t atoms = split->n_atoms;
    size_t room = cg_enriched_bound(split) + 3 * atoms * NUMBER_MAX + strlen(r->s.format.begin) +
                  strlen(r->s.format.end) + strlen(r->s.format.stop) + 1;
    int32_t *tokens = must_alloc((size_t)p->max_tokens + 1, sizeof *tokens);
    cg_atom_mark *marks = must_alloc(atoms, sizeof *marks);
    char *text = must_alloc(room, 1);

    if (!write_molecule(r, split, p, tokens, marks, text) && r->failures++ < SHOWN)
        printf("FAILED %s, %s: '%s'\n", r->s.name, smiles, text);
    free(text);
    free(marks);
    free(tokens);
}

/* Checks the canonical SMILES of a molecule, and the input of a generated one. */
static void check_item(struct run *r, const molecule *m)
{
    const char *const texts[] = { m->canonical, m->input };

    for (int i = 0; i < (m->odd && strcmp(m->input, m->canonical) ? 2 : 1); i++) {
        cg_enriched_split split = { 0 };
        cg_error err = CG_ERROR_INIT;
        cg_program *p;

        if (cg_enriched_split_smiles(texts[i], strlen(texts[i]), format_of_decimals(4, 2), &split,
                                     NULL) != CG_OK)
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

int main(int argc, char **argv)
{
    struct run r = { .random = { 5 }, .encoded = CG_TOKENS_INIT };
    molecule_set set;

    if (argc != 3) {
        fprintf(stderr, "usage: %s PLUGIN.so TOKENIZER\n", argv[0]);
        return 2;
    }
    subject_open(&r.s, argv[2], NULL, argv[1], "grammar");
    if (cg_conformer_format_named("molgen-v3", &r.format, NULL) != CG_OK)
        return 2;
    r.format.number.decimals = r.s.format.decimals;
    r.format.number.max_integer_digits = r.s.format.max_integer_digits;
    make_token_numbers(&r);
    molecule_set_init(&set, MOLECULES, 2, NULL);
    for (int32_t i = 0; i < set.n; i++)
        check_item(&r, &set.items[i]);
    printf("%s: %lld texts of %lld numbers and %lld tokens; steps of a search: %.2f on average, %d "
           "at most; %d failures\n",
           r.s.name, (long long)r.texts, (long long)r.numbers, (long long)r.tokens,
           (double)r.steps / (double)(r.numbers ? r.numbers : 1), (int)r.max_steps,
           (int)r.failures);
    if (r.texts < MOLECULES) {
        printf("FAILED %s: too few texts\n", r.s.name);
        r.failures++;
    }
    if (r.max_steps > MAX_STEPS) { /* far below the bound of a search */
        printf("FAILED %s: a search of %d steps\n", r.s.name, (int)r.max_steps);
        r.failures++;
    }
    molecule_set_finish(&set);
    cg_tokens_finish(&r.encoded);
    free(r.token_numbers);
    subject_close(&r.s);
    return r.failures != 0;
}
