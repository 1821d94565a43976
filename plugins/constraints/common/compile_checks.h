/* SPDX-License-Identifier: MIT */
/** @file compile_checks.h  Checks of text formats and literals that every constraint needs. */
#ifndef CG_CONSTRAINTS_COMPILE_CHECKS_H
#define CG_CONSTRAINTS_COMPILE_CHECKS_H

#include <confgen/constraint.h>

/** Limits of number formats for all constraints of this folder. */
enum {
    CG_MAX_DECIMALS = 5,
    CG_MAX_INTEGER_DIGITS = 4,
    CG_MAX_LISTED_NUMBER = 47, /* bytes of a number in cg_text_format.numbers */
    CG_MAX_LISTED_NUMBERS = 1 << 16,
    CG_MAX_SEPARATOR = 63, /* bytes */
};

/** Members of a text format that older hosts lack, with the values that their formats have. */
typedef struct cg_constraint_numbers {
    int32_t fields_per_literal; /* 3 or 1 */
    int32_t strip_zeros;
    const char *separator;
    const char *const *listed; /* [n_listed], NULL: decimals */
    int32_t n_listed;
} cg_constraint_numbers;

cg_constraint_numbers cg_constraint_numbers_of(const cg_text_format *format);

/**
 * Checks that decimals have digits on both sides of the point, that the number format is within the
 * limits, and that the stop text is one token or empty.
 *
 * @param name      of the constraint, for messages
 * @param ret_stop  id of the stop token, -1 for ""
 * @return CG_OK; CG_ERR_UNSUPPORTED with the value found and the values supported
 */
cg_status cg_constraint_check_format(const char *name, const cg_host *host,
                                     const cg_vocabulary *vocabulary, const cg_text_format *format,
                                     int32_t *ret_stop, cg_error *err);

/**
 * Checks that the literals are consecutive and that there is at least one atom.
 *
 * @return CG_OK; CG_ERR_INPUT
 */
cg_status cg_constraint_check_literals(const char *name, const cg_host *host,
                                       const cg_literals *text, cg_error *err);

#endif
