/* SPDX-License-Identifier: MIT */
/** @file input_fields.h  The fields of one molecule line, shared by the format readers. */
#ifndef CG_IO_INPUT_FIELDS_H
#define CG_IO_INPUT_FIELDS_H

#include "base/buf.h"
#include "io/input.h"
#include "io/lines.h"

typedef struct cg_input_fields cg_input_fields;

struct cg_input_fields {
    const char *file; /* borrowed, for messages */
    int64_t line;
    cg_buf smiles, name;
    int64_t count;  /* see cg_input_record */
    uint32_t notes; /* CG_INPUT_NOTE_* */
    cg_error error; /* error.code: status of the line, error.msg: "file:line: reason" */
};

/** Clears all fields for line number `line`. */
void cg_input_fields_reset(cg_input_fields *fields, int64_t line);
void cg_input_fields_finish(cg_input_fields *fields);

/** Sets the error of the line; later calls have no effect. */
void cg_input_fields_fail(cg_input_fields *fields, cg_status code, const char *fmt, ...)
    CG_PRINTF(3, 4);

/** Sets the error and returns 1 if a line is too long or holds a control character; else 0. */
int cg_input_fields_reject_line(cg_input_fields *fields, const cg_line *line);
/**
 * Sets SMILES and extension from text[len], "SMILES" or "SMILES |extension|" between blanks. Sets
 * the error if the SMILES is empty or has bytes that no SMILES has, or if the extension is refused.
 */
void cg_input_fields_set_smiles(cg_input_fields *fields, const char *text, size_t len);
/** Reads a CXSMILES extension, text[len] with its bars; an empty text is absent. */
void cg_input_fields_set_extension(cg_input_fields *fields, const char *text, size_t len);
/** Sets the name, byte for byte; one of blanks only is absent. */
void cg_input_fields_set_name(cg_input_fields *fields, const char *text, size_t len);
/** Parses the count; an empty text is absent. */
void cg_input_fields_set_count(cg_input_fields *fields, const char *text, size_t len);
/** 1 if a line holds only blanks and tabs, or nothing. */
int cg_line_is_empty(const cg_line *line);

#endif
