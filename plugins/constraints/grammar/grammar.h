/* SPDX-License-Identifier: MIT */
/**
 * @file grammar.h  State of the grammar constraint, shared by its source files.
 *
 * grammar accepts exactly the text of a molecule with one number per coordinate, each number in
 * exactly the tokens that the tokenizer makes of it. The tables rest on one property of the
 * tokenizer. A pre-tokenizer splits a text at boundaries that no token crosses, and two boundaries
 * are next to every number whatever its digits: one between the point and the decimals, and one
 * after the decimals. (Both are verified for every compiled text; a tokenizer without them is
 * refused.) So a text consists of parts that are tokenized independently:
 *
 *   decimals | literal sign integer '.' | decimals | literal sign integer '.' | decimals | ...
 *
 * where a literal is the text between two numbers: "," or ">[O]<" and the like.
 *
 *  - decimals: all 10^d are tokenized once and become states. After "-0." they must not be all
 *    zero: that is a second entry state. (numbers.c)
 *  - literal sign integer '.': only the last pre-token of the literal can merge with the number
 *    ("]<-" is one pre-token for some tokenizers, ",-12." for others). The pre-tokens before it are
 *    the same for every number: forced tokens. The last one, the *tail*, is tokenized with every
 *    sign and integer, and becomes states that lead to those of the decimals. (literals.c)
 *
 * There are few tails and few distinct literals. Both are cached, so most molecules need no
 * tokenization at all.
 *
 * Functions that need the lock end in _locked, except that create() calls them before the object is
 * shared.
 */
#ifndef GRAMMAR_H
#define GRAMMAR_H

#include <pthread.h>

#include <confgen/constraint.h>

#include "../common/automaton_builder.h"

enum {
    GRAMMAR_MAX_NUMBER = 16,    /* bytes of sign, integer, point, decimals and the byte after */
    GRAMMAR_MAX_LITERAL = 4096, /* bytes of one literal */
    GRAMMAR_LITERAL_BUCKETS = 1 << 14,
};

/** Position of a literal: after the begin text, between two numbers, before the end text. */
enum literal_kind { LITERAL_FIRST, LITERAL_INNER, LITERAL_LAST };

/** A compiled literal: forced tokens, then the state in which the next number starts. */
struct literal {
    struct literal *link; /* next of its list */
    enum literal_kind kind;
    uint32_t hash, len;
    int32_t entry; /* CG_EXIT for the last literal */
    int32_t n_forced;
    int32_t *forced; /* [n_forced], in the same allocation, as is `text` */
    char *text;      /* [len + 1] */
};

/** An integer part: optional sign, integer, point. */
struct integer_part {
    char text[GRAMMAR_MAX_NUMBER];
    uint32_t len;
    int32_t decimals_state; /* accepts its decimals */
};

struct grammar {
    const cg_host *host;
    const cg_vocabulary *vocab;
    const cg_text_format *format;
    pthread_mutex_t lock; /* guards all members below */
    cg_automaton_builder tables;
    char sample_number[GRAMMAR_MAX_NUMBER]; /* precedes inner and last literals, e.g. "0.001" */
    struct integer_part *integer_parts;     /* [n_integer_parts] "0." and up, then "-0." and on */
    int32_t n_integer_parts;
    struct literal *literals[GRAMMAR_LITERAL_BUCKETS]; /* cache, a hash table */
    struct literal *tails;                             /* cache; text: of the tail only */
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
 * Pre-tokenizes a text without added tokens: writes its boundaries to g->ends[0, *ret_n).
 * CG_ERR_UNSUPPORTED unless `a` and `b` are boundaries.
 */
cg_status grammar_pretokenize(struct grammar *g, const char *text, uint32_t len, uint32_t a,
                              uint32_t b, int32_t *ret_n, cg_error *err);

/* ---- numbers.c ---- */

/** Compiles the decimals and fills g->integer_parts. */
cg_status grammar_compile_number_tables(struct grammar *g, cg_error *err);

/* ---- literals.c ---- */

/**
 * Returns a literal of at most GRAMMAR_MAX_LITERAL bytes, from the cache or compiled. Valid until
 * grammar_free_uncached_locked().
 */
cg_status grammar_get_literal_locked(struct grammar *g, enum literal_kind kind, const char *text,
                                     uint32_t len, struct literal **ret_literal, cg_error *err);

/** Frees the literals that were compiled for one molecule. */
void grammar_free_uncached_locked(struct grammar *g);

/** Frees all literals. */
void grammar_free_literals(struct grammar *g);

#endif
