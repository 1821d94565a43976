#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Copies a tokenizer, padded to the vocabulary size of a checkpoint (development only).

    tools/bench/pad_tokenizer.py [--tokens 128256] IN_DIR OUT_DIR

The test tokenizer has Llama-3's pattern and digits but a twentieth of its tokens. The copy tokenizes text
equally, because the added tokens match nothing, but `--constraint none`, which samples from the whole
vocabulary, is as slow as with the real tokenizer.
"""
import argparse
import json
import os


def pad(source, folder, tokens):
    with open(os.path.join(source, "tokenizer.json"), encoding="utf-8") as f:
        tokenizer = json.load(f)
    vocab = tokenizer["model"]["vocab"]
    taken = set(vocab.values()) | {t["id"] for t in tokenizer["added_tokens"]}
    for i in range(tokens):
        if i not in taken:
            vocab[f"zzfill{i:06d}zz"] = i
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "tokenizer.json"), "w", encoding="utf-8") as f:
        json.dump(tokenizer, f, ensure_ascii=False)
    return folder


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tokens", type=int, default=128256)
    p.add_argument("source")
    p.add_argument("folder")
    args = p.parse_args()
    pad(args.source, args.folder, args.tokens)


if __name__ == "__main__":
    main()
