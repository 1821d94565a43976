#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tests/golden/tokenizer_kinds.jsonl: small tokenizers of each kind, texts and their ids (development only).

usage: make_tokenizer_kinds.py     (needs PyPI tokenizers)

A line is {"name", "tokenizer": the object of tokenizer.json, "texts": [...], "ids": [[...], ...]}.
"""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../tools"))
import check_tokenizer  # noqa: E402

TEXTS = ["[SMILES]C[C@H](N)C(=O)O[/SMILES]", "[CONFORMER][C]<-1.234,0.123,-12.345>[Cl]<", " two  blanks ", "it's \u00c5 e\u0301\u0323!",
         "\u4e2d\u6587 na\u00efve \ufb01 \u0130", "a\u0000b\ufffd\u200d\u2581x", "\U0001f600 \u2460\u00bd\u0663", "", "\t\n", "<0xE2>##C@</w>"]


def main():
    made = check_tokenizer.Texts("/nowhere", 1)
    with open(os.path.join(HERE, "tokenizer_kinds.jsonl"), "w") as f:
        for name, tok in check_tokenizer.kinds(made, 80):
            ids = [e.ids for e in tok.encode_batch(TEXTS, add_special_tokens=False)]
            json.dump({"name": name, "tokenizer": json.loads(tok.to_str()), "texts": TEXTS, "ids": ids}, f, separators=(",", ":"))
            f.write("\n")


if __name__ == "__main__":
    main()
