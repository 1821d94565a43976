/* SPDX-License-Identifier: MIT */
/** @file lines.h  Lines of bounded length from a source, numbered, with a way back. */
#ifndef CG_IO_LINES_H
#define CG_IO_LINES_H

#include "base/buf.h"
#include "io/source.h"

/** A line without its line end (LF, and CRs before it). */
typedef struct cg_line {
    const char *text; /* borrowed until the next call; a NUL follows; "" where too_long */
    uint64_t len;     /* also of a line that is too long */
    int64_t number;   /* 1-based */
    int too_long;     /* beyond the bound: consumed, not stored */
} cg_line;

/** Where a held line stands in `bytes`. */
struct cg_buffered_line {
    size_t offset;
    uint64_t len;
    int64_t number;
    int too_long;
};

typedef struct cg_lines {
    cg_source *source; /* borrowed */
    size_t max_line;
    cg_buf bytes;                  /* texts of the lines since the mark, each followed by a NUL */
    struct cg_buffered_line *held; /* [n_held] of held_cap: lines since the mark */
    size_t n_held, held_cap;
    size_t next_held; /* the next of them to hand out; n_held: read a new one */
    int64_t n_read;   /* lines read from the source */
    int at_end;
    char *chunk; /* chunk[pos..len): read, not yet split */
    size_t pos, len;
} cg_lines;

cg_status cg_lines_init(cg_lines *lines, cg_source *source, size_t max_line, cg_error *err);
void cg_lines_finish(cg_lines *lines);

/** Make chunk[pos..len) non-empty, for a look at the bytes that follow; empty at the end only. */
cg_status cg_lines_fill(cg_lines *lines, cg_error *err);

/** Forget the lines handed out so far: the next one is as far as a rewind goes back. */
void cg_lines_mark(cg_lines *lines);
/** The next line, or *ret_more = 0 at the end. */
cg_status cg_lines_next(cg_lines *lines, cg_line *ret_line, int *ret_more, cg_error *err);
/** Hand out the lines after the first one since the mark again. */
void cg_lines_rewind(cg_lines *lines);

#endif
