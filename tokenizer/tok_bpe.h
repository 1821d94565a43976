/* SPDX-License-Identifier: MIT */
/** @file tok_bpe.h  Byte pair encoding of one pre-token. */
#ifndef CG_TOK_BPE_H
#define CG_TOK_BPE_H

#include "tok_vocab.h"

/** Working memory for long pre-tokens; zero-initialise, finish. */
typedef struct cg_bpe_memory {
    struct cg_bpe_symbol *symbols;
    struct cg_bpe_entry *heap;
    size_t symbols_cap, heap_cap;
} cg_bpe_memory;

void cg_bpe_memory_finish(cg_bpe_memory *memory);

/**
 * Merges, in ids[n], repeatedly the pair of lowest rank, the leftmost of equals, until no pair
 * merges. O(n log n).
 *
 * @param widths  [n] bytes that an id covers, merged like the ids; NULL: not wanted
 * @return 0, -1 if out of memory
 */
int cg_bpe_merge(const cg_vocab *vocab, cg_bpe_memory *memory, int32_t *ids, uint32_t *widths,
                 size_t n, size_t *ret_n);

/**
 * Encodes a pre-token: cg_bpe_merge() of the tokens of its bytes.
 *
 * @param bytes    [len], len >= 1; every byte has a token (cg_vocab_finalize() ensures that for all
 *                 bytes of valid UTF-8)
 * @param ids      [len] result
 * @param ret_n    number of tokens; their concatenated bytes are the pre-token
 * @return 0, -1 if out of memory
 */
int cg_bpe_encode(const cg_vocab *vocab, cg_bpe_memory *memory, const char *bytes, size_t len,
                  int32_t *ids, size_t *ret_n);

#endif
