/* SPDX-License-Identifier: MIT */
/**
 * @file input.h  Reading the list of molecules: .smi, .csv, .tsv, .sdf, .mol and .mol2, plain, gzip
 * or zstd.
 *
 * .smi: a line with a tab after the SMILES has the columns SMILES, name and k (the molecule's
 * number of reference conformers), separated by tabs; blanks around a column are dropped, further
 * columns are ignored. In any other line, all that follows the SMILES is the name, numbers too.
 * Lines that start with '#' are comments. A first line with a column name in its first column and
 * one for SMILES is a header: it then says which columns are used (input_columns.h). In a file
 * whose header and lines are separated by blanks, only a name in the last column may have blanks in
 * it.
 *
 * .csv: the header names the columns; ',', ';' or tab separates them, whichever gives a column of
 * SMILES. A field in quotes may have separators, doubled quotes and line ends in it. .tsv: the same
 * separated by tabs; without a header it is read as .smi.
 *
 * .sdf, .mol, .mol2: the records of input_blocks.h; the name is the title. A record's `line` is its
 * first one.
 *
 * After the SMILES, separated by blanks or a tab, may be a CXSMILES extension, |...|; see
 * input_extension.h. Empty lines are skipped; a byte order mark and the CRs of line ends are
 * dropped. An error in one line is reported in its record and reading continues; an error of the
 * file ends the input.
 */
#ifndef CG_IO_INPUT_H
#define CG_IO_INPUT_H

#include <stddef.h>

#include "base/buf.h"

#include <confgen/status.h>

#define CG_INPUT_MAX_LINE  65536   /* bytes of a line, or of a .csv row, without its line end */
#define CG_INPUT_MAX_K     1000000 /* reference conformers of a molecule */
#define CG_INPUT_MAX_BLOCK 131072  /* bytes of the molecule in a record of a .sdf, .mol or .mol2 */

typedef enum cg_input_format {
    CG_INPUT_AUTO = 0, /* by the file name, or by the first line if the name has no extension */
    CG_INPUT_SMI,
    CG_INPUT_CSV,
    CG_INPUT_TSV,
    CG_INPUT_SDF, /* also .mol */
    CG_INPUT_MOL2,
} cg_input_format;

/**
 * Appends the SMILES of a molblock, or of a record of a .mol2, terminated and of at most
 * CG_INPUT_MAX_BLOCK bytes. CG_ERR_INPUT, CG_ERR_LIMIT and CG_ERR_UNSUPPORTED are the molecule's
 * errors, others end the input.
 */
typedef cg_status (*cg_block_smiles_fn)(const char *block, cg_buf *ret_smiles, cg_error *err);

typedef enum cg_input_header {
    CG_INPUT_HEADER_AUTO = 0, /* .smi, .tsv: a header if it names columns; .csv: always */
    CG_INPUT_HEADER_YES,      /* the first line that is not a comment is the header */
    CG_INPUT_HEADER_NO,       /* .smi, .tsv: every line is a molecule; refused for .csv */
} cg_input_header;

typedef struct cg_input_options {
    cg_input_format format;
    cg_input_header header;
    const volatile int *stop; /* as in cg_source_open() */
    /* reads the molecules of .sdf, .mol and .mol2; NULL: such files are refused */
    cg_block_smiles_fn smiles_of_block;
} cg_input_options;

/** cg_input_record.count of a line whose count is no number from 1 to CG_INPUT_MAX_K. */
#define CG_INPUT_BAD_COUNT (-2)

/** cg_input_record.notes: what the line has and the molecule does not. */
enum {
    CG_INPUT_NOTE_DROPPED = 1, /* a CXSMILES extension with parts that are not used */
    CG_INPUT_NOTE_STEREO_GROUP =
        2, /* enhanced stereo (and, or, racemic): that of the SMILES is used */
};

/**
 * One molecule line. All pointers are borrowed until the next call on the input; texts are
 * NUL-terminated (and hold no NUL), absent ones are "".
 *
 * If status is CG_ERR_INPUT, CG_ERR_LIMIT or CG_ERR_UNSUPPORTED, the line is bad: `reason` is
 * "file:line: reason", and smiles and name hold the fields that could be read.
 */
typedef struct cg_input_record {
    int64_t index;      /* 0-based ordinal of the molecule line, bad lines included */
    int64_t line;       /* 1-based number of the (first) line in the file */
    cg_status status;   /* CG_OK, CG_ERR_INPUT, CG_ERR_LIMIT, CG_ERR_UNSUPPORTED */
    const char *reason; /* "" if status is CG_OK */
    const char *smiles;
    size_t smiles_len;
    const char *name;
    size_t name_len;
    int64_t count;  /* k, 1 to CG_INPUT_MAX_K; -1 if absent; CG_INPUT_BAD_COUNT */
    uint32_t notes; /* CG_INPUT_NOTE_* */
} cg_input_record;

typedef struct cg_input cg_input;

/**
 * Opens `path` ("-": standard input) and reads up to its first molecule line. `options` may be
 * NULL.
 *
 * CG_ERR_IO: cannot be opened or read, or a directory; CG_ERR_FORMAT: empty, binary, damaged
 * compressed data, a .csv without the required columns; CG_ERR_USAGE: unknown file extension, found
 * before the file is opened, or CG_INPUT_HEADER_NO for a .csv; CG_ERR_INTERRUPTED.
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
 * file. Fails, and ends the input, only if the rest of the file cannot be read (CG_ERR_IO,
 * CG_ERR_FORMAT, CG_ERR_NOMEM).
 */
cg_status cg_input_next(cg_input *input, cg_input_record *ret_record, int *ret_more, cg_error *err);

/** The format in use; CG_INPUT_TSV only with a header. */
cg_input_format cg_input_format_of(const cg_input *input);
/** Which columns of the header are used, a phrase; "" without a header. Borrowed. */
const char *cg_input_columns_note(const cg_input *input);

#endif
