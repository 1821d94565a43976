#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes a model of random weights in the shape of `--shape llama380m`, for benchmarks of whole runs.

    make_llama_model.py TOKENIZER OUT

TOKENIZER is a folder with a tokenizer.json of 128256 tokens (pad_tokenizer.py); the text format is molgen-v3. Needs torch.
"""
import os
import shutil
import sys

import torch

from random_model import language_model, write_safetensors, write_settings

CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 1024, "num_hidden_layers": 16,
          "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 64, "intermediate_size": 4096,
          "vocab_size": 128256, "max_position_embeddings": 1280, "rms_norm_eps": 1e-5, "rope_theta": 5e5,
          "tie_word_embeddings": True, "hidden_act": "silu", "torch_dtype": "bfloat16"}


def main():
    source, out = sys.argv[1:]
    torch.manual_seed(1)
    os.makedirs(out, exist_ok=True)
    write_safetensors(os.path.join(out, "model.safetensors"), language_model(CONFIG))
    write_settings(out, CONFIG, {"format": "molgen-v3", "bos": None})
    shutil.copy(os.path.join(source, "tokenizer.json"), out)


if __name__ == "__main__":
    main()
