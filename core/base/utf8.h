/* SPDX-License-Identifier: MIT */
/** @file utf8.h  Telling UTF-8 from other bytes. */
#ifndef CG_BASE_UTF8_H
#define CG_BASE_UTF8_H

#include <stdint.h>

/** Length of the UTF-8 sequence at s, a terminated text; 0 where it is none (overlong, surrogate,
 * cut off, stray). */
static inline int cg_utf8_length(const unsigned char *s)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
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
    return cp < least[n] || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000) ? 0 : n;
}

#endif
