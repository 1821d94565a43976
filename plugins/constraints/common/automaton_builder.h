/* SPDX-License-Identifier: MIT */
/**
 * @file automaton_builder.h  Growing automaton tables, and programs, for constraint plugins.
 *
 * States are hash-consed: two states with the same transitions are one. An automaton that is built
 * from a set of token sequences, last token first, is therefore minimal. Not thread-safe: the
 * plugin holds its own lock. Readers need none, because entries that a program refers to never
 * change.
 */
#ifndef CG_CONSTRAINTS_AUTOMATON_BUILDER_H
#define CG_CONSTRAINTS_AUTOMATON_BUILDER_H

#include <confgen/constraint.h>

/** Zeroed host memory for max(n, 1) elements; NULL when out of memory. Freed by cg_host_free(). */
void *cg_host_zalloc(const cg_host *host, size_t n, size_t size);
void cg_host_free(const cg_host *host, void *memory); /* accepts NULL */

typedef struct cg_automaton_builder {
    const cg_host *host;
    const char *name;       /* of the constraint, for messages; outlives the builder */
    cg_automaton automaton; /* public view of the arrays below */
    int32_t n_tokens;       /* of the vocabulary */
    int32_t n_states, n_transitions, n_head_rows;
    int32_t *row, *token, *next, *head_row, *head_token;
    int32_t *row_of_token; /* [n_tokens] head row of a token or -1 */
    int32_t *longest;      /* [states] tokens of the longest path to CG_EXIT, or CG_BUILDER_CYCLE */
    int32_t *bucket;       /* hash table of states, open addressing, -1: empty */
    uint32_t bucket_mask;
} cg_automaton_builder;

enum {
    CG_BUILDER_CYCLE = -1, /* in `longest`: unbounded */
    CG_BUILDER_SELF = -2,  /* in `next`: the new state itself (a loop) */
};

/** Allocates the tables. On failure the builder is empty, as after finish(). */
cg_status cg_automaton_builder_init(cg_automaton_builder *b, const char *name, const cg_host *host,
                                    int32_t n_tokens, int32_t capacity_states,
                                    int32_t capacity_transitions, cg_error *err);
void cg_automaton_builder_finish(cg_automaton_builder *b);

/**
 * Finds or appends the state with these transitions (ascending tokens, n >= 1). CG_ERR_LIMIT if the
 * tables are full; they are then unchanged.
 */
cg_status cg_automaton_builder_state(cg_automaton_builder *b, int32_t n, const int32_t *token,
                                     const int32_t *next, int32_t *ret_state, cg_error *err);

/** A token sequence and the state (or CG_EXIT) after it. */
typedef struct cg_path {
    const int32_t *token;
    int32_t n;
    int32_t next;
} cg_path;

/** Is a path a prefix of another one? Sorts `paths`. */
int cg_paths_have_prefixes(cg_path *paths, int32_t n_paths);

/**
 * Builds the state that accepts exactly these paths and what the states after them accept. Sorts
 * `paths`. All n >= 1. A path may be a prefix of others if the state after it has other tokens than
 * those that continue it: the transitions of both are then one state's. CG_ERR_UNSUPPORTED if the
 * tokens do not show which path was taken.
 */
cg_status cg_automaton_builder_paths(cg_automaton_builder *b, cg_path *paths, int32_t n_paths,
                                     int32_t *ret_state, cg_error *err);

/**
 * Creates a program from copies of these fields and forced tokens, in one allocation of the host;
 * freed with host->free. max_tokens becomes the length of the longest sequence; if a field is
 * unbounded, the count of forced tokens plus `bound`. CG_ERR_LIMIT if that exceeds INT32_MAX.
 *
 * @param entry         [n_fields]
 * @param forced_start  [n_fields + 2]
 * @param forced_token  [forced_start[n_fields + 1]], NULL if that is 0
 */
cg_status cg_automaton_builder_program(const cg_automaton_builder *b, int32_t n_fields,
                                       const int32_t *entry, const int32_t *forced_start,
                                       const int32_t *forced_token, int32_t fields_per_atom,
                                       int32_t bound, cg_program **ret_program, cg_error *err);

#endif
