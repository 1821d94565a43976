/* SPDX-License-Identifier: MIT */
/** @file compile_checks.h  What every constraint refuses: formats and templates that cannot be
 * meant. */
#ifndef CG_CONSTRAINTS_CHECK_H
#define CG_CONSTRAINTS_CHECK_H

#include <confgen/constraint.h>

/** Digits that the constraints of this folder serve. */
enum { CG_MAX_DECIMALS = 5, CG_MAX_INTEGER_DIGITS = 4 };

/**
 * Is this a number format with digits on both sides of the point, with texts to frame a conformer
 * and a stop that is one token, or no stop at all ("")?
 *
 * @param name        of the constraint, for the text
 * @param ret_stop    id of the stop token, -1 for ""
 * @return CG_OK; CG_ERR_UNSUPPORTED with what was found and what is served
 */
cg_status cg_constraint_check_format(const char *name, const cg_host *host,
                                     const cg_vocabulary *vocabulary, const cg_text_format *format,
                                     int32_t *ret_stop, cg_error *err);

/**
 * Are the literals of this template one behind the other, and at least one atom between them?
 *
 * @return CG_OK; CG_ERR_INPUT
 */
cg_status cg_constraint_check_literals(const char *name, const cg_host *host,
                                       const cg_literals *text, cg_error *err);

#endif
