/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

cg_status cg_fail(cg_error *err, cg_status code, const char *fmt, ...)
{
    char text[CG_ERROR_TEXT];
    va_list ap;

    if (!err)
        return code;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    err->code = code;
    cg_text_visible(text, err->msg, sizeof err->msg);
    return code;
}

cg_status cg_fail_prefix(cg_error *err, cg_status code, const char *fmt, ...)
{
    char previous[CG_ERROR_TEXT];
    char text[CG_ERROR_TEXT];
    va_list ap;
    int n;

    if (!err)
        return code;
    memcpy(previous, err->msg, sizeof previous);
    va_start(ap, fmt);
    n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof text)
        n = (int)sizeof text - 1;
    snprintf(text + n, sizeof text - (size_t)n, ": %s", previous);
    err->code = code;
    cg_text_visible(text, err->msg, sizeof err->msg);
    return code;
}

const char *cg_status_name(cg_status status)
{
    switch (status) {
    case CG_OK:
        return "ok";
    case CG_ERR_USAGE:
        return "usage";
    case CG_ERR_UNSUPPORTED:
        return "unsupported";
    case CG_ERR_INPUT:
        return "bad input";
    case CG_ERR_FORMAT:
        return "bad file";
    case CG_ERR_LIMIT:
        return "too large";
    case CG_ERR_MISMATCH:
        return "mismatch";
    case CG_ERR_IO:
        return "input/output";
    case CG_ERR_NOMEM:
        return "out of memory";
    case CG_ERR_PLUGIN:
        return "plugin";
    case CG_ERR_INTERRUPTED:
        return "interrupted";
    case CG_ERR_CUDA:
        return "CUDA";
    case CG_ERR_DEVICE_NOMEM:
        return "out of device memory";
    case CG_ERR_INTERNAL:
        return "internal error";
    }
    return "unknown status";
}

cg_status cg_fail_nomem(cg_error *err, const char *who)
{
    return cg_fail(err, CG_ERR_NOMEM, "%s: out of memory", who);
}
