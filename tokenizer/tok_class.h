/* SPDX-License-Identifier: MIT */
/**
 * @file tok_class.h  What a tokenizer's class in transformers makes of its tokenizer.json.
 *
 * transformers chooses a class by the files beside tokenizer.json, and a class may replace what
 * that file says: the tokens around a prompt, the blank in front of a text and, from version 5 on,
 * normalizer and pre-tokenizer. Both major versions are followed. Where they differ, the files do
 * not say what the model was trained with.
 */
#ifndef CG_TOK_CLASS_H
#define CG_TOK_CLASS_H

#include "tok_prompt.h"

/** The files beside tokenizer.json, parsed; borrowed, NULL where the folder has none. */
typedef struct cg_class_files {
    const json_t *config;       /* tokenizer_config.json */
    const json_t *special_map;  /* special_tokens_map.json */
    const json_t *model_config; /* config.json */
} cg_class_files;

/** Result: the tokens around a prompt, or why the files do not settle them. */
typedef struct cg_class_prompt {
    cg_prompt_ids ids;
    char unsettled[320]; /* one sentence; "": settled */
} cg_class_prompt;

/**
 * Changes normalizer, pre_tokenizer and model settings of a parsed tokenizer.json to those that its
 * class uses.
 *
 * @param root  the object of tokenizer.json; partly changed on failure
 * @param ret   written on success only
 * @return CG_OK; CG_ERR_UNSUPPORTED if the versions differ in the ids of a text, or for a class
 *         that is not followed; CG_ERR_FORMAT; CG_ERR_NOMEM
 */
cg_status cg_class_apply(json_t *root, const cg_class_files *files, cg_class_prompt *ret,
                         cg_error *err);

/** A special token's text, such as bos_token; `otherwise` without one, NULL for null. */
const char *cg_class_token(const cg_class_files *files, const char *key, const char *otherwise);

#endif
