/* SPDX-License-Identifier: MIT */
/**
 * @file number_path.h  A number that is given, in tokens of the automaton.
 *
 * The inverse of cg_geometry_read_xyz(): of the paths from a state to the end of its field, the one
 * that spells a number. An automaton of the grammar holds exactly one; it is searched for in depth,
 * a token at a time, with cg_token_number to tell what a token adds.
 *
 * The search is a state machine, so that threads may share the work of each of its steps:
 *
 *     cg_number_path_begin(&w, ...);
 *     do
 *         least = the least that cg_number_path_find() returns to any thread;
 *     while (cg_number_path_step(&w, ..., least) == CG_NUMBER_PATH_RUNNING);
 */
#ifndef CG_SEQUENCE_NUMBER_PATH_H
#define CG_SEQUENCE_NUMBER_PATH_H

#include "sequence/atom_tests.h"

/** Digits without their point: -1.2340 is 12340, 5 digits, 4 of them decimals, minus. */
typedef struct cg_decimal {
    int32_t digits; /* less than 10^9 */
    int32_t n_digits;
    int32_t n_decimals;
    int32_t minus; /* 0 or 1; never of zero */
} cg_decimal;

/** @return 1; 0 where x has no such number: not finite, or more than 9 digits */
CG_HOST_DEVICE int cg_decimal_from_float(float x, int32_t decimals, cg_decimal *ret);

enum { CG_NUMBER_PATH_DEPTH = 24 }; /* tokens of a field; longer paths are not searched */

/** How much of the number stands there. */
typedef struct cg_digits_emitted {
    int8_t begun; /* what stands before the number is over */
    int8_t minus;
    int8_t n_digits;
    int8_t point;
} cg_digits_emitted;

typedef struct cg_number_path {
    cg_decimal number;
    int32_t depth; /* tokens on the path */
    int32_t tries; /* steps so far: a bound */
    int32_t from;  /* the next transition to look at */
    int32_t state[CG_NUMBER_PATH_DEPTH + 1];
    int32_t transition[CG_NUMBER_PATH_DEPTH];
    cg_digits_emitted written[CG_NUMBER_PATH_DEPTH + 1];
} cg_number_path;

enum { CG_NUMBER_PATH_RUNNING = 0, CG_NUMBER_PATH_FOUND = 1, CG_NUMBER_PATH_NONE = -1 };

/**
 * @param state   where the path begins
 * @param before  token_numbers of the token before it
 */
CG_HOST_DEVICE void cg_number_path_begin(cg_number_path *w, const cg_decimal *number,
                                         const cg_automaton *aut, int32_t state,
                                         cg_token_number before);

/** Of every n_threads-th transition from w->from on, the first that fits; INT32_MAX: none does. */
CG_HOST_DEVICE int32_t cg_number_path_find(const cg_number_path *w, const cg_automaton *aut,
                                           const cg_token_number *token_numbers, int32_t thread,
                                           int32_t n_threads);

/** Follow the transition that was found, or go back. The path is transition[0, depth) when DONE. */
CG_HOST_DEVICE int cg_number_path_step(cg_number_path *w, const cg_automaton *aut,
                                       const cg_token_number *token_numbers, int32_t found);

/** Append the path to the sequence, which is in the state where it began. */
CG_HOST_DEVICE void cg_number_path_append(const cg_number_path *w, cg_sequence *seq,
                                          const cg_program *prog, const cg_automaton *aut,
                                          int32_t *tokens, cg_atom_mark *marks);

#endif
