#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares tokens that the constraint grammar accepts with those of PyPI's tokenizers (development only).

usage: compare_format_tokens.py BUILD [--molecules N] [TOKENIZER_DIR...]

BUILD is a build folder. For each tokenizer (data/confgen-default and tests/data/tokenizers/llama3_test,
unless folders are given) and each built-in text format, tests/properties/test_grammar walks through the
automaton of N (2000) molecules; the text of every walk is encoded again by PyPI's tokenizers. Bins are
tried as text and as added tokens, codes as added tokens. Exit status 1 if ids differ.

Needs tokenizers, and transformers for folders without a tokenizer.json.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import tokenizers

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEFAULTS = ["data/confgen-default", "tests/data/tokenizers/llama3_test"]
# Format -> texts of its numbers, None for decimals.
FORMATS = {
    "molgen-v1": None,
    "molgen-v2": None,
    "molgen-v3": None,
    "molgen-binned-21": ["%04d" % i for i in range(1001)],
    "molgen-binned-13": ["%03d" % i for i in range(251)],
    "molgen-binned-258": ["%03d" % i for i in range(258)],
    "molgen-fsq": ["<%d>" % i for i in range(4096)],
}


def load(folder):
    path = folder / "tokenizer.json"
    if path.exists():
        return tokenizers.Tokenizer.from_file(str(path))
    import transformers
    return transformers.AutoTokenizer.from_pretrained(str(folder)).backend_tokenizer


def make_folder(source, added, target):
    """Writes the tokenizer with the numbers as added tokens. Returns it as PyPI's tokenizers reads it."""
    tokenizer = load(source)
    tokenizer.add_tokens(added)
    tokenizer.save(str(target / "tokenizer.json"))
    if (source / "confgen.json").exists():
        shutil.copy(source / "confgen.json", target)
    return tokenizers.Tokenizer.from_file(str(target / "tokenizer.json"))


def compare(build, source, name, added, molecules):
    """Returns the number of texts and of those with other ids; prints the first one."""
    different = n = 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        tokenizer = make_folder(source, added, folder)
        walks = folder / "walks"
        env = dict(os.environ, CONFGEN_SOURCE_ROOT=str(ROOT))
        result = subprocess.run(
            [build / "tests/properties/test_grammar", build / "plugins/constraints/constraint_grammar.so",
             "--molecules", str(molecules), "--format", name, "--write", walks, folder],
            env=env, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            sys.exit("%s, %s: test_grammar has status %d\n%s%s" %
                     (source, name, result.returncode, result.stdout[-2000:], result.stderr[-2000:]))
        with open(walks, encoding="utf-8") as lines:
            for line in lines:
                walk = json.loads(line)
                ids = tokenizer.encode(walk["text"], add_special_tokens=False).ids
                n += 1
                if ids != walk["ids"]:
                    different += 1
                    if different == 1:
                        at = next(i for i in range(len(ids) + 1) if ids[:i + 1] != walk["ids"][:i + 1])
                        print("DIFFERENT from token %d: %s" % (at, walk["text"][:200]))
    return n, different


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("folders", nargs="*", type=pathlib.Path)
    parser.add_argument("--molecules", type=int, default=2000)
    args = parser.parse_intermixed_args()
    all_different = 0
    print("tokenizers %s" % tokenizers.__version__)
    for source in args.folders or [ROOT / d for d in DEFAULTS]:
        for name, texts in FORMATS.items():
            for added in ([], texts) if texts else ([],):
                if name == "molgen-fsq" and not added:
                    continue
                n, different = compare(args.build.resolve(), source, name, added, args.molecules)
                print("%s, %s%s: %d texts, %d with other ids" %
                      (source.name, name, ", added tokens" if added else "", n, different), flush=True)
                all_different += different
    return 1 if all_different else 0


if __name__ == "__main__":
    sys.exit(main())
