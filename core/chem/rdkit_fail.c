/* SPDX-License-Identifier: MIT */
#include "chem/rdkit_fail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"

cg_status cg_rdkit_fail(cg_error *err, cg_status code, const char *fmt, ...)
{
    int is_shortage = errno == ENOMEM;
    char text[CG_ERROR_TEXT];
    va_list ap;

    if (is_shortage)
        return cg_fail_nomem(err, "RDKit");
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return cg_fail(err, code, "%s", text);
}
