/* SPDX-License-Identifier: MIT */
/*
 * The constraint compilers. The first byte selects tokenizer and constraint, the second the number
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
    DECIMALS = 4, /* 1 to 4 */
    DIGITS = 4,   /* before the point, 1 to 4 */
    RENEW = 5000, /* programs, before the tables of an instance are made again */
};

static const char *const tokenizers[TOKENIZERS] = { "default", "llama3" };
static const char *const names[CONSTRAINTS] = { "grammar", "none", "template" };
static const char *const plugins[CONSTRAINTS] = { FUZZ_GRAMMAR, FUZZ_NONE, FUZZ_TEMPLATE };

/* An instance with a number format. */
struct instance {
    void *self; /* NULL: not made yet, or refused */
    int is_refused;
    cg_text_format format;
    tables_facts facts;
    int n_programs;
};

static subject subjects[TOKENIZERS][CONSTRAINTS];
static struct instance instances[TOKENIZERS][CONSTRAINTS][DECIMALS][DIGITS];

static subject *get_subject(int tokenizer, int constraint)
{
    subject *s = &subjects[tokenizer][constraint];

    if (!s->ops) {
        setenv("CONFGEN_SOURCE_ROOT", FUZZ_SOURCE_ROOT, 1);
        subject_open(s, tokenizers[tokenizer], NULL, plugins[constraint], names[constraint]);
    }
    return s;
}

/* NULL if the constraint refuses the format, e.g. because of the tokenizer's splitting. */
static struct instance *get_instance(subject *s, struct instance *x, int decimals, int digits)
{
    cg_error err = CG_ERROR_INIT;
    cg_status st;

    if (x->is_refused || (x->self && x->n_programs++ < RENEW))
        return x->is_refused ? NULL : x;
    s->ops->destroy(x->self);
    tables_facts_finish(&x->facts);
    *x = (struct instance) { .format = s->format };
    x->format.decimals = decimals;
    x->format.max_integer_digits = digits;
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
static void check_text(const subject *s, const cg_text_format *f, const cg_enriched_split *split,
                       const int32_t *ids, size_t n)
{
    size_t begin = strlen(f->begin), end = strlen(f->end) + strlen(f->stop), len = 0;
    double(*xyz)[3] = must_alloc(split->n_atoms, sizeof *xyz);
    cg_tokens tokens = CG_TOKENS_INIT;
    cg_error err = CG_ERROR_INIT;
    char *text = NULL;

    require_ok(cg_tokenizer_decode(s->tokenizer, ids, n, 0, &text, &len, &err), &err);
    require(len > begin + end && !memcmp(text, f->begin, begin));
    require(!memcmp(text + len - end, f->end, strlen(f->end)));
    require(!strcmp(text + len - strlen(f->stop), f->stop));
    require_ok(cg_enriched_read(split, format_of_decimals(f->decimals, f->max_integer_digits),
                                text + begin, len - begin - end, xyz, &err),
               &err);
    require_ok(cg_tokenizer_encode(s->tokenizer, NULL, text, len, 0, &tokens, &err), &err);
    require(tokens.n == n && !memcmp(tokens.ids, ids, n * sizeof *ids));
    cg_tokens_finish(&tokens);
    free(text);
    free(xyz);
}

static void walk(const subject *s, const struct instance *x, const cg_program *p,
                 const cg_enriched_split *split, uint32_t random)
{
    const cg_automaton *a = x->facts.automaton;
    int32_t *tokens = must_alloc((size_t)p->max_tokens, sizeof *tokens);
    cg_atom_mark *marks = must_alloc(split->n_atoms, sizeof *marks);
    cg_sequence seq = { .limit = p->max_tokens };

    cg_sequence_begin(&seq, p, a, tokens, marks);
    while (!seq.done) {
        int32_t from = a->row[seq.state], n = a->row[seq.state + 1] - from;

        random = random * 1664525 + 1013904223; /* Numerical Recipes */
        cg_sequence_advance(&seq, p, a, from + (int32_t)((random >> 8) % (uint32_t)n), tokens,
                            marks);
    }
    require(seq.done == CG_SEQUENCE_COMPLETE && seq.n_tokens <= p->max_tokens);
    check_text(s, &x->format, split, tokens, (size_t)seq.n_tokens);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cg_error err = CG_ERROR_INIT;
    cg_enriched_split split = { 0 };
    struct instance *x;
    cg_program *p;
    subject *s;
    int tokenizer, constraint, decimals, digits;

    if (size < 3 || cg_enriched_split_smiles((const char *)data + 3, size - 3,
                                             format_of_decimals(4, 2), &split, &err) != CG_OK)
        return size < 3 ? -1 : 0;
    tokenizer = data[0] % TOKENIZERS;
    constraint = data[0] / TOKENIZERS % 8 % CONSTRAINTS;
    decimals = data[1] % DECIMALS;
    digits = data[1] / DECIMALS % DIGITS;
    s = get_subject(tokenizer, constraint);
    x = get_instance(s, &instances[tokenizer][constraint][decimals][digits], decimals + 1,
                     digits + 1);
    p = x ? subject_compile(s, x->self, &split, &err) : NULL;
    if (x && !p) {
        require_refusal(err.code, &err);
    } else if (x) {
        check_ranges(s, p);
        if (constraint == 0) {
            require(tables_learn(&x->facts, p));
            require(tables_check_program(&x->facts, p, (int32_t)split.n_atoms));
            walk(s, x, p, &split, data[2]);
        }
        s->ops->release(x->self, p);
    }
    cg_enriched_split_finish(&split);
    return 0;
}
