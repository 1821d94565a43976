/* SPDX-License-Identifier: MIT */
/** @file json_text.h  Writes JSON strings. */
#ifndef CG_BASE_JSON_TEXT_H
#define CG_BASE_JSON_TEXT_H

#include "base/buf.h"

/** Appends s as a quoted JSON string; bytes that are not UTF-8 become U+FFFD. */
void cg_json_put_string(cg_buf *out, const char *s);

#endif
