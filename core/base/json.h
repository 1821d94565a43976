/* SPDX-License-Identifier: MIT */
/**
 * @file json.h  Settings files in JSON: parsing and typed, bounded members.
 *
 * Errors name file and place: "DIR/config.json:3:17: ..." for syntax, "DIR/config.json:
 * rope_scaling.factor: found "x", wanted a number from 1 to 1000" for values. An absent member and
 * a null one are the same: Hugging Face writes both.
 */
#ifndef CG_BASE_JSON_H
#define CG_BASE_JSON_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include <confgen/status.h>

/** An object being read and how to speak of it. Borrowed: must not outlive its parts. */
typedef struct cg_json {
    const char *file;
    const char *path;   /* of the object inside the file, "" for the top */
    const json_t *node; /* a JSON object */
} cg_json;

/** Whether a member may be absent (then the output is left as it is). */
enum { CG_JSON_OPTIONAL = 0, CG_JSON_REQUIRED = 1 };

/**
 * Parse `len` bytes holding one JSON object: UTF-8, no duplicate keys, no NUL in strings, nesting
 * bounded by the parser.
 *
 * @param ret_root  owned by the caller, json_decref()
 * @return CG_OK; CG_ERR_FORMAT; CG_ERR_NOMEM
 */
cg_status cg_json_parse(const char *file, const void *bytes, size_t len, json_t **ret_root,
                        cg_error *err);

/** The member, NULL when absent or null. */
const json_t *cg_json_member(const cg_json *o, const char *key);

/** "PATH.KEY: found VALUE, wanted <wanted>" as CG_ERR_FORMAT, VALUE shortened. */
cg_status cg_json_unwanted(const cg_json *o, const char *key, const char *wanted, cg_error *err);

/** An integer in [lo, hi]; a real without fraction (as 1e6) is one too. */
cg_status cg_json_int(const cg_json *o, const char *key, int required, int64_t lo, int64_t hi,
                      int64_t *ret, cg_error *err);

/** A number in [lo, hi]. */
cg_status cg_json_real(const cg_json *o, const char *key, int required, double lo, double hi,
                       double *ret, cg_error *err);

/** true or false; *ret is 1 or 0. */
cg_status cg_json_bool(const cg_json *o, const char *key, int required, int *ret, cg_error *err);

/** A string; *ret is borrowed from the parsed tree. */
cg_status cg_json_string(const cg_json *o, const char *key, int required, const char **ret,
                         cg_error *err);

#endif
