#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes a small tokenizer of the kind that a text format's models have.

    make_format_tokenizer.py SOURCE OUT [single-digits] [bins-250 | bins-258 | codes]

SOURCE is tests/data/tokenizers/llama3_test/tokenizer.json: Llama-3's pattern, groups of three
digits, BOS in front. single-digits: Qwen's pattern instead, without BOS. bins-250, bins-258: added
tokens 000 to 249 or 257; codes: added tokens <0> to <4095>. Prints the number of ids.
"""
import json
import sys

source, out, *kinds = sys.argv[1:]
tokenizer = json.load(open(source))
config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|begin_of_text|>",
          "eos_token": "<|end_of_text|>"}
added = tokenizer["added_tokens"]
if "single-digits" in kinds:
    split = tokenizer["pre_tokenizer"]["pretokenizers"][0]["pattern"]
    split["Regex"] = split["Regex"].replace(r"\p{N}{1,3}", r"\p{N}")
    tokenizer["post_processor"] = tokenizer["decoder"]
    # Qwen's vocabulary has no tokens of several digits; their ids stay unused.
    model = tokenizer["model"]
    model["vocab"] = {t: i for t, i in model["vocab"].items() if not (t.isdigit() and len(t) > 1)}
    model["merges"] = [m for m in model["merges"]
                       if not "".join(m if isinstance(m, list) else m.split(" ")).isdigit()]
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|endoftext|>"}
texts = []
for kind in kinds:
    if kind.startswith("bins-"):
        texts = ["%03d" % i for i in range(int(kind[5:]))]
    elif kind == "codes":
        texts = ["<%d>" % i for i in range(4096)]
first = max(token["id"] for token in added) + 1
# 3DMolGen's scripts add bins as ordinary tokens and codes as special ones.
for i, text in enumerate(texts):
    added.append({"id": first + i, "content": text, "single_word": False, "lstrip": False,
                  "rstrip": False, "normalized": False, "special": "codes" in kinds})
json.dump(tokenizer, open(out + "/tokenizer.json", "w"))
json.dump(config, open(out + "/tokenizer_config.json", "w"))
print(first + len(texts))
