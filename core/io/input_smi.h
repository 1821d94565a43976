/* SPDX-License-Identifier: MIT */
/** @file input_smi.h  Lines of a .smi file; input.h defines the format. */
#ifndef CG_IO_INPUT_SMI_H
#define CG_IO_INPUT_SMI_H

#include "io/input_columns.h"
#include "io/input_fields.h"

/** Reads text[len], the line that may be a header, into zeroed columns. */
void cg_smi_read_header(const char *text, size_t len, cg_input_columns *ret_columns);
/** 1 if these are the columns of a header: the first one is known, and one holds SMILES. */
int cg_smi_is_header(const cg_input_columns *columns);
/**
 * Parses a line (neither empty nor a comment); its errors go to ret_fields. `columns` are those of
 * the header, or have no SMILES: then the columns are SMILES, name and k.
 */
void cg_smi_read(const cg_line *line, const cg_input_columns *columns, cg_input_fields *ret_fields);

#endif
