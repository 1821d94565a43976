/* SPDX-License-Identifier: MIT */
#include "base/plugin_call.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"

enum { PLACE_TEXT = 128 };

/* "attention 'naive', layer 3, step 17" */
static void describe(const cg_plugin_call *call, char *ret_text)
{
    int n = snprintf(ret_text, PLACE_TEXT, call->name ? "%s '%.40s'" : "%s", call->kind,
                     call->name ? call->name : "");

    if (call->layer >= 0)
        n += snprintf(ret_text + n, (size_t)(PLACE_TEXT - n), ", layer %d", call->layer);
    if (call->step >= 0)
        snprintf(ret_text + n, (size_t)(PLACE_TEXT - n), ", step %lld", (long long)call->step);
}

/* The status that the caller acts on. */
static cg_status status_of(cg_status st, int has_text)
{
    switch (st) {
    case CG_ERR_NOMEM: /* a smaller batch may help */
    case CG_ERR_DEVICE_NOMEM:
        return st;
    case CG_ERR_UNSUPPORTED:
    case CG_ERR_LIMIT:
    case CG_ERR_MISMATCH:
    case CG_ERR_IO:
    case CG_ERR_CUDA:
        return has_text ? st : CG_ERR_PLUGIN;
    }
    return CG_ERR_PLUGIN;
}

cg_status cg_plugin_call_status(const cg_plugin_call *call, cg_status st, const cg_error *why,
                                cg_error *err)
{
    size_t n = strnlen(why->msg, sizeof why->msg);
    cg_status returned = status_of(st, n > 0);
    char place[PLACE_TEXT];

    if (st == CG_OK)
        return CG_OK;
    describe(call, place);
    if (n)
        return cg_fail(err, returned, "%s: %.*s", place, (int)n, why->msg);
    if (strcmp(cg_status_name(st), cg_status_name(INT32_MIN)))
        return cg_fail(err, returned, "%s: failed without a reason (%s)", place,
                       cg_status_name(st));
    return cg_fail(err, returned, "%s: failed without a reason (unknown status %d)", place, st);
}
