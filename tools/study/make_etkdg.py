#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes conformers by RDKit's ETKDGv3 and their MMFF94 minima (needs RDKit).

    tools/study/make_etkdg.py MOLECULES.smi N RAW.sdf MINIMISED.sdf [--seed S]

MOLECULES.smi holds SMILES and name, separated by a tab. RAW gets N conformers a molecule as ETKDGv3 embeds them;
MINIMISED the same conformers, each moved by MMFFOptimizeMoleculeConfs with at most 2000 iterations until it
converges. A molecule without MMFF94 parameters keeps its ETKDGv3 conformers in MINIMISED, as users' scripts do. All
hydrogens are written, in the order of generation. A molecule that cannot be embedded is embedded once more from random
coordinates, else left out. Both are named on standard error, with the times. One thread. Files that exist are
replaced when both are complete.
"""
import argparse
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


def write(out, mol, name, smiles):
    """Appends a record a conformer."""
    named = Chem.Mol(mol)
    named.SetProp("_Name", name)
    for conformer in mol.GetConformers():
        out.write(Chem.MolToMolBlock(named, confId=conformer.GetId()))
        out.write(">  <SMILES>\n%s\n\n$$$$\n" % smiles)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("molecules")
    parser.add_argument("n", type=int)
    parser.add_argument("raw")
    parser.add_argument("minimised")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    RDLogger.DisableLog("rdApp.*")
    seconds = {"embedding": 0.0, "minimisation": 0.0}
    n_molecules = n_conformers = n_open = 0
    parts = [path + ".part" for path in (args.raw, args.minimised)]
    with open(parts[0], "w") as raw, open(parts[1], "w") as minimised, open(args.molecules) as lines:
        for line in lines:
            smiles, name = line.rstrip("\n").split("\t")[:2]
            start = time.process_time()
            mol = embed(smiles, args.n, args.seed)
            seconds["embedding"] += time.process_time() - start
            n_molecules += 1
            n_conformers += mol.GetNumConformers()
            if mol.GetNumConformers() < args.n:
                print("%s: %d of %d conformers embedded" % (name, mol.GetNumConformers(), args.n), file=sys.stderr)
            write(raw, mol, name, smiles)
            if not AllChem.MMFFHasAllMoleculeParams(mol):
                print("%s: no MMFF94 parameters, not minimised" % name, file=sys.stderr)
            elif mol.GetNumConformers():
                start = time.process_time()
                n_open += sum(r[0] for r in AllChem.MMFFOptimizeMoleculeConfs(mol, maxIters=2000, numThreads=1))
                seconds["minimisation"] += time.process_time() - start
            write(minimised, mol, name, smiles)
    for part, path in zip(parts, (args.raw, args.minimised)):
        os.rename(part, path)
    print("RDKit %s: %d conformers of %d molecules, seed %d; %.0f s of embedding, %.0f s of minimisation on one thread, "
          "%d not converged" % (rdkit.__version__, n_conformers, n_molecules, args.seed, seconds["embedding"],
                                seconds["minimisation"], n_open), file=sys.stderr)


if __name__ == "__main__":
    main()
