/* SPDX-License-Identifier: MIT */
/** @file input_csv.h  Rows of a .csv file; the rules stand in input.h. */
#ifndef CG_IO_INPUT_CSV_H
#define CG_IO_INPUT_CSV_H

#include "io/input_fields.h"

/**
 * Rows of a .csv go over at most this many lines. A quote that is never closed would otherwise
 * swallow the rest of the file; so it costs the row that it begins in.
 */
#define CG_CSV_MAX_LINES 16

typedef struct cg_csv cg_csv;

/** `file` is borrowed, for errors. */
cg_status cg_csv_create(const char *file, cg_csv **ret_csv, cg_error *err);
void cg_csv_destroy(cg_csv *csv); /* accepts NULL */

/** Read the header row that begins with `first`, the line just taken from `lines`. */
cg_status cg_csv_header(cg_csv *csv, cg_lines *lines, const cg_line *first, cg_error *err);
/**
 * Read the row that begins with `first`, the line after the mark of `lines`. Its problems go into
 * ret_fields; then only the first line is used up. Fails where the file cannot be read.
 */
cg_status cg_csv_read(cg_csv *csv, cg_lines *lines, const cg_line *first,
                      cg_input_fields *ret_fields, cg_error *err);

#endif
