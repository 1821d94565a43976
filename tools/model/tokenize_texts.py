#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turns conformer texts into token files for train.py (needs PyPI's tokenizers and numpy).

    tools/model/tokenize_texts.py TEXTS PREFIX MODEL [--follow]

TEXTS: a file of gen_conformers, or a folder of *.txt. Writes PREFIX.tok (uint16 ids, documents end to end) and PREFIX.doc
(records of three int64: offset, length, length of the prompt). The top bit of an id marks the six coordinate tokens of an
atom that the third column of a line names. --follow goes on as the files grow, until it is ended; tokens are written before
their records, so that a reader may follow.
"""
import glob
import os
import sys
import time

import numpy as np
from tokenizers import Tokenizer

LONGEST = 2048  # tokens; longer documents are left out


def encode(lines, tokenizer, opens, start):
    """(ids with marks, length of the prompt) of each line."""
    texts, marks = [], []
    for line in lines:
        fields = line.split("\t")
        if len(fields) < 2:
            sys.exit("found '%s', wanted SMILES, tab, enriched SMILES" % line)
        marks.append([int(v) for v in fields[2].split(",")] if len(fields) > 2 and fields[2] else [])
        texts.append("[SMILES]%s[/SMILES][CONFORMER]%s[/CONFORMER]<|endoftext|>" % tuple(fields[:2]))
    for encoding, marked in zip(tokenizer.encode_batch_fast(texts, add_special_tokens=False), marks):
        ids = np.array(encoding.ids, dtype=np.uint16)
        prompt = int(np.flatnonzero(ids == start)[0]) + 1
        atoms = np.flatnonzero(opens[ids])  # tokens that end an atom's name: its coordinates follow
        for m in marked:
            ids[atoms[m] + 1:atoms[m] + 7] |= 0x8000
        if len(ids) <= LONGEST:
            yield ids, prompt


def complete_lines(path, offset):
    """The lines from offset on that have ended, at most 64 MiB of them, and where the next begins."""
    with open(path, "rb") as file:
        file.seek(offset)
        data = file.read(64 << 20)
    end = data.rfind(b"\n") + 1
    return data[:end].decode().splitlines(), offset + end


def main():
    follow = "--follow" in sys.argv
    arguments = [a for a in sys.argv[1:] if a != "--follow"]
    if len(arguments) != 3:
        sys.exit(__doc__)
    texts, prefix, folder = arguments
    tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    start = tokenizer.token_to_id("[CONFORMER]")
    opens = np.zeros(1 << 16, bool)
    for name, i in tokenizer.get_vocab().items():
        opens[i] = name.endswith("<")
    offsets, total, documents = {}, 0, 0
    with open(prefix + ".tok", "wb") as ids_file, open(prefix + ".doc", "wb") as record_file:
        while True:
            new = 0
            for path in sorted(glob.glob(os.path.join(texts, "*.txt"))) if os.path.isdir(texts) else [texts]:
                lines, offsets[path] = complete_lines(path, offsets.get(path, 0))
                new += len(lines)
                for i in range(0, len(lines), 4096):
                    records = []
                    for ids, prompt in encode(lines[i:i + 4096], tokenizer, opens, start):
                        records.append((total, len(ids), prompt))
                        ids_file.write(ids.tobytes())
                        total += len(ids)
                    ids_file.flush()
                    record_file.write(np.array(records, dtype=np.int64).tobytes())
                    record_file.flush()
                    documents += len(records)
            if not new and not follow:
                break
            if not new:
                time.sleep(2)
    print("%d documents, %d tokens" % (documents, total))


if __name__ == "__main__":
    main()
