/* SPDX-License-Identifier: MIT */
/** @file tok_json_steps.h  Normalizers and pre-tokenizers of tokenizer.json, other than the usual
 * ones. */
#ifndef CG_TOK_JSON_STEPS_H
#define CG_TOK_JSON_STEPS_H

#include <jansson.h>

#include "tok_normalizer.h"
#include "tok_steps.h"

/** @return CG_OK; CG_ERR_UNSUPPORTED naming the type; CG_ERR_FORMAT; CG_ERR_LIMIT; CG_ERR_NOMEM */
cg_status cg_load_normalizer(cg_normalizer *normalizer, const json_t *part, cg_error *err);
cg_status cg_load_steps(cg_steps *steps, const json_t *part, cg_error *err);

/** Reads pattern, behavior and invert of a Split. */
cg_status cg_load_split(cg_split *split, const json_t *part, cg_error *err);

#endif
