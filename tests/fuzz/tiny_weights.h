/* SPDX-License-Identifier: MIT */
/** @file tiny_weights.h  A model of eleven tensors in up to two files, every weight 1. */
#ifndef CG_FUZZ_TINY_WEIGHTS_H
#define CG_FUZZ_TINY_WEIGHTS_H

#include "base/buf.h"
#include "model/model.h"

#include "fuzz.h"

static const char config[] =
    "{\"architectures\":[\"LlamaForCausalLM\"],\"hidden_size\":4,\"intermediate_size\":4,"
    "\"num_hidden_layers\":1,\"num_attention_heads\":2,\"num_key_value_heads\":1,\"head_dim\":2,"
    "\"vocab_size\":8,\"max_position_embeddings\":64,\"tie_word_embeddings\":true}";

#define LAYER "model.layers.0."

static const struct tensor {
    const char *name;
    int rows, cols; /* rows 0: a vector */
    int shard;
} tensors[] = {
    { "model.embed_tokens.weight", 8, 4, 0 },
    { LAYER "input_layernorm.weight", 0, 4, 0 },
    { LAYER "self_attn.q_proj.weight", 4, 4, 0 },
    { LAYER "self_attn.k_proj.weight", 2, 4, 0 },
    { LAYER "self_attn.v_proj.weight", 2, 4, 0 },
    { LAYER "self_attn.o_proj.weight", 4, 4, 1 },
    { LAYER "post_attention_layernorm.weight", 0, 4, 1 },
    { LAYER "mlp.gate_proj.weight", 4, 4, 1 },
    { LAYER "mlp.up_proj.weight", 4, 4, 1 },
    { LAYER "mlp.down_proj.weight", 4, 4, 1 },
    { "model.norm.weight", 0, 4, 1 },
};

enum { N_TENSORS = sizeof tensors / sizeof tensors[0] };

/* A safetensors file of a shard's tensors, or of all with shard -1, in bf16. */
static void write_shard(int shard, const char *name)
{
    cg_buf header = { 0 }, file = { 0 };
    size_t end = 0;

    cg_buf_putc(&header, '{');
    for (size_t i = 0; i < N_TENSORS; i++) {
        const struct tensor *t = &tensors[i];
        size_t begin = end;

        if (shard >= 0 && t->shard != shard)
            continue;
        end += 2 * (size_t)(t->rows ? t->rows : 1) * (size_t)t->cols;
        cg_buf_printf(&header, "%s\"%s\":{\"dtype\":\"BF16\",\"shape\":[", begin ? "," : "",
                      t->name);
        if (t->rows)
            cg_buf_printf(&header, "%d,", t->rows);
        cg_buf_printf(&header, "%d],\"data_offsets\":[%zu,%zu]}", t->cols, begin, end);
    }
    cg_buf_putc(&header, '}');
    for (int byte = 0; byte < 8; byte++)
        cg_buf_putc(&file, (char)(header.len >> 8 * byte));
    cg_buf_put(&file, header.data, header.len);
    for (size_t i = 0; i < end; i += 2)
        cg_buf_put(&file, "\x80\x3f", 2);
    fuzz_write(name, file.data, file.len);
    cg_buf_finish(&header);
    cg_buf_finish(&file);
}

#endif
