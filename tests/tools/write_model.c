/* SPDX-License-Identifier: MIT */
/*
 * Writes a tiny model of random weights: config.json, generation_config.json, model.safetensors.
 *
 *   write_model DIR [CONTEXT [VOCAB]]
 *                                   for tests that start the program often: vocabulary of the model
 *                                   that comes with confgen, whose tokenizer DIR needs as well
 *   write_model DIR --oracle NAME   for tests/golden, which has the list of names
 *   write_model DIR --like NAME     the architecture and features of an oracle for programs: their
 *                                   vocabulary, heads of 64
 *
 * The bytes depend only on the arguments.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/architectures.h"
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
                .norm_eps = 1e-6,
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
                .norm_eps = 1e-6 },
    .weights = 0.4f,
    .biases = 0.5f,
    .norms = 0.5f,
};

/* The models of tests/golden; each has some features that no other one has. */
static void set_llama(cg_model_config *c)
{
    c->tie_embeddings = 1;
    c->rope.theta = 10000;
}

static void set_llama3(cg_model_config *c)
{
    c->head_dim = c->head_dim < 32 ? 32 : c->head_dim; /* not hidden / n_heads */
    c->rope = (cg_rope_config) { .kind = CG_ROPE_LLAMA3,
                                 .theta = 10000,
                                 .factor = 8,
                                 .low_freq_factor = 1,
                                 .high_freq_factor = 4,
                                 .original_max_positions = 64 };
}

static void set_llama_biases(cg_model_config *c)
{
    c->qkv_bias = c->o_bias = c->mlp_bias = 1;
    c->activation = CG_ACT_GELU_TANH;
    c->rope = (cg_rope_config) {
        .kind = CG_ROPE_YARN, .theta = 10000, .factor = 4, .original_max_positions = 128
    };
}

static void set_qwen2(cg_model_config *c)
{
    c->tie_embeddings = 1;
    c->qkv_bias = 1;
    c->rope.theta = 1000000;
}

static void set_qwen2_window(cg_model_config *c)
{
    set_qwen2(c);
    c->window = 24;
    c->layer_flags[1] = CG_LAYER_WINDOW;
}

static void set_qwen3(cg_model_config *c)
{
    c->head_dim = c->head_dim < 32 ? 32 : c->head_dim;
    c->qk_norm = 1;
    c->rope.theta = 1000000;
}

static void set_qwen3_window(cg_model_config *c)
{
    set_qwen3(c);
    c->qkv_bias = c->o_bias = 1;
    c->window = 24;
    c->layer_flags[0] = CG_LAYER_WINDOW;
}

static void set_mistral(cg_model_config *c)
{
    c->window = 40;
    c->layer_flags[0] = c->layer_flags[1] = CG_LAYER_WINDOW;
    c->rope = (cg_rope_config) { .kind = CG_ROPE_LINEAR, .theta = 10000, .factor = 2 };
}

static void set_smollm3(cg_model_config *c)
{
    c->tie_embeddings = 1;
    c->layer_flags[1] = CG_LAYER_NO_ROPE;
    c->rope.theta = 2000000;
}

static void set_gpt2(cg_model_config *c)
{
    c->tie_embeddings = 1;
    c->n_kv_heads = c->n_heads;
    c->qkv_bias = c->o_bias = c->mlp_bias = 1;
    c->norm = CG_NORM_LAYER;
    c->norm_eps = 1e-5;
    c->mlp = CG_MLP_PLAIN;
    c->activation = CG_ACT_GELU_TANH;
    c->learned_positions = 1;
    c->layer_flags[0] = c->layer_flags[1] = CG_LAYER_NO_ROPE;
}

static void set_gpt_neox(cg_model_config *c)
{
    c->n_kv_heads = c->n_heads;
    c->qkv_bias = c->o_bias = c->mlp_bias = 1;
    c->norm = CG_NORM_LAYER;
    c->norm_eps = 1e-5;
    c->mlp = CG_MLP_PLAIN;
    c->activation = CG_ACT_GELU;
    c->parallel_residual = 1;
    c->rotary_dim = c->head_dim / 4;
    c->rope.theta = 10000;
}

/* After one another, without biases of attention, all elements of a head rotated. */
static void set_gpt_neox_sequential(cg_model_config *c)
{
    set_gpt_neox(c);
    c->qkv_bias = c->o_bias = 0;
    c->activation = CG_ACT_RELU;
    c->parallel_residual = 0;
    c->rotary_dim = c->head_dim;
    c->tie_embeddings = 1;
}

static const struct {
    const char *name;
    int32_t arch;
    void (*set)(cg_model_config *);
} oracles[] = {
    { "llama", CG_ARCH_LLAMA, set_llama },
    { "llama3", CG_ARCH_LLAMA, set_llama3 },
    { "qwen2", CG_ARCH_QWEN2, set_qwen2 },
    { "qwen3", CG_ARCH_QWEN3, set_qwen3 },
    { "llama_biases", CG_ARCH_LLAMA, set_llama_biases },
    { "qwen2_window", CG_ARCH_QWEN2, set_qwen2_window },
    { "qwen3_window", CG_ARCH_QWEN3, set_qwen3_window },
    { "mistral", CG_ARCH_MISTRAL, set_mistral },
    { "smollm3", CG_ARCH_SMOLLM3, set_smollm3 },
    { "gpt2", CG_ARCH_GPT2, set_gpt2 },
    { "gpt_neox", CG_ARCH_GPT_NEOX, set_gpt_neox },
    { "gpt_neox_sequential", CG_ARCH_GPT_NEOX, set_gpt_neox_sequential },
};

/* For programs; flash attention on a GPU has heads of 64. */
static const struct shape like_shape = {
    .config = { .hidden = 128,
                .n_layers = 2,
                .n_heads = 2,
                .n_kv_heads = 1,
                .head_dim = 64,
                .intermediate = 64,
                .vocab = 2304,
                .max_positions = 2048,
                .norm_eps = 1e-6 },
    .weights = 0.08f,
    .biases = 0.1f,
};

/* Adds the features of an oracle to a shape. */
static struct shape shape_of_oracle(const char *name, const struct shape *base)
{
    struct shape shape = *base;

    for (size_t i = 0; i < sizeof oracles / sizeof *oracles; i++)
        if (!strcmp(name, oracles[i].name)) {
            shape.config.arch = oracles[i].arch;
            oracles[i].set(&shape.config);
            return shape;
        }
    die(name, "no such oracle");
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

static const char *truth(int32_t x)
{
    return x ? "true" : "false";
}

/* The settings of attention: heads, windows, rotation. */
static void write_attention(FILE *f, const cg_architecture *arch, const cg_model_config *c)
{
    static const char *const kinds[] = {
        [CG_ROPE_LLAMA3] = "llama3", [CG_ROPE_LINEAR] = "linear", [CG_ROPE_YARN] = "yarn"
    };
    const cg_rope_config *r = &c->rope;

    if (arch->has_kv_heads)
        fprintf(f, " \"num_key_value_heads\": %d, \"head_dim\": %d,\n", c->n_kv_heads, c->head_dim);
    if (arch->windows != CG_WINDOWS_NONE) {
        fprintf(f, " \"use_sliding_window\": %s, \"sliding_window\": ", truth(c->window));
        fprintf(f, c->window ? "%d,\n" : "null,\n", c->window);
    }
    if (arch->windows == CG_WINDOWS_FROM_LAYER)
        for (int32_t i = 0; i < c->n_layers; i++)
            fprintf(f, "%s\"%s_attention\"%s", i ? ", " : " \"layer_types\": [",
                    c->layer_flags[i] & CG_LAYER_WINDOW ? "sliding" : "full",
                    i + 1 == c->n_layers ? "],\n" : "");
    if (arch->no_rope_layers)
        for (int32_t i = 0; i < c->n_layers; i++)
            fprintf(f, "%s%d%s", i ? ", " : " \"no_rope_layers\": [",
                    !(c->layer_flags[i] & CG_LAYER_NO_ROPE), i + 1 == c->n_layers ? "],\n" : "");
    if (arch->rope.theta)
        fprintf(f, " \"%s\": %.1f,\n", arch->rope.theta, r->theta);
    if (arch->rope.share)
        fprintf(f, " \"%s\": %g,\n", arch->rope.share, (double)c->rotary_dim / c->head_dim);
    if (r->kind != CG_ROPE_DEFAULT)
        fprintf(f, " \"rope_scaling\": {\"rope_type\": \"%s\", \"factor\": %.1f", kinds[r->kind],
                r->factor);
    if (r->kind == CG_ROPE_LLAMA3)
        fprintf(f, ",\n  \"low_freq_factor\": %.1f, \"high_freq_factor\": %.1f", r->low_freq_factor,
                r->high_freq_factor);
    if (r->original_max_positions > 0)
        fprintf(f, ",\n  \"original_max_position_embeddings\": %.0f", r->original_max_positions);
    fprintf(f, r->kind != CG_ROPE_DEFAULT ? "},\n" : "");
}

static void write_config(FILE *f, const cg_model_config *c)
{
    static const char *const activations[] = { [CG_ACT_SILU] = "silu",
                                               [CG_ACT_GELU] = "gelu",
                                               [CG_ACT_GELU_TANH] = "gelu_new",
                                               [CG_ACT_RELU] = "relu" };
    const cg_architecture *arch = cg_architecture_of(c->arch);

    fprintf(f,
            "{\"architectures\": [\"%s\"], \"model_type\": \"%s\",\n"
            " \"%s\": %d, \"%s\": %d, \"%s\": %d, \"%s\": %d, \"%s\": %d, \"vocab_size\": %d,\n"
            " \"%s\": %g, \"%s\": \"%s\", \"tie_word_embeddings\": %s,\n",
            arch->name, arch->model_type, arch->hidden.name, c->hidden, arch->intermediate,
            c->intermediate, arch->n_layers.name, c->n_layers, arch->n_heads.name, c->n_heads,
            arch->max_positions.name, c->max_positions, c->vocab, arch->norm_eps, c->norm_eps,
            arch->activation, activations[c->activation], truth(c->tie_embeddings));
    if (arch->o_bias == CG_BIAS_BY_KEY)
        fprintf(f, " \"attention_bias\": %s,\n", truth(c->o_bias));
    if (arch->mlp_bias == CG_BIAS_BY_KEY)
        fprintf(f, " \"mlp_bias\": %s,\n", truth(c->mlp_bias));
    if (c->arch == CG_ARCH_GPT_NEOX)
        fprintf(f, " \"use_parallel_residual\": %s,\n", truth(c->parallel_residual));
    write_attention(f, arch, c);
    fprintf(f, " \"pad_token_id\": 0, \"eos_token_id\": 0}\n");
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
    int is_named = is_oracle || (argc == 4 && !strcmp(argv[2], "--like"));
    struct shape shape;
    cg_error err = CG_ERROR_INIT;
    cg_model model = { 0 };
    cg_tensor_spec *specs = NULL;
    size_t n = 0;
    FILE *f;

    if (!is_named && (argc < 2 || argc > 4))
        die("usage", "write_model DIR [CONTEXT [VOCAB] | --oracle NAME | --like NAME]");
    shape = is_oracle  ? shape_of_oracle(argv[3], &oracle_shape)
            : is_named ? shape_of_oracle(argv[3], &like_shape)
                       : program_shape;
    if (!is_named && argc > 2)
        shape.config.max_positions = atoi(argv[2]);
    if (!is_named && argc > 3)
        shape.config.vocab = atoi(argv[3]);
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
