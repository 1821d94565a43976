/* SPDX-License-Identifier: MIT */
/*
 * Writes a tiny model of random weights: config.json, generation_config.json, model.safetensors.
 *
 *   write_model DIR [CONTEXT]       for tests that start the program often: vocabulary of the model
 *                                   that comes with confgen, whose tokenizer DIR needs as well
 *   write_model DIR --oracle NAME   for tests/golden: llama, llama3 (rope scaling), qwen2, qwen3
 *
 * The bytes depend only on the arguments.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/tensor_specs.h"

static void die(const char *where, const char *reason)
{
    fprintf(stderr, "write_model: %s: %s\n", where, reason);
    exit(2);
}

struct shape {
    cg_model_config config;
    /* ranges of uniform numbers: weights and biases around 0, norm weights around 1 */
    float weights, biases, norms;
};

/* For programs. */
static const struct shape program_shape = {
    .config = { .arch = CG_ARCH_QWEN3,
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
                .rope = { .theta = 10000.0 } },
    .weights = 0.08f,
};

/* Of each architecture; the weights are large enough that attention is far from uniform. */
static const struct shape oracle_shape = {
    .config = { .hidden = 64,
                .n_layers = 2,
                .n_heads = 4,
                .n_kv_heads = 2,
                .head_dim = 16,
                .intermediate = 96,
                .vocab = 160,
                .max_positions = 512,
                .rms_eps = 1e-6 },
    .weights = 0.4f,
    .biases = 0.5f,
    .norms = 0.5f,
};

static struct shape shape_of_oracle(const char *name)
{
    struct shape shape = oracle_shape;
    cg_model_config *c = &shape.config;

    if (!strcmp(name, "llama")) {
        c->arch = CG_ARCH_LLAMA;
        c->tie_embeddings = 1;
        c->rope.theta = 10000;
    } else if (!strcmp(name, "llama3")) {
        c->arch = CG_ARCH_LLAMA;
        c->head_dim = 32; /* not hidden / n_heads */
        c->rope = (cg_rope_config) { .kind = CG_ROPE_LLAMA3,
                                     .theta = 10000,
                                     .factor = 8,
                                     .low_freq_factor = 1,
                                     .high_freq_factor = 4,
                                     .original_max_positions = 64 };
    } else if (!strcmp(name, "qwen2")) {
        c->arch = CG_ARCH_QWEN2;
        c->tie_embeddings = 1;
        c->qkv_bias = 1;
        c->rope.theta = 1000000;
    } else if (!strcmp(name, "qwen3")) {
        c->arch = CG_ARCH_QWEN3;
        c->head_dim = 32;
        c->qk_norm = 1;
        c->rope.theta = 1000000;
    } else {
        die(name, "no such oracle, wanted llama, llama3, qwen2 or qwen3");
    }
    return shape;
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
static float random_uniform(void)
{
    static uint32_t state = 1;

    state = state * 1664525u + 1013904223u;
    return (float)(int32_t)(state & 0xffffff00u) * 0x1p-31f;
}

static float random_weight(const struct shape *shape, const cg_tensor_spec *spec)
{
    if (!spec->is_norm)
        return random_uniform() * (spec->n_dims == 1 ? shape->biases : shape->weights);
    return shape->norms > 0 ? 1.0f + random_uniform() * shape->norms : 1.0f;
}

static void write_config(FILE *f, const cg_model_config *c)
{
    static const char *const model_types[] = {
        [CG_ARCH_LLAMA] = "llama", [CG_ARCH_QWEN2] = "qwen2", [CG_ARCH_QWEN3] = "qwen3"
    };

    fprintf(
        f,
        "{\"architectures\": [\"%s\"], \"model_type\": \"%s\",\n"
        " \"hidden_size\": %d, \"intermediate_size\": %d,\n"
        " \"num_hidden_layers\": %d, \"num_attention_heads\": %d, \"num_key_value_heads\": %d,\n"
        " \"head_dim\": %d, \"vocab_size\": %d, \"max_position_embeddings\": %d,\n"
        " \"rms_norm_eps\": 1e-06, \"rope_theta\": %.1f, \"tie_word_embeddings\": %s,\n",
        cg_arch_name(c->arch), model_types[c->arch], c->hidden, c->intermediate, c->n_layers,
        c->n_heads, c->n_kv_heads, c->head_dim, c->vocab, c->max_positions, c->rope.theta,
        c->tie_embeddings ? "true" : "false");
    if (c->rope.kind == CG_ROPE_LLAMA3)
        fprintf(f,
                " \"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": %.1f,\n"
                "  \"low_freq_factor\": %.1f, \"high_freq_factor\": %.1f,\n"
                "  \"original_max_position_embeddings\": %.0f},\n",
                c->rope.factor, c->rope.low_freq_factor, c->rope.high_freq_factor,
                c->rope.original_max_positions);
    fprintf(f, " \"eos_token_id\": 0}\n");
}

static void write_weights(FILE *f, const struct shape *shape, const cg_tensor_spec *specs, size_t n)
{
    char *header = calloc(n + 1, 256);
    size_t len = 1, offset = 0, padded;
    uint8_t prefix[8];

    if (!header)
        die("header", "out of memory");
    header[0] = '{';
    for (size_t i = 0; i < n; i++) {
        size_t bytes = (size_t)(specs[i].rows * specs[i].cols) * 2;
        char dims[48];

        snprintf(dims, sizeof dims, specs[i].n_dims == 1 ? "%.0lld%lld" : "%lld,%lld",
                 specs[i].n_dims == 1 ? 0LL : (long long)specs[i].rows, (long long)specs[i].cols);
        len += (size_t)sprintf(header + len,
                               "%s\"%s\":{\"dtype\":\"BF16\",\"shape\":[%s],"
                               "\"data_offsets\":[%zu,%zu]}",
                               i ? "," : "", specs[i].name, dims, offset, offset + bytes);
        offset += bytes;
    }
    header[len++] = '}';
    padded = (len + 7) / 8 * 8;
    memset(header + len, ' ', padded - len);
    for (int i = 0; i < 8; i++)
        prefix[i] = (uint8_t)(padded >> (8 * i));
    fwrite(prefix, 1, sizeof prefix, f);
    fwrite(header, 1, padded, f);
    for (size_t i = 0; i < n; i++)
        for (int64_t k = 0; k < specs[i].rows * specs[i].cols; k++) {
            uint16_t w = cg_bf16_from_f32(random_weight(shape, &specs[i]));

            fwrite(&w, sizeof w, 1, f);
        }
    free(header);
}

int main(int argc, char **argv)
{
    int is_oracle = argc == 4 && !strcmp(argv[2], "--oracle");
    struct shape shape;
    cg_error err = CG_ERROR_INIT;
    cg_model model = { 0 };
    cg_tensor_spec *specs = NULL;
    size_t n = 0;
    FILE *f;

    if (!is_oracle && (argc < 2 || argc > 3))
        die("usage", "write_model DIR [CONTEXT | --oracle NAME]");
    shape = is_oracle ? shape_of_oracle(argv[3]) : program_shape;
    if (argc == 3)
        shape.config.max_positions = atoi(argv[2]);
    model.config = shape.config;
    if (cg_tensor_specs_create(&model, &specs, &n, &err) != CG_OK)
        die("model", err.msg);
    f = create(argv[1], "config.json");
    write_config(f, &shape.config);
    finish(f);
    f = create(argv[1], "generation_config.json");
    fputs("{\"do_sample\": true, \"temperature\": 1.0, \"top_k\": 0, \"eos_token_id\": 0}\n", f);
    finish(f);
    f = create(argv[1], "model.safetensors");
    write_weights(f, &shape, specs, n);
    finish(f);
    free(specs);
    free(model.layers);
    return 0;
}
