/* SPDX-License-Identifier: MIT */
/** @file text.h  Texts from files and command lines, made safe for terminals and spreadsheets. */
#ifndef CG_BASE_TEXT_H
#define CG_BASE_TEXT_H

#include <stddef.h>

/**
 * Copies `text` to ret_text[cap], terminated, cut where the next character does not fit. Escaped
 * are the characters with which a file could act on a terminal or change the order of what is
 * shown: controls (C0 and DEL as `\xNN`, C1 as `\u00NN`), line separators and bidirectional
 * controls (`\uNNNN`), and bytes that are not UTF-8 (`\xNN`). A sequence that only lacks its last
 * bytes at the end of the text is left out: the text was cut there.
 */
void cg_text_visible(const char *text, char *ret_text, size_t cap);

/** The same into new memory, uncut; free(). NULL if out of memory. */
char *cg_text_visible_copy(const char *text);

/**
 * Whether a spreadsheet may take a cell for a formula, or for an escaped one: it begins with one of
 * `= + - @ ' TAB CR` and is not a decimal number. Such a cell is written with a leading `'`, which
 * a reader removes (OWASP, CSV injection).
 */
int cg_text_is_formula(const char *text);

/** Whether `text` ends in `ending`, in the same letters. */
int cg_text_ends_with(const char *text, const char *ending);

#endif
