/* SPDX-License-Identifier: MIT */
/**
 * @file token_number.h  Numeric payload of a token, packed into 32 bits.
 *
 * Coordinates are written as `<x,y,z>`. No token crosses the end of a number, so only the digits
 * after the last separator count, at most six of them (a number has up to four digits before the
 * point, where tokens are cut, and up to five after it).
 */
#ifndef CG_SEQUENCE_TOKEN_NUMBER_H
#define CG_SEQUENCE_TOKEN_NUMBER_H

#include <stddef.h>
#include <stdint.h>

/** Value of the digits after the last separator; their count; how many of them are decimals. */
typedef int32_t cg_token_number;

enum {
    CG_TOKEN_NUMBER_MAX_DIGITS = 6,
    CG_TOKEN_NUMBER_DIGITS_SHIFT = 20, /* the bits below hold the value, less than 2^20 */
    CG_TOKEN_NUMBER_DECIMALS_SHIFT = 23,
    CG_TOKEN_NUMBER_POINT = 1 << 26,
    CG_TOKEN_NUMBER_MINUS = 1 << 27,
    CG_TOKEN_NUMBER_BEGIN = 1 << 28, /* '<': the text before it is not a number */
    CG_TOKEN_NUMBER_NEXT = 1 << 29,  /* ',' */
    CG_TOKEN_NUMBER_END = 1 << 30,   /* '>' */
};

#define CG_TOKEN_NUMBER_VALUE(s)      ((s) & ((1 << CG_TOKEN_NUMBER_DIGITS_SHIFT) - 1))
#define CG_TOKEN_NUMBER_N_DIGITS(s)   ((s) >> CG_TOKEN_NUMBER_DIGITS_SHIFT & 7)
#define CG_TOKEN_NUMBER_N_DECIMALS(s) ((s) >> CG_TOKEN_NUMBER_DECIMALS_SHIFT & 7)

/** Computes the token number of a token with these bytes. */
cg_token_number cg_token_number_of(const char *token, size_t len);

#endif
