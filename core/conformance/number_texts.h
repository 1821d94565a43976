/* SPDX-License-Identifier: MIT */
/** @file number_texts.h  The numbers of a text format: which texts they are, counted from 0. */
#ifndef CG_CONFORMANCE_NUMBER_TEXTS_H
#define CG_CONFORMANCE_NUMBER_TEXTS_H

#include <confgen/constraint.h>

enum { NUMBER_TEXT = 64 }; /* bytes of a number, terminated */

/** Borrows the texts of its format. */
typedef struct number_texts {
    int32_t per_literal; /* numbers between two literals: 3 or 1 */
    const char *separator;
    int32_t decimals, max_integer_digits, strip_zeros;
    const char *const *listed; /* [n_listed], NULL: decimals */
    int32_t n_listed;
    int32_t *order;   /* [n_listed] indices of `listed` in the order of their texts */
    int64_t count;    /* numbers of the format */
    uint32_t max_len; /* bytes of a number */
    int32_t any_zero; /* -0.000 counts as number 0; for plugins that do not promise the contrary */
    char is_digit[1 << 8]; /* nonzero for the bytes of which numbers consist */
} number_texts;

/** Sets up the numbers of a format that a constraint has accepted; aborts when out of memory. */
void number_texts_init(number_texts *n, const cg_text_format *format);
void number_texts_finish(number_texts *n);

/** Returns the index of the number that text[len] is, or -1. */
int64_t number_index(const number_texts *n, const char *text, uint32_t len);
/** Prints number i, 0 <= i < count: 0.000, 0.001, .., -0.001, .., or listed number i. */
void number_print(const number_texts *n, int64_t i, char ret_text[NUMBER_TEXT]);

#endif
