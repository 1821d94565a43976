/* SPDX-License-Identifier: MIT */
/**
 * @file result_json.h  Files of a result: JSON, format "confgen-eval-1", and CSV by molecule.
 *
 * Summary and molecules are written with all digits, so reading restores the same values; the
 * distances ref_min and gen_min have four decimals. README.md describes the members.
 */
#ifndef CG_EVAL_RESULT_JSON_H
#define CG_EVAL_RESULT_JSON_H

#include "base/buf.h"
#include "eval/result.h"

enum { CG_EVAL_MAX_JSON = 256 << 20 }; /* bytes of a file to read, at most */

/**
 * Appends the whole result as one JSON object. Values that are not finite become null.
 * CG_ERR_NOMEM.
 */
cg_status cg_eval_write_json(const cg_eval_result *result, cg_buf *out, cg_error *err);

/**
 * Reads the output of cg_eval_write_json(). Verifies that exactly the expected members exist, with
 * their types and ranges, and that the counts are consistent.
 *
 * @param name        used in messages
 * @param ret_result  cg_eval_result_finish(); unchanged on failure
 * @return CG_OK; CG_ERR_FORMAT with the member, what was found and what was wanted; CG_ERR_NOMEM
 */
cg_status cg_eval_read_json(const char *name, const void *bytes, size_t len,
                            cg_eval_result *ret_result, cg_error *err);
/** The same from a file of at most CG_EVAL_MAX_JSON bytes; also CG_ERR_IO, CG_ERR_LIMIT. */
cg_status cg_eval_read_json_file(const char *path, cg_eval_result *ret_result, cg_error *err);

/** Appends a header and one line per molecule (RFC 4180: fields are quoted if needed). */
cg_status cg_eval_write_csv(const cg_eval_result *result, cg_buf *out, cg_error *err);

#endif
