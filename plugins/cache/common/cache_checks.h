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
 * Part of supports() that does not depend on the layout: sizes are positive; the type is f32, bf16,
 * f16 or, with CG_CACHE_SCALES, one of 8 bits; the device is the CPU, or, in a build with CUDA, a
 * GPU. CG_ERR_UNSUPPORTED with the reason. Touches no device. Needs no member since 1.2.
 */
cg_status cg_cache_check_config(const cg_host *host, const cg_cache_config *config, cg_error *err);

/**
 * The configuration of a host of any minor, with what its features mean: v_head_dim is the size of
 * a value, window and sink_tokens are 0 without CG_CACHE_WINDOW.
 *
 * @param config  has at least the members of 1.0
 */
cg_cache_config cg_cache_full_config(const cg_cache_config *config);

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

/**
 * CG_ERR_USAGE unless gather() keeps tokens that are there: 0 <= from <= the slot's tokens, and
 * keep [n_keep] ascends from `from` on.
 *
 * @param reserved_tokens  [n_slots]
 */
cg_status cg_cache_check_gather(const cg_host *host, const cg_cache_config *config,
                                const int32_t *reserved_tokens, int32_t slot, int32_t from,
                                const int32_t *keep, int32_t n_keep, cg_error *err);

/**
 * Tokens from keep[i] on that one copy moves to token from + i: they are consecutive, and not among
 * their own new places. At least 1.
 */
int32_t cg_cache_gather_run(int32_t from, const int32_t *keep, int32_t n_keep, int32_t i);

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
