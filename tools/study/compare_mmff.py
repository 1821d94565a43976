#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares core/forcefield with RDKit's MMFF94 on the same conformers (needs PyPI's rdkit and numpy).

    tools/study/compare_mmff.py DRIVER CONFORMERS [--molecules 100] [--conformers 64] [--first 0] [--step 1]
        [--threads 2] [--variant MMFF94] [--iterations 200] [--rounds 1000] [--gradient 0.01] [--energies]
        [--keep FILE]

DRIVER is BUILD/tests/tools/mmff_conformers. CONFORMERS is a list "SMILES ...", whose molecules are embedded
by ETKDGv3 without a force field, or an SDF with all hydrogens, such as `confgen --add-hs` writes.
FILE keeps the embedded conformers for the next call.

Prints, for all conformers, the greatest difference of each part of the energy (--energies), or
the energies after minimisation by both, and the times of both on THREADS threads: RDKit's
MMFFOptimizeMoleculeConfs with numThreads, and the driver's. Both times include atom types and tables.
"""
import argparse
import os
import pickle
import subprocess
import sys
import time

import numpy
import rdkit
from rdkit import Chem, RDLogger
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

TERMS = ["Bond", "Angle", "StretchBend", "Oop", "Torsion", "VdW", "Ele"]


def in_smiles_order(mol):
    """The molecule with its atoms in the order of its SMILES, and the SMILES."""
    text = Chem.MolToSmiles(mol)
    order = mol.GetPropsAsDict(True, True)["_smilesAtomOutputOrder"]
    return Chem.RenumberAtoms(mol, list(order)), text


def embedded(smiles, count, threads):
    mol = Chem.MolFromSmiles(smiles)
    if mol is None:
        return None
    mol = Chem.AddHs(mol)
    parameters = rdDistGeom.ETKDGv3()
    parameters.randomSeed = 7
    parameters.numThreads = threads
    parameters.maxIterations = 30
    rdDistGeom.EmbedMultipleConfs(mol, count, parameters)
    return mol


def read(path, args):
    if args.keep and os.path.exists(args.keep):
        with open(args.keep, "rb") as f:
            return pickle.load(f)
    found = []
    if path.endswith(".sdf"):
        last = None
        for mol in Chem.ForwardSDMolSupplier(path, removeHs=False):
            if mol is None:
                continue
            if last is not None and mol.GetProp("_Name") == last.GetProp("_Name") \
                    and mol.GetNumAtoms() == last.GetNumAtoms():
                if last.GetNumConformers() < args.conformers:
                    last.AddConformer(mol.GetConformer(), assignId=True)
                continue
            last = mol
            found.append(mol)
    else:
        with open(path, encoding="ascii") as f:
            lines = [line.split()[0] for line in f if line.strip()]
        for smiles in lines[args.first::args.step][:args.molecules]:
            found.append(embedded(smiles, args.conformers, args.threads))
    found = found[:args.molecules]
    found = [in_smiles_order(mol) for mol in found if mol is not None and mol.GetNumConformers()
             and rdForceFieldHelpers.MMFFHasAllMoleculeParams(Chem.Mol(mol))]
    Chem.SetDefaultPickleProperties(Chem.PropertyPickleOptions.AllProps)
    if args.keep:
        with open(args.keep, "wb") as f:
            pickle.dump(found, f)
    return found


def positions(mol):
    return numpy.array([c.GetPositions() for c in mol.GetConformers()])


def drive(driver, molecules, *arguments):
    data = b"".join(b"%s %d %d\n" % (text.encode(), mol.GetNumAtoms(), mol.GetNumConformers())
                    + positions(mol).tobytes() for mol, text in molecules)
    done = subprocess.run([driver, *map(str, arguments)], input=data, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=True)
    *refused, seconds = done.stderr.decode().splitlines()
    if refused:
        sys.exit("refused: %s" % refused)
    return numpy.frombuffer(done.stdout), [float(x) for x in seconds.split()]


def compare_energies(args, molecules):
    rows, _ = drive(args.driver, molecules, args.variant, args.threads, "parts")
    ours = rows.reshape(-1, len(TERMS))
    theirs = []
    for mol, _ in molecules:
        columns = []
        mol = Chem.Mol(mol)
        # Once a molecule: it gets MMFF94's aromaticity, after which RDKit may find other types.
        properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(mol, mmffVariant=args.variant)
        for wanted in TERMS:
            for term in TERMS:
                getattr(properties, "SetMMFF%sTerm" % term)(term == wanted)
            field = rdForceFieldHelpers.MMFFGetMoleculeForceField(mol, properties)
            columns.append([field.CalcEnergy(p.ravel().tolist()) for p in positions(mol)])
        theirs.extend(zip(*columns))
    theirs = numpy.array(theirs)
    print("conformers %d of %d molecules" % (len(ours), len(molecules)))
    for i, term in enumerate(TERMS):
        difference = numpy.abs(ours[:, i] - theirs[:, i])
        print("%-12s greatest difference %.2e kcal/mol, relative %.2e" %
              (term, difference.max(), (difference / (1 + numpy.abs(theirs[:, i]))).max()))
    total = theirs.sum(1)
    difference = numpy.abs(ours.sum(1) - total)
    print("%-12s greatest difference %.2e kcal/mol, relative %.2e" %
          ("sum", difference.max(), (difference / numpy.maximum(numpy.abs(total), 1)).max()))


def compare_minima(args, molecules):
    rows, seconds = drive(args.driver, molecules, args.variant, args.threads, "minimize", args.rounds,
                          args.gradient)
    before, ours, rounds, converged, at = [], [], [], [], 0
    for mol, _ in molecules:
        n = mol.GetNumConformers()
        part = rows[at:at + 5 * n].reshape(n, 5)
        before.extend(part[:, 0])
        ours.extend(part[:, 1])
        rounds.extend(part[:, 3])
        converged.extend(part[:, 4])
        at += 5 * n + 3 * n * mol.GetNumAtoms()
    before, ours, rounds = map(numpy.array, (before, ours, rounds))
    copies = [Chem.Mol(mol) for mol, _ in molecules]
    theirs, failed, start, cpu = [], 0, time.monotonic(), time.process_time()
    for mol in copies:
        result = rdForceFieldHelpers.MMFFOptimizeMoleculeConfs(
            mol, numThreads=args.threads, maxIters=args.iterations, mmffVariant=args.variant)
        theirs.extend(energy for _, energy in result)
        failed += sum(status != 0 for status, _ in result)
    their_seconds = time.monotonic() - start, time.process_time() - cpu
    theirs = numpy.array(theirs)
    higher = ours - theirs
    n = len(ours)
    atoms = sum(mol.GetNumAtoms() * mol.GetNumConformers() for mol, _ in molecules) / n
    print("conformers %d of %d molecules, mean atoms %.1f; RDKit %s" %
          (n, len(molecules), atoms, rdkit.__version__))
    print("released: ours median %.3f mean %.3f, RDKit median %.3f mean %.3f kcal/mol" %
          (numpy.median(before - ours), (before - ours).mean(),
           numpy.median(before - theirs), (before - theirs).mean()))
    print("not above RDKit by more than 0.1 kcal/mol: %.2f %%; below by more than 0.1: %.2f %%" %
          (100 * (higher <= 0.1).mean(), 100 * (higher < -0.1).mean()))
    print("rounds: median %d, mean %.1f, greatest %d; converged %.2f %%, RDKit %.2f %%" %
          (numpy.median(rounds), rounds.mean(), rounds.max(), 100 * numpy.mean(converged),
           100 * (1 - failed / n)))
    for name, mine, other in zip(("elapsed", "processor"), seconds, their_seconds):
        print("%s time: ours %.2f s, %.1f conformers/s; RDKit %.2f s, %.1f conformers/s; %.2f times" %
              (name, mine, n / mine, other, n / other, other / mine))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("driver")
    parser.add_argument("conformers_file")
    parser.add_argument("--molecules", type=int, default=100)
    parser.add_argument("--conformers", type=int, default=64)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--variant", default="MMFF94", choices=["MMFF94", "MMFF94s"])
    parser.add_argument("--iterations", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--gradient", type=float, default=0.01)
    parser.add_argument("--energies", action="store_true")
    parser.add_argument("--keep")
    args = parser.parse_args()
    RDLogger.DisableLog("rdApp.*")
    molecules = read(args.conformers_file, args)
    (compare_energies if args.energies else compare_minima)(args, molecules)


if __name__ == "__main__":
    main()
