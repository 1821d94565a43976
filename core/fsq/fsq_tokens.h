/* SPDX-License-Identifier: MIT */
/**
 * @file fsq_tokens.h  The SMILES tokens that an FSQ text has a code behind.
 *
 * A token is an atom in brackets, a ring closure (a digit, or % and two digits), a bond (- = # : /
 * \), a parenthesis or a dot. Every atom of the text is in brackets.
 */
#ifndef CG_FSQ_FSQ_TOKENS_H
#define CG_FSQ_FSQ_TOKENS_H

#include "fsq/fsq_model.h"

/** Returns the bytes of the token that `text` [len] begins with; 0 if it begins with none. */
size_t cg_fsq_token_length(const char *text, size_t len);

/** Returns the id of a token text [len]; -1 if the model has none of it. */
int32_t cg_fsq_token_id(const cg_fsq_model *model, const char *text, size_t len);

/**
 * Splits a SMILES text into the model's tokens.
 *
 * @param smiles   [len] atoms in brackets, no coordinates or codes
 * @param ret_ids  [*ret_n] token ids; free()
 * @return CG_OK; CG_ERR_INPUT naming what is no token, or one that the model does not have;
 *         CG_ERR_NOMEM. On failure the results are unchanged.
 */
cg_status cg_fsq_tokenize(const cg_fsq_model *model, const char *smiles, size_t len,
                          int32_t **ret_ids, int32_t *ret_n, cg_error *err);

#endif
