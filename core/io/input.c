/* SPDX-License-Identifier: MIT */
#include "input.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "io/input_csv.h"
#include "io/input_fields.h"
#include "io/input_smi.h"
#include "io/lines.h"
#include "io/source.h"

struct cg_input {
    cg_source *source;
    cg_lines lines;
    cg_input_format format;
    cg_csv *csv; /* of a .csv */

    int header_pending; /* the next line that is not a comment is, or may be, the header */
    int header_forced;
    int64_t header_line;
    cg_buf header_text;

    cg_input_fields fields; /* of the molecule line read last */
    int have_fields;        /* they have not been returned yet */
    int64_t n_empty;        /* empty lines before it that are not reported yet */
    int64_t first_empty;    /* line number of the first one */
    int at_end;

    int64_t next_index;
    cg_error empty_line_error;
};

/* ---- detection -------------------------------------------------------------------------- */

static int ends_with(const char *s, size_t n, const char *suffix)
{
    size_t m = strlen(suffix);

    return n >= m && !strncasecmp(s + n - m, suffix, m);
}

/* Format by the file name; CG_INPUT_AUTO without an extension. */
static cg_status format_by_name(const char *path, cg_input_format *ret_format, cg_error *err)
{
    static const char *const smi[] = { ".smi", ".smiles", ".ism", ".can", ".txt" };
    const char *base = strrchr(path, '/');
    size_t n;

    base = base ? base + 1 : path;
    n = strlen(base);
    if (ends_with(base, n, ".gz"))
        n -= 3;
    else if (ends_with(base, n, ".zst"))
        n -= 4;
    *ret_format = CG_INPUT_CSV;
    if (ends_with(base, n, ".csv"))
        return CG_OK;
    *ret_format = CG_INPUT_SMI;
    for (size_t i = 0; i < sizeof smi / sizeof *smi; i++)
        if (ends_with(base, n, smi[i]))
            return CG_OK;
    *ret_format = CG_INPUT_AUTO;
    if (!memchr(base, '.', n))
        return CG_OK;
    return cg_fail(err, CG_ERR_USAGE,
                   "'%s': cannot determine the input format from the name, wanted .smi or .csv "
                   "(or either with .gz or .zst)",
                   path);
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
                           "'%s' is %s, wanted .smi or .csv text (plain, gzip or zstd)", name,
                           known[i].description);
    nul = memchr(text, '\0', len);
    if (nul)
        return cg_fail(err, CG_ERR_FORMAT,
                       "'%s' is a binary file (a NUL byte at offset %zu), wanted .smi or .csv text",
                       name, (size_t)(nul - in->lines.chunk));
    return CG_OK;
}

/* Is the first line the header of a .csv: does it have commas and a column `smiles`? */
static int looks_like_csv(const char *text, size_t len)
{
    const char *lf = memchr(text, '\n', len);
    const char *end = lf ? lf : text + len;
    const char *p = text;

    if (!memchr(text, ',', (size_t)(end - text)))
        return 0;
    while (p < end) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        const char *stop = comma ? comma : end;

        while (p < stop && (isspace((unsigned char)*p) || *p == '"'))
            p++;
        if (stop - p >= 6 && !strncasecmp(p, "smiles", 6) &&
            (stop - p == 6 || isspace((unsigned char)p[6]) || p[6] == '"'))
            return 1;
        p = comma ? comma + 1 : end;
    }
    return 0;
}

/* Inspects the first bytes: skips a byte order mark, refuses binary data, determines the format. */
static cg_status inspect_start(cg_input *in, cg_error *err)
{
    cg_lines *l = &in->lines;

    CG_TRY(cg_lines_fill(l, err));
    if (l->at_end)
        return cg_fail(err, CG_ERR_FORMAT, "'%s' is empty, wanted one molecule per line",
                       cg_source_name(in->source));
    if (l->len >= 3 && !memcmp(l->chunk, "\xef\xbb\xbf", 3))
        l->pos = 3;
    CG_TRY(refuse_binary(in, err));
    if (in->format == CG_INPUT_AUTO)
        in->format =
            looks_like_csv(l->chunk + l->pos, l->len - l->pos) ? CG_INPUT_CSV : CG_INPUT_SMI;
    return CG_OK;
}

/* ---- lines to records ------------------------------------------------------------------- */

/* Consumes `line` if it is the header; *ret_consumed. */
static cg_status consume_header(cg_input *in, const cg_line *line, int *ret_consumed, cg_error *err)
{
    cg_line copy = *line;

    in->header_pending = 0;
    *ret_consumed = in->header_forced || in->format == CG_INPUT_CSV || cg_smi_is_header(line);
    if (!*ret_consumed)
        return CG_OK;
    in->header_line = line->number;
    if (!line->too_long)
        cg_buf_put(&in->header_text, line->text, line->len);
    CG_TRY(cg_buf_check(&in->header_text, cg_source_name(in->source), err));
    /* line->text is invalid after the next line is read, which a row of several lines requires. */
    copy.text = cg_buf_text(&in->header_text);
    if (in->format == CG_INPUT_CSV)
        CG_TRY(cg_csv_header(in->csv, &in->lines, &copy, err));
    return CG_OK;
}

/* Reads a molecule line into in->fields; its own errors go there. */
static cg_status read_fields(cg_input *in, const cg_line *line, cg_error *err)
{
    in->have_fields = 1;
    cg_input_fields_reset(&in->fields, line->number);
    if (in->format == CG_INPUT_CSV)
        CG_TRY(cg_csv_read(in->csv, &in->lines, line, &in->fields, err));
    else
        cg_smi_read(line, &in->fields);
    CG_TRY(cg_buf_check(&in->fields.smiles, cg_source_name(in->source), err));
    return cg_buf_check(&in->fields.name, cg_source_name(in->source), err);
}

/*
 * Reads up to the next molecule line. Stops early, without fields, after a comment or header that
 * follows empty lines: these are reported before later empty lines are counted.
 */
static cg_status advance(cg_input *in, cg_error *err)
{
    int64_t n_empty = 0;

    for (;;) {
        cg_line line;
        int more, skip = 0;

        cg_lines_mark(&in->lines);
        CG_TRY(cg_lines_next(&in->lines, &line, &more, err));
        if (!more) {
            in->at_end = 1;
            return CG_OK;
        }
        if (cg_line_is_empty(&line)) {
            if (!n_empty++)
                in->first_empty = line.number;
            continue;
        }
        in->n_empty = n_empty;
        if (in->format == CG_INPUT_SMI && line.text[0] == '#')
            skip = 1;
        else if (in->header_pending)
            CG_TRY(consume_header(in, &line, &skip, err));
        if (!skip)
            return read_fields(in, &line, err);
        if (n_empty)
            return CG_OK;
    }
}

/* Reads until there is a record to return or the file ends. */
static cg_status prepare(cg_input *in, cg_error *err)
{
    while (!in->n_empty && !in->have_fields && !in->at_end)
        CG_TRY(advance(in, err));
    return CG_OK;
}

static const cg_input_options default_options;

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
    in->header_pending = options->header != CG_INPUT_HEADER_NO;
    in->header_forced = options->header == CG_INPUT_HEADER_YES;
    CG_TRY_GOTO(st, cg_lines_init(&in->lines, source, CG_INPUT_MAX_LINE, err), out);
    CG_TRY_GOTO(st, inspect_start(in, err), out);
    if (in->format == CG_INPUT_CSV) {
        if (!in->header_pending) {
            st = cg_fail(
                err, CG_ERR_USAGE,
                "'%s': found --header no for a .csv file, wanted auto or yes: its first line "
                "names the columns",
                cg_source_name(source));
            goto out;
        }
        CG_TRY_GOTO(st, cg_csv_create(cg_source_name(source), &in->csv, err), out);
    }
    CG_TRY_GOTO(st, prepare(in, err), out);
    if (!in->n_empty && !in->have_fields) {
        st = cg_fail(err, CG_ERR_FORMAT, "'%s' holds no molecule line", cg_source_name(source));
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
    cg_status st;

    if (!options)
        options = &default_options;
    format = options->format;
    CG_TRY(cg_source_open(path, &source, err));
    if (format == CG_INPUT_AUTO && strcmp(path, "-") &&
        (st = format_by_name(path, &format, err)) != CG_OK) {
        cg_source_close(source);
        return st;
    }
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
    cg_input_fields_finish(&in->fields);
    cg_buf_finish(&in->header_text);
    cg_lines_finish(&in->lines);
    cg_source_close(in->source);
    free(in);
}

static void return_empty_line(cg_input *in, cg_input_record *ret_record)
{
    cg_fail(&in->empty_line_error, CG_ERR_INPUT, "%s:%lld: the line is empty, wanted a molecule",
            cg_source_name(in->source), (long long)in->first_empty);
    *ret_record = (cg_input_record) { .index = in->next_index++,
                                      .line = in->first_empty++,
                                      .status = CG_ERR_INPUT,
                                      .reason = in->empty_line_error.msg,
                                      .smiles = "",
                                      .name = "",
                                      .count = -1 };
    in->n_empty--;
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
                                      .count = f->count };
}

cg_status cg_input_next(cg_input *in, cg_input_record *ret_record, int *ret_more, cg_error *err)
{
    cg_status st = prepare(in, err);

    if (st != CG_OK) {
        in->at_end = 1;
        in->have_fields = 0;
        in->n_empty = 0;
        return st;
    }
    *ret_more = in->n_empty || in->have_fields;
    if (in->n_empty)
        return_empty_line(in, ret_record);
    else if (in->have_fields)
        return_fields(in, ret_record);
    return CG_OK;
}

cg_input_format cg_input_format_of(const cg_input *in)
{
    return in->format;
}

int64_t cg_input_header_line(const cg_input *in, const char **ret_text)
{
    *ret_text = cg_buf_text(&in->header_text);
    return in->header_line;
}
