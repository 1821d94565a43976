/* SPDX-License-Identifier: MIT */
/**
 * @file input.h  Reading the list of molecules: .smi and .csv, plain, gzip or zstd.
 *
 * .smi: a line is SMILES, name, k (the molecule's number of reference conformers). Columns are
 * separated by tabs where a tab follows the SMILES or stands in the rest of the line (a name may
 * then hold blanks, further columns are ignored), else by blanks: then a third and last word that
 * is a number is k, and any other rest of the line is the name. A line that begins with '#' is a
 * comment. A first line whose first column is a word such as "smiles" is a header line.
 *
 * .csv: a header line names the columns (upper or lower case): `smiles` or `corrected_smiles`,
 * optional `name` and `n_conformers`. A non-empty corrected_smiles is taken instead of smiles.
 * Quoted fields may hold commas, doubled quotes and line ends.
 *
 * In both, a byte order mark and the CR of line ends are dropped. Whatever is wrong with one line
 * is told in its record and the reading goes on; what is wrong with the file ends it.
 */
#ifndef CG_IO_INPUT_H
#define CG_IO_INPUT_H

#include <stddef.h>

#include <confgen/status.h>

#define CG_INPUT_MAX_LINE 65536   /* bytes of a line, or of a .csv row, without its line end */
#define CG_INPUT_MAX_K    1000000 /* reference conformers of a molecule */

typedef enum cg_input_format {
    CG_INPUT_AUTO = 0, /* by the file's name, and by its first line where the name does not say */
    CG_INPUT_SMI,
    CG_INPUT_CSV,
} cg_input_format;

typedef enum cg_input_header {
    CG_INPUT_HEADER_AUTO = 0, /* .smi: a header where the first column says so; .csv: always */
    CG_INPUT_HEADER_YES, /* the first line that is no comment is dropped (.csv: names the columns)
                          */
    CG_INPUT_HEADER_NO,  /* .smi: every line is a molecule; refused for .csv */
} cg_input_header;

typedef struct cg_input_options {
    cg_input_format format;
    cg_input_header header;
} cg_input_options;

/**
 * One molecule line. All pointers are borrowed until the next call on the input; texts are
 * NUL-terminated (and hold no NUL), absent ones are "".
 *
 * Where status is CG_ERR_INPUT or CG_ERR_LIMIT the line is bad: `reason` says "file:line: why", and
 * smiles and name hold what could be read.
 */
typedef struct cg_input_record {
    int64_t index;      /* 0-based ordinal of the molecule line, bad lines included */
    int64_t line;       /* 1-based number of the (first) line in the file */
    cg_status status;   /* CG_OK, CG_ERR_INPUT, CG_ERR_LIMIT */
    const char *reason; /* "" where status is CG_OK */
    const char *smiles;
    size_t smiles_len;
    const char *name;
    size_t name_len;
    int64_t count; /* k, 1 to CG_INPUT_MAX_K; -1 if absent */
} cg_input_record;

typedef struct cg_input cg_input;

/**
 * Open `path` ("-": standard input) and read up to its first molecule line. `options` may be NULL.
 *
 * CG_ERR_IO: cannot be opened or read, or a directory; CG_ERR_FORMAT: empty, binary, damaged
 * compressed data, a .csv without the needed columns; CG_ERR_USAGE: the format cannot be told from
 * the name, or no header asked for in a .csv.
 */
cg_status cg_input_open(const char *path, const cg_input_options *options, cg_input **ret_input,
                        cg_error *err);
/** The same over `len` bytes of memory, borrowed until the input is closed. */
cg_status cg_input_open_memory(const char *name, const void *bytes, size_t len,
                               const cg_input_options *options, cg_input **ret_input,
                               cg_error *err);
void cg_input_close(cg_input *input); /* accepts NULL */

/**
 * The next molecule line: *ret_more = 1 and *ret_record, or *ret_more = 0 at the end of the file.
 * An empty line inside the file is a bad line; empty lines at its end are not. Fails only where the
 * rest of the file cannot be read (CG_ERR_IO, CG_ERR_FORMAT, CG_ERR_NOMEM); ends the input.
 */
cg_status cg_input_next(cg_input *input, cg_input_record *ret_record, int *ret_more, cg_error *err);

/** The format that is read: CG_INPUT_SMI or CG_INPUT_CSV. */
cg_input_format cg_input_format_of(const cg_input *input);
/** Number of the line that was taken as the header, 0 if none; *ret_text is its text (or ""). */
int64_t cg_input_header_line(const cg_input *input, const char **ret_text);

/** XXH3 (64 bits) of the stored bytes of a file: the input's part of a run's fingerprint. */
cg_status cg_input_hash(const char *path, uint64_t *ret_hash, cg_error *err);

#endif
