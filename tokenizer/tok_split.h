/* SPDX-License-Identifier: MIT */
/** @file tok_split.h  The pre-tokenizer: Split steps and the byte-level step. */
#ifndef CG_TOK_SPLIT_H
#define CG_TOK_SPLIT_H

#include <confgen/tokenizer.h>

#include "tok_pattern.h"

/** Treatment of the matches of a step. */
enum cg_split_behavior {
    CG_SPLIT_ISOLATED,      /* each match is a piece */
    CG_SPLIT_REMOVED,       /* matches are dropped */
    CG_SPLIT_MERGED_BEFORE, /* a match is appended to the piece before it */
    CG_SPLIT_MERGED_AFTER,  /* a match is prepended to the piece after it */
    CG_SPLIT_CONTIGUOUS,    /* adjacent matches are one piece */
};

typedef struct cg_split {
    cg_pattern *pattern; /* owned by the step */
    enum cg_split_behavior behavior;
    int invert; /* the text between matches is treated as the matches */
} cg_split;

/** Maximum number of Split steps in a pre-tokenizer. */
#define CG_SPLIT_STEPS 16

/**
 * A pre-tokenizer: Split steps in sequence, each applied to the pieces of the previous one, then
 * the byte-level step, whose pieces are the pre-tokens. Zero-initialise; immutable once filled.
 */
typedef struct cg_pretok {
    cg_split splits[CG_SPLIT_STEPS];
    size_t n_splits;
    int byte_level;         /* 1: has a byte-level step, which is required */
    int prefix_space;       /* byte level: prepend ' ' to pieces that do not start with one */
    cg_pattern *byte_split; /* pattern of the byte-level step, NULL if it does not split; owned */
} cg_pretok;

void cg_pretok_finish(cg_pretok *pretok);

/** Working memory of one thread; zero-initialise, finish. */
typedef struct cg_split_memory {
    cg_match_memory match;
    cg_spans pieces[2];
    cg_spans found;
    char *prefixed;
    size_t prefixed_cap;
    int continued; /* 1: the text continues another, so nothing is put in front of it */
} cg_split_memory;

void cg_split_memory_finish(cg_split_memory *memory);

/**
 * Receives a pre-token: its bytes (including a prepended ' ') and the range of the split text that
 * it comes from. A non-zero result stops the splitting.
 */
typedef int (*cg_pretoken_fn)(void *ctx, const char *bytes, size_t len, size_t start, size_t end);

/**
 * Splits text[0..len), valid UTF-8, and passes its pre-tokens to fn in order; none is empty.
 * @return 0; -1 if splitting fails (err written); otherwise the non-zero result of fn
 */
int cg_pretok_run(const cg_pretok *pretok, cg_split_memory *memory, const char *text, size_t len,
                  int ascii, cg_pretoken_fn fn, void *ctx, cg_error *err);

/* ---- parts of a step, for tok_steps.c ---- */

/**
 * Adds a segment of a piece, a match or the text between two, to memory->found. -1: out of memory.
 */
int cg_split_push(cg_split_memory *memory, size_t start, size_t end, int match);

/** Fills memory->found with the segments of a piece. 0, or -1 (err written). */
int cg_split_find(const cg_split *split, cg_split_memory *memory, const char *text, size_t len,
                  int ascii, cg_error *err);

/**
 * Splits a piece at the segments in memory->found and appends the non-empty parts to `out`, in
 * order. `base` is the piece's offset. -1: out of memory.
 */
int cg_split_apply(enum cg_split_behavior behavior, const cg_split_memory *memory, size_t base,
                   cg_spans *out);

/** Appends a range; returns -1 if out of memory. */
int cg_spans_push(cg_spans *spans, size_t start, size_t end);

#endif
