/* SPDX-License-Identifier: MIT */
/**
 * @file spelling.h  What a token adds to a number, in 32 bits.
 *
 * Coordinates stand in the text as `<x,y,z>`, and no token crosses the end of a number: digits are
 * told behind the last separator only, and six of them at most (numbers have up to four before the
 * point, where there is a cut, and five behind it).
 */
#ifndef CG_DECODE_SPELLING_H
#define CG_DECODE_SPELLING_H

#include <stddef.h>
#include <stdint.h>

/** Digits behind the last separator, as a number; how many; how many of these behind the point. */
typedef int32_t cg_spelling;

enum {
    CG_SPELL_MAX_DIGITS = 6,
    CG_SPELL_DIGITS_AT = 20, /* below: the value, less than 2^20 */
    CG_SPELL_DECIMALS_AT = 23,
    CG_SPELL_POINT = 1 << 26,
    CG_SPELL_MINUS = 1 << 27,
    CG_SPELL_BEGIN = 1 << 28, /* '<': what stands before it is no number */
    CG_SPELL_NEXT = 1 << 29,  /* ',' */
    CG_SPELL_END = 1 << 30,   /* '>' */
};

#define CG_SPELL_VALUE(s)      ((s) & ((1 << CG_SPELL_DIGITS_AT) - 1))
#define CG_SPELL_N_DIGITS(s)   ((s) >> CG_SPELL_DIGITS_AT & 7)
#define CG_SPELL_N_DECIMALS(s) ((s) >> CG_SPELL_DECIMALS_AT & 7)

/** Of a token's bytes. */
cg_spelling cg_spell(const char *token, size_t len);

#endif
