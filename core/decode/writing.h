/* SPDX-License-Identifier: MIT */
/**
 * @file writing.h  A number that is given, in tokens of the automaton.
 *
 * The inverse of cg_geometry_read(): of the paths from a state to the end of its field, the one
 * that spells a number. An automaton of the grammar holds exactly one; it is searched for in depth,
 * a token at a time, with cg_spelling to tell what a token adds.
 *
 * The search is a state machine, so that threads may share the work of each of its steps:
 *
 *     cg_writer_begin(&w, ...);
 *     do
 *         least = the least that cg_writer_find() returns to any thread;
 *     while (cg_writer_step(&w, ..., least) == CG_WRITER_GOES_ON);
 */
#ifndef CG_DECODE_WRITING_H
#define CG_DECODE_WRITING_H

#include "decode/geometry.h"

/** Digits without their point: -1.2340 is 12340, 5 digits, 4 of them decimals, minus. */
typedef struct cg_number {
    int32_t digits; /* less than 10^9 */
    int32_t n_digits;
    int32_t n_decimals;
    int32_t minus; /* 0 or 1; never of zero */
} cg_number;

/** @return 1; 0 where x has no such number: not finite, or more than 9 digits */
CG_HOST_DEVICE int cg_number_of(float x, int32_t decimals, cg_number *ret);

enum { CG_WRITER_DEPTH = 24 }; /* tokens of a field; longer paths are not searched */

/** How much of the number stands there. */
typedef struct cg_written {
    int8_t begun; /* what stands before the number is over */
    int8_t minus;
    int8_t n_digits;
    int8_t point;
} cg_written;

typedef struct cg_writer {
    cg_number number;
    int32_t depth; /* tokens on the path */
    int32_t tries; /* steps so far: a bound */
    int32_t from;  /* the next transition to look at */
    int32_t state[CG_WRITER_DEPTH + 1];
    int32_t transition[CG_WRITER_DEPTH];
    cg_written written[CG_WRITER_DEPTH + 1];
} cg_writer;

enum { CG_WRITER_GOES_ON = 0, CG_WRITER_DONE = 1, CG_WRITER_NO_PATH = -1 };

/**
 * @param state   where the path begins
 * @param before  spelling of the token before it
 */
CG_HOST_DEVICE void cg_writer_begin(cg_writer *w, const cg_number *number, const cg_automaton *aut,
                                    int32_t state, cg_spelling before);

/** Of every n_threads-th transition from w->from on, the first that fits; INT32_MAX: none does. */
CG_HOST_DEVICE int32_t cg_writer_find(const cg_writer *w, const cg_automaton *aut,
                                      const cg_spelling *spelling, int32_t thread,
                                      int32_t n_threads);

/** Follow the transition that was found, or go back. The path is transition[0, depth) when DONE. */
CG_HOST_DEVICE int cg_writer_step(cg_writer *w, const cg_automaton *aut,
                                  const cg_spelling *spelling, int32_t found);

/** Append the path to the sequence, which is in the state where it began. */
CG_HOST_DEVICE void cg_writer_append(const cg_writer *w, cg_sequence *seq, const cg_program *prog,
                                     const cg_automaton *aut, int32_t *tokens, cg_atom_mark *marks);

#endif
