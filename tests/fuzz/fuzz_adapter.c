/* SPDX-License-Identifier: MIT */
/*
 * An adapter beside the weights of a model: adapter_config.json, a zero byte and
 * adapter_model.safetensors. The model opens with finite weights, or is refused.
 */
#include <math.h>
#include <string.h>

#include "tiny_weights.h"

static void require_finite(const cg_tensor_ref *r, int64_t rows, int64_t cols)
{
    require(r->data && r->rows == rows && r->cols == cols && r->dtype == CG_BF16);
    require(cg_weight_find_nonfinite(r) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint64_t base;
    const uint8_t *zero = memchr(data, 0, size);
    size_t n_config = zero ? (size_t)(zero - data) : size;
    cg_error err = CG_ERROR_INIT;
    cg_model *model = NULL;
    cg_status st;

    if (!base) {
        fuzz_write("config.json", config, sizeof config - 1);
        write_shard(-1, "model.safetensors");
        require_ok(cg_model_open(fuzz_dir(), &model, &err), &err);
        base = cg_model_fingerprint(model);
        cg_model_close(model);
        model = NULL;
    }
    fuzz_write("adapter_config.json", data, n_config);
    fuzz_write("adapter_model.safetensors", zero ? zero + 1 : data, zero ? size - n_config - 1 : 0);
    st = cg_model_open(fuzz_dir(), &model, &err);
    if (st != CG_OK) {
        require_refusal(st, &err);
        require(!model);
        return 0;
    }
    require_finite(&model->embed, 8, 4);
    require_finite(&model->head, 8, 4);
    require_finite(&model->final_norm, 1, 4);
    require_finite(&model->layers[0].q, 4, 4);
    require_finite(&model->layers[0].k, 2, 4);
    require_finite(&model->layers[0].down, 4, 4);
    require(model->n_adapted >= 0 && model->n_adapted <= N_TENSORS + 1);
    require(model->n_adapted || cg_model_fingerprint(model) == base);
    cg_model_close(model);
    return 0;
}
