# SPDX-License-Identifier: MIT
"""Models of random weights, for the scripts beside this file (development only). Needs torch."""
import json
import os
import struct

import torch


def write_safetensors(path, tensors):
    """tensors: {name: tensor of bf16 or f32}"""
    header, at = {}, 0
    for name, t in tensors.items():
        size = t.numel() * t.element_size()
        header[name] = {"dtype": "BF16" if t.dtype == torch.bfloat16 else "F32", "shape": list(t.shape),
                        "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for t in tensors.values():
            f.write(t.contiguous().view(torch.uint8).numpy().tobytes())


def random_tensor(*shape, dtype=torch.bfloat16):
    return (torch.randn(*shape) * 0.02).to(dtype)


def language_model(config):
    """The weights of a config.json of Llama, or of Qwen3, which norms heads: {name: tensor of bf16}."""
    hidden, head, mlp = config["hidden_size"], config["head_dim"], config["intermediate_size"]
    q, kv = config["num_attention_heads"] * head, config["num_key_value_heads"] * head
    norms = [("input_layernorm", hidden), ("post_attention_layernorm", hidden)]
    if config["model_type"] == "qwen3":
        norms += [("self_attn.q_norm", head), ("self_attn.k_norm", head)]
    t = {"model.embed_tokens.weight": random_tensor(config["vocab_size"], hidden),
         "model.norm.weight": torch.ones(hidden).bfloat16()}
    for i in range(config["num_hidden_layers"]):
        p = "model.layers.%d." % i
        for name, rows, cols in [("self_attn.q_proj", q, hidden), ("self_attn.k_proj", kv, hidden),
                                 ("self_attn.v_proj", kv, hidden), ("self_attn.o_proj", hidden, q),
                                 ("mlp.gate_proj", mlp, hidden), ("mlp.up_proj", mlp, hidden), ("mlp.down_proj", hidden, mlp)]:
            t[p + name + ".weight"] = random_tensor(rows, cols)
        for name, n in norms:
            t[p + name + ".weight"] = torch.ones(n).bfloat16()
    return t


def write_settings(folder, config, confgen):
    """Writes config.json, confgen.json and a generation_config.json that samples at temperature 1."""
    for name, settings in [("config.json", config), ("confgen.json", confgen),
                           ("generation_config.json", {"do_sample": True, "temperature": 1.0, "top_k": 0})]:
        with open(os.path.join(folder, name), "w") as f:
            json.dump(settings, f)
