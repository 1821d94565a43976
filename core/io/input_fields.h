/* SPDX-License-Identifier: MIT */
/** @file input_fields.h  One molecule line taken apart: shared by the readers of the formats. */
#ifndef CG_IO_INPUT_FIELDS_H
#define CG_IO_INPUT_FIELDS_H

#include "base/buf.h"
#include "io/input.h"
#include "io/lines.h"

typedef struct cg_input_fields {
    const char *file; /* borrowed, for reasons */
    int64_t line;
    cg_buf smiles, name;
    int64_t count;
    cg_error problem; /* problem.code: status of the line, problem.msg: "file:line: why" */
} cg_input_fields;

/** Begin line number `line`: everything empty, status CG_OK. */
void cg_input_fields_reset(cg_input_fields *fields, int64_t line);
void cg_input_fields_finish(cg_input_fields *fields);

/** Note what is wrong with the line; the first reason stays. */
void cg_input_fields_fail(cg_input_fields *fields, cg_status status, const char *fmt, ...)
    CG_PRINTF(3, 4);

/** Note a line that is too long or holds a control character; 0 where its text can be used. */
int cg_input_fields_reject_line(cg_input_fields *fields, const cg_line *line);
/** Set the count from its text; an empty one is absent. */
void cg_input_fields_set_count(cg_input_fields *fields, const char *text, size_t len);
/** Note an absent SMILES or one with bytes that no SMILES holds. */
void cg_input_fields_check_smiles(cg_input_fields *fields);

/** Only blanks and tabs (or nothing). */
int cg_line_is_empty(const cg_line *line);

#endif
