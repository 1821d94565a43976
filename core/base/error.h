/* SPDX-License-Identifier: MIT */
/** @file error.h  Writing error records. */
#ifndef CG_BASE_ERROR_H
#define CG_BASE_ERROR_H

#include <confgen/status.h>

/**
 * Write `code` and the formatted text to `err` (may be NULL) and return `code`, so that a failing
 * function ends in `return cg_fail(err, ...)`. Bytes that are not printable ASCII or UTF-8 lead
 * bytes are shown as `\xNN`: the text may quote hostile input.
 */
cg_status cg_fail(cg_error *err, cg_status code, const char *fmt, ...) CG_PRINTF(3, 4);

/** cg_fail() with CG_ERR_NOMEM and the text "WHO: out of memory". */
cg_status cg_fail_nomem(cg_error *err, const char *who);

/** Put "prefix: " in front of the text that `err` already carries; returns err->code. */
cg_status cg_fail_prefix(cg_error *err, cg_status code, const char *fmt, ...) CG_PRINTF(3, 4);

#endif
