/* SPDX-License-Identifier: MIT */
/** @file tok_prompt.h  The tokens that a post-processor writes in front of and behind a text. */
#ifndef CG_TOK_PROMPT_H
#define CG_TOK_PROMPT_H

#include <confgen/status.h>
#include <jansson.h>
#include <stdint.h>

/** Most tokens on each side of a text. */
#define CG_PROMPT_TOKENS_MAX 16

typedef struct cg_prompt_ids {
    int32_t n_prefix, n_suffix;
    int32_t prefix[CG_PROMPT_TOKENS_MAX];
    int32_t suffix[CG_PROMPT_TOKENS_MAX];
} cg_prompt_ids;

/**
 * Reads a post_processor of tokenizer.json for a single text: ByteLevel (writes nothing),
 * TemplateProcessing, BertProcessing, RobertaProcessing and a Sequence of these with at most one
 * that writes tokens. NULL or null: nothing is written.
 *
 * @param ret  unchanged on failure
 * @return CG_OK; CG_ERR_FORMAT; CG_ERR_UNSUPPORTED; CG_ERR_LIMIT
 */
cg_status cg_prompt_ids_read(const json_t *post_processor, cg_prompt_ids *ret, cg_error *err);

/** Whether both write the same tokens. */
int cg_prompt_ids_equal(const cg_prompt_ids *a, const cg_prompt_ids *b);

#endif
