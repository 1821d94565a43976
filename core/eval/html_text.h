/* SPDX-License-Identifier: MIT */
/** @file html_text.h  Text and figures for HTML and SVG: escaped, and formatted alike everywhere.
 */
#ifndef CG_EVAL_HTML_TEXT_H
#define CG_EVAL_HTML_TEXT_H

#include "base/buf.h"

#include <stdint.h>

/**
 * Append a text from outside so that it is text, inside an element and inside a quoted attribute,
 * of HTML and of XML. Bytes that are no UTF-8 and characters that XML does not know become U+FFFD.
 */
void cg_html_put_text(cg_buf *out, const char *text);

/* Figures. What is not finite is a dash. The unit is joined with a no-break space. */

void cg_html_put_count(cg_buf *out, uint64_t n); /* 1,367 */
/** "38.4 %" of a share. What is not quite nothing or not quite all is not shown as such: "0.04 %",
 * "<0.01 %", "99.97 %". */
void cg_html_put_percent(cg_buf *out, double share);
void cg_html_put_angstrom(cg_buf *out, double value); /* "1.058 Å" */
/** "12.3 s", "4 min 05 s", "5 h 12 min" */
void cg_html_put_seconds(cg_buf *out, double seconds);
/** "1,234", "56.7", "0.0123": three significant digits at least. */
void cg_html_put_number(cg_buf *out, double value);
/** "16.4 MB", powers of 1000. */
void cg_html_put_bytes(cg_buf *out, double bytes);

/** Append bytes in base 64, for data: addresses. */
void cg_html_put_base64(cg_buf *out, const void *bytes, size_t n);

#endif
