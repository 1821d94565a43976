#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Computes the figures of `confgen eval --bioactive` with RDKit (development only; needs PyPI's rdkit
and numpy). RMSDs are GetBestRMS without hydrogens, TFDs those of TorsionFingerprints.

    tools/study/check_bioactive.py REF.sdf GEN.sdf EVAL.json   compares them with confgen's
    tools/study/check_bioactive.py --make FOLDER               makes tests/data/eval/bioactive_*

Records of both files must have the same order of atoms, as confgen's have. `--make` writes references
and ETKDG conformers of six molecules and golden figures for tests/unit/eval/test_bioactive.c.
"""
import json
import os
import subprocess
import sys

import numpy as np
from rdkit import Chem, RDLogger
from rdkit.Chem import AllChem, TorsionFingerprints, rdMolAlign

COUNTS = [1, 10, 25, 50, 100, 250, 1000, None]
THRESHOLDS = [0.5, 0.75, 1, 1.5, 2]
RADII = [0.5, 1, 2]
MOLECULES = [  # name, SMILES, references, conformers
    ("carboxylate", "O=C([O-])CCc1ccc(OCC(C)C)cc1", 1, 60),
    ("sulfonamide", "NS(=O)(=O)c1ccc(CNC(=O)C2CC2)cc1", 2, 30),
    ("chiral", "C[C@H](N)C(=O)N[C@@H](Cc1ccccc1)C(=O)O", 1, 12),
    ("symmetric", "FC(F)(F)c1cc(cc(c1)C(F)(F)F)C(=O)NCC", 3, 10),
    ("small", "CCCO", 1, 3),
    ("missing", "CCOC(C)=O", 1, 0),
]


def read(path):
    """{name: [molecule without hydrogens]} in the order of the file."""
    molecules = {}
    if path.endswith(".zst"):
        data = subprocess.run(["zstd", "-qdc", path], check=True, stdout=subprocess.PIPE).stdout
    else:
        data = open(path, "rb").read()
    supplier = Chem.SDMolSupplier()
    supplier.SetData(data.decode(), removeHs=True)
    for mol in supplier:
        molecules.setdefault(mol.GetProp("_Name"), []).append(mol)
    return molecules


def rms(a, b):
    return rdMolAlign.GetBestRMS(Chem.Mol(a), Chem.Mol(b))


def tfd(refs, gens):
    """[references, conformers], or None where RDKit defines none."""
    torsions = TorsionFingerprints.CalculateTorsionLists(refs[0])
    try:
        weights = TorsionFingerprints.CalculateTorsionWeights(refs[0])
    except (IndexError, ZeroDivisionError):  # no central bond
        return None
    angles = [[TorsionFingerprints.CalculateTorsionAngles(m, *torsions) for m in s] for s in (refs, gens)]
    return np.array([[TorsionFingerprints.CalculateTFD(r, g, weights) for g in angles[1]] for r in angles[0]])


def clusters(gens, radius):
    leaders = []
    for g in gens:
        if not any(rms(g, leader) < radius for leader in leaders):
            leaders.append(g)
    return len(leaders)


def figures(refs, gens):
    if not gens:
        return {"best": [None] * 8, "tfd": [None] * 8, "hit": {"%g" % t: [0] * 8 for t in THRESHOLDS}, "clusters": [None] * 3}
    d = np.array([[rms(g, r) for g in gens] for r in refs])
    ends = [d[:, :k].min(axis=1) for k in COUNTS]
    t = tfd(refs, gens)
    return {"best": [float(e.mean()) for e in ends],
            "tfd": [float(t[:, :k].min(axis=1).mean()) if t is not None else None for k in COUNTS],
            "hit": {"%g" % t: [float((e < t).mean()) for e in ends] for t in THRESHOLDS},
            "clusters": [clusters(gens, r) for r in RADII]}


def numbers(v):
    """All numbers of nested figures, in order."""
    if isinstance(v, dict):
        return [x for k in v for x in numbers(v[k])]
    if isinstance(v, list):
        return [x for e in v for x in numbers(e)]
    return [v]


def check(ref, gen, path):
    refs, gens = read(ref), read(gen)
    worst = 0
    for m in json.load(open(path))["molecules"]:
        ours = m["bioactive"]
        wanted = figures(refs[m["name"]], gens.get(m["name"], []))
        for key in wanted:
            for a, b in zip(numbers(ours[key]), numbers(wanted[key]), strict=True):
                off = abs(a - b) if a is not None and b is not None else float(a is not b)
                if off > 1e-4:
                    print("%s: %s: found %s, RDKit %s" % (m["name"], key, a, b))
                worst = max(worst, off)
    print("largest difference %.2e" % worst)
    return worst > 1e-4


def make(folder):
    ref, gen = [], []
    for name, smiles, n_ref, n_gen in MOLECULES:
        mol = Chem.AddHs(Chem.MolFromSmiles(Chem.CanonSmiles(smiles)))
        AllChem.EmbedMultipleConfs(mol, n_ref + n_gen, randomSeed=5)
        heavy = Chem.RemoveHs(mol)
        for i in range(n_ref + n_gen):
            block = Chem.MolToMolBlock(heavy, confId=i)
            (ref if i < n_ref else gen).append(name + "\n" + block.split("\n", 1)[1] + "$$$$\n")
    for kind, records in (("ref", ref), ("gen", gen)):
        path = os.path.join(folder, "bioactive_%s.sdf.zst" % kind)
        subprocess.run(["zstd", "-q", "-19", "-f", "-o", path], input="".join(records).encode(), check=True)
    refs, gens = (read(os.path.join(folder, "bioactive_%s.sdf.zst" % k)) for k in ("ref", "gen"))
    with open(os.path.join(folder, "bioactive.json"), "w") as f:
        json.dump({name: figures(refs[name], gens.get(name, [])) for name in refs}, f, indent=1)
        f.write("\n")


def main():
    RDLogger.DisableLog("rdApp.*")
    if len(sys.argv) == 3 and sys.argv[1] == "--make":
        make(sys.argv[2])
    elif len(sys.argv) == 4:
        sys.exit(check(*sys.argv[1:]))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
