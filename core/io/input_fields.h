/* SPDX-License-Identifier: MIT */
/** @file input_fields.h  The fields of one molecule line, shared by the format readers. */
#ifndef CG_IO_INPUT_FIELDS_H
#define CG_IO_INPUT_FIELDS_H

#include "base/buf.h"
#include "io/input.h"
#include "io/lines.h"

typedef struct cg_input_fields {
    const char *file; /* borrowed, for messages */
    int64_t line;
    cg_buf smiles, name;
    int64_t count;  /* -1: absent */
    cg_error error; /* error.code: status of the line, error.msg: "file:line: reason" */
} cg_input_fields;

/** Clears all fields for line number `line`. */
void cg_input_fields_reset(cg_input_fields *fields, int64_t line);
void cg_input_fields_finish(cg_input_fields *fields);

/** Sets the error of the line; later calls have no effect. */
void cg_input_fields_fail(cg_input_fields *fields, cg_status code, const char *fmt, ...)
    CG_PRINTF(3, 4);

/** Sets the error and returns 1 if a line is too long or holds a control character; else 0. */
int cg_input_fields_reject_line(cg_input_fields *fields, const cg_line *line);
/** Parses the count; an empty text is absent. */
void cg_input_fields_set_count(cg_input_fields *fields, const char *text, size_t len);
/** Sets the error if the SMILES is empty or holds bytes that no SMILES can. */
void cg_input_fields_check_smiles(cg_input_fields *fields);

/** 1 if a line holds only blanks and tabs, or nothing. */
int cg_line_is_empty(const cg_line *line);

#endif
