/* SPDX-License-Identifier: MIT */
/**
 * @file token_number.h  What a token adds to a number, in 32 bits.
 *
 * Coordinates stand in the text as `<x,y,z>`, and no token crosses the end of a number: digits are
 * told behind the last separator only, and six of them at most (numbers have up to four before the
 * point, where there is a cut, and five behind it).
 */
#ifndef CG_SEQUENCE_TOKEN_NUMBER_H
#define CG_SEQUENCE_TOKEN_NUMBER_H

#include <stddef.h>
#include <stdint.h>

/** Digits behind the last separator, as a number; how many; how many of these behind the point. */
typedef int32_t cg_token_number;

enum {
    CG_TOKEN_NUMBER_MAX_DIGITS = 6,
    CG_TOKEN_NUMBER_DIGITS_SHIFT = 20, /* below: the value, less than 2^20 */
    CG_TOKEN_NUMBER_DECIMALS_SHIFT = 23,
    CG_TOKEN_NUMBER_POINT = 1 << 26,
    CG_TOKEN_NUMBER_MINUS = 1 << 27,
    CG_TOKEN_NUMBER_BEGIN = 1 << 28, /* '<': what stands before it is no number */
    CG_TOKEN_NUMBER_NEXT = 1 << 29,  /* ',' */
    CG_TOKEN_NUMBER_END = 1 << 30,   /* '>' */
};

#define CG_TOKEN_NUMBER_VALUE(s)      ((s) & ((1 << CG_TOKEN_NUMBER_DIGITS_SHIFT) - 1))
#define CG_TOKEN_NUMBER_N_DIGITS(s)   ((s) >> CG_TOKEN_NUMBER_DIGITS_SHIFT & 7)
#define CG_TOKEN_NUMBER_N_DECIMALS(s) ((s) >> CG_TOKEN_NUMBER_DECIMALS_SHIFT & 7)

/** Of a token's bytes. */
cg_token_number cg_token_number_of(const char *token, size_t len);

#endif
