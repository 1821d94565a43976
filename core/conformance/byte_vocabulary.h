/* SPDX-License-Identifier: MIT */
/** @file byte_vocabulary.h  A minimal vocabulary: one token per byte, and a few added tokens. */
#ifndef CG_CONFORMANCE_BYTE_VOCABULARY_H
#define CG_CONFORMANCE_BYTE_VOCABULARY_H

#include <confgen/constraint.h>

enum {
    BYTE_ADDED = 256, /* [CONFORMER], [/CONFORMER], <|endoftext|> */
    BYTE_STOP = 258,
    BYTE_UNUSED = 259, /* ids from here on are unused */
    BYTE_N_TOKENS = 264,
};

/**
 * Creates the vocabulary: token i is byte i; pre-tokens are runs of letters, of digits, of other
 * bytes. NULL when out of memory; freed with host->free.
 */
cg_vocabulary *byte_vocabulary_create(const cg_host *host);

#endif
