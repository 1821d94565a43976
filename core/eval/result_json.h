/* SPDX-License-Identifier: MIT */
/**
 * @file result_json.h  Results as files: JSON of format "confgen-eval-1", and CSV by molecule.
 *
 * Summary and molecules are written with all digits (what is read back is what was written), the
 * distances ref_min and gen_min with four decimals. README.md describes the members.
 */
#ifndef CG_EVAL_RESULT_JSON_H
#define CG_EVAL_RESULT_JSON_H

#include "base/buf.h"
#include "eval/result.h"

enum { CG_EVAL_MAX_JSON = 256 << 20 }; /* bytes of a file that is read */

/**
 * Append the whole result as one JSON object.
 * What is not finite is written as null. CG_ERR_NOMEM.
 */
cg_status cg_eval_write_json(const cg_eval_result *result, cg_buf *out, cg_error *err);

/**
 * Read what cg_eval_write_json() wrote: every member is there, of its type and within its bounds,
 * none besides; counts fit each other.
 *
 * @param name        used in errors
 * @param ret_result  cg_eval_result_finish(); unchanged on failure
 * @return CG_OK; CG_ERR_FORMAT naming place, what was found and what was wanted; CG_ERR_NOMEM.
 */
cg_status cg_eval_read_json(const char *name, const void *bytes, size_t len,
                            cg_eval_result *ret_result, cg_error *err);
/** The same for a file of at most CG_EVAL_MAX_JSON bytes; also CG_ERR_IO, CG_ERR_LIMIT. */
cg_status cg_eval_read_json_file(const char *path, cg_eval_result *ret_result, cg_error *err);

/** Append a header line and a line a molecule; fields in quotes where they need them (RFC 4180). */
cg_status cg_eval_write_csv(const cg_eval_result *result, cg_buf *out, cg_error *err);

#endif
