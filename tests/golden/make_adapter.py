#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tests/golden/adapter: a bf16 model with a LoRA adapter, and the weights that peft merges.

    make_adapter.py [OUTPUT]

Needs torch, transformers and peft (README.md: versions used).
"""
import json
import pathlib
import shutil
import sys

import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file

MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "embed_tokens"]


def randomise(model, scale):
    for p in model.parameters():
        p.copy_(scale * torch.randn_like(p))


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) == 2 else pathlib.Path(__file__).with_name("adapter")
    torch.manual_seed(3)
    torch.set_grad_enabled(False)
    config = transformers.Qwen2Config(vocab_size=30, hidden_size=16, intermediate_size=24, num_hidden_layers=1,
                                      num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=64,
                                      tie_word_embeddings=False)
    base = transformers.Qwen2ForCausalLM(config)
    randomise(base, 0.3)
    base = base.bfloat16()
    base.save_pretrained(folder)
    lora = LoraConfig(r=4, lora_alpha=6, use_rslora=True, target_modules=MODULES, bias="all",
                      rank_pattern={"q_proj": 3, "layers.0.mlp.up_proj": 6}, alpha_pattern={"down_proj": 5},
                      modules_to_save=["lm_head", "model.norm"])
    wrapped = get_peft_model(base, lora)
    for name, p in wrapped.named_parameters():
        if "lora_" in name or "modules_to_save" in name or name.endswith("bias"):
            p.copy_(0.3 * torch.randn_like(p))
    wrapped.save_pretrained(folder)

    settings = json.loads((folder / "adapter_config.json").read_text())
    aside = folder / "aside"
    aside.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copy(folder / name, aside)
    (folder / "adapter_config.json").unlink()
    again = transformers.Qwen2ForCausalLM.from_pretrained(folder, dtype="auto")
    merged = PeftModel.from_pretrained(again, str(aside)).merge_and_unload()
    shutil.rmtree(aside)
    assert merged.dtype == torch.bfloat16
    save_file({k: v.contiguous().clone() for k, v in merged.state_dict().items()}, folder / "merged.safetensors")
    settings["base_model_name_or_path"] = "."
    (folder / "adapter_config.json").write_text(json.dumps(settings, indent=1) + "\n")
    (folder / "README.md").unlink()
    (folder / "generation_config.json").unlink()


if __name__ == "__main__":
    main()
