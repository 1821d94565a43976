#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes a set of experimental references: ligands as observed in PDB entries (development only; needs
PyPI's rdkit and biotite, and zstd).

    tools/study/make_ligands.py OUT [--since 2023-01-01] [--atoms 15 40] [--rotors 3 16] [--ring 8]
        [--only LIST.smi] [--count N]

reads the wwPDB chemical component dictionary that biotite brings along and writes OUT.smi (SMILES, id, 1)
and OUT.sdf.zst (the coordinates observed in one PDB entry, `model_Cartn`, heavy atoms in the order of the
SMILES; items SMILES, PDB and DATE). Kept are released components of type HETAIN without parent, first
deposited since the date, of the elements H B C N O F Si P S Cl Br I, in one piece, without radicals, all
of whose heavy atoms were observed, and one for each SMILES without stereo. Stereo is perceived from the
coordinates. --only keeps the ids (second column) of a list; --count the N first by the hash of their id.

data/pdb_ligands_sample.* are 100 of them, from biotite 1.6.0 with RDKit 2026.09 (`--only` with its list
makes it again).
"""
import argparse
import hashlib
import os
import subprocess

import biotite.structure.info
import numpy as np
from biotite.structure.io.pdbx import BinaryCIFFile
from rdkit import Chem, RDLogger
from rdkit.Chem import rdMolDescriptors

ELEMENTS = set("H B C N O F SI P S CL BR I".split())
ORDERS = {"SING": Chem.BondType.SINGLE, "DOUB": Chem.BondType.DOUBLE, "TRIP": Chem.BondType.TRIPLE}


def rows(category, key):
    """{component: slice of its rows}, which are consecutive."""
    ids = category[key].as_array()
    starts = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]])
    return {ids[a]: slice(a, b) for a, b in zip(starts, np.r_[starts[1:], len(ids)])}


def columns(category, names, dtype=str):
    return [category[n].as_array(dtype) for n in names]


def build(atoms, bonds):
    """The molecule without hydrogens and with the observed coordinates; None if it cannot be used."""
    index, mol = {}, Chem.RWMol()
    heavy = []
    for name, element, charge, *xyz in zip(*atoms):
        if element.upper() not in ELEMENTS:
            return None
        atom = Chem.Atom(element.capitalize())
        atom.SetFormalCharge(int(charge) if charge not in ("?", ".", "") else 0)
        atom.SetNoImplicit(True)
        index[name] = mol.AddAtom(atom)
        heavy.append(xyz)
    for a, b, order in zip(*bonds):
        mol.AddBond(index[a], index[b], ORDERS[order])
    conf = Chem.Conformer(mol.GetNumAtoms())
    for i, xyz in enumerate(heavy):
        if "?" in xyz or "." in xyz or "" in xyz:
            if mol.GetAtomWithIdx(i).GetAtomicNum() > 1:
                return None
            xyz = (0, 0, 0)
        conf.SetAtomPosition(i, [float(x) for x in xyz])
    mol.AddConformer(conf)
    mol = Chem.RemoveHs(mol.GetMol())
    if len(Chem.GetMolFrags(mol)) != 1 or any(a.GetNumRadicalElectrons() for a in mol.GetAtoms()):
        return None
    Chem.AssignStereochemistryFrom3D(mol)
    smiles = Chem.MolToSmiles(mol)
    order = list(mol.GetPropsAsDict(True, True)["_smilesAtomOutputOrder"])
    return smiles, Chem.RenumberAtoms(mol, order)


def usable(mol, a):
    rings = [len(r) for r in mol.GetRingInfo().AtomRings()]
    return (a.atoms[0] <= mol.GetNumAtoms() <= a.atoms[1] and max(rings, default=0) <= a.ring and
            a.rotors[0] <= rdMolDescriptors.CalcNumRotatableBonds(mol) <= a.rotors[1])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out")
    p.add_argument("--since", default="2023-01-01")
    p.add_argument("--atoms", type=int, nargs=2, default=(15, 40))
    p.add_argument("--rotors", type=int, nargs=2, default=(3, 16))
    p.add_argument("--ring", type=int, default=8)
    p.add_argument("--only")
    p.add_argument("--count", type=int)
    a = p.parse_args()
    RDLogger.DisableLog("rdApp.*")
    folder = os.path.dirname(biotite.structure.info.__file__)
    ccd = BinaryCIFFile.read(os.path.join(folder, "components.bcif")).block
    only = {line.split("\t")[1].strip() for line in open(a.only)} if a.only else None
    chosen = [(key, date, code) for key, date, kind, status, parent, code in
              zip(*columns(ccd["chem_comp"], ["id", "pdbx_initial_date", "pdbx_type", "pdbx_release_status",
                                              "mon_nstd_parent_comp_id", "pdbx_model_coordinates_db_code"]))
              if date >= a.since and kind == "HETAIN" and status == "REL" and parent in ("?", ".", "")
              and (only is None or key in only)]
    chosen.sort(key=lambda c: hashlib.sha256(c[0].encode()).digest())
    atom_rows, bond_rows = rows(ccd["chem_comp_atom"], "comp_id"), rows(ccd["chem_comp_bond"], "comp_id")
    atoms = columns(ccd["chem_comp_atom"], ["atom_id", "type_symbol", "charge", "model_Cartn_x", "model_Cartn_y",
                                            "model_Cartn_z"])
    bonds = columns(ccd["chem_comp_bond"], ["atom_id_1", "atom_id_2", "value_order"])
    found, seen = [], set()
    for key, date, code in chosen:
        if key not in bond_rows or (a.count and len(found) == a.count):
            continue
        try:
            built = build([c[atom_rows[key]] for c in atoms], [c[bond_rows[key]] for c in bonds])
        except (ValueError, KeyError):  # RDKit refuses its valences; an unknown bond order
            continue
        if not built or not usable(built[1], a):
            continue
        flat = Chem.MolToSmiles(built[1], isomericSmiles=False)
        if flat not in seen:
            seen.add(flat)
            found.append((key, date, code) + built)
    found.sort()
    with open(a.out + ".smi", "w") as f:
        f.writelines("%s\t%s\t1\n" % (smiles, key) for key, _, _, smiles, _ in found)
    text = []
    for key, date, code, smiles, mol in found:
        block = key + "\n" + Chem.MolToMolBlock(mol).split("\n", 1)[1]
        text.append("%s>  <SMILES>\n%s\n\n>  <PDB>\n%s\n\n>  <DATE>\n%s\n\n$$$$\n" % (block, smiles, code, date))
    subprocess.run(["zstd", "-q", "-19", "-f", "-o", a.out + ".sdf.zst"], input="".join(text).encode(), check=True)
    print("%d ligands" % len(found))


if __name__ == "__main__":
    main()
