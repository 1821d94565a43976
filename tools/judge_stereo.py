#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Judges the conformers of a set of molecules, independently of confgen.

    judge_stereo.py SET.smi CONFORMERS.sdf[.zst] [--posebusters] [--json FILE] [--list N]

Names of molecules are KIND_NUMBER. Needs RDKit (the newest: PyPI), for --posebusters PoseBusters.
Every conformer is judged by
- perception: RDKit finds the configuration of the SMILES in the coordinates;
- volumes: each stereocentre has the sign of volume, and each double bond the side, that it has in a
  conformer embedded by RDKit, for at least one way to map the molecule onto itself;
- angles: at least 160 degrees at sp atoms, 100 to 145 at trigonal C and N outside of small rings;
- PoseBusters: its tests of geometry (configuration "mol", without energy).

Prints a table of the kinds, worst first. Exit status 0; 1 if a conformer whose item `checks` is
"pass" fails, a molecule is not complete, or fewer than 95 % of the conformers pass.
"""
import argparse
import collections
import io
import json
import math
import subprocess
import sys

import numpy as np
from rdkit import Chem, RDLogger, rdBase
from rdkit.Chem import AllChem

RDLogger.DisableLog("rdApp.*")

MAX_MATCHES = 5000
MIN_VOLUME = 0.1  # Å^3
MIN_PASS = 0.95
SP_ANGLE = 160
TRIGONAL_ANGLES = 100, 145
POSEBUSTERS_TESTS = ["sanitization", "all_atoms_connected", "bond_lengths", "bond_angles", "internal_steric_clash",
                     "aromatic_ring_flatness", "non-aromatic_ring_non-flatness", "double_bond_flatness"]


def read_set(path):
    for line in open(path):
        if line.strip():
            smiles, name = line.split()[:2]
            yield name, smiles


def read_records(path):
    data = open(path, "rb").read()
    if path.endswith(".zst"):
        data = subprocess.run(["zstd", "-dc", path], check=True, capture_output=True).stdout
    for mol in Chem.ForwardSDMolSupplier(io.BytesIO(data), removeHs=False):
        if mol is None:
            sys.exit(f"{path}: RDKit cannot read a record")
        yield mol


def without_stereo(mol):
    bare = Chem.Mol(mol)
    for atom in bare.GetAtoms():
        atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
    for bond in bare.GetBonds():
        if bond.GetBondType() == Chem.BondType.DOUBLE:
            bond.SetStereo(Chem.BondStereo.STEREONONE)
    return bare


def perceives(wanted, mol):
    found = without_stereo(mol)
    Chem.AssignStereochemistryFrom3D(found)
    return found.HasSubstructMatch(wanted, useChirality=True)


def contradicts(embedded):
    """Was a stereocentre embedded with the other sign? Releases before 2023 do so with S+ in rings."""
    found = without_stereo(embedded)
    Chem.AssignStereochemistryFrom3D(found)
    return any(f.GetChiralTag() not in (Chem.ChiralType.CHI_UNSPECIFIED, w.GetChiralTag())
               for f, w in zip(found.GetAtoms(), embedded.GetAtoms()) if w.GetChiralTag() != Chem.ChiralType.CHI_UNSPECIFIED)


class Signs:
    """Signs of volumes and torsions of a molecule, from a conformer that RDKit embeds."""

    def __init__(self, wanted):
        self.wanted = wanted
        self.centres = [(a.GetIdx(), sorted(n.GetIdx() for n in a.GetNeighbors())[:3])
                        for a in wanted.GetAtoms() if a.GetChiralTag() != Chem.ChiralType.CHI_UNSPECIFIED]
        self.bonds = [(b.GetBeginAtomIdx(), b.GetEndAtomIdx(), *b.GetStereoAtoms()) for b in wanted.GetBonds()
                      if b.GetStereo() > Chem.BondStereo.STEREOANY]
        full = Chem.AddHs(wanted)
        params = AllChem.ETKDGv3()
        params.randomSeed = 7
        params.maxIterations = 20
        self.known = AllChem.EmbedMolecule(full, params) == 0 and not contradicts(full)
        # RDKit does not perceive some kinds, such as three-coordinate phosphorus, even there
        self.perceived = self.known and perceives(wanted, full)
        if self.known:
            xyz = full.GetConformer().GetPositions()
            self.signs = [s for s, _ in self.measure(xyz)]

    def measure(self, xyz):
        """(sign, is it clear) of each stereocentre and double bond."""
        for centre, (a, b, c) in self.centres:
            u, v, w = xyz[a] - xyz[centre], xyz[b] - xyz[centre], xyz[c] - xyz[centre]
            volume = float(np.dot(u, np.cross(v, w)))
            yield volume > 0, abs(volume) >= MIN_VOLUME
        for first, second, a, b in self.bonds:
            axis = xyz[second] - xyz[first]
            n, m = np.cross(axis, xyz[a] - xyz[first]), np.cross(axis, xyz[b] - xyz[second])
            cosine = float(np.dot(n, m)) / max(math.sqrt(float(np.dot(n, n) * np.dot(m, m))), 1e-9)
            yield cosine > 0, abs(cosine) > 0.2

    def holds(self, mol):
        xyz = mol.GetConformer().GetPositions()
        for match in without_stereo(mol).GetSubstructMatches(without_stereo(self.wanted), uniquify=False,
                                                             maxMatches=MAX_MATCHES):
            found = list(self.measure(xyz[list(match)]))
            if all(clear and sign == want for (sign, clear), want in zip(found, self.signs)):
                return True
        return False


def bad_angle(mol):
    """Text of the first angle out of range, or None."""
    xyz = mol.GetConformer().GetPositions()
    rings = mol.GetRingInfo()
    for atom in mol.GetAtoms():
        kind, i = atom.GetHybridization(), atom.GetIdx()
        near = [n.GetIdx() for n in atom.GetNeighbors()]
        multiple = [b for b in atom.GetBonds() if b.GetBondTypeAsDouble() > 1]
        small = [len(r) for r in rings.AtomRings() if i in r]
        linear = len(near) == 2 and (sum(b.GetBondTypeAsDouble() for b in multiple) >= 3 and len(multiple) <= 2)
        if linear and atom.GetSymbol() in "CN" and kind == Chem.HybridizationType.SP:
            low, high = SP_ANGLE, 180
            if small and min(small) < 11:
                continue
        elif multiple and kind == Chem.HybridizationType.SP2 and atom.GetSymbol() in "CN" and not linear:
            low, high = TRIGONAL_ANGLES
            if small and min(small) < 6:
                continue
        else:
            continue
        for k, a in enumerate(near):
            for b in near[:k]:
                u, v = xyz[a] - xyz[i], xyz[b] - xyz[i]
                cosine = float(np.dot(u, v) / np.linalg.norm(u) / np.linalg.norm(v))
                angle = math.degrees(math.acos(max(-1, min(1, cosine))))
                if not low <= angle <= high:
                    return f"{a + 1}-{i + 1}-{b + 1} {angle:.0f}"
    return None


def bust(mols):
    from posebusters import PoseBusters

    config = PoseBusters(config="mol").config
    config["modules"] = [m for m in config["modules"] if m["function"] != "energy_ratio"]
    table = PoseBusters(config=config).bust(mols, None, None)
    tests = [t for t in POSEBUSTERS_TESTS if t in table.columns]
    return [[t for t in tests if not bool(row[t])] for _, row in table.iterrows()], tests


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("set")
    parser.add_argument("conformers")
    parser.add_argument("--posebusters", action="store_true")
    parser.add_argument("--each", type=int, default=0, help="conformers wanted of each molecule")
    parser.add_argument("--list", type=int, default=20, help="failures to print")
    parser.add_argument("--json")
    args = parser.parse_args()
    smiles = dict(read_set(args.set))
    records = collections.defaultdict(list)
    for mol in read_records(args.conformers):
        records[mol.GetProp("_Name")].append(mol)
    unknown = [n for n in records if n not in smiles]
    if unknown:
        sys.exit(f"{args.conformers}: '{unknown[0]}' is not in {args.set}")
    faults, kinds, unjudged, unperceived = [], collections.defaultdict(collections.Counter), 0, 0
    for name, text in smiles.items():
        kind = kinds[name.rsplit("_", 1)[0]]
        wanted = Chem.MolFromSmiles(text)
        signs = Signs(wanted)
        unjudged += not signs.known
        unperceived += signs.known and not signs.perceived
        kind["molecules"] += 1
        kind["missing"] += max(args.each - len(records[name]), 0)
        for mol in records[name]:
            kind["conformers"] += 1
            checks = mol.GetProp("checks") if mol.HasProp("checks") else "none"
            kind["pass"] += checks == "pass"
            kind["unchecked"] += checks == "unchecked"
            found = []
            if signs.perceived and not perceives(wanted, mol):
                found.append(("perception", ""))
            if signs.known and not signs.holds(mol):
                found.append(("volumes", ""))
            angle = bad_angle(mol)
            if angle:
                found.append(("angles", angle))
            mol.SetProp("judged", ",".join(t for t, _ in found))
            for test, detail in found:
                kind[test] += 1
                kind["passed_wrongly"] += checks == "pass"
                faults.append((name, mol.GetProp("generation") if mol.HasProp("generation") else "?", checks, test, detail))
    if args.posebusters:
        order = [(n, m) for n in smiles for m in records[n]]
        results, tests = bust([m for _, m in order])
        print("PoseBusters' tests:", ", ".join(tests))
        for (name, mol), failed in zip(order, results):
            kind = kinds[name.rsplit("_", 1)[0]]
            checks = mol.GetProp("checks") if mol.HasProp("checks") else "none"
            kind["posebusters"] += bool(failed)
            kind["passed_wrongly"] += bool(failed) and checks == "pass"
            if failed:
                faults.append((name, mol.GetProp("generation") if mol.HasProp("generation") else "?", checks, "posebusters",
                               ",".join(failed)))
    columns = ["molecules", "conformers", "missing", "pass", "unchecked", "perception", "volumes", "angles", "posebusters"]
    total = collections.Counter()
    for counts in kinds.values():
        total.update(counts)
    bad = lambda c: sum(c[t] for t in ("missing", "perception", "volumes", "angles", "posebusters"))
    rate = lambda c: c["pass"] / max(c["conformers"] + c["missing"], 1)
    print(f"{'kind':14}" + "".join(f"{c:>12}" for c in columns) + f"{'pass, %':>12}")
    for name, counts in sorted(kinds.items(), key=lambda k: (-bad(k[1]), rate(k[1]))) + [("all", total)]:
        print(f"{name:14}" + "".join(f"{counts[c]:>12}" for c in columns) + f"{100 * rate(counts):>12.1f}")
    for fault in faults[: args.list]:
        print("%s generation %s, checks %s: %s %s" % fault)
    print(f"{len(faults)} faults; of {len(smiles)} molecules {unjudged} without a reference for volumes, {unperceived} "
          f"judged by volumes only; RDKit {rdBase.rdkitVersion}")
    if args.json:
        with open(args.json, "w") as out:
            json.dump({"kinds": kinds, "total": total, "faults": faults}, out, indent=1)
    return 1 if total["passed_wrongly"] or total["missing"] or rate(total) < MIN_PASS else 0


sys.exit(main())
