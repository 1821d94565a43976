/* SPDX-License-Identifier: MIT */
#include "json_text.h"

/* Length of the UTF-8 sequence at s, 0 where it is none (overlong, surrogate, cut off, stray). */
static int utf8_length(const unsigned char *s)
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

void cg_json_put_string(cg_buf *out, const char *s)
{
    cg_buf_putc(out, '"');
    while (*s) {
        unsigned char c = (unsigned char)*s;
        int n = utf8_length((const unsigned char *)s);

        if (!n) {
            cg_buf_puts(out, "\\ufffd");
            n = 1;
        } else if (c == '"' || c == '\\') {
            cg_buf_putc(out, '\\');
            cg_buf_putc(out, *s);
        } else if (c < 0x20 || c == 0x7f) {
            cg_buf_printf(out, "\\u%04x", c);
        } else {
            cg_buf_put(out, s, (size_t)n);
        }
        s += n;
    }
    cg_buf_putc(out, '"');
}
