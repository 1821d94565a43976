#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Computes the default model's oracles with Hugging Face transformers, in float32 on the CPU.

    tools/model/make_golden.py MODEL TEXTS.tsv VARIED.jsonl OUT

TEXTS.tsv: name, SMILES, enriched SMILES of molecules held out. VARIED.jsonl: texts for the tokenizer, one JSON string a line.
Writes OUT/generation.json, OUT/NAME.logits.npy and OUT/tokenizer.jsonl, which tests/golden describes.
"""
import json
import os
import sys

import numpy as np
import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

import model as M


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    folder, tsv, varied, out = sys.argv[1:]
    os.makedirs(out, exist_ok=True)
    tok = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder), dtype=torch.float32, attn_implementation="eager")
    missing, unknown = model.load_state_dict(M.load(folder), strict=False)
    if unknown or missing not in ([], ["lm_head.weight"]):
        sys.exit("%s: found weights %s and none of %s, wanted those of its config.json" % (folder, unknown, missing))
    model.tie_weights()
    model.eval()
    desc = []
    for line in open(tsv):
        name, s, e = line.rstrip("\n").split("\t")
        prompt = "[SMILES]%s[/SMILES][CONFORMER]" % s
        text = prompt + e + "[/CONFORMER]<|endoftext|>"
        pid = tok(prompt, add_special_tokens=False)["input_ids"]
        ids = tok(text, add_special_tokens=False)["input_ids"]
        if ids[:len(pid)] != pid or tok.decode(ids) != text:
            sys.exit("%s: found other tokens of the prompt or another text, wanted those that were encoded" % name)
        with torch.no_grad():
            lg = model(input_ids=torch.tensor([ids])).logits[0]
            n = len(ids)
            at = [len(pid) - 1, len(pid) + 3, len(pid) - 1 + (n - len(pid)) // 2, n - 2]
            np.save(os.path.join(out, name + ".logits.npy"), lg[at].numpy().astype(np.float32))
            logp = torch.log_softmax(lg.double(), -1)
            nll = -logp[torch.arange(len(pid) - 1, n - 1), torch.tensor(ids[len(pid):])].mean().item()
            g = model.generate(input_ids=torch.tensor([pid]), attention_mask=torch.ones(1, len(pid), dtype=torch.long),
                               do_sample=False, temperature=None, top_p=None, top_k=None,
                               max_new_tokens=min(2048 - len(pid), 1200), pad_token_id=tok.eos_token_id,
                               eos_token_id=tok.eos_token_id)[0, len(pid):].tolist()
            # how decided each greedy step is: the smallest gap between the two best logits
            full = model(input_ids=torch.tensor([pid + g])).logits[0, len(pid) - 1:-1]
            top = full.topk(2, -1).values
            gaps = (top[:, 0] - top[:, 1]).numpy()
        first = next((i for i, gap in enumerate(gaps) if gap < 1e-3), None)
        desc.append({"name": name, "smiles": s, "text": text, "ids": ids, "prompt_ids": pid, "completion_nll": nll,
                     "greedy_ids": g, "greedy_text": tok.decode(g), "greedy_min_gap": float(gaps.min()),
                     "greedy_min_gap_at": int(gaps.argmin()), "greedy_first_gap_under_1e-3": first,
                     "logits_file": name + ".logits.npy", "logits_positions": at,
                     "logits_note": "float32, row r = logits after ids[:logits_positions[r]+1], shape [4, vocab_size]"})
        print("%s: %d ids, %d of the prompt, mean loss %.4f; greedy %d ids, smallest gap %.2g" % (
            name, len(ids), len(pid), nll, len(g), float(gaps.min())), flush=True)
    json.dump({"model": "confgen-default", "dtype": "float32 arithmetic on the bf16 weights, CPU, eager attention",
               "torch": torch.__version__, "transformers": transformers.__version__, "cases": desc},
              open(os.path.join(out, "generation.json"), "w"), indent=1)
    with open(os.path.join(out, "tokenizer.jsonl"), "w") as f:
        for line in open(varied):
            t = json.loads(line)
            ids = tok(t, add_special_tokens=False)["input_ids"]
            f.write(json.dumps({"text": t, "ids": ids, "decoded": tok.decode(ids)}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
