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
import sys

import torch

from random_model import language_model, random_tensor, write_safetensors, write_settings

CONFIG = {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_size": 1024, "num_hidden_layers": 28,
          "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 3072,
          "vocab_size": 155904, "max_position_embeddings": 4096, "rms_norm_eps": 1e-6, "rope_theta": 1e6,
          "tie_word_embeddings": True, "hidden_act": "silu", "torch_dtype": "bfloat16"}
HIDDEN = 1024  # of the decoder of codes
TOKEN = re.compile(r"\[[^\]]+\]|Cl|Br|[A-Za-z]|%\d\d|.")


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
    weights = language_model(CONFIG)
    for name, text_format, added in [("decimals", "molgen-v3", []), ("bins", "molgen-binned-258", ["%03d" % i for i in range(258)]),
                                     ("codes", "molgen-fsq", ["<%d>" % i for i in range(4096)])]:
        folder = os.path.join(out, name)
        os.makedirs(folder, exist_ok=True)
        shared = os.path.join(out, "decimals", "model.safetensors")
        if name == "decimals":
            write_safetensors(shared, weights)
        else:
            os.link(shared, os.path.join(folder, "model.safetensors"))
        write_settings(folder, CONFIG, {"format": text_format})
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
