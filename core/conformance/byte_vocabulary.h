/* SPDX-License-Identifier: MIT */
/** @file byte_vocabulary.h  The smallest vocabulary: every byte a token, and a few added tokens. */
#ifndef CG_CONFORMANCE_BYTE_VOCABULARY_H
#define CG_CONFORMANCE_BYTE_VOCABULARY_H

#include <confgen/constraint.h>

enum {
    BYTE_ADDED = 256, /* [CONFORMER], [/CONFORMER], <|endoftext|> */
    BYTE_STOP = 258,
    BYTE_UNUSED = 259, /* ids from here on name nothing */
    BYTE_N_TOKENS = 264,
};

/**
 * Token i is byte i; pre-tokens are runs of letters, of digits, of other bytes. NULL if there is no
 * memory; to be given back with the host's free().
 */
cg_vocabulary *byte_vocabulary_create(const cg_host *host);

#endif
