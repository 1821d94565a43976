/* SPDX-License-Identifier: MIT */
/*
 * The constraints `none` and `template` conform to their descriptions, for one or more tokenizers.
 *
 *     test_baselines NONE.so TEMPLATE.so TOKENIZER...
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sequence/automaton.h"
#include "molecule_set.h"
#include "subject.h"
#include "tables_check.h"

enum { MOLECULES = 150, MAX_TEXT = 1 << 17, BOUND = 500 };

static const char placeholder[] = "0.000,0.000,0.000";
static const char real_triple[] = "-1.2345,0.1234,-2.3456"; /* a typical one, with 4 decimals */

/* Number of tokens within `<...>`. In Llama-3 tokens the first sign belongs to the bracket. */
static const struct {
    const char *tokenizer;
    int32_t n_placeholder, n_real;
} expected[] = { { "default", 6, 9 }, { "llama3", 11, 14 }, { "qwen3", 17, 21 } };

static int32_t failures;

static int expect(int ok, const subject *s, const char *smiles, const char *format, ...)
    CG_PRINTF(4, 5);

static int expect(int ok, const subject *s, const char *smiles, const char *format, ...)
{
    va_list ap;

    if (ok)
        return 1;
    if (failures++ < 20) {
        printf("FAILED %s, %s: ", s->name, smiles);
        va_start(ap, format);
        vprintf(format, ap);
        va_end(ap);
        printf("\n");
    }
    return 0;
}

static cg_tokens encode(const subject *s, const char *text)
{
    cg_tokens tokens = CG_TOKENS_INIT;
    cg_error err = CG_ERROR_INIT;

    expect(cg_tokenizer_encode(s->tokenizer, NULL, text, strlen(text), CG_ENCODE_SPANS, &tokens,
                               &err) == CG_OK,
           s, text, "%s", err.msg);
    return tokens;
}

/* Counts the tokens of `inside` in "[C]<inside>". */
static int32_t count_inside(const subject *s, const char *inside)
{
    uint32_t begin = (uint32_t)strlen("[C]<"), end = begin + (uint32_t)strlen(inside);
    char text[64];
    cg_tokens tokens;
    int32_t n = 0;

    snprintf(text, sizeof text, "[C]<%s>", inside);
    tokens = encode(s, text);
    for (size_t i = 0; i < tokens.n; i++)
        n += tokens.spans[i].start >= begin && tokens.spans[i].end <= end;
    cg_tokens_finish(&tokens);
    return n;
}

/* Returns the text of a molecule with `triple` as the coordinates of every atom. */
static char *write_text(const subject *s, const cg_enriched_split *split, const char *triple)
{
    char *text = must_alloc(MAX_TEXT, 1), *at = stpcpy(text, s->format.begin);

    for (size_t a = 0; a <= split->n_atoms; a++) {
        size_t len = split->literal_at[a + 1] - split->literal_at[a];

        memcpy(at, split->text + split->literal_at[a], len);
        at = stpcpy(at + len, a < split->n_atoms ? triple : "");
    }
    strcpy(stpcpy(at, s->format.end), s->format.stop);
    return text;
}

/* Generates a sequence by a random walk; tokens [p->max_tokens]. */
static cg_sequence walk(const subject *s, const cg_program *p, odd_random *random, int32_t *tokens)
{
    cg_sequence seq = { .limit = p->max_tokens };

    cg_sequence_begin(&seq, p, s->automaton, tokens, NULL);
    while (!seq.done) {
        int32_t from = s->automaton->row[seq.state], to = s->automaton->row[seq.state + 1];

        cg_sequence_advance(&seq, p, s->automaton,
                            from + (int32_t)odd_below(random, (uint32_t)(to - from)), tokens, NULL);
    }
    return seq;
}

/* ---- template ------------------------------------------------------------------------------- */

/* The tokens of the placeholders are free, all others are forced. */
static void check_template(const subject *s, const char *smiles, const cg_enriched_split *split,
                           const cg_program *p, tables_facts *facts, odd_random *random,
                           int32_t n_free)
{
    char *text = write_text(s, split, placeholder), *decoded = NULL;
    cg_tokens want = encode(s, text);
    int32_t *tokens = must_alloc((size_t)p->max_tokens + 1, sizeof *tokens), at = 0;
    cg_sequence seq;
    size_t len = 0;

    if (!expect(p->fields_per_atom == 1 && tables_learn(facts, p, (int32_t)split->n_atoms), s,
                smiles, "%s", facts->text) ||
        !expect(p->max_tokens == (int32_t)want.n, s, smiles,
                "%d tokens, the text with placeholders has %zu", p->max_tokens, want.n))
        goto out;
    for (int32_t f = 0; f <= p->n_fields; f++) {
        int32_t n = p->forced_start[f + 1] - p->forced_start[f];

        expect(!memcmp(want.ids + at, p->forced_token + p->forced_start[f],
                       (size_t)n * sizeof(int32_t)),
               s, smiles, "wrong forced tokens before atom %d", f);
        at += n;
        if (f < p->n_fields) {
            int32_t entry = p->entry[f];

            expect(facts->form.longest[entry] == n_free && facts->shortest[entry] == n_free, s,
                   smiles, "%d to %d free tokens, wanted %d", facts->shortest[entry],
                   facts->form.longest[entry], n_free);
            at += n_free;
        }
    }
    seq = walk(s, p, random, tokens);
    expect(seq.done == CG_SEQUENCE_COMPLETE && seq.n_tokens == p->max_tokens, s, smiles,
           "a walk of %d tokens ended as %d", seq.n_tokens, seq.done);
    for (int32_t f = 0, i = 0; f < p->n_fields; f++) {
        i = f ? i + n_free + p->forced_start[f + 1] - p->forced_start[f] : p->forced_start[1];
        free(decoded);
        decoded = NULL;
        cg_tokenizer_decode(s->tokenizer, tokens + i, (size_t)n_free, 0, &decoded, &len, NULL);
        expect(decoded && strspn(decoded, "0123456789.,-") == len, s, smiles, "'%s' is free text",
               decoded ? decoded : "");
    }
out:
    free(decoded);
    free(tokens);
    free(text);
    cg_tokens_finish(&want);
}

/* ---- none ----------------------------------------------------------------------------------- */

static int is_stop(const subject *s, int32_t id)
{
    return id == s->more_stop ||
           id == cg_tokenizer_token_id(s->tokenizer, s->format.stop, strlen(s->format.stop));
}

static void check_any_token(const subject *s, const cg_program *p)
{
    const cg_automaton *a = s->automaton;
    int32_t n = 0;

    if (!expect(p->n_states == 1 && p->n_fields == 1 && p->fields_per_atom == 0 &&
                    p->entry[0] == 0 && p->n_head_rows == p->n_transitions,
                s, "none", "%d states, %d fields, %d head rows", p->n_states, p->n_fields,
                p->n_head_rows))
        return;
    for (int32_t id = 0; id < cg_tokenizer_vocab_size(s->tokenizer); id++) {
        const char *bytes;
        size_t len;

        if (cg_tokenizer_token_bytes(s->tokenizer, id, &bytes, &len) != CG_OK)
            continue;
        expect(n < p->n_transitions && a->token[n] == id &&
                   a->next[n] == (is_stop(s, id) ? CG_EXIT : 0) &&
                   a->head_token[a->head_row[n]] == id,
               s, "none", "token %d is not allowed as expected", id);
        n++;
    }
    expect(n == p->n_transitions, s, "none", "%d tokens are allowed, %d exist", p->n_transitions,
           n);
}

static void check_none(const subject *s, const char *smiles, const cg_program *p,
                       odd_random *random)
{
    cg_tokens begin = encode(s, s->format.begin);
    int32_t *tokens = must_alloc((size_t)p->max_tokens + 1, sizeof *tokens);
    cg_sequence seq = walk(s, p, random, tokens);

    expect(p->forced_start[1] == (int32_t)begin.n && p->forced_start[2] == (int32_t)begin.n &&
               !memcmp(p->forced_token, begin.ids, begin.n * sizeof *begin.ids),
           s, smiles, "%d forced tokens, the begin tag has %zu", p->forced_start[2], begin.n);
    expect(p->max_tokens == s->format.max_new_tokens + (int32_t)begin.n, s, smiles,
           "max_tokens is %d", p->max_tokens);
    for (int32_t i = (int32_t)begin.n; i < seq.n_tokens; i++)
        expect(!is_stop(s, tokens[i]) ||
                   (i + 1 == seq.n_tokens && seq.done == CG_SEQUENCE_COMPLETE),
               s, smiles, "continues after the stop token");
    expect(seq.done == (is_stop(s, tokens[seq.n_tokens - 1]) ? CG_SEQUENCE_COMPLETE
                                                             : CG_SEQUENCE_UNFINISHED),
           s, smiles, "a walk of %d tokens ended as %d", seq.n_tokens, seq.done);
    free(tokens);
    cg_tokens_finish(&begin);
}

/* ---- both ----------------------------------------------------------------------------------- */

static void test(const char *name, const char *plugin, const char *constraint,
                 const molecule_set *set)
{
    tables_facts facts = { 0 };
    odd_random random = { 7 };
    int none = !strcmp(constraint, "none");
    int32_t n_free = 0, n_real = 0;
    subject s;

    subject_open(&s, name, NULL, plugin, constraint);
    facts.automaton = s.automaton;
    facts.vocabulary = &s.vocabulary.vocabulary;
    if (none) { /* the format is borrowed: this bounds programs that are compiled from now on */
        s.format.max_new_tokens = BOUND;
    } else {
        n_free = count_inside(&s, placeholder);
        n_real = count_inside(&s, real_triple);
        for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
            if (!strcmp(expected[i].tokenizer, name))
                expect(n_free == expected[i].n_placeholder && n_real == expected[i].n_real, &s,
                       "template",
                       "%d tokens in a placeholder and %d in a real triple, wanted %d and %d",
                       n_free, n_real, expected[i].n_placeholder, expected[i].n_real);
        printf("%s: %d free tokens per triple, %s has %d\n", name, n_free, real_triple, n_real);
    }
    for (int32_t i = 0; i < set->n; i++) {
        const molecule *m = &set->items[i];
        cg_molecule_template t = { 0 };
        cg_error err = CG_ERROR_INIT;

        if (!expect(cg_molecule_template_build(&s.builder, m->input, strlen(m->input), &t, &err) ==
                        CG_OK,
                    &s, m->canonical, "%s", err.msg))
            continue;
        if (none && i == 0)
            check_any_token(&s, t.program);
        if (none)
            check_none(&s, m->canonical, t.program, &random);
        else
            check_template(&s, m->canonical, &t.split, t.program, &facts, &random, n_free);
        cg_molecule_template_finish(&t);
    }
    tables_facts_finish(&facts);
    subject_close(&s);
}

int main(int argc, char **argv)
{
    molecule_set set;

    if (argc < 4) {
        fprintf(stderr, "usage: %s NONE.so TEMPLATE.so TOKENIZER...\n", argv[0]);
        return 2;
    }
    molecule_set_init(&set, MOLECULES, 3, NULL);
    for (int i = 3; i < argc; i++) {
        test(argv[i], argv[1], "none", &set);
        test(argv[i], argv[2], "template", &set);
    }
    molecule_set_finish(&set);
    printf("%d molecules, %d tokenizers, %d failures\n", MOLECULES, argc - 3, failures);
    return failures != 0;
}
