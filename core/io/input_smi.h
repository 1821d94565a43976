/* SPDX-License-Identifier: MIT */
/** @file input_smi.h  Lines of a .smi file; input.h defines the format. */
#ifndef CG_IO_INPUT_SMI_H
#define CG_IO_INPUT_SMI_H

#include "io/input_fields.h"

/** 1 if the first column is a column name, e.g. "smiles". */
int cg_smi_is_header(const cg_line *line);
/** Parses a line (neither empty nor a comment); its errors go to ret_fields. */
void cg_smi_read(const cg_line *line, cg_input_fields *ret_fields);

#endif
