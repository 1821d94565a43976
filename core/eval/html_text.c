/* SPDX-License-Identifier: MIT */
#include "eval/html_text.h"

#include "base/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* XML 1.0 allows no control characters except tab and line ends, and neither U+FFFE nor U+FFFF. It
 * discourages C1 controls; they are excluded too. */
static int is_xml_char(const unsigned char *s, int n)
{
    if (n == 1)
        return (s[0] >= 0x20 && s[0] != 0x7f) || s[0] == '\t' || s[0] == '\n' || s[0] == '\r';
    if (n == 2)
        return s[0] != 0xc2 || s[1] >= 0xa0;
    return n != 3 || s[0] != 0xef || s[1] != 0xbf || s[2] < 0xbe;
}

void cg_html_put_text(cg_buf *out, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;

    while (*s) {
        int n = cg_utf8_length(s);

        if (!n || !is_xml_char(s, n))
            cg_buf_puts(out, "\xef\xbf\xbd");
        else if (*s == '&')
            cg_buf_puts(out, "&amp;");
        else if (*s == '<')
            cg_buf_puts(out, "&lt;");
        else if (*s == '>')
            cg_buf_puts(out, "&gt;");
        else if (*s == '"')
            cg_buf_puts(out, "&quot;");
        else if (*s == '\'')
            cg_buf_puts(out, "&#39;");
        else
            cg_buf_put(out, s, (size_t)n);
        s += n ? n : 1;
    }
}

void cg_html_put_count(cg_buf *out, uint64_t n)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%" PRIu64, n);

    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0)
            cg_buf_putc(out, ',');
        cg_buf_putc(out, digits[i]);
    }
}

/* "%.*f" with a typographic minus; numbers from 1e15 on in scientific notation. */
static void put_fixed(cg_buf *out, double value, int decimals)
{
    if (value < 0)
        cg_buf_puts(out, "−");
    value = fabs(value);
    if (value >= 1e15)
        cg_buf_printf(out, "%.3g", value);
    else
        cg_buf_printf(out, "%.*f", decimals, value);
}

void cg_html_put_percent(cg_buf *out, double share)
{
    double percent = 100 * share;

    if (!isfinite(percent)) {
        cg_buf_puts(out, "–");
        return;
    }
    if (percent > 0 && percent < 0.01)
        cg_buf_puts(out, "&lt;0.01");
    else if (percent < 100 && percent > 99.99)
        cg_buf_puts(out, "&gt;99.99");
    else if ((percent > 0 && percent < 0.1) || (percent < 100 && percent > 99.9))
        put_fixed(out, percent, 2);
    else
        put_fixed(out, percent, 1);
    cg_buf_puts(out, CG_NBSP "%");
}

void cg_html_put_angstrom(cg_buf *out, double value)
{
    if (!isfinite(value)) {
        cg_buf_puts(out, "–");
        return;
    }
    put_fixed(out, value, 3);
    cg_buf_puts(out, CG_NBSP "Å");
}

void cg_html_put_number(cg_buf *out, double value)
{
    double size = fabs(value);

    if (!isfinite(value)) {
        cg_buf_puts(out, "–");
    } else if (size >= 999.5 && size < 1e15) {
        if (value < 0)
            cg_buf_puts(out, "−");
        cg_html_put_count(out, (uint64_t)(size + 0.5));
    } else if (size >= 1e15 || (size > 0 && size < 1e-4)) {
        cg_buf_printf(out, "%.3g", value);
    } else if (value == floor(value)) {
        put_fixed(out, value, 0);
    } else {
        put_fixed(out, value, size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 4);
    }
}

void cg_html_put_seconds(cg_buf *out, double seconds)
{
    if (!(seconds >= 0) || seconds >= 1e12) {
        cg_buf_puts(out, "–");
    } else if (seconds < 99.95) {
        cg_buf_printf(out, "%.*f" CG_NBSP "s",
                      seconds < 0.1     ? 4
                      : seconds < 9.995 ? 2
                                        : 1,
                      seconds);
    } else {
        uint64_t s = (uint64_t)(seconds + 0.5), h = s / 3600;

        if (h) {
            cg_html_put_count(out, h);
            cg_buf_printf(out, CG_NBSP "h" CG_NBSP "%02d" CG_NBSP "min", (int)(s / 60 % 60));
        } else {
            cg_buf_printf(out, "%d" CG_NBSP "min" CG_NBSP "%02d" CG_NBSP "s", (int)(s / 60),
                          (int)(s % 60));
        }
    }
}

void cg_html_put_bytes(cg_buf *out, double bytes)
{
    static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB" };
    size_t u = 0;

    if (!(bytes >= 0) || bytes >= 1e18) {
        cg_buf_puts(out, "–");
        return;
    }
    for (; bytes >= 999.5 && u + 1 < sizeof units / sizeof units[0]; u++)
        bytes /= 1000;
    cg_buf_printf(out, "%.*f" CG_NBSP "%s", u && bytes < 99.95 ? 1 : 0, bytes, units[u]);
}

void cg_html_put_base64(cg_buf *out, const void *bytes, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *s = bytes;

    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        uint32_t v = (uint32_t)s[i] << 16 | (left > 1 ? (uint32_t)s[i + 1] << 8 : 0) |
                     (left > 2 ? s[i + 2] : 0);

        cg_buf_putc(out, digits[v >> 18]);
        cg_buf_putc(out, digits[v >> 12 & 63]);
        cg_buf_putc(out, left > 1 ? digits[v >> 6 & 63] : '=');
        cg_buf_putc(out, left > 2 ? digits[v & 63] : '=');
    }
}
