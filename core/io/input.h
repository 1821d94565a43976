/* SPDX-License-Identifier: MIT */
/**
 * @file input.h  Reading the list of molecules: .smi and .csv, plain, gzip or zstd.
 *
 * .smi: a line is SMILES, name, k (the molecule's number of reference conformers). If the line
 * contains a tab after the SMILES, columns are separated by tabs; a name may then hold blanks, and
 * further columns are ignored. Otherwise blanks separate: a number as third and last word is k,
 * and any other rest of the line is the name. Lines that start with '#' are comments. A first line
 * whose first column is a word such as "smiles" is a header line.
 *
 * .csv: a header line names the columns (case-insensitive): `smiles` or `corrected_smiles`,
 * optional `name` and `n_conformers`. A non-empty corrected_smiles overrides smiles. Quoted fields
 * may hold commas, doubled quotes and line ends.
 *
 * In both, a byte order mark and the CRs of line ends are dropped. An error in one line is reported
 * in its record and reading continues; an error of the file ends the input.
 */
#ifndef CG_IO_INPUT_H
#define CG_IO_INPUT_H

#include <stddef.h>

#include <confgen/status.h>

#define CG_INPUT_MAX_LINE 65536   /* bytes of a line, or of a .csv row, without its line end */
#define CG_INPUT_MAX_K    1000000 /* reference conformers of a molecule */

typedef enum cg_input_format {
    CG_INPUT_AUTO = 0, /* by the file name, or by the first line if the name has no extension */
    CG_INPUT_SMI,
    CG_INPUT_CSV,
} cg_input_format;

typedef enum cg_input_header {
    CG_INPUT_HEADER_AUTO = 0, /* .smi: a header if its first column is a known word; .csv: always */
    CG_INPUT_HEADER_YES,      /* the first line that is not a comment is the header */
    CG_INPUT_HEADER_NO,       /* .smi: every line is a molecule; refused for .csv */
} cg_input_header;

typedef struct cg_input_options {
    cg_input_format format;
    cg_input_header header;
} cg_input_options;

/**
 * One molecule line. All pointers are borrowed until the next call on the input; texts are
 * NUL-terminated (and hold no NUL), absent ones are "".
 *
 * If status is CG_ERR_INPUT or CG_ERR_LIMIT, the line is bad: `reason` is "file:line: reason", and
 * smiles and name hold the fields that could be read.
 */
typedef struct cg_input_record {
    int64_t index;      /* 0-based ordinal of the molecule line, bad lines included */
    int64_t line;       /* 1-based number of the (first) line in the file */
    cg_status status;   /* CG_OK, CG_ERR_INPUT, CG_ERR_LIMIT */
    const char *reason; /* "" if status is CG_OK */
    const char *smiles;
    size_t smiles_len;
    const char *name;
    size_t name_len;
    int64_t count; /* k, 1 to CG_INPUT_MAX_K; -1 if absent */
} cg_input_record;

typedef struct cg_input cg_input;

/**
 * Opens `path` ("-": standard input) and reads up to its first molecule line. `options` may be
 * NULL.
 *
 * CG_ERR_IO: cannot be opened or read, or a directory; CG_ERR_FORMAT: empty, binary, damaged
 * compressed data, a .csv without the required columns; CG_ERR_USAGE: unknown file extension, or
 * CG_INPUT_HEADER_NO for a .csv.
 */
cg_status cg_input_open(const char *path, const cg_input_options *options, cg_input **ret_input,
                        cg_error *err);
/** As cg_input_open() for `len` bytes of memory, borrowed until the input is closed. */
cg_status cg_input_open_memory(const char *name, const void *bytes, size_t len,
                               const cg_input_options *options, cg_input **ret_input,
                               cg_error *err);
void cg_input_close(cg_input *input); /* accepts NULL */

/**
 * Returns the next molecule line: *ret_more = 1 and *ret_record, or *ret_more = 0 at the end of the
 * file. An empty line inside the file is a bad line; empty lines at its end are ignored. Fails, and
 * ends the input, only if the rest of the file cannot be read (CG_ERR_IO, CG_ERR_FORMAT,
 * CG_ERR_NOMEM).
 */
cg_status cg_input_next(cg_input *input, cg_input_record *ret_record, int *ret_more, cg_error *err);

/** The format in use: CG_INPUT_SMI or CG_INPUT_CSV. */
cg_input_format cg_input_format_of(const cg_input *input);
/** Number of the header line, 0 if there is none; *ret_text is its text (or ""). */
int64_t cg_input_header_line(const cg_input *input, const char **ret_text);

#endif
