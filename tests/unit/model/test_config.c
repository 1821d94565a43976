/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "base/file.h"
#include "model/i8_products.h"
#include "model/rope.h"
#include "scratch.h"

/* A valid file with the additional members `more`. */
#define BASE(arch, more)                                                                           \
    "{\"architectures\": [\"" arch "\"], \"hidden_size\": 64, \"intermediate_size\": 96, "         \
    "\"num_hidden_layers\": 2, \"num_attention_heads\": 4, \"num_key_value_heads\": 2, "           \
    "\"vocab_size\": 100, \"max_position_embeddings\": 128" more "}"

static cg_status parse(const char *text, cg_model_config *c, cg_error *err)
{
    return cg_model_config_parse("config.json", text, strlen(text), c, err);
}

static cg_model_config must_parse(const char *text)
{
    cg_model_config c;
    cg_error err = CG_ERROR_INIT;

    ck_assert_msg(parse(text, &c, &err) == CG_OK, "%s: %s", text, err.msg);
    return c;
}

START_TEST(defaults_by_architecture)
{
    cg_model_config c = must_parse(BASE("LlamaForCausalLM", ""));

    ck_assert_int_eq(c.arch, CG_ARCH_LLAMA);
    ck_assert_int_eq(c.hidden, 64);
    ck_assert_int_eq(c.intermediate, 96);
    ck_assert_int_eq(c.n_layers, 2);
    ck_assert_int_eq(c.n_heads, 4);
    ck_assert_int_eq(c.n_kv_heads, 2);
    ck_assert_int_eq(c.head_dim, 16);
    ck_assert_int_eq(c.vocab, 100);
    ck_assert_int_eq(c.max_positions, 128);
    ck_assert_int_eq(c.tie_embeddings, 0);
    ck_assert_int_eq(c.qkv_bias, 0);
    ck_assert_int_eq(c.qk_norm, 0);
    ck_assert_double_eq(c.norm_eps, 1e-6);
    ck_assert_int_eq(c.rope.kind, CG_ROPE_DEFAULT);
    ck_assert_double_eq(c.rope.theta, 10000.0);

    c = must_parse(BASE("Qwen2ForCausalLM", ", \"tie_word_embeddings\": true"));
    ck_assert_int_eq(c.arch, CG_ARCH_QWEN2);
    ck_assert_int_eq(c.qkv_bias, 1);
    ck_assert_int_eq(c.qk_norm, 0);
    ck_assert_int_eq(c.tie_embeddings, 1);

    c = must_parse(BASE("Qwen3ForCausalLM", ", \"head_dim\": 32, \"rope_theta\": 1000000"));
    ck_assert_int_eq(c.arch, CG_ARCH_QWEN3);
    ck_assert_int_eq(c.qk_norm, 1);
    ck_assert_int_eq(c.qkv_bias, 0);
    ck_assert_int_eq(c.head_dim, 32);
    ck_assert_double_eq(c.rope.theta, 1e6);
    ck_assert_str_eq(cg_arch_name(c.arch), "Qwen3ForCausalLM");
    ck_assert_str_eq(cg_arch_name(99), "unknown architecture");
}
END_TEST

START_TEST(features_by_architecture)
{
    cg_model_config c = must_parse(BASE("MistralForCausalLM", ", \"sliding_window\": 16"));

    ck_assert_int_eq(c.window, 16);
    ck_assert(c.layer_flags[0] == CG_LAYER_WINDOW && c.layer_flags[1] == CG_LAYER_WINDOW);
    c = must_parse(BASE("MistralForCausalLM", ""));
    ck_assert_int_eq(c.window, 4096);
    c = must_parse(BASE("MistralForCausalLM", ", \"sliding_window\": null"));
    ck_assert(c.window == 0 && c.layer_flags[0] == 0);
    c = must_parse(BASE("LlamaForCausalLM", ", \"attention_bias\": true, \"mlp_bias\": true, "
                                            "\"hidden_act\": \"swish\""));
    ck_assert(c.qkv_bias && c.o_bias && c.mlp_bias);
    ck_assert_int_eq(c.activation, CG_ACT_SILU);
    c = must_parse(BASE("Qwen2ForCausalLM", ", \"attention_bias\": true, \"mlp_bias\": true"));
    ck_assert(c.qkv_bias && !c.o_bias && !c.mlp_bias);
    c = must_parse(BASE("Qwen3ForCausalLM", ", \"attention_bias\": true"));
    ck_assert(c.qkv_bias && c.o_bias && !c.mlp_bias);
    ck_assert_int_eq(c.head_dim, 128);
    c = must_parse(BASE("SmolLM3ForCausalLM", ", \"no_rope_layers\": [1, 0], "
                                              "\"use_sliding_window\": true, "
                                              "\"sliding_window\": 16"));
    ck_assert_int_eq(c.tie_embeddings, 1);
    ck_assert_double_eq(c.rope.theta, 2e6);
    ck_assert_int_eq(c.layer_flags[0], 0);
    ck_assert_int_eq(c.layer_flags[1], CG_LAYER_NO_ROPE | CG_LAYER_WINDOW);
    c = must_parse(BASE("GPT2LMHeadModel", ""));
    ck_assert(c.learned_positions && c.tie_embeddings && c.qkv_bias && c.o_bias && c.mlp_bias);
    ck_assert(c.norm == CG_NORM_LAYER && c.mlp == CG_MLP_PLAIN);
    ck_assert_int_eq(c.activation, CG_ACT_GELU_TANH);
    ck_assert_int_eq(c.intermediate, 256); /* intermediate_size is no key of GPT-2 */
    ck_assert_int_eq(c.layer_flags[1], CG_LAYER_NO_ROPE);
    ck_assert_double_eq(c.norm_eps, 1e-5);
    c = must_parse(BASE("GPTNeoXForCausalLM", ""));
    ck_assert(c.parallel_residual && !c.tie_embeddings && c.qkv_bias && c.o_bias && c.mlp_bias);
    ck_assert_int_eq(c.activation, CG_ACT_GELU);
    ck_assert_int_eq(c.n_kv_heads, 4);
    ck_assert_int_eq(c.rotary_dim, 4);
    c = must_parse(BASE("GPTNeoXForCausalLM",
                        ", \"use_parallel_residual\": false, \"attention_bias\": false, "
                        "\"rope_parameters\": {\"partial_rotary_factor\": 0.5, "
                        "\"rope_theta\": 20000}"));
    ck_assert(!c.parallel_residual && !c.qkv_bias && !c.o_bias && c.mlp_bias);
    ck_assert_int_eq(c.rotary_dim, 8);
    ck_assert_double_eq(c.rope.theta, 2e4);
}
END_TEST

START_TEST(windows_of_qwen)
{
    static const struct {
        const char *text;
        uint8_t flags[2];
    } cases[] = {
        { BASE("Qwen2ForCausalLM", ", \"use_sliding_window\": true, \"sliding_window\": 16, "
                                   "\"max_window_layers\": 1"),
          { 0, CG_LAYER_WINDOW } },
        /* layers from 28 on by default */
        { BASE("Qwen2ForCausalLM", ", \"use_sliding_window\": true, \"sliding_window\": 16"),
          { 0, 0 } },
        { BASE("Qwen3ForCausalLM", ", \"use_sliding_window\": true, \"sliding_window\": 16, "
                                   "\"layer_types\": [\"sliding_attention\", \"full_attention\"]"),
          { CG_LAYER_WINDOW, 0 } },
        { BASE("Qwen2ForCausalLM", ", \"use_sliding_window\": false, \"sliding_window\": 16, "
                                   "\"max_window_layers\": 0"),
          { 0, 0 } },
    };
    cg_model_config c = must_parse(cases[_i].text);

    ck_assert_mem_eq(c.layer_flags, cases[_i].flags, 2);
    ck_assert_int_eq(c.window, cases[_i].flags[0] || cases[_i].flags[1] ? 16 : 0);
}
END_TEST

#define LLAMA3                                                                                     \
    "\"factor\": 32.0, \"high_freq_factor\": 4.0, \"low_freq_factor\": 1.0, "                      \
    "\"original_max_position_embeddings\": 8192"

START_TEST(rope_settings_of_all_versions)
{
    static const char *const texts[] = {
        BASE("LlamaForCausalLM",
             ", \"rope_theta\": 500000.0, \"rope_scaling\": {\"rope_type\": \"llama3\", " LLAMA3
             "}"),
        BASE("LlamaForCausalLM",
             ", \"rope_theta\": 500000.0, \"rope_scaling\": {\"type\": \"llama3\", " LLAMA3 "}"),
        BASE("LlamaForCausalLM", ", \"rope_parameters\": {\"rope_type\": \"llama3\", "
                                 "\"rope_theta\": 500000.0, " LLAMA3 "}"),
        BASE("LlamaForCausalLM",
             ", \"rope_theta\": 500000, \"rope_scaling\": {\"type\": \"llama3\", " LLAMA3
             "}, \"rope_parameters\": {\"rope_type\": \"llama3\", \"rope_theta\": 5e5, " LLAMA3
             "}"),
        BASE("LlamaForCausalLM", ", \"rope_theta\": 500000, \"rope_scaling\": {}, "
                                 "\"rope_parameters\": {\"rope_type\": \"llama3\", "
                                 "\"rope_theta\": 500000.0, " LLAMA3 "}"),
    };
    cg_model_config c = must_parse(texts[_i]);

    ck_assert_int_eq(c.rope.kind, CG_ROPE_LLAMA3);
    ck_assert_double_eq(c.rope.theta, 5e5);
    ck_assert_double_eq(c.rope.factor, 32);
    ck_assert_double_eq(c.rope.low_freq_factor, 1);
    ck_assert_double_eq(c.rope.high_freq_factor, 4);
    ck_assert_double_eq(c.rope.original_max_positions, 8192);
}
END_TEST

START_TEST(the_model_type_replaces_missing_architectures)
{
    static const char *const architectures[] = { "", "\"architectures\": null, ",
                                                 "\"architectures\": [], " };
    char text[400];

    snprintf(text, sizeof text,
             "{%s\"model_type\": \"qwen2\", \"hidden_size\": 64, \"intermediate_size\": 96, "
             "\"num_hidden_layers\": 2, \"num_attention_heads\": 4, \"num_key_value_heads\": 2, "
             "\"vocab_size\": 100, \"max_position_embeddings\": 128}",
             architectures[_i]);
    ck_assert_int_eq(must_parse(text).arch, CG_ARCH_QWEN2);
}
END_TEST

START_TEST(unused_settings_are_accepted)
{
    must_parse(BASE("Qwen2ForCausalLM", ", \"use_sliding_window\": false, \"sliding_window\": 16"));
    must_parse(BASE("Qwen2ForCausalLM", ", \"use_sliding_window\": true, \"sliding_window\": 128"));
    must_parse(BASE("Qwen2ForCausalLM", ", \"use_sliding_window\": true, \"sliding_window\": 16, "
                                        "\"max_window_layers\": 2"));
    must_parse(
        BASE("Qwen2ForCausalLM", ", \"layer_types\": [\"full_attention\", \"full_attention\"]"));
    must_parse(BASE("LlamaForCausalLM",
                    ", \"attention_bias\": false, \"mlp_bias\": false, "
                    "\"quantization_config\": null, \"partial_rotary_factor\": 1.0, "
                    "\"is_causal\": true, \"model_type\": \"llama\", "
                    "\"rope_parameters\": {\"rope_theta\": 10000.0}"));
}
END_TEST

static const struct {
    const char *text;
    cg_status code;
    const char *found;
} bad_configs[] = {
    { "", CG_ERR_FORMAT, "config.json:1:0" },
    { "[]", CG_ERR_FORMAT, "wanted a JSON object" },
    { "{}", CG_ERR_FORMAT, "architectures: found nothing, wanted a list of one name" },
    { "{\"architectures\": [\"A\", \"B\"]}", CG_ERR_FORMAT, "found a list of 2" },
    { "{\"architectures\": [3]}", CG_ERR_FORMAT, "architectures" },
    { "{\"architectures\": [\"GemmaForCausalLM\"]}", CG_ERR_UNSUPPORTED,
      "found \"GemmaForCausalLM\", wanted LlamaForCausalLM" },
    { "{\"architectures\": [\"LlamaForCausalLM\"]}", CG_ERR_FORMAT,
      "hidden_size: found nothing, wanted a whole number from 1 to 65536" },
    { "{\"architectures\": [\"LlamaForCausalLM\"], \"hidden_size\": 1e300}", CG_ERR_FORMAT,
      "hidden_size: found 1.0000000000000001e+300" },
    { "{\"architectures\": [\"LlamaForCausalLM\"], \"hidden_size\": -4}", CG_ERR_FORMAT,
      "hidden_size: found -4" },
    { BASE("LlamaForCausalLM", ", \"head_dim\": 15"), CG_ERR_UNSUPPORTED, "head_dim: found 15" },
    { BASE("LlamaForCausalLM", ", \"head_dim\": 0"), CG_ERR_FORMAT, "head_dim: found 0" },
    { BASE("Qwen3ForCausalLM", ", \"head_dim\": null"), CG_ERR_FORMAT, "head_dim: found nothing" },
    { BASE("LlamaForCausalLM", ", \"rms_norm_eps\": 0"), CG_ERR_FORMAT, "rms_norm_eps" },
    { BASE("LlamaForCausalLM", ", \"rope_theta\": 0.5"), CG_ERR_FORMAT, "rope_theta" },
    { BASE("LlamaForCausalLM", ", \"rope_scaling\": 3"), CG_ERR_FORMAT, "wanted an object" },
    { BASE("LlamaForCausalLM", ", \"rope_scaling\": {\"type\": \"longrope\", \"factor\": 2}"),
      CG_ERR_UNSUPPORTED,
      "rope_scaling.type: found \"longrope\", wanted \"default\", \"linear\", \"dynamic\", "
      "\"yarn\" or "
      "\"llama3\"" },
    { BASE("LlamaForCausalLM", ", \"rope_scaling\": {\"type\": \"yarn\"}"), CG_ERR_FORMAT,
      "rope_scaling.factor: found nothing" },
    { BASE("LlamaForCausalLM",
           ", \"rope_scaling\": {\"type\": \"linear\", \"rope_type\": \"yarn\", \"factor\": 2}"),
      CG_ERR_FORMAT, "rope_scaling.type: found \"linear\", wanted the value of rope_type" },
    { BASE("LlamaForCausalLM", ", \"original_max_position_embeddings\": 32, \"rope_scaling\": "
                               "{\"rope_type\": \"yarn\", \"factor\": 2}"),
      CG_ERR_FORMAT, "original_max_position_embeddings: found 32, wanted the same number" },
    { BASE("LlamaForCausalLM", ", \"rope_theta\": 1, \"rope_scaling\": {\"rope_type\": \"yarn\", "
                               "\"factor\": 2}"),
      CG_ERR_FORMAT, "more than 1" },
    { BASE("LlamaForCausalLM", ", \"rope_parameters\": {\"rope_type\": \"llama3\"}"), CG_ERR_FORMAT,
      "rope_parameters.factor: found nothing" },
    { BASE("LlamaForCausalLM",
           ", \"rope_scaling\": {\"type\": \"llama3\", \"factor\": 2, \"low_freq_factor\": 4, "
           "\"high_freq_factor\": 4, \"original_max_position_embeddings\": 8192}"),
      CG_ERR_FORMAT, "wanted more than low_freq_factor" },
    { BASE("LlamaForCausalLM",
           ", \"rope_parameters\": {\"full_attention\": {\"rope_type\": \"default\"}}"),
      CG_ERR_UNSUPPORTED, "rope_parameters.full_attention" },
    { BASE("LlamaForCausalLM", ", \"hidden_act\": \"mish\""), CG_ERR_UNSUPPORTED,
      "hidden_act: found \"mish\", wanted \"silu\"" },
    { BASE("LlamaForCausalLM", ", \"attention_bias\": 1"), CG_ERR_FORMAT, "attention_bias" },
    { BASE("LlamaForCausalLM", ", \"sliding_window\": 16"), CG_ERR_UNSUPPORTED,
      "sliding_window: found 16, wanted no window: this architecture has none" },
    { BASE("MistralForCausalLM", ", \"layer_types\": [\"full_attention\", \"sliding_attention\"], "
                                 "\"sliding_window\": 16"),
      CG_ERR_UNSUPPORTED, "\"full_attention\" for layer 0, wanted the type that sliding_window" },
    { BASE("SmolLM3ForCausalLM", ", \"no_rope_layers\": [1]"), CG_ERR_FORMAT, "no_rope_layers" },
    { BASE("SmolLM3ForCausalLM", ", \"no_rope_layers\": [1, 2]"), CG_ERR_FORMAT, "no_rope_layers" },
    { BASE("GPTNeoXForCausalLM", ", \"rotary_pct\": 0.1"), CG_ERR_UNSUPPORTED,
      "rotary_pct: 1 of the 16 elements of a head rotate" },
    { BASE("GPTNeoXForCausalLM",
           ", \"rotary_pct\": 0.5, \"rope_parameters\": {\"partial_rotary_factor\": 0.25}"),
      CG_ERR_FORMAT, "rotary_pct: found 0.5, but rope_parameters.partial_rotary_factor is 0.25" },
    { BASE("GPT2LMHeadModel", ", \"n_embd\": 32, \"n_layer\": 2, \"n_head\": 4, "
                              "\"n_positions\": 128"),
      CG_ERR_FORMAT, "hidden_size: found 64, but n_embd is 32" },
    { BASE("GPT2LMHeadModel", ", \"scale_attn_by_inverse_layer_idx\": true"), CG_ERR_UNSUPPORTED,
      "scale_attn_by_inverse_layer_idx" },
    { BASE("GPT2LMHeadModel", ", \"scale_attn_weights\": false"), CG_ERR_UNSUPPORTED,
      "scale_attn_weights" },
    { BASE("GPT2LMHeadModel", ", \"add_cross_attention\": true"), CG_ERR_UNSUPPORTED,
      "add_cross_attention" },
    { BASE("LlamaForCausalLM", ", \"partial_rotary_factor\": 0.5"), CG_ERR_UNSUPPORTED,
      "partial_rotary_factor" },
    { BASE("LlamaForCausalLM", ", \"quantization_config\": {}"), CG_ERR_UNSUPPORTED,
      "quantization_config: the checkpoint is quantised, wanted plain" },
    { BASE("LlamaForCausalLM", ", \"quantization_config\": {\"quant_method\": \"gptq\"}"),
      CG_ERR_UNSUPPORTED,
      "quantization_config.quant_method: found gptq: the checkpoint is quantised" },
    { BASE("LlamaForCausalLM", ", \"compression_config\": {}"), CG_ERR_UNSUPPORTED,
      "compression_config: the checkpoint is quantised" },
    { BASE("LlamaForCausalLM", ", \"is_causal\": false"), CG_ERR_UNSUPPORTED,
      "is_causal: found false, wanted true" },
    { BASE("LlamaForCausalLM", ", \"model_type\": \"mistral\""), CG_ERR_FORMAT,
      "model_type: found \"mistral\", wanted \"llama\" by architectures (LlamaForCausalLM)" },
    { BASE("LlamaForCausalLM", ", \"model_type\": 3"), CG_ERR_FORMAT, "model_type: found 3" },
    { "{\"model_type\": \"granite\"}", CG_ERR_UNSUPPORTED,
      "model_type: found \"granite\", wanted LlamaForCausalLM" },
    { "{\"architectures\": \"LlamaForCausalLM\", \"model_type\": \"llama\"}", CG_ERR_FORMAT,
      "architectures: found \"LlamaForCausalLM\", wanted a list of one name" },
    { BASE("LlamaForCausalLM", ", \"rope_theta\": 3.0, \"rope_parameters\": {\"rope_theta\": 4.0}"),
      CG_ERR_FORMAT, "rope_theta: found 3, but rope_parameters.rope_theta is 4: wanted equal" },
    { BASE("LlamaForCausalLM", ", \"rope_parameters\": {\"rope_type\": \"default\"}, "
                               "\"rope_scaling\": {\"type\": \"llama3\", " LLAMA3 "}"),
      CG_ERR_FORMAT, "rope_parameters and rope_scaling: found different settings" },
    { BASE("Qwen2ForCausalLM", ", \"use_sliding_window\": true, \"sliding_window\": 0"),
      CG_ERR_FORMAT, "sliding_window: found 0" },
    { BASE("Qwen2ForCausalLM", ", \"layer_types\": [\"full_attention\"]"), CG_ERR_FORMAT,
      "layer_types: found a list of 1, wanted a list of a type for each layer" },
    { BASE("Qwen2ForCausalLM", ", \"layer_types\": [\"full_attention\", \"linear_attention\"]"),
      CG_ERR_UNSUPPORTED, "\"linear_attention\" for layer 1" },
    { BASE("Qwen2ForCausalLM", ", \"layer_types\": [\"full_attention\", \"sliding_attention\"]"),
      CG_ERR_UNSUPPORTED, "\"sliding_attention\" for layer 1" },
    { BASE("Qwen2ForCausalLM", ", \"layer_types\": 3"), CG_ERR_FORMAT, "layer_types" },
    { BASE("LlamaForCausalLM", ", \"tie_word_embeddings\": 1"), CG_ERR_FORMAT,
      "tie_word_embeddings: found 1, wanted true or false" },
    { BASE("LlamaForCausalLM", ", \"hidden_size\": 64"), CG_ERR_FORMAT, "duplicate object key" },
    { "{\"architectures\": [\"LlamaForCausalLM\"], \"hidden_size\": 64, \"intermediate_size\": 96, "
      "\"num_hidden_layers\": 2, \"num_attention_heads\": 4, \"num_key_value_heads\": 3, "
      "\"vocab_size\": 100, \"max_position_embeddings\": 128}",
      CG_ERR_FORMAT, "num_key_value_heads: found 3, wanted a divisor of num_attention_heads" },
    { "{\"architectures\": [\"LlamaForCausalLM\"], \"hidden_size\": 64, \"intermediate_size\": 96, "
      "\"num_hidden_layers\": 2, \"num_attention_heads\": 5, \"vocab_size\": 100, "
      "\"max_position_embeddings\": 128}",
      CG_ERR_FORMAT, "num_attention_heads: found 5, wanted a divisor of hidden_size" },
    { "{\"architectures\": [\"Qwen2ForCausalLM\"], \"hidden_size\": 64, \"intermediate_size\": 96, "
      "\"num_hidden_layers\": 2, \"num_attention_heads\": 4, \"vocab_size\": 100, "
      "\"max_position_embeddings\": 128}",
      CG_ERR_FORMAT,
      "num_key_value_heads: found 32 by default, wanted a divisor of num_attention_heads (4)" },
};

enum { N_BAD = sizeof bad_configs / sizeof *bad_configs };

START_TEST(bad_configs_are_refused)
{
    cg_model_config c = { .hidden = 12345 };
    cg_error err = CG_ERROR_INIT;

    ck_assert_msg(parse(bad_configs[_i].text, &c, &err) == bad_configs[_i].code, "%d: '%s'", _i,
                  err.msg);
    ck_assert_int_eq(err.code, bad_configs[_i].code);
    ck_assert_contains(err.msg, bad_configs[_i].found);
    ck_assert_contains(err.msg, "config.json");
    ck_assert_int_eq(c.hidden, 12345);
    ck_assert_int_eq(parse(bad_configs[_i].text, &c, NULL), bad_configs[_i].code);
}
END_TEST

START_TEST(named_shapes)
{
    static const struct {
        const char *name;
        double params;
        int32_t tied;
    } shapes[] = { { "default", 28.7e6, 1 },  { "llama380m", 383e6, 1 }, { "qwen3-0.6b", 596e6, 1 },
                   { "llama1b", 1.236e9, 1 }, { "llama7b", 6.74e9, 0 },  { "gpt2", 124e6, 1 } };
    cg_model_config c = { 0 };
    cg_error err = CG_ERROR_INIT;

    for (int i = 0; i < 6; i++) {
        double q, kv, layer, all;

        ck_assert_int_eq(cg_model_config_named(shapes[i].name, &c, &err), CG_OK);
        q = (double)c.n_heads * c.head_dim;
        kv = (double)c.n_kv_heads * c.head_dim;
        layer = c.hidden * (2 * q + 2 * kv + 3.0 * c.intermediate);
        all = (2 - shapes[i].tied) * (double)c.vocab * c.hidden + c.n_layers * layer;
        ck_assert_msg(fabs(all / shapes[i].params - 1) < 0.005, "%s: %g", shapes[i].name, all);
        ck_assert_int_eq(c.tie_embeddings, shapes[i].tied);
    }
    ck_assert_int_eq(cg_model_config_named("big", &c, &err), CG_ERR_USAGE);
    ck_assert_str_eq(
        err.msg, "model shape 'big' is unknown, wanted default, llama380m, qwen3-0.6b, llama1b, "
                 "llama7b or gpt2");
}
END_TEST

/* ---- confgen.json ----------------------------------------------------------------------- */

static cg_status parse_format(const char *text, cg_format_config *f, cg_error *err)
{
    return cg_format_config_parse("confgen.json", text, text ? strlen(text) : 0, f, err);
}

START_TEST(format_settings)
{
    cg_format_config f;
    cg_error err = CG_ERROR_INIT;

    for (int i = 0; i < 2; i++) { /* no file is the same as an empty object */
        ck_assert_int_eq(parse_format(i ? "{}" : NULL, &f, &err), CG_OK);
        ck_assert_str_eq(f.conformer.name, "molgen-v3");
        ck_assert_int_eq(f.conformer.number.decimals, 4);
        ck_assert_int_eq(f.conformer.number.max_integer_digits, 2);
        ck_assert_int_eq(f.conformer.frame, CG_FRAME_NONE);
        ck_assert_str_eq(f.prompt_open, "[SMILES]");
        ck_assert_str_eq(f.prompt_close, "[/SMILES]");
        ck_assert_str_eq(f.completion_open, "[CONFORMER]");
        ck_assert_str_eq(f.completion_close, "[/CONFORMER]");
        ck_assert_str_eq(f.end, "<|endoftext|>");
        ck_assert_int_eq(f.gpu_dtype, CG_DTYPE_AUTO);
        ck_assert_int_eq(f.gpu_kv_dtype, CG_DTYPE_AUTO);
    }
    ck_assert_int_eq(parse_format("{\"format\": \"enriched-smiles-v2\", \"decimals\": 3, "
                                  "\"max_integer_digits\": 3, \"prompt\": [\"<a>\", \"</a>\"], "
                                  "\"completion\": [\"<b>\", \"</b>\"], \"end\": \"\", "
                                  "\"frame\": \"first-atoms\", \"gpu_dtype\": \"int8\", "
                                  "\"gpu_kv_dtype\": \"fp8\"}",
                                  &f, &err),
                     CG_OK);
    ck_assert_int_eq(f.conformer.number.decimals, 3);
    ck_assert_int_eq(f.conformer.number.max_integer_digits, 3);
    ck_assert_int_eq(f.conformer.frame, CG_FRAME_FIRST_ATOMS);
    ck_assert_str_eq(f.prompt_open, "<a>");
    ck_assert_str_eq(f.prompt_close, "</a>");
    ck_assert_str_eq(f.completion_open, "<b>");
    ck_assert_str_eq(f.completion_close, "</b>");
    ck_assert_str_eq(f.end, "");
    ck_assert_int_eq(f.has_end, 1);
    ck_assert_int_eq(f.has_bos, 0);
    ck_assert_int_eq(f.gpu_dtype, CG_I8);
    ck_assert_int_eq(f.gpu_kv_dtype, CG_F8_E4M3);
}
END_TEST

START_TEST(products_of_int8)
{
    cg_model_config c;
    cg_error err = CG_ERROR_INIT;

    ck_assert_int_eq(cg_model_config_named("default", &c, &err), CG_OK);
    ck_assert_int_eq(cg_check_i8_products(&c, 90, &err), CG_OK);
    ck_assert_int_eq(cg_check_i8_products(&c, 80, &err), CG_ERR_UNSUPPORTED);
    ck_assert_str_eq(err.msg, "dtype int8: found a GPU of compute capability 8.0, wanted 9.0; use "
                              "dtype bf16");
    c.hidden += 64;
    ck_assert_int_eq(cg_check_i8_products(&c, 90, &err), CG_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "found hidden size 576, intermediate size 1280, head "
                                          "size 64; wanted a multiple of 128 up to 2048"));
    c.hidden = 4096;
    ck_assert_int_eq(cg_check_i8_products(&c, 90, &err), CG_ERR_UNSUPPORTED);
    c.hidden = 512;
    c.head_dim = 96;
    ck_assert_int_eq(cg_check_i8_products(&c, 90, &err), CG_ERR_UNSUPPORTED);
    c.head_dim = 128;
    c.mlp_bias = 1;
    ck_assert_int_eq(cg_check_i8_products(&c, 90, &err), CG_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "found a model with biases of q, k, v or of the MLP"));
    c.norm = CG_NORM_LAYER;
    ck_assert_int_eq(cg_check_i8_products(&c, 90, &err), CG_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "found a model with LayerNorm"));
}
END_TEST

START_TEST(ends_of_a_sequence)
{
    static const struct {
        const char *text, *end, *bos;
        int32_t has_end, n_stop, has_bos;
    } good[] = {
        { "{}", "<|endoftext|>", "", 0, 0, 0 },
        { "{\"bos\": null}", "<|endoftext|>", "", 0, 0, 1 },
        { "{\"bos\": \"<s>\", \"end\": \"</s>\"}", "</s>", "<s>", 1, 0, 1 },
        { "{\"stop\": \"</s>\"}", "</s>", "", 1, 1, 0 },
        { "{\"stop\": [\"</s>\", \"[/CONFORMER]\"]}", "", "", 1, 2, 0 },
        { "{\"stop\": [\"a\", \"b\"], \"end\": \"c\"}", "c", "", 1, 2, 0 },
    };

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        cg_format_config f;
        cg_error err = CG_ERROR_INIT;

        ck_assert_msg(parse_format(good[i].text, &f, &err) == CG_OK, "case %zu: %s", i, err.msg);
        ck_assert_str_eq(f.end, good[i].end);
        ck_assert_str_eq(f.bos, good[i].bos);
        ck_assert_int_eq(f.has_end, good[i].has_end);
        ck_assert_int_eq(f.n_stop, good[i].n_stop);
        ck_assert_int_eq(f.has_bos, good[i].has_bos);
    }
}
END_TEST

static const struct {
    const char *text;
    cg_status code;
    const char *found;
} bad_formats[] = {
    { "{\"decimals\": 6}", CG_ERR_FORMAT, "decimals: found 6, wanted a whole number from 1" },
    { "{\"decimals\": 0}", CG_ERR_FORMAT, "decimals" },
    { "{\"max_integer_digits\": 0}", CG_ERR_FORMAT, "max_integer_digits" },
    { "{\"format\": \"binned\"}", CG_ERR_UNSUPPORTED, "format: found \"binned\"" },
    { "{\"frame\": \"inertia\"}", CG_ERR_UNSUPPORTED, "frame: found \"inertia\"" },
    { "{\"prompt\": [\"a\"]}", CG_ERR_FORMAT, "prompt: found a list of 1" },
    { "{\"prompt\": [\"a\", \"\"]}", CG_ERR_FORMAT, "prompt" },
    { "{\"completion\": \"a\"}", CG_ERR_FORMAT, "completion: found \"a\"" },
    { "{\"completion\": [1, 2]}", CG_ERR_FORMAT, "completion" },
    { "{\"end\": \"0123456789012345678901234567890123456789012345678901234567890123\"}",
      CG_ERR_FORMAT, "end: found \"0123456789" },
    { "{\"end\": 3}", CG_ERR_FORMAT, "end: found 3" },
    { "{\"bos\": \"\"}", CG_ERR_FORMAT, "bos: found \"\", wanted a token" },
    { "{\"bos\": false}", CG_ERR_FORMAT, "bos: found false" },
    { "{\"stop\": []}", CG_ERR_FORMAT, "stop: found a list of 0" },
    { "{\"stop\": [\"a\", 3]}", CG_ERR_FORMAT, "stop: found a list of 2" },
    { "{\"stop\": \"\"}", CG_ERR_FORMAT, "stop: found \"\"" },
    { "{\"gpu_dtype\": \"fp8\"}", CG_ERR_FORMAT,
      "gpu_dtype: found \"fp8\", wanted auto, bf16, f16, int8 or f32" },
    { "{\"gpu_dtype\": 8}", CG_ERR_FORMAT, "gpu_dtype: found 8" },
    { "{\"gpu_kv_dtype\": \"fp16\"}", CG_ERR_FORMAT,
      "gpu_kv_dtype: found \"fp16\", wanted auto, f32, bf16, f16, fp8 or int8" },
    { "{\"gpu_kv_dtype\": 8}", CG_ERR_FORMAT, "gpu_kv_dtype: found 8" },
    { "{\"decimal\": 3}", CG_ERR_FORMAT, "unknown key \"decimal\"" },
    { "{\"format\": {\"marks\": [\"<\", \",\", \"</c>\"]}, \"completion\": [\"<c>\", "
      "\"</c>\"]}",
      CG_ERR_FORMAT, "a tag that no mark of the format holds" },
};
enum { N_BAD_FORMATS = sizeof bad_formats / sizeof bad_formats[0] };

START_TEST(bad_format_settings)
{
    cg_format_config f = { .conformer.number.decimals = 77 };
    cg_error err = CG_ERROR_INIT;

    ck_assert_int_eq(parse_format(bad_formats[_i].text, &f, &err), bad_formats[_i].code);
    ck_assert_contains(err.msg, bad_formats[_i].found);
    ck_assert_int_eq(f.conformer.number.decimals, 77);
}
END_TEST

/* ---- rotary frequencies ----------------------------------------------------------------- */

START_TEST(rope_default)
{
    cg_model_config c = { .head_dim = 64, .rope = { .theta = 10000 } };
    float f[32];

    cg_rope_inv_freq(&c, f);
    ck_assert_float_eq(f[0], 1.0f);
    for (int i = 0; i < 32; i++) {
        double want = pow(10000, -2.0 * i / 64);

        ck_assert_msg(fabs(f[i] / want - 1) < 2e-7, "%d: %.9g, wanted %.9g", i, (double)f[i], want);
    }
}
END_TEST

START_TEST(rope_llama3)
{
    /* settings of Llama-3.2-1B; the bands start at wavelengths 8192 / 4 and 8192 / 1 */
    cg_model_config c = { .head_dim = 64, .rope = { CG_ROPE_LLAMA3, 500000, 32, 1, 4, 8192 } };
    float f[32];
    int kept = 0, interpolated = 0, scaled = 0;

    cg_rope_inv_freq(&c, f);
    for (int i = 0; i < 32; i++) {
        double plain = pow(500000, -2.0 * i / 64), wave = 2 * M_PI / plain, want;

        if (wave < 8192 / 4.0) {
            want = plain;
            kept++;
        } else if (wave > 8192) {
            want = plain / 32;
            scaled++;
        } else {
            double s = (8192 / wave - 1) / (4 - 1);

            want = (1 - s) * plain / 32 + s * plain;
            interpolated++;
        }
        ck_assert_msg(fabs(f[i] / want - 1) < 1e-6, "%d: %.9g, wanted %.9g", i, (double)f[i], want);
    }
    ck_assert_int_eq(kept, 15);
    ck_assert_int_eq(interpolated, 3);
    ck_assert_int_eq(scaled, 14);
}
END_TEST

START_TEST(rope_linear)
{
    cg_model_config plain = { .head_dim = 64, .rope = { .theta = 10000 } }, c = plain;
    float f[32], g[32];

    c.rope.kind = CG_ROPE_LINEAR;
    c.rope.factor = 4;
    cg_rope_inv_freq(&plain, f);
    cg_rope_inv_freq(&c, g);
    for (int i = 0; i < 32; i++)
        ck_assert(g[i] == f[i] / 4);
    c.rope.kind = CG_ROPE_DYNAMIC; /* unscaled up to max_positions */
    cg_rope_inv_freq(&c, g);
    ck_assert_mem_eq(f, g, sizeof f);
}
END_TEST

START_TEST(rope_yarn)
{
    cg_model_config plain = { .head_dim = 64, .rope = { .theta = 10000 } }, c = plain;
    float f[32], g[32], cosines[64], sines[64];

    c.rope = (cg_rope_config) { .kind = CG_ROPE_YARN,
                                .theta = 10000,
                                .factor = 4,
                                .original_max_positions = 2048,
                                .beta_fast = 32,
                                .beta_slow = 1,
                                .attention_factor = 1.25 };
    cg_rope_inv_freq(&plain, f);
    cg_rope_inv_freq(&c, g);
    /* 32 rotations in 2048 positions: index 8.06; one: 20.1 */
    for (int i = 0; i < 32; i++) {
        double keep = fmin(fmax(1 - (i - 8) / (21.0 - 8), 0), 1);
        double want = f[i] * (keep + (1 - keep) / 4);

        ck_assert_msg(fabs(g[i] / want - 1) < 1e-6, "%d: %.9g, wanted %.9g", i, (double)g[i], want);
    }
    cg_rope_tables(&c, 2, cosines, sines, NULL);
    ck_assert(cosines[0] == 1.25f && sines[0] == 0);
    ck_assert_float_eq_tol(cosines[32], 1.25f * cosf(1), 1e-6f);
}
END_TEST

START_TEST(rope_of_a_part_of_a_head)
{
    cg_model_config c = { .head_dim = 16, .rotary_dim = 4, .rope = { .theta = 10000 } };
    float f[8];
    int seen[16] = { 0 };

    cg_rope_inv_freq(&c, f);
    ck_assert(f[0] == 1 && fabsf(f[1] - 0.01f) < 1e-8f);
    for (int i = 2; i < 8; i++)
        ck_assert(f[i] == 0);
    for (int i = 0; i < 16; i++)
        seen[cg_rope_source(&c, i)]++;
    for (int i = 0; i < 16; i++)
        ck_assert_int_eq(seen[i], 1);
    /* pairs of the file are (0, 2) and (1, 3) */
    ck_assert(cg_rope_source(&c, 0) == 0 && cg_rope_source(&c, 8) == 2);
    ck_assert(cg_rope_source(&c, 1) == 1 && cg_rope_source(&c, 9) == 3);
    c.rotary_dim = 16;
    for (int i = 0; i < 16; i++)
        ck_assert_int_eq(cg_rope_source(&c, i), i);
}
END_TEST

START_TEST(settings_of_the_default_model)
{
    const char *root = getenv("CONFGEN_SOURCE_ROOT");
    char *dir, *path;
    cg_bytes b = { 0 };
    cg_error err = CG_ERROR_INIT;
    cg_model_config c, named;
    cg_format_config f;

    ck_assert_msg(root != NULL, "CONFGEN_SOURCE_ROOT is not set");
    dir = cg_path_join(root, "data/confgen-default");
    path = cg_path_join(dir, "config.json");
    ck_assert_int_eq(cg_file_read(path, 1 << 20, &b, &err), CG_OK);
    ck_assert_int_eq(cg_model_config_parse(path, b.data, b.len, &c, &err), CG_OK);
    cg_bytes_release(&b);
    free(path);
    ck_assert_int_eq(cg_model_config_named("default", &named, &err), CG_OK);
    ck_assert_int_eq(c.hidden, named.hidden);
    ck_assert_int_eq(c.n_layers, named.n_layers);
    ck_assert_int_eq(c.n_heads, named.n_heads);
    ck_assert_int_eq(c.n_kv_heads, named.n_kv_heads);
    ck_assert_int_eq(c.head_dim, named.head_dim);
    ck_assert_int_eq(c.intermediate, named.intermediate);
    ck_assert_int_eq(c.vocab, named.vocab);
    ck_assert_int_eq(c.max_positions, named.max_positions);
    ck_assert_double_eq(c.norm_eps, named.norm_eps);
    ck_assert_double_eq(c.rope.theta, named.rope.theta);

    path = cg_path_join(dir, "confgen.json");
    ck_assert_int_eq(cg_file_read(path, 1 << 20, &b, &err), CG_OK);
    ck_assert_int_eq(cg_format_config_parse(path, b.data, b.len, &f, &err), CG_OK);
    ck_assert_int_eq(f.conformer.number.decimals, 3);
    ck_assert_int_eq(f.conformer.frame, CG_FRAME_FIRST_ATOMS);
    cg_bytes_release(&b);
    free(path);
    free(dir);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("settings");

    tcase_add_test(tc, defaults_by_architecture);
    tcase_add_test(tc, features_by_architecture);
    tcase_add_loop_test(tc, windows_of_qwen, 0, 4);
    tcase_add_loop_test(tc, rope_settings_of_all_versions, 0, 5);
    tcase_add_loop_test(tc, the_model_type_replaces_missing_architectures, 0, 3);
    tcase_add_test(tc, unused_settings_are_accepted);
    tcase_add_loop_test(tc, bad_configs_are_refused, 0, N_BAD);
    tcase_add_test(tc, named_shapes);
    tcase_add_test(tc, format_settings);
    tcase_add_test(tc, products_of_int8);
    tcase_add_test(tc, ends_of_a_sequence);
    tcase_add_loop_test(tc, bad_format_settings, 0, N_BAD_FORMATS);
    tcase_add_test(tc, rope_default);
    tcase_add_test(tc, rope_llama3);
    tcase_add_test(tc, rope_linear);
    tcase_add_test(tc, rope_yarn);
    tcase_add_test(tc, rope_of_a_part_of_a_head);
    tcase_add_test(tc, settings_of_the_default_model);
    return run_suite("model settings", (TCase *[]) { tc }, 1);
}
