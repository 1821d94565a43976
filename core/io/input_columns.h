/* SPDX-License-Identifier: MIT */
/**
 * @file input_columns.h  Which columns of a header line hold the SMILES, the name and the count k.
 *
 * Column names are compared without case; a blank or '-' in one counts as '_'. In order of
 * preference:
 *
 *   SMILES  corrected_smiles (where it is not empty), then smiles; isomeric_smiles, isosmiles;
 *           canonical_smiles, cansmiles, connectivity_smiles; smi; the first that ends in _smiles
 *   name    name; id, identifier, cid; the first that ends in _id; title; the first that ends in
 *           _name: the first of these that is not empty in a row
 *   k       n_conformers, k
 */
#ifndef CG_IO_INPUT_COLUMNS_H
#define CG_IO_INPUT_COLUMNS_H

#include <stddef.h>

#include "base/buf.h"

/** Kinds of columns; those of one purpose in order of preference. */
enum cg_column {
    CG_COLUMN_CORRECTED,
    CG_COLUMN_SMILES,
    CG_COLUMN_ISOMERIC,
    CG_COLUMN_CANONICAL,
    CG_COLUMN_SMI,
    CG_COLUMN_OTHER_SMILES,
    CG_COLUMN_NAME,
    CG_COLUMN_ID,
    CG_COLUMN_OTHER_ID,
    CG_COLUMN_TITLE,
    CG_COLUMN_OTHER_NAME,
    CG_COLUMN_COUNT,
    CG_COLUMNS,
};

enum { CG_COLUMN_LABEL = 48 }; /* bytes of a column's name that a message quotes */

/** The columns of a header line. Zero first; add the columns from left to right. */
typedef struct cg_input_columns {
    size_t n;                     /* columns */
    size_t at[CG_COLUMNS];        /* 1 + index of the first column of a kind, 0: absent */
    const char *word[CG_COLUMNS]; /* its name in the list above */
    char label[CG_COLUMNS][CG_COLUMN_LABEL]; /* its name in the file */
    const char *twice;                       /* column name that occurs twice, or NULL */
    int starts_known;                        /* the first column is of a known kind */
} cg_input_columns;

/** Adds the next column, by its name. */
void cg_input_columns_add(cg_input_columns *columns, const char *text, size_t len);
/** 1 + index of the SMILES column, corrected_smiles excepted; 0: absent. */
size_t cg_input_columns_smiles(const cg_input_columns *columns);
/** 1 if a column holds SMILES. */
int cg_input_columns_have_smiles(const cg_input_columns *columns);
/** Appends which columns are used: "SMILES from column 'smiles', names from ...". */
void cg_input_columns_describe(const cg_input_columns *columns, cg_buf *out);

/** The field with index i of the row being read, *ret_len bytes; "" if the row has no such field.
 */
typedef const char *cg_field_fn(const void *row, size_t i, size_t *ret_len);

struct cg_input_fields;
/** Fills the fields of a molecule from the row's columns. */
void cg_input_columns_read(const cg_input_columns *columns, cg_field_fn *field, const void *row,
                           struct cg_input_fields *ret_fields);

#endif
