/* SPDX-License-Identifier: MIT */
/** @file tok_load.h  Steps shared by the loaders of both file forms. */
#ifndef CG_TOK_LOAD_H
#define CG_TOK_LOAD_H

#include <jansson.h>

#include "tok_impl.h"

/** A tokenizer being built. Zero-initialise. */
typedef struct cg_tok_builder {
    cg_tokenizer *tok;
    const json_t *vocab; /* string -> id, borrowed */
    json_t *added;       /* content -> id of the added tokens so far */
    char *scratch;
    size_t scratch_cap;
} cg_tok_builder;

void cg_builder_finish(cg_tok_builder *b); /* destroys the tokenizer unless it was returned */

/**
 * Parses a JSON object; duplicate keys are an error. `name` of the file, for messages.
 * CG_ERR_LIMIT, before the costly parsing, for more values than a vocabulary and its merges have.
 */
cg_status cg_load_parse(const char *name, const char *json, size_t len, json_t **ret_root,
                        cg_error *err);

/**
 * Reads a boolean member of a step; a missing optional member leaves *value unchanged. `step` names
 * the step in messages; NULL where the caller does.
 */
cg_status cg_load_bool(const json_t *part, const char *step, const char *key, int required,
                       int *value, cg_error *err);

/** Adds all tokens of a vocabulary object; `vocab` is borrowed until cg_builder_finish(). */
cg_status cg_load_vocab(cg_tok_builder *b, const json_t *vocab, cg_error *err);

/** Decodes a string of the byte-level alphabet to scratch[len]; 0 if it has other characters. */
int cg_alphabet_bytes(char *scratch, const char *s, size_t len, size_t *ret_len);

/**
 * Adds the list of merges of a tokenizer.json to `target`.
 * @param prefix  bytes of the continuing_subword_prefix, which the right token loses
 */
cg_status cg_load_merges(cg_tok_builder *b, cg_vocab *target, size_t prefix, const json_t *merges,
                         cg_error *err);

/** Adds a merge written as "left right". */
cg_status cg_load_merge_line(cg_tok_builder *b, const char *line, size_t len, size_t rank,
                             cg_error *err);

/** Description of an added token in a file. */
typedef struct cg_added_spec {
    const char *content;
    int64_t id;
    int special, normalized, single_word, lstrip, rstrip;
} cg_added_spec;

/**
 * Adds an added token. Call after the vocabulary and the normalizer are set. A repeated token is
 * ignored; a second content for an id, or a second id for a content, is an error.
 */
cg_status cg_load_added(cg_tok_builder *b, const cg_added_spec *spec, cg_error *err);

/** Finalizes the tokenizer and moves it out of the builder; owned by the caller,
 * cg_tokenizer_destroy(). *ret_tokenizer is unchanged on failure. */
cg_status cg_builder_take(cg_tok_builder *b, cg_tokenizer **ret_tokenizer, cg_error *err);

#endif
