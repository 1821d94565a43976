/* SPDX-License-Identifier: MIT */
/*
 * The constraint compilers. The first byte selects tokenizer and constraint, the second the text
 * format, the third the numbers of a walk; the rest is a SMILES, of which only the grammar is
 * checked, so that its literals are stranger than those of molecules.
 *
 * A program is well-formed. Any walk through the automaton of `grammar` ends within max_tokens, its
 * text is this molecule with numbers in the format, and its tokens are the canonical ones.
 */
#include "sequence/automaton.h"
#include "properties/subject.h"
#include "properties/tables_check.h"

#include "../unit/format_made.h"
#include "fuzz.h"

enum {
    TOKENIZERS = 2,
    CONSTRAINTS = 3,
    DECIMALS = 16, /* formats: 1 to 4 decimals, 1 to 4 digits before the point */
    OTHERS = 8,
    RENEW = 5000, /* programs, before the tables of an instance are made again */
};

static const char *const tokenizers[TOKENIZERS] = { "default", "llama3" };
static const char *const names[CONSTRAINTS] = { "grammar", "none", "template" };
static const char *const plugins[CONSTRAINTS] = { FUZZ_GRAMMAR, FUZZ_NONE, FUZZ_TEMPLATE };
static const char *const others[OTHERS] = {
    "molgen-v1",
    "molgen-v2",
    "molgen-binned-21",
    "molgen-binned-258",
    "{\"layout\": \"smiles\", \"between\": \"|\", \"numbers\": {\"strip_zeros\": true}}",
    "{\"numbers\": {\"kind\": \"integer\", \"per_angstrom\": 10, \"max_integer_digits\": 3}}",
    "{\"atoms\": \"bare\", \"numbers\": {\"strip_zeros\": true, \"decimals\": 2}}",
    "molgen-fsq", /* with codes as added tokens */
};
enum { CODES = OTHERS - 1 };

/* An instance with a format. */
struct instance {
    void *self; /* NULL: not made yet, or refused */
    int is_refused;
    cg_conformer_format conformer;
    cg_number_list numbers;
    cg_text_format format;
    tables_facts facts;
    int n_programs;
};

static subject subjects[2][TOKENIZERS][CONSTRAINTS]; /* [1]: codes are added tokens */
static struct instance instances[TOKENIZERS][CONSTRAINTS][DECIMALS + OTHERS];

static subject *get_subject(int tokenizer, int constraint, int format)
{
    int has_codes = constraint == 0 && format == DECIMALS + CODES;
    subject *s = &subjects[has_codes][tokenizer][constraint];
    char name[32];

    if (!s->ops) {
        setenv("CONFGEN_SOURCE_ROOT", FUZZ_SOURCE_ROOT, 1);
        snprintf(name, sizeof name, "%s%s", tokenizers[tokenizer], has_codes ? "+numbers" : "");
        subject_open(s, name, has_codes ? others[CODES] : NULL, plugins[constraint],
                     names[constraint]);
    }
    return s;
}

static void set_format(struct instance *x, int format)
{
    cg_error err = CG_ERROR_INIT;

    if (format < DECIMALS)
        x->conformer = *format_of_decimals(1 + format % 4, 1 + format / 4);
    else
        subject_read_format(others[format - DECIMALS], &x->conformer);
    require_ok(cg_number_list_create(&x->conformer, &x->numbers, &err), &err);
}

/* NULL if the constraint refuses the format, e.g. because of the tokenizer's splitting. */
static struct instance *get_instance(subject *s, struct instance *x)
{
    cg_error err = CG_ERROR_INIT;
    cg_status st;

    if (x->is_refused || (x->self && x->n_programs++ < RENEW))
        return x->is_refused ? NULL : x;
    s->ops->destroy(x->self);
    tables_facts_finish(&x->facts);
    x->self = NULL;
    x->n_programs = 0;
    x->format = s->format;
    cg_text_format_set_numbers(&x->format, &x->conformer, &x->numbers);
    st = s->ops->create(&s->host.host, &s->vocabulary.vocabulary, &x->format, &x->self, &err);
    if (st != CG_OK) {
        require_refusal(st, &err);
        x->is_refused = 1;
        return NULL;
    }
    x->facts.automaton = s->ops->automaton(x->self);
    x->facts.vocabulary = &s->vocabulary.vocabulary;
    return x;
}

/* The text of a complete walk: the molecule with its numbers, in the canonical tokens. */
static void check_text(const subject *s, const struct instance *x, const cg_enriched_split *split,
                       const int32_t *ids, size_t n)
{
    const cg_text_format *f = &x->format;
    size_t begin = strlen(f->begin), end = strlen(f->end) + strlen(f->stop), len = 0;
    double(*xyz)[3] = must_alloc(split->n_atoms, sizeof *xyz);
    int32_t *codes = must_alloc(split->n_groups, sizeof *codes);
    cg_tokens tokens = CG_TOKENS_INIT;
    cg_error err = CG_ERROR_INIT;
    char *text = NULL;

    require_ok(cg_tokenizer_decode(s->tokenizer, ids, n, 0, &text, &len, &err), &err);
    require(len > begin + end && !memcmp(text, f->begin, begin));
    require(!memcmp(text + len - end, f->end, strlen(f->end)));
    require(!strcmp(text + len - strlen(f->stop), f->stop));
    require_ok(
        x->conformer.number.kind == CG_NUMBER_CODE
            ? cg_enriched_read_codes(split, &x->conformer, text + begin, len - begin - end, codes,
                                     &err)
            : cg_enriched_read(split, &x->conformer, text + begin, len - begin - end, xyz, &err),
        &err);
    require_ok(cg_tokenizer_encode(s->tokenizer, NULL, text, len, 0, &tokens, &err), &err);
    require(tokens.n == n && !memcmp(tokens.ids, ids, n * sizeof *ids));
    cg_tokens_finish(&tokens);
    free(text);
    free(xyz);
    free(codes);
}

static void walk(const subject *s, const struct instance *x, const cg_program *p,
                 const cg_enriched_split *split, uint32_t random)
{
    const cg_automaton *a = x->facts.automaton;
    int32_t *tokens = must_alloc((size_t)p->max_tokens, sizeof *tokens);
    cg_atom_mark *marks = must_alloc(split->n_groups, sizeof *marks);
    cg_sequence seq = { .limit = p->max_tokens };

    cg_sequence_begin(&seq, p, a, tokens, marks);
    while (!seq.done) {
        int32_t from = a->row[seq.state], n = a->row[seq.state + 1] - from;

        random = random * 1664525 + 1013904223; /* Numerical Recipes */
        cg_sequence_advance(&seq, p, a, from + (int32_t)((random >> 8) % (uint32_t)n), tokens,
                            marks);
    }
    require(seq.done == CG_SEQUENCE_COMPLETE && seq.n_tokens <= p->max_tokens);
    check_text(s, x, split, tokens, (size_t)seq.n_tokens);
    free(tokens);
    free(marks);
}

/* What holds for programs of every constraint. */
static void check_ranges(const subject *s, const cg_program *p)
{
    require(p->n_fields >= 0 && p->max_tokens >= 1 && p->n_states >= 0);
    require(p->forced_start[0] == 0);
    for (int32_t i = 0; i <= p->n_fields; i++)
        require(p->forced_start[i] <= p->forced_start[i + 1]);
    for (int32_t i = 0; i < p->forced_start[p->n_fields + 1]; i++)
        require(p->forced_token[i] >= 0 && p->forced_token[i] < s->vocabulary.vocabulary.n_tokens);
    for (int32_t i = 0; i < p->n_fields; i++)
        require(p->entry[i] >= 0 && p->entry[i] < p->n_states);
}

static void check_program(const subject *s, struct instance *x, const cg_enriched_split *split,
                          int is_grammar, uint32_t random)
{
    cg_error err = CG_ERROR_INIT;
    cg_program *p = subject_compile(s, x->self, split, &err);

    if (!p) {
        require_refusal(err.code, &err);
        return;
    }
    check_ranges(s, p);
    if (is_grammar) {
        require(tables_learn(&x->facts, p, (int32_t)split->n_groups));
        walk(s, x, p, split, random);
    }
    s->ops->release(x->self, p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cg_error err = CG_ERROR_INIT;
    cg_enriched_split split = { 0 };
    int tokenizer, constraint, format;
    struct instance *x;

    if (size < 3)
        return -1;
    tokenizer = data[0] % TOKENIZERS;
    constraint = data[0] / TOKENIZERS % 8 % CONSTRAINTS;
    format = data[1] % (DECIMALS + OTHERS);
    x = &instances[tokenizer][constraint][format];
    if (!x->conformer.name[0])
        set_format(x, format);
    if (cg_enriched_split_smiles((const char *)data + 3, size - 3, &x->conformer, &split, &err) ==
        CG_OK) {
        subject *s = get_subject(tokenizer, constraint, format);

        x = get_instance(s, x);
        if (x)
            check_program(s, x, &split, constraint == 0, data[2]);
    }
    cg_enriched_split_finish(&split);
    return 0;
}
