/* SPDX-License-Identifier: MIT */
/** @file number_symbols.h  The symbols of token_number.h, packed: for host and device. */
#ifndef CG_SEQUENCE_NUMBER_SYMBOLS_H
#define CG_SEQUENCE_NUMBER_SYMBOLS_H

#include <stdint.h>

#include <confgen/status.h>

/** Symbols of 4 bits, the first one in the lowest bits; 0 above the last one. */
typedef uint64_t cg_token_number;

enum {
    CG_SYMBOL_ZERO = 1, /* digit d is 1 + d */
    CG_SYMBOL_NINE = 10,
    CG_SYMBOL_POINT = 11,
    CG_SYMBOL_MINUS = 12,
    CG_SYMBOL_NEXT = 13,  /* the text between two numbers */
    CG_SYMBOL_BEGIN = 14, /* end of the text before an atom's numbers: what precedes is no number */
    CG_SYMBOL_TEXT = 15,  /* any other text */
    CG_SYMBOL_BITS = 4,
    CG_TOKEN_NUMBER_SYMBOLS = 16,
};

#define CG_SYMBOL_MASK ((1 << CG_SYMBOL_BITS) - 1)

/** Is the last symbol BEGIN? */
static inline CG_HOST_DEVICE int cg_token_number_ends_before(cg_token_number t)
{
    while (t >> CG_SYMBOL_BITS)
        t >>= CG_SYMBOL_BITS;
    return t == CG_SYMBOL_BEGIN;
}

#endif
