/* SPDX-License-Identifier: MIT */
/**
 * @file automaton_builder.h  Growing automaton tables and programs, for constraint plugins.
 *
 * States are hash-consed: two states with the same transitions are one. So the automaton that is
 * built from a set of token sequences, last token first, is minimal. Not thread-safe: the plugin
 * holds its own lock; readers need none, because entries never change once they are named by a
 * program.
 */
#ifndef CG_CONSTRAINTS_TABLES_H
#define CG_CONSTRAINTS_TABLES_H

#include <confgen/constraint.h>

/** Zeroed memory of the host for n elements, at least one; NULL if there is none. Back: cg_give().
 */
void *cg_take(const cg_host *host, size_t n, size_t size);
void cg_give(const cg_host *host, void *memory); /* accepts NULL */

typedef struct cg_automaton_builder {
    const cg_host *host;
    cg_automaton automaton; /* the public view of the arrays below */
    int32_t n_tokens;       /* of the vocabulary */
    int32_t n_states, n_transitions, n_head_rows;
    int32_t *row, *token, *next, *head_row, *head_token;
    int32_t *column_of; /* [n_tokens] column of a token or -1 */
    int32_t *longest;   /* [states] tokens of the longest path to CG_EXIT; CG_BUILDER_CYCLE */
    int32_t *bucket;    /* hash of states, open addressing, -1 empty */
    uint32_t bucket_mask;
} cg_automaton_builder;

enum {
    CG_BUILDER_CYCLE = -1, /* in `longest`: there is no bound */
    CG_BUILDER_SELF = -2,  /* in `next`: this very state (a loop) */
};

cg_status cg_automaton_builder_init(cg_automaton_builder *t, const cg_host *host, int32_t n_tokens,
                                    int32_t capacity_states, int32_t capacity_transitions,
                                    cg_error *err);
void cg_automaton_builder_finish(cg_automaton_builder *t);

/**
 * The state with these transitions (ascending tokens, n >= 1), found or appended. CG_ERR_LIMIT if
 * the tables are full; they are as before then.
 */
cg_status cg_automaton_builder_state(cg_automaton_builder *t, int32_t n, const int32_t *token,
                                     const int32_t *next, int32_t *ret_state, cg_error *err);

/** One accepted sequence of tokens and the state (or CG_EXIT) behind it. */
typedef struct cg_path {
    const int32_t *token;
    int32_t n;
    int32_t then;
} cg_path;

/**
 * The state from which exactly these paths are accepted. Sorts `paths`. All n >= 1; no path may be
 * another's prefix (CG_ERR_UNSUPPORTED: the tokenization is ambiguous).
 */
cg_status cg_automaton_builder_paths(cg_automaton_builder *t, cg_path *paths, int32_t n_paths,
                                     int32_t *ret_state, cg_error *err);

/**
 * A program with these fields and spans, in one allocation of the host; freed with host->free.
 * forced_start [n_fields + 2]. max_tokens: the longest sequence; where a field may be of any
 * length, the spans and `bound`.
 */
cg_status cg_automaton_builder_program(const cg_automaton_builder *t, int32_t n_fields,
                                       const int32_t *entry, const int32_t *forced_start,
                                       const int32_t *forced_token, int32_t fields_per_atom,
                                       int32_t bound, cg_program **ret_program, cg_error *err);

#endif
