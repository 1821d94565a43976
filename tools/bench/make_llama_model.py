#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes a model of random weights in the shape of `--shape llama380m`, for benchmarks of whole runs.

    make_llama_model.py TOKENIZER OUT

TOKENIZER is a folder with a tokenizer.json of 128256 tokens (pad_tokenizer.py); the text format is molgen-v3. Needs torch.
"""
import json
import os
import shutil
import sys

import torch

from make_format_models import random_tensor, write_safetensors

HIDDEN, LAYERS, HEADS, KV_HEADS, HEAD, MLP, VOCAB = 1024, 16, 16, 8, 64, 4096, 128256


def weights():
    t = {"model.embed_tokens.weight": random_tensor(VOCAB, HIDDEN), "model.norm.weight": torch.ones(HIDDEN).bfloat16()}
    for i in range(LAYERS):
        p = "model.layers.%d." % i
        for name, rows, cols in [("self_attn.q_proj", HEADS * HEAD, HIDDEN), ("self_attn.k_proj", KV_HEADS * HEAD, HIDDEN),
                                 ("self_attn.v_proj", KV_HEADS * HEAD, HIDDEN), ("self_attn.o_proj", HIDDEN, HEADS * HEAD),
                                 ("mlp.gate_proj", MLP, HIDDEN), ("mlp.up_proj", MLP, HIDDEN), ("mlp.down_proj", HIDDEN, MLP)]:
            t[p + name + ".weight"] = random_tensor(rows, cols)
        for name in ["input_layernorm", "post_attention_layernorm"]:
            t[p + name + ".weight"] = torch.ones(HIDDEN).bfloat16()
    return t


def main():
    source, out = sys.argv[1:]
    torch.manual_seed(1)
    os.makedirs(out, exist_ok=True)
    write_safetensors(os.path.join(out, "model.safetensors"), weights())
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN, "num_hidden_layers": LAYERS,
              "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "head_dim": HEAD, "intermediate_size": MLP,
              "vocab_size": VOCAB, "max_position_embeddings": 1280, "rms_norm_eps": 1e-5, "rope_theta": 5e5,
              "tie_word_embeddings": True, "hidden_act": "silu", "torch_dtype": "bfloat16"}
    for name, settings in [("config.json", config), ("confgen.json", {"format": "molgen-v3", "bos": None}),
                           ("generation_config.json", {"do_sample": True, "temperature": 1.0, "top_k": 0})]:
        with open(os.path.join(out, name), "w") as f:
            json.dump(settings, f)
    shutil.copy(os.path.join(source, "tokenizer.json"), out)


if __name__ == "__main__":
    main()
