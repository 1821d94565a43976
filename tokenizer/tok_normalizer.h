/* SPDX-License-Identifier: MIT */
/** @file tok_normalizer.h  The steps of a normalizer other than NFC alone. */
#ifndef CG_TOK_NORMALIZER_H
#define CG_TOK_NORMALIZER_H

#include "tok_mapped.h"
#include "tok_nfc.h"
#include "tok_pattern.h"

enum cg_normalizer_kind {
    CG_NORMALIZE_FORM, /* a normal form of Unicode */
    CG_NORMALIZE_LOWERCASE,
    CG_NORMALIZE_STRIP,
    CG_NORMALIZE_STRIP_ACCENTS,
    CG_NORMALIZE_REPLACE,
    CG_NORMALIZE_PREPEND,
    CG_NORMALIZE_BERT_CLEAN,
    CG_NORMALIZE_BERT_CHINESE,
    CG_NORMALIZE_BERT_ACCENTS, /* NFD, then the accents are removed */
    CG_NORMALIZE_BYTE_LEVEL,
};

typedef struct cg_normalizer_step {
    enum cg_normalizer_kind kind;
    enum cg_normal_form form;
    int left, right;     /* STRIP: sides */
    cg_pattern *pattern; /* REPLACE; owned */
    char *content;       /* REPLACE, PREPEND: [content_len], owned */
    size_t content_len;
} cg_normalizer_step;

#define CG_NORMALIZER_STEPS 24

/** Zero-initialise; immutable once filled. */
typedef struct cg_normalizer {
    cg_normalizer_step steps[CG_NORMALIZER_STEPS];
    size_t n;
    const char *blank; /* what a step writes for ' '; NULL: none does. Its content */
} cg_normalizer;

void cg_normalizer_finish(cg_normalizer *normalizer);

/** Working memory; zero-initialise, finish. */
typedef struct cg_normalizer_memory {
    cg_mapped texts[2];
    cg_nfc nfc;
    cg_match_memory match;
} cg_normalizer_memory;

void cg_normalizer_memory_finish(cg_normalizer_memory *memory);

/**
 * Runs all steps over a section of a text.
 *
 * @param continued  1: PREPEND writes nothing
 * @param ret        one of memory->texts, valid until the next call
 * @return CG_OK; CG_ERR_LIMIT (backtracking of a pattern); CG_ERR_NOMEM
 */
cg_status cg_normalizer_run(const cg_normalizer *normalizer, cg_normalizer_memory *memory,
                            const char *text, size_t len, int continued, cg_mapped **ret,
                            cg_error *err);

#endif
