/* SPDX-License-Identifier: MIT */
/** @file config_keys.h  Reads members of a settings file that base/json.h has no function for. */
#ifndef CG_MODEL_CONFIG_KEYS_H
#define CG_MODEL_CONFIG_KEYS_H

#include "base/json.h"

/** Fails as cg_json_fail_wanted(), with CG_ERR_UNSUPPORTED. */
cg_status cg_config_unsupported(const cg_json *o, const char *key, const char *wanted,
                                cg_error *err);

/** Reads an integer as cg_json_int(), into 32 bits. */
cg_status cg_config_i32(const cg_json *o, const char *key, int required, int64_t lo, int64_t hi,
                        int32_t *ret, cg_error *err);

#endif
