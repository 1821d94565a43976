/* SPDX-License-Identifier: MIT */
/** @file pairing.h  Which attention plugin works with which cache plugin on which problem. */
#ifndef CG_PLUGIN_PAIRING_H
#define CG_PLUGIN_PAIRING_H

#include "plugin/registry.h"

/**
 * Can `attention` compute `problem` over the views of `cache` made by `config`? Asks both and
 * allocates nothing.
 *
 * @param problem  as for plan(); `kv_dtype`, `paged` and `block_tokens` are taken from the cache
 * @param ret_problem  the problem with these filled in; NULL if not wanted
 * @return CG_OK; CG_ERR_UNSUPPORTED or CG_ERR_MISMATCH with the reason; CG_ERR_PLUGIN if a plugin
 *         broke its promise
 */
cg_status cg_pairing_check(const cg_host *host, const cg_plugin *attention, const cg_plugin *cache,
                           const cg_attention_problem *problem, const cg_cache_config *config,
                           cg_attention_problem *ret_problem, cg_error *err);

/** One pair of the matrix. */
typedef struct cg_pairing {
    const cg_plugin *attention;
    const cg_plugin *cache;
    cg_status status;
    char *reason; /* "" if the pair works */
} cg_pairing;

/**
 * Every attention plugin with every cache plugin of a registry, ordered by attention, then cache.
 * *ret_cells is the caller's: cg_pairing_matrix_free().
 */
cg_status cg_pairing_matrix(const cg_registry *registry, const cg_host *host,
                            const cg_attention_problem *problem, const cg_cache_config *config,
                            cg_pairing **ret_cells, int32_t *ret_n, cg_error *err);
/** Accepts NULL. */
void cg_pairing_matrix_free(cg_pairing *cells, int32_t n);

#endif
