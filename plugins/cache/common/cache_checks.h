/* SPDX-License-Identifier: MIT */
/** @file cache_checks.h  Argument checks shared by all cache plugins. */
#ifndef CACHE_COMMON_CACHE_CHECKS_H
#define CACHE_COMMON_CACHE_CHECKS_H

#include <confgen/cache.h>

/** Devices that this build supports, for descriptions. */
#ifdef CG_WITH_CUDA
#define CG_CACHE_DEVICES "CPU, CUDA"
#else
#define CG_CACHE_DEVICES "CPU"
#endif

/**
 * Part of supports() that does not depend on the layout: sizes are positive; f32 on the CPU; on a
 * GPU, in a build with CUDA, f32, bf16 or f16. CG_ERR_UNSUPPORTED with the reason. Touches no
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
 * CG_ERR_USAGE unless tokens [0, len) of `src` can be shared with `dst`: two valid slots, dst
 * empty, src with at least len tokens.
 *
 * @param reserved_tokens  [n_slots]
 */
cg_status cg_cache_check_share(const cg_host *host, const cg_cache_config *config,
                               const int32_t *reserved_tokens, int32_t dst, int32_t src,
                               int32_t len, cg_error *err);

/** CG_ERR_USAGE unless the struct is complete and its element type known. For any device. */
cg_status cg_cache_check_append_type(const cg_host *host, const cg_cache_append *args,
                                     cg_error *err);

/**
 * Checks an append on the CPU: f32, and room for every token. CG_ERR_USAGE on violation.
 *
 * @param reserved_tokens  [n_slots]
 */
cg_status cg_cache_check_append(const cg_host *host, const cg_cache_config *config,
                                const cg_cache_append *args, const int32_t *reserved_tokens,
                                cg_error *err);

#endif
