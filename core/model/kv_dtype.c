/* SPDX-License-Identifier: MIT */
#include "model/kv_dtype.h"

#include <string.h>

#include "base/error.h"

static const struct {
    const char *word;
    cg_dtype dtype;
    int is_of_run; /* --dtype knows it, --kv-dtype knows all */
} dtypes[] = { { "f32", CG_F32, 1 },
               { "bf16", CG_BF16, 1 },
               { "f16", CG_F16, 1 },
               { "fp8", CG_F8_E4M3, 0 },
               { "int8", CG_I8, 1 } };
enum { N_DTYPES = sizeof dtypes / sizeof dtypes[0] };

/* Whether the text is "auto", NULL or the word of a type. */
static int parse(const char *text, int of_run, cg_dtype *ret_dtype)
{
    if (!text || !strcmp(text, "auto")) {
        *ret_dtype = CG_DTYPE_AUTO;
        return 1;
    }
    for (int i = 0; i < N_DTYPES; i++)
        if (!strcmp(text, dtypes[i].word) && (dtypes[i].is_of_run || !of_run)) {
            *ret_dtype = dtypes[i].dtype;
            return 1;
        }
    return 0;
}

cg_status cg_kv_dtype_parse(const char *text, cg_dtype *ret_dtype, cg_error *err)
{
    if (parse(text, 0, ret_dtype))
        return CG_OK;
    return cg_fail(err, CG_ERR_USAGE, "kv-dtype '%.200s': wanted auto, f32, bf16, f16, fp8 or int8",
                   text);
}

cg_status cg_dtype_parse(const char *text, cg_dtype *ret_dtype, cg_error *err)
{
    if (parse(text, 1, ret_dtype))
        return CG_OK;
    return cg_fail(err, CG_ERR_USAGE, "dtype '%.200s': wanted auto, bf16, f16, int8 or f32", text);
}

const char *cg_kv_dtype_name(cg_dtype dtype)
{
    for (int i = 0; i < N_DTYPES; i++)
        if (dtypes[i].dtype == dtype)
            return dtypes[i].word;
    return cg_dtype_name(dtype);
}

cg_dtype cg_activation_dtype(cg_dtype dtype)
{
    return dtype == CG_I8 ? CG_BF16 : dtype;
}
