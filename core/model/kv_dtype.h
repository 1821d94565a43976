/* SPDX-License-Identifier: MIT */
/** @file kv_dtype.h  Types of a KV cache and of a run: names in options and in confgen.json. */
#ifndef CG_MODEL_KV_DTYPE_H
#define CG_MODEL_KV_DTYPE_H

#include <confgen/tensor.h>

enum { CG_DTYPE_AUTO = -1 }; /* no request: the dtype of the device; of a cache: that of the run */

/** Parses "f32", "bf16", "f16", "fp8" (CG_F8_E4M3), "int8", "auto"; NULL is "auto". CG_ERR_USAGE.
 */
cg_status cg_kv_dtype_parse(const char *text, cg_dtype *ret_dtype, cg_error *err);

/** Parses "bf16", "f16", "int8" (CG_I8), "f32", "auto", of a run; NULL is "auto". CG_ERR_USAGE. */
cg_status cg_dtype_parse(const char *text, cg_dtype *ret_dtype, cg_error *err);

/** The word of --kv-dtype and --dtype for a type, e.g. "int8". Static storage. */
const char *cg_kv_dtype_name(cg_dtype dtype);

/** The type of the activations of a run of --dtype `dtype`: bf16 beside products of int8. */
cg_dtype cg_activation_dtype(cg_dtype dtype);

#endif
