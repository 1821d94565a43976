/* SPDX-License-Identifier: MIT */
#include "base/text.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

/* The code point of a valid sequence of n bytes. */
static uint32_t code_point(const unsigned char *s, int n)
{
    uint32_t cp = n == 1 ? s[0] : s[0] & (0xffu >> (n + 1));

    for (int i = 1; i < n; i++)
        cp = cp << 6 | (s[i] & 0x3f);
    return cp;
}

/* Controls, line separators and bidirectional controls (Unicode's Bidi_Control). */
static int is_hidden(uint32_t cp)
{
    return cp < 0x20 || (cp >= 0x7f && cp <= 0x9f) || cp == 0x61c || cp == 0x200e || cp == 0x200f ||
           (cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069);
}

/* Whether s, which is no valid sequence, is the start of one that the end of the text cuts. */
static int is_cut(const unsigned char *s)
{
    int n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc2 ? 2 : 0, i = 1;

    while (i < n && (s[i] & 0xc0) == 0x80)
        i++;
    return i < n && s[0] <= 0xf4 && !s[i];
}

void cg_text_visible(const char *text, char *ret_text, size_t cap)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t at = 0;

    while (*s) {
        int n = cg_utf8_length(s), len = n;
        uint32_t cp = n ? code_point(s, n) : *s;
        char escape[16];

        if (!n && is_cut(s))
            break;
        if (!n || cp < 0x80)
            snprintf(escape, sizeof escape, "\\x%02x", (unsigned)cp);
        else
            snprintf(escape, sizeof escape, "\\u%04x", (unsigned)cp);
        if (!n || is_hidden(cp))
            len = (int)strlen(escape);
        if (at + (size_t)len + 1 > cap)
            break;
        memcpy(ret_text + at, !n || is_hidden(cp) ? escape : (const char *)s, (size_t)len);
        at += (size_t)len;
        s += n ? n : 1;
    }
    ret_text[at] = '\0';
}

char *cg_text_visible_copy(const char *text)
{
    size_t cap = 4 * strlen(text) + 1; /* "\xNN" for a byte */
    char *copy = malloc(cap);

    if (copy)
        cg_text_visible(text, copy, cap);
    return copy;
}

int cg_text_ends_with(const char *text, const char *ending)
{
    const size_t len = strlen(text), ending_len = strlen(ending);

    return len >= ending_len && !strcmp(text + len - ending_len, ending);
}

int cg_text_is_formula(const char *text)
{
    char *end;

    if (!*text || !strchr("=+-@'\t\r", *text))
        return 0;
    if (text[strspn(text, "+-.0123456789eE")])
        return 1;
    strtod(text, &end);
    return end == text || *end;
}
