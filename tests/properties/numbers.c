/* SPDX-License-Identifier: MIT */
#include "numbers.h"

#include <stdio.h>
#include <string.h>

static int64_t power_of_ten(int32_t n)
{
    int64_t p = 1;

    while (n-- > 0)
        p *= 10;
    return p;
}

int64_t number_count(const cg_text_format *format)
{
    return 2 * power_of_ten(format->max_integer_digits + format->decimals) - 1;
}

static void print_units(const cg_text_format *format, int negative, int64_t units,
                        char out[NUMBER_MAX])
{
    int64_t one = power_of_ten(format->decimals);

    snprintf(out, NUMBER_MAX, "%s%d.%0*d", negative ? "-" : "", (int)(units / one),
             (int)format->decimals, (int)(units % one));
}

void number_text(const cg_text_format *format, int64_t i, char out[NUMBER_MAX])
{
    int64_t half = (number_count(format) + 1) / 2;

    print_units(format, i >= half, i < half ? i : i - half + 1, out);
}

void number_random(const cg_text_format *format, odd_random *random, char out[NUMBER_MAX])
{
    int32_t digits = (int32_t)odd_below(random, (uint32_t)format->max_integer_digits + 1);
    int64_t low = digits ? power_of_ten(format->decimals + digits - 1) : 0;
    int64_t end = power_of_ten(format->decimals + digits);
    int64_t units = low + (int64_t)(odd_next(random) % (uint64_t)(end - low));

    print_units(format, units > 0 && odd_below(random, 2), units, out);
}

void number_edge(const cg_text_format *format, int i, char out[NUMBER_MAX])
{
    int64_t one = power_of_ten(format->decimals);
    int64_t max = power_of_ten(format->decimals + format->max_integer_digits) - 1;
    int64_t ten = format->max_integer_digits > 1 ? 10 * one : one;
    const struct {
        int negative;
        int64_t units;
    } edges[NUMBER_EDGES] = {
        { 0, 0 },       { 0, max }, { 1, max }, { 1, 1 },       { 0, 1 },   { 0, ten },
        { 0, ten - 1 }, { 1, ten }, { 1, one }, { 1, one - 1 }, { 0, one }, { 1, one / 10 },
    };

    print_units(format, edges[i].negative, edges[i].units, out);
}

void number_bad(const cg_text_format *format, int i, char out[NUMBER_MAX])
{
    /* D: as many ones as decimals; Z: zeros; S: one fewer; L: an integer with too many digits */
    static const char *const shapes[NUMBER_BAD] = {
        "-0.Z", "00.D",  "01.D", "-00.D", "-01.D", "+1.D", "",     "-",    "L.D",  "-L.D",
        ".D",   "--1.D", "1D",   "1.S",   "1.D0",  "1,D",  "1. D", " 1.D", "1.De", "1.D-",
    };
    int decimals = (int)format->decimals;
    size_t n = 0;

    for (const char *p = shapes[i]; *p; p++) {
        int ones = *p == 'D' || *p == 'Z' ? decimals : *p == 'S' ? decimals - 1 : 0;

        if (*p == 'L') {
            for (int d = 0; d <= format->max_integer_digits; d++)
                out[n++] = '1';
        } else if (ones) {
            memset(out + n, *p == 'Z' ? '0' : '1', (size_t)ones);
            n += (size_t)ones;
        } else {
            out[n++] = *p;
        }
    }
    out[n] = '\0';
}
