/* SPDX-License-Identifier: MIT */
#include "input.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <xxhash.h>

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

    int header_due; /* the first line that is no comment is (or may be) the header */
    int header_forced;
    int64_t header_line;
    cg_buf header_text;

    cg_input_fields ahead; /* the molecule line read last */
    int have_ahead;        /* and not handed out yet */
    int64_t n_empty;       /* empty lines before it to tell of, from line first_empty on */
    int64_t first_empty;
    int at_end;

    int64_t next_index;
    cg_error empty_reason;
};

/* ---- what the file is ------------------------------------------------------------------- */

static int ends_with(const char *s, size_t n, const char *suffix)
{
    size_t m = strlen(suffix);

    return n >= m && !strncasecmp(s + n - m, suffix, m);
}

/* The format that the file's name tells; CG_INPUT_AUTO where it has no extension. */
static cg_status format_by_name(const char *path, cg_input_format *ret, cg_error *err)
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
    *ret = CG_INPUT_CSV;
    if (ends_with(base, n, ".csv"))
        return CG_OK;
    *ret = CG_INPUT_SMI;
    for (size_t i = 0; i < sizeof smi / sizeof *smi; i++)
        if (ends_with(base, n, smi[i]))
            return CG_OK;
    *ret = CG_INPUT_AUTO;
    if (!memchr(base, '.', n))
        return CG_OK;
    return cg_fail(err, CG_ERR_USAGE,
                   "'%s': cannot tell the input format from the name, wanted .smi or .csv (or "
                   "either with .gz or .zst)",
                   path);
}

/* A binary file is refused as a whole: every line of it would be one more useless message. */
static cg_status refuse_binary(const cg_input *in, cg_error *err)
{
    static const struct {
        const char *magic;
        size_t len;
        const char *what;
    } known[] = {
        { "PK\x03\x04", 4, "a zip archive" },
        { "BZh", 3, "bzip2 data" },
        { "\xfd\x37zXZ", 5, "xz data" },
        { "\xff\xfe", 2, "UTF-16 text" },
        { "\xfe\xff", 2, "UTF-16 text" },
        { "\x1f\x8b", 2, "gzip data compressed once more" },
        { "\x28\xb5\x2f\xfd", 4, "zstd data compressed once more" },
    };
    const char *name = cg_source_name(in->source);
    const char *text = in->lines.chunk + in->lines.pos;
    size_t len = in->lines.len - in->lines.pos;
    const char *nul;

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (len >= known[i].len && !memcmp(text, known[i].magic, known[i].len))
            return cg_fail(err, CG_ERR_FORMAT,
                           "'%s' is %s, wanted .smi or .csv text (plain, gzip or zstd)", name,
                           known[i].what);
    nul = memchr(text, '\0', len);
    if (nul)
        return cg_fail(err, CG_ERR_FORMAT,
                       "'%s' is a binary file (a NUL byte at offset %zu), wanted .smi or .csv text",
                       name, (size_t)(nul - text));
    return CG_OK;
}

/* A first line with commas and a column called smiles is the header of a .csv. */
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

/* Look at the first bytes: drop a byte order mark, refuse what is no text, settle the format. */
static cg_status look_at_start(cg_input *in, cg_error *err)
{
    cg_lines *l = &in->lines;
    cg_status st = cg_lines_fill(l, err);

    if (st != CG_OK)
        return st;
    if (l->at_end)
        return cg_fail(err, CG_ERR_FORMAT, "'%s' is empty, wanted a line a molecule",
                       cg_source_name(in->source));
    if (l->len >= 3 && !memcmp(l->chunk, "\xef\xbb\xbf", 3))
        l->pos = 3;
    if ((st = refuse_binary(in, err)) != CG_OK)
        return st;
    if (in->format == CG_INPUT_AUTO)
        in->format =
            looks_like_csv(l->chunk + l->pos, l->len - l->pos) ? CG_INPUT_CSV : CG_INPUT_SMI;
    return CG_OK;
}

/* ---- lines to records ------------------------------------------------------------------- */

/* Take `line` as the header if it is one; *ret_taken tells. */
static cg_status take_header(cg_input *in, const cg_line *line, int *ret_taken, cg_error *err)
{
    cg_status st = CG_OK;
    cg_line copy = *line;

    in->header_due = 0;
    *ret_taken = in->header_forced || in->format == CG_INPUT_CSV || cg_smi_is_header(line);
    if (!*ret_taken)
        return CG_OK;
    in->header_line = line->number;
    if (!line->too_long)
        cg_buf_put(&in->header_text, line->text, line->len);
    if ((st = cg_buf_check(&in->header_text, cg_source_name(in->source), err)) != CG_OK)
        return st;
    /* The text of a line does not outlive the reading of the next one, which a row may need. */
    copy.text = cg_buf_text(&in->header_text);
    if (in->format == CG_INPUT_CSV)
        st = cg_csv_header(in->csv, &in->lines, &copy, err);
    return st;
}

/*
 * Read on to the next molecule line. Stops early, with nothing in `ahead`, behind a comment or
 * header that follows empty lines, so that those are told with their numbers.
 */
static cg_status read_ahead(cg_input *in, cg_error *err)
{
    int64_t n_empty = 0;

    for (;;) {
        cg_status st;
        cg_line line;
        int more, taken = 0;

        cg_lines_mark(&in->lines);
        st = cg_lines_next(&in->lines, &line, &more, err);
        if (st != CG_OK)
            return st;
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
            taken = 1;
        else if (in->header_due && (st = take_header(in, &line, &taken, err)) != CG_OK)
            return st;
        if (taken) {
            if (n_empty)
                return CG_OK;
            continue;
        }
        in->have_ahead = 1;
        cg_input_fields_reset(&in->ahead, line.number);
        if (in->format == CG_INPUT_CSV)
            st = cg_csv_read(in->csv, &in->lines, &line, &in->ahead, err);
        else
            cg_smi_read(&line, &in->ahead);
        if (st == CG_OK)
            st = cg_buf_check(&in->ahead.smiles, cg_source_name(in->source), err);
        if (st == CG_OK)
            st = cg_buf_check(&in->ahead.name, cg_source_name(in->source), err);
        return st;
    }
}

/* Read on until there is something to hand out or the file ends. */
static cg_status prepare(cg_input *in, cg_error *err)
{
    cg_status st = CG_OK;

    while (st == CG_OK && !in->n_empty && !in->have_ahead && !in->at_end)
        st = read_ahead(in, err);
    return st;
}

static cg_status open_source(cg_source *source, cg_input_format format,
                             const cg_input_options *options, cg_input **ret, cg_error *err)
{
    cg_input *in = calloc(1, sizeof *in);
    cg_status st;

    if (!in) {
        st = cg_fail(err, CG_ERR_NOMEM, "'%s': out of memory", cg_source_name(source));
        cg_source_close(source);
        return st;
    }
    in->source = source;
    in->format = format;
    in->ahead.file = cg_source_name(source);
    in->header_due = options->header != CG_INPUT_HEADER_NO;
    in->header_forced = options->header == CG_INPUT_HEADER_YES;
    if ((st = cg_lines_init(&in->lines, source, CG_INPUT_MAX_LINE, err)) != CG_OK)
        goto out;
    if ((st = look_at_start(in, err)) != CG_OK)
        goto out;
    if (in->format == CG_INPUT_CSV) {
        if (!in->header_due) {
            st = cg_fail(err, CG_ERR_USAGE,
                         "'%s': a .csv without a header line cannot be read: the header names the "
                         "columns",
                         cg_source_name(source));
            goto out;
        }
        if ((st = cg_csv_create(cg_source_name(source), &in->csv, err)) != CG_OK)
            goto out;
    }
    if ((st = prepare(in, err)) != CG_OK)
        goto out;
    if (!in->n_empty && !in->have_ahead) {
        st = cg_fail(err, CG_ERR_FORMAT, "'%s' holds no molecule line", cg_source_name(source));
        goto out;
    }
    *ret = in;
    in = NULL;
out:
    cg_input_close(in);
    return st;
}

cg_status cg_input_open(const char *path, const cg_input_options *options, cg_input **ret_input,
                        cg_error *err)
{
    static const cg_input_options none;
    cg_input_format format;
    cg_source *source = NULL;
    cg_status st;

    if (!options)
        options = &none;
    format = options->format;
    if ((st = cg_source_open(path, &source, err)) != CG_OK)
        return st;
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
    static const cg_input_options none;
    cg_source *source = NULL;
    cg_status st;

    if (!options)
        options = &none;
    if ((st = cg_source_open_memory(name, bytes, len, &source, err)) != CG_OK)
        return st;
    return open_source(source, options->format, options, ret_input, err);
}

void cg_input_close(cg_input *in)
{
    if (!in)
        return;
    cg_csv_destroy(in->csv);
    cg_input_fields_finish(&in->ahead);
    cg_buf_finish(&in->header_text);
    cg_lines_finish(&in->lines);
    cg_source_close(in->source);
    free(in);
}

static void empty_record(cg_input *in, cg_input_record *ret)
{
    cg_fail(&in->empty_reason, CG_ERR_INPUT, "%s:%lld: the line is empty, wanted a molecule",
            cg_source_name(in->source), (long long)in->first_empty);
    *ret = (cg_input_record) { .index = in->next_index++,
                               .line = in->first_empty++,
                               .status = CG_ERR_INPUT,
                               .reason = in->empty_reason.msg,
                               .smiles = "",
                               .name = "",
                               .count = -1 };
    in->n_empty--;
}

cg_status cg_input_next(cg_input *in, cg_input_record *ret, int *ret_more, cg_error *err)
{
    cg_status st = prepare(in, err);

    if (st != CG_OK) {
        in->at_end = 1;
        in->have_ahead = 0;
        in->n_empty = 0;
        return st;
    }
    *ret_more = 1;
    if (in->n_empty) {
        empty_record(in, ret);
    } else if (in->have_ahead) {
        const cg_input_fields *f = &in->ahead;

        in->have_ahead = 0;
        *ret = (cg_input_record) { .index = in->next_index++,
                                   .line = f->line,
                                   .status = f->problem.code,
                                   .reason = f->problem.msg,
                                   .smiles = cg_buf_text(&f->smiles),
                                   .smiles_len = f->smiles.len,
                                   .name = cg_buf_text(&f->name),
                                   .name_len = f->name.len,
                                   .count = f->count };
    } else {
        *ret_more = 0;
    }
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

cg_status cg_input_hash(const char *path, uint64_t *ret_hash, cg_error *err)
{
    enum { CHUNK = 1 << 16 };
    XXH3_state_t *state = XXH3_createState();
    char *chunk = malloc(CHUNK);
    cg_status st = CG_OK;
    int fd = -1;

    if (!state || !chunk) {
        st = cg_fail(err, CG_ERR_NOMEM, "'%s': out of memory", path);
        goto out;
    }
    XXH3_64bits_reset(state);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        st = cg_fail(err, CG_ERR_IO, "'%s': cannot open: %s", path, strerror(errno));
        goto out;
    }
    for (;;) {
        ssize_t n = read(fd, chunk, CHUNK);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            st = cg_fail(err, CG_ERR_IO, "'%s': cannot read: %s", path, strerror(errno));
            goto out;
        }
        if (n == 0)
            break;
        XXH3_64bits_update(state, chunk, (size_t)n);
    }
    *ret_hash = XXH3_64bits_digest(state);
out:
    if (fd >= 0)
        close(fd);
    free(chunk);
    XXH3_freeState(state);
    return st;
}
