/* SPDX-License-Identifier: MIT */
/** @file tok_text.h  UTF-8, character classes and the printable byte alphabet. */
#ifndef CG_TOK_TEXT_H
#define CG_TOK_TEXT_H

#include <stddef.h>
#include <stdint.h>

/**
 * Returns the offset of the first byte that is not part of valid UTF-8 (surrogates and overlong
 * forms are invalid), or `len` if all are. *ret_ascii is 1 if all bytes are below 0x80.
 */
size_t cg_utf8_check(const char *text, size_t len, int *ret_ascii);

/** Code point at text[0] of valid UTF-8; *ret_len is its length in bytes, 1 to 4. */
uint32_t cg_utf8_get(const char *text, size_t *ret_len);

/** Writes a code point as UTF-8 to out[4]; returns its length. */
size_t cg_utf8_put(uint32_t cp, char *out);

/** Start offset of the character that ends at `end` (> 0). */
size_t cg_utf8_back(const char *text, size_t end);

/** Unicode's White_Space property. */
int cg_is_space(uint32_t cp);

/** Word character of regular expressions: letter, mark, decimal digit, connector, ... */
int cg_is_word(uint32_t cp);

/**
 * The byte-level alphabet maps each byte to a printable character: bytes 33-126, 161-172 and
 * 174-255 to themselves, the others in order to the code points from 256 on.
 */
uint32_t cg_byte_char(uint8_t byte);
/** Byte of a character of the byte-level alphabet, -1 for other characters. */
int cg_char_byte(uint32_t cp);

#endif
