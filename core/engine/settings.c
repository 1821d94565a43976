/* SPDX-License-Identifier: MIT */
#include "engine/settings.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/file.h"
#include "model/attention_problem.h"

enum { MAX_SETTINGS_BYTES = 1 << 20 };

/* dir/name; a file that is absent and need not be there gives no bytes. */
static cg_status read_file(const char *dir, const char *name, int needed, char **ret_path,
                           cg_bytes *ret_bytes, cg_error *err)
{
    char *path = cg_path_join(dir, name);
    cg_status status = CG_OK;

    if (!path)
        return cg_fail(err, CG_ERR_NOMEM, "'%s': out of memory", name);
    if (needed || cg_file_exists(path))
        status = cg_file_read(path, MAX_SETTINGS_BYTES, ret_bytes, err);
    if (status != CG_OK) {
        free(path);
        return status;
    }
    *ret_path = path;
    return CG_OK;
}

cg_status cg_read_model_config(const char *dir, cg_model_config *ret, cg_error *err)
{
    cg_bytes bytes = { 0 };
    char *path = NULL;
    cg_status status = read_file(dir, "config.json", 1, &path, &bytes, err);

    if (status == CG_OK)
        status = cg_model_config_parse(path, bytes.data, bytes.len, ret, err);
    cg_bytes_release(&bytes);
    free(path);
    return status;
}

cg_status cg_read_format_config(const char *dir, cg_format_config *ret, cg_error *err)
{
    cg_bytes bytes = { 0 };
    char *path = NULL;
    cg_status status = read_file(dir, "confgen.json", 0, &path, &bytes, err);

    if (status == CG_OK)
        status = cg_format_config_parse(path, bytes.data, bytes.len, ret, err);
    cg_bytes_release(&bytes);
    free(path);
    return status;
}

int32_t cg_context_length(const cg_model_config *config)
{
    return config->max_positions < CG_MAX_CONTEXT ? config->max_positions : CG_MAX_CONTEXT;
}

int32_t cg_prompt_slots_for(int32_t batch_size)
{
    return batch_size < CG_PROMPT_SLOTS ? batch_size : CG_PROMPT_SLOTS;
}

void cg_model_needs(const cg_model_config *c, cg_device device, int32_t compute_capability,
                    uint32_t flags, int32_t batch_size, cg_attention_problem *ret_problem,
                    cg_cache_config *ret_cache)
{
    int32_t slots = batch_size + cg_prompt_slots_for(batch_size);
    cg_dtype dtype = device == CG_DEVICE_CPU ? CG_F32 : CG_BF16;

    cg_attention_shape shape = {
        .device = device,
        .compute_capability = compute_capability,
        .dtype = dtype,
        .kv_dtype = dtype,
        .max_tokens = cg_context_length(c),
        .max_seqs = slots,
        .max_kv_len = cg_context_length(c),
        .flags = flags,
    };

    *ret_problem = cg_attention_problem_of_model(c, &shape);
    *ret_cache = (cg_cache_config) {
        CG_SIZED(cg_cache_config),
        .device = device,
        .dtype = dtype,
        .n_layers = c->n_layers,
        .n_slots = slots,
        .n_kv_heads = c->n_kv_heads,
        .head_dim = c->head_dim,
        .max_len = cg_context_length(c),
    };
}
