#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes tests/data/eval (development only; needs PyPI's rdkit and numpy).

    tools/make_eval_test_data.py [FOLDER]

  ref.sdf      3 conformers of each molecule: heavy atoms in the order of the canonical SMILES
  gen.sdf      4 other conformers in the same form
  foreign.sdf  the conformers of gen.sdf as other programs may write them: with hydrogens, another order
               of atoms in every record, V2000 and V3000 in turn, records of the molecules mixed, every
               third with CR LF, every second without its SMILES
  stereo.sdf   a conformer of each stereoisomer, its mirror image and the same with the atoms in reverse
               order, each with the SMILES of the stereoisomer
"""
import os
import random
import sys

import numpy as np
from rdkit import Chem
from rdkit.Chem import AllChem

MOLECULES = [
    ("benzoate", "O=C([O-])c1ccccc1CC"),
    ("nitro", "CCOc1ccc([N+](=O)[O-])cc1"),
    ("alanine", "C[C@H]([NH3+])C(=O)NCC"),
    ("imidazole", "CCCc1ncc[nH]1"),
    ("triflate", "CC(COS(=O)(=O)C(F)(F)F)C"),
    ("diene", "CC/C=C/C=C\\CO"),
    ("amidine", "NC(=[NH2+])CCC1CC1"),
    ("salt", "CCC[NH3+].[Cl-]"),
]

# Atoms that are equivalent without stereo differ with it
STEREOISOMERS = [
    ("meso", "C[C@H](O)C[C@@H](C)O"),
    ("chiral", "C[C@H](O)C[C@H](C)O"),
    ("isotope", "C[C@H](O)[13CH3]"),
    ("E and Z", "F/C=C/C/C=C\\F"),
]


def record(mol, conf, name, smiles, v3000, crlf):
    block = Chem.MolToMolBlock(mol, confId=conf, includeStereo=False, forceV3000=v3000)
    text = name + "\n" + block.split("\n", 1)[1]
    if smiles:
        text += ">  <SMILES>\n%s\n\n" % smiles
    text += "$$$$\n"
    return text.replace("\n", "\r\n") if crlf else text


def stereo_records():
    records = []
    for name, smiles in STEREOISOMERS:
        canonical = Chem.CanonSmiles(smiles)
        mol = Chem.AddHs(Chem.MolFromSmiles(canonical))
        AllChem.EmbedMolecule(mol, randomSeed=11)
        mol = Chem.RemoveHs(mol)
        assert Chem.MolToSmiles(mol) == canonical
        mirrored = Chem.Mol(mol)
        c = mirrored.GetConformer()
        for i in range(mol.GetNumAtoms()):
            p = c.GetAtomPosition(i)
            c.SetAtomPosition(i, (p.x, p.y, -p.z))
        backwards = Chem.RenumberAtoms(mol, list(range(mol.GetNumAtoms()))[::-1])
        for m, suffix in ((mol, ""), (mirrored, " mirrored"), (backwards, " reversed")):
            records.append(record(m, 0, name + suffix, canonical, False, False))
    return records


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", "tests", "data", "eval")
    os.makedirs(folder, exist_ok=True)
    rng = random.Random(7)
    ref, gen, foreign = [], [], []
    for name, smiles in MOLECULES:
        mol = Chem.MolFromSmiles(smiles)
        mol = Chem.MolFromSmiles(Chem.MolToSmiles(mol))
        canonical = Chem.MolToSmiles(mol)
        full = Chem.AddHs(mol)
        AllChem.EmbedMultipleConfs(full, 7, randomSeed=11)
        assert full.GetNumConformers() == 7
        for c in full.GetConformers():
            # the precision of the text, equal in all files
            for i, p in enumerate(np.round(c.GetPositions(), 4)):
                c.SetAtomPosition(i, p.tolist())
        heavy = Chem.RemoveHs(full)
        for i in range(7):
            (ref if i < 3 else gen).append(record(heavy, i, name, canonical, False, False))
        for i in range(3, 7):
            order = list(range(full.GetNumAtoms()))
            rng.shuffle(order)
            n = len(foreign)
            foreign.append(record(Chem.RenumberAtoms(full, order), i, name, canonical if i % 2 else "",
                                  n % 4 >= 2, n % 3 == 0))
    rng.shuffle(foreign)
    for file, records in (("ref.sdf", ref), ("gen.sdf", gen), ("foreign.sdf", foreign),
                          ("stereo.sdf", stereo_records())):
        with open(os.path.join(folder, file), "w", newline="") as f:
            f.write("".join(records))


if __name__ == "__main__":
    main()
