#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Collects poses to train on: ligands as observed in PDB entries (development only; needs PyPI's rdkit and biotite, and zstd).

    tools/model/collect_poses.py OUT EXCLUDE.smi... [--held-out 2022-01-01] [--before 2023-01-01] [--count N]

reads the wwPDB chemical component dictionary that biotite brings along, as tools/study/make_ligands.py does, and writes

    OUT/poses.tsv           SMILES, tab, "x,y,z" of each heavy atom by blanks, in ångström, in the order of the SMILES
    OUT/held_out.tsv        the same of components first deposited from the date of --held-out until that of --before
    OUT/held_out.smi, .sdf.zst   those with 15 to 40 heavy atoms, 3 to 16 rotatable bonds and no ring over 8, as an input
                            of confgen and as references of confgen eval
    OUT/later.smi           SMILES of components first deposited from the date of --before on, which no training may hold

Kept are released components of type HETAIN, of the elements H B C N O F Si P S Cl Br I, 8 to 60 heavy atoms, all observed, in
one piece, without radicals. Stereo is perceived from the coordinates. Left out are poses with a distance that RDKit's
bounds rule out (a bond or a 1,3 distance off by more than 25 %, other atoms nearer than 70 % of their least distance), a
SMILES without stereo that a list EXCLUDE or later.smi holds, and those of poses.tsv that held_out.tsv holds. --count takes
the first N components by the hash of their id.
"""
import argparse
import hashlib
import os
import subprocess
import sys

import biotite.structure.info
import numpy as np
from biotite.structure.io.pdbx import BinaryCIFFile
from rdkit import Chem, RDLogger
from rdkit.Chem import rdDistGeom, rdMolDescriptors

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "study"))
from make_ligands import build, columns, rows  # noqa: E402


def sane(mol):
    """Whether all distances are within RDKit's bounds, widened."""
    n = mol.GetNumAtoms()
    bounds = rdDistGeom.GetMoleculeBoundsMatrix(mol)
    xyz = mol.GetConformer().GetPositions()
    apart = np.linalg.norm(xyz[:, None] - xyz[None], axis=-1)
    paths = Chem.GetDistanceMatrix(mol)
    upper, lower = np.triu(bounds, 1), np.tril(bounds, -1).T
    near, far = np.triu(paths <= 2, 1), np.triu(paths > 2, 1)
    return (n < 2 or (apart[near] <= 1.25 * upper[near]).all() and (apart[near] >= 0.75 * lower[near]).all()
            and (apart[far] >= 0.7 * lower[far]).all())


def components(count):
    """(id, date, code, atoms, bonds) of the components."""
    folder = os.path.dirname(biotite.structure.info.__file__)
    ccd = BinaryCIFFile.read(os.path.join(folder, "components.bcif")).block
    chosen = [(key, date, code) for key, date, kind, status, parent, code in
              zip(*columns(ccd["chem_comp"], ["id", "pdbx_initial_date", "pdbx_type", "pdbx_release_status",
                                              "mon_nstd_parent_comp_id", "pdbx_model_coordinates_db_code"]))
              if kind == "HETAIN" and status == "REL" and parent in ("?", ".", "")]
    chosen.sort(key=lambda c: hashlib.sha256(c[0].encode()).digest())
    atom_rows, bond_rows = rows(ccd["chem_comp_atom"], "comp_id"), rows(ccd["chem_comp_bond"], "comp_id")
    atoms = columns(ccd["chem_comp_atom"], ["atom_id", "type_symbol", "charge", "model_Cartn_x", "model_Cartn_y",
                                            "model_Cartn_z"])
    bonds = columns(ccd["chem_comp_bond"], ["atom_id_1", "atom_id_2", "value_order"])
    for key, date, code in chosen[:count]:
        if key in bond_rows:
            yield key, date, code, [c[atom_rows[key]] for c in atoms], [c[bond_rows[key]] for c in bonds]


def usable_reference(mol):
    rings = [len(r) for r in mol.GetRingInfo().AtomRings()]
    return (15 <= mol.GetNumAtoms() <= 40 and max(rings, default=0) <= 8
            and 3 <= rdMolDescriptors.CalcNumRotatableBonds(mol) <= 16)


def flat(mol):
    return Chem.MolToSmiles(mol, isomericSmiles=False)


def line(smiles, mol):
    return "%s\t%s\n" % (smiles, " ".join("%.3f,%.3f,%.3f" % tuple(p) for p in mol.GetConformer().GetPositions()))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out")
    p.add_argument("exclude", nargs="+")
    p.add_argument("--held-out", default="2022-01-01")
    p.add_argument("--before", default="2023-01-01")
    p.add_argument("--count", type=int)
    a = p.parse_args()
    RDLogger.DisableLog("rdApp.*")
    excluded = set()
    for path in a.exclude:
        for number, text in enumerate(open(path), 1):
            smiles = (text.split() or [""])[0]
            mol = Chem.MolFromSmiles(smiles)
            if mol is None or not smiles:
                sys.exit("%s:%d: found '%s', wanted a SMILES" % (path, number, smiles))
            excluded.add(flat(mol))
    poses, later, broken = [], {}, 0
    for key, date, code, atoms, bonds in components(a.count):
        try:
            built = build(atoms, bonds)
        except (ValueError, KeyError):  # RDKit refuses its valences; an unknown bond order
            continue
        if not built:
            continue
        smiles, mol = built
        if date >= a.before:
            later[flat(mol)] = smiles
        elif 8 <= mol.GetNumAtoms() <= 60:
            if sane(mol):
                poses.append((key, date, code, smiles, mol, flat(mol)))
            else:
                broken += 1
    poses = [pose for pose in poses if pose[5] not in excluded and pose[5] not in later]
    held = [pose for pose in poses if pose[1] >= a.held_out]
    held_flat = {pose[5] for pose in held}
    train = [pose for pose in poses if pose[1] < a.held_out and pose[5] not in held_flat]
    os.makedirs(a.out, exist_ok=True)
    for name, chosen in (("poses", train), ("held_out", held)):
        with open(os.path.join(a.out, name + ".tsv"), "w") as file:
            file.writelines(line(pose[3], pose[4]) for pose in chosen)
    with open(os.path.join(a.out, "later.smi"), "w") as file:
        file.writelines(smiles + "\n" for smiles in later.values())
    seen, references = set(), []
    for pose in held:
        if pose[5] not in seen and usable_reference(pose[4]):
            seen.add(pose[5])
            references.append(pose)
    with open(os.path.join(a.out, "held_out.smi"), "w") as file:
        file.writelines("%s\t%s\t1\n" % (pose[3], pose[0]) for pose in references)
    text = ["%s\n%s>  <SMILES>\n%s\n\n>  <PDB>\n%s\n\n>  <DATE>\n%s\n\n$$$$\n"
            % (key, Chem.MolToMolBlock(mol).split("\n", 1)[1], smiles, code, date)
            for key, date, code, smiles, mol, _ in references]
    subprocess.run(["zstd", "-q", "-19", "-f", "-o", os.path.join(a.out, "held_out.sdf.zst")], input="".join(text).encode(),
                   check=True)
    print("%d poses to train on, %d held out (%d as references), %d later molecules, %d poses with impossible distances"
          % (len(train), len(held), len(references), len(later), broken))


if __name__ == "__main__":
    main()
