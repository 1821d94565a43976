/* SPDX-License-Identifier: MIT */
/* A safetensors file. An accepted table must be consistent with the size of the file. */

#include "model/safetensors.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cg_st_table t = { 0 };
    cg_error err = CG_ERROR_INIT;
    size_t pos = 0;

    if (cg_st_table_parse("fuzz", data, size, size, &t, &err) != CG_OK) {
        require_refusal(err.code, &err);
        return 0;
    }
    require(t.data_start <= size);
    for (size_t i = 0; i < t.n; i++) {
        const cg_st_tensor *x = &t.tensors[i];

        require(x->name && x->begin == pos && x->end >= pos && x->end <= size - t.data_start);
        require(x->n_dims >= 0 && x->n_dims <= CG_ST_MAX_DIMS);
        pos = x->end;
    }
    require(pos == size - t.data_start);
    cg_st_table_finish(&t);
    return 0;
}
