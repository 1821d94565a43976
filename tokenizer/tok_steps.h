/* SPDX-License-Identifier: MIT */
/** @file tok_steps.h  Pre-tokenizers of any kind: steps over the pieces of a text. */
#ifndef CG_TOK_STEPS_H
#define CG_TOK_STEPS_H

#include "tok_mapped.h"
#include "tok_split.h"

enum cg_step_kind {
    CG_STEP_SPLIT,
    CG_STEP_CLASS,      /* splits at each character of a class */
    CG_STEP_WORDS,      /* Whitespace: runs of \w and of other characters, without whitespace */
    CG_STEP_METASPACE,  /* ' ' becomes another character, which is also put in front */
    CG_STEP_BYTE_LEVEL, /* bytes become characters of the byte-level alphabet */
    CG_STEP_FIXED,      /* pieces of a number of characters */
};

enum cg_prepend_scheme { CG_PREPEND_NEVER, CG_PREPEND_FIRST, CG_PREPEND_ALWAYS };

typedef struct cg_step {
    enum cg_step_kind kind;
    cg_split split;             /* SPLIT; BYTE_LEVEL: pattern or NULL. CLASS: behavior */
    int (*is_member)(uint32_t); /* CLASS */
    uint32_t replacement;       /* METASPACE */
    enum cg_prepend_scheme prepend;
    int splits;       /* METASPACE: splits in front of each replacement */
    int prefix_space; /* BYTE_LEVEL */
    size_t length;    /* FIXED */
} cg_step;

#define CG_STEPS_MAX 24

/** Zero-initialise; immutable once filled. */
typedef struct cg_steps {
    cg_step items[CG_STEPS_MAX];
    size_t n;
} cg_steps;

void cg_steps_finish(cg_steps *steps);

/** Working memory; zero-initialise, finish. */
typedef struct cg_steps_memory {
    cg_mapped texts[2];
    cg_spans pieces[2];
    cg_split_memory split;
} cg_steps_memory;

void cg_steps_memory_finish(cg_steps_memory *memory);

/** A text to split and what is known of its place. */
typedef struct cg_steps_input {
    const cg_mapped *text; /* [start, end) of it */
    size_t start, end;
    uint32_t origin; /* of the section in the whole text: 0 for the first one */
    int continued;   /* 1: nothing is put in front of the first piece at origin 0 */
} cg_steps_input;

/**
 * Splits a text.
 * @param ret_text    with the pieces' texts, valid until the next call; owned by memory
 * @param ret_pieces  non-empty ranges of it, in order; owned by memory
 * @return CG_OK; CG_ERR_LIMIT (backtracking of a pattern); CG_ERR_NOMEM
 */
cg_status cg_steps_run(const cg_steps *steps, cg_steps_memory *memory, const cg_steps_input *input,
                       const cg_mapped **ret_text, const cg_spans **ret_pieces, cg_error *err);

#endif
