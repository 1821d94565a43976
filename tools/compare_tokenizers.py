#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the prompts' ids with transformers 4 and 5 for tokenizer classes and settings (development only).

usage: compare_tokenizers.py --hf4 PYTHON --hf5 PYTHON [--keep DIR] [--only NAME]

PYTHON has PyPI transformers 4.57 or 5.x with tokenizers. Folders with a tokenizer.json, a
tokenizer_config.json and a config.json are made for classes, model types and settings, and
`AutoTokenizer.from_pretrained(folder)(prompt)` of both versions is compared with
`encode_lines FOLDER --prompt`: the ids must be equal to those of every version that loads the
folder, or confgen must refuse it. Prints one line a folder and a summary; exit status 1 if ids
differ. Needs the built tests (build/tests/tools/encode_lines).
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROMPTS = ["[SMILES]C[C@H](N)C(=O)O[/SMILES]", "[SMILES]c1ccc2[nH]ccc2c1[/SMILES]", "CCO", "C/C=C/C.[Na+].[Cl-]", "[SMILES]"]


# ---- what transformers makes of a folder --------------------------------------------------------

def worker(folders):
    """Run by the pythons with transformers: prints the ids of the prompts for each folder."""
    import logging
    import warnings
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    os.environ["HF_HUB_OFFLINE"] = "1"
    from transformers import AutoTokenizer
    for folder in folders:
        try:
            tok = AutoTokenizer.from_pretrained(folder)
            out = {"class": type(tok).__name__, "ids": [tok(t)["input_ids"] for t in PROMPTS]}
        except BaseException as e:
            out = {"error": "%s: %s" % (type(e).__name__, str(e).split("\n")[0][:160])}
        print(json.dumps(out), flush=True)


# ---- folders ------------------------------------------------------------------------------------

def byte_char(b):
    if 33 <= b <= 126 or 161 <= b <= 172 or 174 <= b <= 255:
        return chr(b)
    return chr(256 + b if b <= 32 else 256 + 33 + b - 127 if b <= 160 else 256 + 67)


def byte_level(pre_tokenizer, normalizer=None, post=None, added=(), **model):
    """A byte-level BPE tokenizer.json of 256 bytes and some merges."""
    vocab = {byte_char(b): b for b in range(256)}
    merges = []
    for a, b in [("C", "C"), ("c", "1"), ("=", "O"), ("(", "=O"), ("[", "C"), ("\u0120", "C"), ("CC", "O")]:
        vocab[a + b] = len(vocab)
        merges.append([a, b])
    first = len(vocab)
    tokens = [{"id": first + i, "content": t, "single_word": False, "lstrip": False, "rstrip": False,
               "normalized": False, "special": True} for i, t in enumerate(["<s>", "</s>", "<unk>", *added])]
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": tokens, "normalizer": normalizer,
            "pre_tokenizer": pre_tokenizer, "post_processor": post, "decoder": {"type": "ByteLevel", "add_prefix_space": True,
                                                                              "trim_offsets": True, "use_regex": True},
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                      "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                      "vocab": vocab, "merges": merges, **model}}


def bl(prefix=False, regex=True):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}


def split(pattern):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def template(single, **ids):
    pieces = [{"Sequence": {"id": "A", "type_id": 0}} if p == "$A" else {"SpecialToken": {"id": p, "type_id": 0}}
              for p in single.split()]
    return {"type": "TemplateProcessing", "single": pieces, "pair": [],
            "special_tokens": {k: {"id": k, "ids": [v], "tokens": [k]} for k, v in ids.items()}}


def added(first, *contents):
    return [{"id": first + i, "content": t, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
             "special": True} for i, t in enumerate(contents)]


def of_kind(model, vocab, normalizer, pre_tokenizer, post=None, **settings):
    """A tokenizer.json over the characters of SMILES and some pieces; ids as in byte_level()."""
    vocab = {t: i for i, t in enumerate(list("BCFHINOPSbcnops0123456789()[]=#+-@/\\.%lrai") + vocab)}
    first = len(vocab)
    vocab.update({"<unk>": first, "<s>": first + 1, "</s>": first + 2})
    settings = {"type": model, "unk_token": "<unk>", **settings}
    if settings.pop("bytes", False):
        vocab.update({"<0x%02X>" % b: len(vocab) + b for b in range(256)})
    if post:
        post = json.loads(json.dumps(post).replace(str(S), str(first + 1)).replace(str(E), str(first + 2)))
    return {"version": "1.0", "truncation": None, "padding": None, "normalizer": normalizer, "pre_tokenizer": pre_tokenizer,
            "added_tokens": added(first, "<unk>", "<s>", "</s>") + added(max(vocab.values()) + 1, "[SMILES]", "[/SMILES]"),
            "post_processor": post, "decoder": None, "model": {**settings, "vocab": vocab}}


QWEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
S, E, U = 263, 264, 265


def folders():
    """Yields name, tokenizer.json, tokenizer_config.json or None, config.json or None."""
    bos = template("<s> $A", **{"<s>": S})
    both = template("<s> $A </s>", **{"<s>": S, "</s>": E})
    gpt2 = lambda **k: byte_level(bl(k.pop("prefix", False)), added=["[SMILES]", "[/SMILES]", "<|endoftext|>"], **k)
    seq = lambda pat, **k: byte_level({"type": "Sequence", "pretokenizers": [split(pat), bl(regex=False)]},
                                      added=["[SMILES]", "[/SMILES]", "<|endoftext|>"], **k)
    nfc = {"type": "NFC"}
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    types = ["llama", "qwen2", "qwen3", "mistral", "gpt2", "gpt_neox"]
    posts = {"none": None, "bos": bos, "both": both, "bytes+bos": {"type": "Sequence", "processors": [bl(), bos]},
             "roberta": {"type": "RobertaProcessing", "sep": ["</s>", E], "cls": ["<s>", S], "trim_offsets": True, "add_prefix_space": False},
             "bert": {"type": "BertProcessing", "sep": ["</s>", E], "cls": ["<s>", S]}}
    fast = {"tokenizer_class": "PreTrainedTokenizerFast", **names}
    for k, p in posts.items():
        yield "fast, llama3 pattern, post " + k, seq(LLAMA3, post=p), fast, "llama"
        yield "backend, post " + k, seq(LLAMA3, post=p), dict(fast, tokenizer_class="TokenizersBackend"), "llama"
    for t in types:
        for c in ["PreTrainedTokenizerFast", "TokenizersBackend", "LlamaTokenizer", "LlamaTokenizerFast", "Qwen2Tokenizer", "GPT2Tokenizer",
                  "GPTNeoXTokenizerFast", "RobertaTokenizer", "T5TokenizerFast", None]:
            conf = dict(names, **({"tokenizer_class": c} if c else {}))
            yield f"{t}, {c}, qwen pattern", seq(QWEN, normalizer=nfc), conf, t
            yield f"{t}, {c}, gpt2 pattern", gpt2(), conf, t
            yield f"{t}, {c}, gpt2 pattern, NFC, bos", gpt2(normalizer=nfc, post=bos), conf, t
            yield f"{t}, {c}, llama3 pattern, bos", seq(LLAMA3, post=bos), conf, t
    for t in types:
        yield f"{t}, no tokenizer_config, qwen pattern", seq(QWEN, normalizer=nfc), None, t
        yield f"{t}, no tokenizer_config, gpt2 pattern, bos", gpt2(post=bos), None, t
    for c in ["PreTrainedTokenizerFast", "GPT2Tokenizer", "GPTNeoXTokenizer", "RobertaTokenizer", "Qwen2Tokenizer"]:
        for prefix in [True, False, None, "absent"]:
            for have in [True, False]:
                conf = dict(names, tokenizer_class=c)
                if prefix != "absent":
                    conf["add_prefix_space"] = prefix
                yield f"{c}, add_prefix_space {prefix}, file {have}", gpt2(prefix=have, post=posts["roberta"] if c[0] == "R" else None), conf, "qwen3"
    for c in ["LlamaTokenizer", "GPTNeoXTokenizer", "GPT2Tokenizer", "PreTrainedTokenizerFast"]:
        for add in [{}, {"add_bos_token": True}, {"add_bos_token": False}, {"add_bos_token": True, "add_eos_token": True}]:
            for k in ["none", "bos", "both"]:
                yield f"{c}, {add}, post {k}", gpt2(normalizer=nfc if "Neo" in c else None, post=posts[k]), dict(names, tokenizer_class=c, **add), "llama"
    bar = "\u2581"
    meta = lambda scheme, split=False: {"type": "Metaspace", "replacement": bar, "prepend_scheme": scheme, "split": split}
    prepend = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": bar},
                                                    {"type": "Replace", "pattern": {"String": " "}, "content": bar}]}
    piece = dict(fuse_unk=True, byte_fallback=True, bytes=True, dropout=None, merges=[["C", "C"], [bar, "C"], ["(", "="]])
    pieces = [bar, "CC", bar + "C", "(="]
    bert = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": False}
    atoms = split(r"\[[^\]]+\]|Br|Cl|.")
    for c in ["LlamaTokenizer", "LlamaTokenizerFast", "PreTrainedTokenizerFast", "TokenizersBackend", None]:
        for t in ["llama", "mistral", "gpt2"]:
            for legacy in [True, False, "absent"]:
                conf = dict(names, **({"tokenizer_class": c} if c else {}), **({} if legacy == "absent" else {"legacy": legacy}))
                for k, n, p in [("prepend", prepend, None), ("first", None, meta("first")), ("always", None, meta("always"))]:
                    yield f"{t}, {c}, legacy {legacy}, SentencePiece {k}, bos", of_kind("BPE", pieces, n, p, bos, **piece), conf, t
    for add in [True, False, None]:
        yield f"LlamaTokenizer, add_prefix_space {add}, SentencePiece", of_kind("BPE", pieces, None, meta("first"), bos, **piece), dict(
            names, tokenizer_class="LlamaTokenizer", legacy=False, add_prefix_space=add), "llama"
    for c in ["BertTokenizer", "BertTokenizerFast", "PreTrainedTokenizerFast", "TokenizersBackend"]:
        for lower in [True, False, "absent"]:
            for k in ["none", "bert"]:
                conf = dict(tokenizer_class=c, unk_token="<unk>", cls_token="<s>", sep_token="</s>", pad_token="</s>", mask_token="<unk>")
                if lower != "absent":
                    conf["do_lower_case"] = lower
                yield f"{c}, do_lower_case {lower}, WordPiece, post {k}", of_kind(
                    "WordPiece", ["##C", "##c", "CC", "##O", "##l"], bert, {"type": "BertPreTokenizer"}, posts[k],
                    continuing_subword_prefix="##", max_input_chars_per_word=100), conf, "gpt2"
    for c in ["PreTrainedTokenizerFast", "TokenizersBackend", "GPT2Tokenizer"]:
        for k in posts:
            if "bytes" not in k:
                yield f"{c}, WordLevel, post {k}", of_kind("WordLevel", ["Cl", "Br"], None, atoms, posts[k]), dict(names, tokenizer_class=c), "gpt2"
    yield "llama class without bos", gpt2(), {"tokenizer_class": "LlamaTokenizer", "bos_token": None, "eos_token": "</s>", "unk_token": "<unk>"}, "llama"
    yield "llama class, bos unknown", gpt2(), {"tokenizer_class": "LlamaTokenizer", "bos_token": "<b>", "unk_token": "<unk>"}, "llama"
    yield "split_special_tokens", gpt2(), dict(fast, split_special_tokens=True), "llama"
    ok = gpt2()
    decoder = {str(a["id"]): {k: v for k, v in a.items() if k != "id"} for a in ok["added_tokens"]}
    for c in ["PreTrainedTokenizerFast", "GPT2Tokenizer"]:
        yield f"{c}, added_tokens_decoder", ok, dict(names, tokenizer_class=c, added_tokens_decoder=decoder), "qwen3"
        other = json.loads(json.dumps(decoder))
        other["266"]["lstrip"] = True
        yield f"{c}, added_tokens_decoder, lstrip", ok, dict(names, tokenizer_class=c, added_tokens_decoder=other), "qwen3"
        other = {k: v for k, v in decoder.items() if k != "266"}
        yield f"{c}, added_tokens_decoder, one less", ok, dict(names, tokenizer_class=c, added_tokens_decoder=other), "qwen3"
        other = dict(decoder, **{"269": dict(decoder["266"], content="CCO")})
        yield f"{c}, added_tokens_decoder, one more", ok, dict(names, tokenizer_class=c, added_tokens_decoder=other), "qwen3"


    for c in ["GPT2Tokenizer", "GPT2TokenizerFast", "Qwen2Tokenizer"]:
        for t in ["llama", "qwen2", "qwen3", "gpt2"]:
            for conf in [{}, {"add_bos_token": True}, {"add_bos_token": True, "add_eos_token": True}, {"add_prefix_space": True},
                         {"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": True}]:
                yield f"{t}, {c}, vocab.json, {conf}", dict(gpt2(), vocab_form=True), dict(conf, tokenizer_class=c), t


def write_vocab(folder, tokenizer, config):
    """The older form: vocab.json, merges.txt and the added tokens in tokenizer_config.json."""
    model = tokenizer["model"]
    with open(os.path.join(folder, "vocab.json"), "w") as f:
        json.dump(model["vocab"], f)
    with open(os.path.join(folder, "merges.txt"), "w") as f:
        f.write("#version: 0.2\n" + "".join(" ".join(m) + "\n" for m in model["merges"]))
    config["added_tokens_decoder"] = {str(a["id"]): {k: v for k, v in a.items() if k != "id"} for a in tokenizer["added_tokens"]}


def write(folder, tokenizer, config, model_type):
    os.makedirs(folder)
    if tokenizer.get("vocab_form"):
        write_vocab(folder, tokenizer, config)
        tokenizer = None
    for name, value in [("tokenizer.json", tokenizer), ("tokenizer_config.json", config),
                        ("config.json", model_type and {"model_type": model_type, "vocab_size": 300})]:
        if value is not None:
            with open(os.path.join(folder, name), "w") as f:
                json.dump(value, f)


# ---- comparison ---------------------------------------------------------------------------------

def ask_hf(python, paths):
    run = subprocess.run([python, os.path.abspath(__file__), "--worker", *paths], stdout=subprocess.PIPE, check=True)
    return [json.loads(x) for x in run.stdout.decode().splitlines()]


def ask_confgen(path):
    data = b"".join(b"%d\n%s\n" % (len(t), t) for t in map(str.encode, PROMPTS))
    run = subprocess.run([os.path.join(ROOT, "build/tests/tools/encode_lines"), path, "--prompt"], input=data,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if run.returncode:
        return {"error": run.stderr.decode().strip().replace(path + "/", "")}
    lines = run.stdout.decode().splitlines()
    if lines[0].startswith("error: "):
        return {"error": lines[0][7:]}
    return {"ids": [list(map(int, x.split())) for x in lines]}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--worker", nargs="*")
    p.add_argument("--hf4")
    p.add_argument("--hf5")
    p.add_argument("--keep")
    p.add_argument("--only")
    args = p.parse_args()
    if args.worker is not None:
        return worker(args.worker)
    base = args.keep or tempfile.mkdtemp()
    names, paths = [], []
    for name, *parts in folders():
        if args.only and args.only not in name:
            continue
        names.append(name)
        paths.append(os.path.join(base, "%03d" % len(paths)))
        write(paths[-1], *parts)
    count = {"equal": 0, "refused": 0, "refused though both are equal": 0, "DIFFERENT": 0, "loaded by neither": 0}
    for name, path, four, five in zip(names, paths, ask_hf(args.hf4, paths), ask_hf(args.hf5, paths)):
        ours = ask_confgen(path)
        hf = [x["ids"] for x in (four, five) if "ids" in x]
        what = "4: %s, 5: %s" % tuple(x.get("class") or "(" + x["error"][:50] + ")" for x in (four, five))
        if "error" in ours:
            verdict = "refused though both are equal" if len(hf) == 2 and hf[0] == hf[1] else "refused"
            what += ": " + ours["error"]
        elif not hf:
            verdict = "loaded by neither"
        else:
            verdict = "equal" if all(x == ours["ids"] for x in hf) else "DIFFERENT"
            if verdict == "DIFFERENT":
                what += "\n  confgen %s\n  4 %s\n  5 %s" % (ours["ids"][0], four.get("ids", [0])[0], five.get("ids", [0])[0])
        count[verdict] += 1
        print("%s: %s (%s)" % (verdict, name, what))
    print(", ".join("%d %s" % (n, k) for k, n in count.items()), "of", len(names))
    if not args.keep:
        shutil.rmtree(base)
    return count["DIFFERENT"] > 0


if __name__ == "__main__":
    sys.exit(main())
