/* SPDX-License-Identifier: MIT */
/** @file table.h  Aligned tables of text. */
#ifndef CG_TOOLS_TABLE_H
#define CG_TOOLS_TABLE_H

#include <confgen/status.h>
#include <stdio.h>

enum { TABLE_COLUMNS = 16 };

/** Zero first; table_print() prints and empties it. Out of memory ends the program. */
struct table {
    const char *align; /* a letter a column: 'l' or 'r' */
    int n_columns;
    size_t n_cells, cap;
    char **cells;
};

/** A table of strlen(align) columns with these heads. */
void table_begin(struct table *t, const char *align, const char *const *heads);
/** The next cell, row by row. */
void table_cell(struct table *t, const char *fmt, ...) CG_PRINTF(2, 3);
void table_print(struct table *t, FILE *out);

#endif
