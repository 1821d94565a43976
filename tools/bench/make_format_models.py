#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes models of random weights in Qwen3-0.6B's shape, one for each of three text formats, for benchmarks.

    make_format_models.py QWEN3 MOLECULES OUT

QWEN3 has Qwen3's vocab.json, merges.txt and tokenizer_config.json with 3DMolGen's tags; MOLECULES is a list of SMILES, whose
tokens the decoder of codes knows. OUT receives decimals (molgen-v3), bins (molgen-binned-258) and codes (molgen-fsq, with
a decoder of the published shape: 8 layers of 1024). Needs torch.
"""
import json
import os
import re
import shutil
import struct
import sys

import torch

HIDDEN, LAYERS, HEADS, KV_HEADS, HEAD, MLP, VOCAB = 1024, 28, 16, 8, 128, 3072, 155904
TOKEN = re.compile(r"\[[^\]]+\]|Cl|Br|[A-Za-z]|%\d\d|.")


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


def language_model():
    t = {"model.embed_tokens.weight": random_tensor(VOCAB, HIDDEN), "model.norm.weight": torch.ones(HIDDEN).bfloat16()}
    for i in range(LAYERS):
        p = "model.layers.%d." % i
        for name, rows, cols in [("self_attn.q_proj", HEADS * HEAD, HIDDEN), ("self_attn.k_proj", KV_HEADS * HEAD, HIDDEN),
                                 ("self_attn.v_proj", KV_HEADS * HEAD, HIDDEN), ("self_attn.o_proj", HIDDEN, HEADS * HEAD),
                                 ("mlp.gate_proj", MLP, HIDDEN), ("mlp.up_proj", MLP, HIDDEN), ("mlp.down_proj", HIDDEN, MLP)]:
            t[p + name + ".weight"] = random_tensor(rows, cols)
        for name, n in [("input_layernorm", HIDDEN), ("post_attention_layernorm", HIDDEN), ("self_attn.q_norm", HEAD),
                        ("self_attn.k_norm", HEAD)]:
            t[p + name + ".weight"] = torch.ones(n).bfloat16()
    return t


def decoder(n_tokens, layers=8, input_size=256, digits=12):
    f = torch.float32
    t = {"post_q.0.weight": random_tensor(input_size, n_tokens + digits, dtype=f), "post_q.0.bias": torch.zeros(input_size),
         "post_q.2.weight": random_tensor(HIDDEN, input_size, dtype=f), "post_q.2.bias": torch.zeros(HIDDEN),
         "out.weight": random_tensor(3, HIDDEN, dtype=f), "out.bias": torch.zeros(3)}
    for i in range(layers):
        p = "dec.layers.%d." % i
        t[p + "self_attn.in_proj_weight"] = random_tensor(3 * HIDDEN, HIDDEN, dtype=f)
        t[p + "self_attn.out_proj.weight"] = random_tensor(HIDDEN, HIDDEN, dtype=f)
        t[p + "linear1.weight"] = random_tensor(4 * HIDDEN, HIDDEN, dtype=f)
        t[p + "linear2.weight"] = random_tensor(HIDDEN, 4 * HIDDEN, dtype=f)
        t[p + "norm1.weight"] = t[p + "norm2.weight"] = torch.ones(HIDDEN)
    return t


def smiles_tokens(path):
    found = set()
    for line in open(path):
        for token in TOKEN.findall(line.split()[0]):
            found.add("[%s]" % token if token.isalpha() else token)
    return sorted(found)


def main():
    source, molecules, out = sys.argv[1:]
    torch.manual_seed(1)
    weights = language_model()
    config = {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_size": HIDDEN,
              "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "head_dim": HEAD,
              "intermediate_size": MLP, "vocab_size": VOCAB, "max_position_embeddings": 4096, "rms_norm_eps": 1e-6,
              "rope_theta": 1e6, "tie_word_embeddings": True, "hidden_act": "silu", "torch_dtype": "bfloat16"}
    for name, text_format, added in [("decimals", "molgen-v3", []), ("bins", "molgen-binned-258", ["%03d" % i for i in range(258)]),
                                     ("codes", "molgen-fsq", ["<%d>" % i for i in range(4096)])]:
        folder = os.path.join(out, name)
        os.makedirs(folder, exist_ok=True)
        shared = os.path.join(out, "decimals", "model.safetensors")
        if name == "decimals":
            write_safetensors(shared, weights)
        else:
            os.link(shared, os.path.join(folder, "model.safetensors"))
        json.dump(config, open(os.path.join(folder, "config.json"), "w"))
        json.dump({"do_sample": True, "temperature": 1.0, "top_k": 0}, open(os.path.join(folder, "generation_config.json"), "w"))
        json.dump({"format": text_format}, open(os.path.join(folder, "confgen.json"), "w"))
        for file in ["vocab.json", "merges.txt"]:
            shutil.copy(os.path.join(source, file), folder)
        settings = json.load(open(os.path.join(source, "tokenizer_config.json")))
        tokens = settings["added_tokens_decoder"]
        first = max(map(int, tokens)) + 1
        for i, text in enumerate(added):
            tokens[str(first + i)] = {"content": text, "lstrip": False, "normalized": False, "rstrip": False,
                                      "single_word": False, "special": name == "codes"}
        json.dump(settings, open(os.path.join(folder, "tokenizer_config.json"), "w"))
    known = smiles_tokens(molecules)
    folder = os.path.join(out, "codes", "fsq")
    os.makedirs(folder, exist_ok=True)
    write_safetensors(os.path.join(folder, "model.safetensors"), decoder(len(known)))
    json.dump({"model_type": "fsq-decoder", "hidden_size": HIDDEN, "num_hidden_layers": 8, "intermediate_size": 4 * HIDDEN,
               "input_size": 256, "layer_norm_eps": 1e-5, "levels": [2] * 12, "tokens": known},
              open(os.path.join(folder, "config.json"), "w"))


if __name__ == "__main__":
    main()
