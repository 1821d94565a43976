/* SPDX-License-Identifier: MIT */
/** @file compile_checks.h  Checks of text formats and literals that every constraint needs. */
#ifndef CG_CONSTRAINTS_COMPILE_CHECKS_H
#define CG_CONSTRAINTS_COMPILE_CHECKS_H

#include <confgen/constraint.h>

/** Limits of number formats for all constraints of this folder. */
enum { CG_MAX_DECIMALS = 5, CG_MAX_INTEGER_DIGITS = 4 };

/**
 * Checks that a number format has digits on both sides of the point and is within the limits, and
 * that the stop text is one token or empty.
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
