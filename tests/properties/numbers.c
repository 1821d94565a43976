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
    if (format->numbers)
        return format->n_numbers;
    return 2 * power_of_ten(format->max_integer_digits + format->decimals) - 1;
}

static void print_units(const cg_text_format *format, int negative, int64_t units,
                        char out[NUMBER_MAX])
{
    int64_t one = power_of_ten(format->decimals);

    int len = snprintf(out, NUMBER_MAX, "%s%d.%0*d", negative ? "-" : "", (int)(units / one),
                       (int)format->decimals, (int)(units % one));

    while (format->strip_zeros && out[len - 1] == '0')
        out[--len] = '\0';
    if (out[len - 1] == '.')
        out[len - 1] = '\0';
}

static void print_listed(const cg_text_format *format, int64_t i, char out[NUMBER_MAX])
{
    snprintf(out, NUMBER_MAX, "%s", format->numbers[i]);
}

void number_text(const cg_text_format *format, int64_t i, char out[NUMBER_MAX])
{
    int64_t half = (number_count(format) + 1) / 2;

    if (format->numbers) {
        print_listed(format, i, out);
        return;
    }
    print_units(format, i >= half, i < half ? i : i - half + 1, out);
}

static void random_decimal(const cg_text_format *format, odd_random *random, char out[NUMBER_MAX])
{
    int32_t digits = (int32_t)odd_below(random, (uint32_t)format->max_integer_digits + 1);
    int64_t low = digits ? power_of_ten(format->decimals + digits - 1) : 0;
    int64_t end = power_of_ten(format->decimals + digits);
    int64_t units = low + (int64_t)(odd_next(random) % (uint64_t)(end - low));

    if (format->strip_zeros && odd_below(random, 4) == 0) /* fewer decimals, or none */
        units -= units % power_of_ten(1 + (int32_t)odd_below(random, (uint32_t)format->decimals));
    print_units(format, units > 0 && odd_below(random, 2), units, out);
}

void number_random(const cg_text_format *format, odd_random *random, char out[NUMBER_MAX])
{
    if (format->numbers)
        print_listed(format, odd_below(random, (uint32_t)format->n_numbers), out);
    else
        random_decimal(format, random, out);
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

    if (format->numbers)
        print_listed(format, i % 2 ? i / 2 % format->n_numbers : (format->n_numbers - 1) / (1 + i),
                     out);
    else
        print_units(format, edges[i].negative, edges[i].units, out);
}

/* A listed number with a change that makes it none; "" if the list has that too. */
static void bad_listed(const cg_text_format *format, int i, char out[NUMBER_MAX])
{
    const char *number = format->numbers[i * 37 % format->n_numbers];
    int len = (int)strlen(number);

    switch (i % 7) {
    case 0:
        snprintf(out, NUMBER_MAX, "%.*s9%s", len / 2, number, number + len / 2);
        break;
    case 1:
        snprintf(out, NUMBER_MAX, "%.*s", len - 1, number);
        break;
    case 2:
        snprintf(out, NUMBER_MAX, "+%s", number);
        break;
    case 3:
        snprintf(out, NUMBER_MAX, "%s.0", number);
        break;
    case 4:
        snprintf(out, NUMBER_MAX, " %s", number);
        break;
    case 5:
        snprintf(out, NUMBER_MAX, "%s%.*s", "9999", len, number);
        break;
    default:
        *out = '\0';
        break;
    }
    for (int32_t k = 0; k < format->n_numbers; k++)
        if (!strcmp(out, format->numbers[k]))
            *out = '\0';
}

/* Malformed where trailing zeros are stripped. */
static void bad_stripped(int i, char out[NUMBER_MAX])
{
    static const char *const texts[NUMBER_BAD] = {
        "-0",   "1.",   "1.0", "0.10", "-0.0", "00",  "01",  ".5",    "-.5",  "-",
        "1.2.", "1..2", "--1", "+1",   "",     "1e1", "12.", "-00.5", "5.50", "1.-5",
    };

    strcpy(out, texts[i]);
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

    if (format->numbers) {
        bad_listed(format, i, out);
        return;
    }
    if (format->strip_zeros) {
        bad_stripped(i, out);
        return;
    }
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
