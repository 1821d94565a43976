/* SPDX-License-Identifier: MIT */
#include "model/config_keys.h"

#include "base/error.h"

cg_status cg_config_unsupported(const cg_json *o, const char *key, const char *wanted,
                                cg_error *err)
{
    cg_json_fail_wanted(o, key, wanted, err);
    if (err)
        err->code = CG_ERR_UNSUPPORTED;
    return CG_ERR_UNSUPPORTED;
}

cg_status cg_config_i32(const cg_json *o, const char *key, int required, int64_t lo, int64_t hi,
                        int32_t *ret, cg_error *err)
{
    int64_t v = *ret;

    CG_TRY(cg_json_int(o, key, required, lo, hi, &v, err));
    *ret = (int32_t)v;
    return CG_OK;
}
