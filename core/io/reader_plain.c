/* SPDX-License-Identifier: MIT */
#include "reader_internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "io/record.h"

enum { CHUNK = 1 << 16 };

/* Splitting text into records, fed piece by piece. */
struct split {
    cg_reader *r;
    cg_record_format format;
    uint64_t record;     /* offset of the record */
    uint64_t line;       /* number of the line in its record, from 0 */
    uint64_t lines_left; /* xyz: lines of the record after this one */
    char begin[4];       /* the line's first bytes */
    size_t n_begin;
    int text;      /* the record holds more than blanks */
    cg_buf head;   /* the record's first CG_READER_HEAD bytes */
    cg_buf name;   /* of the record */
    cg_buf before; /* of the record before it */
};

/* The record ends before offset `end`: a new frame, or the last one goes on. */
static cg_status end_record(struct split *s, uint64_t end, cg_error *err)
{
    cg_reader *r = s->r;
    cg_buf swap;
    cg_status st = CG_OK;

    cg_buf_clear(&s->name);
    cg_record_name(s->format, s->head.data, s->head.len, &s->name);
    if (r->n_frames && s->name.len && s->name.len == s->before.len &&
        !memcmp(s->name.data, s->before.data, s->name.len)) {
        cg_container_frame *f = &r->frames[r->n_frames - 1];

        f->size = f->content_size = end - f->offset;
    } else {
        st = cg_reader_add_frame(r, s->record, end - s->record, end - s->record, err);
    }
    if (st == CG_OK)
        st = cg_buf_check(&s->name, r->name, err);
    swap = s->before;
    s->before = s->name;
    s->name = swap;
    return st;
}

static void begin_record(struct split *s, uint64_t offset)
{
    s->record = offset;
    s->line = 0;
    s->text = 0;
    cg_buf_clear(&s->head);
}

/* A line has ended, the next one begins at `next`. */
static cg_status end_line(struct split *s, uint64_t next, cg_error *err)
{
    int ends = 1;
    cg_status st = CG_OK;

    if (s->format == CG_RECORD_SDF) {
        ends = s->n_begin == 4 && !memcmp(s->begin, "$$$$", 4);
    } else if (s->format == CG_RECORD_XYZ) {
        if (s->line == 0)
            s->lines_left = s->text ? strtoull(cg_buf_text(&s->head), NULL, 10) + 1 : 0;
        else
            s->lines_left--;
        ends = !s->lines_left;
    }
    s->n_begin = 0;
    s->line++;
    if (ends) {
        if (s->text)
            st = end_record(s, next, err);
        begin_record(s, next);
    }
    return st;
}

/* Take a piece of a line. */
static void add_piece(struct split *s, const char *p, size_t n)
{
    size_t room = CG_READER_HEAD - s->head.len;

    for (size_t i = 0; i < n && s->n_begin < 4; i++)
        s->begin[s->n_begin++] = p[i];
    for (size_t i = 0; i < n && !s->text; i++)
        s->text = !isspace((unsigned char)p[i]);
    cg_buf_put(&s->head, p, n < room ? n : room);
}

cg_status cg_reader_list_plain(cg_reader *r, cg_error *err)
{
    struct split s = { .r = r };
    char *chunk = malloc(CHUNK);
    uint64_t offset = 0;
    cg_status st = CG_OK;

    if (!chunk)
        return cg_fail_nomem(err, r->name);
    while (offset < r->size) {
        size_t n, pos = 0;

        if ((st = cg_reader_read_at(r, offset, chunk, CHUNK, &n, err)) != CG_OK)
            goto out;
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

            add_piece(&s, chunk + pos, stop - pos);
            pos = stop;
            if (lf && (st = end_line(&s, offset + pos, err)) != CG_OK)
                goto out;
        }
        offset += n;
    }
    if (s.text) {
        int complete = s.format != CG_RECORD_SDF && s.format != CG_RECORD_XYZ;

        if (!complete)
            cg_fail(&r->note, CG_ERR_FORMAT, "'%s': the record from offset %llu on is not complete",
                    r->name, (unsigned long long)s.record);
        if (complete || r->n_frames) /* a text without a complete record is no output */
            st = end_record(&s, offset, err);
    }
out:
    cg_buf_finish(&s.head);
    cg_buf_finish(&s.name);
    cg_buf_finish(&s.before);
    free(chunk);
    return st;
}

cg_status cg_reader_read_plain(cg_reader *r, size_t i, size_t max, cg_buf *out, cg_error *err)
{
    const cg_container_frame *f = &r->frames[i];
    uint64_t want = max && max < f->size ? max : f->size;
    size_t n;
    cg_status st;

    if (want > CG_FRAME_MAX_CONTENT)
        return cg_fail(err, CG_ERR_LIMIT,
                       "'%s': the molecule at offset %llu has %llu bytes, more than %llu", r->name,
                       (unsigned long long)f->offset, (unsigned long long)want,
                       (unsigned long long)CG_FRAME_MAX_CONTENT);
    if (cg_buf_reserve(out, want))
        return cg_fail_nomem(err, r->name);
    st = cg_reader_read_at(r, f->offset, out->data + out->len, want, &n, err);
    if (st != CG_OK)
        return st;
    out->len += n;
    out->data[out->len] = '\0';
    if (n < want)
        return cg_fail(err, CG_ERR_FORMAT, "'%s' has become shorter while it was read", r->name);
    return CG_OK;
}
