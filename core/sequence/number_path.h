/* SPDX-License-Identifier: MIT */
/**
 * @file number_path.h  Finds the token path through the automaton that encodes given numbers.
 *
 * The inverse of cg_geometry_read_xyz(): among the paths from a state to the end of its field, the
 * one that encodes the field's numbers, one or all three of an atom. An automaton of the grammar
 * plugin has exactly one. It is found by depth-first search, one token at a time; cg_token_number
 * gives the symbols that a token emits.
 *
 * The search is a state machine so that threads can share the work of each step:
 *
 *     if (cg_number_path_begin(&path, ...))
 *         do
 *             first = minimum of cg_number_path_find() over the threads;
 *         while (cg_number_path_step(&path, ..., first) == CG_NUMBER_PATH_RUNNING);
 */
#ifndef CG_SEQUENCE_NUMBER_PATH_H
#define CG_SEQUENCE_NUMBER_PATH_H

#include "sequence/atom_tests.h"

enum {
    CG_NUMBER_PATH_DEPTH = 64, /* tokens of a field; longer paths are not searched */
    CG_NUMBER_PATH_SYMBOLS = 3 * CG_NUMBER_MAX_TEXT,
};

/** Progress of a path prefix: symbols emitted, or one of these. */
enum {
    CG_EMITTED_TEXT = -1,                        /* before the numbers */
    CG_EMITTED_ALL = CG_NUMBER_PATH_SYMBOLS + 1, /* and text behind the numbers */
};

typedef struct cg_number_path {
    int32_t n_symbols;       /* of the numbers */
    int32_t may_be_adjacent; /* numbers may follow one another without NEXT */
    int32_t depth;           /* tokens on the path */
    int32_t n_steps;         /* bounds the search */
    int32_t next_transition; /* the next one to test at this depth */
    int8_t symbols[CG_NUMBER_PATH_SYMBOLS];
    int8_t emitted[CG_NUMBER_PATH_DEPTH + 1]; /* before the token at this depth */
    int32_t state[CG_NUMBER_PATH_DEPTH + 1];
    int32_t transition[CG_NUMBER_PATH_DEPTH];
} cg_number_path;

enum { CG_NUMBER_PATH_RUNNING = 0, CG_NUMBER_PATH_FOUND = 1, CG_NUMBER_PATH_NONE = -1 };

/**
 * Starts a search.
 *
 * @param state    first state of the path
 * @param is_text  1: what precedes CG_SYMBOL_BEGIN is no number; 0: the numbers begin at once
 */
CG_HOST_DEVICE void cg_number_path_start(cg_number_path *path, const cg_number_format *format,
                                         const cg_automaton *aut, int32_t state, int is_text);

/** Adds a number to those that are searched, at most three. */
CG_HOST_DEVICE void cg_number_path_add(cg_number_path *path, const cg_decimal *number);

/**
 * Starts a search for the field at whose start a sequence is, with the numbers nearest to the
 * coordinates.
 *
 * @param xyz  Å, of the field's atom in the conformer
 * @return 1; 0 if a coordinate is not finite or too large
 */
CG_HOST_DEVICE int cg_number_path_begin(cg_number_path *path, const cg_sequence_text *text,
                                        const float xyz[3]);

/**
 * Returns the first transition that continues the numbers among those of this thread (every
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

/**
 * Records in `r` that no path encodes the numbers of the field at whose start the sequence is; does
 * nothing if the format lacks one of them.
 *
 * @param xyz  as for cg_number_path_begin()
 */
CG_HOST_DEVICE void cg_number_path_record_missing(const cg_sequence_text *text, const float xyz[3],
                                                  cg_repair_counts *r);

/** Appends the path to the sequence, which is in its field. */
CG_HOST_DEVICE void cg_number_path_append(const cg_number_path *path, const cg_sequence_text *text);

#endif
