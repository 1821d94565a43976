/* SPDX-License-Identifier: MIT */
/** @file paint.h  Colours on a terminal. */
#ifndef CG_TOOLS_PAINT_H
#define CG_TOOLS_PAINT_H

#include <stdio.h>

enum {
    PAINT_NONE,  /* ends the others */
    PAINT_ERROR, /* red: ends the program */
    PAINT_NOTE,  /* yellow: the program goes on */
    PAINT_BAR,   /* green */
    PAINT_BOLD,
};

/**
 * The control sequence of a PAINT_*; "" if `out` is no terminal or one without colours (TERM=dumb),
 * or if NO_COLOR is set and not empty (https://no-color.org). Static.
 */
const char *paint(FILE *out, int kind);

#endif
