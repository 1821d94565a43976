/* SPDX-License-Identifier: MIT */
/** @file tok_mapped.h  A text in the making, each byte with the range of the input it comes from.
 */
#ifndef CG_TOK_MAPPED_H
#define CG_TOK_MAPPED_H

#include <stddef.h>
#include <stdint.h>

/** Zero-initialise, use for any number of texts, finish. */
typedef struct cg_mapped {
    char *text;          /* [len] */
    uint32_t *from, *to; /* [len] input range of a byte; empty for what has no origin */
    size_t len, text_cap, from_cap, to_cap;
} cg_mapped;

void cg_mapped_finish(cg_mapped *m);

/** Appends n bytes that all come from input [from, to). -1: out of memory, or over 2^31 bytes. */
int cg_mapped_put(cg_mapped *m, const char *bytes, size_t n, uint32_t from, uint32_t to);

/** Appends a code point. */
int cg_mapped_put_char(cg_mapped *m, uint32_t cp, uint32_t from, uint32_t to);

/** Appends bytes [start, end) of another text with their origins. */
int cg_mapped_copy(cg_mapped *m, const cg_mapped *source, size_t start, size_t end);

#endif
