/* SPDX-License-Identifier: MIT */
/** @file cache_checks.h  What all caches of this folder check and do alike. */
#ifndef CACHE_COMMON_CONFIG_H
#define CACHE_COMMON_CONFIG_H

#include <confgen/cache.h>

/** What the caches of this build serve, for descriptions. */
#ifdef CG_WITH_CUDA
#define CG_CACHE_DEVICES "CPU, CUDA"
#else
#define CG_CACHE_DEVICES "CPU"
#endif

/**
 * The part of supports() that does not depend on the layout: well-formed; f32 on the CPU; on a GPU,
 * where this was built with CUDA, f32, bf16 or f16. CG_ERR_UNSUPPORTED with the reason. Touches no
 * device.
 */
cg_status cg_cache_check_config(const cg_host *host, const cg_cache_config *config, cg_error *err);

/** CG_ERR_USAGE unless 0 <= slot < n_slots and 0 <= len <= max_len. */
cg_status cg_cache_check_slot(const cg_host *host, const cg_cache_config *config, int32_t slot,
                              int32_t len, cg_error *err);

/** CG_ERR_USAGE unless 0 <= layer < n_layers. */
cg_status cg_cache_check_layer(const cg_host *host, const cg_cache_config *config, int32_t layer,
                               cg_error *err);

/**
 * Is this append on the CPU well-formed and does every token have room?
 *
 * @param room  [n_slots] tokens that a slot has room for
 */
cg_status cg_cache_check_append(const cg_host *host, const cg_cache_config *config,
                                const cg_cache_append *args, const int32_t *room, cg_error *err);

#endif
