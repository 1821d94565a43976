/* SPDX-License-Identifier: MIT */
/**
 * @file constraint.h  Constraints: compilers from a molecule's text to automaton tables.
 *
 * A constraint never sees a token being generated. Before generation it turns the molecule's
 * template and the tokenizer into data; the executor, on whatever device, interprets the data.
 *
 * The text of a conformer is  literal[0] field[0] literal[1] field[1] ... literal[n_fields]  where
 * a field is one coordinate (or, for other constraints, any stretch of free tokens). Two tables:
 *
 *  - the *automaton*, shared by all molecules of a run: states inside a field. From state s the
 *    transitions row[s] <= i < row[s+1] allow token[i] and lead to next[i], a state or CG_EXIT
 *    (the field is complete). Transitions of a state are in ascending order of token.
 *  - the *program* of a molecule: for each field the state it begins in, and between fields the
 *    tokens that are forced there.
 *
 * A sequence is: the tokens of span 0; then for f = 0 .. n_fields-1 a path through the automaton
 * from entry[f] to CG_EXIT, followed by the tokens of span f+1. A state with one transition is
 * forced as well: its token is appended without being sampled.
 */
#ifndef CONFGEN_CONSTRAINT_H
#define CONFGEN_CONSTRAINT_H

#include <confgen/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { CG_EXIT = -1 };

/**
 * Automaton tables, owned by the constraint. They only grow, by appending, while molecules are
 * compiled (the arrays never move; entries below the counts that a program names never change), so
 * a program that was handed out may be run while others are compiled.
 */
typedef struct cg_automaton {
    uint32_t struct_size;
    int32_t capacity_states;      /* entries that `row` has room for, less 1 */
    int32_t capacity_transitions; /* entries that token, next, column have room for */
    int32_t capacity_columns;     /* entries that column_token has room for */
    const int32_t *row;           /* [states + 1] first transition of a state */
    const int32_t *token;         /* [transitions] token id */
    const int32_t *next;          /* [transitions] state or CG_EXIT */
    /* Tokens that are ever sampled get a column: the head computes logits for these rows only. */
    const int32_t *column;       /* [transitions] column of token[i]; -1 in forced states */
    const int32_t *column_token; /* [columns] token of a column */
} cg_automaton;

/** The program of one molecule. All arrays are owned by the program and live in one allocation. */
typedef struct cg_program {
    uint32_t struct_size;
    int32_t n_fields;
    int32_t n_states; /* the automaton's counts that this program needs */
    int32_t n_transitions;
    int32_t n_columns;
    int32_t max_tokens;      /* longest accepted sequence in tokens, spans included */
    int32_t fields_per_atom; /* 3 where fields are coordinates: where roll-back may stop; else 0 */
    const int32_t *entry;    /* [n_fields] */
    const int32_t *span_start; /* [n_fields + 2] offsets into span_token */
    const int32_t *span_token; /* [span_start[n_fields + 1]] */
} cg_program;

/** Byte range of a text. */
typedef struct cg_range {
    uint32_t begin, end;
} cg_range;

/**
 * Vocabulary and tokenizer as constraints see them. Thread: any, all calls. Offered by the host.
 */
typedef struct cg_vocabulary {
    uint32_t struct_size;
    int32_t n_tokens; /* ids are 0 .. n_tokens-1; an id may be unused */
    const void *ctx;
    /** Bytes of a token; NULL for an unused id. *ret_special: an added token. Lives with ctx. */
    const char *(*token)(const void *ctx, int32_t id, uint32_t *ret_len, int32_t *ret_special);
    /**
     * Canonical ids of a text (added tokens recognised): writes at most `cap` ids to ret_ids and,
     * if ret_ranges is not NULL, the bytes each came from; *ret_n is the number there are.
     * CG_ERR_LIMIT if more than cap.
     */
    cg_status (*encode)(const void *ctx, const char *text, uint32_t len, int32_t *ret_ids,
                        cg_range *ret_ranges, int32_t cap, int32_t *ret_n, cg_error *err);
    /**
     * Ends of the pre-tokens of a text without added tokens, ascending, the last one = len: the
     * places no token of the canonical tokenization crosses. Conventions as encode().
     */
    cg_status (*pretokenize)(const void *ctx, const char *text, uint32_t len, uint32_t *ret_ends,
                             int32_t cap, int32_t *ret_n, cg_error *err);
} cg_vocabulary;

/** How a model writes numbers and frames a conformer. */
typedef struct cg_text_format {
    uint32_t struct_size;
    int32_t decimals;           /* digits after the point, always written */
    int32_t max_integer_digits; /* before it, without a leading zero */
    const char *begin;          /* e.g. "[CONFORMER]" */
    const char *end;            /* e.g. "[/CONFORMER]" */
    const char *stop;           /* e.g. "<|endoftext|>"; one token, or "" for none */
    int32_t max_new_tokens;     /* bound for constraints that have none of their own */
} cg_text_format;

/**
 * The text of a molecule's conformer, less its numbers: gap[0] x,y,z gap[1] x,y,z ... gap[n_atoms],
 * e.g. "[C]<", ">[O]<", ">". begin, end and stop of the format are not part of it.
 */
typedef struct cg_template {
    uint32_t struct_size;
    int32_t n_atoms;
    const char *text;    /* all gaps, one after the other */
    const cg_range *gap; /* [n_atoms + 1] */
} cg_template;

typedef struct cg_constraint_ops {
    uint32_t struct_size;
    uint32_t reserved; /* 0 */

    /**
     * Compile what depends on tokenizer and number format alone. The vocabulary and the strings of
     * the format are borrowed until destroy(). CG_ERR_UNSUPPORTED with the reason if this tokenizer
     * cannot be served.
     */
    cg_status (*create)(const cg_host *host, const cg_vocabulary *vocabulary,
                        const cg_text_format *format, void **ret_self, cg_error *err);
    void (*destroy)(void *self); /* accepts NULL; the automaton goes with it */
    /** The tables; the struct lives with self. */
    const cg_automaton *(*automaton)(const void *self);
    /**
     * Compile one molecule. *ret_program is owned by the caller and given back with
     * release(). Thread: any number of threads at once.
     */
    cg_status (*compile)(void *self, const cg_template *text, cg_program **ret_program,
                         cg_error *err);
    void (*release)(void *self, cg_program *program); /* accepts NULL program */
} cg_constraint_ops;

#ifdef __cplusplus
}
#endif

#endif
