/* SPDX-License-Identifier: MIT */
/** @file tok_finalize.h  Completes a vocabulary: lookup tables, byte tokens, self-encoding tokens.
 */
#ifndef CG_TOK_FINALIZE_H
#define CG_TOK_FINALIZE_H

#include "tok_vocab.h"

/** Builds the lookup tables of a vocabulary that has no token for some bytes. */
cg_status cg_vocab_index(cg_vocab *vocab, cg_error *err);

/**
 * Builds the tables of a vocabulary whose tokens and merges have all been added. Afterwards it is
 * immutable.
 * @return CG_OK; CG_ERR_UNSUPPORTED if a byte of valid UTF-8 has no token; CG_ERR_NOMEM
 */
cg_status cg_vocab_finalize(cg_vocab *vocab, cg_error *err);

#endif
