/* SPDX-License-Identifier: MIT */
/**
 * @file token_number.h  What a token contributes to the numbers of an atom.
 *
 * A token is a string of at most 16 symbols: digits, point and sign of numbers, and the kinds of
 * text around them. Where the text format has "<", "," and ">",
 *
 *     `,-12.`  NEXT MINUS 1 2 POINT        `>[13C]<-`  TEXT BEGIN MINUS        `113`  1 1 3
 */
#ifndef CG_SEQUENCE_TOKEN_NUMBER_H
#define CG_SEQUENCE_TOKEN_NUMBER_H

#include <stddef.h>
#include <stdint.h>

#include "format/conformer_format.h"
#include "sequence/number_symbols.h"

/**
 * Computes the token number of a token with these bytes. Runs of one kind of text are one symbol,
 * and what precedes BEGIN is left out, except for the first symbol of text and the number before
 * it. A token of more than 16 symbols is TEXT.
 */
cg_token_number cg_token_number_of(const cg_conformer_format *format, const char *token,
                                   size_t len);

/** Why the numbers of this format cannot be read from its tokens; NULL if they can. Static storage.
 */
const char *cg_token_number_problem(const cg_conformer_format *format);

#endif
