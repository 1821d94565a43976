/* SPDX-License-Identifier: MIT */
/** @file conformer_text.h  The text that a conformer of a molecule must have, but for its numbers.
 */
#ifndef CG_CONFORMANCE_CONFORMER_TEXT_H
#define CG_CONFORMANCE_CONFORMER_TEXT_H

#include "number_texts.h"

/** fixed[0] number fixed[1] number ... fixed[n_numbers]: literals, separators, begin, end, stop. */
typedef struct conformer_text {
    const number_texts *numbers; /* borrowed */
    int32_t n_numbers;
    char *bytes;     /* all fixed texts */
    uint32_t *start; /* [n_numbers + 2] of a fixed text in bytes */
} conformer_text;

/** Aborts when out of memory. */
void conformer_text_init(conformer_text *t, const number_texts *numbers,
                         const cg_text_format *format, const cg_literals *literals);
void conformer_text_finish(conformer_text *t);

/**
 * Reads a text of the molecule.
 *
 * @param ret_numbers  [n_numbers] where its numbers are
 * @return 1; 0 and in ret_why what was found and wanted, with the place
 */
int conformer_text_parse(const conformer_text *t, const char *text, uint32_t len,
                         cg_range *ret_numbers, char *ret_why, size_t cap);

/**
 * Finds a part of the text that a constraint forces, behind the parts before it. Numbers may be
 * anything that consists of the bytes of numbers.
 *
 * @param at  position behind the last part; 0 at first
 * @return 1, and the position behind this part; 0
 */
int conformer_text_find(const conformer_text *t, const char *part, uint32_t len, uint32_t *at);

#endif
