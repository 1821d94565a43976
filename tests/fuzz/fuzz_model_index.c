/* SPDX-License-Identifier: MIT */
/*
 * model.safetensors.index.json in the folder of a model with two shards. The model opens with
 * exactly the weights of the shards, or is refused.
 */
#include "tiny_weights.h"

/* The fingerprint of the model with a right index. */
static uint64_t prepare(void)
{
    cg_buf index = { 0 };
    cg_error err = CG_ERROR_INIT;
    cg_model *model = NULL;
    uint64_t fingerprint;

    fuzz_write("config.json", config, sizeof config - 1);
    write_shard(0, "a.safetensors");
    write_shard(1, "b.safetensors");
    cg_buf_puts(&index, "{\"weight_map\":{");
    for (size_t i = 0; i < N_TENSORS; i++)
        cg_buf_printf(&index, "%s\"%s\":\"%c.safetensors\"", i ? "," : "", tensors[i].name,
                      "ab"[tensors[i].shard]);
    cg_buf_puts(&index, "}}");
    fuzz_write("model.safetensors.index.json", index.data, index.len);
    cg_buf_finish(&index);
    require_ok(cg_model_open(fuzz_dir(), &model, &err), &err);
    fingerprint = cg_model_fingerprint(model);
    cg_model_close(model);
    return fingerprint;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint64_t fingerprint;
    static int prepared;
    cg_error err = CG_ERROR_INIT;
    cg_model *model = NULL;
    cg_status st;

    if (!prepared) {
        fingerprint = prepare();
        prepared = 1;
    }
    fuzz_write("model.safetensors.index.json", data, size);
    st = cg_model_open(fuzz_dir(), &model, &err);
    if (st != CG_OK) {
        require_refusal(st, &err);
        require(!model);
        return 0;
    }
    require(cg_model_fingerprint(model) == fingerprint);
    cg_model_close(model);
    return 0;
}
