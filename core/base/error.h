/* SPDX-License-Identifier: MIT */
/** @file error.h  Writes error records. */
#ifndef CG_BASE_ERROR_H
#define CG_BASE_ERROR_H

#include <confgen/status.h>

/**
 * Writes `code` and the formatted text to `err` (may be NULL) and returns `code`: a failing
 * function ends in `return cg_fail(err, ...)`. The text may quote hostile input, so it is written
 * as by cg_text_visible(): valid UTF-8 without controls.
 */
cg_status cg_fail(cg_error *err, cg_status code, const char *fmt, ...) CG_PRINTF(3, 4);

/** cg_fail() with CG_ERR_NOMEM and the text "WHO: out of memory". */
cg_status cg_fail_nomem(cg_error *err, const char *who);

/** Prepends "PREFIX: " to the text of `err` and sets its code; returns `code`. */
cg_status cg_fail_prefix(cg_error *err, cg_status code, const char *fmt, ...) CG_PRINTF(3, 4);

#endif
