/* SPDX-License-Identifier: MIT */
/**
 * @file grammar.h  State of the grammar constraint, shared by its source files.
 *
 * grammar accepts exactly the text of a molecule with one number per coordinate, each number in
 * exactly the tokens that the tokenizer makes of it. The tables rest on one property of the
 * tokenizer. A pre-tokenizer splits a text at boundaries that no token crosses, added tokens do the
 * same, and there is such a boundary after every number whatever its digits. If the number is a
 * decimal, there is another one between the point and the decimals. (All are verified for every
 * compiled text; a tokenizer without them is refused.) So a text consists of parts that are
 * tokenized independently:
 *
 *   decimals | literal sign integer '.' | decimals | literal sign integer '.' | decimals | ...
 *
 * where a literal is the text between two numbers: the separator "," or ">[O]<" and the like. Of
 * numbers that are a list of texts all is head, and nothing is decimals.
 *
 *  - decimals: all of them are tokenized once and become states. After "-0." they must not be all
 *    zero: that is a second entry state. (numbers.c)
 *  - literal and head: only the last pre-token of the literal can merge with the number ("]<-" is
 *    one pre-token for some tokenizers, ",-12." for others). The pre-tokens before it are the same
 *    for every number: forced tokens. The last one, the *tail*, is tokenized with every head, and
 *    becomes states that lead to those of the decimals. (literals.c)
 *
 * There are few tails and few distinct literals. Both are cached, so most molecules need no
 * tokenization at all.
 *
 * Where the tokens of one number can be the first tokens of another ("1.2" and "1.21", "12" and
 * "123"), only the next token shows that a number is complete. Then a field is all of an atom:
 *
 *   tail number separator number separator number closing token
 *
 * where the closing token is the first token of the literal behind the atom, and the states after a
 * number, called *continuation*, are merged with those that continue the number. They are built
 * from right to left, once for every closing token.
 *
 * Functions that need the lock end in _locked, except that create() calls them before the object is
 * shared.
 */
#ifndef GRAMMAR_H
#define GRAMMAR_H

#include <pthread.h>

#include <confgen/constraint.h>

#include "../common/automaton_builder.h"
#include "../common/compile_checks.h"

enum {
    GRAMMAR_MAX_NUMBER = CG_MAX_LISTED_NUMBER + 1, /* bytes of a number, with NUL */
    GRAMMAR_MAX_HEAD = 16,                         /* bytes of sign, integer and point, with NUL */
    GRAMMAR_MAX_LITERAL = 4096,                    /* bytes of one literal */
    GRAMMAR_MAX_SHAPES = 64,
    GRAMMAR_LITERAL_BUCKETS = 1 << 14,
};

/** Token sequences, one after the other. */
struct token_paths {
    int32_t n, cap, cap_tokens;
    int32_t *end; /* [n] offset into token behind each sequence */
    int32_t *token;
};

/** Returns sequence i; *ret_n tokens. */
static inline const int32_t *grammar_path(const struct token_paths *paths, int32_t i,
                                          int32_t *ret_n)
{
    int32_t start = i ? paths->end[i - 1] : 0;

    *ret_n = paths->end[i] - start;
    return paths->token + start;
}

/** What follows the head of a number. */
enum rest { REST_NONE, REST_DECIMALS, REST_NONZERO_DECIMALS };

/** The start of a number: optional sign, integer, point; or all of a number without decimals. */
struct number_head {
    const char *text;
    uint32_t len;
    enum rest rest;
};

/** The last pre-token of a literal, tokenized with every head. */
struct tail {
    struct tail *link; /* next of its list */
    uint32_t hash, len;
    struct token_paths paths; /* [heads] */
    char text[];              /* [len + 1] */
};

/** A state that accepts a tail, a number and a continuation. */
struct tail_state {
    struct tail_state *link;
    const struct tail *tail;
    int32_t skip; /* tokens of the tail that precede the state: 0 or 1 */
    int32_t state;
};

/** What may follow a number, and the states before it. */
struct continuation {
    int32_t next; /* state after the number or CG_EXIT */
    int32_t any_decimals, nonzero_decimals;
    struct tail_state *entries; /* cache */
};

/** A closing token and what it continues: the states of an atom before it. */
struct closing {
    struct closing *link; /* next of its list */
    int32_t token;
    struct continuation first_number; /* the rest of the atom */
};

/** Position of a literal: after the begin text, between the numbers of an atom, between two atoms,
 * before the end text. */
enum literal_kind { LITERAL_FIRST, LITERAL_SEPARATOR, LITERAL_INNER, LITERAL_LAST };

/** A compiled literal: closing token, forced tokens, then the tail. */
struct literal {
    struct literal *link; /* next of its list */
    enum literal_kind kind;
    uint32_t hash, len;
    struct closing *closing; /* behind an atom, if fields are atoms; or NULL */
    const struct tail *tail; /* NULL for the last literal */
    int32_t skip;            /* 1: the closing token is the first one of the tail */
    int32_t entry; /* state before the tail; CG_EXIT for the last, or if fields are atoms */
    int32_t n_forced;
    int32_t *forced; /* [n_forced], in the same allocation, as is `text` */
    char *text;      /* [len + 1] */
};

struct grammar {
    const cg_host *host;
    const cg_vocabulary *vocab;
    const cg_text_format *format;
    cg_constraint_numbers numbers; /* of the format */
    pthread_mutex_t lock;          /* guards all members below */
    cg_automaton_builder tables;
    struct number_head *heads; /* [n_heads] */
    int32_t n_heads;
    char (*head_texts)[GRAMMAR_MAX_HEAD]; /* of decimals; others are the format's */
    int32_t shape[GRAMMAR_MAX_SHAPES];    /* [n_shapes] a head of every shape */
    int32_t n_shapes;
    struct token_paths decimals; /* the first one is zero, unless zeros are stripped */
    char *after_number;          /* what may follow a number, e.g. ",0.0001" */
    int32_t fields_are_atoms;
    struct continuation exit; /* of fields that are numbers */
    struct closing *closings; /* cache */
    struct literal *separator;
    struct literal *literals[GRAMMAR_LITERAL_BUCKETS]; /* cache, a hash table */
    struct tail *tails;                                /* cache */
    struct literal *uncached;                          /* of the molecule being compiled */
    size_t cached_bytes;
    int32_t *ids; /* [capacity] results of encode(), as are the next two */
    cg_range *ranges;
    uint32_t *ends;
    int32_t capacity;
};

static inline cg_status grammar_nomem(const struct grammar *g, cg_error *err)
{
    return g->host->fail(err, CG_ERR_NOMEM, "grammar: out of memory");
}

/* ---- tokenize.c ---- */

/**
 * Encodes `text` and returns the tokens of its bytes [begin, end) in
 * g->ids[*ret_first .. + *ret_n]. CG_ERR_UNSUPPORTED if begin or end is inside of a token.
 */
cg_status grammar_encode_range(struct grammar *g, const char *text, uint32_t len, uint32_t begin,
                               uint32_t end, int32_t *ret_first, int32_t *ret_n, cg_error *err);

/** Is `at` one of the ascending boundaries ends[0, n), or 0? */
int grammar_is_boundary(const uint32_t *ends, int32_t n, uint32_t at);

/**
 * Splits a text as the tokenizer does before it merges: writes the boundaries of added tokens and
 * of the pre-tokens between them to g->ends[0, *ret_n). CG_ERR_UNSUPPORTED unless `a` and `b` are
 * boundaries.
 */
cg_status grammar_split(struct grammar *g, const char *text, uint32_t len, uint32_t a, uint32_t b,
                        int32_t *ret_n, cg_error *err);

/** Appends a token sequence. */
cg_status grammar_add_path(struct grammar *g, struct token_paths *paths, const int32_t *token,
                           int32_t n, cg_error *err);
void grammar_paths_finish(const struct grammar *g, struct token_paths *paths);

/* ---- numbers.c ---- */

/** Fills heads, shapes and decimals. */
cg_status grammar_compile_numbers(struct grammar *g, cg_error *err);

/**
 * Number k of a series that has numbers of every shape: head i with some decimals.
 *
 * @param ret_text  [GRAMMAR_MAX_NUMBER] the number, terminated
 * @param ret_rest  tokens of its decimals, *ret_n of them
 * @return its length
 */
uint32_t grammar_sample(const struct grammar *g, int32_t head, int32_t k, char *ret_text,
                        const int32_t **ret_rest, int32_t *ret_n);

/** Makes the states of the decimals before c->next. */
cg_status grammar_continue(struct grammar *g, struct continuation *c, cg_error *err);
void grammar_free_entries(const struct grammar *g, struct continuation *c);

/**
 * Returns the state before a number whose tail begins with `skip` tokens that precede the state,
 * from the cache of the continuation or built.
 */
cg_status grammar_get_entry(struct grammar *g, const struct tail *tail, int32_t skip,
                            struct continuation *c, int32_t *ret_state, cg_error *err);

/* ---- literals.c ---- */

/**
 * Returns a literal of at most GRAMMAR_MAX_LITERAL bytes, from the cache or compiled. Valid until
 * grammar_free_uncached_locked().
 */
cg_status grammar_get_literal_locked(struct grammar *g, enum literal_kind kind, const char *text,
                                     uint32_t len, struct literal **ret_literal, cg_error *err);

/** Decides whether only the token after a number shows its end: then fields are atoms. */
cg_status grammar_find_number_ends(struct grammar *g, cg_error *err);

/** Frees the literals that were compiled for one molecule. */
void grammar_free_uncached_locked(struct grammar *g);

/** Frees all literals, tails and closing tokens. */
void grammar_free_literals(struct grammar *g);

#endif
