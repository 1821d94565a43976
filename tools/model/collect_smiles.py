#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Collects the SMILES to train on (development only; needs RDKit).

    tools/model/collect_smiles.py SOURCES.tsv RAW_DIR OUT_DIR EXCLUDE.smi [...] [--held-out N]

SOURCES.tsv: file name in RAW_DIR (.gz is read too), kind. Kinds: "smi" first blank-separated field of each line, "csv0" first
CSV column, "csv-1" last CSV column, "tsv-1" last tab-separated field. Kept are largest fragments of 8 to 60 heavy atoms, of
the elements H B C N O F Si P S Cl Br I, with no ring over 12 and at most 20 rotatable bonds, without isotopes and radicals.
Every molecule whose stereo-free canonical SMILES is that of a largest fragment of an EXCLUDE list is left out, whatever its
stereo.

Writes OUT_DIR/pool.smi (SMILES, heavy atoms, source), held_out.smi (the first N, 1500) and train.smi (the rest, without any
stereoisomer of a held-out molecule), one canonical isomeric SMILES a line, shuffled.
"""
import csv
import gzip
import multiprocessing as mp
import os
import random
import sys

from rdkit import Chem, RDLogger
from rdkit.Chem.rdMolDescriptors import CalcNumRotatableBonds

RDLogger.DisableLog("rdApp.*")
csv.field_size_limit(10 ** 9)
ELEMENTS = {1, 5, 6, 7, 8, 9, 14, 15, 16, 17, 35, 53}


def read(path, kind):
    with (gzip.open(path, "rt") if path.endswith(".gz") else open(path)) as f:
        if kind == "smi":
            return [l.split()[0] for l in f if l.strip()]
        if kind == "tsv-1":
            return [l.rstrip("\n").split("\t")[-1] for l in f]
        return [r[0 if kind == "csv0" else -1] for r in csv.reader(f) if r]


def flat(mol):
    m = Chem.Mol(mol)
    Chem.RemoveStereochemistry(m)
    return Chem.MolToSmiles(m)


def largest_fragment(s):
    """The largest fragment of a SMILES, or None if RDKit cannot read it."""
    m = Chem.MolFromSmiles(s)
    if m is not None and "." in s:
        m = max(Chem.GetMolFrags(m, asMols=True), key=lambda f: f.GetNumHeavyAtoms())
    return m


def canonical(s):
    """(isomeric SMILES, stereo-free SMILES, heavy atoms) of the largest fragment, or None."""
    try:
        m = largest_fragment(s)
        if m is None:
            return None
        n = m.GetNumHeavyAtoms()
        if not 8 <= n <= 60 or CalcNumRotatableBonds(m) > 20:
            return None
        for a in m.GetAtoms():
            if a.GetAtomicNum() not in ELEMENTS or a.GetIsotope() or a.GetNumRadicalElectrons():
                return None
        if any(len(r) > 12 for r in m.GetRingInfo().AtomRings()):
            return None
        m = Chem.MolFromSmiles(Chem.MolToSmiles(m))
        return Chem.MolToSmiles(m), flat(m), n
    except (ValueError, RuntimeError):  # RDKit refuses it
        return None


def main():
    arguments, held_out = sys.argv[1:], 1500
    if "--held-out" in arguments:
        at = arguments.index("--held-out")
        held_out = int(arguments[at + 1])
        del arguments[at:at + 2]
    if len(arguments) < 4:
        sys.exit(__doc__)
    sources, raw, out = arguments[:3]
    exclude = set()
    for path in arguments[3:]:
        for number, line in enumerate(open(path), 1):
            if not line.strip():
                continue
            m = largest_fragment(line.split()[0])
            if m is None:
                sys.exit("%s:%d: found '%s', wanted a SMILES" % (path, number, line.split()[0]))
            exclude.add(flat(m))
    pool = {}
    with mp.Pool() as workers:
        for line in open(sources):
            if not line.strip() or line.startswith("#"):
                continue
            name, kind = line.rstrip("\n").split("\t")[:2]
            todo = list(dict.fromkeys(read(os.path.join(raw, name), kind)))
            good = new = left_out = 0
            for r in workers.imap(canonical, todo, chunksize=500):
                if r is None:
                    continue
                good += 1
                if r[1] in exclude:
                    left_out += 1
                elif r[0] not in pool:
                    pool[r[0]] = (r[1], r[2], name)
                    new += 1
            print(name, "lines", len(todo), "usable", good, "new", new, "excluded", left_out, flush=True)
    items = list(pool.items())
    random.Random(7).shuffle(items)
    os.makedirs(out, exist_ok=True)
    held = {v[0] for _, v in items[:held_out]}
    with open(os.path.join(out, "pool.smi"), "w") as f:
        f.writelines("%s\t%d\t%s\n" % (s, v[1], v[2]) for s, v in items)
    with open(os.path.join(out, "held_out.smi"), "w") as f:
        f.writelines(s + "\n" for s, _ in items[:held_out])
    with open(os.path.join(out, "train.smi"), "w") as f:
        f.writelines(s + "\n" for s, v in items[held_out:] if v[0] not in held)
    print("total", len(items), "mean heavy atoms", sum(v[1] for _, v in items) / max(1, len(items)))


if __name__ == "__main__":
    main()
