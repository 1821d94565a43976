/* SPDX-License-Identifier: MIT */
#include "paint.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *paint(FILE *out, int kind)
{
    static const char *const sequences[] = {
        [PAINT_NONE] = "\033[0m", [PAINT_ERROR] = "\033[1;31m", [PAINT_NOTE] = "\033[33m",
        [PAINT_BAR] = "\033[32m", [PAINT_BOLD] = "\033[1m",
    };
    const char *refusal = getenv("NO_COLOR"), *terminal = getenv("TERM");

    if ((refusal && *refusal) || !terminal || !strcmp(terminal, "dumb") || !isatty(fileno(out)))
        return "";
    return sequences[kind];
}
