/* SPDX-License-Identifier: MIT */
/** @file html_text.h  Text and figures for HTML and SVG: escaping and uniform formatting. */
#ifndef CG_EVAL_HTML_TEXT_H
#define CG_EVAL_HTML_TEXT_H

#include "base/buf.h"

#include <stdint.h>

#define CG_NBSP "\xc2\xa0" /* no-break space */

/**
 * Appends an untrusted text escaped for element content and quoted attributes of HTML and XML.
 * Bytes that are not UTF-8 and characters that XML does not allow become U+FFFD.
 */
void cg_html_put_text(cg_buf *out, const char *text);

/* Figures. Values that are not finite become a dash. A no-break space precedes the unit. */

void cg_html_put_count(cg_buf *out, uint64_t n); /* 1,367 */
/** A share in per cent: "38.4 %". Only 0 and 1 are shown as 0.0 and 100.0 %; values near them
 * become "0.04 %", "<0.01 %", "99.97 %". */
void cg_html_put_percent(cg_buf *out, double share);
void cg_html_put_angstrom(cg_buf *out, double value); /* "1.058 Å" */
/** "12.3 s", "4 min 05 s", "5 h 12 min" */
void cg_html_put_seconds(cg_buf *out, double seconds);
/** "1,234", "56.7", "0.0123": at least three significant digits. */
void cg_html_put_number(cg_buf *out, double value);
/** "16.4 MB", powers of 1000. */
void cg_html_put_bytes(cg_buf *out, double bytes);

/** Appends bytes in base 64, for data: URLs. */
void cg_html_put_base64(cg_buf *out, const void *bytes, size_t n);

#endif
