/* SPDX-License-Identifier: MIT */
/** @file tok_impl.h  What a tokenizer is made of, for the loaders and the encoder. */
#ifndef CG_TOK_IMPL_H
#define CG_TOK_IMPL_H

#include <confgen/tokenizer.h>

#include "tok_added.h"
#include "tok_split.h"
#include "tok_vocab.h"

struct cg_tokenizer {
    uint32_t serial; /* distinct for every tokenizer of the process; the owner in a cache */
    int nfc;         /* normalize to NFC before the normalized added tokens are looked for */
    cg_vocab vocab;
    cg_added_set added_raw;  /* looked for in the text as it is */
    cg_added_set added_norm; /* looked for in normalized text */
    cg_pretok pretok;
};

/** Empty tokenizer for a loader to fill; NULL if out of memory. */
cg_tokenizer *cg_tokenizer_new(void);

/** Largest tokenizer file that is read, in bytes. */
#define CG_TOKENIZER_FILE_MAX ((size_t)256 << 20)

/**
 * Load from the text of a tokenizer.json.
 * @param name  of the file, for errors
 */
cg_status cg_tokenizer_from_json(const char *name, const char *json, size_t len,
                                 cg_tokenizer **ret_tokenizer, cg_error *err);

/** Texts of the files of the older form; added_tokens may be NULL. */
typedef struct cg_vocab_merges_files {
    const char *vocab, *merges, *config, *added_tokens;
    size_t vocab_len, merges_len, config_len, added_tokens_len;
} cg_vocab_merges_files;

/** Load from vocab.json, merges.txt, tokenizer_config.json and added_tokens.json. */
cg_status cg_tokenizer_from_vocab_merges(const char *dir, const cg_vocab_merges_files *files,
                                         cg_tokenizer **ret_tokenizer, cg_error *err);

#endif
