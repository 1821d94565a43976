/* SPDX-License-Identifier: MIT */
/**
 * @file json.h  Parses settings files in JSON and reads their members with type and range checks.
 *
 * Errors name the file and the position, "DIR/config.json:3:17: ...", for syntax, the file and the
 * member, "DIR/config.json: rope_scaling.factor: found "x", wanted a number from 1 to 1000", for
 * values. A null member counts as absent: Hugging Face writes both.
 */
#ifndef CG_BASE_JSON_H
#define CG_BASE_JSON_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include <confgen/status.h>

/** An object being read and its names for messages. All members are borrowed. */
typedef struct cg_json {
    const char *file;
    const char *path;   /* of the object in the file, "" for the top level */
    const json_t *node; /* a JSON object */
} cg_json;

/** Whether a member may be absent; the output then stays unchanged. */
enum { CG_JSON_OPTIONAL = 0, CG_JSON_REQUIRED = 1 };

/**
 * Parses `len` bytes that hold one JSON object: UTF-8, no duplicate keys, no NUL in strings,
 * nesting bounded by the parser.
 *
 * @param ret_root  owned by the caller, json_decref()
 * @return CG_OK; CG_ERR_FORMAT; CG_ERR_NOMEM
 */
cg_status cg_json_parse(const char *file, const void *bytes, size_t len, json_t **ret_root,
                        cg_error *err);

/**
 * Makes a JSON string of any text: bytes that are not UTF-8 become U+FFFD. NULL if out of memory.
 * json_string() and the format "s" of json_pack() refuse such bytes, so they take constants only.
 */
json_t *cg_json_text(const char *text);

/** Returns a member; NULL when absent or null. */
const json_t *cg_json_member(const cg_json *o, const char *key);

/** Writes a value for a message, shortened; containers by kind only. NULL: "nothing". */
void cg_json_describe(const json_t *value, char *ret_text, size_t cap);

/** Fails with CG_ERR_FORMAT, "FILE: PATH.KEY: found VALUE, wanted <wanted>"; VALUE is shortened. */
cg_status cg_json_fail_wanted(const cg_json *o, const char *key, const char *wanted, cg_error *err);

/** Fails as cg_json_fail_wanted(), with CG_ERR_UNSUPPORTED. */
cg_status cg_json_fail_unsupported(const cg_json *o, const char *key, const char *wanted,
                                   cg_error *err);

/** Reads an integer in [lo, hi]; a real number without fraction, such as 1e6, is accepted. */
cg_status cg_json_int(const cg_json *o, const char *key, int required, int64_t lo, int64_t hi,
                      int64_t *ret, cg_error *err);

/** As cg_json_int(), into 32 bits: lo and hi are of that range. */
cg_status cg_json_i32(const cg_json *o, const char *key, int required, int64_t lo, int64_t hi,
                      int32_t *ret, cg_error *err);

/** Reads a number in [lo, hi]. */
cg_status cg_json_real(const cg_json *o, const char *key, int required, double lo, double hi,
                       double *ret, cg_error *err);

/** Reads true (1) or false (0). */
cg_status cg_json_bool(const cg_json *o, const char *key, int required, int *ret, cg_error *err);

/** Reads a string, borrowed from the parsed tree. */
cg_status cg_json_string(const cg_json *o, const char *key, int required, const char **ret,
                         cg_error *err);

#endif
