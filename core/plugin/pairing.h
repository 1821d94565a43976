/* SPDX-License-Identifier: MIT */
/** @file pairing.h  Checks whether an attention and a cache plugin support a problem together. */
#ifndef CG_PLUGIN_PAIRING_H
#define CG_PLUGIN_PAIRING_H

#include "plugin/registry.h"

/**
 * Checks that `attention` can compute `problems` over the views of a `cache` created with `config`.
 * Calls supports() of both; allocates nothing.
 *
 * @param problems      [n] as for plan(); `kv_dtype`, `paged`, `block_tokens` and `kv_layout` are
 * set from the cache
 * @param ret_problems  [n] the completed problems; may be NULL
 * @return CG_OK; CG_ERR_UNSUPPORTED or CG_ERR_MISMATCH with the reason; CG_ERR_PLUGIN if a plugin
 *         violates its contract
 */
cg_status cg_pairing_check(const cg_host *host, const cg_plugin *attention, const cg_plugin *cache,
                           const cg_attention_problem *problems, int32_t n,
                           const cg_cache_config *config, cg_attention_problem *ret_problems,
                           cg_error *err);

/**
 * Checks that an attention plugin knows the features `wanted` of a problem; it would ignore others.
 * CG_ERR_UNSUPPORTED naming the plugin and the feature.
 */
cg_status cg_pairing_check_attention_features(const cg_plugin *attention, uint32_t wanted,
                                              cg_error *err);

/** One cell of the matrix. */
typedef struct cg_pairing {
    const cg_plugin *attention;
    const cg_plugin *cache;
    cg_status status;
    char *reason; /* "" if the pair works */
} cg_pairing;

/**
 * Checks every attention plugin with every cache plugin of a registry.
 *
 * @param problems   [n_problems] as for cg_pairing_check()
 * @param ret_cells  [*ret_n] by attention, then cache; owned by the caller,
 *                   cg_pairing_matrix_free()
 */
cg_status cg_pairing_matrix(const cg_registry *registry, const cg_host *host,
                            const cg_attention_problem *problems, int32_t n_problems,
                            const cg_cache_config *config, cg_pairing **ret_cells, int32_t *ret_n,
                            cg_error *err);
void cg_pairing_matrix_free(cg_pairing *cells, int32_t n); /* accepts NULL */

#endif
