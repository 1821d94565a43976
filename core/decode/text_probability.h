/* SPDX-License-Identifier: MIT */
/** @file text_probability.h  The probability that a model gives to a text, on the CPU in f32. */
#ifndef CG_DECODE_TEXT_PROBABILITY_H
#define CG_DECODE_TEXT_PROBABILITY_H

#include <confgen/attention.h>
#include <confgen/cache.h>

#include "base/pool.h"
#include "model/model.h"

/** What a forward pass needs; all members are borrowed. */
typedef struct cg_text_scorer {
    const cg_model *model;
    cg_team *team;
    const cg_host *host;
    const cg_attention_ops *attention;
    const cg_cache_ops *cache;
    const char *attention_name, *cache_name; /* for error texts */
} cg_text_scorer;

/** A text: the tokens ids[n_given, n) after the tokens ids[0, n_given), 1 <= n_given < n. */
typedef struct cg_scored_text {
    const int32_t *ids;
    int32_t n_given, n;
    double log_probability; /* result: sum over its tokens, natural logarithm */
} cg_scored_text;

/**
 * Computes the log probability of each text.
 *
 * @return CG_OK; CG_ERR_UNSUPPORTED, CG_ERR_LIMIT as the plugins; CG_ERR_NOMEM
 */
cg_status cg_score_texts(const cg_text_scorer *scorer, cg_scored_text *texts, int32_t n_texts,
                         cg_error *err);

#endif
