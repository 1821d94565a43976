/* SPDX-License-Identifier: MIT */
/** @file tok_load.h  Steps that the loaders of both file forms share. */
#ifndef CG_TOK_LOAD_H
#define CG_TOK_LOAD_H

#include <jansson.h>

#include "tok_impl.h"

/** A tokenizer being built. Zero-initialise. */
typedef struct cg_tok_builder {
    cg_tokenizer *tok;
    const json_t *vocab; /* string -> id, borrowed while loading */
    json_t *added;       /* content -> id of the added tokens so far */
    char *scratch;
    size_t scratch_cap;
} cg_tok_builder;

void cg_builder_finish(cg_tok_builder *b); /* the tokenizer too, if it is still there */

/** Parse JSON text; duplicate names are an error. `name` of the file, for errors. */
cg_status cg_load_parse(const char *name, const char *json, size_t len, json_t **ret_root,
                        cg_error *err);

/** Take all tokens of a vocabulary object over; `vocab` is borrowed until cg_builder_finish(). */
cg_status cg_load_vocab(cg_tok_builder *b, const json_t *vocab, cg_error *err);

/** Merge number `rank`: two token strings, not ended by NUL. */
cg_status cg_load_merge(cg_tok_builder *b, const char *left, size_t left_len, const char *right,
                        size_t right_len, size_t rank, cg_error *err);

/** Merge written as "left right". */
cg_status cg_load_merge_line(cg_tok_builder *b, const char *line, size_t len, size_t rank,
                             cg_error *err);

/** What a file says of an added token. */
typedef struct cg_added_spec {
    const char *content;
    int64_t id;
    int special, normalized, single_word, lstrip, rstrip;
} cg_added_spec;

/**
 * Take an added token over. After the vocabulary and the normalizer.
 * The same token a second time is passed over; another content for its id, or another id for its
 * content, is an error.
 */
cg_status cg_load_added(cg_tok_builder *b, const cg_added_spec *spec, cg_error *err);

/** Build tables and hand the tokenizer over. */
cg_status cg_load_seal(cg_tok_builder *b, cg_tokenizer **ret_tokenizer, cg_error *err);

#endif
