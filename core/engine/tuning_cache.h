/* SPDX-License-Identifier: MIT */
/**
 * @file tuning_cache.h  Tunings remembered from run to run in a JSON file.
 *
 *     {"confgen_tuning": 1, "choices": [
 *       {"key": {"gpu": "NVIDIA H200", "model": "...", ...}, "attention": "flash",
 *        "kv_cache": "paged", "batch_size": 512, "tokens_per_second": 310000.0, "seconds": 9.1,
 *        "figures": [{"attention": ..., "kv_cache": ..., "batch_size": ...,
 *                     "tokens_per_second": ...}, {..., "refused": "why"}]}]}
 *
 * The key holds everything that the speed depends on; a tuning is used if all of it is equal.
 * data/tunings.json, shipped with confgen, is a file of this kind for known GPUs and models. The
 * file is replaced as a whole, so a reader never sees a partial one. Of two runs that measure at
 * the same time, one tuning may be lost.
 */
#ifndef CG_ENGINE_TUNING_CACHE_H
#define CG_ENGINE_TUNING_CACHE_H

#include "engine/tuning.h"

/** A part of the key. */
typedef struct cg_tuning_item {
    const char *key, *value;
} cg_tuning_item;

/**
 * Finds the path of the file: $CONFGEN_CACHE_DIR/tuning.json, else
 * $XDG_CACHE_HOME/confgen/tuning.json, else ~/.cache/confgen/tuning.json; "" if none of the
 * variables is set. CG_ERR_LIMIT for a path longer than cap.
 */
cg_status cg_tuning_path(char *ret_path, size_t cap, cg_error *err);

/**
 * Loads the tuning of a key.
 *
 * @return CG_OK with *ret_found 0 or 1, 0 also without a file; CG_ERR_FORMAT if the file is
 *         damaged or of another version; CG_ERR_INPUT for a key that is not UTF-8; CG_ERR_IO,
 *         CG_ERR_LIMIT, CG_ERR_NOMEM
 */
cg_status cg_tuning_load(const char *path, const cg_tuning_item *key, size_t n_key,
                         cg_tuning *ret_tuning, int *ret_found, cg_error *err);

/**
 * As cg_tuning_load(), of a file shipped with confgen, whose keys hold fewer items: the first
 * tuning is used of whose key all items are in `key`.
 */
cg_status cg_tuning_load_shipped(const char *path, const cg_tuning_item *key, size_t n_key,
                                 cg_tuning *ret_tuning, int *ret_found, cg_error *err);

/**
 * Stores a tuning; replaces an earlier one with the same key, and a file that cannot be read for
 * any reason as a whole. Creates missing directories. Drops the oldest of more than 256 tunings.
 *
 * @return CG_OK; CG_ERR_INPUT for a key that is not UTF-8; CG_ERR_IO, CG_ERR_NOMEM. On failure the
 *         file is unchanged.
 */
cg_status cg_tuning_store(const char *path, const cg_tuning_item *key, size_t n_key,
                          const cg_tuning *tuning, cg_error *err);

#endif
