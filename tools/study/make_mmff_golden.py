#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes tests/golden/mmff.json: MMFF94 energies by the newest RDKit (needs PyPI's rdkit).

    tools/study/make_mmff_golden.py LIST.smi >tests/golden/mmff.json

LIST.smi is data/geom_drugs_test.smi, of which every 50th molecule is taken; others with rarer atom
types are listed below. Each has one ETKDGv3 conformer: its coordinates, the seven parts of its energy
and the energy after minimisation, by MMFF94 and MMFF94s. `smiles` has all hydrogens as atoms.
"""
import json
import sys

import rdkit
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

ODD = """C CO O CC(=O)O CC(=O)[O-] C[NH3+] CC#N CC#C C=C=C C[N+](=O)[O-] CN=[N+]=[N-] C[N+]#[C-] CS(=O)(=O)NC
CS(C)=O CS(=O)(=O)[O-] COP(=O)(O)OC CSSC C[Si](C)(C)C FC(F)(F)CCl BrCCI C1CC1 C1CO1 C1CCC1 C1CNC1 C1=CC1
c1ccncc1 c1cc[nH]c1 c1ccoc1 c1ccsc1 c1nnn[nH]1 Cn1cnc2c1c(=O)n(C)c(=O)n2C C[n+]1ccccc1 O=c1cc[nH]cc1
NC(=[NH2+])N NC(N)=O CC(=O)NC CN=CN ON=C(C)C CNN C[NH+](C)C COC(=O)C=C C/C=C/C=O O=C=NC S=C(N)N
C[P+](C)(C)C CP(C)C [O-][n+]1ccccc1 C[N-]S(C)(=O)=O C12C3C4C1C5C2C3C45 [NH4+].[Cl-] CC(=O)[O-].C[NH3+]
OC[C@H]1O[C@@H](O)[C@H](O)[C@@H](O)[C@@H]1O O=C1CCCCCCCCCCN1 NC(=O)c1ccccc1[N+](=O)[O-]""".split()
TERMS = ["Bond", "Angle", "StretchBend", "Oop", "Torsion", "VdW", "Ele"]


def energies(mol, variant):
    # Each molecule is typed once: it gets MMFF94's aromaticity, after which RDKit may find other types.
    typed = Chem.Mol(mol)
    properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(typed, mmffVariant=variant)
    parts = []
    for wanted in TERMS:
        for term in TERMS:
            getattr(properties, "SetMMFF%sTerm" % term)(term == wanted)
        parts.append(rdForceFieldHelpers.MMFFGetMoleculeForceField(typed, properties).CalcEnergy())
    copy = Chem.Mol(mol)
    (_, least), = rdForceFieldHelpers.MMFFOptimizeMoleculeConfs(copy, maxIters=20000,
                                                                mmffVariant=variant)
    return {"parts": [round(e, 7) for e in parts], "minimised": round(least, 5)}


def molecule(smiles):
    text = Chem.MolToSmiles(Chem.AddHs(Chem.MolFromSmiles(smiles)))
    parser = Chem.SmilesParserParams()
    parser.removeHs = False
    mol = Chem.MolFromSmiles(text, parser)
    if rdDistGeom.EmbedMolecule(mol, randomSeed=17) != 0:
        raise SystemExit("%s: not embedded" % smiles)
    conformer = mol.GetConformer()
    xyz = [[round(x, 3) for x in row] for row in conformer.GetPositions().tolist()]
    for i, position in enumerate(xyz):
        conformer.SetAtomPosition(i, position)
    return {"smiles": text, "xyz": xyz,
            "MMFF94": energies(mol, "MMFF94"), "MMFF94s": energies(mol, "MMFF94s")}


def main():
    with open(sys.argv[1], encoding="ascii") as f:
        listed = [line.split()[0] for line in f if line.strip()][::50]
    rows = [json.dumps(molecule(smiles), separators=(",", ":")) for smiles in ODD + listed]
    print('{"rdkit":"%s","molecules":[\n%s\n]}' % (rdkit.__version__, ",\n".join(rows)))


if __name__ == "__main__":
    main()
