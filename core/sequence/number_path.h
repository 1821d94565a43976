/* SPDX-License-Identifier: MIT */
/**
 * @file number_path.h  Finds the token path through the automaton that encodes a given number.
 *
 * The inverse of cg_geometry_read_xyz(): among the paths from a state to the end of its field, the
 * one that encodes the number. An automaton of the grammar plugin has exactly one. It is found by
 * depth-first search, one token at a time; cg_token_number gives the digits that a token emits.
 *
 * The search is a state machine so that threads can share the work of each step:
 *
 *     cg_number_path_begin(&path, ...);
 *     do
 *         first = minimum of cg_number_path_find() over the threads;
 *     while (cg_number_path_step(&path, ..., first) == CG_NUMBER_PATH_RUNNING);
 */
#ifndef CG_SEQUENCE_NUMBER_PATH_H
#define CG_SEQUENCE_NUMBER_PATH_H

#include "format/number_format.h"
#include "sequence/atom_tests.h"

/** Rounds x to `decimals` decimals. @return 1; 0 if x is not finite or has more than 9 digits */
CG_HOST_DEVICE int cg_decimal_from_float(float x, int32_t decimals, cg_decimal *ret);

enum { CG_NUMBER_PATH_DEPTH = 24 }; /* tokens of a field; longer paths are not searched */

/** The part of the number that a path prefix has emitted. */
typedef struct cg_digits_emitted {
    int8_t started; /* the separator before the number was emitted */
    int8_t minus;
    int8_t n_digits;
    int8_t point;
} cg_digits_emitted;

typedef struct cg_number_path {
    cg_decimal number;
    int32_t depth;           /* tokens on the path */
    int32_t n_steps;         /* bounds the search */
    int32_t next_transition; /* the next one to test at this depth */
    int32_t state[CG_NUMBER_PATH_DEPTH + 1];
    int32_t transition[CG_NUMBER_PATH_DEPTH];
    cg_digits_emitted emitted[CG_NUMBER_PATH_DEPTH + 1]; /* before the token at this depth */
} cg_number_path;

enum { CG_NUMBER_PATH_RUNNING = 0, CG_NUMBER_PATH_FOUND = 1, CG_NUMBER_PATH_NONE = -1 };

/**
 * Starts a search.
 *
 * @param state     first state of the path
 * @param previous  token number of the token before the path
 */
CG_HOST_DEVICE void cg_number_path_begin(cg_number_path *path, const cg_decimal *number,
                                         const cg_automaton *aut, int32_t state,
                                         cg_token_number previous);

/**
 * Returns the first transition that continues the number among those of this thread (every
 * n_threads-th from next_transition + thread on), or INT32_MAX.
 */
CG_HOST_DEVICE int32_t cg_number_path_find(const cg_number_path *path, const cg_automaton *aut,
                                           const cg_token_number *token_numbers, int32_t thread,
                                           int32_t n_threads);

/**
 * Follows transition `found`, or backtracks if it is INT32_MAX.
 *
 * @return CG_NUMBER_PATH_FOUND: the path is transition[0, depth); _RUNNING; _NONE: there is no path
 */
CG_HOST_DEVICE int cg_number_path_step(cg_number_path *path, const cg_automaton *aut,
                                       const cg_token_number *token_numbers, int32_t found);

/** Appends the path to the sequence, which is in the path's first state. */
CG_HOST_DEVICE void cg_number_path_append(const cg_number_path *path, cg_sequence *seq,
                                          const cg_program *prog, const cg_automaton *aut,
                                          int32_t *tokens, cg_atom_mark *marks);

#endif
