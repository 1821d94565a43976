#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes data/stereo_set.smi: molecules with every kind of stereocentre and double bond.

    make_stereo_set.py GEOM_DRUGS.smi OUT.smi [--molecules 2000]

Needs RDKit from PyPI. Scaffolds are filled with substituents, their stereoisomers enumerated; a
stereoisomer is kept if RDKit embeds it and perceives it again from the coordinates. The name of a
molecule is its kind and a number.
"""
import argparse
import itertools
import random
import sys

from rdkit import Chem, RDLogger
from rdkit.Chem import AllChem
from rdkit.Chem.EnumerateStereoisomers import EnumerateStereoisomers, StereoEnumerationOptions

RDLogger.DisableLog("rdApp.*")

# {A}, {B}, {C}, {D} stand for different substituents. Stereo is enumerated, except for what a
# scaffold states.
ALKYL = ["C", "CC", "CCC", "C(C)C", "C1CC1", "CC#N", "COC", "C(F)F", "c1ccccc1", "c1ccc(Cl)cc1", "C=C", "CO"]
HETERO = ["F", "Cl", "Br", "O", "N", "OC", "NC(C)=O", "SC", "C#N", "C(=O)O", "C(=O)N", "c1ccncc1"]
SCAFFOLDS = {
    "c_acyclic": ["C({A})({B})({C}){D}", "C({A})({B}){C}", "CC({B})C({A}){C}", "NC({A})C(=O)NC({B})C(=O)O"],
    "c_ring": ["{A}C1CCCC1{B}", "{A}C1CCCCC1{B}", "{A}C1CCC({B})CC1", "{A}C1CNCC1{B}", "{A}C1COCCN1", "{A}C1CC1{B}",
               "{A}C1CC({B})C1", "{A}C1OC1{B}", "{A}C1CCCCCC1{B}", "O=C1CC({A})C({B})N1", "{A}C1OC({B})CC1O"],
    "c_spiro": ["{A}C1CCCC12CCCN2", "{A}C1CCC2(C1)OCCC2{B}", "{A}C1CCCC12CCC(=O)N2", "O=C1NC(=O)C2(N1)CCC({A})C2"],
    "c_fused": ["{A}C1CCC2CCCCC2C1", "{A}C1CCC2C1CCC2{B}", "{A}C1CCC2NCCC2C1", "{A}C1C2CCCC2OC1{B}", "{A}N1CC2CCC1C2"],
    "c_bridgehead": ["{A}C1CC2CCC1C2", "{A}C1CC2CCC1N2C", "{A}C1CC2CCC1C=C2", "{A}C1C2CCC(C2)C1{B}", "{A}C1CN2CCC1CC2",
                     "CC1(C)C2CCC1(C)C({A})C2", "{A}C1C2CC3CC(C2)CC1C3"],
    "n_plus": ["C[N+]({A})({B}){C}", "C[N+]1({A})CCCC1", "C[N+]1({A})CCCC1{B}", "C[N+]1({A})CCC({B})CC1", "C[N+]1({A})CCOCC1{B}",
               "C[N+]({A})([O-]){B}", "[O-][N+]1(C)CCCC1{A}"],
    "n_aziridine": ["CN1CC1{A}", "{A}N1CC1{B}", "{A}C1CN1{B}", "{A}C1ON1{B}", "CN1C({A})C1{B}", "CC1CN1{A}", "CN1OC1{A}", "C1C({A})N1Cl"],
    "n_bridgehead": ["{A}C1CN2CCC1C2", "{A}C1CC2CCN1C2", "C1N2Cc3cc({A})ccc3N1Cc1cc({A})ccc12", "{A}C1CN2CCC1CC2", "{A}C1CCN2CCCC2C1",
                     "{A}N1CN2CC1C2"],
    "p": ["C[P@]({A}){B}", "C[P@]1CCCC1{A}", "{A}[P@]1CCC({B})C1", "c1ccccc1[P@@]({A}){B}", "C[As@]({A}){B}", "C[As@]1CCCC1{A}"],
    "p_oxide": ["CP(=O)({A}){B}", "COP(=O)({A}){B}", "CP(=S)({A}){B}", "{A}OP(=O)(N{B})Oc1ccccc1", "CP1(=O)CCCC1{A}", "O=P1({A})OCCCO1",
                "O=P1({A})OCCC({B})O1", "CP(=O)(O){A}", "C[P+](CC)({A}){B}"],
    "s": ["CS(=O){A}", "{A}S(=O){B}", "O=S1CCCC1{A}", "O=S1CCC({A})CC1", "CS(=O)N{A}", "COS(=O){A}", "{A}OS(=O)N{B}"],
    "s_plus": ["C[S+]({A}){B}", "C[S+]1CCCC1{A}", "C[S+]1CCC({A})C1", "C[S+]1CCCCC1{A}", "{A}[S+]1CCOCC1{B}", "{A}[S+]1CC2CCC1C2"],
    "s_imine": ["CS(=O)(=N){A}", "CS(=O)(=NC){A}", "CS(=N){A}", "CS1(=O)=NCCC1{A}", "CS(=NC#N){A}"],
    "si_ge": ["C[Si]({A})(CC){B}", "C[SiH]({A}){B}", "C[Si]1({A})CCCC1{B}", "C[Ge]({A})(CC){B}", "C[Si](O)({A}){B}"],
    "b_minus": ["C[B-](F)({A}){B}", "[B-]1(C)({A})OCCO1", "[B-]1(F)({A})OC(=O)CN1"],
    "se_as": ["C[Se](=O){A}", "C[Se+]({A}){B}", "C[As]({A}){B}", "C[Se+]1CCCC1{A}", "C[As](=O)({A}){B}", "C[As]1CCCC1{A}"],
    "isotope": ["[2H]C(C){A}", "[2H]C({A}){B}", "[3H]C(C){A}", "[2H]C([3H]){A}", "[13CH3]C(C){A}", "C[C]([13CH3])({A}){B}", "[15NH2]C(N){A}",
                "[18OH]C(O)({A})C", "[2H]C1CCCC1{A}", "[2H]C1OC1{A}", "[2H]C({A})c1ccccc1"],
    "c_c": ["CC=C{A}", "{A}C=C{B}", "CC({A})=C{B}", "{A}C({B})=C(C){C}", "[2H]C=C{A}", "CC(=C{A})C1CC1", "{A}C=C1CCCC1{B}", "{A}C=C1CCC({B})CC1",
            "O=C1NC(=O)SC1=C{A}", "O=C1Nc2ccccc2C1=C{A}"],
    "c_n": ["CC(=NO){A}", "{A}C=NO", "CC(=NOC){A}", "CC=N{A}", "CC(=NC){A}", "CC(=NNC(=O)N){A}", "{A}C=NNC(=O)c1ccccc1", "NC(=NC#N){A}",
            "NC(=NO){A}", "CSC(=NC){A}", "{A}C1=NOCC1C=NO", "C1CCC({A})C1=NO"],
    "h_n": ["[H]N=C(N){A}", "[H]N=C(C){A}", "[H]N=C(OC){A}", "[H]N=C1CCCC1{A}", "[H]N=NC{A}"],
    "n_n": ["CN=N{A}", "{A}N=N{B}", "CN=[N+]([O-]){A}", "CN(C)N=N{A}", "COC(=O)N=N{A}"],
    "ring_double": ["C1CCC=CCCC1{A}", "C1CCCC=CCCC1{A}", "C1CCCCC=CCCCC1{A}", "O=C1CCCCC=CCCCCO1", "C1C{A}CCC=CCCCC1".replace("{A}", ""),
                    "O=C1CCC=CCCC({A})O1", "C1CC=CCCC=CC1{A}", "O=C1C=CCCCCCCCCC({A})O1", "C1=CCCCCC=CCCCC1{A}"],
    "chain": ["CC=CC=C{A}", "{A}C=CC=CC=C{B}", "CC(=CC=C{A})C", "{A}C=CC(=O)C=C{B}", "CC=CC=NO", "{A}C=CC(C)=NO", "{A}C=NN=C{B}", "CC=CC(=C){A}",
              "CC(C=CC=C(C)C=C{A})=CC(=O)O", "{A}C=CCC=CCC=CC"],
    "mixed": ["CC({A})C=CC({B})C", "{A}C1CCC(=NO)CC1{B}", "CC({A})S(=O)C{B}", "{A}C1CCCC1C=C{B}", "CC(O)C({A})C=NO", "CP(=O)(OC){A}", "C[S+]([O-])CC({A}){B}"],
}
PER_KIND = 76


def options(rng, scaffold):
    """Endless fillings of a scaffold with different substituents."""
    letters = [c for c in "ABCD" if "{" + c + "}" in scaffold]
    if not letters:
        yield scaffold
        return
    while True:
        pool = ALKYL + HETERO
        if any(x in scaffold for x in ("[N+]", "[S+]", "CP(", "C[P", "[Si", "[Ge", "S(=O)", "[Se", "[As", "[B-]", "N=N", "P(", "P1", "[P", "NN")):
            pool = ALKYL
        yield scaffold.format(**dict(zip(letters, rng.sample(pool, len(letters)))))


def perceived(mol, conf):
    copy = Chem.Mol(mol)
    Chem.AssignStereochemistryFrom3D(copy, conf)
    return copy


def holds(smiles):
    """Does RDKit embed the molecule and find its configuration in the coordinates?"""
    mol = Chem.MolFromSmiles(smiles)
    if mol is None or mol.GetNumHeavyAtoms() < 4:
        return False
    full = Chem.AddHs(mol)
    params = AllChem.ETKDGv3()
    params.randomSeed = 7
    params.maxIterations = 5
    params.timeout = 3
    if AllChem.EmbedMolecule(full, params) != 0:
        return False
    bare = Chem.Mol(full)
    for a in bare.GetAtoms():
        a.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
    for b in bare.GetBonds():
        if b.GetBondType() == Chem.BondType.DOUBLE:
            b.SetStereo(Chem.BondStereo.STEREONONE)
    Chem.AssignStereochemistryFrom3D(bare, 0)
    # three-coordinate phosphorus and arsenic are embedded, but never perceived
    return "[P@" in smiles or "[As@" in smiles or bare.HasSubstructMatch(full, useChirality=True)


def stereo_marks(smiles):
    return smiles.count("@") > 0 or "/" in smiles or "\\" in smiles


def isomers(smiles, rng):
    mol = Chem.MolFromSmiles(smiles)
    if mol is None:
        return []
    if "[P@" in smiles or "[As@" in smiles:  # not enumerated by RDKit
        images = [smiles, smiles.replace("@@", "~").replace("@", "@@").replace("~", "@")]
        return [s for s in (Chem.MolToSmiles(Chem.MolFromSmiles(i)) for i in images) if stereo_marks(s)]
    opt = StereoEnumerationOptions(maxIsomers=8, rand=rng.randrange(1 << 30), unique=True, onlyUnassigned=False)
    found = [Chem.MolToSmiles(m) for m in EnumerateStereoisomers(mol, options=opt)]
    return [s for s in found if stereo_marks(s)]


def fill(kind, scaffolds, rng, seen, want):
    """Stereoisomers of a kind, the scaffolds in turn."""
    out = []
    streams = [options(rng, s) for s in scaffolds]
    for tries in range(want * 4):
        if not streams or len(out) >= want:
            break
        stream = streams[tries % len(streams)] # in turn, so that each scaffold occurs
        smiles = next(stream, None)
        if smiles is None:
            streams.remove(stream)
            continue
        choices = isomers(smiles, rng)
        rng.shuffle(choices)
        for s in choices[:3]:
            if s not in seen and holds(s):
                seen.add(s)
                out.append(s)
    if len(out) < want:
        print(f"{kind}: {len(out)} of {want}", file=sys.stderr)
    return out[:want]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("drugs")
    parser.add_argument("out")
    parser.add_argument("--molecules", type=int, default=2000)
    args = parser.parse_args()
    rng = random.Random(1)
    seen, rows = set(), []
    for kind, scaffolds in SCAFFOLDS.items():
        found = fill(kind, scaffolds, rng, seen, PER_KIND)
        rows += [(s, f"{kind}_{i:03}") for i, s in enumerate(found, 1)]
        print(kind, len(found), file=sys.stderr)
    drugs = [line.split()[0] for line in open(args.drugs) if line.strip() and not line.startswith("#")]
    drugs = [s for s in drugs if stereo_marks(s)]
    rng.shuffle(drugs)
    n = 0
    for s in drugs:
        if len(rows) >= args.molecules:
            break
        if s not in seen and holds(s):
            seen.add(s)
            n += 1
            rows.append((s, f"drug_{n:03}"))
    with open(args.out, "w") as out:
        for row in rows:
            print("%s\t%s" % row, file=out)


main()
