/* SPDX-License-Identifier: MIT */
#include "model/unsupported_files.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"

enum { MAX_CONFIG_BYTES = 1 << 20 };

/* 1 if dir/name exists, 0 if not, -1 if out of memory. */
static int exists(const char *dir, const char *name)
{
    char *path = cg_path_join(dir, name);
    int found = path ? cg_file_exists(path) : -1;

    free(path);
    return found;
}

cg_status cg_check_no_quantised_files(const char *dir, cg_error *err)
{
    static const char *const names[] = {
        "quantize_config.json",  /* GPTQ */
        "quant_config.json",     /* AWQ */
        "hf_quant_config.json",  /* ModelOpt */
        "quanto_qmap.json",      /* quanto */
        "quantization_map.json", /* quanto */
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int found = exists(dir, names[i]);

        if (found < 0)
            return cg_fail_nomem(err, dir);
        if (found)
            return cg_fail(err, CG_ERR_UNSUPPORTED,
                           "%s/%s: the checkpoint is quantised, wanted plain bf16, f16 or f32 "
                           "weights",
                           dir, names[i]);
    }
    return CG_OK;
}

int cg_is_quantised_name(const char *name)
{
    static const char *const ends[] = {
        /* GPTQ, AWQ, MLX; bitsandbytes; compressed-tensors, ModelOpt, FP8; torchao, quanto; HQQ,
         * AQLM */
        ".qweight",
        ".qzeros",
        ".scales",
        ".g_idx",
        ".absmax",
        ".quant_map",
        ".nested_absmax",
        ".nested_quant_map",
        ".SCB",
        "weight_scale",
        "weight_scales",
        "weight_scale_inv",
        "weight_scale_2",
        "weight_global_scale",
        "weight_zero_point",
        "weight_packed",
        "input_scale",
        "input_global_scale",
        "activation_scale",
        "weight_qdata",
        "._data",
        "._scale",
        ".W_q",
        ".codebooks",
        ".codes",
    };

    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (cg_text_ends_with(name, ends[i]))
            return 1;
    return strstr(name, ".quant_state.") != NULL;
}

int cg_is_quantised_tensor(const cg_st_tensor *t)
{
    return cg_is_quantised_name(t->name) ||
           (cg_text_ends_with(t->name, ".weight") && t->dtype == CG_ST_OTHER &&
            strcmp(t->dtype_name, "F64") != 0);
}

/* The base that adapter_config.json names, in *ret, free(); NULL without one. */
static cg_status read_base(const char *dir, char **ret, cg_error *err)
{
    char *path = cg_path_join(dir, "adapter_config.json");
    cg_bytes text = { 0 };
    json_t *root = NULL;
    const char *base;
    cg_status st = CG_OK;

    *ret = NULL;
    if (!path)
        return cg_fail_nomem(err, dir);
    if (!cg_file_exists(path))
        goto out;
    CG_TRY_GOTO(st, cg_file_read(path, MAX_CONFIG_BYTES, &text, err), out);
    CG_TRY_GOTO(st, cg_json_parse(path, text.data, text.len, &root, err), out);
    base = json_string_value(json_object_get(root, "base_model_name_or_path"));
    *ret = strdup(base ? base : "its base model");
    if (!*ret)
        st = cg_fail_nomem(err, dir);
out:
    json_decref(root);
    cg_bytes_release(&text);
    free(path);
    return st;
}

static cg_status fail_adapter_only(const char *dir, const char *base, cg_error *err)
{
    return cg_fail(err, CG_ERR_IO,
                   "%s: found only an adapter of %.200s: put its files beside config.json, weights "
                   "and tokenizer of that model, or save the merged model",
                   dir, base);
}

/* Files of a trainer's state, and of adapters. */
static int is_other_state(const char *name)
{
    static const char *const starts[] = { "training_args", "optimizer", "scheduler",
                                          "scaler",        "rng_state", "adapter_" };

    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (!strncmp(name, starts[i], strlen(starts[i])))
            return 1;
    return 0;
}

/* Copies the name of the first file in alphabetical order that ends in `suffix`; "" for none. */
static void find_suffix(const char *dir, const char *suffix, char *ret, size_t cap)
{
    DIR *d = opendir(dir);
    const struct dirent *entry;

    ret[0] = '\0';
    while (d && (entry = readdir(d)))
        if (cg_text_ends_with(entry->d_name, suffix) && !is_other_state(entry->d_name) &&
            strlen(entry->d_name) < cap && (!ret[0] || strcmp(entry->d_name, ret) < 0))
            strcpy(ret, entry->d_name);
    if (d)
        closedir(d);
}

cg_status cg_check_config_exists(const char *dir, cg_error *err)
{
    int found = exists(dir, "config.json");
    char name[256], *base = NULL;
    cg_status st = CG_OK;

    if (found < 0)
        return cg_fail_nomem(err, dir);
    if (found)
        return CG_OK;
    find_suffix(dir, ".gguf", name, sizeof name);
    if (name[0])
        return cg_fail(err, CG_ERR_IO,
                       "%s: no config.json; %s holds weights in GGUF: wanted config.json and "
                       "safetensors of Hugging Face",
                       dir, name);
    CG_TRY(read_base(dir, &base, err));
    if (base)
        st = fail_adapter_only(dir, base, err);
    free(base);
    return st;
}

cg_status cg_fail_no_weights(const char *dir, cg_error *err)
{
    static const struct {
        const char *suffix, *what;
    } kinds[] = {
        { ".safetensors", "is no name that transformers reads: rename a single file to "
                          "model.safetensors, give shards their index" },
        { ".bin", "holds pickled weights: load and save the model with transformers to convert "
                  "them to safetensors" },
        { ".pt", "holds pickled weights: convert them to safetensors" },
        { ".pth", "holds pickled weights: convert them to safetensors" },
        { ".gguf", "holds weights in GGUF: wanted safetensors" },
        { ".h5", "holds weights of TensorFlow: wanted safetensors" },
        { ".msgpack", "holds weights of Flax: wanted safetensors" },
        { ".onnx", "holds weights in ONNX: wanted safetensors" },
    };
    char name[256], *base = NULL;
    cg_status st;

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        find_suffix(dir, kinds[i].suffix, name, sizeof name);
        if (name[0])
            return cg_fail(err, CG_ERR_IO,
                           "%s: no weights: neither model.safetensors[.zst] nor "
                           "model.safetensors.index.json; %s %s",
                           dir, name, kinds[i].what);
    }
    CG_TRY(read_base(dir, &base, err));
    st = base ? fail_adapter_only(dir, base, err)
              : cg_fail(err, CG_ERR_IO,
                        "%s: no weights: neither model.safetensors[.zst] nor "
                        "model.safetensors.index.json",
                        dir);
    free(base);
    return st;
}
