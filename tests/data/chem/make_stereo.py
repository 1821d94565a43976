#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes stereo.tsv: molecules of every kind of stereocentre and double bond, with coordinates.

The coordinates are embedded by RDKit from PyPI (ETKDG) from the SMILES below, not from confgen's
canonical SMILES, and then brought into its order. So they are an independent oracle for the signs
that confgen tests. One line per molecule, tab-separated:

    SMILES, canonical SMILES (confgen's), stereocentres, double bonds, 1 if the mirror image is the
    same molecule, 1 if that with every double bond inverted is, coordinates, coordinates with every
    double bond inverted or "-"

    make_stereo.py BUILD/tests/tools/check_conformers [FILE.smi] >stereo.tsv

With FILE.smi its molecules (SMILES, blank, anything) are used instead of the list.
"""
import subprocess
import sys

from rdkit import Chem, RDLogger
from rdkit.Chem import AllChem

MOLECULES = r"""
C[C@H](N)C(=O)O
N[C@@H](C)C(=O)O
C[C@](F)(Cl)Br
OC(=O)[C@](C)(CC)N
[C@@H](F)(Cl)Br
C1C[C@@H](O)[C@H](F)C1
C[C@H]1CC[C@@H](C)CC1
C[C@H]1CC[C@H](C)CC1
C[C@]1(F)CO1
C[C@H]1C[C@@H]1C(=O)O
C1C[C@@]2(CO1)CC(=O)[C@H](F)C2
O=C1C[C@]2(CCCN2)C(=O)N1
C1CC[C@H]2CCCC[C@@H]2C1
C1CC[C@@H]2CCCC[C@@H]2C1
CC1(C)[C@@H]2CC[C@@]1(C)C(=O)C2
CN1[C@@H]2CC[C@H]1C[C@@H](C2)OC(=O)C
C[C@]12CC[C@H]3[C@@H](CCc4cc(O)ccc43)[C@@H]1CC[C@@H]2O
CC1(C)S[C@@H]2[C@H](NC(=O)C)C(=O)N2[C@H]1C(=O)O
C[C@H](O)[C@@H](C)O
C[C@H](O)[C@H](C)O
O[C@H]1[C@H](O)[C@@H](O)[C@H](O)[C@H](O)[C@@H]1O
C[C@@H]1C[C@H](C)C[C@@H](C)C1
C[N@+](CC)(CCC)CCCC
C[N@@+]([O-])(CC)CCC
C[N@+]1(CC)CCC[C@H]1C
C[C@H]1C[N@]1C
C[N@@]1C[C@@H]1C
F[N@]1C[C@H]1C
C1C[N@]2C[C@H]1CC2C
C1C[N@]2CC[C@H]1C(C)C2
CC(C)(C)[C@H]1CN2CC[C@@H]1C2
COc1ccc2nccc([C@@H](O)[C@H]3C[C@@H]4CC[N@@]3C[C@@H]4C=C)c2c1
C[P@](CC)c1ccccc1
C[P@@](F)CC
C[P@]1CCC[C@@H]1C
C[C@H]1CCC[P@]1C
C[P@@]1CC[P@](C)CC1
CC[P@](=O)(OC)c1ccccc1
C[P@](=O)(OC)N(C)C
C[P@@](=S)(CC)OC
C[P@H](=O)OCC
C[P@@+](CC)(CCC)c1ccccc1
O=[P@]1(OC)OCC[C@H](C)O1
C[S@](=O)c1ccccc1
CC[S@@](=O)C
O=[S@@]1CCC[C@H]1C
C[S@+]([O-])CC
C[S@+](CC)CCC
C[C@H]1CCC[S@+]1C
C1C[C@H](C)[S@+](C)C1
C[S@@+]1CCC[C@H]1C
[S@@+]1(C)CCC[C@H]1C
OC[C@H]1C[S@+](C[C@@H](O)CO)C[C@@H]1O
C[S@](=O)(=N)CC
C[S@@](=O)(=NC)c1ccccc1
C[S@](=N)c1ccccc1
CS[S@](=O)C
C[Si@](F)(CC)c1ccccc1
C[Si@H](F)CC
C[Ge@](F)(CC)CCC
C[B@-](F)(O)CC
C[B@@-]1(O)OC(=O)[C@H](C)O1
C[Se@](=O)CC
C[Se@+](CC)CCC
C[C@H]1CCC[Se@+]1C
C[As@](CC)c1ccccc1
C[As@@]1CCC[C@H]1C
C[As@@+](CC)(CCC)CCCC
[2H][C@](C)(F)Cl
C[C@@]([2H])(N)C(=O)O
[2H][C@H](C)O
[3H][C@@]([2H])(C)O
[2H][C@@H]([3H])c1ccccc1
[2H][C@]1(C)CCCO1
C[C@H]([13CH3])O
[13CH3][C@@](C)(F)O
C[C@H](N)[15NH2]
[2H][C@H](C)[C@@H]([2H])C
F/C=C/F
F/C=C\F
C/C(F)=C(/Cl)Br
C/C=C/C=C\C
C/C=C/C=C/C=C/C(=O)O
CC(/C=C/C(C)=O)=C\C(=O)O
[2H]/C=C/C
[2H]/C=C\[2H]
[2H]/C(C)=C(\[3H])F
C/C=C(/[13CH3])C
C/C=N/O
C/C(CC)=N\OC
C/C=N\Nc1ccccc1
C/C(=N\NC(N)=O)c1ccccc1
C/C=[N+](\C)[O-]
C/N=C(/C)c1ccccc1
c1ccccc1/N=N/c1ccccc1
C/N=N\C
[H]/N=C(/C)F
[H]/N=C(\N)c1ccccc1
[H]/N=C(C)/CC
[H]/N=N/C
[2H]/N=C(\C)O
C1=C\CCCCCC/1
C1=C/CCCCCCCCCC/1
C1=C\CCCCCCCCCC/1
C1CC/C=C/CCCC/C=C/C1
C/C=C1\CCCC[C@@H]1C
C/C=C1/C=CC(=O)C(F)=C1
O/N=C1\CCC[C@H](C)C1
C[C@H](O)/C=C/[C@@H](C)F
C/C=C/[C@H](O)/C=C\C
C[C@H](O)C(/F)=C(\F)[C@@H](C)O
C[C@H](O)/C=N/O
O=S1(=O)C[C@H]2C=C[C@@H]1C2
F[C@@H]1[C@H](Cl)[C@]2(Br)CC[C@@]1(I)C2
""".split()


def attempt(mol, seed):
    params = AllChem.ETKDGv3()
    params.randomSeed = seed
    params.useRandomCoords = seed > 7
    params.timeout = 10  # seconds
    return AllChem.EmbedMolecule(mol, params) == 0


def embed(mol):
    """A copy with hydrogens and one conformer, or None."""
    mol = Chem.AddHs(mol)
    for seed in (7, 11, 13, 17):
        if attempt(mol, seed):
            return mol
    return None


def stereo_of(mol):
    centres = [a.GetIdx() for a in mol.GetAtoms() if a.GetChiralTag()]
    bonds = [b.GetIdx() for b in mol.GetBonds() if b.GetStereo() > Chem.BondStereo.STEREOANY]
    return centres, bonds


def without_stereo_hydrogens(smiles):
    params = Chem.SmilesParserParams()
    params.removeHs = False
    return Chem.MolFromSmiles(smiles, params)


def text_of(mol, order):
    xyz = mol.GetConformer().GetPositions()
    return " ".join("%.2f" % v for i in order for v in xyz[i])


def mirror_image(mol):
    other = Chem.RWMol(mol)
    for atom in other.GetAtoms():
        atom.InvertChirality()
    return other


def with_bonds_inverted(mol):
    other = Chem.RWMol(mol)
    for bond in other.GetBonds():
        z = bond.GetStereo() in (Chem.BondStereo.STEREOZ, Chem.BondStereo.STEREOCIS)
        if bond.GetStereo() > Chem.BondStereo.STEREOANY:
            bond.SetStereo(Chem.BondStereo.STEREOE if z else Chem.BondStereo.STEREOZ)
    return other


def are_same(a, b):
    return Chem.CanonSmiles(Chem.MolToSmiles(a)) == Chem.CanonSmiles(Chem.MolToSmiles(b))


def line_of(smiles, canonical):
    mol, wanted = Chem.MolFromSmiles(smiles), without_stereo_hydrogens(canonical)
    if mol is None or wanted is None:
        return None, "RDKit cannot read it"
    centres, bonds = stereo_of(mol)
    if [len(centres), len(bonds)] != [len(v) for v in stereo_of(wanted)]:
        return None, "the canonical SMILES %s has other stereo elements" % canonical
    order = mol.GetSubstructMatch(wanted, useChirality=True)
    if len(order) != wanted.GetNumAtoms() or len(order) != mol.GetNumAtoms():
        return None, "the canonical SMILES %s is another molecule" % canonical
    embedded = embed(mol)
    if embedded is None:
        return None, "not embedded"
    inverted = with_bonds_inverted(mol)
    other = embed(inverted) if bonds else None
    fields = [smiles, canonical, str(len(centres)), str(len(bonds)),
              str(int(are_same(mirror_image(mol), mol))), str(int(are_same(inverted, mol))),
              text_of(embedded, order), text_of(other, order) if other else "-"]
    return "\t".join(fields), None


def main():
    RDLogger.DisableLog("rdApp.*")
    molecules = MOLECULES
    if len(sys.argv) > 2:
        molecules = [line.split()[0] for line in open(sys.argv[2]) if line.strip()]
    tool = subprocess.run([sys.argv[1]], input="\n".join(molecules) + "\n", text=True,
                          capture_output=True, check=True)
    for smiles, canonical in zip(molecules, tool.stdout.splitlines()):
        line, reason = (None, canonical) if canonical.startswith("error\t") else line_of(smiles, canonical)
        if line:
            print(line)
        else:
            print("%s: %s" % (smiles, reason), file=sys.stderr)


main()
