/* SPDX-License-Identifier: MIT */
/** @file input_csv.h  Rows of a .csv or .tsv file; input.h defines the format. */
#ifndef CG_IO_INPUT_CSV_H
#define CG_IO_INPUT_CSV_H

#include "io/input_columns.h"
#include "io/input_fields.h"

/**
 * Longest row, in lines. An unclosed quote then costs only the row in which it opens, not the rest
 * of the file.
 */
#define CG_CSV_MAX_LINES 16

typedef struct cg_csv cg_csv;

/**
 * `file` is borrowed, for messages. `separators`, a static text, lists the characters that may
 * separate the fields: the first that gives the header a column of SMILES does. CG_ERR_NOMEM.
 */
cg_status cg_csv_create(const char *file, const char *separators, cg_csv **ret_csv, cg_error *err);
void cg_csv_destroy(cg_csv *csv); /* accepts NULL */

/**
 * Reads the header row that starts with `first`, the line after the mark of `lines`. CG_ERR_FORMAT
 * if it has no column of SMILES.
 */
cg_status cg_csv_header(cg_csv *csv, cg_lines *lines, const cg_line *first, cg_error *err);
/** The columns of the header. Borrowed. */
const cg_input_columns *cg_csv_columns(const cg_csv *csv);
/**
 * Reads the row that starts with `first`, the line after the mark of `lines`. Errors in the row go
 * to ret_fields; then only its first line is consumed. Fails only if the file cannot be read.
 */
cg_status cg_csv_read(cg_csv *csv, cg_lines *lines, const cg_line *first,
                      cg_input_fields *ret_fields, cg_error *err);

#endif
