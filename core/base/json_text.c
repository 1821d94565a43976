/* SPDX-License-Identifier: MIT */
#include "base/json_text.h"

#include "base/utf8.h"

void cg_json_put_string(cg_buf *out, const char *s)
{
    cg_buf_putc(out, '"');
    while (*s) {
        unsigned char c = (unsigned char)*s;
        int n = cg_utf8_length((const unsigned char *)s);

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
