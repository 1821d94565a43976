#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the folder of a tokenizer and an FSQ decoder's settings, for `--shape NAME --tokenizer OUT_DIR` (development only).

    tools/bench/make_fsq_folder.py [--hidden 1024] [--layers 8] IN_DIR TOKENS OUT_DIR

IN_DIR holds a tokenizer of vocab.json and merges.txt, as Qwen's; the copy has 4096 more added tokens, "<0>" to "<4095>".
TOKENS lists the SMILES tokens, as for convert_fsq_decoder.py: a JSON list, or the training code that assigns VOCAB.
confgen.json names the format molgen-fsq. The weights of both networks are random.
"""
import argparse
import ast
import json
import os
import shutil

CODES = 4096


def read_tokens(path):
    with open(path) as f:
        text = f.read()
    if not path.endswith(".py"):
        return json.loads(text)
    return next(ast.literal_eval(node.value) for node in ast.parse(text).body
                if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == "VOCAB")


def edit(source, folder, name, change):
    with open(os.path.join(source, name), encoding="utf-8") as f:
        root = json.load(f)
    change(root)
    with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
        json.dump(root, f, ensure_ascii=False)
    return root


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--hidden", type=int, default=1024)
    p.add_argument("--layers", type=int, default=8)
    p.add_argument("source")
    p.add_argument("tokens")
    p.add_argument("folder")
    args = p.parse_args()
    os.makedirs(os.path.join(args.folder, "fsq"), exist_ok=True)
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(os.path.join(args.source, name), args.folder)
    with open(os.path.join(args.source, "added_tokens.json"), encoding="utf-8") as f:
        first = max(json.load(f).values()) + 1
    codes = {"<%d>" % i: first + i for i in range(CODES)}
    edit(args.source, args.folder, "added_tokens.json", lambda root: root.update(codes))
    plain = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": False}
    edit(args.source, args.folder, "tokenizer_config.json", lambda root: root["added_tokens_decoder"].update(
        {str(i): {"content": text, **plain} for text, i in codes.items()}))
    with open(os.path.join(args.folder, "confgen.json"), "w") as f:
        json.dump({"format": "molgen-fsq"}, f)
    with open(os.path.join(args.folder, "fsq", "config.json"), "w") as f:
        json.dump({"model_type": "fsq-decoder", "hidden_size": args.hidden, "num_hidden_layers": args.layers,
                   "intermediate_size": 4 * args.hidden, "input_size": 256, "levels": [2] * 12,
                   "tokens": read_tokens(args.tokens)}, f)


main()
