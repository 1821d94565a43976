#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes references for a constraint study (development only; needs PyPI's rdkit, and zstd).

    tools/study/make_references.py LIST.smi OUT.smi OUT.sdf.zst [--first 2] [--step 5] [--count 200]
        [--not EVALUATED.tsv] [--training TRAIN.smi.zst] [--seed S] [--processes 2]

LIST.smi has lines "SMILES name k". Rows FIRST, FIRST + STEP, ... (the first line is row 0) are taken,
COUNT of them; in place of one that cannot be used, its neighbour below or above. Not used is what RDKit
does not read, embed or have MMFF94 parameters for, a molecule that was taken before, one of
EVALUATED.tsv ("row SMILES ..."), one of TRAIN.smi.zst. The last two are compared without stereo.

References are ETKDGv3 conformers (30 attempts each, min(k, 16) of them) minimised with MMFF94 (at most
2000 iterations), heavy atoms only in the order of the canonical SMILES, which is their property SMILES:
what data/reference of GEOM-Drugs' other hundred molecules holds. OUT.smi has the canonical SMILES, the
name and how many conformers there are; it is written before they are minimised.
"""
import argparse
import collections
import multiprocessing
import re
import subprocess
import sys
import time

from rdkit import Chem, RDLogger
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

ATOM = re.compile(r"\[\d*([A-Za-z][a-z]?)[^\]]*\]|(Cl|Br|[BCNOFPSIbcnops])")
MOST = 16


def without_stereo(mol):
    return Chem.MolToSmiles(mol, isomericSmiles=False)


def formula(smiles):
    """Counts of heavy atoms by the text alone: unequal for molecules that are unequal in them."""
    counts = collections.Counter()
    for bracket, bare in ATOM.findall(smiles):
        symbol = bracket or bare
        if bracket and symbol.capitalize() not in ("Cl", "Br", "Si", "Se", "As", "Na", "Li"):
            symbol = symbol[0]
        counts[symbol.capitalize()] += 1
    del counts["H"]
    return frozenset(counts.items())


def embed(job):
    """(row, SMILES, wanted, seed) to the molecule with hydrogens and conformers, or a reason."""
    row, smiles, wanted, seed = job
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    if not rdForceFieldHelpers.MMFFHasAllMoleculeParams(mol):
        return row, None, "no MMFF94 parameters"
    parameters = rdDistGeom.ETKDGv3()
    parameters.randomSeed = (seed * 100003 + row) & 0x3FFFFFFF
    parameters.maxIterations = 30
    parameters.numThreads = 1
    rdDistGeom.EmbedMultipleConfs(mol, wanted, parameters)
    if mol.GetNumConformers() == 0:
        parameters.useRandomCoords = True
        rdDistGeom.EmbedMultipleConfs(mol, wanted, parameters)
    if mol.GetNumConformers() == 0:
        return row, None, "not embedded"
    return row, mol, None


def minimise(job):
    """(row, name, SMILES, molecule) to the text of its records."""
    row, name, smiles, mol = job
    rdForceFieldHelpers.MMFFOptimizeMoleculeConfs(mol, numThreads=1, maxIters=2000)
    heavy = Chem.RemoveHs(mol)
    Chem.MolToSmiles(heavy)
    heavy = Chem.RenumberAtoms(heavy, list(heavy.GetPropsAsDict(True, True)["_smilesAtomOutputOrder"]))
    heavy.SetProp("_Name", name)
    text = ""
    for n, conformer in enumerate(heavy.GetConformers()):
        text += Chem.MolToMolBlock(heavy, confId=conformer.GetId())
        text += ">  <SMILES>\n%s\n\n>  <conformer>\n%d\n\n$$$$\n" % (smiles, n)
    return row, text


def read_training(path, formulas):
    """Training molecules, without stereo, whose formula is one of `formulas`; how many lines there are,
    and how many of them RDKit does not read."""
    found, lines, unread = set(), 0, 0
    process = subprocess.Popen(["zstd", "-dcq", path], stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        lines += 1
        smiles = line.split()[0]
        if formula(smiles) not in formulas:
            continue
        mol = Chem.MolFromSmiles(smiles)
        if mol is None:
            unread += 1
            print("not read: %s" % smiles)
        else:
            found.add(without_stereo(mol))
    if process.wait():
        sys.exit("%s: zstd failed" % path)
    return found, lines, unread


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("list")
    parser.add_argument("out_smi")
    parser.add_argument("out_sdf")
    parser.add_argument("--first", type=int, default=2)
    parser.add_argument("--step", type=int, default=5)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--not", dest="evaluated")
    parser.add_argument("--training")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    RDLogger.DisableLog("rdApp.*")
    began = time.time()

    rows = [line.split() for line in open(args.list)]
    refused = set()
    if args.evaluated:
        for line in open(args.evaluated):
            refused.add(without_stereo(Chem.MolFromSmiles(line.split()[1])))
    mols = {}
    for row in range(len(rows)):
        mol = Chem.MolFromSmiles(rows[row][0])
        if mol is not None:
            # RDKit may write another SMILES for what it reads from its own
            smiles = Chem.MolToSmiles(Chem.MolFromSmiles(Chem.MolToSmiles(mol)))
            mols[row] = (smiles, without_stereo(mol))
    if args.training:
        trained, lines, unread = read_training(args.training, {formula(flat) for _, flat in mols.values()})
        both = sum(flat in trained for _, flat in mols.values())
        print("%d training molecules (%d not read), %d of the formula of one of the list, "
              "which has %d: %d are both" % (lines, unread, len(trained), len(mols), both), flush=True)
        refused |= trained

    taken = {}
    slots = [args.first + args.step * n for n in range(args.count)]
    with multiprocessing.Pool(args.processes) as pool:
        tries = {slot: [slot, slot + 1, slot - 1] for slot in slots}
        while True:
            jobs, owner = [], {}
            for slot in slots:
                while slot not in taken and tries[slot]:
                    row = tries[slot].pop(0)
                    if row not in mols or mols[row][1] in refused:
                        print("row %d is not used" % row)
                        continue
                    refused.add(mols[row][1])
                    owner[row] = slot
                    jobs.append((row, mols[row][0], min(int(rows[row][2]), MOST), args.seed))
                    break
            if not jobs:
                break
            for row, mol, reason in pool.imap_unordered(embed, jobs):
                if mol is None:
                    print("row %d is not used: %s" % (row, reason))
                else:
                    taken[owner[row]] = (row, mol)
        chosen = sorted(taken.values(), key=lambda item: item[0])
        with open(args.out_smi, "w") as out:
            for row, mol in chosen:
                out.write("%s\t%s\t%d\n" % (mols[row][0], rows[row][1], mol.GetNumConformers()))
        print("%d molecules, %d conformers embedded, %.0f s"
              % (len(chosen), sum(mol.GetNumConformers() for _, mol in chosen), time.time() - began), flush=True)
        jobs = [(row, rows[row][1], mols[row][0], mol) for row, mol in chosen]
        texts = dict(pool.imap_unordered(minimise, jobs))
    packer = subprocess.Popen(["zstd", "-q", "-19", "-f", "-o", args.out_sdf], stdin=subprocess.PIPE, text=True)
    for row in sorted(texts):
        packer.stdin.write(texts[row])
    packer.stdin.close()
    if packer.wait():
        sys.exit("%s: zstd failed" % args.out_sdf)
    print("minimised, %.0f s" % (time.time() - began))


if __name__ == "__main__":
    main()
