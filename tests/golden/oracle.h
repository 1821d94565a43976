/* SPDX-License-Identifier: MIT */
/** @file oracle.h  Runs models as the recorded oracles were run; shared by the golden tests. */
#ifndef CG_TESTS_ORACLE_H
#define CG_TESTS_ORACLE_H

#include <check.h>
#include <jansson.h>

#include "decode/executor.h"
#include "plugin/host.h"
#include "plugin/registry.h"

/** Set by oracle_setup(). */
extern cg_team *team;
extern cg_plugin_host host;
extern cg_registry *registry;
extern cg_error err;

#define OK(call) ck_assert_msg((call) == CG_OK, "%s", err.msg)

/** Creates a team of two threads and opens the plugins. */
void oracle_setup(void);
void oracle_teardown(void);

/** Returns the operation table of a plugin, which must exist. */
const void *oracle_plugin(cg_plugin_kind kind, const char *name);

/** Returns a variable of the environment, which must be set. */
const char *oracle_env(const char *name);

/** Loads tests/golden/FILE; json_decref(). */
json_t *oracle_load(const char *file);

/** Returns the token ids of an array [*ret_n] of a case; free(). */
int32_t *oracle_ids(const json_t *c, const char *key, int32_t *ret_n);

/**
 * Computes the logits of a text on the CPU, over all tokens of the vocabulary, in uneven batches.
 *
 * @param positions   [n_positions] ascending: logits after ids[0 .. p]
 * @param ret_logits  [n_positions, vocab]
 */
void oracle_cpu_logits(const cg_model *model, const cg_attention_ops *attention,
                       const cg_cache_ops *cache, const int32_t *ids, const int32_t *positions,
                       int32_t n_positions, float *ret_logits);

/** A prompt and the index of its case. */
typedef struct oracle_prompt {
    int32_t *ids; /* [n] */
    int32_t n;
} oracle_prompt;

/**
 * Runs one sequence of `program` after each prompt, all at once, and destroys the executor.
 *
 * @param prompts  [n], at most the executor's slots and prompt slots
 * @param check    called once per prompt, with its index
 */
void oracle_run(cg_executor *ex, const cg_program *program, const oracle_prompt *prompts, int32_t n,
                void (*check)(int32_t i, const cg_sequence_result *result));

#endif
