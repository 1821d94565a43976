/* SPDX-License-Identifier: MIT */
#include "input_csv.h"

#include <csv.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"

struct cg_csv {
    const char *file;
    struct csv_parser parser;
    int parser_live;

    cg_buf bytes; /* the fields of the row, concatenated */
    size_t *ends; /* [n_fields] of ends_cap: end offset of each field in bytes */
    size_t n_fields, ends_cap;
    int row_done;
    int nomem;

    const char *separators;
    char separator; /* of the fields */
    cg_input_columns columns;
};

cg_status cg_csv_create(const char *file, const char *separators, cg_csv **ret_csv, cg_error *err)
{
    cg_csv *c = calloc(1, sizeof *c);

    if (!c)
        return cg_fail_nomem(err, file);
    c->file = file;
    c->separators = separators;
    *ret_csv = c;
    return CG_OK;
}

void cg_csv_destroy(cg_csv *c)
{
    if (!c)
        return;
    if (c->parser_live)
        csv_free(&c->parser);
    cg_buf_finish(&c->bytes);
    free(c->ends);
    free(c);
}

/* libcsv callbacks: the end of a field, the end of a row. */
static void on_field(void *text, size_t len, void *arg)
{
    cg_csv *c = arg;

    cg_buf_put(&c->bytes, text, len);
    if (cg_grow((void **)&c->ends, &c->ends_cap, c->n_fields + 1, sizeof *c->ends)) {
        c->nomem = 1;
        return;
    }
    c->ends[c->n_fields++] = c->bytes.len;
}

static void on_row(int terminator, void *arg)
{
    cg_csv *c = arg;

    (void)terminator;
    c->row_done = 1;
}

/* cg_field_fn */
static const char *field(const void *row, size_t i, size_t *ret_len)
{
    const cg_csv *c = row;
    size_t from = i ? c->ends[i - 1] : 0;

    *ret_len = c->ends[i] - from;
    return cg_buf_text(&c->bytes) + from;
}

/* Parses text of a row; returns the bytes parsed, fewer after an error. A quote in a field that
 * does not start with one is a character like any other, as in 5" nail. */
static size_t parse_text(cg_csv *c, const char *text, size_t len)
{
    size_t n = csv_parse(&c->parser, text, len, on_field, on_row, c);

    while (n < len && csv_error(&c->parser) == CSV_EPARSE && !c->parser.quoted) {
        csv_set_opts(&c->parser, 0); /* not CSV_STRICT */
        n += csv_parse(&c->parser, text + n, 1, on_field, on_row, c);
        csv_set_opts(&c->parser, CSV_STRICT);
        n += csv_parse(&c->parser, text + n, len - n, on_field, on_row, c);
    }
    return n;
}

/* Parses one line of a row; a quoting error goes to `f`. */
static cg_status parse_line(cg_csv *c, const cg_line *line, cg_input_fields *f, cg_error *err)
{
    if (cg_input_fields_reject_line(f, line))
        return CG_OK;
    if (parse_text(c, line->text, line->len) != line->len ||
        csv_parse(&c->parser, "\n", 1, on_field, on_row, c) != 1) {
        if (csv_error(&c->parser) != CSV_EPARSE)
            return cg_fail_nomem(err, c->file);
        cg_input_fields_fail(f, CG_ERR_INPUT,
                             "unexpected quote within a field in quotes (line %lld), wanted "
                             "quotes in it doubled",
                             (long long)line->number);
    }
    if (c->nomem || c->bytes.failed)
        return cg_fail_nomem(err, c->file);
    return CG_OK;
}

/* Reads the fields of the row that starts with `first`; rewinds after an error in the row. */
static cg_status read_row(cg_csv *c, cg_lines *lines, const cg_line *first, cg_input_fields *f,
                          cg_error *err)
{
    cg_line line = *first;
    uint64_t total = 0;

    /* A bad row leaves the parser inside a field, so each row starts with a new parser. */
    if (c->parser_live)
        csv_free(&c->parser);
    c->parser_live = 0;
    if (csv_init(&c->parser, CSV_STRICT))
        return cg_fail(err, CG_ERR_INTERNAL, "'%s': cannot start the CSV parser", c->file);
    c->parser_live = 1;
    csv_set_delim(&c->parser, (unsigned char)c->separator);
    cg_buf_clear(&c->bytes);
    c->n_fields = 0;
    c->row_done = 0;
    for (int n = 1;; n++) {
        int more;

        CG_TRY(parse_line(c, &line, f, err));
        total += line.len;
        if (total > CG_INPUT_MAX_LINE)
            cg_input_fields_fail(f, CG_ERR_LIMIT, "the row has more than %d bytes",
                                 CG_INPUT_MAX_LINE);
        if (f->error.code == CG_OK && c->row_done)
            return CG_OK;
        if (n == CG_CSV_MAX_LINES)
            cg_input_fields_fail(f, CG_ERR_INPUT, "quote not closed within %d lines", n);
        if (f->error.code == CG_OK) {
            CG_TRY(cg_lines_next(lines, &line, &more, err));
            if (!more)
                cg_input_fields_fail(f, CG_ERR_INPUT, "quote not closed");
        }
        if (f->error.code != CG_OK) {
            cg_lines_rewind_past_first(lines);
            return CG_OK;
        }
    }
}

/* Reads the header with the present separator. */
static cg_status read_header(cg_csv *c, cg_lines *lines, const cg_line *first, cg_error *err)
{
    cg_input_fields f = { .file = c->file };

    cg_input_fields_reset(&f, first->number);
    CG_TRY(read_row(c, lines, first, &f, err));
    if (f.error.code != CG_OK)
        return cg_fail(err, CG_ERR_FORMAT, "%s (in the header line)", f.error.msg);
    c->columns = (cg_input_columns) { 0 };
    for (size_t i = 0; i < c->n_fields; i++) {
        size_t len;
        const char *text = field(c, i, &len);

        cg_input_columns_add(&c->columns, text, len);
    }
    return CG_OK;
}

cg_status cg_csv_header(cg_csv *c, cg_lines *lines, const cg_line *first, cg_error *err)
{
    const char *p = c->separators;

    for (;; p++) {
        cg_status st;

        c->separator = *p;
        st = read_header(c, lines, first, err);
        if (st == CG_OK && cg_input_columns_have_smiles(&c->columns))
            break;
        if (st != CG_OK && st != CG_ERR_FORMAT)
            return st;
        if (!p[1] && st != CG_OK)
            return st;
        if (!p[1])
            return cg_fail(err, CG_ERR_FORMAT,
                           "%s:%lld: the header '%.*s' has no column of SMILES, wanted one named "
                           "smiles, isomeric_smiles, canonical_smiles, smi or ..._smiles (columns "
                           "are separated by %s; the first line names them)",
                           c->file, (long long)first->number,
                           (int)(first->len < 200 ? first->len : 200), first->text,
                           *c->separators == ',' ? "commas, semicolons or tabs" : "tabs");
        cg_lines_rewind_past_first(lines);
    }
    return CG_OK;
}

const cg_input_columns *cg_csv_columns(const cg_csv *c)
{
    return &c->columns;
}

cg_status cg_csv_read(cg_csv *c, cg_lines *lines, const cg_line *first, cg_input_fields *f,
                      cg_error *err)
{
    CG_TRY(read_row(c, lines, first, f, err));
    if (f->error.code != CG_OK)
        return CG_OK;
    if (c->n_fields != c->columns.n)
        cg_input_fields_fail(f, CG_ERR_INPUT, "the row has %zu fields, the header has %zu",
                             c->n_fields, c->columns.n);
    else
        cg_input_columns_read(&c->columns, field, c, f);
    return CG_OK;
}
