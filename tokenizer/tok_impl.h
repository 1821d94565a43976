/* SPDX-License-Identifier: MIT */
/** @file tok_impl.h  Contents of a tokenizer, for the loaders and the encoder. */
#ifndef CG_TOK_IMPL_H
#define CG_TOK_IMPL_H

#include <confgen/tokenizer.h>

#include "tok_added.h"
#include "tok_class.h"
#include "tok_normalizer.h"
#include "tok_split.h"
#include "tok_steps.h"
#include "tok_vocab.h"
#include "tok_words.h"

/** Blanks that encoding puts in front of a text, for decoding to drop. */
enum cg_front_blank { CG_FRONT_NONE, CG_FRONT_TEXT, CG_FRONT_SECTION };

/** A tokenizer of other kinds than NFC, Split and Digits, ByteLevel, byte-level BPE. */
typedef struct cg_general {
    cg_normalizer normalizer;
    cg_steps steps;
    cg_words words;
} cg_general;

void cg_general_destroy(cg_general *general); /* accepts NULL */

struct cg_tokenizer {
    uint32_t serial; /* unique in the process; owner number in a cache */
    int nfc;         /* normalize to NFC before searching the normalized added tokens */
    cg_vocab vocab;
    cg_added_set added_raw;  /* searched in the unchanged text */
    cg_added_set added_norm; /* searched in normalized text */
    cg_pretok pretok;
    cg_general *general; /* NULL: pretok and the merges of vocab; else vocab has only the bytes that
                          * the tokens decode to */
    enum cg_front_blank front;
    cg_class_prompt prompt;
};

/** Empty tokenizer for a loader to fill; NULL if out of memory. */
cg_tokenizer *cg_tokenizer_new(void);

/** Largest tokenizer file, in bytes. */
#define CG_TOKENIZER_FILE_MAX ((size_t)256 << 20)

/** Texts of tokenizer.json and of the files beside it; those may be NULL. */
typedef struct cg_json_texts {
    const char *tokenizer, *config, *special_map, *model_config;
    size_t tokenizer_len, config_len, special_map_len, model_config_len;
} cg_json_texts;

/**
 * Loads from the text of a tokenizer.json and, for what its class changes (tok_class.h), the files
 * beside it.
 * @param name  of tokenizer.json, for messages
 */
cg_status cg_tokenizer_from_json(const char *name, const cg_json_texts *texts,
                                 cg_tokenizer **ret_tokenizer, cg_error *err);

/** Texts of the files of the vocab.json form and of config.json; the last two may be NULL. */
typedef struct cg_vocab_merges_files {
    const char *vocab, *merges, *config, *added_tokens, *model_config;
    size_t vocab_len, merges_len, config_len, added_tokens_len, model_config_len;
} cg_vocab_merges_files;

/** Loads from the texts of vocab.json, merges.txt, tokenizer_config.json and added_tokens.json. */
cg_status cg_tokenizer_from_vocab_merges(const char *dir, const cg_vocab_merges_files *files,
                                         cg_tokenizer **ret_tokenizer, cg_error *err);

#endif
