#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes conformers by RDKit's ETKDGv3 and their MMFF94 minima (needs RDKit).

    tools/study/make_etkdg.py MOLECULES.smi N RAW.sdf MINIMISED.sdf [--seed S]

MOLECULES.smi holds SMILES and name, separated by a tab. RAW gets N conformers a molecule as ETKDGv3 embeds them;
MINIMISED the same conformers, each moved by MMFFOptimizeMoleculeConfs with at most 2000 iterations. A molecule
without MMFF94 parameters keeps its ETKDGv3 conformers in MINIMISED. All hydrogens are written, conformers in the order
of generation. A molecule that cannot be embedded is tried again from random coordinates. Conformers that could not be
embedded and molecules without parameters are named on standard error; the last line has versions and times. One thread.

The files appear when they are complete. Until then RAW.part and MINIMISED.part hold whole molecules, and a run that was
interrupted continues behind them.
"""
import argparse
import json
import os
import sys
import time

import rdkit
from rdkit import Chem, RDLogger
from rdkit.Chem import AllChem


def embed(smiles, n, seed):
    """The molecule with all hydrogens and up to n conformers."""
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    parameters = AllChem.ETKDGv3()
    parameters.randomSeed = seed
    if not len(AllChem.EmbedMultipleConfs(mol, n, parameters)):
        parameters.useRandomCoords = True
        AllChem.EmbedMultipleConfs(mol, n, parameters)
    return mol


def records(mol, name, smiles):
    """A record a conformer."""
    named = Chem.Mol(mol)
    named.SetProp("_Name", name)
    return "".join(Chem.MolToMolBlock(named, confId=conformer.GetId()) + ">  <SMILES>\n%s\n\n$$$$\n" % smiles
                   for conformer in mol.GetConformers())


def make(smiles, name, args, state):
    """Texts of a molecule for both files; adds to the counts and seconds of `state`."""
    start = time.process_time()
    mol = embed(smiles, args.n, args.seed)
    state["embedding"] += time.process_time() - start
    state["conformers"] += mol.GetNumConformers()
    if mol.GetNumConformers() < args.n:
        print("%s: %d of %d conformers embedded" % (name, mol.GetNumConformers(), args.n), file=sys.stderr)
    raw = records(mol, name, smiles)
    if not AllChem.MMFFHasAllMoleculeParams(mol):
        print("%s: no MMFF94 parameters, not minimised" % name, file=sys.stderr)
    elif mol.GetNumConformers():
        start = time.process_time()
        state["open"] += sum(r[0] for r in AllChem.MMFFOptimizeMoleculeConfs(mol, maxIters=2000, numThreads=1))
        state["minimisation"] += time.process_time() - start
    return raw, records(mol, name, smiles)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("molecules")
    parser.add_argument("n", type=int)
    parser.add_argument("raw")
    parser.add_argument("minimised")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    RDLogger.DisableLog("rdApp.*")
    paths = args.raw, args.minimised
    state_path = args.raw + ".state"
    with open(args.molecules) as lines:
        molecules = [line.rstrip("\n").split("\t")[:2] for line in lines]
    wanted = {"n": args.n, "seed": args.seed, "rdkit": rdkit.__version__, "molecules": molecules}
    state = {"done": 0, "sizes": [0, 0], "conformers": 0, "open": 0, "embedding": 0.0, "minimisation": 0.0,
             "settings": wanted}
    if os.path.exists(state_path):
        with open(state_path) as file:
            state = json.load(file)
        if state["settings"] != wanted:
            sys.exit("%s is of another run: found other molecules, N, seed or RDKit; remove it to begin again"
                     % state_path)
    files = [open(path + ".part", "a") for path in paths]
    for file, size in zip(files, state["sizes"]):
        file.truncate(size)
    for smiles, name in molecules[state["done"]:]:
        for file, text in zip(files, make(smiles, name, args, state)):
            file.write(text)
            file.flush()
        state["done"] += 1
        state["sizes"] = [os.path.getsize(path + ".part") for path in paths]
        with open(state_path + ".new", "w") as file:
            json.dump(state, file)
        os.rename(state_path + ".new", state_path)
    for file, path in zip(files, paths):
        file.close()
        os.rename(path + ".part", path)
    os.remove(state_path)
    print("RDKit %s, seed %d: %d conformers of %d molecules; %.0f s of embedding, %.0f s of minimisation on one thread, "
          "%d of them not converged" % (rdkit.__version__, args.seed, state["conformers"], len(molecules),
                                        state["embedding"], state["minimisation"], state["open"]), file=sys.stderr)


if __name__ == "__main__":
    main()
