/* SPDX-License-Identifier: MIT */
/** @file numbers.h  Texts of coordinates: random numbers, edge cases, malformed numbers. */
#ifndef CG_TESTS_NUMBERS_H
#define CG_TESTS_NUMBERS_H

#include <confgen/constraint.h>

#include "odd_molecules.h"

enum { NUMBER_MAX = 32, NUMBER_EDGES = 12, NUMBER_BAD = 20 };

/** Returns how many numbers the format has: of decimals 2 * 10^(max_integer_digits + decimals) - 1.
 */
int64_t number_count(const cg_text_format *format);
/** Prints number i, 0 <= i < number_count(): 0.000, 0.001, ..., 99.999, -0.001, ..., -99.999, or
 * listed number i. */
void number_text(const cg_text_format *format, int64_t i, char out[NUMBER_MAX]);
/** Prints a random number: random sign, number of integer digits, and digits. */
void number_random(const cg_text_format *format, odd_random *random, char out[NUMBER_MAX]);
/** Prints edge case i < NUMBER_EDGES: zero, all nines, the smallest, next to a carry; both signs.
 * Of listed numbers some from both ends. */
void number_edge(const cg_text_format *format, int i, char out[NUMBER_MAX]);
/** Prints malformed number i < NUMBER_BAD: "-0.000", "00.100", "1.00", ..., or a text that is not
 * listed. */
void number_bad(const cg_text_format *format, int i, char out[NUMBER_MAX]);

#endif
