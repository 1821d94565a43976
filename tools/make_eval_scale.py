#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes artificial conformer sets of full GEOM-Drugs size, to measure `confgen eval` (development only;
needs PyPI's rdkit, numpy and zstandard).

    tools/make_eval_scale.py LIST.smi OUT [--limit N] [--processes N] [--seed S]

LIST has SMILES, name and k, separated by tabs. OUT_ref.sdf.zst gets k conformers of each molecule,
OUT_gen.sdf.zst 2 k: one conformer embedded by RDKit, with each rotatable bond rotated into one of three
wells (20 degrees wide) and every coordinate displaced by 0.05 Å (generated ones by 0.1 Å). Heavy atoms in
the order of the canonical SMILES. The resulting figures are meaningless; number, size, symmetry and
spread of the conformers are realistic.
"""
import argparse
import multiprocessing
import os

import numpy as np
import zstandard
from rdkit import Chem, RDLogger
from rdkit.Chem import AllChem

TURNS = Chem.MolFromSmarts("[!$(*#*)&!D1]-&!@[!$(*#*)&!D1]")
WELLS = np.array([60.0, 180.0, 300.0])


def embed(smiles, seed):
    mol = Chem.MolFromSmiles(smiles)
    mol = Chem.MolFromSmiles(Chem.MolToSmiles(mol))
    full = Chem.AddHs(mol)
    if AllChem.EmbedMolecule(full, randomSeed=seed) < 0:
        if AllChem.EmbedMolecule(full, randomSeed=seed, useRandomCoords=True, enforceChirality=False) < 0:
            return mol, None
    return mol, full.GetConformer().GetPositions()[:mol.GetNumAtoms()]


def far_side(mol, a, b):
    """Atoms on b's side of the bond a-b."""
    seen, todo = {a, b}, [b]
    while todo:
        for n in mol.GetAtomWithIdx(todo.pop()).GetNeighbors():
            if n.GetIdx() not in seen:
                seen.add(n.GetIdx())
                todo.append(n.GetIdx())
    return sorted(seen - {a})


def turn(xyz, a, b, side, angles):
    """Rotates the atoms `side` of every conformer about the axis a-b, by its own angle (Rodrigues)."""
    axis = xyz[:, b] - xyz[:, a]
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    origin = xyz[:, b][:, None]
    v = xyz[:, side] - origin
    c, s = np.cos(angles)[:, None, None], np.sin(angles)[:, None, None]
    u = axis[:, None]
    xyz[:, side] = origin + v * c + np.cross(u, v) * s + u * (v * u).sum(-1, keepdims=True) * (1 - c)


def conformers(mol, base, n, noise, rng):
    xyz = np.repeat(base[None], n, axis=0)
    for a, b in mol.GetSubstructMatches(TURNS):
        angles = np.radians(rng.choice(WELLS, n) + rng.normal(0, 20, n))
        turn(xyz, a, b, far_side(mol, a, b), angles)
    return xyz + rng.normal(0, noise, xyz.shape)


def records(mol, name, smiles, xyz):
    block = Chem.MolToMolBlock(mol, includeStereo=False).split("\n")
    n = mol.GetNumAtoms()
    atoms = "".join("%10.4f%10.4f%10.4f" + line[30:] + "\n" for line in block[4:4 + n])
    head = "%s\n     made up         3D\n\n%s\n" % (name, block[3])
    tail = "\n".join(block[4 + n:]) + ">  <SMILES>\n%s\n\n$$$$\n" % smiles
    return "".join(head + atoms % tuple(x.ravel()) + tail for x in xyz).encode()


def make(task):
    smiles, name, k, seed = task
    rng = np.random.default_rng(seed)
    mol, base = embed(smiles, seed & 0x7fffffff)
    if base is None:
        return name, None, None
    canonical = Chem.MolToSmiles(mol)
    pack = zstandard.ZstdCompressor(level=1).compress
    ref = records(mol, name, canonical, conformers(mol, base, k, 0.05, rng))
    gen = records(mol, name, canonical, conformers(mol, base, 2 * k, 0.1, rng))
    return name, pack(ref), pack(gen)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("list")
    p.add_argument("out")
    p.add_argument("--limit", type=int, default=10**9)
    p.add_argument("--processes", type=int, default=os.cpu_count())
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    RDLogger.DisableLog("rdApp.*")
    tasks = []
    for i, line in enumerate(open(a.list)):
        smiles, name, k = line.split("\t")[:3]
        tasks.append((smiles, name, int(k), a.seed * 1000003 + i))
    tasks = tasks[:a.limit]
    pairs = skipped = 0
    with open(a.out + "_ref.sdf.zst", "wb") as ref, open(a.out + "_gen.sdf.zst", "wb") as gen, \
            multiprocessing.Pool(a.processes) as pool:
        for task, (name, r, g) in zip(tasks, pool.imap(make, tasks)):
            if r is None:
                print("%s: skipped, RDKit cannot embed it" % name)
                skipped += 1
                continue
            ref.write(r)
            gen.write(g)
            pairs += 2 * task[2] ** 2
    print("%d molecules, %d pairs, %d skipped" % (len(tasks) - skipped, pairs, skipped))


if __name__ == "__main__":
    main()
