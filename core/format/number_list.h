/* SPDX-License-Identifier: MIT */
/** @file number_list.h  A conformer format in the terms of constraint plugins. */
#ifndef CG_FORMAT_NUMBER_LIST_H
#define CG_FORMAT_NUMBER_LIST_H

#include <confgen/constraint.h>

#include "format/conformer_format.h"

/** Texts of all numbers of a format. Zero first; cg_number_list_finish() releases. */
typedef struct cg_number_list {
    const char **text; /* [n] NULL for decimals, which are not listed */
    int32_t n;
    void *block; /* owned: holds the texts and their array */
} cg_number_list;

/**
 * Lists the numbers of bins, integers and codes; codes with the marks around them. Decimals have an
 * empty list.
 *
 * @param ret  unchanged on failure
 * @return CG_OK; CG_ERR_NOMEM
 */
cg_status cg_number_list_create(const cg_conformer_format *format, cg_number_list *ret,
                                cg_error *err);
void cg_number_list_finish(cg_number_list *list); /* accepts NULL and a zeroed struct */

/** Sets the members of a text format that describe numbers. It borrows format and list. */
void cg_text_format_set_numbers(cg_text_format *text, const cg_conformer_format *format,
                                const cg_number_list *list);

/** Has the text format what plugins of ABI 1.1 assume: three decimals between two literals, with a
 * comma between them, all digits written? */
int cg_text_format_is_basic(const cg_text_format *text);

#endif
