#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares confgen's checks of single conformers with PoseBusters.

Conformers come from RDKit's ETKDG. Most are then damaged: bonds stretched, angles bent, chains folded
onto themselves, aromatic rings puckered, double bonds twisted, atoms displaced, or the whole mirrored.
Each is checked by PoseBusters (configuration "mol" without its energy test, on a record of confgen:
heavy atoms) and by tests/tools/check_conformers of the build folder. Stereo, which that configuration
does not test, is compared with RDKit's perception.

With --sdf the conformers are those of an output of confgen (plain SDF).

For development only; needs the packages posebusters and rdkit:

    python tools/compare_posebusters.py --build build --input data/geom_drugs_test.smi
"""

import argparse
import collections
import random
import subprocess
import sys

import numpy as np
from rdkit import Chem, RDLogger
from rdkit.Chem import AllChem, rdMolTransforms

import posebusters
from posebusters import PoseBusters

# our name -> PoseBusters' column
TESTS = {
    "sanitization": "sanitization",
    "connected": "all_atoms_connected",
    "bond_lengths": "bond_lengths",
    "bond_angles": "bond_angles",
    "internal_clash": "internal_steric_clash",
    "aromatic_flatness": "aromatic_ring_flatness",
    "double_bond_flatness": "double_bond_flatness",
}


class Checker:
    """The program tests/tools/check_conformers: one line in, one line out."""

    def __init__(self, program):
        self.process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def send(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().rstrip("\n").split("\t")
        if answer[0] == "error":
            raise ValueError(answer[1])
        return answer

    def canonical(self, smiles):
        return self.send(smiles)[0]

    def verdict(self, smiles, xyz):
        """(tests done, tests failed, detail)"""
        numbers = " ".join("%.4f" % v for v in xyz.ravel())
        done, failed, detail = self.send(smiles + "\t" + numbers)
        return set(done.split(",")), set(failed.split(",")) - {"pass", "unchecked"}, detail


# ---- damage -------------------------------------------------------------------------------------


def far_side(mol, i, j):
    """Atoms on j's side of the bond i-j, None if it is in a ring."""
    seen, todo = {i, j}, [j]
    while todo:
        for n in mol.GetAtomWithIdx(todo.pop()).GetNeighbors():
            k = n.GetIdx()
            if k not in seen:
                seen.add(k)
                todo.append(k)
    side = seen - {i}
    bond = mol.GetBondBetweenAtoms(i, j)
    return None if bond.IsInRing() else sorted(side)


def rotation(axis, angle):
    x, y, z = axis / np.linalg.norm(axis)
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k


def pick_bond(mol, rng, wanted=lambda b: True):
    bonds = [b for b in mol.GetBonds() if not b.IsInRing() and wanted(b)]
    if not bonds:
        return None
    bond = rng.choice(bonds)
    ends = [bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()]
    rng.shuffle(ends)
    return ends


def stretch(mol, xyz, rng):
    ends = pick_bond(mol, rng)
    if not ends:
        return None
    i, j = ends
    side = far_side(mol, i, j)
    xyz[side] += (xyz[j] - xyz[i]) * (rng.uniform(0.45, 1.7) - 1)
    return xyz


def bend(mol, xyz, rng):
    ends = pick_bond(mol, rng, lambda b: b.GetBeginAtom().GetDegree() > 1 < b.GetEndAtom().GetDegree())
    if not ends:
        return None
    i, j = ends
    side = far_side(mol, i, j)
    others = [n.GetIdx() for n in mol.GetAtomWithIdx(i).GetNeighbors() if n.GetIdx() != j]
    k = rng.choice(others)
    axis = np.cross(xyz[j] - xyz[i], xyz[k] - xyz[i])
    turn = rotation(axis, np.radians(rng.uniform(-60, 60)))
    xyz[side] = (xyz[side] - xyz[i]) @ turn.T + xyz[i]
    return xyz


def fold(mol, xyz, rng):
    for _ in range(rng.randint(2, 6)):
        ends = pick_bond(mol, rng, lambda b: b.GetBondType() == Chem.BondType.SINGLE)
        if not ends:
            return None
        i, j = ends
        side = far_side(mol, i, j)
        turn = rotation(xyz[j] - xyz[i], rng.uniform(-np.pi, np.pi))
        xyz[side] = (xyz[side] - xyz[i]) @ turn.T + xyz[i]
    return xyz


def collide(mol, xyz, rng):
    """Moves a terminal atom close to another atom."""
    ends = [a.GetIdx() for a in mol.GetAtoms() if a.GetDegree() == 1]
    if not ends:
        return None
    i = rng.choice(ends)
    distance = Chem.GetDistanceMatrix(mol)[i]
    others = [j for j in range(mol.GetNumAtoms()) if distance[j] > 3]
    if not others:
        return None
    j = rng.choice(others)
    xyz[i] = xyz[j] + np.array([rng.uniform(0.3, 2.5), 0, 0])
    return xyz


def pucker(mol, xyz, rng):
    rings = [r for r in mol.GetRingInfo().AtomRings()
             if len(r) in (5, 6) and all(mol.GetAtomWithIdx(i).GetIsAromatic() for i in r)]
    if not rings:
        return None
    ring = list(rng.choice(rings))
    centred = xyz[ring] - xyz[ring].mean(axis=0)
    normal = np.linalg.svd(centred)[2][-1]
    size = rng.uniform(0.1, 1.2)
    for n, i in enumerate(ring):
        xyz[i] += normal * size * rng.choice((0, 0, 1, -1) if n else (1, -1))
    return xyz


def twist(mol, xyz, rng):
    ends = pick_bond(mol, rng, lambda b: b.GetBondType() == Chem.BondType.DOUBLE
                     and b.GetBeginAtom().GetDegree() > 1 < b.GetEndAtom().GetDegree())
    if not ends:
        return None
    i, j = ends
    side = far_side(mol, i, j)
    turn = rotation(xyz[j] - xyz[i], np.radians(rng.uniform(-90, 90)))
    xyz[side] = (xyz[side] - xyz[i]) @ turn.T + xyz[i]
    return xyz


def shake(mol, xyz, rng):
    size = rng.uniform(0.05, 0.45)
    return xyz + np.array([[rng.gauss(0, size) for _ in range(3)] for _ in range(len(xyz))])


def mirror(mol, xyz, rng):
    return xyz * np.array([1, 1, -1])


DAMAGES = [stretch, bend, fold, collide, pucker, twist, shake, mirror]


# ---- checking -----------------------------------------------------------------------------------


def with_coordinates(mol, xyz):
    mol = Chem.Mol(mol)
    mol.RemoveAllConformers()
    conformer = Chem.Conformer(mol.GetNumAtoms())
    for i, p in enumerate(xyz):
        conformer.SetAtomPosition(i, [float(v) for v in p])
    conformer.Set3D(True)
    mol.AddConformer(conformer)
    return mol


def posed(mol, xyz, with_hs):
    """The record as PoseBusters reads it from an output of confgen."""
    placed = with_coordinates(mol, xyz)
    if with_hs:
        placed = Chem.AddHs(placed, addCoords=True)
    block = Chem.MolToMolBlock(placed, includeStereo=False)
    return Chem.MolFromMolBlock(block, sanitize=False, removeHs=False)


def perceives_stereo(mol, xyz):
    placed = with_coordinates(mol, xyz)
    Chem.AssignStereochemistryFrom3D(placed)
    return placed.HasSubstructMatch(mol, useChirality=True)


def make_conformers(args, checker):
    """Yields (SMILES, molecule, damage or "good", coordinates)."""
    rng = random.Random(args.seed)
    smiles = [line.split()[0] for line in open(args.input) if line.strip() and line[0] != "#"]
    rng.shuffle(smiles)
    made = 0
    for text in smiles:
        if made >= args.conformers:
            return
        try:
            canonical = checker.canonical(text)
        except ValueError:
            continue
        mol = Chem.MolFromSmiles(canonical)
        if mol is None or Chem.MolToSmiles(mol) == "":
            continue
        full = Chem.AddHs(mol)
        if AllChem.EmbedMolecule(full, randomSeed=args.seed) != 0:
            continue
        xyz = full.GetConformer().GetPositions()[: mol.GetNumAtoms()]
        yield canonical, mol, "good", xyz
        made += 1
        for damage in rng.sample(DAMAGES, args.damages):
            damaged = damage(mol, xyz.copy(), rng)
            if damaged is not None and made < args.conformers:
                yield canonical, mol, damage.__name__, np.round(damaged, 4)
                made += 1


def read_conformers(path, limit):
    """Yields the same from an output of confgen: heavy atoms in the order of the item SMILES."""
    for record in Chem.SDMolSupplier(path, sanitize=False, removeHs=False):
        mol = Chem.MolFromSmiles(record.GetProp("SMILES"))
        if mol is None or mol.GetNumAtoms() != record.GetNumAtoms():
            print("skipped: %s" % record.GetProp("SMILES"))
            continue
        yield record.GetProp("SMILES"), mol, "file", record.GetConformer().GetPositions()
        limit -= 1
        if not limit:
            return


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default="build", help="build folder (build)")
    parser.add_argument("--input", default="data/geom_drugs_test.smi", help="molecules, .smi")
    parser.add_argument("--sdf", help="check the records of this file instead")
    parser.add_argument("--conformers", type=int, default=1000, help="number of conformers (1000)")
    parser.add_argument("--damages", type=int, default=3, help="damaged conformers per good one (3)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--with-hs", action="store_true",
                        help="give PoseBusters the record with hydrogens, as --add-hs writes it")
    parser.add_argument("--differences", type=int, default=40, help="differences to list (40)")
    args = parser.parse_args()
    RDLogger.DisableLog("rdApp.*")
    checker = Checker(args.build + "/tests/tools/check_conformers")
    cases = list(read_conformers(args.sdf, args.conformers) if args.sdf
                 else make_conformers(args, checker))
    buster = PoseBusters(config="mol_fast", max_workers=0)
    table = buster.bust([posed(mol, xyz, args.with_hs) for _, mol, _, xyz in cases])
    both = collections.Counter()
    kinds = collections.Counter(kind for _, _, kind, _ in cases)
    differences = []
    for row, (smiles, mol, kind, xyz) in enumerate(cases):
        done, failed, detail = checker.verdict(smiles, xyz)
        theirs = {ours: table.iloc[row][column] for ours, column in TESTS.items()}
        theirs = {test: bool(passes) for test, passes in theirs.items() if passes == passes}
        theirs["stereo"] = perceives_stereo(mol, xyz)
        for test, passes in theirs.items():
            if test == "connected" and test not in done:
                continue  # a requested salt is not a failure
            ours = test not in failed
            both[test, passes, ours] += 1
            if passes != ours:
                differences.append((test, kind, passes, smiles, detail))
    print("posebusters %s, rdkit %s; %d conformers: %s" % (
        posebusters.__version__, Chem.rdBase.rdkitVersion, len(cases),
        ", ".join("%s %d" % item for item in sorted(kinds.items()))))
    print("%-22s %9s %9s %10s %10s %9s" % ("test", "both pass", "both fail", "only ours", "only "
                                           "theirs", "agree"))
    print("%-22s %9s %9s %10s %10s" % ("", "", "", "fails", "fails"))
    total = collections.Counter()
    for test in list(TESTS) + ["stereo"]:
        counts = [both[test, a, b] for a, b in ((1, 1), (0, 0), (1, 0), (0, 1))]
        n = sum(counts)
        print("%-22s %9d %9d %10d %10d %8.2f%%" % (test, *counts, 100 * sum(counts[:2]) / n))
        if test != "stereo":
            total["n"] += n
            total["same"] += sum(counts[:2])
    print("all but stereo: %d of %d verdicts agree, %.2f %%" % (
        total["same"], total["n"], 100 * total["same"] / total["n"]))
    print("\n%d differences (stereo: from RDKit's perception):" % len(differences))
    for test, kind, passes, smiles, detail in differences[: args.differences]:
        print("  %-20s %-8s %s %s%s" % (test, kind, "only ours fails " if passes
                                        else "only theirs fails", smiles,
                                        " (%s)" % detail if passes else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
