/* SPDX-License-Identifier: MIT */
/*
 * Writes a tiny model of random weights for tests that start the program often:
 *
 *   write_model DIR [CONTEXT]     config.json, generation_config.json, model.safetensors in DIR
 *
 * The vocabulary is that of the model that comes with confgen; DIR needs its tokenizer beside.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/tensor_specs.h"

static const char config_text[] =
    "{\"architectures\": [\"%s\"], \"hidden_size\": %d, \"intermediate_size\": %d,\n"
    " \"num_hidden_layers\": %d, \"num_attention_heads\": %d, \"num_key_value_heads\": %d,\n"
    " \"head_dim\": %d, \"vocab_size\": %d, \"max_position_embeddings\": %d,\n"
    " \"rms_norm_eps\": 1e-06, \"rope_theta\": 10000.0, \"tie_word_embeddings\": true,\n"
    " \"eos_token_id\": 0}\n";

static void die(const char *what, const char *why)
{
    fprintf(stderr, "write_model: %s: %s\n", what, why);
    exit(2);
}

static FILE *create(const char *dir, const char *name)
{
    char path[4096];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    f = fopen(path, "wb");
    if (!f)
        die(path, "cannot be written");
    return f;
}

static void finish(FILE *f)
{
    if (fclose(f))
        die("output", "cannot be written");
}

/* Uniform in (-1, 1); the sequence is fixed. */
static float draw(void)
{
    static uint32_t state = 1;

    state = state * 1664525u + 1013904223u;
    return (float)(int32_t)(state & 0xffffff00u) * 0x1p-31f;
}

static void write_weights(FILE *f, const cg_tensor_spec *slots, size_t n)
{
    char *header = calloc(n + 1, 256);
    size_t len = 1, at = 0, padded;
    uint8_t prefix[8];

    if (!header)
        die("memory", "out of it");
    header[0] = '{';
    for (size_t i = 0; i < n; i++) {
        size_t bytes = (size_t)(slots[i].rows * slots[i].cols) * 2;
        char shape[48];

        snprintf(shape, sizeof shape, slots[i].n_dims == 1 ? "%.0lld%lld" : "%lld,%lld",
                 slots[i].n_dims == 1 ? 0LL : (long long)slots[i].rows, (long long)slots[i].cols);
        len += (size_t)sprintf(header + len,
                               "%s\"%s\":{\"dtype\":\"BF16\",\"shape\":[%s],"
                               "\"data_offsets\":[%zu,%zu]}",
                               i ? "," : "", slots[i].name, shape, at, at + bytes);
        at += bytes;
    }
    header[len++] = '}';
    padded = (len + 7) / 8 * 8;
    memset(header + len, ' ', padded - len);
    for (int i = 0; i < 8; i++)
        prefix[i] = (uint8_t)(padded >> (8 * i));
    fwrite(prefix, 1, sizeof prefix, f);
    fwrite(header, 1, padded, f);
    for (size_t i = 0; i < n; i++)
        for (int64_t k = 0; k < slots[i].rows * slots[i].cols; k++) {
            uint16_t w = cg_bf16_from_f32(slots[i].is_norm ? 1.0f : draw() * 0.08f);

            fwrite(&w, sizeof w, 1, f);
        }
    free(header);
}

int main(int argc, char **argv)
{
    cg_model_config config = { .arch = CG_ARCH_QWEN3,
                               .hidden = 32,
                               .n_layers = 2,
                               .n_heads = 2,
                               .n_kv_heads = 1,
                               .head_dim = 16,
                               .intermediate = 64,
                               .vocab = 2304,
                               .max_positions = 2048,
                               .tie_embeddings = 1,
                               .qk_norm = 1,
                               .rms_eps = 1e-6,
                               .rope = { .theta = 10000.0 } };
    cg_error err = CG_ERROR_INIT;
    cg_model names = { 0 };
    cg_tensor_spec *slots = NULL;
    size_t n = 0;
    FILE *f;

    if (argc < 2 || argc > 3)
        die("usage", "write_model DIR [CONTEXT]");
    if (argc == 3)
        config.max_positions = atoi(argv[2]);
    names.config = config;
    if (cg_tensor_specs_create(&names, &slots, &n, &err) != CG_OK)
        die("model", err.msg);
    f = create(argv[1], "config.json");
    fprintf(f, config_text, cg_arch_name(config.arch), config.hidden, config.intermediate,
            config.n_layers, config.n_heads, config.n_kv_heads, config.head_dim, config.vocab,
            config.max_positions);
    finish(f);
    f = create(argv[1], "generation_config.json");
    fputs("{\"do_sample\": true, \"temperature\": 1.0, \"eos_token_id\": 0}\n", f);
    finish(f);
    f = create(argv[1], "model.safetensors");
    write_weights(f, slots, n);
    finish(f);
    free(slots);
    free(names.layers);
    return 0;
}
