/* SPDX-License-Identifier: MIT */
#include "input.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "io/input_blocks.h"
#include "io/input_csv.h"
#include "io/input_fields.h"
#include "io/input_smi.h"
#include "io/lines.h"
#include "io/source.h"

struct cg_input {
    cg_source *source;
    cg_lines lines;
    cg_input_format format;
    cg_csv *csv;              /* of a .csv, or a .tsv with a header */
    cg_input_columns columns; /* of a .smi with a header */
    cg_input_blocks blocks;   /* of a .sdf or .mol2 */

    int header_pending; /* the next line that is not a comment is, or may be, the header */
    int header_forced;
    cg_buf header_text;
    cg_buf columns_note;

    cg_input_fields fields; /* of the molecule line read last */
    int have_fields;        /* they have not been returned yet */
    int at_end;

    int64_t next_index;
};

/* ---- detection -------------------------------------------------------------------------- */

/* Format by the file name; CG_INPUT_AUTO without an extension, and for a directory, which
 * cg_source_open() refuses. */
static cg_status format_by_name(const char *path, cg_input_format *ret_format, cg_error *err)
{
    static const struct {
        const char *extension;
        cg_input_format format;
    } formats[] = {
        { ".smi", CG_INPUT_SMI }, { ".smiles", CG_INPUT_SMI }, { ".ism", CG_INPUT_SMI },
        { ".can", CG_INPUT_SMI }, { ".txt", CG_INPUT_SMI },    { ".csv", CG_INPUT_CSV },
        { ".tsv", CG_INPUT_TSV }, { ".sdf", CG_INPUT_SDF },    { ".sd", CG_INPUT_SDF },
        { ".mol", CG_INPUT_SDF }, { ".mol2", CG_INPUT_MOL2 },
    };
    const char *base = strrchr(path, '/');
    size_t n, unpacked;

    base = base ? base + 1 : path;
    n = strlen(base);
    unpacked = cg_path_strip_extension(base, n, ".gz");
    n = unpacked < n ? unpacked : cg_path_strip_extension(base, n, ".zst");
    *ret_format = CG_INPUT_AUTO;
    if (!memchr(base, '.', n) || cg_file_is_directory(path))
        return CG_OK;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (cg_path_strip_extension(base, n, formats[i].extension) < n) {
            *ret_format = formats[i].format;
            return CG_OK;
        }
    return cg_fail(
        err, CG_ERR_USAGE,
        "'%s': cannot determine the input format from the name, wanted .smi, .csv, .tsv, "
        ".sdf, .mol or .mol2 (or one of them with .gz or .zst); Open Babel makes an .sdf of other "
        "kinds, a spreadsheet is saved as .csv",
        path);
}

/* 1 if the text has a NUL and fewer than half of its lines are text: a list with a few bad lines is
 * not binary. */
static int looks_binary(const char *text, size_t len, const char **ret_nul)
{
    const char *end = text + len;
    size_t n = 0, n_text = 0;

    *ret_nul = memchr(text, '\0', len);
    while (*ret_nul && text < end) {
        const char *lf = memchr(text, '\n', (size_t)(end - text));
        const char *stop = lf ? lf : end;

        n++;
        while (text < stop && ((unsigned char)*text >= 0x20 || isspace((unsigned char)*text)))
            text++;
        n_text += text == stop;
        text = lf ? lf + 1 : end;
    }
    return 2 * n_text < n;
}

/* Refuses the file if its first chunk (64 KiB at most) looks binary: one message instead of one per
 * line. */
static cg_status refuse_binary(const cg_input *in, cg_error *err)
{
    static const struct {
        const char *magic;
        size_t len;
        const char *description;
    } known[] = {
        { "PK\x03\x04", 4, "a zip archive" },
        { "BZh", 3, "bzip2 data" },
        { "\xfd\x37zXZ", 5, "xz data" },
        { "\xff\xfe", 2, "UTF-16 text" },
        { "\xfe\xff", 2, "UTF-16 text" },
        /* the source has already decompressed one layer */
        { "\x1f\x8b", 2, "gzip data compressed twice" },
        { "\x28\xb5\x2f\xfd", 4, "zstd data compressed twice" },
    };
    const char *name = cg_source_name(in->source);
    const char *text = in->lines.chunk + in->lines.pos;
    size_t len = in->lines.len - in->lines.pos;
    const char *nul;

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (len >= known[i].len && !memcmp(text, known[i].magic, known[i].len))
            return cg_fail(err, CG_ERR_FORMAT,
                           "'%s' is %s, wanted .smi, .csv, .tsv, .sdf, .mol or .mol2 text (plain, "
                           "gzip or zstd)",
                           name, known[i].description);
    if (looks_binary(text, len, &nul))
        return cg_fail(
            err, CG_ERR_FORMAT,
            "'%s' is a binary file (a NUL byte at offset %zu), wanted .smi, .csv, .tsv, .sdf, .mol "
            "or .mol2 text",
            name, (size_t)(nul - in->lines.chunk));
    return CG_OK;
}

/* Is the first line a header whose columns `separator` separates? */
static int is_header_of(const char *text, size_t len, char separator)
{
    const char *lf = memchr(text, '\n', len);
    const char *end = lf ? lf : text + len;
    cg_input_columns columns = { 0 };

    for (const char *p = text; p < end;) {
        const char *stop = memchr(p, separator, (size_t)(end - p));
        const char *to = stop ? stop : end;
        const char *from = p;

        p = stop ? stop + 1 : end;
        while (from < to && (isspace((unsigned char)*from) || *from == '"'))
            from++;
        while (from < to && (isspace((unsigned char)to[-1]) || to[-1] == '"'))
            to--;
        cg_input_columns_add(&columns, from, (size_t)(to - from));
    }
    return columns.n > 1 && cg_input_columns_have_smiles(&columns);
}

/* Has a text only characters of SMILES? Letters are those of atoms that need no brackets. */
static int looks_like_smiles(const char *text, const char *end)
{
    int in_brackets = 0;

    for (const char *p = text; p < end; p++) {
        in_brackets = (in_brackets || *p == '[') && *p != ']';
        if (!in_brackets && !strchr("BCNOPSFIbcnopslr0123456789%()[]=#$:/\\.-+@*~", *p))
            return 0;
    }
    return end > text;
}

/* Is the first line complete, and one of a list: a SMILES, or a header? */
static int begins_list(const char *text, size_t len)
{
    const char *end = memchr(text, '\n', len);
    cg_input_columns column = { 0 };

    if (!end)
        return 0;
    cg_input_columns_add(&column, text, strcspn(text, "\r\n"));
    for (const char *c = ",; \t"; *c; c++)
        if (is_header_of(text, len, *c))
            return 1;
    return cg_input_columns_have_smiles(&column) ||
           looks_like_smiles(text, text + strcspn(text, " \t\r\n"));
}

/* Reads on until the fourth line, which tells a molblock, is there: a pipe may deliver less at
 * first. Whoever writes a list may wait for the answer to its first molecule: a first line of a
 * list ends the reading. */
static cg_status read_start(cg_lines *l, cg_error *err)
{
    int more = 1;

    while (more) {
        const char *text = l->chunk + l->pos;
        size_t len = l->len - l->pos;
        int n = 0;

        for (const char *p = text; (p = memchr(p, '\n', len - (size_t)(p - text))) != NULL; p++)
            n++;
        if (n > 3 || begins_list(text, len))
            break;
        CG_TRY(cg_lines_extend(l, &more, err));
    }
    return CG_OK;
}

/* Finds the format by the first line where the name of the file leaves it open. */
static void find_format(cg_input *in, const char *text, size_t len)
{
    if (in->format == CG_INPUT_AUTO && in->blocks.smiles_of)
        in->format = cg_input_blocks_detect(text, len);
    if (in->format == CG_INPUT_AUTO)
        in->format = is_header_of(text, len, ',') || is_header_of(text, len, ';') ? CG_INPUT_CSV
                                                                                  : CG_INPUT_SMI;
    if (in->format == CG_INPUT_TSV && !in->header_forced &&
        (!in->header_pending || !is_header_of(text, len, '\t')))
        in->format = CG_INPUT_SMI;
}

/* Inspects the first bytes: skips a byte order mark, refuses binary data, determines the format. */
static cg_status inspect_start(cg_input *in, cg_error *err)
{
    cg_lines *l = &in->lines;

    CG_TRY(cg_lines_fill(l, err));
    if (l->at_end)
        return cg_fail(err, CG_ERR_FORMAT, "'%s' is empty, wanted one molecule per line",
                       cg_source_name(in->source));
    if (in->format == CG_INPUT_AUTO)
        CG_TRY(read_start(l, err));
    if (l->len >= 3 && !memcmp(l->chunk, "\xef\xbb\xbf", 3))
        l->pos = 3;
    CG_TRY(refuse_binary(in, err));
    find_format(in, l->chunk + l->pos, l->len - l->pos);
    return CG_OK;
}

/* ---- lines to records ------------------------------------------------------------------- */

/* Consumes `line` if it is the header; *ret_consumed. */
static cg_status consume_header(cg_input *in, const cg_line *line, int *ret_consumed, cg_error *err)
{
    const char *file = cg_source_name(in->source);
    cg_input_columns columns = { 0 };
    cg_line copy = *line;

    in->header_pending = 0;
    if (!in->csv)
        cg_smi_read_header(line->text, line->too_long ? 0 : line->len, &columns);
    *ret_consumed = in->header_forced || in->csv || cg_smi_is_header(&columns);
    if (!*ret_consumed)
        return CG_OK;
    if (in->csv) {
        /* line->text is invalid after the next line is read, which a row of several lines
         * requires. */
        if (!line->too_long)
            cg_buf_put(&in->header_text, line->text, line->len);
        CG_TRY(cg_buf_check(&in->header_text, file, err));
        copy.text = cg_buf_text(&in->header_text);
        CG_TRY(cg_csv_header(in->csv, &in->lines, &copy, err));
        columns = *cg_csv_columns(in->csv);
    } else {
        in->columns = columns;
    }
    if (columns.twice)
        return cg_fail(err, CG_ERR_FORMAT, "%s:%lld: the header names the column '%s' twice", file,
                       (long long)line->number, columns.twice);
    if (cg_input_columns_have_smiles(&columns))
        cg_input_columns_describe(&columns, &in->columns_note);
    else
        cg_buf_puts(&in->columns_note, "the header names no column of SMILES: the columns are "
                                       "SMILES, name, k");
    return cg_buf_check(&in->columns_note, file, err);
}

/* Reads a molecule line into in->fields; its own errors go there. */
static cg_status read_fields(cg_input *in, const cg_line *line, cg_error *err)
{
    in->have_fields = 1;
    cg_input_fields_reset(&in->fields, line->number);
    if (in->csv)
        CG_TRY(cg_csv_read(in->csv, &in->lines, line, &in->fields, err));
    else
        cg_smi_read(line, &in->columns, &in->fields);
    CG_TRY(cg_buf_check(&in->fields.smiles, cg_source_name(in->source), err));
    return cg_buf_check(&in->fields.name, cg_source_name(in->source), err);
}

static int has_blocks(cg_input_format format)
{
    return format == CG_INPUT_SDF || format == CG_INPUT_MOL2;
}

/* Reads the next record of a .sdf or .mol2. */
static cg_status advance_block(cg_input *in, cg_error *err)
{
    int more;

    CG_TRY(cg_input_blocks_read(&in->blocks, &in->lines, &in->fields, &more, err));
    in->have_fields = more;
    in->at_end = !more;
    CG_TRY(cg_buf_check(&in->fields.smiles, cg_source_name(in->source), err));
    return cg_buf_check(&in->fields.name, cg_source_name(in->source), err);
}

/* Reads up to the next molecule line. */
static cg_status advance(cg_input *in, cg_error *err)
{
    if (has_blocks(in->format))
        return advance_block(in, err);
    for (;;) {
        cg_line line;
        int more, skip = 0;

        cg_lines_mark(&in->lines);
        CG_TRY(cg_lines_next(&in->lines, &line, &more, err));
        if (!more) {
            in->at_end = 1;
            return CG_OK;
        }
        if (cg_line_is_empty(&line) || (!in->csv && line.text[0] == '#'))
            continue;
        if (in->header_pending)
            CG_TRY(consume_header(in, &line, &skip, err));
        if (!skip)
            return read_fields(in, &line, err);
    }
}

/* Reads until there is a record to return or the file ends. */
static cg_status prepare(cg_input *in, cg_error *err)
{
    return in->have_fields || in->at_end ? CG_OK : advance(in, err);
}

static const cg_input_options default_options;

/* Refuses records of several lines where the caller cannot read them. */
static cg_status check_blocks(const char *name, cg_input_format format,
                              const cg_input_options *options, cg_error *err)
{
    if (has_blocks(format) && !options->smiles_of_block)
        return cg_fail(err, CG_ERR_USAGE, "'%s': wanted a list of SMILES: .smi, .csv or .tsv",
                       name);
    return CG_OK;
}

/* Opens the reader of the format in use. */
static cg_status open_format(cg_input *in, const cg_input_options *options, cg_error *err)
{
    const char *name = cg_source_name(in->source);

    CG_TRY(check_blocks(name, in->format, options, err));
    if (has_blocks(in->format)) {
        in->blocks.format = in->format;
        if (options->header != CG_INPUT_HEADER_AUTO)
            return cg_fail(err, CG_ERR_USAGE,
                           "'%s': found --header, wanted a list of SMILES: this "
                           "file has no line of columns",
                           name);
        return CG_OK;
    }
    if (in->format == CG_INPUT_SMI)
        return CG_OK;
    if (!in->header_pending)
        return cg_fail(
            err, CG_ERR_USAGE,
            "'%s': found --header no for a .csv file, wanted auto or yes: its first line "
            "names the columns",
            name);
    return cg_csv_create(name, in->format == CG_INPUT_CSV ? ",;\t" : "\t", &in->csv, err);
}

/* Takes ownership of `source`. */
static cg_status open_source(cg_source *source, cg_input_format format,
                             const cg_input_options *options, cg_input **ret_input, cg_error *err)
{
    cg_input *in = calloc(1, sizeof *in);
    cg_status st;

    if (!in) {
        st = cg_fail_nomem(err, cg_source_name(source));
        cg_source_close(source);
        return st;
    }
    in->source = source;
    in->format = format;
    in->fields.file = cg_source_name(source);
    in->blocks.smiles_of = options->smiles_of_block;
    in->header_pending = options->header != CG_INPUT_HEADER_NO;
    in->header_forced = options->header == CG_INPUT_HEADER_YES;
    CG_TRY_GOTO(st, cg_lines_init(&in->lines, source, CG_INPUT_MAX_LINE, err), out);
    CG_TRY_GOTO(st, inspect_start(in, err), out);
    CG_TRY_GOTO(st, open_format(in, options, err), out);
    CG_TRY_GOTO(st, prepare(in, err), out);
    if (!in->have_fields) {
        st = cg_fail(err, CG_ERR_FORMAT,
                     has_blocks(in->format) ? "'%s' holds no molecule"
                                            : "'%s' holds no molecule line",
                     cg_source_name(source));
        goto out;
    }
    *ret_input = in;
    in = NULL;
out:
    cg_input_close(in);
    return st;
}

cg_status cg_input_open(const char *path, const cg_input_options *options, cg_input **ret_input,
                        cg_error *err)
{
    cg_input_format format;
    cg_source *source = NULL;

    if (!options)
        options = &default_options;
    format = options->format;
    if (format == CG_INPUT_AUTO && strcmp(path, "-"))
        CG_TRY(format_by_name(path, &format, err));
    CG_TRY(check_blocks(path, format, options, err));
    CG_TRY(cg_source_open(path, options->stop, &source, err));
    return open_source(source, format, options, ret_input, err);
}

cg_status cg_input_open_memory(const char *name, const void *bytes, size_t len,
                               const cg_input_options *options, cg_input **ret_input, cg_error *err)
{
    cg_source *source = NULL;

    if (!options)
        options = &default_options;
    CG_TRY(cg_source_open_memory(name, bytes, len, &source, err));
    return open_source(source, options->format, options, ret_input, err);
}

void cg_input_close(cg_input *in)
{
    if (!in)
        return;
    cg_csv_destroy(in->csv);
    cg_input_blocks_finish(&in->blocks);
    cg_input_fields_finish(&in->fields);
    cg_buf_finish(&in->header_text);
    cg_buf_finish(&in->columns_note);
    cg_lines_finish(&in->lines);
    cg_source_close(in->source);
    free(in);
}

static void return_fields(cg_input *in, cg_input_record *ret_record)
{
    const cg_input_fields *f = &in->fields;

    in->have_fields = 0;
    *ret_record = (cg_input_record) { .index = in->next_index++,
                                      .line = f->line,
                                      .status = f->error.code,
                                      .reason = f->error.msg,
                                      .smiles = cg_buf_text(&f->smiles),
                                      .smiles_len = f->smiles.len,
                                      .name = cg_buf_text(&f->name),
                                      .name_len = f->name.len,
                                      .count = f->count,
                                      .notes = f->notes };
}

cg_status cg_input_next(cg_input *in, cg_input_record *ret_record, int *ret_more, cg_error *err)
{
    cg_status st = prepare(in, err);

    if (st != CG_OK) {
        in->at_end = 1;
        in->have_fields = 0;
        return st;
    }
    *ret_more = in->have_fields;
    if (in->have_fields)
        return_fields(in, ret_record);
    return CG_OK;
}

cg_input_format cg_input_format_of(const cg_input *in)
{
    return in->format;
}

const char *cg_input_columns_note(const cg_input *in)
{
    return cg_buf_text(&in->columns_note);
}
