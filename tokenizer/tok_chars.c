/* SPDX-License-Identifier: MIT */
#include "tok_chars.h"

#include <stddef.h>

#include "tok_char_tables.h"

static int in_ranges(const struct char_range *ranges, size_t n, uint32_t cp)
{
    size_t lo = 0, hi = n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (cp > ranges[mid].last)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < n && cp >= ranges[lo].first;
}

#define IN(table, cp) in_ranges(table, sizeof table / sizeof table[0], cp)

int cg_is_whitespace_word(uint32_t cp)
{
    return IN(word_ranges, cp);
}

int cg_is_punctuation(uint32_t cp)
{
    return IN(punctuation_ranges, cp);
}

int cg_is_digit(uint32_t cp)
{
    return IN(digit_ranges, cp);
}

int cg_is_combining_mark(uint32_t cp)
{
    return IN(mark_ranges, cp);
}

int cg_is_accent(uint32_t cp)
{
    return IN(accent_ranges, cp);
}

int cg_is_control(uint32_t cp)
{
    return IN(control_ranges, cp);
}

int cg_is_chinese(uint32_t cp)
{
    static const struct char_range chinese[] = {
        { 0x3400, 0x4dbf },   { 0x4e00, 0x9fff },   { 0xf900, 0xfaff },   { 0x20000, 0x2a6df },
        { 0x2a700, 0x2b81f }, { 0x2b920, 0x2ceaf }, { 0x2f800, 0x2fa1f },
    };

    return IN(chinese, cp);
}

int cg_lowercase(uint32_t cp, uint32_t *ret)
{
    size_t lo = 0, hi = sizeof lower_ranges / sizeof lower_ranges[0];
    const struct case_range *r;

    ret[0] = cp;
    if (cp == 0x130) { /* the only one of two characters */
        ret[0] = 'i';
        ret[1] = 0x307;
        return 2;
    }
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (cp > lower_ranges[mid].last)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == sizeof lower_ranges / sizeof lower_ranges[0])
        return 1;
    r = &lower_ranges[lo];
    if (cp >= r->first && (cp - r->first) % r->step == 0)
        ret[0] = (uint32_t)((int64_t)cp + r->difference);
    return 1;
}
