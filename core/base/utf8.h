/* SPDX-License-Identifier: MIT */
/** @file utf8.h  Validates UTF-8. */
#ifndef CG_BASE_UTF8_H
#define CG_BASE_UTF8_H

#include <stdint.h>

/**
 * Returns the length of the UTF-8 sequence at s, a terminated text; 0 if it is invalid (overlong,
 * surrogate, truncated, stray continuation byte).
 */
static inline int cg_utf8_length(const unsigned char *s)
{
    static const uint32_t min_code_point[] = { 0, 0, 0x80, 0x800, 0x10000 };
    uint32_t cp;
    int n;

    if (s[0] < 0x80)
        return 1;
    n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc0 ? 2 : 0;
    if (!n || s[0] > 0xf4)
        return 0;
    cp = s[0] & (0xffu >> (n + 1));
    for (int i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        cp = cp << 6 | (s[i] & 0x3f);
    }
    return cp < min_code_point[n] || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000) ? 0 : n;
}

#endif
