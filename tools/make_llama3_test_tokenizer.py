#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Trains the small Llama-3-like tokenizer of the tests (development only; needs PyPI tokenizers).

usage: make_llama3_test_tokenizer.py VAL_ENRICHED.txt[.zst] OUT_DIR

VAL_ENRICHED has lines `SMILES <tab> enriched SMILES`. Coordinates get a fourth decimal from a fixed
generator, because Llama-3 checkpoints for this task use four. The result has Llama-3's pattern (digits in
groups of up to three from the left), ignore_merges, every string of one to three digits as a token, and
the special tokens of the format.
"""
import os
import random
import re
import subprocess
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
           r"|\s*[\r\n]+|\s+(?!\S)|\s+")
SPECIAL = ["<|begin_of_text|>", "<|end_of_text|>", "<|endoftext|>", "[SMILES]", "[/SMILES]", "[CONFORMER]",
           "[/CONFORMER]"]
VOCAB = 4096 - len(SPECIAL)


def lines(path):
    if path.endswith(".zst"):
        return subprocess.run(["zstd", "-dc", path], check=True, stdout=subprocess.PIPE).stdout.decode().splitlines()
    return open(path).read().splitlines()


def main():
    rng = random.Random(20)
    texts = []
    for line in lines(sys.argv[1]):
        smiles, enriched = line.split("\t")
        enriched = re.sub(r"\d+\.\d{3}(?!\d)", lambda m: m.group() + str(rng.randrange(10)), enriched)
        texts += [smiles, enriched]
    tok = Tokenizer(models.BPE(ignore_merges=True))
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), behavior="isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=False)])
    tok.decoder = decoders.ByteLevel()
    # every digit group is a word that occurs often enough to become a token
    digits = ["%0*d" % (n, i) for n in (2, 3) for i in range(10 ** n)]
    trainer = trainers.BpeTrainer(vocab_size=VOCAB, min_frequency=1, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tok.train_from_iterator(texts + [" ".join(digits)] * 400, trainer)
    vocab = tok.get_vocab()
    missing = [d for d in digits if d not in vocab]
    assert not missing, (len(missing), missing[:5])
    for s in ("]<", ">[", ",-", ")[", ">(", "=[", "Cl", "nH"):
        if s not in vocab and "[" + s not in vocab:
            print("not a token:", s)
    tok.add_special_tokens([AddedToken(s, normalized=False, special=True) for s in SPECIAL])
    bos = SPECIAL[0]
    tok.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single=[bos, "$A"], pair=[bos, "$A", bos, "$B"],
                                      special_tokens=[(bos, tok.token_to_id(bos))])])
    os.makedirs(sys.argv[2], exist_ok=True)
    tok.save(os.path.join(sys.argv[2], "tokenizer.json"), pretty=False)
    print("vocabulary of", tok.get_vocab_size(), "tokens")
    sample = "[C]<-1.2345,0.1234,-12.3456>([Cl]<1.0000,2.5000,3.1250>)=[nH]<0.0001,-1.2345,0.5000>"
    print(tok.encode(sample, add_special_tokens=False).tokens)


if __name__ == "__main__":
    main()
