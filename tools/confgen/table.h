/* SPDX-License-Identifier: MIT */
/** @file table.h  Tables of text with aligned columns. */
#ifndef CG_TOOLS_TABLE_H
#define CG_TOOLS_TABLE_H

#include <confgen/status.h>
#include <stdio.h>

enum { TABLE_COLUMNS = 20 };

/** A table under construction: table_begin(), cells row by row, table_print(). */
struct text_table {
    const char *align; /* one letter per column: 'l' or 'r' */
    int n_columns;
    size_t n_cells, cap;
    char **cells;
};

/** Starts a table of strlen(align) <= TABLE_COLUMNS columns with these headings. */
void table_begin(struct text_table *t, const char *align, const char *const *headings);
/** Adds the next cell. Control characters become '?'. Out of memory ends the program. */
void table_cell(struct text_table *t, const char *fmt, ...) CG_PRINTF(2, 3);
/** Prints the table and frees its cells. */
void table_print(struct text_table *t, FILE *out);

#endif
