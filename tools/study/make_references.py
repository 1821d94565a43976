#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the references of a constraint study (development only; needs PyPI's rdkit, and zstd).

    tools/study/make_references.py LIST.smi OUT.smi OUT.sdf.zst [--first 2] [--step 5] [--count 200]
        [--not EVALUATED.tsv] [--training TRAIN.smi.zst] [--seed S] [--processes 2]

LIST.smi has lines "SMILES name k". Selects COUNT rows, FIRST, FIRST + STEP, ... (the first line is row
0); a row that cannot be used is replaced by the next or the previous one. A row cannot be used if RDKit
does not read or embed it or lacks MMFF94 parameters for it, or if its molecule was selected before or is
in EVALUATED.tsv ("row SMILES ...") or TRAIN.smi.zst (both compared without stereo).

References are min(k, 16) ETKDGv3 conformers (30 attempts each), minimised with MMFF94 (at most 2000
iterations), with heavy atoms only, in the order of the canonical SMILES, which is their property SMILES.
OUT.smi has the canonical SMILES, the name and the number of conformers; it is written before the
minimisation.
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
MAX_CONFORMERS = 16


def without_stereo(mol):
    return Chem.MolToSmiles(mol, isomericSmiles=False)


def formula(smiles):
    """Counts of heavy atoms, from the text only."""
    counts = collections.Counter()
    for bracket, bare in ATOM.findall(smiles):
        symbol = bracket or bare
        if bracket and symbol.capitalize() not in ("Cl", "Br", "Si", "Se", "As", "Na", "Li"):
            symbol = symbol[0]
        counts[symbol.capitalize()] += 1
    del counts["H"]
    return frozenset(counts.items())


def embed(job):
    """Embeds (row, SMILES, count, seed). Returns row, the molecule with hydrogens, or a reason."""
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
    """Minimises (row, name, SMILES, molecule). Returns row and the text of its records."""
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
    """Returns the training molecules, without stereo, whose formula is in `formulas`, the number of lines,
    and the number of lines that RDKit does not read."""
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
    start = time.time()

    rows = [line.split() for line in open(args.list)]
    refused = set()
    if args.evaluated:
        for line in open(args.evaluated):
            refused.add(without_stereo(Chem.MolFromSmiles(line.split()[1])))
    mols = {}
    for row in range(len(rows)):
        mol = Chem.MolFromSmiles(rows[row][0])
        if mol is not None:
            # RDKit may write another SMILES for a molecule read from its own SMILES
            smiles = Chem.MolToSmiles(Chem.MolFromSmiles(Chem.MolToSmiles(mol)))
            mols[row] = (smiles, without_stereo(mol))
    if args.training:
        trained, lines, unread = read_training(args.training, {formula(flat) for _, flat in mols.values()})
        both = sum(flat in trained for _, flat in mols.values())
        print("%d training molecules (%d not read), %d of the formula of one of the list, "
              "which has %d: %d are in both" % (lines, unread, len(trained), len(mols), both), flush=True)
        refused |= trained

    selected = {}
    slots = [args.first + args.step * n for n in range(args.count)]
    with multiprocessing.Pool(args.processes) as pool:
        tries = {slot: [slot, slot + 1, slot - 1] for slot in slots}
        while True:
            jobs, owner = [], {}
            for slot in slots:
                while slot not in selected and tries[slot]:
                    row = tries[slot].pop(0)
                    if row not in mols or mols[row][1] in refused:
                        print("row %d skipped" % row)
                        continue
                    refused.add(mols[row][1])
                    owner[row] = slot
                    jobs.append((row, mols[row][0], min(int(rows[row][2]), MAX_CONFORMERS), args.seed))
                    break
            if not jobs:
                break
            for row, mol, reason in pool.imap_unordered(embed, jobs):
                if mol is None:
                    print("row %d skipped: %s" % (row, reason))
                else:
                    selected[owner[row]] = (row, mol)
        chosen = sorted(selected.values(), key=lambda item: item[0])
        with open(args.out_smi, "w") as out:
            for row, mol in chosen:
                out.write("%s\t%s\t%d\n" % (mols[row][0], rows[row][1], mol.GetNumConformers()))
        print("%d molecules, %d conformers embedded, %.0f s"
              % (len(chosen), sum(mol.GetNumConformers() for _, mol in chosen), time.time() - start), flush=True)
        jobs = [(row, rows[row][1], mols[row][0], mol) for row, mol in chosen]
        texts = dict(pool.imap_unordered(minimise, jobs))
    packer = subprocess.Popen(["zstd", "-q", "-19", "-f", "-o", args.out_sdf], stdin=subprocess.PIPE, text=True)
    for row in sorted(texts):
        packer.stdin.write(texts[row])
    packer.stdin.close()
    if packer.wait():
        sys.exit("%s: zstd failed" % args.out_sdf)
    print("minimised, %.0f s" % (time.time() - start))


if __name__ == "__main__":
    main()
