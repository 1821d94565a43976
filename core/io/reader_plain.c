/* SPDX-License-Identifier: MIT */
#include "reader_internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "io/record.h"

enum { CHUNK = 1 << 16 };

/* Incremental splitter of text into records. */
struct splitter {
    cg_reader *r;
    cg_record_format format;
    uint64_t record;     /* offset of the current record */
    uint64_t line;       /* line number in the record, from 0 */
    uint64_t line_at;    /* offset of the line */
    uint64_t lines_left; /* xyz: lines of the record after this one */
    char line_start[20]; /* first bytes of the line */
    size_t n_line_start;
    int has_text;         /* the record holds more than white space */
    cg_buf head;          /* first CG_READER_HEAD bytes of the record */
    cg_buf name;          /* of the record */
    cg_buf previous_name; /* of the record before it */
};

/* Ends the record at offset `end`: it extends the last frame if it has the same name and that frame
 * is not full, or is a new frame. */
static cg_status end_record(struct splitter *s, uint64_t end, cg_error *err)
{
    cg_reader *r = s->r;
    cg_container_frame *f;
    cg_buf swap;

    cg_buf_clear(&s->name);
    cg_record_name(s->format, s->head.data, s->head.len, &s->name);
    CG_TRY(cg_buf_check(&s->name, r->name, err));
    f = r->n_frames ? &r->frames[r->n_frames - 1] : NULL;
    if (f && f->size < CG_FRAME_FULL_CONTENT && s->name.len &&
        s->name.len == s->previous_name.len &&
        !memcmp(s->name.data, s->previous_name.data, s->name.len)) {
        f->size = f->content_size = end - f->offset;
    } else {
        CG_TRY(cg_reader_add_frame(r, s->record, end - s->record, end - s->record, err));
    }
    swap = s->previous_name;
    s->previous_name = s->name;
    s->name = swap;
    return CG_OK;
}

static void start_record(struct splitter *s, uint64_t offset)
{
    s->record = offset;
    s->line = 0;
    s->has_text = 0;
    cg_buf_clear(&s->head);
}

static int line_starts_with(const struct splitter *s, const char *text)
{
    const size_t n = strlen(text);

    return s->n_line_start >= n && !memcmp(s->line_start, text, n);
}

/* A record of a mol2 ends before the line that begins the next one: this line, if it is one. */
static cg_status end_mol2_line(struct splitter *s, cg_error *err)
{
    if (!s->line || !line_starts_with(s, CG_MOL2_START))
        return CG_OK;
    CG_TRY(end_record(s, s->line_at, err));
    start_record(s, s->line_at);
    s->has_text = 1;
    cg_buf_puts(&s->head, CG_MOL2_START);
    cg_buf_putc(&s->head, '\n');
    return CG_OK;
}

/* Ends a line; the next one starts at offset `next`. */
static cg_status end_line(struct splitter *s, uint64_t next, cg_error *err)
{
    int ends_record = 1;

    if (s->format == CG_RECORD_SDF) {
        ends_record = line_starts_with(s, "$$$$");
    } else if (s->format == CG_RECORD_PDB) {
        ends_record = s->n_line_start >= 4 && line_starts_with(s, "END") &&
                      isspace((unsigned char)s->line_start[3]);
    } else if (s->format == CG_RECORD_MOL2) {
        ends_record = 0;
        CG_TRY(end_mol2_line(s, err));
    } else if (s->format == CG_RECORD_XYZ) {
        if (s->line == 0)
            s->lines_left = s->has_text ? strtoull(cg_buf_text(&s->head), NULL, 10) + 1 : 0;
        else
            s->lines_left--;
        ends_record = !s->lines_left;
    }
    s->n_line_start = 0;
    s->line_at = next;
    s->line++;
    if (ends_record) {
        if (s->has_text)
            CG_TRY(end_record(s, next, err));
        start_record(s, next);
    }
    return CG_OK;
}

/* Adds bytes to the current line. */
static void add_bytes(struct splitter *s, const char *p, size_t n)
{
    size_t room = CG_READER_HEAD - s->head.len;

    for (size_t i = 0; i < n && s->n_line_start < sizeof s->line_start; i++)
        s->line_start[s->n_line_start++] = p[i];
    for (size_t i = 0; i < n && !s->has_text; i++)
        s->has_text = !isspace((unsigned char)p[i]);
    cg_buf_put(&s->head, p, n < room ? n : room);
}

/* Lists the frames of an uncompressed file: consecutive records with one name. */
static cg_status list_molecules(cg_reader *r, cg_error *err)
{
    struct splitter s = { .r = r };
    char *chunk = malloc(CHUNK);
    uint64_t offset = 0;
    cg_status st = CG_OK;

    if (!chunk)
        return cg_fail_nomem(err, r->name);
    while (offset < r->size) {
        size_t n, pos = 0;

        CG_TRY_GOTO(st, cg_reader_read_at(r, offset, chunk, CHUNK, &n, err), out);
        if (!n)
            break;
        if (!offset) {
            if (memchr(chunk, '\0', n)) {
                st = cg_fail(err, CG_ERR_FORMAT,
                             "'%s' is neither zstd nor gzip nor text, wanted an output file",
                             r->name);
                goto out;
            }
            s.format = cg_record_detect(chunk, n);
        }
        while (pos < n) {
            const char *lf = memchr(chunk + pos, '\n', n - pos);
            size_t stop = lf ? (size_t)(lf - chunk) + 1 : n;

            add_bytes(&s, chunk + pos, stop - pos);
            pos = stop;
            if (lf)
                CG_TRY_GOTO(st, end_line(&s, offset + pos, err), out);
        }
        offset += n;
    }
    if (s.has_text) {
        int complete =
            s.format != CG_RECORD_SDF && s.format != CG_RECORD_XYZ && s.format != CG_RECORD_PDB;

        if (!complete)
            cg_fail(&r->note, CG_ERR_FORMAT, "'%s': the record at offset %llu is not complete",
                    r->name, (unsigned long long)s.record);
        if (complete || r->n_frames) /* a text without a complete record is not an output file */
            st = end_record(&s, offset, err);
    }
out:
    cg_buf_finish(&s.head);
    cg_buf_finish(&s.name);
    cg_buf_finish(&s.previous_name);
    free(chunk);
    return st;
}

/* Reads the first `max` bytes of frame i (0: all of them). */
static cg_status read_molecule(cg_reader *r, size_t i, size_t max, cg_buf *out, cg_error *err)
{
    const cg_container_frame *f = &r->frames[i];
    uint64_t want = max && max < f->size ? max : f->size;
    size_t n;

    if (want > CG_FRAME_MAX_CONTENT)
        return cg_fail(err, CG_ERR_LIMIT,
                       "'%s': the record at offset %llu has %llu bytes, wanted at most %llu",
                       r->name, (unsigned long long)f->offset, (unsigned long long)want,
                       (unsigned long long)CG_FRAME_MAX_CONTENT);
    if (cg_buf_reserve(out, want))
        return cg_fail_nomem(err, r->name);
    CG_TRY(cg_reader_read_at(r, f->offset, out->data + out->len, want, &n, err));
    out->len += n;
    out->data[out->len] = '\0';
    if (n < want)
        return cg_fail(err, CG_ERR_FORMAT, "'%s' was truncated while it was read", r->name);
    return CG_OK;
}

const struct cg_reader_backend cg_reader_plain = { list_molecules, read_molecule };
