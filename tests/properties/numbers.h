/* SPDX-License-Identifier: MIT */
/** @file numbers.h  Texts of coordinates: any, edge cases, and ones that are none. */
#ifndef CG_TESTS_NUMBERS_H
#define CG_TESTS_NUMBERS_H

#include <confgen/constraint.h>

#include "odd_molecules.h"

enum { NUMBER_MAX = 32, NUMBER_EDGES = 12, NUMBER_BAD = 20 };

/** All numbers of the format: 2 * 10^(max_integer_digits + decimals) - 1. */
int64_t number_count(const cg_text_format *format);
/** Number i, 0 <= i < number_count(): 0.000, 0.001, ..., 99.999, -0.001, ..., -99.999. */
void number_text(const cg_text_format *format, int64_t i, char out[NUMBER_MAX]);
/** Sign, count of integer digits, and each digit at random. */
void number_random(const cg_text_format *format, odd_random *random, char out[NUMBER_MAX]);
/** Edge case i < NUMBER_EDGES: zero, all nines, the least, a carry away, either sign. */
void number_edge(const cg_text_format *format, int i, char out[NUMBER_MAX]);
/** Text i < NUMBER_BAD that is no number of the format: "-0.000", "00.100", "1.00", ... */
void number_bad(const cg_text_format *format, int i, char out[NUMBER_MAX]);

#endif
