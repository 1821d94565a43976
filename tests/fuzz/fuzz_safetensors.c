/* SPDX-License-Identifier: MIT */
/* A safetensors file. An accepted table must be consistent with the size of the file. */
#include <stdlib.h>

#include "model/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cg_st_table t = { 0 };
    cg_error err = CG_ERROR_INIT;
    size_t pos = 0;

    if (cg_st_table_parse("fuzz", data, size, size, &t, &err) != CG_OK) {
        if (err.code == CG_OK || !err.msg[0])
            abort();
        return 0;
    }
    if (t.data_start > size)
        abort();
    for (size_t i = 0; i < t.n; i++) {
        const cg_st_tensor *x = &t.tensors[i];

        if (!x->name || x->begin != pos || x->end < pos || x->end > size - t.data_start ||
            x->n_dims < 0 || x->n_dims > CG_ST_MAX_DIMS)
            abort();
        pos = x->end;
    }
    if (pos != size - t.data_start)
        abort();
    cg_st_table_finish(&t);
    return 0;
}
