/* SPDX-License-Identifier: MIT */
/** @file attention_problem.h  Builds the cg_attention_problem and cg_cache_config of a model and a
 * run. */
#ifndef CG_MODEL_ATTENTION_PROBLEM_H
#define CG_MODEL_ATTENTION_PROBLEM_H

#include <confgen/attention.h>
#include <confgen/cache.h>

#include "model/config.h"

/** The part of a problem that depends on the run and not on the model. */
typedef struct cg_attention_shape {
    cg_device device;
    int32_t compute_capability; /* CUDA: 10 * major + minor; CPU: 0 */
    cg_dtype dtype;             /* of queries and outputs */
    cg_dtype kv_dtype;          /* of the cache; a type of 8 bits needs scales */
    int32_t max_tokens;         /* rows of one step, at most */
    int32_t max_seqs;           /* sequences of one step, at most: the KV slots */
    int32_t max_kv_len;         /* cached tokens of one sequence, at most */
    uint32_t flags;             /* cg_attention_flags() */
    int32_t kept_tokens;        /* behind a window that a cache keeps all the same */
} cg_attention_shape;

/** Returns the CG_ATTENTION_* required on `device`; on the CPU attention is always deterministic.
 */
uint32_t cg_attention_flags(cg_device device, int32_t deterministic);

/** A model has one attention problem, or two: that of layers with a window and of those without. */
enum { CG_MAX_ATTENTION_PROBLEMS = 2 };

/**
 * Builds the problems of a model. The layout of the cache stays zero: not paged, HND. A window of
 * max_kv_len tokens or more is none.
 *
 * @return the number of problems, in an order that depends on the config and max_kv_len only
 */
int32_t cg_attention_problems_of_model(const cg_model_config *config,
                                       const cg_attention_shape *shape,
                                       cg_attention_problem ret[CG_MAX_ATTENTION_PROBLEMS]);

/**
 * Returns the configuration of a model's cache: `device`, `kv_dtype`, `max_seqs`, `max_kv_len` and
 * `kept_tokens` of the shape are read. max_bytes and stream stay zero.
 *
 * If all layers have a window, a cache may free tokens older than window + kept_tokens;
 * cg_cache_config_offer_window() is called before it is created.
 */
cg_cache_config cg_cache_config_of_model(const cg_model_config *config,
                                         const cg_attention_shape *shape);

/**
 * Returns the newest tokens of a sequence that the queries of all layers read, the query's own
 * included; 0: all tokens, because a layer has no window shorter than max_kv_len.
 */
int32_t cg_window_of_model(const cg_model_config *config, int32_t max_kv_len);

/** Returns the index of the problem of a layer. */
int32_t cg_attention_problem_of_layer(const cg_model_config *config, int32_t max_kv_len,
                                      int32_t layer);

/**
 * Checks that a view has the shape of the problem and a page table exactly if the cache is paged.
 *
 * @return CG_OK; CG_ERR_PLUGIN with a text that names what is wrong, without the plugin's name
 */
cg_status cg_attention_problem_check_view(const cg_attention_problem *problem,
                                          const cg_cache_ops *cache, const cg_kv_view *view,
                                          cg_error *err);

/** Sets the members that describe the cache: kv_dtype, paged, block_tokens, kv_layout. */
void cg_attention_problem_set_cache(cg_attention_problem *problem, const cg_cache_ops *cache,
                                    const cg_kv_view *view);

#endif
