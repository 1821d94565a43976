/* SPDX-License-Identifier: MIT */
#include "input_smi.h"

#include <string.h>

#include "io/input_extension.h"

/* A part of a line. */
struct span {
    const char *at;
    size_t len;
};

static int is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct span trimmed(const char *from, const char *to)
{
    while (from < to && is_blank(*from))
        from++;
    while (to > from && is_blank(to[-1]))
        to--;
    return (struct span) { from, (size_t)(to - from) };
}

/* The column from *at to the next tab, without blanks around it; moves *at past that tab. */
static struct span next_tab_column(const char **at, const char *end)
{
    const char *from = *at;
    const char *tab = memchr(from, '\t', (size_t)(end - from));

    *at = tab ? tab + 1 : end;
    return trimmed(from, tab ? tab : end);
}

/* The word at *at; moves *at past it and the blanks after it. */
static struct span next_word(const char **at, const char *end)
{
    struct span word = { *at, 0 };

    while (*at < end && !is_blank(**at))
        (*at)++;
    word.len = (size_t)(*at - word.at);
    while (*at < end && is_blank(**at))
        (*at)++;
    return word;
}

static int has_tab(const char *text, size_t len)
{
    return memchr(text, '\t', len) != NULL;
}

void cg_smi_read_header(const char *text, size_t len, cg_input_columns *ret_columns)
{
    const char *end = text + len;
    struct span column;

    for (int tabs = has_tab(text, len); text < end;) {
        column = tabs ? next_tab_column(&text, end) : next_word(&text, end);
        cg_input_columns_add(ret_columns, column.at, column.len);
    }
}

int cg_smi_is_header(const cg_input_columns *c)
{
    return c->starts_known && cg_input_columns_have_smiles(c);
}

/* ---- lines under a header ----------------------------------------------------------------- */

/* A line and how to find its fields. */
struct row {
    const char *text;
    size_t len;
    int tabs;
    size_t smiles; /* index of the SMILES column: blanks may be in the extension after it */
    size_t last;   /* index of the last column */
};

/* cg_field_fn. Without tabs, the last column reaches to the end of the line. */
static const char *field(const void *arg, size_t index, size_t *ret_len)
{
    const struct row *row = arg;
    const char *p = row->text, *end = p + row->len;
    struct span column = { end, 0 };

    for (size_t i = 0; i <= index && p < end; i++) {
        column = (struct span) { end, 0 };
        if (row->tabs) {
            column = next_tab_column(&p, end);
        } else if (i == row->last) {
            column = trimmed(p, end);
            p = end;
        } else {
            column = next_word(&p, end);
            if (i == row->smiles && p < end && *p == '|') {
                p += cg_extension_length(p, (size_t)(end - p));
                column.len = (size_t)(p - column.at);
                while (p < end && is_blank(*p))
                    p++;
            }
        }
        if (i < index && p == end)
            column = (struct span) { end, 0 };
    }
    *ret_len = column.len;
    return column.at;
}

static size_t count_words(const char *p, const char *end)
{
    size_t n = 0;

    for (; p < end; n++)
        next_word(&p, end);
    return n;
}

/* 1 if the best column of names is the last one, which may then hold blanks. */
static int name_is_last(const cg_input_columns *c)
{
    for (int kind = CG_COLUMN_NAME; kind <= CG_COLUMN_OTHER_NAME; kind++)
        if (c->at[kind])
            return c->at[kind] == c->n;
    return 0;
}

static void read_row(const cg_line *line, const cg_input_columns *c, cg_input_fields *f)
{
    struct row row = { line->text, line->len, has_tab(line->text, line->len),
                       cg_input_columns_smiles(c) - 1, SIZE_MAX };
    size_t n = row.tabs ? 0 : count_words(line->text, line->text + line->len);

    if (name_is_last(c))
        row.last = c->n - 1;
    else if (n > c->n && !memchr(line->text, '|', line->len))
        cg_input_fields_fail(f, CG_ERR_INPUT,
                             "the line has %zu fields separated by blanks, its header has %zu "
                             "columns; separate the columns by tabs",
                             n, c->n);
    cg_input_columns_read(c, field, &row, f);
}

/* ---- lines without a header --------------------------------------------------------------- */

void cg_smi_read(const cg_line *line, const cg_input_columns *columns, cg_input_fields *f)
{
    const char *end = line->text + line->len;
    const char *p = line->text;
    struct span smiles, extension = { "", 0 }, name, count = { "", 0 };

    if (cg_input_fields_reject_line(f, line))
        return;
    if (cg_input_columns_have_smiles(columns)) {
        read_row(line, columns, f);
        return;
    }
    p += strspn(p, " ");
    smiles = (struct span) { p, strcspn(p, " \t") };
    p += smiles.len;
    extension.at = p + strspn(p, " ");
    extension.at += *extension.at == '\t';
    extension.at += strspn(extension.at, " ");
    extension.len = cg_extension_length(extension.at, (size_t)(end - extension.at));
    if (extension.len)
        p = extension.at + extension.len;
    p += strspn(p, " ");
    p += *p == '\t';
    if (has_tab(p, (size_t)(end - p))) {
        name = next_tab_column(&p, end);
        count = next_tab_column(&p, end);
    } else {
        name = trimmed(p, end);
    }
    cg_input_fields_set_smiles(f, smiles.at, smiles.len);
    cg_input_fields_set_extension(f, extension.at, extension.len);
    cg_input_fields_set_name(f, name.at, name.len);
    cg_input_fields_set_count(f, count.at, count.len);
}
