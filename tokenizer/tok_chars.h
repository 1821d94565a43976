/* SPDX-License-Identifier: MIT */
/** @file tok_chars.h  Classes of characters as the reference's steps have them (tok_char_tables.h).
 */
#ifndef CG_TOK_CHARS_H
#define CG_TOK_CHARS_H

#include <stdint.h>

int cg_is_whitespace_word(uint32_t cp); /* \w of the Whitespace pre-tokenizer */
int cg_is_punctuation(uint32_t cp); /* Punctuation and BertPreTokenizer, ASCII symbols included */
int cg_is_digit(uint32_t cp);       /* Digits */
int cg_is_combining_mark(uint32_t cp); /* removed by StripAccents */
int cg_is_accent(uint32_t cp);         /* removed by BertNormalizer's strip_accents */
int cg_is_control(uint32_t cp);        /* removed by BertNormalizer's clean_text */
int cg_is_chinese(uint32_t cp);        /* set apart by BertNormalizer's handle_chinese_chars */

/** Lowercase of a character: writes 1 or 2 code points to ret[2], returns their number. */
int cg_lowercase(uint32_t cp, uint32_t *ret);

#endif
