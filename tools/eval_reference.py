#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the JSON of `confgen eval` with COV and MAT computed by RDKit's GetBestRMS and numpy
(development only; needs PyPI's rdkit, numpy and zstandard).

    confgen eval --ref REF --gen GEN --json OURS.json
    tools/eval_reference.py REF GEN OURS.json [--processes N]

The settings (delta, missing, rmsd, symmetry) are those of OURS.json. Compares every figure of its
summary, the curve, and COV and MAT of every molecule, and prints the largest difference of each. Exit
status 1 if one exceeds 1e-6.
"""
import argparse
import gzip
import io
import json
import multiprocessing
import sys

import numpy as np
import zstandard
from rdkit import Chem, RDLogger
from rdkit.Chem import rdMolAlign

LIMIT = 1e-6
DELTAS = np.arange(1, 61) * 5 / 100


def open_sdf(path):
    f = open(path, "rb")
    magic = f.read(4)
    f.seek(0)
    if magic == b"\x28\xb5\x2f\xfd":
        data = zstandard.ZstdDecompressor().stream_reader(f, read_across_frames=True).read()
        return io.BytesIO(data)
    return gzip.open(f) if magic[:2] == b"\x1f\x8b" else f


def read_molecules(path):
    """Returns name -> {graph: molecule without hydrogens, one conformer per record}, in file order."""
    molecules, shown = {}, {}
    for mol in Chem.ForwardSDMolSupplier(open_sdf(path), removeHs=True):
        if mol is None:
            continue
        name = mol.GetProp("_Name").strip()
        block = Chem.MolToCXSmiles(mol, canonical=False).split(" |")[0]
        graph = shown.get(block)
        if graph is None:
            flat = Chem.MolToSmiles(mol, isomericSmiles=False)
            graph = shown[block] = Chem.MolToSmiles(Chem.MolFromSmiles(flat), isomericSmiles=False)
        by_graph = molecules.setdefault(name, {})
        if graph not in by_graph:
            by_graph[graph] = mol
        else:
            # conformers of a molecule share an order of atoms
            first = by_graph[graph]
            order = mol.GetSubstructMatch(first)
            if list(order) != list(range(mol.GetNumAtoms())):
                mol = Chem.RenumberAtoms(mol, list(order))
            first.AddConformer(mol.GetConformer(), assignId=True)
    return molecules


def distances(task):
    """Returns the RMSD of every pair: [references, generated]."""
    ref, gen, best, conjugated = task
    d = np.zeros((ref.GetNumConformers(), gen.GetNumConformers()))
    plain = [list(zip(range(ref.GetNumAtoms()), range(ref.GetNumAtoms())))]
    for i, r in enumerate(ref.GetConformers()):
        for j, g in enumerate(gen.GetConformers()):
            args = dict(prbId=g.GetId(), refId=r.GetId(), symmetrizeConjugatedTerminalGroups=conjugated)
            if not best:
                args["map"] = plain
            d[i, j] = rdMolAlign.GetBestRMS(gen, ref, **args)
    return d


def figure(values):
    values = np.array([v for v in values if v is not None])
    if not len(values):
        return {"mean": None, "median": None}
    return {"mean": float(np.mean(values)), "median": float(np.median(values))}


def difference(ours, theirs):
    if ours is None or theirs is None:
        return 0.0 if ours is theirs else float("inf")
    return abs(ours - theirs)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("ref")
    p.add_argument("gen")
    p.add_argument("json")
    p.add_argument("--processes", type=int, default=2)
    a = p.parse_args()
    RDLogger.DisableLog("rdApp.*")
    ours = json.load(open(a.json))
    s = ours["settings"]
    refs, gens = read_molecules(a.ref), read_molecules(a.gen)

    names, tasks = [], []
    for name, by_graph in refs.items():
        graph, ref = next(iter(by_graph.items()))
        gen = gens.get(name, {}).get(graph)
        names.append((name, gen is not None))
        if gen is not None:
            tasks.append((ref, gen, s["rmsd"] == "best", s["symmetry"] == "conjugated"))
    with multiprocessing.Pool(a.processes) as pool:
        matrices = iter(pool.imap(distances, tasks, chunksize=1))
        found = [next(matrices) if has else None for _, has in names]

    worst = {}

    def compare(key, mine, theirs):
        worst[key] = max(worst.get(key, 0.0), difference(mine, theirs))

    by_name = {m["name"]: m for m in ours["molecules"]}
    columns = {k: [] for k in ("cov_r", "mat_r", "cov_p", "mat_p")}
    curves = {"cov_r": [], "cov_p": []}
    for (name, _), d in zip(names, found):
        if d is None:
            row = {"cov_r": 0.0, "mat_r": None, "cov_p": 0.0, "mat_p": None}
            low = {"cov_r": np.zeros(60), "cov_p": np.zeros(60)}
        else:
            ends = {"r": d.min(axis=1), "p": d.min(axis=0)}
            row, low = {}, {}
            for k, v in ends.items():
                row["cov_" + k] = float(np.mean(v < s["delta"]))
                row["mat_" + k] = float(np.mean(v))
                low["cov_" + k] = np.array([np.mean(v < x) for x in DELTAS])
        for k, v in row.items():
            compare("molecules " + k, by_name[name][k], v)
        if d is None and s["missing"] == "drop":
            continue
        for k, v in row.items():
            columns[k].append(v)
        for k, v in low.items():
            curves[k].append(v)
    for k, v in columns.items():
        f = figure(v)
        for part in ("mean", "median"):
            compare("summary %s %s" % (k, part), ours["summary"][k][part], f[part])
            print("%s %-6s  ours %-20s  RDKit %s" % (k, part, ours["summary"][k][part], f[part]))
    for k, v in curves.items():
        for i in range(60):
            f = figure([c[i] for c in v])
            for part in ("mean", "median"):
                compare("curve %s %s" % (k, part), ours["summary"]["curve"]["%s_%s" % (k, part)][i], f[part])
    pairs = sum(d.size for d in found if d is not None)
    print("%d molecules, %d pairs" % (len(names), pairs))
    bad = False
    for k, v in worst.items():
        print("%-26s largest difference %.2e%s" % (k, v, "  TOO LARGE" if v > LIMIT else ""))
        bad |= not v <= LIMIT
    if pairs != ours["summary"]["pairs"] or len(names) != ours["summary"]["molecules"]:
        print("found %d molecules and %d pairs in %s" %
              (ours["summary"]["molecules"], ours["summary"]["pairs"], a.json))
        bad = True
    sys.exit(bad)


if __name__ == "__main__":
    main()
