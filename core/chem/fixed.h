/* SPDX-License-Identifier: MIT */
/** @file fixed.h  Fixed-point decimals, stored as multiples of the last digit's unit. */
#ifndef CG_CHEM_FIXED_H
#define CG_CHEM_FIXED_H

#include <stddef.h>
#include <stdint.h>

/** Longest text of cg_fixed_write(): sign, 19 digits, point and one digit before it. */
enum { CG_FIXED_MAX = 22 };

/** 10^decimals, 0 <= decimals <= 18. */
static inline int64_t cg_fixed_unit(int decimals)
{
    int64_t unit = 1;

    while (decimals-- > 0)
        unit *= 10;
    return unit;
}

/**
 * Writes units / 10^decimals as `-12.345` to out[CG_FIXED_MAX], not terminated; returns the length.
 * Zero has no sign. 1 <= decimals <= 9, |units| < 10^18.
 */
static inline size_t cg_fixed_write(int64_t units, int decimals, char *out)
{
    char digits[24];
    int n = 0;
    size_t len = 0;
    uint64_t u = units < 0 ? (uint64_t)-units : (uint64_t)units;

    do {
        digits[n++] = (char)('0' + u % 10);
        u /= 10;
    } while (u || n <= decimals);
    if (units < 0)
        out[len++] = '-';
    while (n > 0) {
        if (n == decimals)
            out[len++] = '.';
        out[len++] = digits[--n];
    }
    return len;
}

#endif
