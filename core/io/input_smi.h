/* SPDX-License-Identifier: MIT */
/** @file input_smi.h  Lines of a .smi file; the rules stand in input.h. */
#ifndef CG_IO_INPUT_SMI_H
#define CG_IO_INPUT_SMI_H

#include "io/input_fields.h"

/** The first column is a word that names the column. */
int cg_smi_is_header(const cg_line *line);
/** Take a line (neither empty nor a comment) apart; its problems go into ret_fields. */
void cg_smi_read(const cg_line *line, cg_input_fields *ret_fields);

#endif
