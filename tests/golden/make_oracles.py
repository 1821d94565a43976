#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Computes architectures.json with Hugging Face transformers, in float32 on the CPU.

    make_oracles.py WRITE_MODEL [OUTPUT]

WRITE_MODEL is the built program tests/tools/write_model, which writes the tiny models. OUTPUT is
architectures.json next to this script. Needs torch and transformers (README.md: versions used).
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
import transformers

MODELS = [  # --oracle of write_model
    "llama",
    "llama3",
    "qwen2",
    "qwen3",
    "llama_biases",
    "qwen2_window",
    "qwen3_window",
    "mistral",
    "smollm3",
    "gpt2",
    "gpt_neox",
    "gpt_neox_sequential",
]
N_IDS = 160
POSITIONS = [0, 47, 99, N_IDS - 1]
N_PROMPT = 24
N_GREEDY = 64


def random_ids(n, vocab):
    """n token ids of the linear congruential generator of C's example rand()."""
    state, ids = 1, []
    for _ in range(n):
        state = (state * 1103515245 + 12345) % 2**31
        ids.append((state >> 16) % vocab)
    return ids


def greedy(model, prompt, n):
    """The n most likely tokens after prompt, and the least gap between the two best logits."""
    ids, min_gap = list(prompt), float("inf")
    for _ in range(n):
        best = model(torch.tensor([ids])).logits[0, -1].topk(2)
        min_gap = min(min_gap, float(best.values[0] - best.values[1]))
        ids.append(int(best.indices[0]))
    return ids[len(prompt) :], min_gap


def make_case(write_model, name):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([write_model, folder, "--oracle", name], check=True)
        model = transformers.AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager"
        ).eval()
    ids = random_ids(N_IDS, model.config.vocab_size)
    logits = model(torch.tensor([ids])).logits[0, POSITIONS]
    greedy_ids, min_gap = greedy(model, ids[:N_PROMPT], N_GREEDY)
    return {
        "name": name,
        "class": type(model).__name__,
        "ids": ids,
        "positions": POSITIONS,
        "logits": [[float(f"{x:.9g}") for x in row] for row in logits.tolist()],
        "prompt_ids": ids[:N_PROMPT],
        "greedy_ids": greedy_ids,
        "greedy_min_gap": round(min_gap, 6),
    }


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    path = sys.argv[2] if len(sys.argv) == 3 else pathlib.Path(__file__).with_name("architectures.json")
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    document = {
        "dtype": "float32 arithmetic on the bf16 weights, CPU, eager attention",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "cases": [make_case(sys.argv[1], name) for name in MODELS],
    }
    # one line per value or per row of logits
    lines = []
    for case in document["cases"]:
        parts = []
        for key, value in case.items():
            if key == "logits":
                rows = ",\n".join("    " + json.dumps(row, separators=(",", ":")) for row in value)
                parts.append(f'   "logits": [\n{rows}]')
            else:
                parts.append(f"   {json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}")
        lines.append("  {\n" + ",\n".join(parts) + "}")
    head = "".join(f" {json.dumps(k)}: {json.dumps(v)},\n" for k, v in document.items() if k != "cases")
    with open(path, "w", encoding="ascii") as f:
        f.write("{\n" + head + ' "cases": [\n' + ",\n".join(lines) + "]}\n")


main()
