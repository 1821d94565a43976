/* SPDX-License-Identifier: MIT */
#include "model/kv_dtype.h"

#include <string.h>

#include "base/error.h"

static const struct {
    const char *word;
    cg_dtype dtype;
} kv_dtypes[] = { { "f32", CG_F32 },
                  { "bf16", CG_BF16 },
                  { "f16", CG_F16 },
                  { "fp8", CG_F8_E4M3 },
                  { "int8", CG_I8 } };
enum { N_KV_DTYPES = sizeof kv_dtypes / sizeof kv_dtypes[0] };

cg_status cg_kv_dtype_parse(const char *text, cg_dtype *ret_dtype, cg_error *err)
{
    if (!text || !strcmp(text, "auto")) {
        *ret_dtype = CG_DTYPE_AUTO;
        return CG_OK;
    }
    for (int i = 0; i < N_KV_DTYPES; i++)
        if (!strcmp(text, kv_dtypes[i].word)) {
            *ret_dtype = kv_dtypes[i].dtype;
            return CG_OK;
        }
    return cg_fail(err, CG_ERR_USAGE, "kv-dtype '%.200s': wanted auto, f32, bf16, f16, fp8 or int8",
                   text);
}

cg_status cg_dtype_parse(const char *text, cg_dtype *ret_dtype, cg_error *err)
{
    if (!text || !strcmp(text, "auto"))
        *ret_dtype = CG_DTYPE_AUTO;
    else if (!strcmp(text, "f32"))
        *ret_dtype = CG_F32;
    else if (!strcmp(text, "bf16"))
        *ret_dtype = CG_BF16;
    else if (!strcmp(text, "f16"))
        *ret_dtype = CG_F16;
    else if (!strcmp(text, "int8"))
        *ret_dtype = CG_I8;
    else
        return cg_fail(err, CG_ERR_USAGE, "dtype '%.200s': wanted auto, bf16, f16, int8 or f32",
                       text);
    return CG_OK;
}

const char *cg_kv_dtype_name(cg_dtype dtype)
{
    for (int i = 0; i < N_KV_DTYPES; i++)
        if (kv_dtypes[i].dtype == dtype)
            return kv_dtypes[i].word;
    return cg_dtype_name(dtype);
}

cg_dtype cg_activation_dtype(cg_dtype dtype)
{
    return dtype == CG_I8 ? CG_BF16 : dtype;
}
