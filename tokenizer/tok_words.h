/* SPDX-License-Identifier: MIT */
/** @file tok_words.h  Models other than byte-level BPE: WordLevel, WordPiece, BPE of characters. */
#ifndef CG_TOK_WORDS_H
#define CG_TOK_WORDS_H

#include "tok_bpe.h"

enum cg_words_kind { CG_WORDS_LEVEL, CG_WORDS_PIECE, CG_WORDS_BPE };

/**
 * A model over the forms of its tokens, as the vocabulary of tokenizer.json has them: with '##',
 * the byte-level alphabet or U+2581 for ' '. Zero-initialise; immutable once filled and indexed.
 */
typedef struct cg_words {
    enum cg_words_kind kind;
    cg_vocab forms;    /* all CG_TOKEN_BYTES; merges of BPE */
    int32_t unk;       /* id of the unknown token; -1: none */
    char *unk_name;    /* for messages; owned */
    int fuse_unk;      /* BPE: adjacent unknown characters are one token */
    int byte_fallback; /* BPE: an unknown character becomes the tokens of its bytes, <0xE2> */
    char *prefix;      /* continuing_subword_prefix: [prefix_len], owned; NULL: none */
    size_t prefix_len;
    char *suffix; /* BPE: end_of_word_suffix: [suffix_len], owned; NULL: none */
    size_t suffix_len;
    size_t max_chars;        /* WordPiece: longer words are unknown */
    int32_t byte_token[256]; /* BPE with byte_fallback; -1: none */
} cg_words;

void cg_words_finish(cg_words *words);

/** Working memory; zero-initialise, finish. */
typedef struct cg_words_memory {
    cg_bpe_memory bpe;
    char *key; /* a form to look up */
    size_t key_cap;
} cg_words_memory;

void cg_words_memory_finish(cg_words_memory *memory);

/**
 * Encodes one piece.
 *
 * @param word    [len] of valid UTF-8, len >= 1
 * @param ids     [len] result
 * @param widths  [len] result: bytes of the piece that each token covers
 * @return CG_OK; CG_ERR_INPUT (unknown, and no token for that); CG_ERR_NOMEM
 */
cg_status cg_words_encode(const cg_words *words, cg_words_memory *memory, const char *word,
                          size_t len, int32_t *ids, uint32_t *widths, size_t *ret_n, cg_error *err);

#endif
