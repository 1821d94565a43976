#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the RMSDs of core/eval with RDKit's GetBestRMS, for every pair of two sets of conformers of
some hundred molecules, and the pairs per processor second, molecule by molecule in turn (development
only; needs PyPI's rdkit and numpy).

    tools/bench/compare_rmsd.py [--build build] [--list FILE.smi] [--molecules N] [--conformers N]
                                [--rule best|plain] [--maps] [--json FILE]

A pair that differs by more than 1e-4 Å is decided by numpy's singular value decomposition, because
GetBestRMS is not exact for collinear atoms.

Set a has RDKit-embedded conformers in random orientations. Set b has more of these, conformers of a
displaced by 0.001 to 0.3 Å per coordinate, conformers of a with atoms exchanged by an automorphism, and
mirror images. --maps compares the numbers of automorphisms over the whole list with both rules instead.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np
import rdkit
from rdkit import Chem, RDLogger
from rdkit.Chem import AllChem, rdMolAlign
from rdkit.Geometry import Point3D

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
LIMIT = 1e-4  # Å

# Small, linear, flat and charged molecules, with up to thousands of automorphisms.
SYMMETRIC = """
C CC CCC C#C CC#CC C#CC#CC N#CC#N O=C=O C=C=C c1ccccc1 Cc1ccccc1 C1CC1 C1CCCCC1 CC(C)(C)C
CC(C)(C)c1ccccc1 CC(C)(C)c1ccc(C(C)(C)C)cc1 CC(C)(C)c1cc(C(C)(C)C)cc(C(C)(C)C)c1
FC(F)(F)F FC(F)(F)C(F)(F)F FC(F)(F)c1cc(C(F)(F)F)cc(C(F)(F)F)c1 ClC(Cl)(Cl)Cl FS(F)(F)(F)(F)F
CS(=O)(=O)C CS(=O)(=O)c1ccccc1 OS(=O)(=O)c1ccc(S(=O)(=O)O)cc1 NS(=O)(=O)c1ccccc1 O=S(=O)([O-])[O-]
NS(N)(=O)=O CS(=O)(=O)NS(C)(=O)=O N=S(C)(C)=O N=S(=N)(C)C
O=[N+]([O-])c1ccccc1 O=[N+]([O-])c1cc([N+](=O)[O-])cc([N+](=O)[O-])c1 C[N+](=O)[O-] O=[N+]([O-])[O-]
CC(=O)[O-] CC(=O)O OC(=O)CC(=O)O O=C([O-])CCC(=O)[O-] O=C(O)c1ccc(C(=O)O)cc1 O=C([O-])C(=O)O
NC(=N)NCCCC(N)C(=O)O NC(=[NH2+])NCCC[C@H]([NH3+])C(=O)[O-] NC(=N)N NC(=N)c1ccc(C(N)=N)cc1 NC(N)=O NC(N)=S
OP(=O)(O)O O=P([O-])([O-])[O-] OP(=O)(O)OP(=O)(O)O OP(=O)(O)OP(=O)(O)OC COP(=O)(OC)OC
OP(=O)(O)OC[C@H]1OC(O)[C@H](O)[C@@H](O)[C@@H]1O O=P(c1ccccc1)(c1ccccc1)c1ccccc1
c1ccc([P+](c2ccccc2)(c2ccccc2)c2ccccc2)cc1 C[Si](C)(C)c1ccc([Si](C)(C)C)cc1 C[N+](C)(C)C C[N+](C)(C)CC(=O)[O-]
c1ccc(-c2ccc(-c3ccccc3)cc2)cc1 c1ccc(C(c2ccccc2)c2ccccc2)cc1 c1ccc2ccccc2c1 C1CC2CCC1CC2 C1C2CC3CC1CC(C2)C3
C12C3C4C1C5C2C3C45 C1CCCCCCCCCCC1 c1ccc2cc3ccccc3cc2c1 CCC(CC)(CC)CC CC(C)C(C(C)C)C(C)C
OB(O)c1ccccc1 C/C=C/C C/C=C\\C F[C@H](Cl)Br C[C@H](N)C(=O)O CN(C)C(=O)N(C)C O=C(C(F)(F)F)C(F)(F)F
CC(C)(C)OC(=O)NC(C)(C)C CC(C)(C)[Si](C)(C)OC(=O)C(F)(F)F
""".split()

HYDROGENS_STAY = Chem.SmilesParserParams()
HYDROGENS_STAY.removeHs = False


def parse(canonical):
    """A molecule of the heavy atoms in the order of the SMILES."""
    mol = Chem.RemoveAllHs(Chem.MolFromSmiles(canonical, HYDROGENS_STAY), sanitize=False)
    Chem.SanitizeMol(mol)
    return mol


def symmetric_query(mol):
    """RDKit's rule for conjugated terminal groups, in Python."""
    end = "O,N;D1"
    ends = Chem.MolFromSmarts(f"[{end};$([{end}]-[*]=[{end}]),$([{end}]=[*]-[{end}])]~[*]")
    either = Chem.MolFromSmarts("*-,=*").GetBondWithIdx(0)
    query = Chem.RWMol(mol)
    for atom, centre in mol.GetSubstructMatches(ends, uniquify=False):
        query.GetAtomWithIdx(atom).SetFormalCharge(0)
        query.ReplaceBond(query.GetBondBetweenAtoms(atom, centre).GetIdx(), either)
    return query


def matches(mol, query):
    return mol.GetSubstructMatches(query, uniquify=False, maxMatches=1000000)


def count_maps(args, smiles):
    out = subprocess.run([args.tool, "--maps"], input="\n".join(smiles) + "\n", text=True,
                         capture_output=True, check=True).stdout
    return [line.split("\t") for line in out.splitlines()]


def compare_maps(args, smiles):
    wrong, most = 0, 0
    for canonical, plain, best, _ in count_maps(args, smiles):
        mol = parse(canonical)
        want = len(matches(mol, mol)), len(matches(mol, symmetric_query(mol)))
        most = max(most, want[1])
        if want != (int(plain), int(best)):
            print(f"{canonical}: found {plain} and {best} maps, RDKit has {want[0]} and {want[1]}")
            wrong += 1
    print(f"{len(smiles)} molecules, up to {most} maps: {wrong} differ from RDKit")
    return wrong == 0


def embed(canonical, n, seed):
    """[n][heavy atoms][3]"""
    full = Chem.MolFromSmiles(canonical)
    heavy = [a.GetIdx() for a in full.GetAtoms() if a.GetAtomicNum() > 1]
    full = Chem.AddHs(full)
    params = AllChem.ETKDGv3()
    params.randomSeed = seed
    params.useRandomCoords = full.GetNumAtoms() > 100
    params.maxIterations = 50
    ids = list(AllChem.EmbedMultipleConfs(full, n, params))
    return np.array([full.GetConformer(i).GetPositions()[heavy] for i in ids])


def rotation(rng):
    q = rng.normal(size=4)
    w, x, y, z = q / np.linalg.norm(q)
    return np.array([[1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                     [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                     [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]])


def make_sets(mol, canonical, n, rng):
    xyz = embed(canonical, 2 * n, 7)
    if len(xyz) < 2:
        return None
    half = len(xyz) // 2
    a = [xyz[i % half] for i in range(n)]
    b = [xyz[half + i % (len(xyz) - half)] for i in range(n)]
    maps = matches(mol, symmetric_query(mol))
    for i in range(n):
        kind = i % 8
        if kind in (1, 2, 3):  # near a
            b[i] = a[i] + rng.normal(size=a[i].shape) * (0, 0.001, 0.02, 0.3)[kind]
        elif kind == 4:  # a with atoms exchanged
            b[i] = a[i][list(maps[rng.integers(len(maps))])] + rng.normal(size=a[i].shape) * 0.005
        elif kind == 5:
            b[i] = a[i] * [1, 1, -1]
        elif kind == 6:
            b[i] = a[i].copy()
    def turned(conformer):
        moved = conformer @ rotation(rng).T + rng.normal(size=3) * 5
        return moved.astype(np.float32).astype(float)
    return np.array([turned(x) for x in a]), np.array([turned(x) for x in b])


def with_conformers(mol, xyz):
    mol = Chem.Mol(mol)
    mol.RemoveAllConformers()
    for c in xyz:
        conf = Chem.Conformer(mol.GetNumAtoms())
        for i, p in enumerate(c):
            conf.SetAtomPosition(i, Point3D(*p))
        mol.AddConformer(conf, assignId=True)
    return mol


def rdkit_matrix(mol, a, b, conjugated):
    """Matrix and seconds of GetBestRMS."""
    probe, ref = with_conformers(mol, a), with_conformers(mol, b)
    out = np.empty((len(a), len(b)))
    start = time.process_time()
    for i in range(len(a)):
        for j in range(len(b)):
            out[i, j] = rdMolAlign.GetBestRMS(probe, ref, i, j,
                                              symmetrizeConjugatedTerminalGroups=conjugated)
    return out, time.process_time() - start


def kabsch(p, q):
    """RMSD after the best proper rotation, by singular values."""
    p, q = p - p.mean(0), q - q.mean(0)
    u, _, v = np.linalg.svd(p.T @ q)
    turned = p @ (u @ np.diag([1, 1, np.sign(np.linalg.det(u @ v))]) @ v)
    return np.sqrt(((turned - q) ** 2).sum() / len(p))


def third_opinion(mol, a, b, pairs, conjugated):
    """The RMSD of these pairs, by numpy."""
    maps = [list(m) for m in matches(mol, symmetric_query(mol) if conjugated else mol)]
    return np.array([min(kabsch(a[i][m], b[j]) for m in maps) for i, j in pairs])


def rdkit_all_seconds(mol, a, conjugated):
    """Seconds per pair of GetAllConformerBestRMS, which searches the maps once."""
    both = with_conformers(mol, a)
    start = time.process_time()
    rdMolAlign.GetAllConformerBestRMS(both, numThreads=1,
                                      symmetrizeConjugatedTerminalGroups=conjugated)
    return (time.process_time() - start) / (len(a) * (len(a) - 1) / 2)


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default=os.path.join(ROOT, "build"))
    p.add_argument("--list", default=os.path.join(ROOT, "data", "geom_drugs_test.smi"))
    p.add_argument("--molecules", type=int, default=300)
    p.add_argument("--conformers", type=int, default=20, help="in each of the two sets")
    p.add_argument("--rule", choices=["best", "plain"], default="best")
    p.add_argument("--maps", action="store_true")
    p.add_argument("--json")
    args = p.parse_args()
    args.tool = os.path.join(args.build, "tests", "tools", "rmsd_pairs")
    RDLogger.DisableLog("rdApp.*")
    with open(args.list) as f:
        listed = [line.split()[0] for line in f if line.strip()]
    if args.maps:
        sys.exit(0 if compare_maps(args, listed + SYMMETRIC) else 1)
    step = max(1, len(listed) // max(1, args.molecules - len(SYMMETRIC)))
    smiles = (SYMMETRIC + listed[::step])[:args.molecules]
    print(f"rdkit {rdkit.__version__}, {len(smiles)} molecules, {args.conformers} x "
          f"{args.conformers} pairs each, one thread, rule '{args.rule}'")
    rng = np.random.default_rng(11)
    tool = subprocess.Popen([args.tool, args.rule], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            text=True)
    rows, pairs, worst, skipped, small, inexact = [], 0, 0.0, 0, 0, 0
    for canonical, *_ in count_maps(args, smiles):
        mol = parse(canonical)
        sets = make_sets(mol, canonical, args.conformers, rng)
        if not sets:
            skipped += 1
            print(f"{canonical}: skipped, RDKit embeds too few conformers")
            continue
        a, b = sets
        tool.stdin.write(json.dumps({"smiles": canonical, "a": a.reshape(len(a), -1).tolist(),
                                     "b": b.reshape(len(b), -1).tolist()}) + "\n")
        tool.stdin.flush()
        ours = json.loads(tool.stdout.readline())
        theirs, seconds = rdkit_matrix(mol, a, b, args.rule == "best")
        all_seconds = rdkit_all_seconds(mol, a, args.rule == "best")
        found = np.array(ours["rmsd"]).reshape(theirs.shape)
        apart = np.argwhere(np.abs(found - theirs) > LIMIT)
        if len(apart):
            true = third_opinion(mol, a, b, apart, args.rule == "best")
            at = tuple(apart.T)
            print(f"{canonical}: {len(apart)} pairs differ by up to "
                  f"{np.abs(found - theirs).max():.2e} Å; from numpy's value GetBestRMS by up to "
                  f"{np.abs(theirs[at] - true).max():.2e} Å, we by {np.abs(found[at] - true).max():.2e} Å")
            inexact += len(apart)
            theirs[at] = true
        difference = float(np.abs(found - theirs).max())
        pairs += theirs.size
        small += int((theirs < 0.01).sum())
        worst = max(worst, difference)
        rows.append({"smiles": canonical, "atoms": mol.GetNumAtoms(), "maps": ours["maps"],
                     "difference": difference, "rdkit_us": seconds / theirs.size * 1e6,
                     "rdkit_all_us": all_seconds * 1e6,
                     "us": ours["seconds"] / theirs.size * 1e6,
                     "minima_us": ours["min_seconds"] / theirs.size * 1e6,
                     "ratio": seconds / ours["seconds"],
                     "ratio_all": all_seconds * theirs.size / ours["seconds"]})
    tool.stdin.close()
    tool.wait()

    def median(key):
        return statistics.median(r[key] for r in rows)
    print(f"{len(rows)} molecules ({skipped} skipped), {pairs} pairs, {small} of them below 0.01 Å, "
          f"up to {max(r['maps'] for r in rows)} maps: largest difference {worst:.2e} Å "
          f"(not counting {inexact} pairs that numpy decided)")
    print("medians over molecules: "
          f"GetBestRMS {median('rdkit_us'):.2f} us per pair, GetAllConformerBestRMS "
          f"{median('rdkit_all_us'):.2f}, matrix {median('us'):.4f}, minima {median('minima_us'):.4f}")
    print(f"pairs/s relative to GetBestRMS: median {median('ratio'):.0f}, smallest "
          f"{min(r['ratio'] for r in rows):.0f}; relative to GetAllConformerBestRMS: median "
          f"{median('ratio_all'):.0f}, smallest {min(r['ratio_all'] for r in rows):.0f}")
    for name, low, high in (("1 map", 1, 1), ("2 to 7", 2, 7), ("8 to 99", 8, 99),
                            ("100 and more", 100, 1 << 30)):
        part = [r for r in rows if low <= r["maps"] <= high]
        if part:
            print(f"  {name}: {len(part)} molecules, GetBestRMS "
                  f"{statistics.median(r['rdkit_us'] for r in part):.2f} us, ours "
                  f"{statistics.median(r['us'] for r in part):.4f} us, "
                  f"{statistics.median(r['ratio'] for r in part):.0f} times")
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"rdkit": rdkit.__version__, "pairs": pairs, "largest_difference": worst,
                       "decided_by_numpy": inexact,
                       "molecules": rows}, f, indent=1)
    sys.exit(0 if worst <= LIMIT and pairs else 1)


if __name__ == "__main__":
    main()
