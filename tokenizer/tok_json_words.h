/* SPDX-License-Identifier: MIT */
/** @file tok_json_words.h  Models of tokenizer.json over forms of tokens (tok_words.h). */
#ifndef CG_TOK_JSON_WORDS_H
#define CG_TOK_JSON_WORDS_H

#include "tok_load.h"

/**
 * Loads the model of b->tok->general, whose normalizer and steps are loaded, and the bytes that its
 * tokens decode to: without "##", the byte-level alphabet decoded, ' ' for what stands for it.
 *
 * @param added  added_tokens of the file: their bytes are their content
 */
cg_status cg_load_words(cg_tok_builder *b, const json_t *model, const json_t *added, cg_error *err);

#endif
