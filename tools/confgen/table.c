/* SPDX-License-Identifier: MIT */
#include "table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "commands.h"

void table_cell(struct text_table *t, const char *fmt, ...)
{
    va_list ap;
    char *text, *visible;

    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        out_of_memory();
    va_end(ap);
    visible = cg_text_visible_copy(text); /* names of molecules come from files */
    free(text);
    if (!visible)
        out_of_memory();
    if (t->n_cells == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 64;
        t->cells = realloc(t->cells, t->cap * sizeof *t->cells);
        if (!t->cells)
            out_of_memory();
    }
    t->cells[t->n_cells++] = visible;
}

void table_begin(struct text_table *t, const char *align, const char *const *headings)
{
    *t = (struct text_table) { .align = align, .n_columns = (int)strlen(align) };
    for (int i = 0; i < t->n_columns; i++)
        table_cell(t, "%s", headings[i]);
}

/* The number of UTF-8 characters: bytes that are not continuations. */
static int width(const char *text)
{
    int n = 0;

    for (; *text; text++)
        n += (*text & 0xc0) != 0x80;
    return n;
}

void table_print(struct text_table *t, FILE *out)
{
    int widths[TABLE_COLUMNS] = { 0 };

    for (size_t i = 0; i < t->n_cells; i++) {
        int *w = &widths[i % (size_t)t->n_columns];

        *w = width(t->cells[i]) > *w ? width(t->cells[i]) : *w;
    }
    for (size_t i = 0; i < t->n_cells; i++) {
        int column = (int)(i % (size_t)t->n_columns), last = column == t->n_columns - 1;
        int pad = widths[column] - width(t->cells[i]);

        if (t->align[column] == 'r')
            fprintf(out, "%*s%s", pad, "", t->cells[i]);
        else
            fprintf(out, "%s%*s", t->cells[i], last ? 0 : pad, "");
        fputs(last ? "\n" : "  ", out);
        free(t->cells[i]);
    }
    free(t->cells);
    *t = (struct text_table) { 0 };
}
