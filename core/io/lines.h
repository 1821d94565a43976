/* SPDX-License-Identifier: MIT */
/** @file lines.h  Numbered lines of bounded length from a source, with rewind to a mark. */
#ifndef CG_IO_LINES_H
#define CG_IO_LINES_H

#include "base/buf.h"
#include "io/source.h"

/** A line without its line end (LF, and CRs before it). */
typedef struct cg_line {
    const char *text; /* NUL-terminated, borrowed until the next call; "" if too_long */
    uint64_t len;     /* true length, also if too_long */
    int64_t number;   /* from 1 */
    int too_long;     /* beyond the bound: consumed, not stored */
} cg_line;

/** A line in cg_lines.bytes. */
struct cg_buffered_line {
    size_t offset;
    uint64_t len;
    int64_t number;
    int too_long;
};

typedef struct cg_lines {
    cg_source *source; /* borrowed */
    size_t max_line;
    cg_buf bytes;                      /* texts of the buffered lines, each NUL-terminated */
    struct cg_buffered_line *buffered; /* [n_buffered] of buffered_cap: lines since the mark */
    size_t n_buffered, buffered_cap;
    size_t next;      /* buffered line to return next; n_buffered: read a new one */
    int64_t n_read;   /* lines read from the source */
    int at_end;       /* no byte is left */
    int source_ended; /* chunk has the last bytes of the source */
    char *chunk;      /* chunk[pos..len): source bytes not yet split */
    size_t pos, len;
} cg_lines;

cg_status cg_lines_init(cg_lines *lines, cg_source *source, size_t max_line, cg_error *err);
void cg_lines_finish(cg_lines *lines);

/** Makes chunk[pos..len) non-empty for inspection; it stays empty only at the end. */
cg_status cg_lines_fill(cg_lines *lines, cg_error *err);

/** Adds bytes of the source to chunk[pos..len), for inspection; *ret_more = 0 at its end, or if the
 * chunk is full. */
cg_status cg_lines_extend(cg_lines *lines, int *ret_more, cg_error *err);

/** Sets the mark: drops the lines returned so far; the next line is the first after the mark. */
void cg_lines_mark(cg_lines *lines);
/** Returns the next line, or *ret_more = 0 at the end. */
cg_status cg_lines_next(cg_lines *lines, cg_line *ret_line, int *ret_more, cg_error *err);
/**
 * Rewinds to the second line after the mark. For a CSV row whose quote is not closed: its first
 * line is reported, and reading continues with the next.
 */
void cg_lines_rewind_past_first(cg_lines *lines);

#endif
