/* SPDX-License-Identifier: MIT */
#include "tok_text.h"

#include <string.h>
#include <utf8proc.h>

/* Length of the valid character at s[0..n), 0 if it is invalid. */
static size_t char_len(const unsigned char *s, size_t n)
{
    unsigned char lo = 0x80, hi = 0xbf; /* bounds of the second byte */
    size_t len;

    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    len = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (n < len)
        return 0;
    if (s[0] == 0xe0)
        lo = 0xa0; /* smaller: overlong */
    else if (s[0] == 0xed)
        hi = 0x9f; /* larger: surrogates */
    else if (s[0] == 0xf0)
        lo = 0x90;
    else if (s[0] == 0xf4)
        hi = 0x8f; /* larger: beyond U+10FFFF */
    if (s[1] < lo || s[1] > hi)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

size_t cg_utf8_check(const char *text, size_t len, int *ret_ascii)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t i = 0;

    *ret_ascii = 1;
    while (i < len) {
        uint64_t word;
        size_t n;

        while (len - i >= 8) {
            memcpy(&word, s + i, 8);
            if (word & UINT64_C(0x8080808080808080))
                break;
            i += 8;
        }
        while (i < len && s[i] < 0x80)
            i++;
        if (i == len)
            break;
        *ret_ascii = 0;
        n = char_len(s + i, len - i);
        if (!n)
            return i;
        i += n;
    }
    return len;
}

uint32_t cg_utf8_get(const char *text, size_t *ret_len)
{
    const unsigned char *s = (const unsigned char *)text;

    if (s[0] < 0x80) {
        *ret_len = 1;
        return s[0];
    }
    if (s[0] < 0xe0) {
        *ret_len = 2;
        return (uint32_t)(s[0] & 0x1f) << 6 | (s[1] & 0x3f);
    }
    if (s[0] < 0xf0) {
        *ret_len = 3;
        return (uint32_t)(s[0] & 0x0f) << 12 | (uint32_t)(s[1] & 0x3f) << 6 | (s[2] & 0x3f);
    }
    *ret_len = 4;
    return (uint32_t)(s[0] & 0x07) << 18 | (uint32_t)(s[1] & 0x3f) << 12 |
           (uint32_t)(s[2] & 0x3f) << 6 | (s[3] & 0x3f);
}

size_t cg_utf8_put(uint32_t cp, char *out)
{
    return (size_t)utf8proc_encode_char((utf8proc_int32_t)cp, (utf8proc_uint8_t *)out);
}

size_t cg_utf8_back(const char *text, size_t end)
{
    do
        end--;
    while (end && ((unsigned char)text[end] & 0xc0) == 0x80);
    return end;
}

int cg_is_space(uint32_t cp)
{
    return (cp >= 0x09 && cp <= 0x0d) || cp == 0x20 || cp == 0x85 || cp == 0xa0 || cp == 0x1680 ||
           (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 || cp == 0x2029 || cp == 0x202f ||
           cp == 0x205f || cp == 0x3000;
}

int cg_is_word(uint32_t cp)
{
    switch (utf8proc_category((utf8proc_int32_t)cp)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
        return 1;
    default:
        /* alphabetic symbols (letters in circles and squares) and the two joiners */
        return (cp >= 0x24b6 && cp <= 0x24e9) || (cp >= 0x1f130 && cp <= 0x1f149) ||
               (cp >= 0x1f150 && cp <= 0x1f169) || (cp >= 0x1f170 && cp <= 0x1f189) ||
               cp == 0x200c || cp == 0x200d;
    }
}

static int maps_to_itself(uint32_t cp)
{
    return (cp >= 33 && cp <= 126) || (cp >= 161 && cp <= 172) || (cp >= 174 && cp <= 255);
}

uint32_t cg_byte_char(uint8_t byte)
{
    if (maps_to_itself(byte))
        return byte;
    if (byte <= 32)
        return 256u + byte;
    if (byte <= 160)
        return 256u + 33 + (byte - 127u);
    return 256u + 67; /* 173, the soft hyphen */
}

int cg_char_byte(uint32_t cp)
{
    if (cp < 256)
        return maps_to_itself(cp) ? (int)cp : -1;
    if (cp <= 256 + 32)
        return (int)cp - 256;
    if (cp < 256 + 67)
        return (int)cp - 256 - 33 + 127;
    return cp == 256 + 67 ? 173 : -1;
}
