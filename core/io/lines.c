/* SPDX-License-Identifier: MIT */
#include "lines.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"

enum { CHUNK = 1 << 16 };

cg_status cg_lines_init(cg_lines *l, cg_source *source, size_t max_line, cg_error *err)
{
    memset(l, 0, sizeof *l);
    l->source = source;
    l->max_line = max_line;
    l->chunk = malloc(CHUNK);
    if (!l->chunk)
        return cg_fail_nomem(err, cg_source_name(source));
    return CG_OK;
}

void cg_lines_finish(cg_lines *l)
{
    cg_buf_finish(&l->bytes);
    free(l->buffered);
    free(l->chunk);
    memset(l, 0, sizeof *l);
}

void cg_lines_mark(cg_lines *l)
{
    size_t from, left = l->n_buffered - l->next;

    if (!left) {
        cg_buf_clear(&l->bytes);
        l->n_buffered = l->next = 0;
        return;
    }
    from = l->buffered[l->next].offset;
    memmove(l->bytes.data, l->bytes.data + from, l->bytes.len - from);
    l->bytes.len -= from;
    memmove(l->buffered, l->buffered + l->next, left * sizeof *l->buffered);
    for (size_t i = 0; i < left; i++)
        l->buffered[i].offset -= from;
    l->n_buffered = left;
    l->next = 0;
}

cg_status cg_lines_fill(cg_lines *l, cg_error *err)
{
    if (l->pos < l->len || l->at_end)
        return CG_OK;
    l->pos = l->len = 0;
    if (!l->source_ended)
        CG_TRY(cg_source_read(l->source, l->chunk, CHUNK, &l->len, err));
    l->at_end = l->len == 0;
    return CG_OK;
}

cg_status cg_lines_extend(cg_lines *l, int *ret_more, cg_error *err)
{
    size_t n = 0;

    *ret_more = 0;
    if (l->source_ended || l->len == CHUNK)
        return CG_OK;
    CG_TRY(cg_source_read(l->source, l->chunk + l->len, CHUNK - l->len, &n, err));
    l->len += n;
    l->source_ended = n == 0;
    *ret_more = n > 0;
    return CG_OK;
}

/* Appends one line of the source to buffered[]; *ret_more = 0 at the end. */
static cg_status read_line(cg_lines *l, int *ret_more, cg_error *err)
{
    struct cg_buffered_line *line;
    size_t start = l->bytes.len;
    uint64_t total = 0;
    int started = 0, ended = 0;

    if (cg_grow((void **)&l->buffered, &l->buffered_cap, l->n_buffered + 1, sizeof *l->buffered))
        return cg_fail_nomem(err, cg_source_name(l->source));
    while (!ended) {
        const char *from, *lf;
        size_t n;

        CG_TRY(cg_lines_fill(l, err));
        if (l->at_end)
            break;
        started = 1;
        from = l->chunk + l->pos;
        lf = memchr(from, '\n', l->len - l->pos);
        n = lf ? (size_t)(lf - from) : l->len - l->pos;
        l->pos += n + (lf != NULL);
        ended = lf != NULL;
        total += n;
        /* Two bytes beyond the bound are kept: CRs may be stripped from the end. */
        if (l->bytes.len - start < l->max_line + 2) {
            size_t room = l->max_line + 2 - (l->bytes.len - start);

            cg_buf_put(&l->bytes, from, n < room ? n : room);
        }
    }
    *ret_more = started;
    if (!started)
        return CG_OK;
    if (total == l->bytes.len - start)
        while (total && l->bytes.data[start + total - 1] == '\r')
            total--;
    line = &l->buffered[l->n_buffered++];
    *line = (struct cg_buffered_line) { start, total, ++l->n_read, total > l->max_line };
    l->bytes.len = start + (line->too_long ? 0 : total);
    cg_buf_putc(&l->bytes, '\0');
    return cg_buf_check(&l->bytes, cg_source_name(l->source), err);
}

cg_status cg_lines_next(cg_lines *l, cg_line *ret_line, int *ret_more, cg_error *err)
{
    const struct cg_buffered_line *line;

    *ret_more = 1;
    if (l->next == l->n_buffered) {
        CG_TRY(read_line(l, ret_more, err));
        if (!*ret_more)
            return CG_OK;
    }
    line = &l->buffered[l->next++];
    *ret_line = (cg_line) { l->bytes.data + line->offset, line->len, line->number, line->too_long };
    return CG_OK;
}

void cg_lines_rewind_past_first(cg_lines *l)
{
    if (l->n_buffered)
        l->next = 1;
}
