/* SPDX-License-Identifier: MIT */
#include "model/architectures.h"

#include <stdio.h>
#include <string.h>

static const cg_tensor_name llama_tensors[] = {
    { CG_ROLE_INPUT_NORM, "input_layernorm.weight", 0 },
    { CG_ROLE_Q, "self_attn.q_proj.weight", 0 },
    { CG_ROLE_K, "self_attn.k_proj.weight", 0 },
    { CG_ROLE_V, "self_attn.v_proj.weight", 0 },
    { CG_ROLE_Q_BIAS, "self_attn.q_proj.bias", 0 },
    { CG_ROLE_K_BIAS, "self_attn.k_proj.bias", 0 },
    { CG_ROLE_V_BIAS, "self_attn.v_proj.bias", 0 },
    { CG_ROLE_Q_NORM, "self_attn.q_norm.weight", 0 },
    { CG_ROLE_K_NORM, "self_attn.k_norm.weight", 0 },
    { CG_ROLE_O, "self_attn.o_proj.weight", 0 },
    { CG_ROLE_O_BIAS, "self_attn.o_proj.bias", 0 },
    { CG_ROLE_POST_NORM, "post_attention_layernorm.weight", 0 },
    { CG_ROLE_GATE, "mlp.gate_proj.weight", 0 },
    { CG_ROLE_GATE_BIAS, "mlp.gate_proj.bias", 0 },
    { CG_ROLE_UP, "mlp.up_proj.weight", 0 },
    { CG_ROLE_UP_BIAS, "mlp.up_proj.bias", 0 },
    { CG_ROLE_DOWN, "mlp.down_proj.weight", 0 },
    { CG_ROLE_DOWN_BIAS, "mlp.down_proj.bias", 0 },
};

static const cg_tensor_name gpt2_tensors[] = {
    { CG_ROLE_INPUT_NORM, "ln_1.weight", 0 },
    { CG_ROLE_INPUT_NORM_BIAS, "ln_1.bias", 0 },
    { CG_ROLE_QKV, "attn.c_attn.weight", CG_STORED_TRANSPOSED },
    { CG_ROLE_QKV_BIAS, "attn.c_attn.bias", 0 },
    { CG_ROLE_O, "attn.c_proj.weight", CG_STORED_TRANSPOSED },
    { CG_ROLE_O_BIAS, "attn.c_proj.bias", 0 },
    { CG_ROLE_POST_NORM, "ln_2.weight", 0 },
    { CG_ROLE_POST_NORM_BIAS, "ln_2.bias", 0 },
    { CG_ROLE_UP, "mlp.c_fc.weight", CG_STORED_TRANSPOSED },
    { CG_ROLE_UP_BIAS, "mlp.c_fc.bias", 0 },
    { CG_ROLE_DOWN, "mlp.c_proj.weight", CG_STORED_TRANSPOSED },
    { CG_ROLE_DOWN_BIAS, "mlp.c_proj.bias", 0 },
};

static const cg_tensor_name gpt_neox_tensors[] = {
    { CG_ROLE_INPUT_NORM, "input_layernorm.weight", 0 },
    { CG_ROLE_INPUT_NORM_BIAS, "input_layernorm.bias", 0 },
    { CG_ROLE_QKV, "attention.query_key_value.weight", CG_STORED_BY_HEAD },
    { CG_ROLE_QKV_BIAS, "attention.query_key_value.bias", CG_STORED_BY_HEAD },
    { CG_ROLE_O, "attention.dense.weight", 0 },
    { CG_ROLE_O_BIAS, "attention.dense.bias", 0 },
    { CG_ROLE_POST_NORM, "post_attention_layernorm.weight", 0 },
    { CG_ROLE_POST_NORM_BIAS, "post_attention_layernorm.bias", 0 },
    { CG_ROLE_UP, "mlp.dense_h_to_4h.weight", 0 },
    { CG_ROLE_UP_BIAS, "mlp.dense_h_to_4h.bias", 0 },
    { CG_ROLE_DOWN, "mlp.dense_4h_to_h.weight", 0 },
    { CG_ROLE_DOWN_BIAS, "mlp.dense_4h_to_h.bias", 0 },
};

#define TENSORS(table) .tensors = table, .n_tensors = sizeof table / sizeof *table

/* What the descendants of Llama share. */
#define LIKE_LLAMA                                                                                 \
    .hidden = { "hidden_size", NULL }, .n_layers = { "num_hidden_layers", NULL },                  \
    .n_heads = { "num_attention_heads", NULL },                                                    \
    .max_positions = { "max_position_embeddings", NULL }, .intermediate = "intermediate_size",     \
    .norm_eps = "rms_norm_eps", .default_eps = 1e-6, .activation = "hidden_act",                   \
    .default_activation = "silu", .has_kv_heads = 1, .prefix = "model.",                           \
    .embed = "embed_tokens.weight", .layer = "layers", .final_norm = "norm.weight",                \
    .head = "lm_head.weight", TENSORS(llama_tensors)

static const cg_architecture archs[CG_N_ARCHS] = {
    { LIKE_LLAMA, .arch = CG_ARCH_LLAMA, .name = "LlamaForCausalLM", .model_type = "llama",
      .rope = { "rope_theta", 1e4, NULL, 1 }, .qkv_bias = CG_BIAS_BY_KEY, .o_bias = CG_BIAS_BY_KEY,
      .mlp_bias = CG_BIAS_BY_KEY },
    { LIKE_LLAMA, .arch = CG_ARCH_QWEN2, .name = "Qwen2ForCausalLM", .model_type = "qwen2",
      .default_kv_heads = 32, .rope = { "rope_theta", 1e4, NULL, 1 }, .qkv_bias = CG_BIAS_ALWAYS,
      .windows = CG_WINDOWS_FROM_LAYER },
    { LIKE_LLAMA, .arch = CG_ARCH_QWEN3, .name = "Qwen3ForCausalLM", .model_type = "qwen3",
      .default_kv_heads = 32, .default_head_dim = 128, .rope = { "rope_theta", 1e4, NULL, 1 },
      .qkv_bias = CG_BIAS_BY_KEY, .o_bias = CG_BIAS_BY_KEY, .windows = CG_WINDOWS_FROM_LAYER,
      .qk_norm = 1 },
    { LIKE_LLAMA, .arch = CG_ARCH_MISTRAL, .name = "MistralForCausalLM", .model_type = "mistral",
      .default_kv_heads = 8, .rope = { "rope_theta", 1e4, NULL, 1 }, .windows = CG_WINDOWS_ALL },
    { LIKE_LLAMA, .arch = CG_ARCH_SMOLLM3, .name = "SmolLM3ForCausalLM", .model_type = "smollm3",
      .default_kv_heads = 4, .default_tied = 1, .rope = { "rope_theta", 2e6, NULL, 1 },
      .qkv_bias = CG_BIAS_BY_KEY, .o_bias = CG_BIAS_BY_KEY, .mlp_bias = CG_BIAS_BY_KEY,
      .windows = CG_WINDOWS_NO_ROPE, .no_rope_layers = 1 },
    { .arch = CG_ARCH_GPT2,
      .name = "GPT2LMHeadModel",
      .model_type = "gpt2",
      .hidden = { "n_embd", "hidden_size" },
      .n_layers = { "n_layer", "num_hidden_layers" },
      .n_heads = { "n_head", "num_attention_heads" },
      .max_positions = { "n_positions", "max_position_embeddings" },
      .intermediate = "n_inner",
      .norm_eps = "layer_norm_epsilon",
      .default_eps = 1e-5,
      .activation = "activation_function",
      .default_activation = "gelu_new",
      .default_tied = 1,
      .qkv_bias = CG_BIAS_ALWAYS,
      .o_bias = CG_BIAS_ALWAYS,
      .mlp_bias = CG_BIAS_ALWAYS,
      .norm = CG_NORM_LAYER,
      .mlp = CG_MLP_PLAIN,
      .learned_positions = 1,
      .prefix = "transformer.",
      .embed = "wte.weight",
      .positions = "wpe.weight",
      .layer = "h",
      .final_norm = "ln_f.weight",
      .final_norm_bias = "ln_f.bias",
      .head = "lm_head.weight",
      TENSORS(gpt2_tensors) },
    { .arch = CG_ARCH_GPT_NEOX,
      .name = "GPTNeoXForCausalLM",
      .model_type = "gpt_neox",
      .hidden = { "hidden_size", NULL },
      .n_layers = { "num_hidden_layers", NULL },
      .n_heads = { "num_attention_heads", NULL },
      .max_positions = { "max_position_embeddings", NULL },
      .intermediate = "intermediate_size",
      .norm_eps = "layer_norm_eps",
      .default_eps = 1e-5,
      .activation = "hidden_act",
      .default_activation = "gelu",
      .default_attention_bias = 1,
      .rope = { "rotary_emb_base", 1e4, "rotary_pct", 0.25 },
      .qkv_bias = CG_BIAS_BY_KEY,
      .o_bias = CG_BIAS_BY_KEY,
      .mlp_bias = CG_BIAS_ALWAYS,
      .norm = CG_NORM_LAYER,
      .mlp = CG_MLP_PLAIN,
      .prefix = "gpt_neox.",
      .embed = "embed_in.weight",
      .layer = "layers",
      .final_norm = "final_layer_norm.weight",
      .final_norm_bias = "final_layer_norm.bias",
      .head = "embed_out.weight",
      TENSORS(gpt_neox_tensors) },
};

const cg_architecture *cg_architecture_of(int32_t arch)
{
    return &archs[arch];
}

const cg_architecture *cg_architecture_find(const char *name, const char *model_type)
{
    for (int i = 0; i < CG_N_ARCHS; i++)
        if (name ? !strcmp(name, archs[i].name)
                 : model_type && !strcmp(model_type, archs[i].model_type))
            return &archs[i];
    return NULL;
}

void cg_architecture_list(char *ret_text, size_t cap)
{
    size_t at = 0;

    ret_text[0] = '\0';
    for (int i = 0; i < CG_N_ARCHS && at < cap; i++)
        at += (size_t)snprintf(ret_text + at, cap - at, "%s%s",
                               i == 0                ? ""
                               : i + 1 == CG_N_ARCHS ? " or "
                                                     : ", ",
                               archs[i].name);
}
