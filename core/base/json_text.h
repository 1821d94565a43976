/* SPDX-License-Identifier: MIT */
/** @file json_text.h  Writing JSON strings. */
#ifndef CG_BASE_JSON_TEXT_H
#define CG_BASE_JSON_TEXT_H

#include "buf.h"

/** Append s as a JSON string in quotes; bytes that are no UTF-8 become U+FFFD. */
void cg_json_put_string(cg_buf *out, const char *s);

#endif
