#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Constructs the folder of a new model without weights: tokenizer (byte-level BPE) and configuration; standard library only.

    tools/model/make_tokenizer.py POOL.smi OUT_DIR [NAME=VALUE...]

NAME=VALUE sets items of config.json, as hidden_size=256.

The vocabulary is constructed, not trained: every pre-token that a conformer text can hold is one
token, everything else falls back to bytes, so nothing is out of vocabulary.
  >[C]<    an atom between two coordinate blocks ('>' merged only with a directly following '[')
  [C]<     an atom after a bond, ring or branch character, or the first one
  [nH]     a bracket atom of the plain SMILES
  -1.      integer part of x (the '<' before it belongs to the atom)
  ,-1.     integer part of y and z, with its comma
  234      three-digit fraction
Atom pieces come from the pool (those seen at least MIN times) and a small closed list.
"""
import collections
import json
import os
import re
import sys

PATTERN = r">?\[[^\[\]<>]+\]<?|Cl|Br|%[0-9][0-9]|,?-?[0-9]{1,2}\.|[0-9]{3}|[\s\S]"
SPECIAL = ["<|endoftext|>", "[SMILES]", "[/SMILES]", "[CONFORMER]", "[/CONFORMER]"]
MIN = 20
FORMAT = """{
  "format": "enriched-smiles-v2",
  "decimals": 3,
  "max_integer_digits": 2,
  "prompt": ["[SMILES]", "[/SMILES]"],
  "completion": ["[CONFORMER]", "[/CONFORMER]"],
  "end": "<|endoftext|>",
  "frame": "first-atoms"
}
"""
CONFIG = {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "vocab_size": 0, "hidden_size": 512,
          "intermediate_size": 1280, "num_hidden_layers": 10, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 64, "hidden_act": "silu",
          "max_position_embeddings": 2048, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "rope_scaling": None,
          "attention_bias": False, "attention_dropout": 0.0, "use_sliding_window": False, "sliding_window": None,
          "max_window_layers": 10, "tie_word_embeddings": True, "initializer_range": 0.02, "use_cache": True,
          "bos_token_id": None, "eos_token_id": 0, "pad_token_id": 0, "torch_dtype": "bfloat16"}
GENERATION = {"do_sample": True, "temperature": 0.8, "top_k": 0, "top_p": 0.95, "eos_token_id": 0, "pad_token_id": 0,
              "max_new_tokens": 1536}


def byte_chars():
    """GPT-2's reversible byte -> printable character map."""
    keep = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    chars, n = {b: chr(b) for b in keep}, 0
    for b in range(256):
        if b not in chars:
            chars[b] = chr(256 + n)
            n += 1
    return chars


def bpe(piece, ranks):
    parts = list(piece)
    while len(parts) > 1:
        best = min(((ranks.get((parts[i], parts[i + 1]), 1 << 30), i) for i in range(len(parts) - 1)))
        if best[0] == 1 << 30:
            break
        a, b = parts[best[1]], parts[best[1] + 1]
        out, i = [], 0
        while i < len(parts):
            if i + 1 < len(parts) and parts[i] == a and parts[i + 1] == b:
                out.append(a + b)
                i += 2
            else:
                out.append(parts[i])
                i += 1
        parts = out
    return parts


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    pool, out = sys.argv[1:3]
    shape = dict(item.split("=") for item in sys.argv[3:])
    unknown = [name for name in shape if name not in CONFIG]
    if unknown:
        sys.exit("found %s, wanted an item of config.json" % unknown[0])
    count = collections.Counter()
    bare = re.compile(r"\[[^\]]+\]|Cl|Br|[BCNOPSFIbcnops]")
    with open(pool) as file:
        for line in file:
            for t in bare.findall(line.split()[0] if line.strip() else ""):
                count[t if t[0] == "[" else "[" + t + "]"] += 1
    plain = {"[%s]" % a for a in "B C N O P S F Cl Br I b c n o p s Si Se se H".split()}
    closed = plain | {"[%s]" % a for a in (
        "C@ C@@ C@H C@@H N@ N@@ N@+ N@@+ N@H+ N@@H+ S@ S@@ S@+ S@@+ P@ P@@ P@+ P@@+ P@H P@@H Si@ Si@@ nH nH+ n+ n- N+ N- NH+ "
        "NH2+ NH3+ NH- NH NH2 O- O+ OH+ OH2+ o+ S- S+ SH+ SH s+ C- C+ CH- CH2- CH+ c- cH- P+ PH PH+ PH2 B- BH- BH2- BH3- Cl- Br- I- F- "
        "I+ Cl+ Si- SiH SiH2 SiH3 Se+ Se- 2H 3H 13C 13CH3 14C As as te Te").split()}
    atoms = sorted(closed | {t for t, n in count.items() if n >= MIN})
    vocab = {}
    for s in SPECIAL:
        vocab[s] = len(vocab)
    for b in range(256):
        vocab[byte_chars()[b]] = len(vocab)
    merges, ranks = [], {}

    def merge(a, b):
        if (a, b) in ranks:
            return
        assert a in vocab and b in vocab, (a, b)
        ranks[(a, b)] = len(merges)
        merges.append([a, b])
        if a + b not in vocab:
            vocab[a + b] = len(vocab)

    # atoms first: grow each from the left, then the '<', then the '>'
    for t in atoms:
        for i in range(1, len(t)):
            merge(t[:i], t[i])
    for t in atoms:
        merge(t, "<")
    for t in atoms:
        merge(">", t + "<")
    D = "0123456789"
    for d in D[1:]:
        merge("%", d)
        for e in D:
            merge("%" + d, e)
    # integer parts: sign, then digits from the right end, then sign and comma on the left
    for d in D:
        merge(d, ".")
    for d in D:
        for e in D:
            if d != "0":
                merge(d, e + ".")
    ints = [str(i) + "." for i in range(100)]
    for t in ints:
        merge("-", t)
    for t in ints:
        merge(",", "-" + t)
    for t in ints:
        merge(",", t)
    # fractions: the two leading digits, then the third
    for d in D:
        for e in D:
            merge(d, e)
    for d in D:
        for e in D:
            for f in D:
                merge(d + e, f)
                merge(d, e + f)
    merge("C", "l")
    merge("B", "r")
    single = atoms + [t + "<" for t in atoms] + [">" + t + "<" for t in atoms]
    single += [s + t for t in ints for s in ("", "-", ",", ",-")] + ["%03d" % i for i in range(1000)]
    single += ["Cl", "Br"] + ["%%%d" % i for i in range(10, 100)]
    bad = [t for t in single if re.findall(PATTERN, t) != [t] or bpe(t, ranks) != [t]]
    assert not bad, bad[:20]
    print("atoms", len(atoms), "vocab", len(vocab), "merges", len(merges))
    print("bracket atoms left to bytes:", [(t, n) for t, n in count.items() if t not in atoms][:40])
    tok = {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": vocab[s], "content": s, "single_word": False, "lstrip": False, "rstrip": False,
                          "normalized": False, "special": True} for s in SPECIAL],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Isolated", "invert": False},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}]},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": vocab, "merges": merges},
    }
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, "tokenizer.json"), "w") as f:
        json.dump(tok, f, ensure_ascii=False, indent=1)
    cfg = {
        "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 2048, "clean_up_tokenization_spaces": False,
        "bos_token": None, "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>", "unk_token": None,
        "additional_special_tokens": SPECIAL[1:], "padding_side": "left",
        "added_tokens_decoder": {str(vocab[s]): {"content": s, "lstrip": False, "normalized": False, "rstrip": False,
                                                 "single_word": False, "special": True} for s in SPECIAL},
    }
    with open(os.path.join(out, "tokenizer_config.json"), "w") as f:
        json.dump(cfg, f, indent=1)
    with open(os.path.join(out, "special_tokens_map.json"), "w") as f:
        json.dump({"eos_token": SPECIAL[0], "pad_token": SPECIAL[0], "additional_special_tokens": SPECIAL[1:]}, f, indent=1)
    config = dict(CONFIG, vocab_size=-(-len(vocab) // 64) * 64)
    config.update((name, type(CONFIG[name])(value)) for name, value in shape.items())
    config["max_window_layers"] = config["num_hidden_layers"]
    for name, items in (("config.json", config), ("generation_config.json", GENERATION)):
        with open(os.path.join(out, name), "w") as f:
            json.dump(items, f, indent=1)
    with open(os.path.join(out, "confgen.json"), "w") as f:
        f.write(FORMAT)


if __name__ == "__main__":
    main()
