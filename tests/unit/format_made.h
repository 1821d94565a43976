/* SPDX-License-Identifier: MIT */
/** @file format_made.h  Formats of conformer texts for tests. */
#ifndef CG_TESTS_FORMAT_MADE_H
#define CG_TESTS_FORMAT_MADE_H

#include <stdlib.h>

#include "format/conformer_format.h"

/** A built-in format. Aborts for an unknown name. */
static inline cg_conformer_format format_named(const char *name)
{
    cg_conformer_format f;

    if (cg_conformer_format_named(name, &f, NULL) != CG_OK)
        abort();
    return f;
}

/** molgen-v3 with these digits after and before the point, 1 to 6. Static storage. */
static inline const cg_conformer_format *format_of_decimals(int decimals, int max_integer_digits)
{
    static cg_conformer_format made[7][7];
    cg_conformer_format *f = &made[decimals][max_integer_digits];

    *f = format_named("molgen-v3");
    f->number.decimals = decimals;
    f->number.max_integer_digits = max_integer_digits;
    return f;
}

#endif
