/* SPDX-License-Identifier: MIT */
/* Parsing the values of options, and ending the program where they are wrong. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"

void usage_error(const char *fmt, ...)
{
    va_list ap;

    fputs("confgen: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputs("; see confgen --help\n", stderr);
    exit(EXIT_USAGE);
}

int64_t parse_int64(const char *name, const char *text, int64_t lo, int64_t hi)
{
    char *end;
    long long value;

    errno = 0;
    value = strtoll(text, &end, 10);
    if (end == text || *end || errno || value < lo || value > hi)
        usage_error("%s '%s': wanted a whole number from %lld to %lld", name, text, (long long)lo,
                    (long long)hi);
    return value;
}

int32_t parse_int(const char *name, const char *text, int32_t lo, int32_t hi)
{
    return (int32_t)parse_int64(name, text, lo, hi);
}

float parse_real(const char *name, const char *text)
{
    char *end;
    float value;

    errno = 0;
    value = strtof(text, &end);
    if (end == text || *end || !isfinite(value))
        usage_error("%s '%s': wanted a number", name, text);
    return value;
}

int report_error(const cg_error *err)
{
    fprintf(stderr, "confgen: %s\n", err->msg[0] ? err->msg : cg_status_name(err->code));
    switch (err->code) {
    case CG_ERR_USAGE:
        return EXIT_USAGE;
    case CG_ERR_INTERRUPTED:
        return EXIT_INTERRUPTED;
    default:
        return EXIT_ENVIRONMENT;
    }
}
