/* SPDX-License-Identifier: MIT */
/** @file tok_split.h  Split steps of a pre-tokenizer: pattern, behaviour, order. */
#ifndef CG_TOK_SPLIT_H
#define CG_TOK_SPLIT_H

#include <confgen/tokenizer.h>

#include "tok_pattern.h"

/** What becomes of the matches of a step. */
enum cg_split_behavior {
    CG_SPLIT_ISOLATED,      /* each match a piece of its own */
    CG_SPLIT_REMOVED,       /* matches are dropped */
    CG_SPLIT_MERGED_BEFORE, /* a match ends the piece before it */
    CG_SPLIT_MERGED_AFTER,  /* a match begins the piece after it */
    CG_SPLIT_CONTIGUOUS,    /* neighbouring matches are one piece */
};

typedef struct cg_split {
    cg_pattern *pattern; /* owned by the step */
    enum cg_split_behavior behavior;
    int invert; /* the text between the matches is what was searched for */
} cg_split;

/** Most Split steps in one pre-tokenizer. */
#define CG_SPLIT_STEPS 16

/**
 * A pre-tokenizer: Split steps one after the other, each within the pieces of the one before, then
 * the byte-level step. Zero-initialise; immutable when filled.
 */
typedef struct cg_pretok {
    cg_split splits[CG_SPLIT_STEPS];
    size_t n_splits;
    int byte_level;         /* the byte-level step is there (it must be) */
    int prefix_space;       /* it puts ' ' before pieces that do not begin with one */
    cg_pattern *byte_split; /* its own pattern, NULL if it does not split; owned */
} cg_pretok;

void cg_pretok_finish(cg_pretok *pretok);

/** Working memory of one thread; zero-initialise, finish. */
typedef struct cg_split_memory {
    cg_match_memory match;
    cg_spans pieces[2];
    cg_spans found;
    char *prefixed;
    size_t prefixed_cap;
} cg_split_memory;

void cg_split_memory_finish(cg_split_memory *memory);

/**
 * Receives one piece: its bytes (the synthetic ' ' included) and the range of the split text that
 * they stand for. Non-zero ends the splitting.
 */
typedef int (*cg_piece_fn)(void *ctx, const char *bytes, size_t len, size_t start, size_t end);

/**
 * Split text[0..len), valid UTF-8, and hand its pieces over in order; none is empty.
 * @return 0; -1 on failure of the splitting (err written); else what fn returned
 */
int cg_pretok_run(const cg_pretok *pretok, cg_split_memory *memory, const char *text, size_t len,
                  int ascii, cg_piece_fn fn, void *ctx, cg_error *err);

/** Append a range; -1 if out of memory. */
int cg_spans_push(cg_spans *spans, size_t start, size_t end);

#endif
