/* SPDX-License-Identifier: MIT */
#include "base/json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json_text.h"

cg_status cg_json_parse(const char *file, const void *bytes, size_t len, json_t **ret_root,
                        cg_error *err)
{
    json_error_t je;
    json_t *root;

    errno = 0;
    root = json_loadb(bytes ? bytes : "", len, JSON_REJECT_DUPLICATES, &je);
    if (!root) {
        /* The parser reports most failed allocations as errors of the text, or without a text. */
        if (errno == ENOMEM || !je.text[0])
            return cg_fail_nomem(err, file);
        return cg_fail(err, CG_ERR_FORMAT, "%s:%d:%d: %s, wanted a JSON object", file, je.line,
                       je.column, je.text);
    }
    if (!json_is_object(root)) {
        json_decref(root);
        return cg_fail(err, CG_ERR_FORMAT, "%s:1:1: a JSON array, wanted a JSON object", file);
    }
    *ret_root = root;
    return CG_OK;
}

json_t *cg_json_text(const char *text)
{
    json_t *value = json_string(text); /* NULL for bytes that are not UTF-8 */
    cg_buf quoted = { 0 };

    if (value)
        return value;
    cg_json_put_string(&quoted, text);
    if (cg_buf_check(&quoted, "JSON", NULL) == CG_OK)
        value = json_loadb(quoted.data, quoted.len, JSON_DECODE_ANY, NULL);
    cg_buf_finish(&quoted);
    return value;
}

const json_t *cg_json_member(const cg_json *o, const char *key)
{
    const json_t *v = json_object_get(o->node, key);

    return json_is_null(v) ? NULL : v;
}

void cg_json_describe(const json_t *v, char *ret_text, size_t cap)
{
    if (!v)
        snprintf(ret_text, cap, "nothing");
    else if (json_is_object(v))
        snprintf(ret_text, cap, "an object");
    else if (json_is_array(v))
        snprintf(ret_text, cap, "a list of %zu", json_array_size(v));
    else if (json_is_string(v) && json_string_length(v) > 40)
        snprintf(ret_text, cap, "\"%.40s...\"", json_string_value(v));
    else if (json_is_string(v))
        snprintf(ret_text, cap, "\"%s\"", json_string_value(v));
    else if (json_is_integer(v))
        snprintf(ret_text, cap, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    else if (json_is_real(v))
        snprintf(ret_text, cap, "%.17g", json_real_value(v));
    else
        snprintf(ret_text, cap, "%s",
                 json_is_true(v)    ? "true"
                 : json_is_false(v) ? "false"
                                    : "null");
}

cg_status cg_json_fail_wanted(const cg_json *o, const char *key, const char *wanted, cg_error *err)
{
    char found[80];

    cg_json_describe(cg_json_member(o, key), found, sizeof found);
    return cg_fail(err, CG_ERR_FORMAT, "%s: %s%s%s: found %s, wanted %s", o->file, o->path,
                   *o->path ? "." : "", key, found, wanted);
}

cg_status cg_json_fail_unsupported(const cg_json *o, const char *key, const char *wanted,
                                   cg_error *err)
{
    cg_json_fail_wanted(o, key, wanted, err);
    if (err)
        err->code = CG_ERR_UNSUPPORTED;
    return CG_ERR_UNSUPPORTED;
}

cg_status cg_json_int(const cg_json *o, const char *key, int required, int64_t lo, int64_t hi,
                      int64_t *ret, cg_error *err)
{
    const json_t *v = cg_json_member(o, key);
    char wanted[96];
    int64_t x = 0;
    int good = 0;

    if (!v && !required)
        return CG_OK;
    if (json_is_integer(v)) {
        x = json_integer_value(v);
        good = 1;
    } else if (json_is_real(v) && fabs(json_real_value(v)) < 0x1p62) {
        x = (int64_t)json_real_value(v);
        good = (double)x == json_real_value(v);
    }
    if (!good || x < lo || x > hi) {
        snprintf(wanted, sizeof wanted, "a whole number from %jd to %jd", (intmax_t)lo,
                 (intmax_t)hi);
        return cg_json_fail_wanted(o, key, wanted, err);
    }
    *ret = x;
    return CG_OK;
}

cg_status cg_json_i32(const cg_json *o, const char *key, int required, int64_t lo, int64_t hi,
                      int32_t *ret, cg_error *err)
{
    int64_t v = *ret;

    CG_TRY(cg_json_int(o, key, required, lo, hi, &v, err));
    *ret = (int32_t)v;
    return CG_OK;
}

cg_status cg_json_real(const cg_json *o, const char *key, int required, double lo, double hi,
                       double *ret, cg_error *err)
{
    const json_t *v = cg_json_member(o, key);
    char wanted[96];

    if (!v && !required)
        return CG_OK;
    if (!json_is_number(v) || !(json_number_value(v) >= lo && json_number_value(v) <= hi)) {
        snprintf(wanted, sizeof wanted, "a number from %g to %g", lo, hi);
        return cg_json_fail_wanted(o, key, wanted, err);
    }
    *ret = json_number_value(v);
    return CG_OK;
}

cg_status cg_json_bool(const cg_json *o, const char *key, int required, int *ret, cg_error *err)
{
    const json_t *v = cg_json_member(o, key);

    if (!v && !required)
        return CG_OK;
    if (!json_is_boolean(v))
        return cg_json_fail_wanted(o, key, "true or false", err);
    *ret = json_is_true(v);
    return CG_OK;
}

cg_status cg_json_string(const cg_json *o, const char *key, int required, const char **ret,
                         cg_error *err)
{
    const json_t *v = cg_json_member(o, key);

    if (!v && !required)
        return CG_OK;
    if (!json_is_string(v))
        return cg_json_fail_wanted(o, key, "a string", err);
    *ret = json_string_value(v);
    return CG_OK;
}
